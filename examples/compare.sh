#!/bin/bash
# Builds xmmu-compare and runs a recorded shell pipeline under four strategies
# on the machine of the time. Works from a fresh Debian 12 on. Arguments, if
# any, go to xmmu-compare instead: examples/compare.sh --help
set -euo pipefail
cd "$(dirname "$0")/.."
source examples/setup.sh

require_packages "${build_packages[@]}"
cmake --preset compare >/dev/null
cmake --build --preset compare -j "$(nproc)"

if (($# == 0)); then
  traces=(examples/traces/*pipeline*)
  set -- --machine=xeon-2003 --levels=3 \
    --policies=native,pinning,unpinned,trap-and-emulate "${traces[0]}"
fi
exec build/compare/examples/xmmu-compare "$@"
