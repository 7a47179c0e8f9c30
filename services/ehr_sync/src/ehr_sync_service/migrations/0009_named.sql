-- Whom the kept message names: a merge that is undone later may make it another patient's.
ALTER TABLE deliveries ADD COLUMN named uuid;
