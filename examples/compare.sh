#!/bin/bash
# Builds xmmu-compare and runs a recorded shell pipeline under each strategy of
# the time, with and without pinning, on a machine of the time. Works from a fresh Debian 12 on. Arguments, if
# any, go to xmmu-compare instead: examples/compare.sh --help
set -euo pipefail
cd "$(dirname "$0")/.."
source examples/setup.sh

require_packages "${build_packages[@]}"
cmake --preset compare >/dev/null
cmake --build --preset compare -j "$(nproc)"

if (($# == 0)); then
  set -- examples/traces/ls-sort.*.gz --machine=xeon-2003 --levels=3 \
    --policies=native,pinning,trap-and-emulate
fi
exec build/compare/examples/xmmu-compare "$@"
