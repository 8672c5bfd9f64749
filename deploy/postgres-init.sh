#!/bin/bash
# Runs once, when the volume is empty: a role and a database each for the ledger and for Temporal. The passwords are read by
# psql itself, so that no command line shows them.
set -euo pipefail
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set tocsin `cat /run/secrets/tocsin_db_password`
\set temporal `cat /run/secrets/temporal_db_password`
create role tocsin login password :'tocsin';
create database tocsin owner tocsin;
-- Temporal's set-up makes its second database, temporal_visibility, itself.
create role temporal login createdb password :'temporal';
create database temporal owner temporal;
SQL
