#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Disks that the kernel's command line declares (virtio_mmio.device=), as on machines without ACPI.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

# Without ACPI "poweroff" only halts; QEMU ends on a reboot.
trap 'checks_done; sync; reboot -f' EXIT

# Without ACPI the slots' interrupts are 5 and up, not 24 and up.
options=smem=$DISK0_SMEM,irq=$((DISK0_IRQ - 24 + 5))

declared() {
  cat /proc/cmdline
  grep -q "virtio_mmio.device=512@$DISK0_SMEM:" /proc/cmdline && ! ls -d /sys/bus/platform/devices/LNRO0005:*
}

in_the_list() {
  devb-virtio --list | tee /tmp/list
  grep -Eq "^512@$DISK0_SMEM:[0-9]+ +block +command line +- +devb-virtio virtio $options\$" /tmp/list &&
    grep -Eq "entropy +command line" /tmp/list
}

found() {
  exits 0 "^virtio $options    # virtio_mmio.device=.*, command line\$" devb-virtio virtio fdt || return
  [ "$(stat -L -c %s /dev/hd0)" -eq "$DISK0_BYTES" ] && [ ! -e /dev/hd1 ] &&
    pattern 100 64 >/tmp/want &&
    dd if=/dev/hd0 bs=512 skip=100 count=64 of=/tmp/got status=none && cmp /tmp/want /tmp/got &&
    stop
}

load_modules fuse
check "the command line declares the disk, ACPI does not" declared
check "it is in the list" in_the_list
check "fdt finds it" found
