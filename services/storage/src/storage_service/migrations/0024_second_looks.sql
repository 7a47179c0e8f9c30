-- Studies that were given an order while somebody was changing what is known of its patient, or the order itself: what
-- their objects say is compared once more when that has committed.
CREATE TABLE second_look (
    study_instance_uid text COLLATE "C" PRIMARY KEY REFERENCES study_route ON DELETE CASCADE
);
