-- A retired study is removed when ingest has said that it takes what comes of it for new (decision 8). What was retired
-- before ingest could say so goes as it was promised then: after its grace.
ALTER TABLE retirement ADD COLUMN forgotten_at timestamptz, ADD COLUMN delay_told_at timestamptz;
UPDATE retirement SET forgotten_at = retired_at WHERE recalled_at IS NULL AND removed_at IS NULL;
