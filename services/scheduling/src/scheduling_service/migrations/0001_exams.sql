-- One row per exam. Its order as it was planned stands in `ordered`; the columns beside it are what exams are found by.
CREATE TABLE exam (
    exam_key           text PRIMARY KEY,
    site               text NOT NULL,
    order_id           uuid UNIQUE,
    study_instance_uid text NOT NULL,
    ordered_study_uid  text,
    accession_number   text,
    patient_id         uuid,
    state              text NOT NULL,
    linked_to          uuid,
    ordered            jsonb,
    created_at         timestamptz NOT NULL DEFAULT now(),
    changed_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX exam_study ON exam (study_instance_uid);
CREATE INDEX exam_ordered_study ON exam (ordered_study_uid);
CREATE INDEX exam_accession_number ON exam (accession_number);
CREATE INDEX exam_created ON exam (created_at DESC);

-- Scheduled procedure steps. A placer may choose the ids, so that they are unique only within their exam.
CREATE TABLE step (
    exam_key         text NOT NULL REFERENCES exam ON DELETE CASCADE,
    number           smallint NOT NULL,
    step_id          text NOT NULL,
    state            text NOT NULL,
    site             text NOT NULL,
    station_ae_title text NOT NULL,
    modality         text NOT NULL,
    starts_at        timestamptz NOT NULL,
    plan             jsonb NOT NULL,
    PRIMARY KEY (exam_key, number)
);
CREATE INDEX step_id ON step (step_id);
CREATE INDEX step_start ON step (starts_at);

-- Modality performed procedure steps. The arrays hold the names by which a step says whom it performs.
CREATE TABLE performed_step (
    sop_instance_uid  text PRIMARY KEY,
    study_uids        text[] NOT NULL,
    accession_numbers text[] NOT NULL,
    step_ids          text[] NOT NULL,
    is_ordered        boolean NOT NULL DEFAULT false, -- belongs to an ordered exam
    performed         jsonb NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX performed_step_loose ON performed_step USING gin (study_uids, accession_numbers, step_ids)
    WHERE NOT is_ordered;

CREATE TABLE exam_performed (
    exam_key         text NOT NULL REFERENCES exam ON DELETE CASCADE,
    sop_instance_uid text NOT NULL REFERENCES performed_step,
    PRIMARY KEY (exam_key, sop_instance_uid)
);
CREATE INDEX exam_performed_step ON exam_performed (sop_instance_uid);

-- What is known so far of studies and patients, whichever fact came first.
CREATE TABLE study (
    study_instance_uid text PRIMARY KEY,
    order_id           uuid,
    study              jsonb NOT NULL
);
CREATE INDEX study_order ON study (order_id) WHERE order_id IS NOT NULL;

CREATE TABLE patient (
    patient_id uuid PRIMARY KEY,
    patient    jsonb NOT NULL
);

-- The worklist: open steps only, so that it stays small however many exams there were. Times are the site's own.
CREATE TABLE worklist (
    exam_key               text NOT NULL REFERENCES exam ON DELETE CASCADE,
    number                 smallint NOT NULL,
    site                   text NOT NULL,
    urgency                smallint NOT NULL, -- 0 is STAT
    starts_local           timestamp NOT NULL,
    station_ae_title       text NOT NULL,
    modality               text NOT NULL,
    step_id                text NOT NULL,
    patient_id             uuid NOT NULL,
    patient_id_value       text NOT NULL,
    patient_id_issuer      text NOT NULL,
    patient_names          text[] NOT NULL,   -- folded component groups
    accession_number       text NOT NULL,
    requested_procedure_id text NOT NULL,
    study_instance_uid     text NOT NULL,
    item                   text NOT NULL,     -- domain.worklist.Item as JSON, read as a whole
    PRIMARY KEY (exam_key, number)
);
CREATE INDEX worklist_station ON worklist (site, station_ae_title, starts_local);
CREATE INDEX worklist_start ON worklist (site, starts_local);
CREATE INDEX worklist_patient ON worklist (patient_id);
CREATE INDEX worklist_patient_number ON worklist (patient_id_value);
CREATE INDEX worklist_accession_number ON worklist (accession_number);
CREATE INDEX worklist_study ON worklist (study_instance_uid);
