#!/bin/bash
# Builds and tests xmmu, from a fresh Debian 12 on.
#
#   tests/run.sh         the build with warnings as errors, and all suites but
#                        the longer part of the longest
#   tests/run.sh --all   every suite in whole, then the core suites under the
#                        sanitizers, simulations side by side under that for
#                        threads, the fuzzers and benchmarks for a moment, the
#                        package, and the format
#
# Says what it does and when; ends with "all checks passed" or not at all.
set -euo pipefail
cd "$(dirname "$0")/.."
source examples/setup.sh

all=false
if [[ $# == 1 && $1 == --all ]]; then
  all=true
elif (($# > 0)); then
  echo "tests/run.sh: no argument, or --all; got: $*" >&2
  exit 2
fi

step() { printf '\n== %s (at %d s)\n' "$*" "$SECONDS"; }
jobs=$(nproc)

if $all; then
  echo "On two cores this takes about 35 minutes."
else
  echo "On two cores this takes about 9 minutes; with --all, 35."
fi

step packages
require_packages "${build_packages[@]}" "${optional_packages[@]}" \
  "${record_packages[@]}" "${python_packages[@]}" python3 gcc-multilib
if $all; then
  require_packages clang clang-format libclang-rt-14-dev libbenchmark-dev \
    chromium-headless-shell fonts-dejavu-core mypy
fi

step "build, warnings as errors"
cmake --preset ci -DXMMU_BUILD_BENCH=$($all && echo ON || echo OFF)
cmake --build --preset ci -j "$jobs"

step tests
if $all; then
  # Samples of traces that may not be copied, where they are.
  if [[ -z ${XMMU_TRACE_SAMPLES:-} && -d ../shared/trace-samples ]]; then
    export XMMU_TRACE_SAMPLES=$PWD/../shared/trace-samples
  fi
  XMMU_TREE_SEEDS=100 ctest --preset ci -j "$jobs"
else
  ctest --preset ci -j "$jobs" -LE long
fi

if $all; then
  step "build with address and undefined-behaviour sanitizers"
  cmake --preset fuzz
  cmake --build --preset fuzz -j "$jobs"

  step "core tests under the sanitizers"
  ctest --preset fuzz -j "$jobs"

  step "simulations side by side under the thread sanitizer"
  cmake --preset tsan
  cmake --build --preset tsan -j "$jobs"
  ctest --preset tsan

  step "fuzzers, a moment each"
  # fuzz <target> <runs> <longest input> [<corpus>]: what it finds goes into the
  # first directory named.
  fuzz() {
    mkdir -p "build/fuzz/found/$1"
    "build/fuzz/tests/fuzz/$1" -seed=1 -runs="$2" -max_len="$3" \
      "build/fuzz/found/$1" "${@:4}" 2>&1 | tail -n 5
  }
  export -f fuzz
  xargs -P "$jobs" -L 1 bash -euo pipefail -c 'fuzz "$@"' fuzz <<'END'
guest_fuzz 1000 1000 tests/fuzz/corpus
conformance_fuzz 300 400 tests/fuzz/corpus_conformance
tree_fuzz 100 2000
linux_text_fuzz 2000 4000 tests/fuzz/corpus_linux_text
drmemtrace_fuzz 2000 2000 tests/fuzz/corpus_drmemtrace
packed_fuzz 20000 1000 tests/fuzz/corpus_packed
lackey_fuzz 5000 4000 tests/fuzz/corpus_lackey
END

  step "benchmarks, a moment each"
  for bench in build/ci/bench/*_bench; do
    echo "-- ${bench##*/}"
    "$bench" --benchmark_min_time=0.01
  done

  step format
  tests/lint.sh
fi

step "all checks passed"
