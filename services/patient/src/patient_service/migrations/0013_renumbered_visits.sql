-- What was said of visits and accounts that got another number (ADT^A50, A49): every statement once, as of moves.
CREATE TABLE visit_renumberings (
    visit_id       uuid NOT NULL REFERENCES visits,  -- by the number before
    patient_id     uuid NOT NULL,
    patient_ids    uuid[] NOT NULL,                  -- all by which the message names the patient
    value          text NOT NULL,                    -- the number that it got
    issuer         text NOT NULL,
    renumbered_at  timestamptz NOT NULL,
    undone         boolean NOT NULL DEFAULT false,
    PRIMARY KEY (visit_id, renumbered_at, patient_id, value, issuer)
);
