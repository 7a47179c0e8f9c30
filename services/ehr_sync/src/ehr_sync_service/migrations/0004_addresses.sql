-- By what else patients are searched (IHE PDQm, ITI-78): the parts of the address, as written and folded like names, and the
-- digits of the telephone number. What is there already is folded without accents by the next rebuild.
CREATE TABLE patient_addresses (
    patient_id uuid NOT NULL REFERENCES patients ON DELETE CASCADE,
    part       text NOT NULL CHECK (part IN ('line', 'city', 'state', 'postal_code', 'country')),
    written    text NOT NULL,
    folded     text NOT NULL
);
INSERT INTO patient_addresses (patient_id, part, written, folded)
SELECT patient_id, key, value, lower(trim(value)) FROM patients, jsonb_each_text(body #> '{patient,address}')
 WHERE jsonb_typeof(body #> '{patient,address}') = 'object'
   AND key IN ('line', 'city', 'state', 'postal_code', 'country');
CREATE INDEX patient_addresses_patient ON patient_addresses (patient_id);
CREATE INDEX patient_addresses_folded ON patient_addresses (folded text_pattern_ops);

ALTER TABLE patients ADD COLUMN phone text;
UPDATE patients SET phone = nullif(regexp_replace(body #>> '{patient,phone}', '[^0-9]', '', 'g'), '');
CREATE INDEX patients_phone ON patients (phone);
CREATE INDEX patients_family ON patients ((lower(body #>> '{patient,family_name}')), patient_id);
