-- Coercion on read: what retrieved objects say of patient and order instead of what was stored.

-- Whom a registration system has announced, as it last said.
CREATE TABLE known_patient (
    patient_id uuid PRIMARY KEY,
    patient    jsonb NOT NULL       -- fj_events.PatientPhi
);
ALTER TABLE known_order
    ADD COLUMN requested_procedure_id text,
    ADD COLUMN procedure              jsonb,  -- fj_events.CodedConcept
    ADD COLUMN patient                jsonb;  -- fj_events.PatientPhi
CREATE INDEX known_order_whose ON known_order (patient_id);
CREATE INDEX study_route_whose ON study_route (patient_id) WHERE received_at IS NOT NULL;

-- What the images of a study say of patient and order, each thing once; nearly always all say the same. Of the index.
CREATE TABLE told (
    study_instance_uid text COLLATE "C" NOT NULL,
    digest             bytea NOT NULL,
    number             bigint GENERATED ALWAYS AS IDENTITY,  -- the first that says something is the one that is searched
    told               jsonb NOT NULL,                       -- storage_service.domain.coercion.Told
    PRIMARY KEY (study_instance_uid, digest)
);
INSERT INTO told (study_instance_uid, digest, told)
SELECT study_instance_uid, sha256(convert_to(told::text, 'UTF8')), told
  FROM (SELECT study_instance_uid, jsonb_strip_nulls(jsonb_build_object(
                   'patient', s.patient - ARRAY['address', 'phone', 'other_ids'],
                   'accession_number', CASE WHEN s.accession_number IS NOT NULL THEN
                       jsonb_build_object('value', s.accession_number, 'issuer', coalesce(s.accession_issuer, '')) END,
                   'description', s.study_description)) AS told
          FROM study s) AS known;

-- Studies of which something else is said now; where all images say what is known there is no row.
CREATE TABLE coercion (
    study_instance_uid text COLLATE "C" PRIMARY KEY,
    changed            jsonb NOT NULL,                       -- storage_service.domain.coercion.Changed
    at                 timestamptz NOT NULL,                 -- since when
    site               text NOT NULL                         -- from where the images are
);
