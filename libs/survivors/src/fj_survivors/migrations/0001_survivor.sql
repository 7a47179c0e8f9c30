-- Whose a patient number is. One row per number that was merged away; the last fact of a number holds.
CREATE TABLE survivor (
    patient_id  uuid PRIMARY KEY,
    survivor_id uuid NOT NULL,
    until       timestamptz,        -- only what was recorded before: since then the number is somebody else's
    patient     jsonb NOT NULL,     -- fj_events.PatientPhi, number and name of both as the fact had them
    survivor    jsonb NOT NULL
);
CREATE INDEX survivor_survivor ON survivor (survivor_id);
CREATE INDEX survivor_patient_number ON survivor ((patient #>> '{id,value}'));
CREATE INDEX survivor_survivor_number ON survivor ((survivor #>> '{id,value}'));

-- Whose a record is that names this patient and was made at that instant.
CREATE FUNCTION survivor_of(id uuid, recorded_at timestamptz) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT s.survivor_id FROM survivor s
                      WHERE s.patient_id = id AND (s.until IS NULL OR recorded_at < s.until)), id)
$$;

-- All ids by which records may name whoever this id stands for now: an index finds them, survivor_of decides.
CREATE FUNCTION ids_of(id uuid) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    WITH now_is AS (SELECT survivor_of(id, now()) AS survivor_id)
    SELECT survivor_id FROM now_is
     UNION SELECT s.patient_id FROM survivor s JOIN now_is USING (survivor_id)
$$;

-- Whom a number stands for now, as far as merges tell; whoever has never been part of one is not among them.
CREATE FUNCTION survivors_with(number text) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    SELECT survivor_of(s.patient_id, now()) FROM survivor s WHERE s.patient #>> '{id,value}' = number
     UNION SELECT survivor_of(s.survivor_id, now()) FROM survivor s WHERE s.survivor #>> '{id,value}' = number
$$;

-- Number and name of a survivor as the last merge had them, for a room that knows no more.
CREATE FUNCTION survivor_details(id uuid) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT s.survivor FROM survivor s WHERE s.survivor_id = id ORDER BY s.patient_id LIMIT 1
$$;
