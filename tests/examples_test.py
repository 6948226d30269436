"""The examples print what their comments promise.

Usage: examples_test.py <directory of the programs>

Runs each program with the arguments below: it ends with status 0, prints nothing to
standard error, and each pattern below matches a whole line of what it prints,
in this order. Numbers that are the example's point are here in full.
"""

import pathlib
import re
import subprocess
import sys

# Program and its arguments: patterns, each of a whole line.
EXPECTED = {
    "run_one_guest": [
        r"2616649 cycles \(execute 200, .*\); accesses 200, .*"
        r"forks 1, exits 2, demand_zero 100, cow_copies 100, pte_stores 300"],
    "compare_policies": [
        r"native: 1\.00 times native",
        r"shadow-2008: 3\.24 times native",
        r"nested-paging: 1\.00 times native",
        r" +3 +nested-paging .*",
        r"guest digest [0-9a-f]{16}, equal in all rows"],
    "walk_one_address": [
        r"cold:",
        r"  L4 entry at 0x47f0: 0x3007, pte_load_dram, 266 cycles",
        r"  L3 entry at 0x3240: .*", r"  L2 entry at 0x2d10: .*",
        r"  L1 entry at 0x1b00: .*",
        # 14 + 4 * 18 + 4 * 266
        r"  0x7f1234560000 is 0x64000 after 1150 cycles",
        r"the next page:",
        # 14 + 18 + 4: the structure cache has the table, L1 the line.
        r"  0x7f1234561000 is 0x65000 after 36 cycles",
        r"the same again:",
        r"  0x7f1234561000 is 0x65000 after 0 cycles"],
    "own_machine": [
        # 1,000 and 100 faults at 800 cycles more each.
        r"touch:pages=1000: 1861066 cycles on skylake-2017, 2746066 on "
        r"small-tlb",
        r"fork:pages=100: 200718 cycles on skylake-2017, 289218 on small-tlb"],
    "own_workload": [
        r"pages  cycles an access: native  nested paging",
        r"   32 +0\.48 +0\.97", r" 1024 +9\.39 +9\.83",
        r" 4096 +18\.30 +25\.13"],
    "custom_policy compare --machine=skylake-2017 --levels=4"
    " --workload=switch:processes=1,rounds=500,pages=3000"
    " --policies=native,shadow-2008,nested-paging-4k,adaptive": [
        r" +2 +shadow-2008 .*", r" +3 +nested-paging-4k .*",
        r" +4 +adaptive .*",
        r"guest digest [0-9a-f]{16}, equal in all rows",
        r" +4 adaptive +turn +1 +20,000 +vm_exit +estimated .*"],
    "custom_policy list policies": [
        r" *adaptive +nested paging that turns to shadows and back"],
}


def complaint(command, patterns):
    """What is wrong with a run of `command`, or None."""
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0 or run.stderr:
        return f"status {run.returncode}, standard error {run.stderr!r}"
    lines = iter(run.stdout.splitlines())
    for pattern in patterns:
        if not any(re.fullmatch(pattern, line) for line in lines):
            return f"no line {pattern!r}, or not in its place, in:\n{run.stdout}"
    return None


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    failed = 0
    for name, patterns in EXPECTED.items():
        program, *arguments = name.split()
        command = [pathlib.Path(sys.argv[1]) / program, *arguments]
        wrong = complaint(command, patterns)
        if wrong:
            print(f"{name}: {wrong}")
            failed += 1
    print(f"{len(EXPECTED)} runs of examples, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
