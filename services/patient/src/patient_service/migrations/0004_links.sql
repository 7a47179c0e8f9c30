-- What was said last of two numbers: that they are one person's, or that they are not. `said_at` is null where nobody
-- said it and both carry one further number: then any statement wins.
CREATE TABLE links (
    one_id   uuid NOT NULL REFERENCES patients,
    other_id uuid NOT NULL REFERENCES patients,
    linked   boolean NOT NULL,
    said_at  timestamptz,
    basis    text NOT NULL,
    reason   text NOT NULL,
    PRIMARY KEY (one_id, other_id),
    CHECK (one_id < other_id)
);
CREATE INDEX links_other ON links (other_id);

-- The person that a number stands for, as others were told last; numbers without a row stand for themselves.
CREATE TABLE persons (
    patient_id    uuid PRIMARY KEY REFERENCES patients,
    enterprise_id uuid NOT NULL
);
CREATE INDEX persons_enterprise ON persons (enterprise_id);
