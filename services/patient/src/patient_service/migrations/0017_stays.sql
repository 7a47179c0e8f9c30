-- What ADT said of visits: how far they are, and where the patient is. Every event once; what is so by now follows from them.
CREATE TABLE visit_events (
    number         bigint GENERATED ALWAYS AS IDENTITY,  -- in the order of arrival
    visit_id       uuid NOT NULL REFERENCES visits,
    patient_id     uuid NOT NULL,
    trigger        text NOT NULL,
    happened_at    timestamptz NOT NULL,
    site           text NOT NULL,
    patient_class  text,
    location       jsonb,                                -- fj_events.PatientLocation; empty: it was deleted
    prior_location jsonb,
    PRIMARY KEY (visit_id, patient_id, trigger, happened_at)
);
-- What others were told last of a visit number and a patient who has it.
CREATE TABLE visit_stays (
    visit_id       uuid NOT NULL REFERENCES visits,
    patient_id     uuid NOT NULL,
    patient_ids    uuid[] NOT NULL,
    site           text NOT NULL,
    happened_at    timestamptz NOT NULL,
    state          text,
    patient_class  text,
    location       jsonb,
    PRIMARY KEY (visit_id, patient_id)
);
-- By the number that it got a visit is found under the one before.
CREATE INDEX visit_renumberings_number ON visit_renumberings (value, issuer);
