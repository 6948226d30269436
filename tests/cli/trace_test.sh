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
refuses "-: given twice" info - - <"$trace"
refuses "no-such-log:0: cannot be found" info no-such-log

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
