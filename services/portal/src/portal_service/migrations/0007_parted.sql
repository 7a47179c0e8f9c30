-- Exams whose images went elsewhere, and when last: a wrong worklist entry that is older has been dealt with. It outlives the
-- entry, as facts come in any order.
CREATE TABLE parted (
    exam_id text PRIMARY KEY,
    at      timestamptz NOT NULL
);
