-- The last fact that says whose a visit or account is, and the rooms that have followed it: `order` by that fact itself, the
-- others by the facts of the orders that went along. When all have, that is a fact too.
CREATE TABLE visit_following (
    visit_id    uuid PRIMARY KEY REFERENCES visits,
    fact_id     uuid NOT NULL,
    site        text NOT NULL,
    patient_id  uuid,
    ordered     boolean NOT NULL,
    completed   boolean NOT NULL
);
CREATE TABLE visit_followers (
    visit_id    uuid NOT NULL REFERENCES visits,
    fact_id     uuid NOT NULL,
    room        text NOT NULL,
    PRIMARY KEY (visit_id, fact_id, room)
);
