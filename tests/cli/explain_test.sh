#!/bin/bash
# What xmmu explain promises on the command line: every event under every strategy
# in every format, steps that add up, a fault of a trace; and for bad input exit
# status 2, one line on standard error and nothing else.
# Usage: explain_test.sh <xmmu> [<log of a trace>]
set -uo pipefail
xmmu=$1 command=(explain)
inputs=$(cd "$(dirname "$0")/../golden/outputs/inputs" && pwd)
source "$(dirname "$0")/command_line.sh"

accepts --help
grep -q -- '--fault=N' out || fail "--help does not name --fault"
"$xmmu" list stories >stories || fail "no list of stories"
mapfile -t events < <(awk 'NR > 1 {print $1}' stories)
((${#events[@]} >= 13)) || fail "${#events[@]} events"

# The leaves of the JSON add up to the cycles of each story, and so do the lines
# of the CSV that have a price.
cat >sums.py <<'END'
import csv, json, sys

def leaves(steps):
    return sum(step["cycles"] if "price" in step else leaves(step["steps"])
               if "steps" in step else 0 for step in steps)

told = json.load(open(sys.argv[1]))
whole = 0
for story in told["stories"]:
    whole += story["cycles"] if not story["absent"] else 0
    assert bool(story["absent"]) == (not story["steps"]), story["policy"]
    if story["absent"]:
        continue
    assert leaves(story["steps"]) == story["cycles"], story["policy"]
    assert sum(story["cycles_by_actor"].values()) == story["cycles"]
    assert sum(story["cycles_by_mark"].values()) == story["cycles"]
lines = list(csv.DictReader(open(sys.argv[2])))
assert sum(int(line["cycles"]) for line in lines if line["price"]) == whole
assert all(line["source"] and line["mark"] for line in lines if line["price"])
END
for event in "${events[@]}"; do
  for machine in xeon-2003 skylake-2017; do
    accepts "$event" --policies=all --machine=$machine
    grep -q "^event     $event: " out || fail "$event is not named"
    accepts "$event" --policies=all --machine=$machine --format=json
    mv out told.json
    accepts "$event" --policies=all --machine=$machine --format=csv
    python3 sums.py told.json out || fail "$event on $machine does not add up"
  done
done

# Two runs and any number of jobs give the same.
accepts fork --policies=all --jobs=1
cp out first
accepts fork --policies=all --jobs=3
cmp -s out first || fail "jobs are seen"
accepts write-fault --legend
grep -q '^  copy_page ' out || fail "no legend"
accepts write-fault --report=page.html
grep -q '<details' page.html || fail "no steps that unfold"
accepts write-fault --policies=pinning --format=json
"$xmmu" diff out out >/dev/null || fail "a report is not its own equal"

# Pinning has one row unless more are asked for.
accepts write-fault --policies=pinning --format=csv
grep -q 'pinning,[a-z-]*,never,' out && fail "a row that nobody asked for"
accepts write-fault --policies=pinning --pin=late,never --format=csv
grep -q 'pinning,[a-z-]*,never,' out || fail "no row that never pins"

# Of a workload and of a trace.
accepts --workload=touch:pages=9 --fault=9 --policies=all --format=json
mv out told.json
accepts --workload=touch:pages=9 --fault=9 --policies=all --format=csv
python3 sums.py told.json out || fail "a fault does not add up"
accepts --trace="$inputs/tiny.200,$inputs/tiny.201" --fault=2
grep -q '^event     fault 2: operation [0-9]* of the workload: ' out ||
  fail "the operation is not named"
accepts --trace="$inputs/tiny.200" --trace="$inputs/tiny.201"
if [[ -n ${2:-} ]]; then
  accepts --trace="$2" --fault=100 --policies=native,xi-shadow
  accepts --trace=- --fault=3 --policies=native <"$2"
fi
cp "$inputs/tiny.200" copy.200
cp "$inputs/tiny.201" copy.201
refuses "copy.201" --trace=copy.200,copy.201 --output=copy.201
cmp -s copy.201 "$inputs/tiny.201" || fail "a trace was overwritten"

refuses "want one event"
refuses "want one event" fork munmap
refuses "want one event" fork --workload=touch
refuses "no event 'wirte-fault', did you mean \"write-fault\"?" wirte-fault
refuses "no event 'a\nb'" $'a\nb'
refuses "--pages=3: want it with an event of pages, not load-hit" load-hit \
  --pages=3
refuses "--pages: want it with an event" --workload=touch --pages=3
refuses "--pages=513: want 1 to 512" fork --pages=513
refuses "--pages=0: want 1 to 512" fork --pages=0
refuses "--fault: want it with --trace=FILE or --workload=NAME" fork --fault=2
refuses "--fault=0: want" --workload=touch --fault=0
refuses "the workload has 9 faults" --workload=touch:pages=9 --fault=10
refuses "--vcpus=2: want 1 with a trace" --workload=touch --vcpus=2
refuses "no such option" fork --walkers=2
refuses "no such option" fork --overlap=0.5
refuses "no such option" fork --migrate=2
refuses "no such option" fork --skip=2
refuses "natve" fork --policies=natve
refuses "--pin: want it with a policy that has paravirtual guests" fork \
  --policies=native --pin=late
refuses "no-such-log" --trace=no-such-log
refuses "--trace=: want a value" --trace=

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
