-- Where the exam of a completed order stands: there the order is when its report turns out to be another order's.
ALTER TABLE orders ADD COLUMN beneath text;
