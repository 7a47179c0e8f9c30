-- When the newest was said of an appointment: what is older changes nothing.
CREATE TABLE appointment_news (
    exam_key text PRIMARY KEY,
    said_at  timestamptz NOT NULL
);
