-- Merges (libs/survivors): which owner of a reused number an exam is of, is decided by when it was first told of.
ALTER TABLE orders ADD COLUMN recorded_at timestamptz;
ALTER TABLE studies ADD COLUMN recorded_at timestamptz;
UPDATE studies SET recorded_at = available_at;
-- Of an order that was known before, its images and its report say since when at the latest.
UPDATE orders AS o SET recorded_at = coalesce(
    (SELECT min(available_at) FROM studies WHERE studies.order_id = o.order_id),
    (SELECT min(at) FROM reports WHERE reports.order_id = o.order_id), now());
