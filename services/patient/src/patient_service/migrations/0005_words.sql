-- On whose word each item of the demographics is, and when it was said: an older message undoes nothing.
ALTER TABLE patients ADD COLUMN words jsonb NOT NULL DEFAULT '{}';
