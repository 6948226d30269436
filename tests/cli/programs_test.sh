#!/bin/bash
# What all programs promise of input that is no input and of output that is
# lost, a class of it at a time.
# Usage: programs_test.sh <xmmu>
set -uo pipefail
xmmu=$1 command=(compare)
source "$(dirname "$0")/command_line.sh"

touch_few=--workload=touch:pages=10
header=machine,pattern,working_set_bytes,stride_bytes,cycles_per_load
printf '%s\nxeon-2003,linear,4096,64,2\n' "$header" >cells.csv
declare -A works=([compare]=$touch_few
  [crossover]="--machine=xeon-2003 --levels=3"
  [explain]=load-hit
  [grid]=--cells=cells.csv
  [published]=--table=vmexit
  [shadows]="--machine=xeon-2003 --levels=3 --vcpus=1 --workloads=")

# Options that no command has, and words that CLI11 would take for others.
for name in "${!works[@]}"; do
  command=("$name")
  work=() # what a comparison wants before it looks at the format
  [[ $name == compare ]] && work=("$touch_few")
  [[ $name == explain ]] && work=(write-fault)
  for flag in helpfull version flagfile=cells.csv -help x h; do
    refuses "no such option" "--$flag"
  done
  refuses "no such option; did you mean --format? See --help" --fromat=csv
  refuses "no such option; did you mean --format? See --help" -format=csv
  refuses "no such option; did you mean --format? See --help" --FORMAT=csv
  refuses "-f: no such option" -f csv
  refuses "--format: given twice" --format=csv --format=csv
  refuses "--format=: want a value" --format=
  refuses "--format: want a value" --format
  refuses "--config: want a value" --output=x --config
  refuses "want true or false" --help=perhaps
  refuses '--format=a\nb' "${work[@]}" $'--format=a\nb'
  refuses '--format=\x1b[31m' "${work[@]}" $'--format=\x1b[31m'
  refuses '--format=\xff' "${work[@]}" $'--format=\xff'
done

# Numbers, of each kind.
command=(compare)
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
accepts $touch_few --overlap 1.0 --policies native --help=false --flush-filter=false
refuses "--flush-filter=0: want true or false" $touch_few --flush-filter=0
refuses "did you mean --flush-filter?" $touch_few --flush_filter
refuses "a multiple of 4 MiB, up to 16777216" $touch_few --memory=16777220
accepts $touch_few --levels=4 --memory=16777216 --policies=native
refuses "at most" $touch_few --levels=2 --memory=1048576

# Lists.
for bad in native, ,native native,,pinning native,native all,native \
  all,all+variants; do
  refuses "--policies=$bad: " $touch_few "--policies=$bad"
done
refuses "--pin=all,late: want all alone" $touch_few --pin=all,late
command=(shadows)
refuses "--vcpus=1,1: has 1 twice" --vcpus=1,1
refuses "--vcpus=" --vcpus=
refuses "no workload ''" "--workloads=touch;;churn"
command=(published)
refuses "--table=: want a value" --table=
refuses "want all alone" --table=all,vmexit

# Flags that would change nothing.
command=(compare)
refuses "--samples: want it with --sensitivity" $touch_few --samples=5
refuses "--prices: want it with --sensitivity" $touch_few --prices=all
refuses "--seed: want it with --sensitivity" $touch_few --seed=2 \
  --sensitivity=false
refuses "--migrate-every: want it with --migrate" $touch_few --migrate-every=5
for flag in pin=late guest-ops=queue linear-map=all share-file-pages; do
  refuses "--${flag%=*}: want it with a policy that has paravirtual guests" \
    $touch_few --policies=native,nested-paging --machine=skylake-2017 \
    "--$flag"
done
for key in base=zen2-2019 name=foo description=foo; do
  refuses "--set=$key: is no value of the machine" $touch_few "--set=$key"
done
refuses "'cow=20' of pages=10" --workload=fork:pages=10,cow=20
refuses "'pages' is given twice" --workload=touch:pages=1,pages=2
command=(crossover)
refuses "--samples: want it with --sensitivity" --samples=5
command=(grid)
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
  command=(compare)
  refuses "want a regular file" $touch_few --machine-file=$odd <pipe_of_nobody
  refuses ", expected " --policies=native $odd <pipe_of_nobody
  command=(crossover)
  refuses "want a regular file" --machine-file=$odd <pipe_of_nobody
  command=(grid)
  refuses "want a regular file" --cells=$odd <pipe_of_nobody
done
command=(compare)
refuses "huge: larger than can be, want at most 1048576 bytes" $touch_few \
  --machine-file=huge
refuses "brackets.toml:1: nests deeper" $touch_few --machine-file=brackets.toml
refuses "key.toml:1: nests deeper" $touch_few --machine-file=key.toml
command=(grid)
refuses "huge: larger than can be" --cells=huge

# Machines that cannot be.
command=(compare)
for setting in flush_filter.address_spaces=0 flush_filter.address_spaces=4097 \
  tlb.data_l1.1.ways=7 cache.l2.line_bytes=65 cache.l2.ways=0 dram.banks=0 \
  maxphyaddr.bits=53 prefetcher.l1.max_stride=64 cache.l3.bytes=4294967297; do
  refuses "--set=$setting: " $touch_few --machine=opteron-2005 \
    --set=dram.row_bytes=4096,dram.banks=8 "--set=$setting" 2>/dev/null
done

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
