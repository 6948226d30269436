#!/bin/bash
# Records what a command and all the processes it starts do to memory.
#
#   examples/record.sh [-o PREFIX] [--] COMMAND [ARGUMENT...]
#
# Writes PREFIX.PID.gz for each process (PREFIX: "trace"), in place of an earlier
# recording of that name, and prints their names. Replay them with
#
#   xmmu-compare PREFIX.*
#
# The command runs about 50 times slower than by itself and needs roughly 15
# bytes of disk for each instruction until it has ended. The exit status is the
# command's; 125 says that there is no recording.
#
# Valgrind's Lackey does the work. Left alone, a program that a process execs
# overwrites the log of the program before. So a script stands in for Valgrind's
# launcher, which is what Valgrind runs at each exec: it gives each program a log
# of its own, and these become one log per process in the end.
set -u -o pipefail
export LC_ALL=C

fail() {
  echo "record: $*" >&2
  exit 125
}

usage() {
  sed -n '2,/^set /{/^# /s/^# //p;/^#$/s/.*//p}' "$0"
}

prefix=trace
while (($# > 0)); do
  case $1 in
    -o)
      (($# > 1)) || fail "-o needs a prefix, as in: -o trace"
      prefix=$2
      shift 2
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    --)
      shift
      break
      ;;
    -*) fail "unknown option $1, expected -o PREFIX or --help" ;;
    *) break ;;
  esac
done
(($# > 0)) || fail "no command, expected: record.sh [-o PREFIX] -- COMMAND..."
if [[ -z $(type -P -- "$1") ]]; then
  [[ -z $(type -t -- "$1") ]] || fail "$1 is a part of the shell: try sh -c '...'"
  fail "$1: no such command"
fi
directory=$(dirname -- "$prefix")
[[ -d $directory && -w $directory ]] ||
  fail "$directory: cannot write there, choose another place with -o"

if ! command -v valgrind >/dev/null; then
  # shellcheck source-path=SCRIPTDIR source=setup.sh
  . "$(dirname -- "${BASH_SOURCE[0]}")/setup.sh"
  require_packages valgrind || fail "valgrind is missing, see above"
  command -v valgrind >/dev/null || fail "valgrind is missing, install it"
fi
# What the launcher would run, as it says itself.
tool=$(valgrind -d --tool=lackey true 2>&1 |
  sed -n 's/^.*launching \(.*lackey-amd64-linux\)$/\1/p' | head -n 1)
[[ -x $tool ]] ||
  fail "valgrind does not run here, or not on x86-64: try: valgrind --tool=lackey true"

# Beside the result: the logs are large, and /tmp may be small.
work=$(mktemp -d -- "$(realpath -- "$directory")/.record.XXXXXX") ||
  fail "$directory: cannot make a directory there"
trap 'rm -rf -- "$work"' EXIT
trap 'exit 125' INT TERM HUP
chmod 755 "$work"
mkdir -m 1777 "$work/logs"

# Runs at the start and at each exec, with the process id of the program to be.
# Only builtins: a child of its own would be the program's.
cat >"$work/launcher" <<EOF
#!/bin/sh
work=$(printf %q "$work")
tool=$(printf %q "$tool")
EOF
cat >>"$work/launcher" <<'EOF'
number=1
# Valgrind hands its own options on: the first names the log of the program
# before.
case $1 in
  --log-file=*)
    number=$((${1##*.} + 1))
    shift
    ;;
esac
export VALGRIND_LAUNCHER="$work/launcher"
exec "$tool" "--log-file=$work/logs/%p.$number" "$@"
EOF
chmod 755 "$work/launcher"

"$work/launcher" --command-line-only=yes --tool=lackey --trace-mem=yes \
  --trace-syscalls=yes --trace-children=yes -- "$@"
status=$?

shopt -s nullglob
pids() {
  local log
  for log in "$work"/logs/*.*; do
    log=${log##*/}
    echo "${log%%.*}"
  done | sort -nu
}

# A process of the recording runs Valgrind or, within an exec, the script.
running() {
  local exe
  exe=$(readlink "/proc/$1/exe" 2>/dev/null) || return
  [[ $exe == "$tool" ]] ||
    tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -Fxq "$work/launcher"
}

# Processes can outlive the command, and start others meanwhile.
told=
while
  left=()
  for pid in $(pids); do
    running "$pid" && left+=("$pid")
  done
  ((${#left[@]} > 0))
do
  [[ -n $told ]] ||
    echo "record: waiting for what the command left running: ${left[*]}" >&2
  told=yes
  sleep 0.2
done

# A killed process leaves a log without an end, and so does one whose exec
# failed half way. The last line may be cut.
close_log() {
  local pid=$1 log=$2 last
  if tail -c 4096 "$log" | grep -aq "^==$pid== Exit code:"; then
    cat "$log"
    return
  fi
  last=$(tail -n 1 "$log" | wc -c)
  if [[ $(tail -c 1 "$log" | wc -l) -eq 0 ]]; then
    head -c "-$last" "$log"
  else
    cat "$log"
  fi
  echo "==$pid== Process terminating, without a word in its log"
}

# The logs of one process in a row, the first numbered as its parent's was. At
# an exec the last line has no newline.
join_logs() {
  local pid=$1 number numbers
  mapfile -t numbers < <(for log in "$work/logs/$pid".*; do
    echo "${log##*.}"
  done | sort -n)
  for number in "${numbers[@]::${#numbers[@]}-1}"; do
    cat "$work/logs/$pid.$number"
    [[ $(tail -c 1 "$work/logs/$pid.$number" | wc -l) -eq 1 ]] || echo
  done
  close_log "$pid" "$work/logs/$pid.${numbers[-1]}"
}

mapfile -t recorded < <(pids)
((${#recorded[@]} > 0)) || fail "the command left no log (exit status $status)"
mkdir "$work/result"
for pid in "${recorded[@]}"; do
  join_logs "$pid" | gzip -n >"$work/result/$pid.gz" ||
    fail "$directory: cannot write the recording there (is the disk full?)"
  rm -- "$work/logs/$pid".*
done

for old in "$prefix".*.gz; do
  [[ ${old#"$prefix".} =~ ^[0-9]+\.gz$ ]] && rm -- "$old"
done
for pid in "${recorded[@]}"; do
  mv -- "$work/result/$pid.gz" "$prefix.$pid.gz" ||
    fail "$prefix.$pid.gz: cannot write it"
done
echo "record: $1 exited with status $status, ${#recorded[@]} processes:" >&2
for pid in "${recorded[@]}"; do
  echo "$prefix.$pid.gz"
done
exit "$status"
