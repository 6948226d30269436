#!/bin/bash
# What xmmu shadows promises on the command line: a report on standard output,
# and for bad input exit status 2, one line on standard error and nothing else.
# Usage: shadows_test.sh <xmmu> [<log of a trace>]
set -uo pipefail
xmmu=$1 command=(shadows)
source "$(dirname "$0")/command_line.sh"

accepts --help
grep -q -- '--workloads' out || fail "--help does not name --workloads"
small=(--machine=xeon-2003 --levels=3 "--workloads=touch:pages=20;churn:rounds=2")
accepts "${small[@]}" --format=csv
grep -q '^xeon-2003,3,2,xi-shadow,workload,"churn:pages=16,rounds=2",1,' out ||
  fail "no last workload on two vCPUs"
cp out first
accepts "${small[@]}" --format=csv
cmp -s out first || fail "two runs differ"
accepts "${small[@]}" --vcpus=1
grep -q '^    4 times as fast: ' out || fail "no word on 4 times"
grep -q ', 2 vCPUs' out && fail "numbers of vCPUs that nobody asked for"

accepts "${small[@]}" --vcpus=1 --sensitivity
grep -q "^answers to 'faster' that hold whatever the prices within" out ||
  fail "no word on what holds"
accepts "${small[@]}" --vcpus=1 --sensitivity --format=csv --prices=all
grep -q '^xeon-2003,3,shadow-2005,xi-shadow,demand-fault,4-times,' out ||
  fail "no line on a claim"

if [[ -n ${2:-} ]]; then
  accepts --machine=xeon-2003 --levels=3 --vcpus=1 --workloads= "$2"
  grep -q '^  trace:' out || fail "no row for a trace"
fi

refuses "--no-such-option: no such option" --no-such-option
refuses "abacus" --machine=abacus
refuses "--levels=5: want 2, 3 or 4" --levels=5
refuses "has touch:pages=5 twice" '--workloads=touch:pages=5;touch:pages=5'
refuses "--vcpus=0: want 1 to 64" --vcpus=0
refuses "--format=table: want text" --format=table
refuses "no-such-workload" --workloads=no-such-workload
refuses "want --vcpus=1" --sensitivity "${small[@]}"
refuses "no-such-log" no-such-log

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
