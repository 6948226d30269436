#!/bin/bash
# What the commands of xmmu trace promise.
# Usage: trace_test.sh <xmmu> <a bundled trace>
set -uo pipefail
xmmu=$1 trace=$2 command=(trace)
source "$(dirname "$0")/command_line.sh"

# The figures of info are those that a count of the log's lines gives.
accepts info "$trace"
cp out info
while IFS=: read -r name letter; do
  number=$(zcat "$trace" | grep -c "^$letter  *[0-9a-f]*,") || true
  grep -q "^  $name  *$number  " <(tr -d , <info) ||
    fail "info does not count $number of $name: $(cat info)"
done <<'END'
fetch:I
load: L
store: S
modify: M
END
accepts info "$trace" --format=json
python3 -c '
import json, sys
info = json.load(sys.stdin)
assert info["format"] == "lackey", info
assert info["operations"] == sum(info["operations_by_kind"].values()), info
assert info["operations"] == sum(t["operations"] for t in info["tasks"]), info
' <out || fail "the JSON of info is not what it should be"
accepts info "$trace" --format=csv
grep -q '^format,lackey' out || fail "no CSV of info"

# Standard input is as good as a file.
accepts info - <"$trace"
cmp -s out info || fail "standard input says something else"
accepts info - < <(zcat "$trace")
cmp -s out info || fail "a pipe says something else"
[[ -z $(ls "${TMPDIR:-/tmp}"/xmmu.* 2>/dev/null) ]] || fail "a copy was left"
zcat "$trace" | head -n 1000 >cut.log
refuses "cut.log:1001: the log of process" info cut.log
refuses "trace info: -:1001: the log of process" info - <cut.log
refuses "-:0: is empty" info - </dev/null
refuses "-:0: cannot be read" info - <&-

# A descriptor's number is no program's name; what DynamoRIO's names tell is.
python3 -c '
import struct, sys
for record in [(25, 0, 1), (22, 0, 7), (24, 0, 7), (28, 2, 9), (28, 3, 0),
               (10, 4, 0x401000), (23, 0, 7), (26, 0, 0)]:
    sys.stdout.buffer.write(struct.pack("<HHQ", *record))
' >drmemtrace.app.7.0001.trace
accepts info drmemtrace.app.7.0001.trace
grep -q '^command  *app$' out || fail "not the program's name: $(cat out)"
accepts info - <drmemtrace.app.7.0001.trace
grep -q '^command' out && fail "a command from a descriptor: $(cat out)"
"$xmmu" compare - --policies=nested-paging --format=json <drmemtrace.app.7.0001.trace |
  grep -qF '"trace:-"' || fail "a workload named by a descriptor"

# Threads that are one stream are said apart from it.
python3 -c '
import struct, sys
for record in [(25, 0, 1), (22, 0, 7), (24, 0, 7), (28, 2, 9), (28, 3, 0),
               (10, 4, 0x401000), (22, 0, 8), (24, 0, 7), (28, 2, 10),
               (28, 3, 0), (10, 4, 0x401004), (23, 0, 8), (22, 0, 7),
               (23, 0, 7), (26, 0, 0)]:
    sys.stdout.buffer.write(struct.pack("<HHQ", *record))
' >two-threads
accepts info two-threads
grep -q '^tasks  *1 process, 1 stream of operations for 2 recorded threads;' \
  out || fail "threads are not told from streams: $(cat out)"
accepts info two-threads --format=csv
grep -q '^recorded_threads,2' out || fail "no recorded threads: $(cat out)"
grep -q '^streams,1' out || fail "no streams: $(cat out)"
grep -q '^command,$' out || fail "a file's name for a command: $(cat out)"
refuses "-: given twice" info - - <"$trace"
refuses "no-such-log:0: cannot be found" info no-such-log

# Operations have numbers that all commands share.
accepts show "$trace" --from=1000 --count=2
[[ $(wc -l <out) == 3 ]] || fail "show does not print two operations"
grep -q '^ *1000 ' out || fail "show does not begin with operation 1000"
accepts head "$trace" --count=1001
tail -n 1 out | cmp -s - <("$xmmu" trace show "$trace" --from=1000 --count=1 |
  tail -n 1) || fail "head and show number operations differently"
refuses "--count=0: want 1 to" head "$trace" --count=0
refuses "--task=0: want the number of a task" head "$trace" --task=0
refuses "no operation of task 7 from number 0 on" head "$trace" --task=7
refuses "--from=-1" show "$trace" --from=-1

# A TLB that holds all pages misses each of them once.
accepts reach "$trace" --format=json
python3 -c '
import json, sys
reach = json.load(sys.stdin)
rows = reach["reach"]
assert rows[-1]["misses_4k"] == reach["pages_4k"], reach
assert all(a["misses_4k"] >= b["misses_4k"] for a, b in zip(rows, rows[1:]))
assert all(r["misses_4k"] >= r["misses_2m"] for r in rows)
' <out || fail "the JSON of reach is not what it should be"
refuses "--entries=0: want 1 to" reach "$trace" --entries=0
refuses "--of=code: want all, fetches" reach "$trace" --of=code

# What is packed is what was read; a piece is what stands there.
accepts pack "$trace" --output=packed.xmmu
accepts pack - -o piped.xmmu <"$trace"
cmp -s packed.xmmu piped.xmmu || fail "a packed trace depends on its source"
"$xmmu" trace info packed.xmmu | grep -v '^format\|^packed from' >packed
cmp -s packed <(grep -v '^format' info) || fail "packing changes a trace"
accepts check packed.xmmu
grep -q '^whole  *yes: ' out || fail "check does not say that it is whole"
accepts cut packed.xmmu --from=1000000 --operations=200000 -o piece.xmmu
"$xmmu" trace show packed.xmmu --from=1000000 --count=1000 |
  sed '1d;s/^ *[0-9]* *//' >whole
"$xmmu" trace info piece.xmmu --format=json >piece.json
setup=$(python3 -c '
import json
print(json.load(open("piece.json"))["counts"]
      ["operations that lead up to the piece"])')
"$xmmu" trace show piece.xmmu --from="$setup" --count=1000 |
  sed '1d;s/^ *[0-9]* *//' | cmp -s - whole || fail "a piece is another one"
accepts check piece.xmmu
grep -q 'every access finds its page mapped' out ||
  fail "a piece touches what is not mapped: $(cat out)"
refuses "want --output=FILE" pack "$trace"
cp packed.xmmu same.xmmu
refuses "--output=same.xmmu: want a file that is not read" \
  pack same.xmmu --output=same.xmmu
refuses "no-such-directory" pack "$trace" --output=no-such-directory/x
refuses "--from=fetch:: want the number of an operation" \
  cut "$trace" -o x.xmmu --from=fetch:
refuses "--operations=5: want it without --to" \
  cut "$trace" -o x.xmmu --operations=5 --to=9
refuses "--to=3: want a point behind operation 4" \
  cut "$trace" -o x.xmmu --from=4 --to=3
refuses "no operation 99999999" cut "$trace" -o x.xmmu --from=99999999
head -c 20000 packed.xmmu >damaged.xmmu
for what in info check head reach; do
  refuses "damaged.xmmu:" "$what" damaged.xmmu
done
refuses "damaged.xmmu:" pack damaged.xmmu -o x.xmmu
[[ ! -e x.xmmu && -z $(ls ./*.tmp* ./x.xmmu* 2>/dev/null) ]] ||
  fail "a file was left: $(ls)"

# What is no trace is named.
printf 'PERFILE2' >perf.data
refuses "perf.data:0: is a perf.data of Linux's perf, expected what perf script" \
  info perf.data
printf 'PK\3\4' >some.zip
refuses "some.zip:" info some.zip
printf 'anything\n' >any
head -c 1000 /bin/ls | tail -c 900 >binary
refuses "binary:0: no trace of a known format" info binary
refuses "any:1: no trace of a known format, expected one of packed, lackey" \
  info any

# A report of a replay says what the trace lacks.
command=(compare)
accepts "$trace" --policies=native --format=json
python3 -c '
import json, sys
trace = json.load(sys.stdin)["trace"]
assert trace["format"] == "lackey" and trace["lacks"], trace
assert trace["faults_only"] is False
' <out || fail "the JSON of a comparison does not say what the trace lacks"
accepts "$trace" --policies=native --legend
grep -q '^  lacks  *mappings that exec made are inferred' out ||
  fail "the legend does not say what the trace lacks"
accepts "$trace" --policies=native
cp out of_file
accepts - --policies=native <"$trace"
cmp -s out of_file || fail "standard input is replayed as something else"
refuses "compare: -:1: no trace of a known format" - <any

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
