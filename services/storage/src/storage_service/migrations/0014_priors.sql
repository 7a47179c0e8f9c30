-- Priors fetched ahead: when exams are to be performed, and of which the earlier images of the patient were looked for.
ALTER TABLE exam ADD COLUMN starts_at timestamptz, ADD COLUMN priors_at timestamptz;
CREATE INDEX exam_priors ON exam (starts_at) WHERE priors_at IS NULL AND state = 'SCHEDULED';
