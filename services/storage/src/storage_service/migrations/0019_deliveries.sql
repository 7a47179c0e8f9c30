-- A manifest is of one delivery: what comes later to the same series and pack is a row of its own. Replacing a large row by one
-- with more in it left its space behind.
ALTER TABLE manifest DROP CONSTRAINT manifest_series_key_pack_key_key;
CREATE INDEX manifest_series ON manifest (series_key);
