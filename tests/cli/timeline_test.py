"""What --timeline and --stacks write, held to what their readers require.

Usage: timeline_test.py <xmmu>

The rules are those of the Trace Event Format as Perfetto's importer
(src/trace_processor/importers/json) and speedscope's (src/import/chrome.ts) take
it, and traps in which they have been seen: integers only; no slice of no length;
slices of a thread nest, and those around come first in the file; a flow is one
start and one end behind it, each within a slice; counters are numbers. First the
check is held to files that are wrong in one way each.
"""

import copy
import json
import pathlib
import re
import subprocess
import sys
import tempfile

RUNS = [
    # Workload, and what else is given.
    ("fork:pages=30", []),
    ("threads:threads=3,pages=4,shared=4,rounds=1", ["--vcpus=3"]),
    ("fork:pages=20", ["--machine=skylake-2017", "--levels=4",
                       "--migrate=3", "--migrate-every=20"]),
    ("switch:rounds=20", ["--domains=2", "--vcpus=2"]),
]
PHASES = {"M": {"name", "args"},
          "X": {"ts", "dur", "name", "cat"},
          "i": {"ts", "name", "cat", "s"},
          "C": {"ts", "name", "args"},
          "s": {"ts", "name", "cat", "id"},
          "f": {"ts", "name", "cat", "id", "bp"}}


class Wrong(Exception):
    pass


def want(holds, what):
    if not holds:
        raise Wrong(what)


def no_fraction(text):
    raise Wrong(f"a number with a fraction: {text}")


def check_event(event):
    """The form of one event."""
    phase = event.get("ph")
    want(phase in PHASES, f"phase {phase}")
    keys = PHASES[phase] | {"ph", "pid", "tid"}
    want(keys <= event.keys() <= keys | {"args"}, f"keys of {event}")
    numbers = {"pid", "tid", "ts", "dur", "id"} & event.keys()
    want(all(type(event[key]) is int and event[key] >= 0 for key in numbers),
         f"a number of {event}")
    want(re.fullmatch(r"[ -~]+", event["name"]), f"name of {event}")
    if phase == "X":
        want(event["dur"] > 0, f"a slice of no length: {event}")
    if phase == "i":
        want(event["s"] == "t", f"scope of {event}")
    if phase == "C":
        want(event["args"] and all(type(value) is int
                                   for value in event["args"].values()),
             f"a counter that is no number: {event}")
    if phase == "f":
        want(event["bp"] == "e", f"binding of {event}")


def check_nesting(slices):
    """Slices of one thread, in the order of the file."""
    around = []
    for event in slices:
        begin, end = event["ts"], event["ts"] + event["dur"]
        while around and around[-1][1] <= begin:
            around.pop()
        if around:
            want(around[-1][0] <= begin and end <= around[-1][1],
                 f"{event} reaches out of the slice around it")
        around.append((begin, end))


def check_flows(events, slices):
    """Starts and ends, in the order of the file."""
    def in_slice(event):
        return any(s["ts"] <= event["ts"] <= s["ts"] + s["dur"]
                   for s in slices[event["pid"], event["tid"]])
    started = {}
    ended = set()
    for event in events:
        if event["ph"] == "s":
            want(event["id"] not in started, f"{event} is started twice")
            started[event["id"]] = event
        elif event["ph"] == "f":
            start = started.get(event["id"])
            want(start is not None, f"{event} has no start before it")
            want(event["id"] not in ended, f"{event} ends twice")
            want(start["ts"] <= event["ts"] and start["pid"] == event["pid"] and
                 all(start[key] == event[key] for key in ("name", "cat")),
                 f"{event} is no end of {start}")
            want(in_slice(start) and in_slice(event), f"{event} binds to nothing")
            ended.add(event["id"])
    want(ended == set(started), "a flow without an end")
    return len(ended)


def check(text):
    """Returns the trace of the file."""
    trace = json.loads(text, parse_float=no_fraction)
    events = trace["traceEvents"]
    named = {}
    slices = {}
    last = {}
    for event in events:
        check_event(event)
        thread = event["pid"], event["tid"]
        if event["ph"] == "M":
            named.setdefault(event["name"], {})[thread] = event["args"]
            continue
        want(event["ts"] >= last.get(event["pid"], 0),
             f"{event} stands behind what came later")
        last[event["pid"]] = event["ts"]
        want(thread in named["thread_name"], f"{event} of a thread without a name")
        if event["ph"] == "X":
            slices.setdefault(thread, []).append(event)
    for args in named["process_name"].values():
        want("1 us = 1 cycle" in args["name"], f"the unit is not in {args}")
    for of_thread in slices.values():
        check_nesting(of_thread)
    trace["flows"] = check_flows(events, slices)
    return trace


def check_the_check():
    """Each of these is wrong in one way."""
    meta = [{"ph": "M", "pid": 1, "tid": 0, "name": "process_name",
             "args": {"name": "row (1 us = 1 cycle)"}}]
    meta += [{"ph": "M", "pid": 1, "tid": tid, "name": "thread_name",
              "args": {"name": f"vCPU {tid}"}} for tid in (0, 1)]
    def x(ts, dur, tid=0):
        return {"ph": "X", "pid": 1, "tid": tid, "ts": ts, "dur": dur,
                "name": "a", "cat": "xen"}
    def flow(ph, ts, tid, flow_id=1):
        event = {"ph": ph, "pid": 1, "tid": tid, "ts": ts, "name": "IPI",
                 "cat": "flow", "id": flow_id}
        return dict(event, bp="e") if ph == "f" else event
    right = meta + [x(0, 10), x(0, 4), flow("s", 2, 0), x(3, 5, 1),
                    flow("f", 3, 1), x(5, 5),
                    {"ph": "C", "pid": 1, "tid": 0, "ts": 7, "name": "pages",
                     "args": {"value": 3}}]
    def text(events):
        return json.dumps({"traceEvents": events})
    check(text(right))
    def changed(index, **values):
        events = copy.deepcopy(right)
        events[index].update(values)
        return events
    wrong = {
        "a fraction": changed(3, dur=10.5),
        "a slice of no length": changed(4, dur=0),
        "slices that overlap": changed(4, dur=11),
        "a slice behind the one within it": meta + [x(0, 4), x(0, 10)],
        "an order by nothing": changed(8, ts=1),
        "a flow without an end": right[:7] + right[8:],
        "a flow without a start": right[:5] + right[6:],
        "an end before its start": meta + [x(0, 9), x(0, 9, 1),
                                           flow("f", 2, 1), flow("s", 2, 0)],
        "a flow from nowhere": meta + [flow("s", 1, 0), x(3, 5, 1),
                                       flow("f", 3, 1)],
        "a counter in words": changed(9, args={"value": "3"}),
        "a thread without a name": changed(8, tid=2),
        "a process without a unit": changed(0, args={"name": "row"}),
        "an unknown phase": changed(8, ph="P"),
    }
    for name, events in wrong.items():
        try:
            check(text(events))
        except (Wrong, KeyError):
            continue
        raise Wrong(f"the check does not notice {name}")


def run(xmmu, arguments, stderr=""):
    result = subprocess.run([xmmu, "compare", *arguments], capture_output=True,
                            text=True)
    want(result.returncode == 0, f"{arguments}: {result.stderr}")
    want(re.fullmatch(stderr, result.stderr),
         f"{arguments} says: {result.stderr}")
    return result.stdout


def sums_of(stacks):
    """Cycles by row, of folded stacks."""
    sums = {}
    for line in stacks.splitlines():
        found = re.fullmatch(r"([^;]+)((?:;[^;]+)+) (\d+)", line)
        want(found, f"no folded stack: {line}")
        want(re.match(r";(program$|processor;|xen;|kernel;)", found[2]),
             f"no actor: {line}")
        sums.setdefault(found[1], 0)
        sums[found[1]] += int(found[3])
    return sums


def without_run(report):
    """A report but for what says how it was made."""
    report = json.loads(report)
    report.pop("command_line")
    return report


def check_run(xmmu, scratch, workload, more):
    common = [f"--workload={workload}", "--policies=all+variants",
              "--format=json", *more]
    if "--domains=2" not in more:
        common += ["--guest-ops=all"]
    plain = run(xmmu, common)
    texts = []
    for jobs in (1, 2):
        files = [scratch / f"timeline{jobs}.json", scratch / f"stacks{jobs}"]
        report = run(xmmu, common + [f"--jobs={jobs}", f"--timeline={files[0]}",
                                     f"--stacks={files[1]}"])
        want(without_run(report) == without_run(plain),
             f"{workload}: a figure depends on the timeline")
        texts.append([file.read_text() for file in files])
    want(texts[0] == texts[1], f"{workload}: the files depend on --jobs")
    trace = check(texts[0][0])
    if "--vcpus=3" in more:
        want(trace["flows"] > 0, f"{workload}: no interrupt")
    sums = sums_of(texts[0][1])
    cycles = [row["cycles"] for row in json.loads(plain)["rows"]]
    want(list(sums.values()) == cycles,
         f"{workload}: stacks add up to {sums}, rows have {cycles}")
    return trace


def check_window(xmmu, scratch):
    file = scratch / "window.json"
    run(xmmu, ["--workload=fork:pages=50", f"--timeline={file}",
               "--timeline-from=20000", "--timeline-for=5000"])
    times = [event["ts"] for event in check(file.read_text())["traceEvents"]
             if event["ph"] != "M"]
    want(times and min(times) >= 20000 and max(times) < 25000,
         "a window has what does not begin in it")


def check_limit(xmmu, scratch):
    file = scratch / "limit.json"
    run(xmmu, ["--workload=touch:pages=60000", "--policies=native,xi-shadow",
               f"--timeline={file}"],
        r"xmmu compare: the timelines of 2 of 2 rows end after 400000 events; "
        r"want --timeline-from and --timeline-for\n")
    left_out = check(file.read_text())["otherData"]["left_out"]
    want(list(left_out) == ["native", "xi-shadow"] and
         all(count > 0 for count in left_out.values()),
         f"what is left out: {left_out}")


def main():
    xmmu = sys.argv[1]
    try:
        check_the_check()
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            for workload, more in RUNS:
                trace = check_run(xmmu, scratch, workload, more)
                print(f"{workload}: {len(trace['traceEvents'])} events, "
                      f"{trace['flows']} flows")
            check_window(xmmu, scratch)
            check_limit(xmmu, scratch)
    except Wrong as wrong:
        sys.exit(f"timeline_test.py: {wrong}")


main()
