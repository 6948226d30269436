#!/bin/bash
# Builds and tests everything, from a fresh Debian 12 on: the whole suite with
# warnings as errors, the core suites under the sanitizers, the fuzzer and each
# benchmark for a moment. Says what is slow; ends with "all checks passed" or
# not at all.
set -euo pipefail
cd "$(dirname "$0")/.."
source examples/setup.sh

step() { printf '\n== %s (at %d s)\n' "$*" "$SECONDS"; }
jobs=$(nproc)

step packages
require_packages "${build_packages[@]}" python3 clang-format \
  libbenchmark-dev libgtest-dev libgmock-dev valgrind clang libclang-rt-14-dev

step format
tests/lint.sh

step "build, warnings as errors"
cmake --preset ci
cmake --build --preset ci -j "$jobs"

step tests
ctest --preset ci -j "$jobs"

step "build with address and undefined-behaviour sanitizers"
cmake --preset fuzz
cmake --build --preset fuzz -j "$jobs"

step "core tests under the sanitizers"
ctest --preset fuzz -j "$jobs"

step "fuzzers, a moment each"
# What it finds goes into the first directory named.
mkdir -p build/fuzz/found build/fuzz/found_conformance
build/fuzz/tests/fuzz/guest_fuzz -seed=1 -runs=2000 -max_len=1000 \
  build/fuzz/found tests/fuzz/corpus 2>&1 | tail -n 5
build/fuzz/tests/fuzz/conformance_fuzz -seed=1 -runs=500 -max_len=400 \
  build/fuzz/found_conformance tests/fuzz/corpus_conformance 2>&1 | tail -n 5

step "benchmarks, a moment each"
for bench in build/ci/bench/*_bench; do
  echo "-- ${bench##*/}"
  "$bench" --benchmark_min_time=0.01
done

step "all checks passed"
