-- Changes on their way to the exam: of each the id of its fact and the details that held before it, oldest first.
-- `before_change` is no longer used. It goes with a later version: replicas of the one before this still read it.
ALTER TABLE orders ADD COLUMN changes jsonb NOT NULL DEFAULT '[]';
