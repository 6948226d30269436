#!/bin/bash
# A JSON report of a comparison can be made again from itself: by its command
# line, and with its machine, taken out into a file, in the place of the one
# that was named.
# Usage: rerun_test.sh <xmmu> <trace>
set -uo pipefail
xmmu=$1 trace=$2 command=(compare)
source "$(dirname "$0")/command_line.sh"

# field <report> <key>: a text of a report; a list as words of a shell.
field() {
  python3 - "$@" <<'PY'
import json, shlex, sys
value = json.load(open(sys.argv[1]))
for key in sys.argv[2].split("."):
    value = value[key]
if sys.argv[2] == "command_line":
    value = shlex.join(value)
print(value, end="")
PY
}

# again <argument>...: the report of these is that of its own command line.
again() {
  "$xmmu" compare "$@" --format=json --output=first.json || fail "$*"
  local words
  eval "words=($(field first.json command_line))"
  [[ ${words[0]} == xmmu ]] || fail "command line begins with ${words[0]}"
  "$xmmu" "${words[@]:1}" >second.json || fail "${words[*]}"
  cmp first.json second.json || fail "${words[*]}: other bytes"
}
again --workload="fork:pages=20" --machine=zen2-2019 --set mov_cr3=123 \
  --policies=native,xi-shadow --memory=64
again "$trace" --policies=native --migrate 2
again --workload=touch --sensitivity --samples=10 --policies=native,pinning

# The machine of a report is the machine of its file.
# What a file of options said is in the command line, without the file.
printf 'workload = "touch:pages=9"\nset = ["iret=1", "mov_cr3=7"]\n' >run.toml
again --config=run.toml --policies=native,pinning
[[ $(field first.json command_line) != *run.toml* ]] || fail "names run.toml"

"$xmmu" compare --workload=touch --machine=zen2-2019 --set mov_cr3=123 \
  --format=json --output=first.json || fail "own machine"
field first.json machine_file >machine.toml
"$xmmu" compare --workload=touch --machine-file=machine.toml --levels=4 \
  --format=json --output=second.json || fail "machine.toml"
[[ $(field first.json rows | md5sum) == $(field second.json rows | md5sum) ]] ||
  fail "another machine"

# The hash of a trace is what the documentation says.
"$xmmu" compare "$trace" --policies=native --format=json --output=first.json
hash=$(zcat -f "$trace" | sha1sum | cut -c1-40 | sort | sha1sum | cut -c1-40)
[[ $(field first.json workload.trace_sha1) == "$hash" ]] || fail "trace_sha1"

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
