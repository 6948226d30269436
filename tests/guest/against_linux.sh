#!/bin/bash
# Holds the guest kernel against the Linux that this machine runs.
#
#   tests/guest/against_linux.sh [REPLAY [--fix]]
#
# Compiles each program of tests/guest/against_linux, runs it, records it with
# examples/record.sh and replays it by REPLAY (by default that of
# build/ci), bare hardware with 4 levels. Both say at each mark how many minor
# faults the process has had, and how much memory of which kind it has; all are
# compared exactly. Where they may differ, by how many and why, stands in
# tests/guest/against_linux/differences.txt.
#
# --fix writes the result into the table of lib/guest/README.md. Exits with 77
# and the reason where this machine cannot do that.
set -euo pipefail
cd "$(dirname "$0")/../.."
tree=$PWD
programs=$tree/tests/guest/against_linux
replay=$(realpath -- "${1:-build/ci/tests/guest/against_linux_replay}")

skip() {
  echo "against_linux.sh: skipped: $*"
  exit 77
}

[[ -x $replay ]] || {
  echo "against_linux.sh: $replay is not there: build it first" >&2
  exit 2
}
[[ $(uname -s -m) == "Linux x86_64" ]] || skip "this is no Linux on x86-64"
for tool in gcc valgrind python3; do
  command -v "$tool" >/dev/null || skip "$tool is missing"
done
valgrind --tool=lackey true >/dev/null 2>&1 ||
  skip "valgrind does not run here, or has no Lackey"
[[ -r /proc/self/smaps ]] || skip "there is no /proc/self/smaps"
thp_file=/sys/kernel/mm/transparent_hugepage/enabled
thp=never
[[ ! -r $thp_file ]] || thp=$(sed 's/.*\[\(.*\)\].*/\1/' "$thp_file")

work=$(mktemp -d -p "${TMPDIR:-/tmp}")
trap 'rm -rf -- "$work"' EXIT
cd "$work"

# Whether the program can do its one thing here; says why not.
can_run() {
  case $1 in
    thp_*)
      [[ $thp != never ]] || { echo "no transparent huge pages" && return 1; }
      ;;
    hugetlb)
      local pages=/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages
      [[ -r $pages && $(<"$pages") -ge 8 ]] ||
        { echo "fewer than 8 free pages of hugetlbfs" && return 1; }
      ;;
  esac
}

for source in "$programs"/*.c; do
  name=${source##*/}
  name=${name%.c}
  if ! reason=$(can_run "$name"); then
    echo "$reason" >"$name.skipped"
    continue
  fi
  gcc -O1 -static -nostdlib -ffreestanding -fno-stack-protector -no-pie \
    -fno-pie -fcf-protection=none -Wall -Wextra -Werror -Wno-unused-function \
    -o "$name" "$source"
  "./$name" >"$name.linux" || {
    cat "$name.linux"
    echo "against_linux.sh: $name failed" >&2
    exit 1
  }
  "$tree/examples/record.sh" -o "$name.log" -- "./$name" quiet \
    >recorded 2>&1 || {
    cat recorded >&2
    exit 1
  }
  "$replay" "$thp" "$name.log".*.gz >"$name.replay" 2>"$name.error" ||
    cat "$name.error" >&2
done

python3 "$programs/compare.py" "$work" "$programs" "$tree/lib/guest/README.md" \
  "$thp" "${@:2}"
