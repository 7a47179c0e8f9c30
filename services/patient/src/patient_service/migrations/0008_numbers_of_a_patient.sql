-- A changed patient's numbers are compared with those that are kept: among a million that is not to be a scan.
CREATE INDEX identifiers_patient ON identifiers (patient_id);
