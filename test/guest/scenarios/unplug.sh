#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Disks behind root ports: they are where the environment says, and one is taken away. None of our programs: this is
# the ground that scenarios about removal stand on.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

# block_device BDF BYTES: the kernel's driver is there, with a disk of that size.
block_device() {
  cat /sys/bus/pci/devices/"$1"/virtio*/block/vd*/size && [ "$(cat /sys/bus/pci/devices/"$1"/virtio*/block/vd*/size)" -eq $(($2 / 512)) ]
}

both_are_in_place() {
  load_modules virtio_pci virtio_blk && wait_for 10 block_device "$DISK0_BDF" "$DISK0_BYTES" &&
    wait_for 10 block_device "$DISK1_BDF" "$DISK1_BYTES"
}

is_gone() {
  [ ! -e "/sys/bus/pci/devices/$DISK0_BDF" ] && [ "$(echo /sys/class/block/vd*)" = /sys/class/block/vdb ]
}

check "each disk is where its address says" both_are_in_place
say "UNPLUG ME"
check "the first disk goes away" wait_for 25 is_gone
check "the second stays" block_device "$DISK1_BDF" "$DISK1_BYTES"
