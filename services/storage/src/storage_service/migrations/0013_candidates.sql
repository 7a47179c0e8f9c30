-- What more is known of an order, so that a person can choose among orders.
ALTER TABLE known_order
    ADD COLUMN scheduled_step_id text,
    ADD COLUMN station           text;
CREATE INDEX known_order_day ON known_order (day) WHERE open;
CREATE INDEX known_order_number ON known_order (accession_number);
ALTER TABLE exam
    ADD COLUMN step_ids text[] NOT NULL DEFAULT '{}',
    ADD COLUMN stations text[] NOT NULL DEFAULT '{}';

-- A study with the number of an order that is for somebody else.
ALTER TABLE study_route
    ADD COLUMN contradicted_by      text,  -- storage_service.domain.agreement.Criterion, with spaces between them
    ADD COLUMN unconfirmed_order_id uuid;
CREATE INDEX study_route_unconfirmed ON study_route (unconfirmed_order_id) WHERE unconfirmed_order_id IS NOT NULL;
