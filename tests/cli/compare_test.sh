#!/bin/bash
# What xmmu compare promises on the command line: reports on standard output,
# and for bad input exit status 2, one line on standard error and nothing else.
# Usage: compare_test.sh <xmmu>
set -uo pipefail
xmmu=$1 command=(compare)
source "$(dirname "$0")/command_line.sh"

workload=$("$xmmu" list | sed -n '/^workloads/{n;s/^ *\([^ ]*\).*/\1/p}')
[[ -n $workload ]] || fail "list names no workload"

accepts --help
grep -q -- '--guest-ops' out || fail "--help does not name --guest-ops"
accepts --workload="$workload"
grep -q '^ *1  *native' out || fail "no row of native"
accepts --workload="$workload" --format=json
python3 -c '
import json, sys
report = json.load(sys.stdin)
assert [r["policy"] for r in report["rows"]] == [
    "native", "pinning", "pinning", "trap-and-emulate"], report["rows"]
for row in report["rows"]:
    assert sum(row["cycles_by_component"].values()) == row["cycles"]
assert len({r["guest_digest"] for r in report["rows"]}) == 1
' <out || fail "the JSON report is not what it should be"
accepts --workload="$workload" --format csv --policies all --levels=5
accepts --workload="$workload" --format csv --policies all
grep -q ',writable-page-tables,' out || fail "all lacks a strategy"
grep -q ',writable-page-tables-g0,' out && fail "all has a variant"
accepts --workload="$workload" --format csv --policies all+variants
grep -q ',writable-page-tables-g0,' out || fail "all+variants has none"
accepts --workload="$workload" --policies native,writable-page-tables-g2
accepts --workload="$workload" --guest-ops=queue,multicall --pin=all --vcpus=4
accepts --workload="$workload" --linear-map=all --levels=3 \
  --machine=opteron-2005 --flush-filter
accepts --workload="$workload" --format=csv --output=report.csv
[[ ! -s out && $(wc -l <report.csv) == 5 ]] || fail "--output"

accepts --workload=files:pages=20 --domains=2 --share-file-pages
grep -q '^sharing in row 3: 20 frames shared, 20 pages merged' out ||
  fail "--share-file-pages"

accepts --workload=churn --policies=native,xi-shadow --migrate=2 \
  --migrate-every=500
grep -q '^migration in row 1: none, ' out || fail "native is migrated"
grep -q '^migration in row 2: .* pages dirty in 2 rounds' out ||
  fail "--migrate"

# A region, its series, and what does not go with them. The workload has 102
# operations.
accepts --workload=touch:pages=100 --skip=30 --warmup=20 --operations=40
grep -q '^region    operations 51 to 90, caches emptied after 30' out ||
  fail "the region is not named"
accepts --workload=touch:pages=100 --interval=30 --policies=native,xi-shadow
grep -q '^4 intervals of 30 operations in each row' out ||
  fail "the series is not named"
accepts --workload=touch:pages=100 --interval=30 --policies=native,xi-shadow \
  --format=csv
[[ $(wc -l <out) == 9 ]] || fail "a series has a line an interval of a row"
accepts --workload=touch:pages=100 --skip=101 --warmup=0
refuses "has 102 operations, want more than 102, behind which the region" \
  --workload=touch:pages=100 --skip=102
refuses "has 102 operations, want 103, where the region ends" \
  --workload=touch:pages=100 --warmup=100 --operations=3
refuses "more than 10000 intervals" --workload=touch:pages=20000 --interval=1
refuses "--skip=-1: want operations, 0 to" --skip=-1 --workload="$workload"
refuses "--operations=0: want operations, 1 to" --operations=0 \
  --workload="$workload"
refuses "--interval=0: want operations, 1 to" --interval=0 \
  --workload="$workload"
refuses "--migrate=2: want it without --skip" --migrate=2 --warmup=1 \
  --workload="$workload"
refuses "--per=cpu: did you mean vcpu?" --per=cpu --workload="$workload"
refuses "--per=vcpu: want it without --interval" --per=vcpu --interval=9 \
  --workload="$workload"
refuses "--per=task: want it without --sensitivity" --per=task --sensitivity \
  --workload="$workload"
refuses "--interval=9: want it without --sensitivity" --interval=9 \
  --sensitivity --workload="$workload"
accepts --workload=touch:pages=100 --sensitivity --skip=9

"$xmmu" list prices --machine=core2-2006 --format=toml >core2.toml
accepts --workload="$workload" --machine=core2-2006
cp out preset
accepts --workload="$workload" --machine-file=core2.toml
cmp -s out preset || fail "a machine from a file is another one"
accepts --workload="$workload" --machine-file=core2.toml --set=iret=1 \
  --set tlb.data_l2.1.entries=512,mov_cr3=1
grep -q '^machine   core2-2006+set: .*; with iret=1, .*=512, mov_cr3=1$' out ||
  fail "--set is not named"
printf 'base = "core2-2006"\n[cost]\niret = 1\n' >mine.toml
accepts --workload="$workload" --machine-file=mine.toml
grep -q '^machine   core2-2006+file: .*; from mine.toml$' out ||
  fail "a machine from a file is not named"
accepts --workload="$workload" --machine=core2-2006 --policies=nested-paging
grep -q '^hypothetical in row 1: core2-2006 has no nested paging' out ||
  fail "no word on what the machine has not"

printf 'base = "core2-2006"\n\n[cost]\nirett = 1\n' >mine.toml
refuses "mine.toml:4: cost.irett: no such key" --machine-file=mine.toml \
  --workload="$workload"
refuses "--machine-file=core2.toml: want it without --machine" \
  --machine-file=core2.toml --machine=core2-2006 --workload="$workload"
refuses "cannot read no-such-file" --machine-file=no-such-file \
  --workload="$workload"
refuses "--set=mov_cr3=fast: cost.mov_cr3.value: want a whole number" \
  --set=mov_cr3=fast --workload="$workload"
refuses "--set=tlb.data_l1.1.ways=7: tlb.data_l1.1: 64 entries do not divide" \
  --set=tlb.data_l1.1.ways=7 --workload="$workload"
refuses "--set=mov_cr3: want KEY=VALUE" --set=mov_cr3 --workload="$workload"
refuses "--format=toml: want text" --format=toml \
  --workload="$workload"

accepts --workload="$workload" --sensitivity --samples=50
grep -q '^orders of two rows that hold whatever the prices' out ||
  fail "no word on what holds"
accepts --workload="$workload" --sensitivity --prices=all --format=json
python3 -c '
import json, sys
report = json.load(sys.stdin)
assert len(report["sensitivity"]["orders"]) == 6, report["sensitivity"]
assert report["sensitivity"]["samples"] == 1000
' <out || fail "the JSON report lacks the sensitivity"
accepts --workload="$workload" --walkers=4 --overlap=0.25
grep -q '^overlap   4 walkers; 25.0%' out || fail "no word on overlap"

refuses "want --vcpus=1" --sensitivity --vcpus=2 --workload="$workload"
refuses "want --timing=flat or pte-caches" --sensitivity --timing=all-caches \
  --workload="$workload"
refuses "samples" --samples=-1 --workload="$workload"
refuses "--migrate=-1: want rounds" --migrate=-1 --workload="$workload"
refuses "--migrate-every=0: want operations" --migrate-every=0 \
  --workload="$workload"
refuses "--workload" --format=text
refuses "--no-such-option: no such option" --no-such-option
refuses "vcpus" --vcpus=many --workload="$workload"
refuses "vcpus" --workload="$workload" --vcpus
refuses "--vcpus=65" --vcpus=65 --workload="$workload"
refuses "--domains=65: want 1 to 64" --domains=65 --workload="$workload"
refuses "--levels=6" --levels=6 --workload="$workload"
refuses "--levels=0: want 2, 3" --levels=0 --workload="$workload"
refuses "--machine=abacus: want xeon-2003" --machine=abacus \
  --workload="$workload"
refuses "--policies=hope: want native, pinning" --policies=native,hope \
  --workload="$workload"
refuses "--guest-ops=shouting" --guest-ops=shouting --workload="$workload"
refuses "--pin=often: want early" --pin=often --workload="$workload"
refuses "--linear-map=crooked: want default" --linear-map=crooked \
  --workload="$workload"
refuses "serves one vCPU" --linear-map=shared-l2 --vcpus=2 \
  --workload="$workload"
refuses "--flush-filter=true: want a machine" --flush-filter \
  --workload="$workload"
refuses "--timing=swift" --timing=swift --workload="$workload"
refuses "--format=xml: want text" --format=xml --workload="$workload"
refuses "--memory=0" --memory=0 --workload="$workload"
refuses "--fault-around=3" --fault-around=3 --workload="$workload"
refuses "--flush-ceiling=-2" --flush-ceiling=-2 --workload="$workload"
refuses "--walkers=0: want 1 to 16" --walkers=0 --workload="$workload"
refuses "--walkers=17: want 1 to 16" --walkers=17 --workload="$workload"
refuses "--overlap=1.1: want 0 to 1" --overlap=1.1 --workload="$workload"
refuses "--overlap=nan: want 0 to 1" --overlap=nan --workload="$workload"
refuses "processes=4294967296" --workload=switch:processes=4294967296
refuses "pinning: guest-ops stores" --guest-ops=stores --workload="$workload"
refuses "no-such-workload" --workload=no-such-workload
refuses "no-such-parameter" --workload="$workload":no-such-parameter=1
refuses "no-such-log" no-such-log
refuses "no-such-directory" --workload="$workload" \
  --output=no-such-directory/report
refuses "pinning" --levels=5 --policies=pinning --workload="$workload"
printf 'this is no log\n' >bad.log
refuses "bad.log:1" bad.log
refuses "bad.log:1" bad.log --output=report.json --format=json
[[ ! -e report.json ]] || fail "a bad trace left an output file"
# What a refusal offers is accepted.
for levels in 2 3; do
  small=(--workload=touch:pages=5 --levels="$levels" --policies=native)
  most=$("$xmmu" compare "${small[@]}" --memory=65536 2>&1 >/dev/null |
    sed -n 's/.* at most \([0-9]*\) MiB$/\1/p')
  accepts "${small[@]}" --memory="$most"
  refuses "at most $most MiB" "${small[@]}" --memory="$((most + 4))"
done
refuses "a multiple of 4 MiB" --memory=1 --workload="$workload"
[[ -z $(ls ./*.tmp.* 2>/dev/null) ]] || fail "temporary files were left"

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
