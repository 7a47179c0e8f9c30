-- Sending studies on: which rules are to be looked at, and what is to be sent to whom.
ALTER TABLE study_route ADD COLUMN calling_ae_title text;  -- who sent the first instance

-- Studies that became available, or grew after that: the routing rules have not been looked at since.
CREATE TABLE routing (
    study_instance_uid text COLLATE "C" PRIMARY KEY,
    marked_at          timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE send (
    send_id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study_instance_uid text COLLATE "C" NOT NULL,
    destination        text NOT NULL,             -- AE title
    kind               text NOT NULL,             -- INSTANCES (C-STORE), AVAILABILITY (N-CREATE)
    reason             text NOT NULL,             -- which rule, or who
    state              text NOT NULL,             -- WAITING, SENT, FAILED, CANCELLED
    due_at             timestamptz,               -- when to go on; absent where nothing is to be done
    created_at         timestamptz NOT NULL DEFAULT now(),
    begun_at           timestamptz NOT NULL DEFAULT now(),  -- since when it is tried
    closed_at          timestamptz,
    attempts           integer NOT NULL DEFAULT 0,
    last_error         text,
    again              boolean NOT NULL DEFAULT false,      -- the study has grown while it was being sent
    sent               text[] COLLATE "C" NOT NULL DEFAULT '{}',  -- SOP Instance UIDs that the destination has taken
    UNIQUE (study_instance_uid, destination, kind)
);
CREATE INDEX send_due ON send (due_at) WHERE due_at IS NOT NULL;
