#!/bin/bash
# xmmu record, on real programs: what is recorded, how it ends, what it says.
# Usage: record_test.sh <xmmu> <folder of record_programs>
#
# Exit status 77, skipped, without qemu-x86_64: the test installs nothing.
set -uo pipefail
xmmu=$(realpath "$1") programs=$(realpath "$2") command=(record)
source "$(dirname "$0")/command_line.sh"

if ! command -v qemu-x86_64 >/dev/null; then
  echo "skipped: qemu-user is not installed"
  exit 77
fi

# expect WHAT WANTED GOT
expect() { [[ $2 == "$3" ]] || fail "$1: expected '$2', got '$3'"; }

# records STATUS WORD...: the command's status, one line or more said, no files
# left but the trace.
records() {
  local wanted=$1
  shift
  rm -f trace.xmmu
  "$xmmu" record -- "$@" >out 2>err
  expect "$* ended" "$wanted" $?
  [[ -s trace.xmmu ]] || fail "$* left no trace: $(cat err)"
  expect "$*: what is left" 0 "$(find . -name '.record*' | wc -l)"
}

# has NAME WANTED: a value of `xmmu trace info`.
has() {
  "$xmmu" trace info --format=csv trace.xmmu >info 2>err || fail "$(cat err)"
  expect "$1" "$2" "$(sed -n "s/^\"\{0,1\}$1\"\{0,1\},//p" info)"
}
operations() { has "operations_by_kind.$1" "$2"; }
nothing_unmapped() { has "counts.accesses to what is not mapped, left out" 0; }

# refused STATUS WORDS ARGUMENT...: one line, and no trace.
refused() {
  local wanted=$1 words=$2
  shift 2
  "$xmmu" record -o refused.xmmu "$@" >out 2>err
  expect "$* ended" "$wanted" $?
  expect "$*: lines" 1 "$(wc -l <err)"
  grep -qF -- "$words" err || fail "$* did not say '$words': $(cat err)"
  [[ ! -e refused.xmmu ]] || fail "$* left a trace"
  expect "$*: what is left" 0 "$(find . -name '.record*' | wc -l)"
}

cc=${CC:-cc}
"$cc" -nostdlib -static -o count "$programs/count.S" || exit 1
"$cc" -O1 -o threads "$programs/threads.c" -pthread || exit 1
"$cc" -O1 -static -o signals "$programs/signals.c" || exit 1
"$cc" -O1 -o timer "$programs/timer.c" || exit 1
"$cc" -O1 -pie -fPIE -o family "$programs/family.c" || exit 1

# Each instruction and access of a program that is known to the last one.
records 7 ./count
operations fetch 12111
operations load 4100
operations store 4100
operations modify 2000
has "counts.system calls" 2
nothing_unmapped
has command ./count
has environment.architecture x86_64
if command -v valgrind >/dev/null; then
  "$xmmu" record -o lackey.xmmu --with=lackey -- ./count >out 2>err
  expect "Lackey, status" 7 $?
  expect "Lackey, output" "" "$(cat out)"
  "$xmmu" record -o killed.xmmu --with=lackey -- sh -c 'kill -9 $$' >out 2>err
  expect "Lackey, killed" 137 $?
  expect "Lackey, killed, lines" 1 "$(wc -l <err)"
  expect "Lackey's fetches" 12111 "$("$xmmu" trace info --format=csv lackey.xmmu |
    sed -n 's/^operations_by_kind.fetch,//p')"
else
  echo "skipped: valgrind is not installed, Lackey's counts are not compared"
fi

# Eight threads that run at once, and one that is still running at the end.
records 5 ./threads
has processes 2
has streams 11
operations clone 9
nothing_unmapped

# A signal's handler runs, 1000 times; SIGSEGV's, too, and repairs what faulted.
records 0 ./signals
expect "signals" "1000 handled, fault handled" "$(cat out)"
nothing_unmapped
# QEMU stores registers for the handler by what it calls for the program's own
# stores: none of the program's instructions stores 2 bytes once it has begun.
for program in ./timer ./timer32; do
  [[ $program == ./timer ]] || "$cc" -m32 -O1 -o timer32 "$programs/timer.c" 2>/dev/null || continue
  records 0 "$program"
  nothing_unmapped
  expect "$program: registers stored" 0 "$("$xmmu" trace show --from=200000 --count=800000 trace.xmmu |
    grep -c "store.* 2 bytes")"
done
records 137 sh -c 'kill -9 $$'
records 143 sh -c 'kill $$; sleep 5'
records 0 sh -c '(kill -9 $(exec sh -c "echo \$PPID")); true'

# fork, vfork with an exec that fails and one that does not, a child that closes
# all descriptors, one that is killed at work, exec in the midst of threads.
records 0 ./family
expect "the family" "fork 3, vfork 7 0, closed 4, killed 9, in the midst" "$(paste -sd ' ' out)"
operations fork 3
operations vfork 2
operations exec 2
nothing_unmapped
records 0 sh -c '(echo b; echo a) | sort | cat; exec env true'
expect "a pipeline" "a b" "$(paste -sd ' ' out)"
has processes 4
records 3 sh -c 'exec 0<&- 1>&- 2>&-; ls / ; exit 3'
records 0 sh -c 'ulimit -n 20; ulimit -f 0; exec ls / >/dev/null'
records 4 sh -c 'sh -c "sleep 0.4; exec true" & exit 4'
grep -q "waiting for what the command left running" err || fail "does not say that it waits"
has processes 3

# Scripts, by name, with an argument, and one that a script interprets.
printf '#!/bin/sh -eu\necho "$0 $#"\n' >script
printf '#!%s/script x\n' "$PWD" >second
chmod +x script second
records 0 ./script a b
expect "a script" "./script 2" "$(cat out)"
records 0 env ./second a
expect "a script's script" "$PWD/script 3" "$(cat out)"
PATH=$PWD:$PATH records 0 script
expect "a script in PATH" "$PWD/script 0" "$(cat out)"

# Variables of the loader are the program's, not QEMU's.
LD_XMMU=1 QEMU_STRACE=1 records 0 sh -c 'echo $LD_XMMU $QEMU_STRACE; env | grep -c ^LD_XMMU=1$'
expect "variables" "1 1 1" "$(paste -sd ' ' out)"

# Whatever is in a name.
for name in 'a b' "it's" 'näm' $'new\nline' '100%' 'com,ma' '-dash' 'a=b' '$HOME`id`'; do
  mkdir -- "./$name"
  cp /bin/true "./$name/$name"
  (cd -- "./$name" && "$xmmu" record -o "$name" -- "./$name" >out 2>err)
  expect "status in $name" 0 $?
  [[ -s ./$name/$name ]] || fail "no trace in $name"
  expect "lines said in $name" 1 "$(wc -l <"./$name/err")"
done

# A trace takes the place of a file with its rights, through a link.
mkdir place
echo old >place/file
chmod 640 place/file
ln -s place/file link
"$xmmu" record -o link -- true 2>err || fail "$(cat err)"
expect "the rights of a trace" 640 "$(stat -c %a place/file)"
[[ -L link ]] || fail "the link is gone"
"$xmmu" trace info link >out 2>err || fail "$(cat err)"

# 32-bit programs, alone and in a tree of both kinds.
if "$cc" -m32 -O1 -o narrow "$programs/narrow.c" 2>/dev/null; then
  records 0 ./narrow
  has environment.architecture i386
  nothing_unmapped
  records 0 sh -c './narrow; ./narrow exec'
  expect "32 bits and 64" "4 bytes 4 bytes 8 bytes" "$(paste -sd ' ' out)"
  nothing_unmapped
else
  echo "skipped: no 32-bit compiler (gcc-multilib), 32-bit programs are not recorded"
fi

# What cannot be recorded.
refused 125 "want a command"
refused 125 "want a command" -- ""
refused 125 "nosuch: no such command in PATH" -- nosuch
refused 125 "cd: no such command in PATH; for a part of the shell try sh -c" -- cd /
refused 125 "/: is a directory" -- /
printf 'echo x\n' >plain
chmod +x plain
refused 125 "./plain: is neither a program nor a script" -- ./plain
chmod -x plain
refused 125 "./plain: cannot be executed" -- ./plain
printf '#!/no/such\n' >lost
cp count arm
printf '\xb7\0' | dd of=arm bs=1 seek=18 conv=notrunc 2>/dev/null
chmod +x lost arm
refused 125 "./lost: its interpreter /no/such: No such file" -- ./lost
refused 125 "./arm: is a program for AArch64, expected x86-64 or i386" -- ./arm
refused 125 "--with=pin: want qemu or lackey" --with=pin -- true
env PATH=/nowhere "$xmmu" record -- "$PWD/count" 2>err
expect "without QEMU" 125 $?
grep -qF "qemu-x86_64 is missing: install Debian's package qemu-user" err || fail "$(cat err)"
for name in no/such/file /dev/null ./; do
  "$xmmu" record -o "$name" -- touch ran >out 2>err
  expect "-o $name" 125 $?
  expect "-o $name: lines" 1 "$(wc -l <err)"
done
[[ ! -e ran ]] || fail "a command ran without a place for its trace"
"$xmmu" record -o '' -- true 2>err
expect "no name, status" 125 $?
grep -q -- "--output: want the name of a file" err || fail "$(cat err)"
refused 125 "-o: want a value" -o
refused 125 "given twice" --output=y -- true
refused 125 "--nosuch: no such option" --nosuch -- true
head -c 5000 /bin/ls >cut
chmod +x cut
refused 125 "./cut: QEMU ended with status" -- ./cut

# Programs with rights of their own: of another user, of another group, and, for
# who is not root, capabilities.
own="runs with rights of its own (set-uid, set-gid or capabilities)"
if ((EUID == 0)) && [[ ! $(findmnt -no OPTIONS --target .) =~ nosuid ]]; then
  cp count as_user && chown 65534 as_user && chmod 4755 as_user
  cp count as_group && chgrp 65534 as_group && chmod 2755 as_group
  cp count as_root && chmod 6755 as_root
  for program in as_user as_group; do
    refused 125 "./$program: $own" -- "./$program"
    records 7 sh -c "./$program; exit \$?"
    grep -qF "./$program: $own, so it was not recorded" err || fail "$program: $(cat err)"
    has processes 2
  done
  records 7 ./as_root
  operations fetch 12111
else
  echo "skipped: not root or no set-uid here, programs with rights of their own are not tried"
fi
cp count capable
mkdir open && chmod 777 open
if ((EUID == 0)) && command -v setcap setpriv >/dev/null &&
  setcap cap_net_raw+ep capable 2>/dev/null && chmod 755 . &&
  setpriv --reuid=65534 --regid=65534 --clear-groups "$xmmu" list machines >/dev/null 2>&1; then
  as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups "$xmmu" record -o open/x --)
  "${as_nobody[@]}" ./capable >out 2>err
  expect "a command with capabilities" 125 $?
  grep -qF "./capable: $own" err || fail "capabilities: $(cat err)"
  "${as_nobody[@]}" sh -c './capable; exit $?' >out 2>err
  expect "a child with capabilities" 7 $?
  grep -qF "./capable: $own, so it was not recorded" err || fail "capabilities: $(cat err)"
  records 7 ./capable
else
  echo "skipped: no setcap or setpriv, or not root: programs with capabilities are not tried"
fi

# A child that cannot be recorded runs, and is named.
records 126 sh -c './arm 2>/dev/null'
grep -q "./arm: is no program for x86, so it was not recorded" err || fail "$(cat err)"
records 132 sh -c 'kill -ILL $$' 2>/dev/null
grep -q -- "--with=lackey" err || fail "no advice after SIGILL: $(cat err)"
# What the advice names: vfmaddps and xtest, which Valgrind knows, and a vxorps
# and a sha1nexte that it does not know either, so that Lackey ends there.
instruction() {
  printf '.globl _start\n_start: xor %%eax, %%eax\n.byte %s\n' "$2" >"$1.S"
  printf 'mov $231, %%eax\nxor %%edi, %%edi\nsyscall\n' >>"$1.S"
  "$cc" -nostdlib -static -o "$1" "$1.S" || exit 1
}
instruction fma4 0xc4,0xe3,0x79,0x68,0xc2,0x30
instruction tsx 0x0f,0x01,0xd6
instruction avx512 0x62,0xf1,0x7c,0x48,0x57,0xc0
instruction sha 0x0f,0x38,0xc8,0xc1
for program in fma4 tsx avx512 sha; do
  records 132 "./$program" 2>/dev/null
  grep -q "if it needs FMA4 or XTEST" err || fail "$program, no advice: $(cat err)"
done
if command -v valgrind >/dev/null; then
  for program in fma4 tsx; do
    "$xmmu" record -o lackey.xmmu --with=lackey -- "./$program" >out 2>err
    expect "Lackey, $program" 0 $?
  done
  refused 125 "Valgrind does not know the instruction of the bytes 0x62 0xF1 0x7C 0x48" \
    --with=lackey -- ./avx512
  refused 125 "Valgrind does not know the instruction of the bytes 0xF 0x38 0xC8" \
    --with=lackey -- ./sha
  # One that no processor knows is the program's own SIGILL, with a message.
  instruction ud2 0x0f,0x0b
  "$xmmu" record -o lackey.xmmu --with=lackey -- ./ud2 >out 2>err
  expect "Lackey, ud2" 132 $?
fi

# Rights that are given up end the recording, not the command.
unrecorded() {
  local wanted=$1 words=$2
  shift 2
  records 0 "$@"
  expect "$*: output" "$wanted" "$(paste -sd ' ' out)"
  grep -q "$words" err || fail "$* did not say '$words': $(cat err)"
}
if ((EUID == 0)) && command -v setpriv >/dev/null; then
  # The capabilities of root are gone only after the exec.
  unrecorded 65534 "id: was started without the rights" \
    setpriv --reuid 65534 --clear-groups id -u
  unrecorded "65534 1" "sh: was started without the rights" \
    setpriv --reuid 65534 --clear-groups sh -c 'id -u; echo 1'
  records 0 setpriv --bounding-set=-all --inh-caps=-all true
  operations exec 1
else
  echo "skipped: no root and setpriv, rights that are given up are not tried"
fi
plugin=$(dirname "$xmmu")/../libexec/xmmu/xmmu_record.so
expect "a spool out of reach" "name a 1" "$(LD_XMMU=1 qemu-x86_64 \
  -plugin "$plugin,spool=/no/such,self=x" -0 name -- /bin/sh -c 'echo $0 $1 $LD_XMMU' name a)"

# A recorder that is killed takes the command along, and what is left is packed.
rm -f out
"$xmmu" record -o killed.xmmu -- sh -c '
  sh -c "echo \$\$; while :; do :; done" & while :; do :; done' >out 2>err &
recorder=$!
for ((i = 0; i < 100; ++i)); do
  [[ -s out ]] && break
  sleep 0.1
done
kill -KILL "$recorder"
{ wait "$recorder"; } 2>/dev/null
for ((i = 0; i < 300; ++i)); do
  kill -0 "$(cat out)" 2>/dev/null || break
  sleep 0.1
done
kill -KILL "$(cat out)" 2>/dev/null && fail "a killed recorder's programs go on"
"$xmmu" trace pack -o killed.xmmu .record* 2>err || fail "$(cat err)"
"$xmmu" trace check killed.xmmu >out 2>err || fail "$(cat err)"
rm -r .record*

# What cannot be packed is kept.
mkdir -p place
"$xmmu" record -o place/x -- sh -c 'mkdir place/x' >out 2>err
expect "no place, status" 125 $?
grep -q "; what was recorded is in $PWD/place/.record" err || fail "$(cat err)"
"$xmmu" trace pack -o kept.xmmu place/.record* 2>err || fail "$(cat err)"
[[ -s kept.xmmu ]] || fail "nothing was made of what was kept"
rm -r place/.record*

# A signal for the recorder is the command's; what was recorded is kept.
rm -f trace.xmmu
"$xmmu" record -- sh -c 'sleep 60 & echo on; wait' >out 2>err &
recorder=$!
for ((i = 0; i < 100; ++i)); do
  [[ -s out ]] && break
  sleep 0.1
done
expect "rights of the spool" 700 "$(stat -c %a .record*)"
kill -TERM "$recorder"
sleep 0.5
kill -TERM "$recorder"
wait "$recorder"
expect "a signal, status" 143 $?
has processes 2

# A recorder that is killed leaves a directory, which can be packed.
rm -f out
"$xmmu" record -- sh -c './count; echo on; while :; do :; done' >out 2>err &
recorder=$!
for ((i = 0; i < 100; ++i)); do
  [[ -s out ]] && break
  sleep 0.1
done
kill -KILL "$recorder"
{ wait "$recorder"; } 2>/dev/null
sleep 1
rm -f trace.xmmu
"$xmmu" trace pack -o trace.xmmu .record.* >out 2>err || fail "trace pack of a spool: $(cat err)"
expect "trace pack of a spool says" "" "$(cat out err)"
has processes 2
nothing_unmapped
rm -rf .record.*
mkdir nothing
"$xmmu" trace pack -o none.xmmu nothing >out 2>err
expect "trace pack of an empty directory" 2 $?
expect "trace pack of an empty directory, lines" 1 "$(wc -l <err)"
[[ ! -e none.xmmu ]] || fail "trace pack of an empty directory left a trace"

# A disk that is full ends the recording, in words.
if mkdir small && mount -t tmpfs -o size=2m none small 2>/dev/null; then
  "$xmmu" record -o small/x -- sh -c 'while :; do :; done' >out 2>err
  expect "a full disk, status" 125 $?
  grep -q "cannot hold the recording: .*No space left on device" err || fail "$(cat err)"
  expect "a full disk, what is left" "" "$(ls -A small)"
  umount small
else
  echo "skipped: no right to mount, a full disk is not tried"
fi

# The trace is a trace: every strategy shows the same.
records 0 sh -c 'ls / | sort'
"$xmmu" compare trace.xmmu --levels=4 --policies=all >out 2>err ||
  fail "compare: $(cat err)"
grep -q "equal in all rows" out || fail "digests differ: $(cat out)"

exit $((failures > 0))
