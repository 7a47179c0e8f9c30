-- One row per patient: a number of an issuer (law 6). The key follows from the two, so the primary key alone decides
-- between messages about one new patient that arrive at the same instant.
CREATE TABLE patients (
    patient_id    uuid PRIMARY KEY,
    site          text NOT NULL,
    provisional   boolean NOT NULL,
    source        text NOT NULL,
    details       jsonb NOT NULL, -- fj_events.PatientPhi
    family_name   text GENERATED ALWAYS AS (lower(details ->> 'family_name')) STORED,
    registered_at timestamptz NOT NULL DEFAULT now(),
    changed_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX patients_family_name ON patients (family_name text_pattern_ops);

-- Every number of every patient. Two patients may have been given the same further number: which of them is right is
-- for a person to say, so the row names both.
CREATE TABLE identifiers (
    value      text NOT NULL,
    issuer     text NOT NULL,
    patient_id uuid NOT NULL REFERENCES patients,
    PRIMARY KEY (value, issuer, patient_id)
);
