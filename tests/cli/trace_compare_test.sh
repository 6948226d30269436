#!/bin/bash
# What xmmu trace compare promises.
# Usage: trace_compare_test.sh <xmmu> <a text of trace-cmd's with x86-tsc>
set -uo pipefail
xmmu=$1 text=$2 command=(trace compare)
source "$(dirname "$0")/command_line.sh"

# Linux's faults and calls are those that a count of the text's lines gives.
accepts "$text" --format=csv
faults=$(zcat "$text" | grep -cE ' page_fault_(user|kernel): +address=0x')
updates=$(zcat "$text" | sed -n '/page_fault/,$p' | grep -c ' xen_mmu_set_pte:')
grep -q "^page_faults,$faults," out || fail "not $faults faults: $(cat out)"
grep -q "^set_pte_alone,$updates," out || fail "not $updates calls: $(cat out)"

# What Xen recorded in the text's time stands beside them, nothing else.
python3 - "$text" >xen.bin <<'END' || fail "no file of xentrace"
import gzip, re, struct, sys
times = [int(t) for t in re.findall(r"\](\d+): ", gzip.open(sys.argv[1], "rt").read())]
def record(event, tsc, *words):
    return struct.pack("<IQ%dI" % len(words), event | len(words) << 28 | 1 << 31,
                       tsc, *words)
calls = b"".join([
    record(0x20100d, times[0] - 1, 1 | 1 << 20, 5),
    record(0x201104, times[-1] - 2, 0, 0, 0x1000, 0, 4),
    record(0x20100d, times[-1] - 1, 1 | 1 << 20, 7),
    record(0x20100d, times[-1] + 1, 1 | 1 << 20, 9)])
sys.stdout.buffer.write(struct.pack("<III", 0x2001f003, 0, len(calls)) + calls)
END
for files in "$text xen.bin" "xen.bin $text"; do
  # shellcheck disable=SC2086
  accepts $files --format=json
  python3 -c '
import json, sys
report = json.load(sys.stdin)
of = {f["figure"]: f for f in report["figures"]}
assert of["mmu_updates"]["xen"] == 7, of
assert of["page_faults"]["xen"] == 1, of
assert of["page_faults"]["simulated"] > 0, of
for f in of.values():
    if f["linux"] is not None and f["simulated"] is not None:
        assert f["difference"] == f["simulated"] - f["linux"], f
assert any("cycles" in why for why in report["not_compared"]), report
' <out || fail "the JSON is not what it should be"
done
accepts - xen.bin <"$text"

# Other strategies and guests run it, too.
accepts "$text" --policy=pinning --pin=early
grep -q '^simulated  *pinning' out || fail "no run under pinning"
refuses "--policy=pining" "$text" --policy=pining
refuses "--guest-ops=none" "$text" --guest-ops=none

refuses "want a text of Linux's tracing"
refuses "xen.bin:0: is a file of xentrace, expected a text" xen.bin
refuses "a second text" "$text" "$text"
refuses "a second file of xentrace" "$text" xen.bin xen.bin
printf '\003\360\001\040\000\000\000\000\000\000\000\000' >empty.bin
refuses "has no record of the text's time" "$text" empty.bin
echo " sh-1 [000] 1.5: page_fault_user: address=0x401000 ip=0x1 error_code=0x4" >s
refuses "expected one recorded with clock x86-tsc" s xen.bin
accepts s
echo hello >hello
refuses "hello:1: 'hello' is no line of Linux's" hello

# It is no trace by itself, but its own counts are shown.
command=(trace)
refuses "xen.bin:0: is a file of xentrace" head xen.bin
refuses "xen.bin:0: is a file of xentrace" info xen.bin xen.bin
for file in xen.bin -; do
  accepts info "$file" --format=json <xen.bin
  python3 -c '
import json, sys
info = json.load(sys.stdin)
assert info["format"] == "xentrace" and info["records"] == 4, info
assert [(e["number"], e["name"], e["records"]) for e in info["events"]] == [
    (0x20100d, "PV_HYPERCALL_V2", 3), (0x201104, "PV_PAGE_FAULT", 1)], info
(call,) = info["hypercalls"]
assert call["name"] == "mmu_update" and call["calls"] == 3, info
assert call["operations"] == 5 + 7 + 9, info
(cpu,) = info["cpus"]
assert cpu["windows"] == 1 and cpu["went_back"] == 0, info
assert cpu["first_tsc"] < cpu["last_tsc"], info
assert any("RUNSTATE_CHANGE" in what for what in info["lacks"]), info
' <out || fail "the JSON of a file of xentrace is not what it should be"
done
accepts info xen.bin --format=csv
grep -q '^hypercall,1,mmu_update,3,3,0,21,0,0,0,' out ||
  fail "no CSV of hypercalls: $(cat out)"
head -c 60 xen.bin >cut.bin
accepts info cut.bin
grep -q '^lacks  *its end: it is cut off' out || fail "not cut off: $(cat out)"
(cat xen.bin && echo "more than a window has") >damaged.bin
refuses "damaged.bin:104: the word" info damaged.bin
refuses "-:104: the word" info - <damaged.bin

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
