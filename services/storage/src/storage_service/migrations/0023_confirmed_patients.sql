-- Images that show somebody else than their patient's number is of: a person may say that the number is right all the same.
ALTER TABLE study_route ADD COLUMN patient_confirmed boolean NOT NULL DEFAULT false;
ALTER TABLE link_act ADD COLUMN previous_patient_confirmed boolean NOT NULL DEFAULT false;
