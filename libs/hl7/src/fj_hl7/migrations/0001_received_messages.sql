-- The ledger of HL7 messages (fj_hl7.Ledger).

-- Accepted: one row per message, written in the transaction that carries its effect.
CREATE TABLE hl7_received (
    sender      text        NOT NULL,   -- MSH-3 and MSH-4 as sent, joined by a tab
    control_id  text        NOT NULL,   -- MSH-10 as sent
    digest      bytea       NOT NULL,   -- SHA-256 of raw
    received_at timestamptz NOT NULL DEFAULT now(),
    answer      bytea       NOT NULL,
    raw         bytea       NOT NULL,
    PRIMARY KEY (sender, control_id, digest)
);
CREATE INDEX hl7_received_age ON hl7_received USING brin (received_at);

-- Refused: kept to be looked at, and replayed after a fix. Never an answer to a message that comes again.
CREATE TABLE hl7_refused (
    sender       text        NOT NULL,
    control_id   text        NOT NULL,
    digest       bytea       NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT now(),   -- the last time
    times        integer     NOT NULL DEFAULT 1,
    answer       bytea       NOT NULL,                 -- the last one
    raw          bytea       NOT NULL,
    PRIMARY KEY (sender, control_id, digest)
);
CREATE INDEX hl7_refused_age ON hl7_refused (received_at);
