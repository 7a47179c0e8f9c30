-- The delivery ledger: one row per destination, kind and fact, written in the transaction that consumed the fact.
-- Never rebuilt: no EHR is told twice because a table was.
CREATE TABLE deliveries (
    delivery_id     uuid        PRIMARY KEY,
    position        bigint      GENERATED ALWAYS AS IDENTITY, -- the order inside a queue
    destination     text        NOT NULL,
    kind            text        NOT NULL,
    queue           text        NOT NULL,                     -- the order id, or the exam key where there is none
    exam_key        text        NOT NULL,
    order_id        uuid,
    report_id       uuid,
    report_version  integer,
    fact_type       text        NOT NULL,
    fact            jsonb       NOT NULL,                     -- what is told, as it stands on the log
    happened_at     timestamptz NOT NULL,
    control_id      text        NOT NULL,                     -- MSH-10 of every attempt
    state           text        NOT NULL CHECK (state IN ('pending', 'delivered', 'abandoned')),
    written_at      timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    closed_at       timestamptz,
    attempts        integer     NOT NULL,
    refusals        integer     NOT NULL,
    last_fault      text,
    last_error      text        NOT NULL,
    actor           text,
    message         bytea                                     -- the bytes of the first attempt, sent again as they are
);
CREATE INDEX deliveries_due ON deliveries (destination, next_attempt_at) WHERE state = 'pending';
CREATE INDEX deliveries_queue ON deliveries (destination, queue, position) WHERE state = 'pending';
CREATE INDEX deliveries_exam ON deliveries (exam_key);
CREATE INDEX deliveries_order ON deliveries (order_id);
CREATE INDEX deliveries_report ON deliveries (destination, report_id);
CREATE INDEX deliveries_newest ON deliveries (position DESC);
-- What is closed is forgotten after a time, the oldest first.
CREATE INDEX deliveries_closed ON deliveries (closed_at) WHERE state <> 'pending';
