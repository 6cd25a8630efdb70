#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Installs what building and testing need on a Debian 12 machine:
#
#   test/setup.sh            the groups build and guest
#   test/setup.sh build      compiler, build tools and libraries
#   test/setup.sh guest      QEMU, the tools that go into guests, and their kernel
#   test/setup.sh vhost-user the back end, and what works on it while it is killed
#   test/setup.sh qnx6       the back end of a disk with a volume, and other ways to mount one
#   test/setup.sh fuzz       the compiler that has a fuzzer
#   test/setup.sh bench      what test/bench/run.sh compares with, and measures by
#   test/setup.sh arm64      the same for arm64: cross compiler, QEMU; libraries, tools and kernel, which are not
#                            installed but unpacked below $VIO_GUEST_CACHE (default build/guest)
#
# It is called at the start of every run, so it says nothing and takes no time when nothing is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

build_packages=(
  gcc libc6-dev linux-libc-dev make cmake ninja-build pkg-config
  libpciaccess-dev libfuse3-dev liburing-dev libblkid-dev libfdt-dev check libsubunit-dev
)
# gcc: the harness measures the host's time-stamp counter with a few lines of C. make and libelf1: kernel modules.
guest_packages=(
  qemu-system-x86 busybox-static cpio kmod mount util-linux fdisk e2fsprogs xz-utils zstd gcc libc6-dev make libelf1
)
# qemu-system-common has qemu-storage-daemon.
vhost_user_packages=(qemu-system-common fio)
# fuse3: mounts by who is not root, and by mount(8). fdisk, e2fsprogs: a disk with partitions of two kinds.
qnx6_packages=(qemu-system-common fuse3 attr fdisk mount util-linux e2fsprogs)
fuzz_packages=(clang libclang-rt-14-dev)
bench_packages=(fio gnuplot-nox libnbd-bin nbdkit valgrind qemu-system-common qemu-utils fdisk fuse3)
arm64_packages=(gcc-aarch64-linux-gnu binutils qemu-system-arm)

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

# fetch MACHINE: what its guests are made of.
fetch() {
  # shellcheck source-path=SCRIPTDIR source=guest/lib.sh
  . "$here/guest/lib.sh"
  { use_machine "$1" && prepare_machine; } || fail "what guests are made of could not be fetched; the reason is above."
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
        fetch q35
        ;;
      vhost-user) install_packages "${vhost_user_packages[@]}" ;;
      qnx6) install_packages "${qnx6_packages[@]}" ;;
      fuzz) install_packages "${fuzz_packages[@]}" ;;
      bench) install_packages "${bench_packages[@]}" ;;
      arm64)
        install_packages "${guest_packages[@]}" "${arm64_packages[@]}"
        fetch arm64-mmio
        ;;
      *)
        echo "usage: setup.sh [build] [guest] [vhost-user] [qnx6] [fuzz] [bench] [arm64]" >&2
        exit 2
        ;;
    esac
  done
}

main "$@"
