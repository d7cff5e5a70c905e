#!/usr/bin/env bash
# setup.sh - installs what plugtune is built from: Debian packages, then libtorch. Run it again at any time; once all is
# there it takes no time and needs no network.
#
#   scripts/setup.sh            what building takes
#   scripts/setup.sh --tests    and what the tests take beside it: the reference of the SDK is made of its headers
#
#   PLUGTUNE_SKIP_PACKAGES=1   leave packages to me (another distribution, or no right to install)
#   PLUGTUNE_LIBTORCH=DIR      a libtorch of my own, the folder that has lib/ and include/
#   (where libtorch is kept, and other settings: scripts/fetch_libtorch.sh)
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

packages=(
  g++ make cmake ninja-build ccache lld                                       # building
  libboost-dev libboost-filesystem-dev libboost-program-options-dev     # plugin loading (Boost.DLL), command line
  libtomlplusplus-dev nlohmann-json3-dev libfmt-dev libutf8proc-dev     # experiments, reports, messages, Unicode
  libhwy-dev                                                            # SIMD kernels chosen at run time
  libgtest-dev libgmock-dev                                             # tests
  python3 python3-pip curl ca-certificates unzip                        # finding, fetching and unpacking libtorch
)
case ${1:-} in
  '') ;;
  --tests) packages+=(doxygen) ;;
  *) fail "unknown argument '$1'; there is --tests" ;;
esac

install_packages() {
  command -v dpkg-query > /dev/null && command -v apt-get > /dev/null || fail \
    "packages are installed with apt, and this system has none; install the counterparts of: ${packages[*]}; then run PLUGTUNE_SKIP_PACKAGES=1 scripts/setup.sh"
  local present missing=() package
  present=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${packages[@]}" 2> /dev/null || true)
  for package in "${packages[@]}"; do
    grep -qxF "$package installed" <<< "$present" || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    say "all ${#packages[@]} Debian packages are installed"
    return
  fi

  local as_root=(env DEBIAN_FRONTEND=noninteractive)
  if ((EUID != 0)); then
    command -v sudo > /dev/null || fail \
      "some Debian packages are missing, and installing them needs root; ask an administrator to run: apt-get install ${missing[*]}"
    as_root=(sudo "${as_root[@]}")
  fi
  say "installing Debian packages$( ((EUID != 0)) && echo ' (sudo may ask for your password)'): ${missing[*]}"
  ((EUID == 0)) || sudo true || fail \
    "sudo did not let you in; run scripts/setup.sh in a terminal, or ask an administrator to run: apt-get install ${missing[*]}"
  # A third-party source that does not answer is no reason to stop: apt-get install decides.
  "${as_root[@]}" apt-get update -qq || say "apt-get update reported problems (above); going on with the package lists that are there"
  "${as_root[@]}" apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "${missing[@]}" < /dev/null || fail \
    "apt could not install the packages (its reason is above); check the network and the apt sources, then run scripts/setup.sh again"
}

if [[ ${PLUGTUNE_SKIP_PACKAGES:-0} == 1 ]]; then
  say "packages skipped (PLUGTUNE_SKIP_PACKAGES=1)"
else
  install_packages
fi
exec scripts/fetch_libtorch.sh
