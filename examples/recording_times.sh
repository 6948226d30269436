#!/bin/bash
# Records the same programs with QEMU and with Lackey and prints what each took.
#
#   examples/recording_times.sh [--small] [--qemu-only] [--only=NAME,...]
#                               [--keep=DIRECTORY] [XMMU]
#
# A row a program: how many operations its trace has, the seconds of processor
# time (user and system, of all processes) that the program takes by itself and
# that `xmmu record` takes with each recorder, the packing included; how many times
# as much Lackey takes as QEMU; and the bytes of the packed traces. Lackey's logs of
# 32-bit programs cannot be packed: there it is record.sh that is measured.
#
# Nearly all of the time that it takes, which is more than an hour, is Lackey's.
# --small has smaller inputs for the same programs; --qemu-only leaves Lackey out;
# --only names the rows to measure; --keep keeps the traces in a directory, by the
# names of the programs. XMMU is the program to use, by default the one in PATH.
#
# The last line names the rows in which Lackey takes less than 20 times as much as
# QEMU: short ones, as those of --small, in which QEMU runs few of the blocks of
# code that it translates more than once.
#
# Needs gcc, g++, make, python3, sqlite3, and for the 32-bit program a compiler
# for it (gcc-multilib); what is missing is left out, in words.
set -u -o pipefail

small='' qemu_only='' only='' keep='' xmmu=xmmu
for word in "$@"; do
  case $word in
    --small) small=yes ;;
    --qemu-only) qemu_only=yes ;;
    --only=*) only=,${word#*=}, ;;
    --keep=*) keep=$(realpath -m "${word#*=}") && mkdir -p "$keep" || exit 2 ;;
    -h | --help)
      sed -n '2,/^set /{/^# /s/^# //p;/^#$/s/.*//p}' "$0"
      exit 0
      ;;
    -*)
      echo "recording_times: unknown option $word, see --help" >&2
      exit 2
      ;;
    *) xmmu=$(realpath "$word") ;;
  esac
done
record_sh=$(dirname "$(realpath "$0")")/record.sh
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# choose SMALL WHOLE
choose() { if [[ -n $small ]]; then echo "$1"; else echo "$2"; fi; }

cat >unit.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) printf("%s %zu\n", argv[i], strlen(argv[i]));
  return argc > 1 ? atoi(argv[1]) : 0;
}
END
cp unit.c other.c
printf 'all: unit.o other.o\n%%.o: %%.c\n\tgcc -O1 -c $<\n' >Makefile

cat >threads.cc <<'END'
#include <algorithm>
#include <cstdlib>
#include <map>
#include <thread>
#include <vector>
int main(int, char** argv) {
  const int size = std::atoi(argv[1]);
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 8; ++seed) {
    threads.emplace_back([=] {
      std::map<unsigned, std::vector<unsigned>> table;
      unsigned state = seed;
      for (int i = 0; i < size; ++i) {
        state = state * 1664525 + 1013904223;
        table[state >> 22].push_back(state);
      }
      for (auto& row : table) std::sort(row.second.begin(), row.second.end());
    });
  }
  for (std::thread& thread : threads) thread.join();
}
END
cat >narrow.c <<'END'
#include <stdlib.h>
#include <string.h>
struct node { struct node* next; char text[24]; };
int main(int argc, char** argv) {
  int sum = 0, count = argc > 1 ? atoi(argv[1]) : 1;
  struct node* list = NULL;
  for (int i = 0; i < count; ++i) {
    struct node* const node = malloc(sizeof(*node));
    memset(node, i, sizeof(*node));
    node->next = list;
    list = node;
  }
  for (int round = 0; round < 20; ++round) {
    for (struct node* at = list; at; at = at->next) sum += at->text[round];
  }
  return sum == 1;
}
END
# The table is there before; what is recorded are a query and an update of it.
if command -v sqlite3 >/dev/null; then
  sqlite3 fresh.db "create table t(a integer primary key, b text, c integer);
    with recursive n(i) as (select 1 union all select i + 1 from n limit $(choose 2000 100000))
    insert into t select i, 'row ' || i, (i * 7919) % 10007 from n;" || exit 1
fi

# What the rows are: a name and the command behind it.
python=$(PATH=/usr/bin:/bin command -v python3 || command -v python3)
names=(python3 gcc-c threads-8 make-j2 sqlite3)
declare -A command=(
  [python3]="$python -c 'print(sum(i * i for i in range($(choose 2000 300000))))'"
  [gcc-c]="gcc -O$(choose 0 2) -c unit.c -o unit.o"
  [threads-8]="./threads $(choose 300 20000)"
  [make-j2]="make -s -B -j2"
  [sqlite3]="sqlite3 rows.db 'select count(*), sum(a) from t where c between 100 and 200; update t set c = c + 1 where a % 100 = 0;'"
  [32-bit]="./narrow $(choose 1000 50000)"
)
g++ -O2 threads.cc -o threads -pthread || exit 1
if gcc -m32 -O2 narrow.c -o narrow 2>/dev/null; then
  names+=(32-bit)
else
  echo "recording_times: no 32-bit compiler (gcc-multilib): no 32-bit row" >&2
fi

# seconds COMMAND...: processor time, of all its processes; its own output goes
# to the file `said`.
seconds() {
  local TIMEFORMAT='%U %S'
  { time "$@" >said 2>&1 </dev/null; } 2>&1 | awk '{ print $1 + $2 }'
}

# What a row before has changed is as it was.
renew() { [[ ! -e fresh.db ]] || cp fresh.db rows.db; }

below=() measured=0
row='%-10s %14s %8s %9s %9s %6s %12s %12s\n'
# shellcheck disable=SC2059 # the format is the one above
printf "$row" program operations itself qemu lackey times 'qemu, bytes' 'lackey'
for name in "${names[@]}"; do
  [[ -z $only || $only == *",$name,"* ]] || continue
  read -r first _ <<<"${command[$name]}"
  if ! command -v "$first" >/dev/null; then
    echo "recording_times: no $first: no row $name" >&2
    continue
  fi
  line=(sh -c "exec ${command[$name]}")
  renew
  itself=$(seconds "${line[@]}")
  renew
  qemu=$(seconds "$xmmu" record -o "$name.xmmu" -- "${line[@]}")
  [[ -s $name.xmmu ]] || { cat said >&2; exit 1; }
  operations=$("$xmmu" trace info --format=csv "$name.xmmu" |
    sed -n 's/^operations,//p')
  lackey=- times=- bytes=-
  if [[ -z $qemu_only ]]; then
    renew
    if [[ $name == 32-bit ]]; then
      lackey=$(seconds bash "$record_sh" -o log -- "${line[@]}")
      rm -f log.*.gz
    else
      rm -f by-lackey.xmmu
      lackey=$(seconds "$xmmu" record --with=lackey -o by-lackey.xmmu -- "${line[@]}")
      [[ -s by-lackey.xmmu ]] || { cat said >&2; exit 1; }
      bytes=$(wc -c <by-lackey.xmmu)
    fi
    times=$(awk "BEGIN { printf \"%.1f\", $lackey / $qemu }")
    measured=$((measured + 1))
    awk "BEGIN { exit !($lackey < 20 * $qemu) }" && below+=("$name")
  fi
  # shellcheck disable=SC2059 # the format is the one above
  printf "$row" "$name" "$operations" "$itself" "$qemu" "$lackey" "$times" \
    "$(wc -c <"$name.xmmu")" "$bytes"
  [[ -z $keep ]] || mv "$name.xmmu" "$keep/"
  rm -f "$name.xmmu"
done
if ((measured == 0)); then
  echo "Lackey was not measured."
elif ((${#below[@]} == 0)); then
  echo "Lackey takes 20 times as much as QEMU or more in all rows measured: $measured."
else
  echo "Lackey takes less than 20 times as much as QEMU in ${#below[@]} of $measured rows: ${below[*]}."
fi
