-- The waiting list: exams without an appointment that somebody wants to have one. Both null: it does not wait.
ALTER TABLE exam ADD COLUMN waits_since timestamptz, ADD COLUMN waits_urgency smallint; -- 0 is STAT
CREATE INDEX exam_waits ON exam (waits_urgency, waits_since) WHERE waits_since IS NOT NULL;

-- Stations at which a time became free since the waiting list was last looked through, whatever gave it back.
CREATE TABLE freed (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site             text NOT NULL,
    station_ae_title text NOT NULL
);
CREATE FUNCTION note_freed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO freed (site, station_ae_title) VALUES (old.site, old.station_ae_title);
    RETURN NULL;
END $$;
CREATE TRIGGER freed AFTER DELETE ON occupied FOR EACH ROW WHEN (upper(old.period) > now()) EXECUTE FUNCTION note_freed();
