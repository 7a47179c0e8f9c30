-- One row per order. What is asked for stands in `details` (fj_events.OrderDetails); the columns beside it are
-- what orders are looked up by.
CREATE TABLE orders (
    order_id           uuid PRIMARY KEY,
    site               text NOT NULL,
    life               text NOT NULL,
    placer_value       text,
    placer_issuer      text,
    accession_value    text NOT NULL,
    accession_issuer   text NOT NULL,
    details            jsonb NOT NULL,
    -- Changes on their way to the exam: of each the id of its fact and the details that held before it, oldest first.
    changes            jsonb NOT NULL DEFAULT '[]',
    report_id          uuid,
    report_version     integer,
    delivered          jsonb NOT NULL DEFAULT '{}',
    placed_at          timestamptz NOT NULL DEFAULT now(),
    changed_at         timestamptz NOT NULL DEFAULT now(),
    -- Law 6: two placers may use the same number. The constraint also decides between two first messages
    -- about one order that arrive at the same instant.
    CONSTRAINT orders_placer_number UNIQUE (placer_value, placer_issuer)
);
CREATE INDEX orders_accession_number ON orders (accession_value, accession_issuer);
