-- What modalities said by MPPS and other receivers are to hear, written in the transaction that took it. Of one performed
-- step a destination gets one message after the other, in the order of `forward_id`.
CREATE TABLE forward (
    forward_id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    destination      text        NOT NULL,               -- AE title
    sop_instance_uid text        NOT NULL,
    operation        text        NOT NULL CHECK (operation IN ('N-CREATE', 'N-SET')),
    transfer_syntax  text        NOT NULL,
    content          bytea       NOT NULL,               -- the attribute list as it came
    state            text        NOT NULL DEFAULT 'WAITING'
                                 CHECK (state IN ('WAITING', 'SENT', 'FAILED', 'CANCELLED')),
    received_at      timestamptz NOT NULL DEFAULT now(),
    begun_at         timestamptz NOT NULL DEFAULT now(), -- since when it has been tried
    due_at           timestamptz DEFAULT now(),
    closed_at        timestamptz,
    attempts         integer     NOT NULL DEFAULT 0,
    refusals         integer     NOT NULL DEFAULT 0,
    last_error       text,
    actor            text
);
CREATE INDEX forward_due ON forward (destination, due_at) WHERE state = 'WAITING';
CREATE INDEX forward_step ON forward (destination, sop_instance_uid, forward_id) WHERE state = 'WAITING';
CREATE INDEX forward_closed ON forward (closed_at) WHERE state <> 'WAITING';
