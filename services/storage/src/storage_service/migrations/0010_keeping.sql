-- How long studies are kept. All of this is state: a rebuilt index holds, hides and leaves out the same.

-- Legal holds: what must not be removed, by rule, note or person. They stay when they are lifted: who held what, and when.
CREATE TABLE legal_hold (
    hold_id            uuid PRIMARY KEY,
    study_instance_uid text COLLATE "C" NOT NULL,  -- for which it was asked
    patient_id         uuid,                       -- all studies of this patient
    reason             text NOT NULL,
    actor              text NOT NULL,
    held_at            timestamptz NOT NULL,
    lifted_at          timestamptz,
    lifted_by          text,
    lifted_because     text
);
CREATE INDEX legal_hold_study ON legal_hold (study_instance_uid);
CREATE INDEX legal_hold_patient ON legal_hold (patient_id) WHERE lifted_at IS NULL AND patient_id IS NOT NULL;

-- Studies that are hidden, and removed when their time has come. What hides them is a row of `rejected` of the same id.
CREATE TABLE retirement (
    retirement_id      uuid PRIMARY KEY,
    study_instance_uid text COLLATE "C" NOT NULL,
    site               text NOT NULL,
    rule               text,          -- absent where a person retired it
    reason             text NOT NULL,
    actor              text,
    retired_at         timestamptz NOT NULL,
    removal_at         timestamptz NOT NULL,
    recalled_at        timestamptz,
    recall_cause       text,          -- fj_events.RecallCause
    removed_at         timestamptz
);
CREATE UNIQUE INDEX retirement_open ON retirement (study_instance_uid) WHERE recalled_at IS NULL AND removed_at IS NULL;
CREATE INDEX retirement_due ON retirement (removal_at) WHERE recalled_at IS NULL AND removed_at IS NULL;
CREATE INDEX retirement_study ON retirement (study_instance_uid);

-- What is known of studies that were removed.
CREATE TABLE tombstone (
    retirement_id       uuid PRIMARY KEY REFERENCES retirement,
    number_of_series    integer NOT NULL,
    number_of_instances integer NOT NULL,
    number_of_packs     integer NOT NULL,
    bytes               bigint NOT NULL,
    content_sha256      text NOT NULL
);

-- Packs that do not lie any more where the facts about their instances say. Whoever reads such a fact again (a rebuild)
-- learns here where they lie now, or that they were removed.
CREATE TABLE moved_pack (
    bucket text NOT NULL,
    key    text NOT NULL,
    PRIMARY KEY (bucket, key)
);

-- Objects that nothing names any more. They are deleted after the transaction that says so.
CREATE TABLE doomed_object (
    bucket text NOT NULL,
    key    text NOT NULL,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (bucket, key)
);
CREATE INDEX doomed_object_due ON doomed_object (due_at);

-- When something of a study was retrieved last, to the hour.
CREATE TABLE study_access (
    study_instance_uid text COLLATE "C" PRIMARY KEY,
    accessed_at        timestamptz NOT NULL
);

ALTER TABLE study_route ADD COLUMN retired_at timestamptz;  -- while it is retired
CREATE INDEX study_route_of_patient ON study_route (patient_id) WHERE patient_id IS NOT NULL;
CREATE INDEX study_route_of_ordered_patient ON study_route (order_patient_id) WHERE order_patient_id IS NOT NULL;

-- A pack is of one study, also where all of its instances were here before.
ALTER TABLE pack ADD COLUMN study_instance_uid text COLLATE "C";
UPDATE pack p SET study_instance_uid = e.study_instance_uid
  FROM instance i JOIN series e USING (series_key) WHERE i.pack_key = p.pack_key;
CREATE INDEX pack_study ON pack (study_instance_uid);
