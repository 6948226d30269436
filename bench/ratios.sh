#!/bin/sh
# Measures translation and replay beside their floors (footprint_bench.cc,
# replay_bench.cc) and prints JSON: of each benchmark the least and the median of
# 7 rounds, ours and the floor's in turns, in ns of CPU time; and of those that
# have a goal whether it holds. A quiet machine takes less than 4 minutes.
#
#   bench/ratios.sh                 this tree
#   bench/ratios.sh --commit=REV    another commit, with this tree's benchmarks
#   bench/ratios.sh --table=REV     a table of both: before (REV) and after
#   bench/ratios.sh --table=FILE    the same; FILE is what --commit has printed
#
# --filter=REGEX measures some benchmarks alone; --quick measures 3 short rounds
# without 8 GiB, which is good to try this out and for no verdict. Builds are below
# build/ratios, as Release.
set -eu
cd "$(dirname "$0")/.."
commit=
table=
filter=.
rounds=7
full=XMMU_BENCH_FULL=1  # for env
for argument; do
  case $argument in
    --commit=*) commit=${argument#*=} ;;
    --table=*) table=${argument#*=} ;;
    --filter=*) filter=${argument#*=} ;;
    --quick) rounds=3 full="-u XMMU_BENCH_FULL" ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# build SOURCE BUILD
build() {
  cmake -S "$1" -B "$2" -DCMAKE_BUILD_TYPE=Release -DXMMU_BUILD_TESTS=OFF \
    -DXMMU_BUILD_EXAMPLES=OFF >&2
  cmake --build "$2" --parallel -t xmmu_footprint_bench xmmu_replay_bench >&2
}

# build_commit REV: into build/ratios/REV
build_commit() {
  rm -rf "build/ratios/$1-source"
  mkdir -p "build/ratios/$1-source"
  git archive "$1" | tar -x -C "build/ratios/$1-source"
  cp bench/*.cc bench/*.h bench/CMakeLists.txt "build/ratios/$1-source/bench/"
  build "build/ratios/$1-source" "build/ratios/$1"
}

# measure BUILD
measure() {
  for bench in footprint replay; do
    env $full "$1/bench/xmmu_${bench}_bench" \
      --benchmark_filter="$filter" --benchmark_out_format=json \
      --benchmark_out="$scratch/$bench.json" >&2
  done
  python3 bench/ratios.py report "$rounds" "$scratch/footprint.json" \
    "$scratch/replay.json"
}

if [ -n "$commit" ]; then
  build_commit "$commit"
  measure "build/ratios/$commit"
  exit
fi
build . build/ratios/this
if [ -z "$table" ]; then
  measure build/ratios/this
  exit
fi
before=$table
if [ ! -f "$table" ]; then
  build_commit "$table"
  before=$scratch/before.json
  measure "build/ratios/$table" > "$before"
fi
measure build/ratios/this > "$scratch/after.json"
python3 bench/ratios.py table "$before" "$scratch/after.json"
