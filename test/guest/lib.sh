#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Guests for the tests: everything that test/guest/run.sh, test/setup.sh and the examples need to boot a Debian
# kernel in QEMU with virtio disks and run a script in it. Sourced, never run. In order of use:
#
#   machines.sh   use_machine MACHINE                which machine and kernel the functions below are about
#   debian.sh     debian_download, ...               Debian's packages, without installing them
#   kernel.sh     fetch_kernel                       Debian's kernel, unpacked and ready for a fast boot
#   qemu.sh       fetch_newer_qemu                   a newer one than Debian 12's
#   foreign.sh    fetch_foreign_root                 the same for arm64's libraries and tools
#   initramfs.sh  make_base_image, make_overlay      what the guest's memory file system holds
#   modules.sh    build_kernel_module MACHINE FOLDER a kernel module of ours
#   disks.sh      make_pattern_disk, ...             disk images
#   boot.sh       boot_guest MACHINE SCRIPT ...      one guest from power-on to power-off
#
# Environment: VIO_BUILD (build folder, default <repo>/build; arm64's is its sibling with "-arm64") and
# VIO_GUEST_CACHE (default <repo>/build/guest): a folder kernel-VERSION-ARCH for each kernel, with its modules, base
# image and headers; root-arm64 (foreign.sh); qemu-newer (qemu.sh); apt (debian.sh); runs.

GUEST_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO_DIR=$(cd "$GUEST_DIR/../.." && pwd)
: "${VIO_BUILD:=$REPO_DIR/build}"
VIO_GUEST_CACHE=$(realpath -m "${VIO_GUEST_CACHE:-$REPO_DIR/build/guest}")

# Debian keeps these out of an ordinary user's PATH.
PATH=$PATH:/usr/sbin:/sbin

guest_error() {
  echo "guest: $*" >&2
}

# with_cache_lock COMMAND...: two test runs in one tree must not build the same cache file at once.
with_cache_lock() {
  mkdir -p "$VIO_GUEST_CACHE" || return
  (
    flock -w 1800 9 || {
      guest_error "another test run has been filling $VIO_GUEST_CACHE for half an hour: see who holds its .lock (fuser)"
      exit 1
    }
    "$@"
  ) 9>"$VIO_GUEST_CACHE/.lock"
}

# shellcheck source=machines.sh
. "$GUEST_DIR/machines.sh"
# shellcheck source=debian.sh
. "$GUEST_DIR/debian.sh"
# shellcheck source=kernel.sh
. "$GUEST_DIR/kernel.sh"
# shellcheck source=qemu.sh
. "$GUEST_DIR/qemu.sh"
# shellcheck source=foreign.sh
. "$GUEST_DIR/foreign.sh"
# shellcheck source=initramfs.sh
. "$GUEST_DIR/initramfs.sh"
# shellcheck source=modules.sh
. "$GUEST_DIR/modules.sh"
# shellcheck source=disks.sh
. "$GUEST_DIR/disks.sh"
# shellcheck source=boot.sh
. "$GUEST_DIR/boot.sh"

use_machine q35
