#!/bin/bash
# Installs a build tree to a temporary prefix, moves it, and uses it: the
# programs, and from a project outside the source tree the library and its test
# support, through find_package and through pkg-config. Before that, a tree in
# which nothing is built yet: it is to be built in full, or nothing installed.
# Usage: install_test.sh <cmake> <generator> <build dir> <consumer dir> <c++>
set -euo pipefail
cmake=$1 generator=$2 build=$3 consumer=$4 cxx=$5
source=$(cd "$(dirname "$0")/../.." && pwd)
commands=(compare crossover shadows grid published record list)

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

fail() {
  echo "FAIL: $*" >&2
  exit 1
}

echo "== a tree where nothing is built"
# Each compilation fails, and so does the installation then.
"$cmake" -S "$source" -B "$tmp/fresh" -G "$generator" \
  -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_CXX_COMPILER_LAUNCHER=false \
  -DXMMU_BUILD_TESTS=OFF -DXMMU_BUILD_BENCH=OFF >/dev/null
"$cmake" --build "$tmp/fresh" --target xmmu_installed -- -n >"$tmp/to_do"
for made in examples/xmmu libxmmu_testing.a; do
  grep -q "$made" "$tmp/to_do" || fail "an installation would not build $made"
done
if "$cmake" --install "$tmp/fresh" --prefix "$tmp/none" &>"$tmp/log"; then
  fail "installed what could not be built"
fi
grep -q 'Building what is to be installed' "$tmp/log" || fail "says not why"
[[ ! -e $tmp/none ]] || fail "half an installation"

"$cmake" --install "$build" --prefix "$tmp/first" >/dev/null
mv "$tmp/first" "$tmp/prefix"

echo "== programs"
"$tmp/prefix/bin/xmmu" --version >/dev/null || fail "xmmu does not run"
for command in "${commands[@]}"; do
  "$tmp/prefix/bin/xmmu" "$command" --help >/dev/null ||
    fail "xmmu $command does not run"
  ! command -v help2man >/dev/null ||
    grep -q "^.B xmmu" "$tmp/prefix/share/man/man1/xmmu-$command.1" ||
    fail "no manual page of xmmu $command"
done
"$tmp/prefix/bin/xmmu-record" --help | grep -q PREFIX || fail "no xmmu-record"
if command -v qemu-x86_64 >/dev/null; then
  (cd "$tmp" && PATH=$tmp/prefix/bin:$PATH xmmu record -o whole.xmmu -- true)
  "$tmp/prefix/bin/xmmu" compare "$tmp/whole.xmmu" --levels=4 --policies=native
fi
if command -v valgrind >/dev/null; then
  ln -s "$tmp/prefix/bin/xmmu-record" "$tmp/link"
  "$tmp/link" -o "$tmp/trace" -- true
  "$tmp/prefix/bin/xmmu" compare "$tmp"/trace.*.gz --policies=native
fi

module=$(find "$tmp/prefix" -name '_xmmu*.so')
if [[ -n $module ]]; then
  echo "== Python"
  PYTHONPATH=$(dirname "${module%/*}") /usr/bin/python3 -c \
    'import xmmu; assert xmmu.compare("fork:pages=8")["cycles"]' ||
    fail "import xmmu does not work"
fi

echo "== find_package"
"$cmake" -S "$consumer" -B "$tmp/build" -G "$generator" \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$cxx" \
  -DCMAKE_PREFIX_PATH="$tmp/prefix" >/dev/null
"$cmake" --build "$tmp/build"
"$tmp/build/consumer" | tee "$tmp/by_cmake"
"$tmp/build/consumer_test"

echo "== pkg-config"
pc=$(dirname "$(find "$tmp/prefix" -name xmmu.pc)")
export PKG_CONFIG_PATH=$pc
read -ra flags <<<"$(pkg-config --cflags --libs xmmu)"
"$cxx" -std=c++20 -O1 "$consumer/main.cc" -o "$tmp/consumer" "${flags[@]}"
"$tmp/consumer" | tee "$tmp/by_pkg_config"

cmp "$tmp/by_cmake" "$tmp/by_pkg_config"
