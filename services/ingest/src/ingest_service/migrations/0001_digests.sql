-- What was shipped: the first 128 bits of the SHA-256 of SOP Instance UID and content, and the pack that has it.
-- 16 bytes each, because there are as many rows as instances.
CREATE TABLE digests (
    digest uuid PRIMARY KEY,
    pack   uuid NOT NULL
);
CREATE INDEX digests_pack ON digests (pack);
