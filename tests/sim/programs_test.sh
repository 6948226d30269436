#!/bin/bash
# What all programs promise of input that is no input and of output that is
# lost, a class of it at a time.
# Usage: programs_test.sh <directory of the programs>
set -uo pipefail
programs=$1
program=$programs/xmmu-compare
source "$(dirname "$0")/command_line.sh"

touch_few=--workload=touch:pages=10
header=machine,pattern,working_set_bytes,stride_bytes,cycles_per_load
printf '%s\nxeon-2003,linear,4096,64,2\n' "$header" >cells.csv
declare -A works=([xmmu-compare]=$touch_few
  [xmmu-crossover]="--machine=xeon-2003 --levels=3"
  [xmmu-latency-grid]=--cells=cells.csv
  [xmmu-published]=--table=vmexit
  [xmmu-shadows]="--machine=xeon-2003 --levels=3 --vcpus=1 --workloads=")

# Flags that no program has, and flags of the library that parses them.
for name in "${!works[@]}"; do
  program=$programs/$name
  work=() # what a comparison wants before it looks at the format
  [[ $name == xmmu-compare ]] && work=("$touch_few")
  for flag in helpfull helpshort helpon=a version flagfile=cells.csv fromenv=x \
    tryfromenv=x undefok=x only_check_args -helpfull x; do
    refuses "no such flag" "--$flag"
  done
  refuses "no such flag; did you mean --format? See --help" --fromat=csv
  refuses "--format: given twice" --format=csv --format=csv
  refuses "--format=: want a value" --format=
  refuses "--format: want a value" --format
  refuses "--nohelp: want it without a value" --nohelp=1
  refuses "want true or false" --help=perhaps
  refuses '--format=a\nb' "${work[@]}" $'--format=a\nb'
  refuses '--format=\x1b[31m' "${work[@]}" $'--format=\x1b[31m'
  refuses '--format=\xff' "${work[@]}" $'--format=\xff'
done

# Numbers, of each kind.
program=$programs/xmmu-compare
for bad in +5 '5 ' ' 5' 5.0 1e3 0x10 5k '' 99999999999999999999 -99999999999999999999; do
  for flag in vcpus migrate memory quantum flush-ceiling samples; do
    refuses "--$flag=" $touch_few "--$flag=$bad"
  done
done
for bad in 1.0004 -0.0004 0.0005 1e999 nan inf +0.5 0x1p-1 ' 0.5' 0,5 -1e-9; do
  refuses "--overlap=" $touch_few "--overlap=$bad"
done
accepts $touch_few --overlap=0.001 --policies=native
accepts $touch_few --overlap=1 --policies=native
accepts $touch_few --overlap 1.0 -policies native --nohelp --flush_filter=0
refuses "MiB, 1 to 16777216" $touch_few --memory=16777217
refuses "MiB" $touch_few --levels=4 --memory=16777216
refuses "at most" $touch_few --levels=4 --memory=1048576

# Lists.
for bad in native, ,native native,,pinning native,native all,native \
  all,all+variants; do
  refuses "--policies=$bad: " $touch_few "--policies=$bad"
done
refuses "--pin=all,late: want all alone" $touch_few --pin=all,late
program=$programs/xmmu-shadows
refuses "--vcpus=1,1: has 1 twice" --vcpus=1,1
refuses "--vcpus=" --vcpus=
refuses "no workload ''" "--workloads=touch;;churn"
program=$programs/xmmu-published
refuses "--table=: want a value" --table=
refuses "want all alone" --table=all,vmexit

# Flags that would change nothing.
program=$programs/xmmu-compare
refuses "--samples: want it with --sensitivity" $touch_few --samples=5
refuses "--sweep: want it with --sensitivity" $touch_few --sweep=all
refuses "--seed: want it with --sensitivity" $touch_few --seed=2 \
  --nosensitivity
refuses "--migrate-every: want it with --migrate" $touch_few --migrate-every=5
for flag in pin=late guest-ops=queue linear-map=all share-file-pages; do
  refuses "--${flag%=*}: want it with a policy that has paravirtual guests" \
    $touch_few --policies=native,nested-paging --machine=skylake-2017 \
    "--$flag"
done
refuses "--vcpus: want it with a run, not --list-costs" --list-costs --vcpus=2
refuses "x.log: want no trace" --list-costs x.log
for key in base=zen2-2019 name=foo description=foo; do
  refuses "--set=$key: is no value of the machine" $touch_few "--set=$key"
done
refuses "'cow=20' of pages=10" --workload=fork:pages=10,cow=20
refuses "'pages' is given twice" --workload=touch:pages=1,pages=2
program=$programs/xmmu-crossover
refuses "--samples: want it with --sensitivity" --samples=5
program=$programs/xmmu-latency-grid
refuses "--worst: want it with --errors" --machine=xeon-2003 --worst=3
refuses "--format: want it with --errors" --machine=xeon-2003 --format=csv

# Where a regular file is wanted.
mkfifo pipe pipe_of_nobody
exec 9<>pipe_of_nobody  # opening it does not wait
mkdir directory
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
truncate -s 100M huge
head -c 100000 /dev/zero | tr '\0' '[' >brackets.toml
{ head -c 200000 /dev/zero | sed 's/\x00\x00/a./g'; echo 'a = 1'; } >key.toml
for odd in pipe directory socket /dev/zero /dev/stdin; do
  program=$programs/xmmu-compare
  refuses "want a regular file" $touch_few --machine-file=$odd <pipe_of_nobody
  refuses "expected a Lackey log" --policies=native $odd <pipe_of_nobody
  program=$programs/xmmu-crossover
  refuses "want a regular file" --machine-file=$odd <pipe_of_nobody
  program=$programs/xmmu-latency-grid
  refuses "want a regular file" --cells=$odd <pipe_of_nobody
done
program=$programs/xmmu-compare
refuses "huge: larger than can be, want at most 1048576 bytes" $touch_few \
  --machine-file=huge
refuses "brackets.toml:1: nests deeper" $touch_few --machine-file=brackets.toml
refuses "key.toml:1: nests deeper" $touch_few --machine-file=key.toml
program=$programs/xmmu-latency-grid
refuses "huge: larger than can be" --cells=huge

# Machines that cannot be.
program=$programs/xmmu-compare
for setting in flush_filter.address_spaces=0 flush_filter.address_spaces=4097 \
  tlb.data_l1.1.ways=7 cache.l2.line_bytes=65 cache.l2.ways=0 dram.banks=0 \
  maxphyaddr.bits=53 prefetcher.l1.max_stride=64 cache.l3.bytes=4294967297; do
  refuses "--set=$setting: " $touch_few --machine=opteron-2005 \
    --set=dram.row_bytes=4096,dram.banks=8 "--set=$setting" 2>/dev/null
done

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
