-- When something of a study came again and was taken for known. Whoever removes what was shipped of that study is told
-- (decisions/0008).
CREATE TABLE received_again (
    study_instance_uid text COLLATE "C" PRIMARY KEY,
    received_at        timestamptz NOT NULL
);
