#!/bin/bash
# What the program promises before and around its commands.
# Usage: xmmu_test.sh <xmmu>
set -uo pipefail
xmmu=$1 command=()
source "$(dirname "$0")/command_line.sh"

accepts --version
grep -qE '^xmmu [0-9]+\.[0-9]+\.[0-9]+$' out || fail "--version"
accepts --help
for name in compare crossover shadows grid published explain trace list; do
  grep -q "^  $name  " out || fail "--help does not name $name"
done
(($(wc -L <out) <= 80)) || fail "a line of --help is long"
for name in compare crossover shadows grid published explain trace list; do
  accepts "$name" --help
  (($(wc -L <out) <= 80)) || fail "a line of $name --help is long"
  grep -q "^Usage: xmmu $name " out || fail "no usage of $name"
done

refuses "want a command: compare, crossover"
for name in info head show reach pack cut check; do
  accepts trace "$name" --help
  (($(wc -L <out) <= 80)) || fail "a line of trace $name --help is long"
  grep -q "^Usage: xmmu trace $name " out || fail "no usage of trace $name"
done
accepts trace --help
grep -q "^Usage: xmmu trace COMMAND " out || fail "no usage of trace"

refuses "trace: want a command: info" trace
refuses "trace: inof: no such command; did you mean info? See --help" trace inof
refuses "trace: no-such: no such command; see --help" trace no-such info
refuses "trace info: --hepl: no such option; did you mean --help?" \
  trace info --hepl
refuses "trace info: want the files of one trace" trace info
refuses "want a command" --
refuses "want a command" -- compare
refuses "compar: no such command; did you mean compare? See --help" compar
refuses "no-such: no such command; see --help" no-such --help
refuses "--hepl: no such option; did you mean --help? See --help" --hepl
refuses "--version: given twice" --version --version
refuses "--workload: no such option" --workload=touch compare
refuses "compare: --version: no such option" compare --version
# A file may have the name of a command, or look like an option.
for file in list compare '[a,b]' ++ {}; do
  refuses "$file:0: cannot be found" compare "$file"
done
refuses "--policies:0: cannot be found" compare -- --policies

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
