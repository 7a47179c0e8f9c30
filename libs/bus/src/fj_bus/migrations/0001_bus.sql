-- What the bus keeps in the database of each service. Owned by fj_bus; services never touch it.
CREATE SCHEMA bus;

-- The number of the last fact of each topic and key (ce_sequence). An emitting transaction locks its rows last,
-- in sorted order, so order of key and order of commit are the same.
CREATE TABLE bus.counter (
    topic text   NOT NULL,
    key   text   NOT NULL,
    last  bigint NOT NULL,
    PRIMARY KEY (topic, key)
) WITH (fillfactor = 80);

-- Facts that are committed and not yet known to stand on the log. `id` is the order inside a partition.
CREATE TABLE bus.outbox (
    id        bigint      GENERATED ALWAYS AS IDENTITY,
    topic     text        NOT NULL,
    partition integer     NOT NULL,
    key       text        NOT NULL,
    sequence  bigint,               -- absent on dead letters: their headers are those of the fact they copy
    event_id  uuid        NOT NULL, -- by which a reader of the log's tail recognizes the record
    headers   json        NOT NULL, -- all but ce_sequence
    body      bytea       NOT NULL,
    created   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, partition, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- How far each partition is known to be written. `settled`: its last owner left with nothing on the way.
CREATE TABLE bus.reached (
    topic     text    NOT NULL,
    partition integer NOT NULL,
    next      bigint,               -- the log offset from which an unknown outcome must be looked up
    settled   boolean NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- The last number taken of each topic and key. `skipped`: by a type that has no handler here, so that the same
-- fact in another major version is still taken.
CREATE TABLE bus.inbox (
    consumer text    NOT NULL,
    topic    text    NOT NULL,
    key      text    NOT NULL,
    last     bigint  NOT NULL,
    skipped  boolean NOT NULL,
    PRIMARY KEY (consumer, topic, key)
) WITH (fillfactor = 80);

-- From which offset a group began to read a partition. Behind 0 its first fact of a key may have any number.
CREATE TABLE bus.began (
    consumer  text        NOT NULL,
    topic     text        NOT NULL,
    partition integer     NOT NULL,
    at_offset bigint      NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, topic, partition)
);

-- Facts that were taken from the log and are not handled yet.
--   parked: its handler met a stranger (awaits_kind, awaits_id)      behind: an earlier fact of its key is held
--   gap:    an earlier number of its key has not come                dead:   it failed for good, an operator decides
-- Only the first held fact of a key has a finite `due`; who handles or drops it makes the next one due.
CREATE TABLE bus.held (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer    text        NOT NULL,
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    log_offset  bigint      NOT NULL,
    key         text        NOT NULL,
    sequence    bigint,               -- absent where the envelope could not be read
    event_id    uuid,
    type        text,
    headers     jsonb       NOT NULL, -- [[name, base64], …] as received
    body        bytea       NOT NULL,
    state       text        NOT NULL CHECK (state IN ('parked', 'behind', 'gap', 'dead')),
    due         timestamptz NOT NULL,
    awaits_kind text,
    awaits_id   text,
    error       text,                 -- class of the failure
    detail      text,                 -- its text, only of errors that are free of PHI
    attempts    integer     NOT NULL DEFAULT 0,
    first_seen  timestamptz NOT NULL DEFAULT now(),
    since       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (consumer, topic, partition, log_offset)
);
CREATE INDEX held_by_key ON bus.held (consumer, topic, key, sequence, id);
CREATE INDEX held_by_stranger ON bus.held (awaits_kind, awaits_id) WHERE state = 'parked';
CREATE INDEX held_by_due ON bus.held (consumer, due) WHERE due < 'infinity';
CREATE INDEX held_dead ON bus.held (consumer, id) WHERE state = 'dead';

-- What operators did with dead letters: a person's act carries its actor.
CREATE TABLE bus.operation (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    actor    text        NOT NULL,
    act      text        NOT NULL CHECK (act IN ('replay', 'drop')),
    consumer text        NOT NULL,
    topic    text        NOT NULL,
    key      text        NOT NULL,
    sequence bigint,
    event_id uuid,
    error    text
);
