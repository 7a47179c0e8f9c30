-- Whose visits and accounts are that went from one patient to another, as `patient` said last of each number. It holds
-- also for orders that come later.
CREATE TABLE moved_visits (
    visit_id     uuid PRIMARY KEY,
    kind         text NOT NULL,
    value        text NOT NULL,
    issuer       text NOT NULL,
    patient_ids  uuid[] NOT NULL,    -- all whose it has been
    holder_id    uuid,               -- whose it is now; null where all moves of it were undone
    holder       jsonb,              -- fj_events.PatientPhi
    moved_at     timestamptz NOT NULL
);
CREATE INDEX moved_visits_number ON moved_visits (value, issuer);
CREATE INDEX moved_visits_patients ON moved_visits USING gin (patient_ids);

-- Whom the placer named, where the visit went to another patient since: `details` has the latter.
ALTER TABLE orders ADD COLUMN named_id uuid, ADD COLUMN named jsonb;
CREATE INDEX orders_visit ON orders ((details #>> '{clinical,visit_number,value}'));
CREATE INDEX orders_account ON orders ((details #>> '{clinical,account_number,value}'));
