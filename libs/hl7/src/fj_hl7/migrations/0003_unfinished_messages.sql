-- Messages of which not all parts are here (HL7 v2.5.1 ch. 2.10.2.2). The parts themselves are in hl7_received.
CREATE TABLE hl7_unfinished (
    sender      text        NOT NULL,   -- as in hl7_received
    pointer     text        NOT NULL,   -- DSC-1 of the newest part, MSH-14 of the next one
    control_ids text[]      NOT NULL,   -- of the parts, in their order
    digests     bytea[]     NOT NULL,
    bytes       integer     NOT NULL,   -- of all parts
    touched_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sender, pointer)
);
