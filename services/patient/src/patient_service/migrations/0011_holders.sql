-- A number is given out again and again, and each of its holders may be merged: every statement is kept, when the number was
-- given to somebody else, and of whom it was said to be, each until when.
CREATE TABLE reuses (
    patient_id uuid NOT NULL REFERENCES patients,
    at         timestamptz NOT NULL,
    PRIMARY KEY (patient_id, at)
);
INSERT INTO reuses (patient_id, at) SELECT patient_id, until FROM merges WHERE until IS NOT NULL;
CREATE TABLE holders (
    patient_id  uuid NOT NULL REFERENCES patients,
    survivor_id uuid NOT NULL,
    until       timestamptz -- from here on the number is somebody else's
);
CREATE UNIQUE INDEX holders_number ON holders (patient_id, until) NULLS NOT DISTINCT;
CREATE INDEX holders_survivor ON holders (survivor_id);
INSERT INTO holders (patient_id, survivor_id, until)
SELECT patient_id, stated_id, stated_until FROM merges WHERE stated_id IS NOT NULL;

-- What is known of a merged number was announced, where that was not kept by its time yet.
INSERT INTO announcements (patient_id, said_at, registers, details)
SELECT DISTINCT ON (p.patient_id) p.patient_id, timestamptz '1900-01-01 00:00:00Z', false, p.details
  FROM patients p JOIN merges m USING (patient_id)
 WHERE m.until IS NULL AND NOT EXISTS (SELECT FROM announcements a WHERE a.patient_id = p.patient_id);

ALTER TABLE merges DROP CONSTRAINT merges_pkey, ADD PRIMARY KEY (patient_id, merged_at, into_id),
    DROP COLUMN until, DROP COLUMN stated_id, DROP COLUMN stated_until;
