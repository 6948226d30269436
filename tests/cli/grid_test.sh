#!/bin/bash
# What xmmu grid promises on the command line: a grid on standard
# output, and for bad input exit status 2, one line on standard error and
# nothing else.
# Usage: grid_test.sh <xmmu>
set -uo pipefail
xmmu=$1 command=(grid)
source "$(dirname "$0")/command_line.sh"

header=machine,pattern,working_set_bytes,stride_bytes,cycles_per_load
accepts --help
grep -q -- '--cells' out || fail "--help does not name --cells"
accepts --machine=xeon-2003
[[ $(head -1 out) == "$header" ]] || fail "another header"
grep -q '^xeon-2003,random,4096,64,2.0$' out || fail "no L1 hit of 2 cycles"

{ echo "$header"
  echo p4-northwood-2.4,linear,65536,64,18
  echo k8-opteron-f5a,random,65536,64,3
} >cells.csv
accepts --cells=cells.csv
[[ $(head -1 out) == "$header,simulated" ]] || fail "no column simulated"
grep -q '^p4-northwood-2.4,linear,65536,64,18,18.0$' out || fail "not 18 cycles"
(($(wc -l <out) == 3)) || fail "not the cells of the file"
cp out first
accepts --cells=cells.csv
cmp -s out first || fail "two runs differ"
for format in text csv json; do
  accepts --cells=cells.csv --errors --format=$format
  grep -q k8-opteron-f5a out || fail "no errors of a machine in $format"
done

echo vax-11,linear,65536,64,18 >>cells.csv
refuses 'cells.csv:4: machine "vax-11": want one of' --cells=cells.csv
printf '%s\np4-x,linear,65536,sixty,18\n' "$header" >cells.csv
refuses 'cells.csv:2: stride_bytes "sixty"' --cells=cells.csv
refuses "want either --machine=NAME or --cells=FILE"
refuses "want either" --machine=xeon-2003 --cells=cells.csv
refuses "abacus" --machine=abacus
refuses "no-such-file" --cells=no-such-file
refuses "--errors: want --cells" --machine=xeon-2003 --errors
refuses "--format=table: want text" --machine=xeon-2003 \
  --format=table
refuses "clock of 99 GHz" --machine=xeon-2003 --clock-ghz=99
refuses "--no-such-option: no such option" --no-such-option

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
