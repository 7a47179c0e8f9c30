-- By which appointments of a patient are found (FHIR patient.identifier).
CREATE INDEX patient_number ON patient ((patient #>> '{id,value}'));
CREATE INDEX exam_patient_number ON exam ((ordered #>> '{details,patient,id,value}'));
