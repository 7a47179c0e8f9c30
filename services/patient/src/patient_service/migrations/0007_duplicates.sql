-- By which keys records find those that may be of the same person (patient_service.domain.blocking). Written with the record;
-- records that were kept before have theirs from their next change on.
CREATE TABLE match_keys (
    key        text NOT NULL,
    patient_id uuid NOT NULL REFERENCES patients,
    PRIMARY KEY (key, patient_id)
);
CREATE INDEX match_keys_patient ON match_keys (patient_id);

-- Pairs that a person has to look at, or had: who was dismissed is not asked about again while `evidence` stays the same.
CREATE TABLE suspicions (
    one_id   uuid NOT NULL REFERENCES patients,
    other_id uuid NOT NULL REFERENCES patients,
    state    text NOT NULL,
    score    double precision NOT NULL,
    grade    text NOT NULL,
    reasons  text[] NOT NULL,
    evidence text NOT NULL,
    since    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (one_id, other_id),
    CHECK (one_id < other_id)
);
CREATE INDEX suspicions_other ON suspicions (other_id);
CREATE INDEX suspicions_open ON suspicions (score DESC, one_id, other_id) WHERE state = 'open';
