-- Where the owner of what is on the exceptions list shows it.
ALTER TABLE exceptions ADD COLUMN address text;
CREATE INDEX exceptions_kind ON exceptions (kind, since DESC);
