-- What was said of visits and accounts that went from one patient to another (ADT^A44, A45): every statement once, so
-- that neither the order of arrival nor doubled messages decide anything. Whose it is follows from those not undone.
CREATE TABLE visits (
    visit_id  uuid PRIMARY KEY,
    kind      text NOT NULL,
    value     text NOT NULL,
    issuer    text NOT NULL
);
CREATE INDEX visits_number ON visits (value);
CREATE TABLE visit_moves (
    visit_id   uuid NOT NULL REFERENCES visits,
    prior_id   uuid NOT NULL REFERENCES patients,
    holder_id  uuid NOT NULL REFERENCES patients,
    moved_at   timestamptz NOT NULL,
    undone     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (visit_id, moved_at, prior_id, holder_id),
    CHECK (prior_id <> holder_id)
);
