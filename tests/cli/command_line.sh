# shellcheck shell=bash
# Sourced by the tests of command lines, with `xmmu`, the program, and `command`,
# an array, set: for bad input exit status 2, one line on standard error and
# nothing else.
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory" || exit 1
failures=0

fail() {
  echo "FAILED: $*" >&2
  failures=$((failures + 1))
}

# refuses <words that the message must have> <argument>...
refuses() {
  local words=$1
  shift
  timeout 60 "$xmmu" "${command[@]}" "$@" >out 2>err
  local status=$?
  ((status == 2)) || fail "$* ended with $status"
  [[ ! -s out ]] || fail "$* wrote to standard output"
  [[ $(wc -l <err) == 1 ]] || fail "$* said: $(cat err)"
  LC_ALL=C grep -q $'[\x01-\x09\x0b-\x1f\x7f]' err &&
    fail "$* said control characters: $(cat -v err)"
  grep -qF -- "$words" err || fail "$* did not say '$words': $(cat err)"
}

# accepts <argument>...
accepts() {
  "$xmmu" "${command[@]}" "$@" >out 2>err || fail "$* ended with $?: $(cat err)"
  [[ ! -s err ]] || fail "$* said: $(cat err)"
}
