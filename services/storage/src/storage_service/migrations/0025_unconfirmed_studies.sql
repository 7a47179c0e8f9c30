-- The few studies that not everybody may see, where the operator says so.
CREATE INDEX study_route_contradicted ON study_route (study_instance_uid) WHERE contradicted_by IS NOT NULL;
