-- What is not to be used (IHE IOCM, RAD-66): kept, and not shown. An instance is hidden while a row names it, its series or
-- its study; whether it has come already does not matter. State, not a projection: a rebuilt index hides the same.
CREATE TABLE rejected (
    study_instance_uid  text COLLATE "C" NOT NULL,
    series_instance_uid text COLLATE "C" NOT NULL,  -- '': every series
    sop_instance_uid    text COLLATE "C" NOT NULL,  -- '': every instance
    rejection_id        text COLLATE "C" NOT NULL,  -- SOP Instance UID of the note, or the id of a person's act
    code                text NOT NULL,              -- its title, a code of DCM
    reason              text,
    actor               text,                       -- who rejected; absent where a note did
    rejected_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (study_instance_uid, series_instance_uid, sop_instance_uid, rejection_id)
);

-- Key Object Selection documents that came. Each is read once: what it says has been done, or taken back since.
CREATE TABLE key_object (
    sop_instance_uid    text COLLATE "C" NOT NULL,
    series_instance_uid text COLLATE "C" NOT NULL,
    study_instance_uid  text COLLATE "C" NOT NULL,
    site                text NOT NULL,
    due_at              timestamptz DEFAULT now(),  -- when to read it; absent once that is done
    outcome             text,                       -- its code, `other` for no rejection, `unreadable`
    PRIMARY KEY (study_instance_uid, series_instance_uid, sop_instance_uid)
);
CREATE INDEX key_object_due ON key_object (due_at) WHERE due_at IS NOT NULL;
