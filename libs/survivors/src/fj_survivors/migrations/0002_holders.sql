-- A number is given out again and again: one row for each who had it and was merged away, and for nobody else.
ALTER TABLE survivor DROP CONSTRAINT survivor_pkey;
CREATE UNIQUE INDEX survivor_holder ON survivor (patient_id, until) NULLS NOT DISTINCT;

-- Whose a record is that names this patient and was made at that instant: of those who had the number until later, the first.
CREATE OR REPLACE FUNCTION survivor_of(id uuid, recorded_at timestamptz) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT s.survivor_id FROM survivor s
                      WHERE s.patient_id = id AND (s.until IS NULL OR recorded_at < s.until)
                      ORDER BY s.until NULLS LAST LIMIT 1), id)
$$;
