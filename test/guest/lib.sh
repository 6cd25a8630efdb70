#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Guests for the tests: everything that test/guest/run.sh, test/setup.sh and the examples need to boot a Debian
# kernel in QEMU with virtio disks and run a script in it. Sourced, never run. In order of use:
#
#   kernel.sh     fetch_kernel                       Debian's kernel, unpacked and ready for a fast boot
#   initramfs.sh  make_base_image, make_overlay      what the guest's memory file system holds
#   disks.sh      make_pattern_disk, ...             disk images
#   boot.sh       boot_guest MACHINE SCRIPT ...      one guest from power-on to power-off
#
# Environment: VIO_BUILD (build folder, default <repo>/build) and VIO_GUEST_CACHE (kernel and images, default
# <repo>/build/guest).

GUEST_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO_DIR=$(cd "$GUEST_DIR/../.." && pwd)
: "${VIO_BUILD:=$REPO_DIR/build}"
: "${VIO_GUEST_CACHE:=$REPO_DIR/build/guest}"
# shellcheck disable=SC2034 # for run.sh
GUEST_MACHINES=(q35 microvm-v1 microvm-v2)

# Debian keeps these out of an ordinary user's PATH.
PATH=$PATH:/usr/sbin:/sbin

guest_error() {
  echo "guest: $*" >&2
}

# with_cache_lock COMMAND...: two test runs in one tree must not build the same cache file at once.
with_cache_lock() {
  mkdir -p "$VIO_GUEST_CACHE" || return
  (
    flock 9
    "$@"
  ) 9>"$VIO_GUEST_CACHE/.lock"
}

# shellcheck source=kernel.sh
. "$GUEST_DIR/kernel.sh"
# shellcheck source=initramfs.sh
. "$GUEST_DIR/initramfs.sh"
# shellcheck source=disks.sh
. "$GUEST_DIR/disks.sh"
# shellcheck source=boot.sh
. "$GUEST_DIR/boot.sh"
