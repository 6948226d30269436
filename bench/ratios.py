"""Turns what footprint_bench and replay_bench print into bench/ratios.sh's JSON
(report ROUNDS FILE...), and two of those into a table (table BEFORE AFTER)."""

import json
import sys

# What is to hold of a benchmark, by the beginning of its name: a counter, the
# most that it may be, and in which words. `x_hit` is the ratio to the floor's
# time of a hit, which is that of 32 pages.
GOALS = [
    ("drawn/32-pages/4k/native/", "x_floor", 1.5, "at most 1.5 x the floor"),
    ("drawn/1024-pages/4k/native/", "x_hit", 4.0,
     "at most 4 x the floor's hit"),
    ("drawn/1GiB/4k/native/", "x_floor", 4.0, "at most 4 x the floor"),
    ("drawn/8GiB/4k/native/", "x_floor", 2.5, "at most 2.5 x the floor"),
    ("fault/32-pages/4k/native/", "x_floor", 8.0, "at most 8 x the floor"),
    ("replay/32-pages/native", "over_bare", 15.0,
     "at most 15 ns more than bare translation"),
    ("replay/1GiB/native", "x_bare", 3.0, "at most 3 x bare translation"),
]
HIT = "drawn/32-pages/4k/native/flat"
COUNTERS = ["ns", "floor_ns", "x_floor", "thread_ns", "decode_ns", "bare_ns", "x_bare",
            "over_bare"]


def load(path):
    """The benchmarks of a file of Google Benchmark, by name; it may be empty."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    rows = {}
    for row in json.loads(text)["benchmarks"] if text.strip() else []:
        name = row["name"].split("/iterations:")[0]
        rows[name] = {
            key: round(row[key], 3)
            for counter in COUNTERS for key in (counter, counter + "_median")
            if key in row
        }
    return rows


def judge(name, row, hit):
    """Adds to `row` its goal, if it has one, and whether it holds."""
    for prefix, counter, most, words in GOALS:
        if not name.startswith(prefix) or name.endswith("/ahead"):
            continue
        if counter == "x_hit":
            if not hit:
                continue
            row["x_hit"] = round(row["ns"] / hit, 3)
        row["goal"] = words
        row["holds"] = row[counter] <= most


def report(rounds, paths):
    rows = {}
    for path in paths:
        rows.update(load(path))
    hit = rows.get(HIT, {}).get("floor_ns")
    for name, row in rows.items():
        judge(name, row, hit)
    with_goal = [row for row in rows.values() if "goal" in row]
    json.dump({
        "unit": "ns of CPU time an access or operation; least of"
                f" {rounds} rounds, and the median",
        "goals": len(with_goal),
        "goals_that_hold": sum(row["holds"] for row in with_goal),
        "missed": missed(rows),
        "benchmarks": rows,
    }, sys.stdout, indent=1)
    print()


def missed(rows):
    return [name for name, row in rows.items() if not row.get("holds", True)]


def ratio(row):
    """The ratio that a row is about, with the floor that it is to."""
    if "x_floor" in row:
        return f"{row['x_floor']:.1f}"
    return f"{row['x_bare']:.1f}"


def verdict(row):
    if "goal" not in row:
        return ""
    words = row["goal"] + (": holds" if row["holds"] else ": missed")
    if "15 ns more" in row["goal"]:
        words += f" ({row['over_bare']:.1f})"
    elif "floor's hit" in row["goal"]:
        words += f" ({row['x_hit']:.1f})"
    return words


def table(before_path, after_path):
    tables = []
    for path in (before_path, after_path):
        with open(path, encoding="utf-8") as file:
            tables.append(json.load(file)["benchmarks"])
    before, after = tables
    print("| | floor | before | after | x floor before | x floor after | goal |")
    print("|---|---|---|---|---|---|---|")
    for name, row in after.items():
        old = before.get(name)
        floor = row.get("floor_ns", row.get("bare_ns"))
        past = f"{old['ns']:.1f}" if old else "-"
        print(f"| `{name}` | {floor:.1f} | {past} ", end="")
        print(f"| {row['ns']:.1f} | {ratio(old) if old else '-'} "
              f"| {ratio(row)} | {verdict(row)} |")
    names = missed(after)
    print("\nGoals that are missed:", ", ".join(names) if names else "none")


def main():
    if sys.argv[1] == "report":
        report(sys.argv[2], sys.argv[3:])
    else:
        table(sys.argv[2], sys.argv[3])


if __name__ == "__main__":
    main()
