-- What was asked for over HTTP under a key of its sender (Idempotency-Key), kept with what was done about it: asked for
-- again, because the answer got lost, it is done already. A row stays as long as what it has made.
CREATE TABLE bus.asked (
    call_id     uuid        PRIMARY KEY, -- made from who asks and the key
    fingerprint bytea       NOT NULL,    -- of method, address and body
    at          timestamptz NOT NULL DEFAULT now()
);
