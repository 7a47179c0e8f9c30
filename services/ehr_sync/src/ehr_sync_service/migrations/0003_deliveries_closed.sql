-- What is closed is forgotten after a time, the oldest first.
CREATE INDEX deliveries_closed ON deliveries (closed_at) WHERE state <> 'pending';
