-- The last fact that says whose a number is, and the rooms that have followed it: when all have, that is a fact too.
CREATE TABLE following (
    patient_id  uuid PRIMARY KEY REFERENCES patients,
    fact_id     uuid NOT NULL,
    site        text NOT NULL,
    survivor_id uuid NOT NULL,
    rooms       text[] NOT NULL,
    completed   boolean NOT NULL
);
