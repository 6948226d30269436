#!/bin/bash
# What --config promises: the options of a file are those of the command line,
# which wins; what is wrong is said with its line.
# Usage: config_test.sh <xmmu>
set -uo pipefail
xmmu=$1 command=(compare)
source "$(dirname "$0")/command_line.sh"

cat >run.toml <<'END'
# a comment
workload = "touch:pages=10"
policies = ["native", "pinning"]
memory = 64
overlap = 0.125
flush_ceiling = 8
share-file-pages = true
set = ["mov_cr3=500", "iret=1"]
format = "text"
END
accepts --config=run.toml
mv out by_file
accepts --workload=touch:pages=10 --policies=native,pinning --memory=64 \
  --overlap=0.125 --flush-ceiling=8 --share-file-pages --set=mov_cr3=500 \
  --set=iret=1
cmp -s out by_file || fail "a file is not as the command line"
accepts --config run.toml --policies=native --share-file-pages=false --format=csv
[[ $(wc -l <out) == 2 ]] || fail "the command line does not win"

# It wins over what it excludes, too.
printf 'workload = "touch:pages=10"\nmachine = "zen2-2019"\n' >machine.toml
"$xmmu" list prices --machine=xeon-2003 --format=toml >own.toml
accepts --config=machine.toml --machine-file=own.toml --policies=native
grep -q '^machine   xeon-2003' out || fail "--machine-file does not win"
printf 'machine-file = "own.toml"\nworkload = "touch"\n' >file.toml
accepts --config=file.toml --machine=zen2-2019 --policies=native
grep -q '^machine   zen2-2019' out || fail "--machine does not win"

# bad <words that the message must have> <line of the file>...
bad() {
  local words=$1
  shift
  printf 'workload = "touch"\n' >bad.toml
  printf '%s\n' "$@" >>bad.toml
  refuses "$words" --config=bad.toml
}
bad "bad.toml:2: vcpus=65: want 1 to 64" 'vcpus = 65'
bad "bad.toml:2: vcpus=1.5: want 1 to 64" 'vcpus = 1.5'
bad "bad.toml:2: vcpus=1.0: want 1 to 64" 'vcpus = 1.0'
bad "bad.toml:2: jobs=2.0: want 1 to 4096" 'jobs = 2.0'
bad "bad.toml:2: quantum=1000.0: want operations" 'quantum = 1e3'
for value in 1.0 1e0 true; do
  bad "bad.toml:2: jobs=$([[ $value == 1e0 ]] && echo 1.0 || echo $value): want" \
    "jobs = $value"
done
# No option that is an integer takes another number, a truth or a text.
integers=(vcpus domains levels walkers memory quantum fault-around flush-ceiling
  migrate migrate-every skip warmup operations interval jobs samples seed)
for option in "${integers[@]}"; do
  for value in 2.0 2e0 true '"2"' '[2.0]'; do
    bad "bad.toml:3: $option" 'sensitivity = true' "$option = $value"
  done
done
bad 'bad.toml:2: vcpus="2": want a number without quotes' 'vcpus = "2"'
bad 'bad.toml:2: memory=1000.0: want' 'memory = 1e3'
accepts --workload=touch:pages=10 --policies=native --overlap=1
mv out whole_number
printf 'workload = "touch:pages=10"\npolicies = "native"\noverlap = 1.0\n' >one.toml
accepts --config=one.toml
diff -q out whole_number >/dev/null || fail "overlap = 1.0 is not --overlap=1"
bad "bad.toml:3: overlap=nan: want 0 to 1" '' 'overlap = nan'
bad "bad.toml:2: polices: no such option; did you mean policies?" \
  'polices = "native"'
bad "bad.toml:2: policies=natve: did you mean native?" 'policies = ["natve"]'
bad "bad.toml:2: policies=native,native: has native twice" \
  'policies = ["native", "native"]'
bad "bad.toml:3: flush-ceiling: given twice" 'flush_ceiling = 1' \
  'flush-ceiling = 1'
bad "bad.toml:2: samples: want it with --sensitivity" 'samples = 5'
bad "bad.toml:2: share-file-pages=1: want true or false" 'share-file-pages = 1'
bad "bad.toml:2: memory: want a value" 'memory = ""'
bad "bad.toml:2: memory: want a text, a number" 'memory = 2026-01-01'
bad "bad.toml:2: memory: want a text, a number" '[memory]'
bad "bad.toml:2: policies: want a text, a number" 'policies = [["native"]]'
bad "bad.toml:2: config: no such option" 'config = "run.toml"'
bad "bad.toml:2: help: no such option" 'help = true'
bad "bad.toml:2: " 'memory ='
bad "bad.toml:3: " 'memory = 64' 'memory = 64'
bad "bad.toml:2: set=mov_cr3=fast: cost.mov_cr3" 'set = "mov_cr3=fast"'
refuses "cannot read no-such-file" --config=no-such-file
refuses "want a regular file" --config=/dev/zero
refuses "--config: given twice" --config=run.toml --config=run.toml
refuses "is also read" --config=run.toml --output=run.toml
command=(list)
refuses "run.toml:2: workload: no such option" --config=run.toml

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
