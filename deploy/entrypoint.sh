#!/bin/sh
# PGPASSWORD is libpq's own variable, so that Tocsin does not read it: here PGPASSWORD_FILE becomes it. Every other secret
# is read from its …_FILE by Tocsin itself.
set -eu
if [ -n "${PGPASSWORD_FILE:-}" ]; then
  PGPASSWORD=$(cat "$PGPASSWORD_FILE")
  export PGPASSWORD
  unset PGPASSWORD_FILE
fi
exec "$@"
