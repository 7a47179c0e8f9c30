-- Storage commitment (PS3.4 Annex J): requests, what became of each reference, and whether the sender was told.
CREATE TABLE commitment (
    transaction_uid  text COLLATE "C" PRIMARY KEY,
    calling_ae_title text NOT NULL,
    site             text NOT NULL,
    requested_at     timestamptz NOT NULL,
    parts            integer NOT NULL,
    state            text NOT NULL DEFAULT 'ARRIVING',  -- WAITING, ANSWERED (the result is fixed), DELIVERED, ABANDONED
    due_at           timestamptz,                       -- when to go on; absent while parts are missing, and at the end
    attempts         integer NOT NULL DEFAULT 0,        -- to tell the sender
    answered_at      timestamptz,
    closed_at        timestamptz,
    last_error       text
);
CREATE INDEX commitment_due ON commitment (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX commitment_newest ON commitment (requested_at DESC);

-- One row per fact of a request: its references in order, and once the result is fixed a failure reason or 0 for each.
CREATE TABLE commitment_part (
    transaction_uid   text COLLATE "C" NOT NULL REFERENCES commitment,
    part              integer NOT NULL,
    sop_class_uids    text[] NOT NULL,
    sop_instance_uids text[] COLLATE "C" NOT NULL,
    reasons           integer[],
    PRIMARY KEY (transaction_uid, part)
);
