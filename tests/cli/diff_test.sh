#!/bin/bash
# What xmmu diff says of two reports, and how it ends.
# Usage: diff_test.sh <xmmu>
set -uo pipefail
xmmu=$1 command=(diff)
source "$(dirname "$0")/command_line.sh"

report() {
  "$xmmu" compare --workload=touch:pages=20 --machine=xeon-2003 --levels=3 "$@"
}
report --policies=native,pinning --format=json >a.json
report --policies=native,pinning --set=mov_cr3=600 --format=json >b.json
report --policies=native --format=json >c.json

accepts a.json a.json
grep -q '^the same$' out || fail "a report is not the same as itself"
"$xmmu" diff - a.json <a.json >out || fail "standard input is not read"

# moved <words> <argument>...: ends with status 1, says them, and complains not.
moved() {
  local words=$1
  shift
  "$xmmu" diff "$@" >out 2>err
  (($? == 1)) || fail "diff $*: the status is not 1"
  [[ ! -s err ]] || fail "diff $*: said $(cat err)"
  grep -qF -- "$words" out || fail "diff $*: did not say '$words': $(cat out)"
}
moved "NOT the same" a.json b.json
moved "xeon-2003+set" a.json b.json
moved "only in A: 2" a.json c.json
moved '"same": false' a.json b.json --format=json
moved "native stores,cycles_by_component.cr3,6000,6400,400.000000,6.666667,1" a.json b.json --format=csv
accepts a.json b.json --tolerance=50
grep -q ' 0 by more than 50%$' out || fail "what is tolerated is not"
accepts a.json b.json --tolerance=50 --report=page.html
grep -q '<caption>cycles\|made with' page.html || fail "no page"

refuses "want two files" a.json
refuses "want two files" a.json b.json c.json
refuses "--tolerance=-1: want a percentage" a.json b.json --tolerance=-1
refuses "--tolerance=nan: want a percentage" a.json b.json --tolerance=nan
refuses "no-such-file" a.json no-such-file
printf '{"rows": [\n{"a": 1,}]}' >bad.json
refuses "bad.json:2: found '}', want the JSON of a report" a.json bad.json
report --policies=native --format=csv >csv.json
refuses "csv.json:1: found" csv.json a.json
refuses "b.json: is also read" a.json b.json --output=b.json

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
