-- From whom a result is taken back: its order is another patient's by now (fj_events.PatientPhi).
ALTER TABLE deliveries ADD COLUMN withdrawn_from jsonb;
