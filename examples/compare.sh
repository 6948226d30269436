#!/bin/bash
# Builds xmmu and replays a recorded shell pipeline under each strategy
# of the time, with and without pinning, on a machine of the time. Works from a
# fresh Debian 12 on. Arguments, if any, go to `xmmu compare` instead:
#
#   examples/compare.sh --workload=fork:pages=1000 --policies=all
#   examples/compare.sh --help
#
# What the build says goes to standard error, the report to standard output.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/examples/setup.sh"

{
  if [[ ! -x $root/build/compare/examples/xmmu ]]; then
    echo "compare: builds xmmu in build/compare, which takes about a" \
      "minute on two cores, then runs it for some seconds"
  fi
  require_packages "${build_packages[@]}"
  cmake -S "$root" --preset compare >/dev/null
  cmake --build "$root/build/compare" --target xmmu_tool -j "$(nproc)"
} >&2

if (($# == 0)); then
  cd "$root"
  set -- examples/traces/ls-sort.xmmu --machine=xeon-2003 --levels=3 \
    --policies=all
fi
exec "$root/build/compare/examples/xmmu" compare "$@"
