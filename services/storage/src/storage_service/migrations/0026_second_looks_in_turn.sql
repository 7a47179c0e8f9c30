-- A study whose second look fails has its next turn later, and others theirs meanwhile; at last a person has to look.
ALTER TABLE second_look
    ADD COLUMN due_at      timestamptz DEFAULT now(),   -- NULL: nobody looks until a person says so, or it is marked anew
    ADD COLUMN attempts    integer NOT NULL DEFAULT 0,
    ADD COLUMN last_error  text,                        -- the class of the failure
    ADD COLUMN given_up_at timestamptz;                 -- as operator-events says, until that is settled there
CREATE INDEX second_look_due ON second_look (due_at) WHERE due_at IS NOT NULL;
