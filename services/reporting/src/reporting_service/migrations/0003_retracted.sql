-- A report that was withdrawn from its exam stays as history; the exam may get another one.
ALTER TABLE reports
    ADD COLUMN retracted_at timestamptz,
    DROP CONSTRAINT reports_exam_key_key,
    DROP CONSTRAINT reports_order_id_key,
    DROP CONSTRAINT reports_study_instance_uid_key;
CREATE INDEX reports_exam ON reports (exam_key);
CREATE UNIQUE INDEX reports_order ON reports (order_id) WHERE retracted_at IS NULL;
CREATE UNIQUE INDEX reports_study ON reports (study_instance_uid) WHERE retracted_at IS NULL;
