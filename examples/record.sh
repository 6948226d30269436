#!/bin/bash
# Records what a command and all the processes it starts do to memory.
#
#   examples/record.sh [-q] [-o PREFIX] [--] COMMAND [ARGUMENT...]
#
# Writes PREFIX.PID.gz for each process (PREFIX: "trace"), in place of an earlier
# recording of that name, and prints their names, unless there is -q. Replay them
# with
#
#   xmmu compare PREFIX.*
#
# It takes long: an xz that needs 0.02 seconds of processor time by itself needed
# 150 here (Valgrind 3.19, compression of the log included), several thousand
# times as much. Each instruction takes about 19 bytes of disk until the command
# has ended.
#
# The exit status is the command's; 125 says that there is no recording, as when
# a signal ends this script, which ends what it records. 32-bit programs are
# recorded, but their logs cannot be replayed yet.
#
# Valgrind's Lackey does the work. Left alone, a program that a process execs
# overwrites the log of the program before. So a script stands in for Valgrind's
# launcher, which is what Valgrind runs at each exec: it gives each program a log
# of its own, and these become one log per process in the end. Nobody else can
# look into them; a process that gives up the user's rights gets no log.
set -u -o pipefail
# The command gets its own locale, further down.
locale=${LC_ALL-} locale_set=${LC_ALL+set}
LC_ALL=C
unset -v CDPATH

# One line whatever is in a name: no control characters, of UTF-8 neither.
printable() {
  local text=${1//[[:cntrl:]]/?}
  REPLY=${text//$'\302'[$'\200'-$'\237']/?}
}

say() {
  printable "$*"
  printf 'record: %s\n' "$REPLY" >&2
}

fail() {
  say "$@"
  exit 125
}

usage() {
  sed -n '2,/^set /{/^# /s/^# //p;/^#$/s/.*//p}' "$0"
}

prefix=trace
quiet=
while (($# > 0)); do
  case $1 in
    -o)
      (($# > 1)) || fail "-o needs a prefix, as in: -o trace"
      prefix=$2
      shift 2
      ;;
    -q)
      quiet=yes
      shift
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
case $prefix in
  '' | */) fail "-o '$prefix': no name for files, as in: -o ${prefix}trace" ;;
esac
if [[ -z $(type -P -- "$1") ]]; then
  [[ -z $(type -t -- "$1") ]] || fail "$1 is a part of the shell: try sh -c '...'"
  fail "$1: no such command"
fi
# Absolute, and not by $(realpath): that loses newlines at the end of a name.
[[ $prefix == /* ]] && directory=${prefix%/*}/ || directory=./$prefix
directory=${directory%/*}/
[[ -d $directory && -w $directory ]] ||
  fail "$directory: cannot write there, choose another place with -o"
directory=$(cd -P -- "$directory" 2>/dev/null && printf '%s.' "$PWD") ||
  fail "$prefix: cannot enter the directory, choose another place with -o"
directory=${directory%.}
target=${directory%/}/${prefix##*/}

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
tool32=${tool%amd64-linux}x86-linux
[[ -x $tool32 ]] || tool32=$tool

# Beside the result: the logs are large, and /tmp may be small. The user's alone.
work=$(umask 077 && mktemp -d -- "$directory/.record.XXXXXXXXXX" && echo .) ||
  fail "$directory: cannot make a directory there (is the disk full?)"
work=${work%$'\n.'}
trap 'rm -rf -- "$work"' EXIT
mkdir -m 700 "$work/logs" "$work/x86" ||
  fail "$directory: cannot make a directory there (is the disk full?)"

# For any POSIX shell, whatever is in the text.
quote() { REPLY=\'${1//\'/\'\\\'\'}\'; }

# Runs at the start and at each exec, with the process id of the program to be.
# Only builtins: a child of its own would be the program's. No variable that a
# program has, too: it would be changed for it.
{
  echo '#!/bin/sh'
  quote "$work" && printf 'r_work=%s\n' "$REPLY"
  # Valgrind takes a percent sign for one of its own.
  quote "${work//%/%%}/logs" && printf 'r_logs=%s\n' "$REPLY"
  quote "$tool" && printf 'r_tool=%s\n' "$REPLY"
  quote "$tool32" && printf 'r_tool32=%s\n' "$REPLY"
  # The first bytes of a 32-bit program: ELF, class 1 (elf.h).
  printf 'r_elf32=%s\n' $'\'\177ELF\001\''
  cat <<'EOF'
r_number=1
# Valgrind hands its own options on: the first names the log of the program
# before.
case $1 in
  --log-file=*)
    r_number=$((${1##*.} + 1))
    shift
    ;;
esac

# Valgrind's launcher, too, looks which of the tools the program needs.
r_program=
r_options=yes
for r_word in "$@"; do
  case $r_options$r_word in
    yes--) r_options= ;;
    yes--*) ;;
    *)
      r_program=$r_word
      break
      ;;
  esac
done
case $r_program in
  */*) ;;
  *)
    set -f
    IFS=:
    for r_word in $PATH; do
      r_word=${r_word:-.}/$r_program
      if [ -f "$r_word" ] && [ -x "$r_word" ]; then
        r_program=$r_word
        break
      fi
    done
    unset IFS
    set +f
    ;;
esac
# A script's interpreter can have one, too (Linux, fs/exec.c: at most five).
for r_word in 1 2 3 4 5; do
  r_line=
  [ -f "$r_program" ] && [ -r "$r_program" ] &&
    IFS= read -r r_line <"$r_program"
  case $r_line in
    "$r_elf32"*)
      r_tool=$r_tool32
      : >"$r_work/x86/$$"
      break
      ;;
    '#!'*)
      r_line=${r_line#'#!'}
      r_line=${r_line#"${r_line%%[! 	]*}"}
      r_program=${r_line%%[ 	]*}
      ;;
    *) break ;;
  esac
done 2>/dev/null
export VALGRIND_LAUNCHER="$r_work/launcher"
exec "$r_tool" "--log-file=$r_logs/%p.$r_number" "$@"
EOF
} >"$work/launcher" && chmod 700 "$work/launcher" ||
  fail "$directory: cannot write there (is the disk full?)"

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
  exe=$(readlink "/proc/$1/exe" 2>/dev/null && echo .) || return
  exe=${exe%$'\n.'}
  [[ $exe == "$tool" || $exe == "$tool32" ]] ||
    grep -Fzxq -- "$work/launcher" "/proc/$1/cmdline" 2>/dev/null
}

still_running() {
  local pid
  left=()
  for pid in $(pids); do
    running "$pid" && left+=("$pid")
  done
  ((${#left[@]} > 0))
}

# Ends what is recorded: politely, then not.
stop() {
  local signal=$1 kill
  trap '' INT TERM HUP
  for kill in TERM TERM KILL KILL; do
    still_running || break
    kill -s "$kill" "${left[@]}" 2>/dev/null
    sleep 0.5
  done
  fail "stopped by a signal ($signal): there is no recording"
}
for signal in INT TERM HUP; do
  # shellcheck disable=SC2064 # the signal's name is meant to be expanded now
  trap "stop $signal" "$signal"
done

# In the background, as a trap waits for the end of what is in front. The shell
# would have such a command ignore the keyboard's signals and its input.
(
  trap - INT QUIT
  if [[ -n $locale_set ]]; then LC_ALL=$locale; else unset -v LC_ALL; fi
  exec "$work/launcher" --command-line-only=yes --tool=lackey --vgdb=no \
    --trace-mem=yes --trace-syscalls=yes --trace-children=yes -- "$@"
) <&0 &
# The shell would say that a signal ended it, with these lines.
wait "$!" 2>/dev/null
status=$?

# Processes can outlive the command, and start others meanwhile.
told=
while still_running; do
  [[ -n $told ]] || say "waiting for what the command left running: ${left[*]}"
  told=yes
  sleep 0.2
done

# Valgrind does not say that it could not write.
head -c 1048576 /dev/zero 2>/dev/null >"$work/probe" &&
  [[ $(wc -c <"$work/probe") -eq 1048576 ]] ||
  fail "$directory: cannot hold the recording (is the disk full?)"
rm -- "$work/probe"

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
mkdir "$work/result" || fail "$directory: cannot make a directory there"
for pid in "${recorded[@]}"; do
  [[ ! -d $target.$pid.gz ]] || fail "$prefix.$pid.gz: is a directory"
  join_logs "$pid" | gzip -n >"$work/result/$pid.gz" ||
    fail "$directory: cannot write the recording there (is the disk full?)"
  rm -- "$work/logs/$pid".*
done

declare -A is_new
for pid in "${recorded[@]}"; do
  is_new[$pid]=yes
  mv -fT -- "$work/result/$pid.gz" "$target.$pid.gz" ||
    fail "$prefix.$pid.gz: cannot write it"
done
for old in "$target".*.gz; do
  pid=${old#"$target".}
  pid=${pid%.gz}
  [[ $pid =~ ^[0-9]+$ && -z ${is_new[$pid]-} && ! -d $old ]] && rm -f -- "$old"
done
if [[ -z $quiet ]]; then
  say "$1 exited with status $status, ${#recorded[@]} processes:"
  for pid in "${recorded[@]}"; do
    printf '%s\n' "$prefix.$pid.gz"
  done
fi
narrow=("$work"/x86/*)
((${#narrow[@]} == 0)) ||
  say "32-bit programs ran in ${narrow[*]##*/}: the logs cannot be replayed yet"
exit "$status"
