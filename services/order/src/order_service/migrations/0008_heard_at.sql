-- When the newest message about an order came here, and of the newest one that said what is asked for when it was made
-- and came, where others came behind it: what is read again undoes nothing that came later.
ALTER TABLE orders
    ADD COLUMN heard_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN worded   jsonb;
