#!/bin/bash
# What xmmu list promises on the command line: lists on standard output, and for
# bad input exit status 2, one line on standard error and nothing else.
# Usage: list_test.sh <xmmu>
set -uo pipefail
xmmu=$1 command=(list)
source "$(dirname "$0")/command_line.sh"

accepts
grep -q '^  trap-and-emulate' out || fail "list does not name policies"
grep -q '^    writable-page-tables-g0' out || fail "list indents no variants"

accepts prices --machine=opteron-2005
grep -q '^ *cost.invlpg  *estimated  *125  *100  *150  *cycles  assumed: ' out ||
  fail "prices does not list INVLPG"
grep -q '^ *tlb.data_l2.1.entries  *read  *512 ' out ||
  fail "prices does not list the L2 TLB"
accepts prices --machine=zen5-2024 --format=json
python3 -c '
import json, sys
values = json.load(sys.stdin)["values"]
assert all(v["mark"] and v["source"] for v in values)
assert len({v["key"] for v in values}) == len(values) > 100, len(values)
' <out || fail "prices --format=json"
accepts prices --machine=zen5-2024 --format=csv
python3 -c '
import csv, sys
rows = list(csv.DictReader(sys.stdin))
assert len(rows) > 100 and all(r["source"] for r in rows), rows[0]
' <out || fail "prices --format=csv"

accepts prices --machine=core2-2006 --format=toml
cp out core2.toml
accepts prices --machine-file=core2.toml --format=toml
cmp -s out core2.toml || fail "a machine is not what its file says"

for topic in policies machines workloads guest-ops pin linear-map timing options \
  tables columns counters components events marks; do
  accepts "$topic"
  (($(wc -l <out) > 2)) || fail "list $topic has nothing"
done
accepts counters --format=csv
grep -q '^page_walks,events,"*walks of the tables in CR3' out ||
  fail "counters --format=csv"
accepts marks --format=json
python3 -c '
import json, sys
assert [m["name"] for m in json.load(sys.stdin)][0] == "read"
' <out || fail "marks --format=json"
accepts options
grep -q '^  --flush-ceiling ' out || fail "list options lacks one"
accepts pin timing
(($(wc -l <out) == 9)) || fail "two topics are not listed"

refuses "polices: no such topic; did you mean policies?" polices
refuses "prices: want this topic alone" prices pin
refuses "--machine: want it with the topic prices" --machine=zen2-2019
refuses "--format=csv: want text, or prices or a list of names in reports" \
  pin --format=csv
refuses "--format=csv: want text, or prices or a list of names in reports" \
  counters marks --format=csv
refuses "--format=xml: want text, csv, json, toml" prices --format=xml
refuses "cannot read no-such-file" prices --machine-file=no-such-file
refuses "--vcpus: no such option" prices --vcpus=2

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
