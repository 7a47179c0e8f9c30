-- When a pack was last compared with what was stored, and what was found. A pack counts as compared when it comes: its
-- size and hash were verified at its upload.
ALTER TABLE pack
    ADD COLUMN verified_at  timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN leased_until timestamptz,  -- somebody is reading it
    ADD COLUMN damage       text;         -- missing, altered; absent while it is well
CREATE INDEX pack_verified ON pack (verified_at);
CREATE INDEX pack_damaged ON pack (pack_key) WHERE damage IS NOT NULL;
CREATE INDEX instance_pack ON instance (pack_key);
