#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC3043 # dash has local
#
# Disks that nobody gave an address of: by device tree on Arm, by ACPI on microvm; and machines without such disks.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

case $MACHINE in
  arm64-*) found_in="device tree" ;;
  *) found_in=ACPI ;;
esac

size_is() {
  [ "$(stat -L -c %s "$1")" -eq "$2" ]
}

all_disks() {
  devb-virtio virtio fdt >/tmp/out 2>&1
  local status=$?
  cat /tmp/out
  [ $status -eq 0 ] &&
    grep -q "^virtio $DISK0_OPTIONS    # .*, $found_in\$" /tmp/out &&
    grep -q "^virtio $DISK1_OPTIONS    # .*, $found_in\$" /tmp/out &&
    [ "$(grep -c '^virtio ' /tmp/out)" -eq 2 ] &&
    [ "$(echo /dev/hd*)" = "/dev/hd0 /dev/hd1" ] &&
    size_is /dev/hd0 "$DISK0_BYTES" && size_is /dev/hd1 "$DISK1_BYTES" &&
    pattern 100 64 >/tmp/want &&
    dd if=/dev/hd1 bs=512 skip=100 count=64 of=/tmp/got status=none && cmp /tmp/want /tmp/got &&
    devb-virtio --list | tee /tmp/list && [ "$(grep -c ' devb-virtio  ' /tmp/list)" -eq 2 ] &&
    stop && nothing_is_left
}

the_printed_line_works() {
  local words
  devb-virtio virtio fdt=1 >/tmp/out && stop || return
  words=$(sed -n 's/^\(virtio [^ ]*\)  *#.*/\1/p' /tmp/out)
  [ "$words" = "virtio $DISK1_OPTIONS" ] || return
  # shellcheck disable=SC2086 # two words
  devb-virtio $words && size_is /dev/hd0 "$DISK1_BYTES" && stop
}

one_disk() {
  devb-virtio virtio fdt=0 cam quiet >/tmp/out && [ ! -s /tmp/out ] &&
    size_is /dev/hd0 "$DISK0_BYTES" && [ ! -e /dev/hd1 ] && stop
}

options_apply_to_all() {
  exits 0 "queue of 64" devb-virtio virtio fdt,qsize=64 && [ -e /dev/hd1 ] && stop
}

examples_know_it() {
  pattern 0 $((DISK1_BYTES / 512)) >/tmp/want
  vio-cat fdt=1 >/tmp/got && cmp /tmp/want /tmp/got &&
    exits 1 "'fdt' means 2 devices here: choose one of fdt=0 to fdt=1" vio-cat fdt
}

beyond_the_last() {
  exits 1 'fdt=2 was asked for, and .* declares? 2 VirtIO block devices' devb-virtio virtio fdt=2 && nothing_is_left
}

meant_twice() {
  exits 1 "two 'virtio' groups mean the device at smem=$DISK1_SMEM" devb-virtio virtio fdt virtio fdt=1 &&
    nothing_is_left
}

no_option() {
  exits 1 "no VirtIO block device was found on the PCI bus, but 2 in (the )?$found_in, .*$DISK0_OPTIONS.*virtio fdt'" \
    devb-virtio && nothing_is_left
}

in_the_list() {
  devb-virtio --list | tee /tmp/list
  grep -Eq "block +$found_in +- +devb-virtio virtio $DISK0_OPTIONS\$" /tmp/list &&
    grep -Eq "block +$found_in +- +devb-virtio virtio $DISK1_OPTIONS\$" /tmp/list &&
    grep -Eq "entropy +$found_in +- +-\$" /tmp/list && ! grep -q unknown /tmp/list
}

# Names and the way to know more; no crash, and nothing that is guessed.
in_the_list_of_a_user() {
  setpriv --reuid 65534 --regid 65534 --clear-groups devb-virtio --list >/tmp/list 2>&1 || return
  cat /tmp/list
  grep -Eq "unknown +$found_in" /tmp/list && grep -q 'for root only' /tmp/list &&
    ! grep -q 'devb-virtio virtio' /tmp/list
}

a_file_that_is_no_blob() {
  exits 1 '/etc/fstab is no device tree blob' devb-virtio virtio fdt=/etc/fstab &&
    exits 1 '/nowhere cannot be read \(No such file' devb-virtio virtio fdt=/nowhere:1 &&
    nothing_is_left
}

blobs() {
  cat /sys/firmware/fdt >/tmp/board.dtb &&
    (cd /tmp && devb-virtio virtio fdt=board.dtb:1) && size_is /dev/hd0 "$DISK1_BYTES" && stop &&
    head -c 3000 /tmp/board.dtb >/tmp/cut.dtb &&
    exits 1 '/tmp/cut.dtb is a malformed device tree blob' devb-virtio virtio fdt=/tmp/cut.dtb &&
    exits 1 'fdt=9 was asked for, and /tmp/board.dtb declares 2' devb-virtio virtio fdt=/tmp/board.dtb:9 &&
    nothing_is_left
}

all_of_a_blob() {
  devb-virtio virtio fdt=/tmp/board.dtb && size_is /dev/hd1 "$DISK1_BYTES" && stop
}

kernel_has_it() {
  load_modules virtio_mmio virtio_blk && wait_for 10 test -b /dev/vdb
}

held_by_the_kernel() {
  devb-virtio --list | tee /tmp/list
  grep -Eq "block +$found_in +virtio-mmio +devb-virtio virtio $DISK0_OPTIONS,takeover\$" /tmp/list &&
    grep -Eq "entropy +$found_in +virtio-mmio +-\$" /tmp/list &&
    exits 1 "is held by the kernel driver virtio-mmio" devb-virtio virtio fdt
}

# The class is in sysfs for everybody.
held_by_the_kernel_for_a_user() {
  setpriv --reuid 65534 --regid 65534 --clear-groups devb-virtio --list | tee /tmp/list
  [ "$(grep -Ec "block +$found_in +virtio-mmio" /tmp/list)" -eq 2 ]
}

# Each of them, so that nobody keeps the page.
the_kernel_lets_go() {
  local device
  for device in /sys/bus/platform/drivers/virtio-mmio/*/; do
    device=$(basename "$device")
    [ "$device" = module ] || echo "$device" >/sys/bus/platform/drivers/virtio-mmio/unbind || return
  done
  all_disks
}

nothing_declared() {
  case $MACHINE in
    arm64-*) exits 1 'declares 32 VirtIO slots and none holds a VirtIO block device: 32 empty' devb-virtio virtio fdt ;;
    *) exits 1 'declares no VirtIO device: look with .*--list' devb-virtio virtio fdt ;;
  esac && nothing_is_left
}

pci_in_the_list() {
  devb-virtio --list | tee /tmp/list
  grep -Eq "^$DISK0_BDF +block +PCI 1af4:10.. +- +devb-virtio virtio pci=0\$" /tmp/list &&
    grep -Eq "^$DISK1_BDF +block .* devb-virtio virtio pci=1\$" /tmp/list
}

load_modules fuse
check "a file that is no device tree" a_file_that_is_no_blob
case $MACHINE in
  q35* | arm64-pci* | arm64-iommu*)
    check "a machine that declares no disk says so" nothing_declared
    check "PCI functions are in the list" pci_in_the_list
    exit
    ;;
esac
check "--list shows what is declared, and how to start on it" in_the_list
check "--list for an ordinary user" in_the_list_of_a_user
check "without options: the advice" no_option
check -t 60 "fdt is all block devices" all_disks
check "fdt=0 is the first" one_disk
check "the printed line works, of fdt=1" the_printed_line_works
check "the group's options apply to all disks" options_apply_to_all
check -t 60 "vio-cat fdt=1" examples_know_it
check "fdt=2 is one too many" beyond_the_last
check "one disk meant twice" meant_twice
if [ -e /sys/firmware/fdt ]; then
  check "device tree blobs: one of a good one, a cut one" blobs
  check "device tree blobs: all of one" all_of_a_blob
else
  note "no blobs are tried: this machine has none in /sys/firmware/fdt"
fi
check "the kernel's driver takes the devices" kernel_has_it
check "a disk that the kernel's driver holds" held_by_the_kernel
check "--list for an ordinary user, of what the kernel's driver holds" held_by_the_kernel_for_a_user
check -t 60 "fdt after the kernel's driver" the_kernel_lets_go
