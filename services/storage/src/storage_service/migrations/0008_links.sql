-- What persons have said about where a study belongs, and what held before each act.
CREATE TABLE link_act (
    study_instance_uid        text COLLATE "C" NOT NULL,
    number                    integer NOT NULL,       -- 1, 2, 3 … of the study
    act                       text NOT NULL,          -- fj_events.LinkAct
    actor                     text NOT NULL,
    reason                    text NOT NULL,
    at                        timestamptz NOT NULL,
    order_id                  uuid,                   -- to which it belongs since; absent: to none
    previous_order_id         uuid,
    previous_order_patient_id uuid,
    previous_matched_by       text,
    previous_match_reason     text,
    previous_unmatched_reason text,
    PRIMARY KEY (study_instance_uid, number)
);
