-- Whether a report became its order's after its newest version was given out without it.
ALTER TABLE reports ADD COLUMN untold boolean NOT NULL DEFAULT false;
