-- Every cache has the priors of exams that are near: whoever fetches keeps in memory for which ones it has looked.
ALTER TABLE exam DROP COLUMN priors_at;   -- and with it the index exam_priors
CREATE INDEX exam_near ON exam (starts_at) WHERE state = 'SCHEDULED';
