-- The picture of every exam: a projection, made anew by `portal-service rebuild`. The columns beside `picture` are
-- what exams are looked for by.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE exams (
    exam_id             text PRIMARY KEY,
    picture             jsonb NOT NULL, -- portal_service.domain.exam.Exam
    site                text NOT NULL,
    state               text NOT NULL,
    accession_number    text,
    placer_order_number text,
    patient_id          uuid,
    patient_number      text,
    study_instance_uids text[] NOT NULL,
    modalities          text[] NOT NULL,
    words               text NOT NULL,
    changed_at          timestamptz NOT NULL
);
CREATE INDEX exams_changed ON exams (changed_at DESC);
CREATE INDEX exams_accession ON exams (accession_number);
CREATE INDEX exams_placer ON exams (placer_order_number);
CREATE INDEX exams_patient ON exams (patient_id);
CREATE INDEX exams_patient_number ON exams (patient_number);
CREATE INDEX exams_studies ON exams USING gin (study_instance_uids);
CREATE INDEX exams_words ON exams USING gin (words gin_trgm_ops);

-- Order ids, Study UIDs and exam keys, and whose they are.
CREATE TABLE names (
    name    text PRIMARY KEY,
    exam_id text NOT NULL
);
CREATE INDEX names_exam ON names (exam_id);

CREATE TABLE timeline (
    event_id uuid PRIMARY KEY,
    exam_id  text NOT NULL,
    at       timestamptz NOT NULL,
    type     text NOT NULL,
    site     text NOT NULL,
    service  text NOT NULL,
    summary  text NOT NULL,
    cause    uuid,
    actor    text
);
CREATE INDEX timeline_exam ON timeline (exam_id);

CREATE TABLE patients (
    patient_id uuid PRIMARY KEY,
    details    jsonb NOT NULL -- fj_events.PatientPhi
);
