-- Merges by which the person got a new number (A47): what is told late of the old number is told of that person. Of those
-- from before it is not known; the same message again says it.
ALTER TABLE merges ADD COLUMN renames boolean NOT NULL DEFAULT false;
