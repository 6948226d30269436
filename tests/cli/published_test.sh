#!/bin/bash
# What xmmu published promises on the command line: tables on standard output,
# and for bad input exit status 2, one line on standard error and nothing else.
# Usage: published_test.sh <xmmu>
set -uo pipefail
xmmu=$1 command=(published)
source "$(dirname "$0")/command_line.sh"

accepts --help
grep -q -- '--table' out || fail "--help does not name --table"
grep -q 'asplos06' out || fail "--help does not name the tables"
accepts --table=asplos06
grep -q '^  ptemod ' out || fail "no row ptemod"
grep -q '^  page fault ' out && fail "a table that nobody asked for"
accepts --table=asplos06,vmexit --format=csv
grep -q '^asplos06,pgfault,cycles,hardware VMM,0,11242.0000,' out ||
  fail "no line of pgfault"
grep -q '^vmexit,' out || fail "no second table"
accepts --table=vmexit --format=json
grep -q '"table": "vmexit"' out || fail "no JSON"

refuses "--no-such-option: no such option" --no-such-option
refuses "--table=abacus: want sosp03" --table=abacus
refuses "--format=table: want text" --format=table
refuses "trace.gz: want options alone" trace.gz

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
