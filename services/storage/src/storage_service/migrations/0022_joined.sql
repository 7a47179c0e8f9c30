-- Several packs become one (decisions/0015): where what is kept of each begins in it.
ALTER TABLE moved_pack ADD COLUMN begins bigint NOT NULL DEFAULT 0;
