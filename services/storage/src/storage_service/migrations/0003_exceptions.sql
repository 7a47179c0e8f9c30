-- What a person has to look at. Each entry was told by a fact; the same kind, study and subject are the same entry, also
-- when the index is made anew.
CREATE TABLE exception_entry (
    kind               text NOT NULL,
    study_instance_uid text COLLATE "C" NOT NULL,
    subject            text NOT NULL,
    site               text NOT NULL,
    summary            text NOT NULL,
    event_id           uuid NOT NULL,
    since              timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (study_instance_uid, kind, subject)
);
CREATE INDEX exception_entry_since ON exception_entry (since DESC);
