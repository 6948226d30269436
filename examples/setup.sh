# shellcheck shell=bash disable=SC2034
# Sourced by the scripts that build: installs what a fresh Debian 12 lacks.
#
#   require_packages <package>...
#
# Looks first, so that nothing is asked of the network or of root when all the
# packages are there.

# What the library, its test support, its programs and its examples need to
# build.
build_packages=(
  cmake ninja-build g++ pkg-config
  libabsl-dev libboost-container-dev libcli11-dev libtomlplusplus-dev
  nlohmann-json3-dev zlib1g-dev libarchive-dev libzstd-dev libgtest-dev libgmock-dev
  libjs-chart.js
)

# What `xmmu record` runs programs with; Valgrind for --with=lackey.
record_packages=(qemu-user valgrind)

# What the build uses where it is there: manual pages, the API reference, and the
# Python module.
optional_packages=(help2man doxygen pybind11-dev python3-dev)

# What examples/figure.py needs beside that module.
python_packages=(python3-numpy python3-pandas python3-matplotlib)

require_packages() {
  if ! command -v dpkg-query >/dev/null; then
    echo "setup: not a Debian system, expecting to find: $*" >&2
    return 0
  fi
  local package missing=()
  for package in "$@"; do
    # One word per architecture, "installed" or a state that is of no use.
    if [[ " $(dpkg-query -W -f='${db:Status-Status} ' "$package" 2>/dev/null)" \
      != *" installed "* ]]; then
      missing+=("$package")
    fi
  done
  if ((${#missing[@]} == 0)); then
    return 0
  fi

  local as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      echo "setup: these packages are missing: ${missing[*]}" >&2
      echo "setup: run this as root, or install sudo, or run as root:" >&2
      echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]}"
  # env, because sudo drops the variable.
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y \
      --no-install-recommends "${missing[@]}"
}
