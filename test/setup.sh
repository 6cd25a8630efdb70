#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Installs what building and testing need on a Debian 12 machine:
#
#   test/setup.sh            both groups below
#   test/setup.sh build      compiler, build tools and libraries
#   test/setup.sh guest      QEMU, the tools that go into the guest, and the guest's kernel
#
# It is called at the start of every run, so it says nothing and takes no time when nothing is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

build_packages=(
  gcc libc6-dev linux-libc-dev make cmake ninja-build pkg-config
  libpciaccess-dev libfuse3-dev liburing-dev libblkid-dev check libsubunit-dev
)
# gcc: the harness measures the host's time-stamp counter with a few lines of C.
guest_packages=(
  qemu-system-x86 busybox-static cpio kmod mount util-linux fdisk e2fsprogs xz-utils gcc libc6-dev
)

fail() {
  echo "setup.sh: $*" >&2
  exit 1
}

missing_packages() {
  local -A installed=()
  local name status
  while read -r name status; do
    [[ $status == installed ]] && installed[$name]=1
  done < <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  for name in "$@"; do
    [[ -n ${installed[$name]:-} ]] || echo "$name"
  done
}

install_packages() {
  local missing log
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  ((EUID == 0)) || fail "these packages are missing: ${missing[*]}; run test/setup.sh as root to install them."
  echo "setup.sh: installing ${missing[*]}"
  log=$(mktemp)
  # A third-party source that does not answer must not stop us: what counts is whether the install works.
  apt-get -q update >"$log" 2>&1 || true
  if ! DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${missing[@]}" \
    >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install ${missing[*]}; its last lines are above."
  fi
  rm -f "$log"
}

require_debian() {
  local id=unknown name="an unknown system"
  if [[ -r /etc/os-release ]]; then
    # shellcheck source=/dev/null
    id=$(. /etc/os-release && echo "${ID:-unknown}") name=$(. /etc/os-release && echo "${PRETTY_NAME:-$id}")
  fi
  [[ $id == debian ]] || fail "this needs Debian 12 (packages and guest kernel come from it), but this is $name."
}

main() {
  local group
  (($#)) || set -- build guest
  require_debian
  for group in "$@"; do
    case $group in
      build) install_packages "${build_packages[@]}" ;;
      guest)
        install_packages "${guest_packages[@]}"
        # shellcheck source-path=SCRIPTDIR source=guest/lib.sh
        . "$here/guest/lib.sh"
        fetch_kernel || fail "the guest's kernel could not be fetched; the reason is above."
        ;;
      *)
        echo "usage: setup.sh [build] [guest]" >&2
        exit 2
        ;;
    esac
  done
}

main "$@"
