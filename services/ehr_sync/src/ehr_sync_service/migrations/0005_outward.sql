-- What is planned, folded from exam-events: image managers and calendars are told what changes. Rebuilt from the log.
CREATE TABLE plans (
    exam_key   text        PRIMARY KEY,
    updated_at timestamptz NOT NULL,
    body       jsonb       NOT NULL
);

-- What a delivery says: one fact can be several messages, and what it says of a plan depends on the plan before it.
ALTER TABLE deliveries
    ADD COLUMN control text,                          -- ORC-1, or the trigger event of SIU and ADT
    ADD COLUMN status  text,                          -- ORC-5, OBR-25, SCH-25
    ADD COLUMN version text NOT NULL DEFAULT '2.5.1', -- MSH-12
    ADD COLUMN plan    jsonb;                         -- what a procedure or an appointment is about
UPDATE deliveries SET
    control = CASE
        WHEN kind = 'results' THEN 'RE'
        WHEN fact_type LIKE 'order.cancelled.%' THEN 'OC'
        WHEN fact_type LIKE 'order.reinstated.%' THEN
            CASE fact ->> 'refused' WHEN 'change' THEN 'UX' WHEN 'hold' THEN 'UH' ELSE 'UC' END
        ELSE 'SC' END,
    status = CASE
        WHEN fact_type LIKE 'report.preliminary.%' THEN 'P'
        WHEN fact_type LIKE 'report.finalized.%' THEN 'F'
        WHEN kind = 'results' THEN 'C'
        WHEN fact_type LIKE 'order.cancelled.%' THEN 'CA'
        WHEN fact_type LIKE 'exam.completed.%' THEN 'CM'
        WHEN fact_type LIKE 'exam.discontinued.%' THEN 'DC'
        WHEN fact_type LIKE 'exam.put_back.%' THEN 'SC'
        ELSE 'IP' END;
ALTER TABLE deliveries ALTER COLUMN control SET NOT NULL, ALTER COLUMN status SET NOT NULL,
    ALTER COLUMN version DROP DEFAULT;
