-- Where patients are and how far their visits are, as `patient-events` said last: of a number each patient who has it.
CREATE TABLE visit (
    value       text NOT NULL,
    issuer      text NOT NULL,
    patient_id  uuid NOT NULL,
    said_at     timestamptz NOT NULL,
    visit       jsonb NOT NULL,          -- domain.visit.Visit
    PRIMARY KEY (value, issuer, patient_id)
);

-- What was said last of the visit with this number of whom `survivor_id` stands for.
CREATE FUNCTION visit_of(number text, number_issuer text, survivor_id uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT (SELECT v.visit::text FROM visit v
             WHERE v.value = $1 AND v.issuer = $2 AND survivor_of(v.patient_id, v.said_at) = $3
             ORDER BY v.said_at DESC, v.patient_id LIMIT 1)
$$;

-- Looked up when a modality asks: a patient who is moved changes nothing about the steps.
ALTER TABLE worklist ADD COLUMN visit_value text, ADD COLUMN visit_issuer text;
UPDATE worklist SET visit_value = item::jsonb #>> '{details,clinical,visit_number,value}',
                    visit_issuer = item::jsonb #>> '{details,clinical,visit_number,issuer}';
