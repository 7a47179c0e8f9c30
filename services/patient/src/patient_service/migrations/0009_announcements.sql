-- What the registration system said of a number that tells one person from another, by its own time: a merge that comes after the
-- registration of the next holder is of the records before it.
CREATE TABLE announcements (
    patient_id uuid NOT NULL REFERENCES patients,
    said_at    timestamptz NOT NULL,
    registers  boolean NOT NULL,
    details    jsonb NOT NULL, -- fj_events.PatientPhi
    PRIMARY KEY (patient_id, said_at, registers)
);
