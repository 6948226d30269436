#!/bin/bash
# Checks the format of every C++ file. With --fix formats them instead; with
# --tidy [<build dir>] also runs clang-tidy, which takes minutes, over a
# configured build (default build/ci).
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t files < <(find include lib tests bench examples \
  \( -name '*.h' -o -name '*.cc' \) | sort)

if ! command -v clang-format >/dev/null; then
  echo "format: clang-format is not installed, not checked" >&2
elif [[ ${1:-} == --fix ]]; then
  clang-format -i "${files[@]}"
else
  bad=()
  for file in "${files[@]}"; do
    clang-format "$file" | cmp -s - "$file" || bad+=("$file")
  done
  if ((${#bad[@]} > 0)); then
    printf 'not formatted: %s\n' "${bad[@]}" >&2
    echo "tests/lint.sh --fix formats them" >&2
    exit 1
  fi
  echo "format: ${#files[@]} files"
fi

# A line of a comment that holds one word, between others, was cut off from the
# line before when something reflowed a picture or a list.
stray=$(awk 'FNR == 1 { full = word = 0 }
  word && /^ *\/\/ +[^ ]/ { print FILENAME ":" FNR - 1 ": a word alone" }
  { word = full && /^ *\/\/ ? ? ?[a-z]+,?$/
    full = /^ *\/\/ / && length($0) > 70 }' "${files[@]}")
if [[ -n $stray ]]; then
  echo "$stray" >&2
  exit 1
fi

if [[ ${1:-} == --tidy ]]; then
  printf '%s\n' "${files[@]}" | grep '\.cc$' | grep -v '/consumer/' |
    xargs -P "$(nproc)" -n 4 clang-tidy -p "${2:-build/ci}" --quiet
fi
