-- Appointments by the numbers that scheduling systems have for them (SCH-1, SCH-2): what was said last, with the numbers
-- of the order where one is known. `is_open`: no order is named, and a person has to say which it is.
CREATE TABLE noted_appointment (
    appointment_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    names          text[] NOT NULL,
    news           jsonb NOT NULL,
    is_open        boolean NOT NULL,
    received_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX noted_appointment_names ON noted_appointment USING gin (names);
CREATE INDEX noted_appointment_open ON noted_appointment (received_at) WHERE is_open;
