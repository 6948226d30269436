#!/bin/bash
# What all programs promise of their output: it is whole, or the exit status and
# a line say that it is not; and --output writes to no file but its own.
# Usage: output_test.sh <xmmu>
set -uo pipefail
xmmu=$1 command=(compare)
inputs=$(cd "$(dirname "$0")/../golden/outputs/inputs" && pwd)
source "$(dirname "$0")/command_line.sh"

report=(--workload=touch:pages=10 --policies=native)
header=machine,pattern,working_set_bytes,stride_bytes,cycles_per_load
printf '%s\nxeon-2003,linear,4096,64,2\n' "$header" >cells.csv

# says <words>: the last command ended with status 1 and said them, in a line.
says() {
  local status=$?
  ((status == 1)) || fail "$1: ended with $status"
  [[ $(wc -l <err) == 1 ]] || fail "$1: said $(cat err)"
  grep -qF "$1" err || fail "did not say '$1': $(cat err)"
}

# lost <program> <argument>...: wherever its standard output is lost.
lost() {
  local name=$1
  shift
  "$xmmu" "$name" "$@" >/dev/full 2>err
  says "standard output: No space left on device"
  "$xmmu" "$name" "$@" >&- 2>err
  says "standard output: Bad file descriptor"
  # The reader is gone before anything is written.
  { sleep 0.2; "$xmmu" "$name" "$@" 2>err; echo $? >status; } | true
  (exit "$(cat status)")
  says "standard output: Broken pipe"
}
lost compare --help
lost list
lost list prices
lost compare "${report[@]}"
lost compare "${report[@]}" --sensitivity --format=json
lost crossover --help
lost crossover --machine=xeon-2003 --levels=3 "$inputs"/tiny.20?
lost explain --help
lost explain fork --policies=all
lost grid --help
lost grid --cells=cells.csv
lost published --help
lost published --table=vmexit
lost shadows --help
"$xmmu" compare "${report[@]}" --output=/dev/full >out 2>err
says "/dev/full: No space left on device"

"$xmmu" compare "${report[@]}" >expected

# whole <file>: it is the report, and nothing else was left behind.
whole() {
  cmp -s expected "$1" || fail "$1 is not the report"
  [[ -z $(find . -name '.xmmu*') ]] || fail "temporary files were left"
}

accepts "${report[@]}" --output=new
whole new
[[ $(stat -c %a new) == "$(printf %o $((0666 & ~$(umask))))" ]] ||
  fail "rights of a new file"
echo old >kept
chmod 640 kept
accepts "${report[@]}" --output=kept
whole kept
[[ $(stat -c %a kept) == 640 ]] || fail "rights of an old file were not kept"
ln -s kept link
echo old >kept
accepts "${report[@]}" --output=link
whole kept
[[ -L link ]] || fail "a link was replaced"
# A page is written beside the report, which stays what it is; not over it, nor
# over what is read.
"$xmmu" compare "${report[@]}" --report=page.html >kept
whole kept
grep -q '</html>' page.html || fail "page.html is not whole"
"$xmmu" compare "${report[@]}" --report=again.html --jobs=1 >/dev/null
cmp -s page.html again.html || fail "a page depends on its name or --jobs"
refuses "--report=./new: want another file than the output's" "${report[@]}" \
  --output=new --report=./new
refuses "--report=/dev/stdout: want another file" "${report[@]}" \
  --report=/dev/stdout
refuses "--report: .: Is a directory" "${report[@]}" --report=.
refuses "--report: nowhere/page.html: No such file" "${report[@]}" \
  --report=nowhere/page.html
printf 'policies = "native"\n' >run.toml
refuses "run.toml: is also read" --workload=touch:pages=10 --config=run.toml \
  --report=run.toml
ln -s nowhere dangling
refuses "dangling: a link" "${report[@]}" --output=dangling
refuses "Is a directory" "${report[@]}" --output=.
printf -v long '%255s' ''
accepts "${report[@]}" --output="${long// /a}"
rm "${long// /a}"
refuses "File name too long" "${report[@]}" --output="${long// /a}a"
mkfifo pipe
refuses "nobody reads it" "${report[@]}" --output=pipe
cat pipe >piped &
accepts "${report[@]}" --output=pipe
wait $!
whole piped
echo before >appended
"$xmmu" compare "${report[@]}" --output=/dev/stdout >>appended || fail "/dev/stdout"
tail -n +2 appended >rest
whole rest
long=$(printf 'n%.0s' {1..255})
accepts "${report[@]}" "--output=$long"
whole "$long"
"$xmmu" compare "${report[@]}" --output=closed >&- 2>err || fail "needs no output"
whole closed

# Names that others can guess lead nowhere.
echo precious >victim
(for i in 0 1 2; do ln -s victim ".xmmu.$BASHPID.$i"; done
  ln -s victim "out.tmp.$BASHPID"
  exec "$xmmu" compare "${report[@]}" --output=out)
[[ $(cat victim) == precious ]] || fail "a planted link was followed"
rm -f .xmmu.*
whole out

# What is read is not overwritten.
"$xmmu" list prices --format=toml >machine.toml
cp machine.toml copy.toml
command=(list)
refuses "is also read" prices --machine-file=machine.toml \
  --output=machine.toml
cmp -s machine.toml copy.toml || fail "an input was overwritten"

# A signal leaves nothing, and the old file.
echo old >kept
for signal in INT TERM HUP; do
  python3 -c '
import signal, subprocess, sys, time
program = subprocess.Popen([sys.argv[1], "compare", "--workload=touch:pages=100000",
    "--levels=4", "--policies=all", "--output=kept"])
time.sleep(0.3)
number = getattr(signal, "SIG" + sys.argv[2])
program.send_signal(number)
sys.exit(program.wait() not in (128 + number, -number))
' "$xmmu" "$signal" 2>err || fail "not ended by $signal"
  [[ $(cat kept) == old ]] || fail "$signal: the old file is gone"
  [[ -z $(find . -name '.xmmu*') ]] || fail "$signal left a file"
done

((failures == 0)) && echo "all as promised"
exit $((failures != 0))
