#!/bin/bash
# A program that gives Main() a policy, a workload and a machine of its own has
# these wherever the built-in ones are.
# Usage: own_parts_test.sh <program of own_parts.cc>
set -uo pipefail
xmmu=$1 command=(list)
source "$(dirname "$0")/command_line.sh"

accepts
for line in '  renamed  *bare hardware by another name' \
  '  stores  *a store to each of some pages' '  *pages=7  pages stored to' \
  '  fast-walker  *a Xeon of 2003 with a faster walker'; do
  grep -q "^$line\$" out || fail "list lacks: $line"
done
accepts prices --machine=fast-walker --format=csv

command=(compare)
accepts --workload=stores --policies=native,renamed --machine=fast-walker \
  --format=csv
[[ $(grep -c '^fast-walker,' out) == 2 ]] || fail "no rows on the own machine"
grep -q ',renamed,' out || fail "no row of the own policy"
accepts --workload=stores:pages=20 --policies=all
grep -q '^ *[0-9]*  *renamed ' out || fail "all lacks the own policy"
grep -q '^workload  stores:pages=20$' out || fail "no name of the own workload"
accepts --workload=stores --sensitivity --policies=native,renamed --samples=5

refuses "--policies=renammed: did you mean renamed?" --workload=stores \
  --policies=renammed
refuses "--machine=fast-walk: did you mean fast-walker?" --workload=stores \
  --machine=fast-walk
refuses "no workload 'store': did you mean stores?" --workload=store
refuses "no parameter 'page', did you mean pages? expected pages=7" --workload=stores:page=1
refuses "pages=x" --workload=stores:pages=x
command=(twice compare)
refuses "extension: policy 'renamed': want a name not taken" --workload=stores

command=(crossover)
accepts --machine=fast-walker --levels=3 --format=csv
grep -q '^fast-walker,3,native' out || fail "no crossover on the own machine"
command=(shadows)
accepts --machine=fast-walker --levels=3 --vcpus=1 --workloads=stores \
  --format=csv
grep -q 'workload,stores:pages=7,' out || fail "no own workload in the study"

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
