-- Images that carry the number of an order and show somebody else: nothing that was read of them is given out until a person
-- has said whose they are.
ALTER TABLE studies
    ADD COLUMN contradicted_by      text[] NOT NULL DEFAULT '{}',
    ADD COLUMN unconfirmed_order_id uuid;
CREATE INDEX studies_unconfirmed ON studies (unconfirmed_order_id) WHERE unconfirmed_order_id IS NOT NULL;
