#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC3043 # dash has local
#
# Everything that a user can get wrong, and a device that answers too late: one sentence each, the right exit
# status, nothing left behind.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

# refuses STATUS REGEX OPTION...: one line on standard error, that status, nothing left.
refuses() {
  local status=$1 regex=$2
  shift 2
  exits "$status" "^devb-virtio: .*$regex" devb-virtio "$@" && nothing_is_left || return
  devb-virtio "$@" 2>&1 | grep -vc 'reserved for DMA memory' | grep -qx 1
}

usage() {
  refuses 2 "'blk'.*write 'virtio smem=0xa003c00,irq=78" blk smem=0xa003c00,irq=78 &&
    refuses 2 "irq=" virtio smem=0xfeb00400 &&
    refuses 2 "smem=" virtio irq=41 &&
    refuses 2 "pci" virtio smem=0xfeb00400,irq=26,pci=0 &&
    refuses 2 "power of two" virtio qsize=100 &&
    refuses 2 "did you mean" virtio qsiez=64 &&
    refuses 2 "" virtio smem=0xzz,irq=1
}

no_such_address() {
  refuses 1 'smem=0xfec10000.*no VirtIO device answers there.*check it against' virtio smem=0xfec10000,irq=5 &&
    refuses 1 'smem=0x1000000 is ordinary memory' virtio smem=0x1000000,irq=5 &&
    refuses 2 'multiple of 4' virtio smem=0xfeb00401,irq=5
}

empty_slot() {
  refuses 1 'an empty VirtIO slot is there.*; the slot at -?\+?[0-9]+ bytes holds a device of class 2' \
    virtio smem=0xfeb00a00,irq=29
}

not_a_disk() {
  refuses 1 'is a VirtIO entropy device \(class 4\), not a block device' virtio "$DEVICE0_OPTIONS"
}

no_such_pci_device() {
  refuses 1 'pci=7 was asked for, and the PCI bus has 2 VirtIO block devices' virtio pci=7 &&
    refuses 1 'there is no PCI function 0000:00:1e.0' virtio pci=00:1e.0 &&
    refuses 1 '0000:00:00.0 is no VirtIO device \(vendor 8086' virtio pci=0000:00:00.0
}

nothing_on_the_bus() {
  refuses 1 "no VirtIO block device was found on the PCI bus|this machine has no PCI bus"
}

hot_plug_waits() {
  devb-virtio cam pnp && pidof devb-virtio && stop && nothing_is_left
}

no_directory() {
  refuses 1 'cannot be made in /nowhere.*give a directory' virtio "$DISK0_OPTIONS" blk devdir=/nowhere
}

no_huge_pages() {
  refuses 1 'more huge pages of 2048 KiB are needed.*could spare [0-9]+' virtio "$DISK0_OPTIONS,dma=1G"
}

not_root() {
  exits 1 'run as root' setpriv --reuid 1000 --regid 1000 --clear-groups devb-virtio virtio "$DISK0_OPTIONS" && nothing_is_left
}

no_fuse() {
  refuses 1 'modprobe fuse' virtio "$DISK0_OPTIONS"
}

a_larger_queue_than_the_device_has() {
  exits 0 'warning|is used' devb-virtio virtio "$DISK0_OPTIONS,qsize=4096" cam quiet && stop
}

read_only() {
  devb-virtio virtio "$DISK0_OPTIONS" cam quiet || return
  [ "$(stat -L -c %a /dev/hd0)" = 400 ] &&
    exits 1 'Read-only file system' dd if=/dev/zero of=/dev/hd0 bs=512 count=1 conv=notrunc &&
    exits 1 'Read-only file system' dd if=/dev/zero of=/dev/hd0t131 bs=4k count=1 oflag=direct conv=notrunc &&
    pattern 34816 100 >/tmp/want && dd if=/dev/hd0t179.1 bs=512 count=100 status=none | cmp - /tmp/want &&
    stop && nothing_is_left
}

# The disk answers after 4 s, the deadline is 2: it is reset, the request fails, and the next one has its chance.
too_late() {
  devb-virtio virtio "$DISK1_OPTIONS" blk auto=none disk timeout=2 cam quiet || return
  exits 1 'Connection timed out|Input/output error' dd if=/dev/hd0 of=/tmp/got bs=4k count=1 iflag=direct || return
  stop && nothing_is_left
}

in_time() {
  devb-virtio virtio "$DISK1_OPTIONS" blk auto=none disk timeout=20 cam quiet || return
  dd if=/dev/hd0 of=/tmp/got bs=4k count=1 iflag=direct && stop && nothing_is_left
}

held_by_the_kernel() {
  load_modules virtio_pci virtio_mmio virtio_blk && wait_for 10 test -b /dev/vda || return
  exits 1 "is held by the kernel driver virtio.*free it with 'echo .* > /sys/bus/.*/unbind'" \
    devb-virtio virtio "$DISK0_OPTIONS" && nothing_is_left
}

# The command of the message, word for word.
the_advice_works() {
  local command
  command=$(devb-virtio virtio "$DISK1_OPTIONS" 2>&1 | sed "s/.*free it with '\([^']*\)'.*/\1/")
  echo "$command"
  sh -c "$command" && devb-virtio virtio "$DISK1_OPTIONS" blk auto=none cam quiet && stop && nothing_is_left
}

takeover() {
  mkdir -p /tmp/m && mkfs.ext4 -q -F -n /dev/vda >/dev/null
  devb-virtio virtio "$DISK0_OPTIONS,takeover" cam quiet && [ ! -e /dev/vda ] &&
    same_as_before && stop && nothing_is_left
}

same_as_before() {
  pattern 34816 100 >/tmp/want && dd if=/dev/hd0t179.1 bs=512 count=100 status=none | cmp - /tmp/want
}

[ "$MACHINE_BUS" = pci ] || check "nothing on the bus: one sentence" nothing_on_the_bus
[ "$MACHINE_BUS" = pci ] || check "cam pnp waits for a device" hot_plug_waits
check "wrong usage is explained, with exit status 2" usage
check "no FUSE in the kernel" no_fuse
load_modules fuse loop
check "an address where nothing answers, memory, an odd address" no_such_address
[ "$MACHINE_BUS" = pci ] || check "an empty slot" empty_slot
[ "$MACHINE_BUS" != pci ] || check "a PCI device that is not there, or not VirtIO" no_such_pci_device
check "a device of another class is left alone" not_a_disk
check "a devdir that is not there" no_directory
check "more DMA memory than there are huge pages" no_huge_pages
check "not root" not_root
check "a queue larger than the device's is clamped, with a warning" a_larger_queue_than_the_device_has
check "a read-only device: EROFS" read_only
check -t 60 "a disk that answers too late: the request fails by its deadline" too_late
check -t 60 "the same disk with a longer deadline works" in_time
check "a device that a kernel driver holds is refused with the command that frees it" held_by_the_kernel
check "that command works" the_advice_works
check "takeover frees the device by itself" takeover
