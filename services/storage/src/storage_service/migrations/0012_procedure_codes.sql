-- Sequences of codes as keys (PS3.4 C.2.2.2.6): the Procedure Code Sequence of a study, fj_events.CodedConcept in JSON.
ALTER TABLE study ADD COLUMN procedure_codes jsonb;
CREATE INDEX study_procedures ON study USING gin (procedure_codes jsonb_path_ops) WITH (fastupdate = off);
