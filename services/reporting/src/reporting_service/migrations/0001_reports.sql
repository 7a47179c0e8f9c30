-- What there is to read. An order, its studies and its reports become known in any order.
CREATE TABLE orders (
    order_id           uuid PRIMARY KEY,
    site               text NOT NULL,
    details            jsonb NOT NULL, -- fj_events.OrderDetails
    placer_value       text,
    placer_issuer      text,
    accession_value    text NOT NULL,
    accession_issuer   text NOT NULL,
    study_instance_uid text NOT NULL,
    patient_id         uuid NOT NULL
);
CREATE INDEX orders_placer ON orders (placer_value);
CREATE INDEX orders_accession ON orders (accession_value);
CREATE INDEX orders_study ON orders (study_instance_uid);

CREATE TABLE exams (
    order_id uuid PRIMARY KEY,
    state    text NOT NULL
);

CREATE TABLE patients (
    patient_id uuid PRIMARY KEY,
    details    jsonb NOT NULL -- fj_events.PatientPhi
);

CREATE TABLE studies (
    study_instance_uid  text PRIMARY KEY,
    site                text NOT NULL,
    order_id            uuid,
    accession_value     text,
    accession_issuer    text,
    patient_id          uuid,
    patient             jsonb,
    modalities          text[] NOT NULL DEFAULT '{}',
    description         text,
    number_of_instances integer NOT NULL DEFAULT 0,
    available_at        timestamptz,
    priority            text,
    priority_reason     text
);
CREATE INDEX studies_order ON studies (order_id);
CREATE INDEX studies_accession ON studies (accession_value);
CREATE INDEX studies_available ON studies (available_at) WHERE available_at IS NOT NULL;

-- One report per exam: of an order, or of a study that no order fits.
CREATE TABLE reports (
    report_id          uuid PRIMARY KEY,
    exam_key           text NOT NULL UNIQUE,
    order_id           uuid UNIQUE,
    study_instance_uid text UNIQUE,
    version            integer NOT NULL,
    status             text NOT NULL,
    content            jsonb NOT NULL, -- fj_events.ReportPhi
    at                 timestamptz NOT NULL,
    author             jsonb,
    signed_at          timestamptz,
    source             text NOT NULL,
    -- It became its order's after its newest version was given out without it.
    untold             boolean NOT NULL DEFAULT false,
    CHECK (order_id IS NOT NULL OR study_instance_uid IS NOT NULL)
);

-- Every reading that ever came, also those that changed nothing.
CREATE TABLE readings (
    report_id   uuid NOT NULL REFERENCES reports,
    number      bigint GENERATED ALWAYS AS IDENTITY,
    version     integer,
    reading     jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (report_id, number)
);

CREATE TABLE drafts (
    exam_key   text PRIMARY KEY,
    content    jsonb NOT NULL,
    actor      text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
);

-- Acknowledged readings whose exam is not known yet; `numbers` holds every number that can tell which it is.
CREATE TABLE waiting (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    numbers     text[] NOT NULL,
    reading     jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX waiting_numbers ON waiting USING gin (numbers);

-- 0 is the most urgent; what is not known ranks with routine (fj_events.Priority).
CREATE FUNCTION rank_of(priority text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_position(ARRAY['STAT', 'ASAP', 'URGENT'], priority) - 1, 3)
$$;
