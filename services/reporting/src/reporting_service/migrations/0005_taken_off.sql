-- Images that a person took off their order: nothing that was read of them is given out until a person has said whose they are.
ALTER TABLE studies ADD COLUMN taken_off boolean NOT NULL DEFAULT false;
