-- Merges (libs/survivors): which owner of a reused number an exam is of, is decided by when its order was first told of.
ALTER TABLE exam ADD COLUMN recorded_at timestamptz;
UPDATE exam SET recorded_at = created_at;
CREATE INDEX exam_patient ON exam (patient_id);

-- By which ids a modality may name whom an exam is of: a number that somebody else has now is theirs.
CREATE FUNCTION named_as(id uuid, recorded_at timestamptz) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    WITH whose AS (SELECT survivor_of(id, recorded_at) AS survivor_id)
    SELECT survivor_id FROM whose
     UNION SELECT s.patient_id FROM survivor s JOIN whose USING (survivor_id)
            WHERE s.until IS NULL OR now() < s.until
$$;
