-- What rules look at. An order and its studies become known in any order; `studies.order_id` joins them.
CREATE TABLE orders (
    order_id       uuid PRIMARY KEY,
    priority       text NOT NULL,
    modality       text,
    procedure_code text NOT NULL,
    procedure_text text
);
CREATE TABLE studies (
    study_instance_uid text PRIMARY KEY,
    site               text NOT NULL,
    modalities         text[] NOT NULL DEFAULT '{}',
    description        text,
    order_id           uuid,
    accession_value    text,
    accession_issuer   text,
    priority           text NOT NULL DEFAULT 'ROUTINE'
);
CREATE INDEX studies_order ON studies (order_id);
