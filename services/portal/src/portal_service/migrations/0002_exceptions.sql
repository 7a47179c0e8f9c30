-- What a person has to look at: a projection too.
CREATE TABLE exceptions (
    event_id uuid PRIMARY KEY,
    kind     text NOT NULL,
    key      text NOT NULL, -- of the fact that raised it
    site     text NOT NULL,
    since    timestamptz NOT NULL,
    summary  text NOT NULL
);
CREATE INDEX exceptions_key ON exceptions (key, kind);
CREATE INDEX exceptions_since ON exceptions (since DESC);
