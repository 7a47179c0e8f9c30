-- Which numbers visits and accounts have that got another one (ADT^A50, A49), as `patient` said last of the number before.
CREATE TABLE renumbered_visits (
    visit_id        uuid PRIMARY KEY,
    kind            text NOT NULL,
    value           text NOT NULL,
    issuer          text NOT NULL,
    patient_ids     uuid[] NOT NULL,    -- of whom it was said
    present_value   text,               -- null where all changes of the number were undone
    present_issuer  text,
    renumbered_at   timestamptz NOT NULL
);
CREATE INDEX renumbered_visits_number ON renumbered_visits (value, issuer);
CREATE INDEX renumbered_visits_present ON renumbered_visits (present_value, present_issuer);
CREATE INDEX renumbered_visits_patients ON renumbered_visits USING gin (patient_ids);

-- The numbers of visit and account that the placer named, where `named` has whom it named.
ALTER TABLE orders ADD COLUMN named_on jsonb;
DROP INDEX orders_visit, orders_account;
CREATE INDEX orders_visit ON orders (
    coalesce(named_on #>> '{visit_number,value}', details #>> '{clinical,visit_number,value}')
);
CREATE INDEX orders_account ON orders (
    coalesce(named_on #>> '{account_number,value}', details #>> '{clinical,account_number,value}')
);
