-- The Requested Procedure Code Sequence as a key, beside the Procedure Code Sequence: what the order of a study asks for, and
-- without one what its images say was asked for. Studies that have an order are looked at once more, at the clock's pace.
ALTER TABLE study ADD COLUMN requested_procedure_codes jsonb;
CREATE INDEX study_requested_procedures ON study USING gin (requested_procedure_codes jsonb_path_ops)
  WITH (fastupdate = off);
INSERT INTO second_look (study_instance_uid)
SELECT study_instance_uid FROM study_route WHERE order_id IS NOT NULL AND received_at IS NOT NULL ON CONFLICT DO NOTHING;
