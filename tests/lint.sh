#!/bin/bash
# Checks the format of every C and C++ file. With --fix formats them instead; with
# --tidy [<build dir>] also runs clang-tidy, which takes minutes, over a
# configured build (default build/ci).
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t files < <(find include lib tests bench examples \
  \( -name '*.h' -o -name '*.c' -o -name '*.cc' \) | sort)

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

# A line of a comment that holds one word and stands between others was cut off
# when something reflowed a picture or a list. The last word of a sentence before
# "Errors:", "Source:" and the like is none, nor is a word further in than the
# line before it, as pictures have them.
stray=$(awk 'FNR == 1 { depth = 0; held = "" }
  { column = match($0, /^ *\/\/ *[^ ]/) > 0 ? RLENGTH : 0
    if (held && column && !/^ *\/\/ *[A-Z][A-Za-z]*:/) print held
    alone = /^ *\/\/ *[A-Za-z\047-]+[.,;:]?$/
    held = alone && depth && column && (column == depth || column < 9) \
        ? FILENAME ":" FNR ": a word alone" : ""
    depth = column }' "${files[@]}")
if [[ -n $stray ]]; then
  echo "$stray" >&2
  exit 1
fi

if [[ ${1:-} == --tidy ]]; then
  printf '%s\n' "${files[@]}" | grep '\.cc$' | grep -v '/consumer/' |
    xargs -P "$(nproc)" -n 4 clang-tidy -p "${2:-build/ci}" --quiet
fi
