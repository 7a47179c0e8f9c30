-- Of a retired study nothing is known any more, so that what comes again is stored and told again. The row of a pack stays:
-- a segment that finds it does not take the pack for one that nothing refers to (decisions/0006).
ALTER TABLE digests ALTER COLUMN study_instance_uid DROP NOT NULL;
