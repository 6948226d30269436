#!/bin/bash
# What xmmu crossover promises on the command line: a report on standard output,
# and for bad input exit status 2, one line on standard error and nothing else.
# Usage: crossover_test.sh <xmmu> [<log of a trace>]
set -uo pipefail
xmmu=$1 command=(crossover)
inputs=$(cd "$(dirname "$0")/../golden/outputs/inputs" && pwd)
source "$(dirname "$0")/command_line.sh"

accepts --help
grep -q -- '--levels' out || fail "--help does not name --levels"
accepts --machine=xeon-2003 --levels=3 --format=csv
grep -q '^xeon-2003,3,trap-and-emulate,stores,512,' out || fail "no last row"
cp out first
grep -q 'writable-page-tables-g0' out && fail "variants that nobody asked for"
accepts --machine=xeon-2003 --levels=3 --format=csv --variants
grep -q '^xeon-2003,3,writable-page-tables-g0,stores,512,' out ||
  fail "--variants"
grep -vxFf out first >/dev/null && fail "two runs differ"

accepts --machine=xeon-2003 --levels=3 --sensitivity --samples=20
grep -q 'updates on, with other prices from' out || fail "no range of a crossing"

if [[ -n ${2:-} ]]; then
  accepts --machine=xeon-2003 --levels=2 "$2"
  grep -q '^  writable-page-tables/stores takes [0-9.]* times the cycles of trap' \
    out || fail "no word on which wins"
fi

# Of short traces: what a price is called does not depend on what is run.
traces=("$inputs"/tiny.20?)
accepts --machine=xeon-2003 --levels=3 --format=csv "${traces[@]}"
cp out first
accepts --machine=xeon-2003 --levels=3 --format=csv --set=emulate=1 "${traces[@]}"
grep -q '^xeon-2003+set,3,trap-and-emulate,stores,' out ||
  fail "--set is not named"
cmp -s out first && fail "--set changes nothing"

refuses "--no-such-option: no such option" --no-such-option
refuses "abacus" --machine=abacus
refuses "--levels=5: want 2, 3 or 4" --levels=5
refuses "--format=table: want text" --format=table
refuses "--prices=none: want estimates, all" --prices=none
refuses "--samples=100001: want 0 to 100000" --samples=100001
refuses "want no trace" --sensitivity any.log
refuses "no-such-log" no-such-log

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
