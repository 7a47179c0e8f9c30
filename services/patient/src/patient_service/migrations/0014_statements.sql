-- Who undoes a statement names it: undone once more, because the answer got lost, it is not the one before it.
ALTER TABLE visit_moves ADD COLUMN statement_id uuid NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE visit_renumberings ADD COLUMN statement_id uuid NOT NULL DEFAULT gen_random_uuid();
