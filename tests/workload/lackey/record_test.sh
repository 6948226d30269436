#!/bin/bash
# Records commands with examples/record.sh and reads the recordings back.
#
#   record_test.sh <source tree> <workload_count>
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

# Whatever is in a name: of the directory, of the prefix, of the command.
# shellcheck disable=SC2016 # the names are meant so
for name in 'a b' "it's" 'näm' $'new\nline' '100%' '-dash' '$HOME`id`' 'a*\b"'; do
  mkdir -- "./$name"
  cp /bin/true "./$name/$name"
  (cd -- "./$name" && TMPDIR=$PWD "$record" -o "$name" -- "./$name" >out 2>err)
  expect "status in $name" 0 $?
  expect "logs in $name" 1 "$(find "./$name" -name '*.gz' -printf x | wc -c)"
  expect "lines said in $name" 1 "$(wc -l <"./$name/err")"
done
"$record" -o '' true >out 2>err
expect "an empty prefix" 125 $?

# Nobody else can look into the logs; a signal leaves nothing, nor anything
# running.
"$record" -o killed -- sleep 60 >out 2>err &
recorder=$!
while [[ -z $(find . -path './.record*/logs/*') ]]; do sleep 0.1; done
expect "rights of the logs" 700 "$(stat -c %a .record*)"
kill -TERM "$recorder"
wait "$recorder"
expect "a signal, status" 125 $?
expect "a signal, what is left" 0 "$(find . -name '.record*' -o -name 'killed*' | wc -l)"

# A 32-bit program, alone and below a 64-bit one: mov $1,%eax; int $0x80.
if [[ -x /usr/libexec/valgrind/lackey-x86-linux ]]; then
  {
    printf '\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\3\0\1\0\0\0'
    printf '\124\200\4\10\64\0\0\0\0\0\0\0\0\0\0\0\64\0\40\0\1\0\0\0\0\0\0\0'
    printf '\1\0\0\0\0\0\0\0\0\200\4\10\0\200\4\10\137\0\0\0\137\0\0\0\5\0\0\0\0\20\0\0'
    printf '\270\1\0\0\0\273\4\0\0\0\315\200'
  } >narrow
  chmod +x narrow
  "$record" -o narrow -- ./narrow >out 2>err
  expect "a 32-bit program's status" 4 $?
  expect "a 32-bit program" 1 "$(grep -c '32-bit programs ran in' err)"
  "$count" narrow.*.gz >out 2>err
  expect "a 32-bit program's replay" 2 $?
  expect "a 32-bit program's error" 1 "$(grep -c 'call 1 is exit, as in a 32-bit program' err)"
  "$record" -o mixed -- sh -c './narrow; echo ended with $?' >out 2>err
  expect "a 32-bit child" "ended with 4" "$(head -n 1 out)"
fi

head -c 20000 "$(head -n 1 <<<"$(ls pipe.*.gz)")" >cut.gz
"$count" cut.gz >out 2>err
expect "a cut file, status" 2 $?
expect "a cut file, output" 0 "$(wc -c <out)"
expect "a cut file, lines" 1 "$(grep -c '^cut.gz:[0-9]*: ' err)"

((failures == 0)) && echo "all as expected"
exit "$failures"
