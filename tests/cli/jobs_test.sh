#!/bin/bash
# What --jobs and an interrupt promise: the same bytes and errors whatever the
# number of cores, and at an interrupt an end that leaves nothing behind.
# Usage: jobs_test.sh <xmmu> <log of Lackey> <source tree>
set -uo pipefail
xmmu=$1 trace=$2 tree=$3 command=(compare)
source "$(dirname "$0")/command_line.sh"
tiny=("$tree"/tests/golden/outputs/inputs/tiny.20?)
ftrace=$tree/tests/workload/linux_text/recorded/ftrace.gz

# same <status> <word>...: what the program says does not depend on the number
# of jobs.
same() {
  local wanted=$1 jobs
  shift
  for jobs in 1 2 3 8; do
    "$xmmu" "$@" --jobs=$jobs >out.$jobs 2>err.$jobs
    local status=$?
    ((status == wanted)) || fail "$* --jobs=$jobs ended with $status"
    cmp -s out.1 out.$jobs || fail "$* --jobs=$jobs: another output"
    cmp -s err.1 err.$jobs || fail "$* --jobs=$jobs: another error"
  done
  "$xmmu" "$@" >out.0 2>err.0
  cmp -s out.1 out.0 || fail "$*: another output without --jobs"
}

small=(--workload=fork:pages=30,cow=9 --memory=64)
for format in text csv json; do
  same 0 compare "${small[@]}" --policies=all --format=$format
done
same 0 compare "${small[@]}" --policies=all+variants --levels=4 --format=csv
same 0 compare "${small[@]}" --policies=all --sensitivity --samples=300
same 0 compare "${small[@]}" --policies=all --migrate=2 --migrate-every=20
same 0 compare "${tiny[@]}" --memory=64 --vcpus=2 --domains=2 --format=json
same 0 compare "${tiny[@]}" --memory=64 --skip=3 --operations=20 --format=json
same 0 crossover "${tiny[@]}" --machine=xeon-2003,zen2-2019 --format=csv
same 0 crossover --machine=core2-2006 --levels=4 --sensitivity --samples=300
same 0 shadows --machine=xeon-2003,core2-2006 --levels=2,3 --vcpus=1 \
  --workloads=touch:pages=20 --sensitivity --samples=30 --format=csv
same 0 explain fork --policies=all+variants --format=json
same 0 published --table=asplos06,vmexit --format=json
same 0 grid --cells="$tree/tests/golden/outputs/inputs/cells.csv" --errors
same 0 trace compare "$ftrace" --format=json
echo 'jobs = 3' >three.toml
same 0 compare "${small[@]}" --format=json
"$xmmu" compare "${small[@]}" --format=json --config=three.toml >out.toml
cmp -s out.1 out.toml || fail "jobs in a file of options: another output"

# The error is that of the first row which has one.
sed '30s/.*/nonsense/' "${tiny[0]}" >broken.200
cp "${tiny[1]}" broken.201
same 2 compare broken.200 broken.201 --policies=all
same 2 crossover broken.200 broken.201 --machine=all
same 2 compare --workload=touch:pages=30000 --memory=8 --policies=all
same 2 shadows broken.200 broken.201 --machine=all

for number in 0 -1 4097 two ''; do
  refuses "--jobs" "${small[@]}" --jobs=$number
done

# begin <word>...: starts the program such that SIGINT reaches it; `pid`.
begin() {
  python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$xmmu" "$@" <&0 >out 2>err &
  pid=$!
}

# until_true <command>...: waits for it, a minute at most.
until_true() {
  local tries
  for ((tries = 0; tries < 600; ++tries)); do
    "$@" && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  fail "waited in vain: $*"
}

threads_are() { (($(compgen -G "/proc/$pid/task/*" | wc -l) >= $1)); }

# ends <signal> <status>: the program that has begun ends by it.
ends() {
  local start=$SECONDS
  kill "-$1" "$pid"
  wait "$pid"
  local status=$?
  ((status == $2)) || fail "SIG$1 ended it with $status: $(cat err)"
  ((SECONDS - start < 10)) || fail "SIG$1 took $((SECONDS - start)) s"
  [[ ! -s out ]] || fail "SIG$1 left a report"
  grep -qE "^xmmu [a-z ]+: interrupted by SIG$1: nothing is written$" err ||
    fail "SIG$1 said: $(cat err)"
  (($(wc -l <err) == 1)) || fail "SIG$1 said more: $(cat err)"
}

long=(--workload=churn:pages=16,rounds=100000000 --memory=64)
echo old >report
mkdir empty
for jobs in 1 3; do
  begin compare "${long[@]}" --jobs=$jobs
  until_true threads_are $((jobs + 1))
  sleep 0.3
  ends INT 130
  begin compare "${long[@]}" --jobs=$jobs --output=report
  until_true threads_are $((jobs + 1))
  ends TERM 143
done
[[ $(cat report) == old ]] || fail "an interrupt changed the report"
begin shadows --machine=xeon-2003 "--workloads=${long[0]#*=}" --jobs=2
until_true threads_are 3
ends HUP 129
begin crossover --jobs=2
until_true threads_are 3
ends INT 130
begin grid --machine=zen5-2024 --jobs=2
until_true threads_are 3
ends TERM 143
begin published --jobs=2
until_true threads_are 3
ends TERM 143

# A signal may come as soon as main() has begun; of two the first decides.
python3 - "$xmmu" <<'END' || fail "signals that come early, or one after the other"
import os, signal, subprocess, sys, time

words = [sys.argv[1], "compare", "--workload=churn:pages=16,rounds=100000000",
         "--memory=64", "--jobs=2"]


def default():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(number):
    """The program, once it takes `number`."""
    run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, preexec_fn=default)
    while True:
        with open(f"/proc/{run.pid}/status") as status:
            text = status.read()
        caught = int(text.partition("SigCgt:")[2].split()[0], 16)
        if caught >> (number - 1) & 1:
            return run


def ends(run, number):
    output, error = run.communicate(timeout=60)
    name = signal.Signals(number).name
    assert (run.returncode, output) == (128 + number, ""), (run.returncode, error)
    assert error == f"xmmu compare: interrupted by {name}: nothing is written\n", error


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) * 3:
    run = started(number)
    run.send_signal(number)
    ends(run, number)
for first, second in [(signal.SIGTERM, signal.SIGINT),
                      (signal.SIGINT, signal.SIGTERM)] * 5:
    run = started(signal.SIGTERM)
    run.send_signal(first)
    time.sleep(0.01)
    run.send_signal(second)
    ends(run, first)
END

# A single operation that takes long, and a read that waits.
begin compare --workload=touch:pages=60000000 --memory=262144 --levels=4 --jobs=2
until_true threads_are 3
ends TERM 143
mkfifo pipe
sleep 1000 >pipe &
sleeper=$!
begin trace info - <pipe
until_true threads_are 2
ends INT 130
kill $sleeper

# A packed trace that is not whole goes.
{
  zcat -f "$trace" | head -n 2000
  yes ' L 1ffeffe000,8' | head -n 8000000
} >big.26182
has_draft() { compgen -G 'packed*.unfinished-*' >/dev/null; }
begin trace pack -o packed big.26182
until_true has_draft
ends INT 130
has_draft && fail "an unfinished trace is left"
[[ ! -e packed ]] || fail "there is half a trace"
for words in info check reach; do
  begin trace $words big.26182
  until_true threads_are 2
  ends TERM 143
done

# Who has a signal ignored, as nohup does, is not ended by it.
begin_ignoring() {
  (
    trap '' HUP
    exec "$xmmu" "$@" >out 2>err
  ) &
  pid=$!
}
begin_ignoring compare "${long[@]}" --jobs=2
until_true threads_are 3
kill -HUP "$pid"
sleep 0.5
kill -0 "$pid" 2>/dev/null || fail "an ignored signal ended it"
ends TERM 143

# A terminal shows how far it is, in one line that goes when it is over.
python3 - "$xmmu" <<'END' || fail "progress on a terminal"
import os, pty, re, signal, subprocess, sys

master, slave = pty.openpty()
run = subprocess.Popen(
    [sys.argv[1], "compare", "--workload=churn:pages=16,rounds=100000000",
     "--memory=64", "--jobs=2"], stdout=subprocess.PIPE, stderr=slave)
os.close(slave)
text = b""
line = re.compile(rb"\r\x1b\[K\d of 4 done, \d+\.\d million operations")
while not line.search(text):
    text += os.read(master, 4096)
run.send_signal(signal.SIGINT)
output, _ = run.communicate(timeout=60)
try:
    while part := os.read(master, 4096):
        text += part
except OSError:  # nobody has the terminal any more
    pass
assert run.returncode == 130, run.returncode
assert output == b"", output
assert text.split(b"\r\x1b[K")[-1].strip() == (
    b"xmmu compare: interrupted by SIGINT: nothing is written"), text
END

leftover=$(find . -name '.xmmu*' -o -name '*unfinished*')
[[ -z $leftover ]] || fail "left behind: $leftover"

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
