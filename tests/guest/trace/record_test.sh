#!/bin/bash
# Records commands with examples/record.sh and reads the recordings back.
#
#   record_test.sh <source tree> <guest_trace_count>
#
# Exit status 77, skipped, without Valgrind: the test installs nothing.
set -u
record=$1/examples/record.sh
count=$2

if ! command -v valgrind >/dev/null; then
  echo "skipped: valgrind is not installed"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

# expect WHAT WANTED GOT
expect() {
  if [[ $2 != "$3" ]]; then
    echo "$1: expected '$2', got '$3'"
    failures=$((failures + 1))
  fi
}

# kinds NAME: the operations of a recording by which processes come and go.
# Shells differ in when they fork and when they vfork.
kinds() {
  "$count" "$1".*.gz | awk '/fork / { forks += $2 }
    /^(exec|wait|exit) / { text = text " " $0 }
    END { print "fork " forks text }'
}

"$record" -o pipe -- sh -c '(echo b; echo a) | sort; exec sh -c "exit 3"' \
  >out 2>err
expect "the command's exit status" 3 $?
expect "the command's output" "a b" "$(head -n 2 out | paste -sd ' ')"
expect "a pipeline" "fork 2 exec 2 wait 2 exit 3" "$(kinds pipe)"
expect "leftovers" 0 "$(find . -name '.record*' | wc -l)"

# Killed without a chance to end its log; an exec that fails; a child that is
# left behind and execs when the command is over.
"$record" -o odd -- sh -c '(sh -c "sleep 0.5; exec true" &) ; (exec /no/such) 2>/dev/null
  sh -c "kill -9 \$\$"; true' >out 2>err
expect "odd ends, status" 0 $?
expect "odd ends" "fork 5 exec 4 wait 4 exit 6" "$(kinds odd)"

# A second recording takes the place of the first.
"$record" -o pipe true >out 2>err
expect "a recording replaces another" "$(cat out)" "$(ls pipe.*)"

"$record" -o x -- cd / >out 2>err
expect "a builtin" "record: cd is a part of the shell: try sh -c '...'" "$(cat err)"
"$record" -o x >out 2>err
expect "no command, status" 125 $?
expect "no command" 1 "$(wc -l <err)"
"$record" -o x -- no-such-command >out 2>err
expect "unknown command, status" 125 $?
expect "unknown command" "record: no-such-command: no such command" "$(cat err)"
"$record" -o no/such/x -- true >out 2>err
expect "unknown directory, status" 125 $?
expect "files of failed recordings" 0 "$(find . -name 'x.*' | wc -l)"

head -c 20000 "$(head -n 1 <<<"$(ls pipe.*.gz)")" >cut.gz
"$count" cut.gz >out 2>err
expect "a cut file, status" 2 $?
expect "a cut file, output" 0 "$(wc -c <out)"
expect "a cut file, lines" 1 "$(grep -c '^cut.gz:[0-9]*: ' err)"

((failures == 0)) && echo "all as expected"
exit "$failures"
