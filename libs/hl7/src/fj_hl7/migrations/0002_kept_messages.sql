-- Messages are kept sealed (fj_hl7.Seal) and found by their control id; of a refused one it is known why, and what became of it.

-- What came before this migration is in the clear until its retention ends: a column tells it apart.
ALTER TABLE hl7_received
    ADD COLUMN sealed boolean NOT NULL DEFAULT false,   -- raw
    ADD COLUMN kind   text    NOT NULL DEFAULT '',      -- MSH-9, as ORM^O01
    ADD COLUMN peer   text    NOT NULL DEFAULT '',      -- where it came from
    DROP CONSTRAINT hl7_received_pkey,
    ADD PRIMARY KEY (control_id, sender, digest);

ALTER TABLE hl7_refused
    ADD COLUMN sealed     boolean NOT NULL DEFAULT false,
    ADD COLUMN kind       text    NOT NULL DEFAULT '',
    ADD COLUMN peer       text    NOT NULL DEFAULT '',
    ADD COLUMN code       text    NOT NULL DEFAULT 'AE',  -- MSA-1
    ADD COLUMN errors     text    NOT NULL DEFAULT '[]',  -- JSON: code and place of each ERR
    ADD COLUMN first_at   timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN settled_at timestamptz,                    -- accepted after all, or dismissed by a person
    ADD COLUMN settled_as text,
    ADD COLUMN settled_by text,
    DROP CONSTRAINT hl7_refused_pkey,
    ADD PRIMARY KEY (control_id, sender, digest);

-- Who looked at which message, and who had it tried again.
CREATE TABLE hl7_looks (
    at         timestamptz NOT NULL DEFAULT now(),
    actor      text  NOT NULL,
    act        text  NOT NULL,
    control_id text  NOT NULL,
    sender     text  NOT NULL,
    digest     bytea NOT NULL
);
CREATE INDEX hl7_looks_message ON hl7_looks (digest);
CREATE INDEX hl7_looks_age ON hl7_looks USING brin (at);
