-- Storage commitment requests that were taken: by what the same request is known when it is sent again.
CREATE TABLE commitments (
    transaction_uid text COLLATE "C" PRIMARY KEY,
    digest          bytea NOT NULL, -- SHA-256 of who asked and for what
    requested_at    timestamptz NOT NULL DEFAULT now()
);
