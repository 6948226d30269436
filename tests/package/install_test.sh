#!/bin/bash
# Installs a build tree to a temporary prefix, moves it, and uses it from a
# project outside the source tree, through find_package and through pkg-config.
# Usage: install_test.sh <cmake> <generator> <build dir> <consumer dir> <c++>
set -euo pipefail
cmake=$1 generator=$2 build=$3 consumer=$4 cxx=$5

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

"$cmake" --install "$build" --prefix "$tmp/first" >/dev/null
mv "$tmp/first" "$tmp/prefix"

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
