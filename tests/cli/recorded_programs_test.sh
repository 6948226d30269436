#!/bin/bash
# Six real programs, each recorded by QEMU, read to the end by `xmmu trace info` and
# `check`, and replayed under every strategy on one vCPU, where all digests must be
# equal: an interpreter, a compiler, eight threads, make -j2, a database, and a
# program of 32 bits, which guests of 2 and 3 levels replay as well.
# Usage: recorded_programs_test.sh <xmmu>
#
# Of a long recording its last operations are replayed, as a piece of their own:
# what processes do as they end, with the mappings that have led up to it.
# Exit status 77, skipped, without qemu-x86_64; a program that is not installed is
# left out, in words. The test installs nothing.
set -uo pipefail
xmmu=$(realpath "$1") command=(record)
source "$(dirname "$0")/command_line.sh"

if ! command -v qemu-x86_64 >/dev/null; then
  echo "skipped: qemu-user is not installed"
  exit 77
fi
most=1500000  # operations that are replayed

# value NAME FILE: a number of `xmmu trace info`.
value() {
  "$xmmu" trace info --format=csv "$2" 2>err | sed -n "s/^\"\{0,1\}$1\"\{0,1\},//p"
}

# replays FILE WORD...: a comparison under every strategy, with equal digests.
replays() {
  "$xmmu" compare "$@" --vcpus=1 --policies=all >out 2>err ||
    fail "compare $*: $(cat err)"
  grep -q "equal in all rows" out || fail "compare $*: digests differ: $(cat out)"
}

# program LEVELS WORD...: records the command WORD... and replays it with each
# number of levels.
program() {
  local levels=$1 file=trace.xmmu operations
  shift
  if ! command -v "$1" >/dev/null; then
    echo "left out: $1 is not installed"
    return
  fi
  rm -f trace.xmmu piece.xmmu
  "$xmmu" record -o trace.xmmu -- "$@" >out 2>err || fail "$* ended with $?: $(cat err)"
  [[ -s trace.xmmu ]] || { fail "$* left no trace: $(cat err)"; return; }
  "$xmmu" trace check trace.xmmu >out 2>err || fail "check of $*: $(cat err)"
  operations=$(value operations trace.xmmu)
  echo "$*: $operations operations"
  if ((operations > most)); then
    file=piece.xmmu
    "$xmmu" trace cut --from=$((operations - most)) -o piece.xmmu trace.xmmu \
      >out 2>err || fail "cut of $*: $(cat err)"
    [[ $(value operations piece.xmmu) -ge $most ]] || fail "the piece of $* is too short"
  fi
  for level in ${levels//,/ }; do replays "$file" "--levels=$level"; done
}

cat >threads.cc <<'END_OF_FILE'
#include <algorithm>
#include <cstdlib>
#include <map>
#include <thread>
#include <vector>
int main() {
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 8; ++seed) {
    threads.emplace_back([=] {
      std::map<unsigned, std::vector<unsigned>> table;
      unsigned state = seed;
      for (int i = 0; i < 100; ++i) {
        state = state * 1664525 + 1013904223;
        table[state >> 22].push_back(state);
      }
      for (auto& row : table) std::sort(row.second.begin(), row.second.end());
    });
  }
  for (std::thread& thread : threads) thread.join();
}
END_OF_FILE
cat >narrow.c <<'END_OF_FILE'
#include <stdlib.h>
#include <string.h>
int main(void) {
  for (int i = 1; i < 200; ++i) memset(malloc((size_t)i * 50), i, (size_t)i * 50);
}
END_OF_FILE
echo 'int main(void) { return 0; }' >unit.c
printf 'all: one two three\n%%: %%.in\n\tsort $< >$@\n' >Makefile
for name in one two three; do printf 'b\na\nc\n' >"$name.in"; done

# The system's interpreter: one in the path may be a script of another tool's.
python=$(PATH=/usr/bin:/bin command -v python3 || echo python3)
program 4 "$python" -S -c 'print(sum(range(1000)))'
program 4 gcc -O0 -c unit.c -o unit.o
"${CXX:-c++}" -O2 threads.cc -o threads -pthread || exit 1
program 4 ./threads
program 4 make -s -j2
program 4 sqlite3 rows.db 'create table t(a, b); insert into t values (1, 2);
  select sum(b) from t;'
if "${CC:-cc}" -m32 -O1 narrow.c -o narrow 2>/dev/null; then
  program 2,3,4 ./narrow
else
  echo "left out: no compiler for 32-bit programs (gcc-multilib)"
fi

exit $((failures > 0))
