-- When the newest message about an order was made, as its sender says (MSH-7, ORC-9): an older one changes nothing.
ALTER TABLE orders ADD COLUMN said_at timestamptz, ADD COLUMN transaction_at timestamptz;

-- What placers said of orders that are not known yet. It is done in the transaction that places the order; what is
-- refused then, or when its order does not come, says why and stays for a person to see.
CREATE TABLE early (
    wish_id        bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    placer_value   text NOT NULL,
    placer_issuer  text NOT NULL,
    wish           jsonb NOT NULL,
    received_at    timestamptz NOT NULL DEFAULT now(),
    refused        text
);
CREATE INDEX early_waiting ON early (placer_value, placer_issuer) WHERE refused IS NULL;
CREATE INDEX early_received ON early (received_at);
