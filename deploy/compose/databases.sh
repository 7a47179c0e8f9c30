#!/bin/sh
# One database and one role per service; run once by the postgres image, on an empty volume.
set -eu
for service in patient order scheduling ingest storage reporting ehr_sync triage portal; do
    eval "password=\${$(echo "$service" | tr '[:lower:]' '[:upper:]')_PASSWORD}"
    psql -v ON_ERROR_STOP=1 -v service="$service" -v password="$password" -U postgres <<'SQL'
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
done
