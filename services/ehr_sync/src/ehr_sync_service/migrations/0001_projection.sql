-- What is known of patients, orders, studies and reports, one row each. `body` is the record
-- (ehr_sync_service.domain.records); the columns beside it are what FHIR searches by. Rebuilt from the log at any time.
-- `identifiers` has each number twice: alone, and behind its issuer and U+001F; the issuer alone with U+001F once.
CREATE TABLE patients (
    patient_id  uuid        PRIMARY KEY,
    identifiers text[]      NOT NULL,
    birth_date  date,
    sex         text,
    updated_at  timestamptz NOT NULL,
    body        jsonb       NOT NULL
);
CREATE INDEX patients_identifiers ON patients USING gin (identifiers);
CREATE INDEX patients_birth_date ON patients (birth_date);
CREATE INDEX patients_updated ON patients (updated_at, patient_id);

-- The parts of a patient's names: as written, and folded (no case, no accents) for searching.
CREATE TABLE patient_names (
    patient_id uuid NOT NULL REFERENCES patients ON DELETE CASCADE,
    part       text NOT NULL CHECK (part IN ('family', 'given', 'affix')),
    written    text NOT NULL,
    folded     text NOT NULL
);
CREATE INDEX patient_names_patient ON patient_names (patient_id);
CREATE INDEX patient_names_folded ON patient_names (folded text_pattern_ops);

CREATE TABLE orders (
    order_id    uuid        PRIMARY KEY,
    patient_id  uuid        NOT NULL,
    identifiers text[]      NOT NULL,
    status      text        NOT NULL,
    priority    text        NOT NULL,
    code        text        NOT NULL,
    scheme      text,
    placed_at   timestamptz NOT NULL,
    wanted_at   timestamptz,
    updated_at  timestamptz NOT NULL,
    body        jsonb       NOT NULL
);
CREATE INDEX orders_identifiers ON orders USING gin (identifiers);
CREATE INDEX orders_patient ON orders (patient_id);
CREATE INDEX orders_placed ON orders (placed_at);
CREATE INDEX orders_updated ON orders (updated_at, order_id);

CREATE TABLE studies (
    study_instance_uid text        PRIMARY KEY,
    order_id           uuid,
    patient_id         uuid,
    identifiers        text[]      NOT NULL,
    status             text        NOT NULL,
    modalities         text[]      NOT NULL,
    study_date         date,
    updated_at         timestamptz NOT NULL,
    body               jsonb       NOT NULL
);
CREATE INDEX studies_identifiers ON studies USING gin (identifiers);
CREATE INDEX studies_order ON studies (order_id);
CREATE INDEX studies_patient ON studies (patient_id);
CREATE INDEX studies_date ON studies (study_date);
CREATE INDEX studies_updated ON studies (updated_at, study_instance_uid);

CREATE TABLE reports (
    report_id   uuid        PRIMARY KEY,
    order_id    uuid,
    patient_id  uuid,
    identifiers text[]      NOT NULL,
    status      text        NOT NULL,
    version     integer     NOT NULL,
    issued_at   timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    body        jsonb       NOT NULL
);
CREATE INDEX reports_identifiers ON reports USING gin (identifiers);
CREATE INDEX reports_order ON reports (order_id);
CREATE INDEX reports_patient ON reports (patient_id);
CREATE INDEX reports_issued ON reports (issued_at);
CREATE INDEX reports_updated ON reports (updated_at, report_id);
