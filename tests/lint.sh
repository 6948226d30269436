#!/bin/bash
# Checks the format of every C++ file; with --tidy [<build dir>] also runs
# clang-tidy, which takes minutes, over a configured build (default build/ci).
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t files < <(
  find include lib tests bench examples -name '*.h' -o -name '*.cc' | sort)
if command -v clang-format >/dev/null; then
  clang-format --dry-run -Werror "${files[@]}"
  echo "format: ${#files[@]} files"
else
  echo "format: clang-format is not installed, not checked" >&2
fi

if [[ ${1:-} == --tidy ]]; then
  build=${2:-build/ci}
  printf '%s\n' "${files[@]}" | grep '\.cc$' | grep -v '/consumer/' |
    xargs -P "$(nproc)" -n 4 clang-tidy -p "$build" --quiet
fi
