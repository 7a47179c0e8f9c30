-- What scheduling systems said of appointments whose order is not here yet; the newest of each.
CREATE TABLE awaited (
    names       text[] NOT NULL, -- by which the order may be meant
    news        jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX awaited_names ON awaited USING gin (names);
CREATE INDEX awaited_received ON awaited (received_at);

-- Scheduling systems name orders by these.
CREATE INDEX exam_placer_number ON exam ((ordered #>> '{details,placer_order_number,value}'));
CREATE INDEX exam_filler_number ON exam ((ordered #>> '{details,filler_order_number,value}'));
