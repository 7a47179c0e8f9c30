-- What an entry of the exceptions list is about, where that is not its key: the exam of what could not be sent.
ALTER TABLE exceptions ADD COLUMN about text;

-- Entries that somebody has looked at: nothing is to be done. They outlive the entry, as facts come in any order.
CREATE TABLE dismissals (
    exception_id uuid PRIMARY KEY, -- of the fact that raised it
    kind         text NOT NULL,
    about        text[] NOT NULL,
    actor        text NOT NULL,
    reason       text NOT NULL,
    at           timestamptz NOT NULL
);
CREATE INDEX dismissals_about ON dismissals USING gin (about);

-- What persons did about all this.
CREATE TABLE acts (
    event_id uuid PRIMARY KEY,
    at       timestamptz NOT NULL,
    site     text NOT NULL,
    actor    text NOT NULL,
    summary  text NOT NULL
);
CREATE INDEX acts_newest ON acts (at DESC);
