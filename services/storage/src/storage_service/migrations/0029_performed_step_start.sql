-- When the performed procedure step of a series began, as its images say: required keys of QIDO-RS (PS3.18 section 10.6).
-- Series of before have neither until the index is made anew from the packs.
ALTER TABLE series
    ADD COLUMN performed_step_start_date date,
    ADD COLUMN performed_step_start_time text;
CREATE INDEX series_performed ON series (performed_step_start_date) WHERE performed_step_start_date IS NOT NULL;
