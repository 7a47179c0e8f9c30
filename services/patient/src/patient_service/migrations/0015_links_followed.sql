-- The last fact that says which person a number stands for, and the rooms that have followed it: when all that answer for
-- persons have, that is a fact too.
CREATE TABLE link_following (
    patient_id    uuid PRIMARY KEY REFERENCES patients,
    fact_id       uuid NOT NULL,
    site          text NOT NULL,
    enterprise_id uuid NOT NULL,
    rooms         text[] NOT NULL,
    completed     boolean NOT NULL
);
