-- What was said last of each number: to whom it went. Newest by the sender's clock, so that the order in which messages
-- arrive decides nothing. Whose a number is follows from all rows that hang together; `stated_*` is what others were told.
CREATE TABLE merges (
    patient_id   uuid PRIMARY KEY REFERENCES patients,
    into_id      uuid NOT NULL REFERENCES patients,
    merged_at    timestamptz NOT NULL,
    undone       boolean NOT NULL DEFAULT false,
    until        timestamptz, -- from here on the number is somebody else's
    stated_id    uuid,
    stated_until timestamptz,
    CHECK (patient_id <> into_id)
);
CREATE INDEX merges_into ON merges (into_id);
CREATE INDEX merges_stated ON merges (stated_id);

-- The numbers that belong to a patient because they were merged into it: they go when the merge is undone.
ALTER TABLE patients ADD COLUMN merged_ids jsonb NOT NULL DEFAULT '[]';
