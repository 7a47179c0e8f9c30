-- Pairs of patients that may be one person and wait for somebody who says so (patient.duplicate_suspected).
CREATE TABLE duplicates (
    patient_id uuid NOT NULL,
    other_id   uuid NOT NULL,
    site       text NOT NULL,
    since      timestamptz NOT NULL,
    fact       jsonb NOT NULL, -- fj_events.PatientDuplicateSuspected
    score      double precision NOT NULL,
    PRIMARY KEY (patient_id, other_id)
);
CREATE INDEX duplicates_likeliest ON duplicates (score DESC, patient_id, other_id);
