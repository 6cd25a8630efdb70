#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The guest itself, without any program of ours: when this fails, look no further.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

huge_pages_can_be_reserved() {
  echo 4 >/proc/sys/vm/nr_hugepages
  [ "$(cat /proc/sys/vm/nr_hugepages)" -eq 4 ]
  echo 0 >/proc/sys/vm/nr_hugepages
}

register_reads() {
  local value
  value=$(devmem $((DISK0_SMEM + $1)) 32)
  echo "register $1 reads $value, expected $2"
  [ $((value)) -eq $(($2)) ]
}

pci_identity() {
  grep . "/sys/bus/pci/devices/$DISK0_BDF/vendor" "/sys/bus/pci/devices/$DISK0_BDF/device"
  [ "$(cat "/sys/bus/pci/devices/$DISK0_BDF/vendor")" = 0x1af4 ] &&
    [ "$(cat "/sys/bus/pci/devices/$DISK0_BDF/device")" = 0x1042 ]
}

no_driver_is_bound() {
  if [ "$MACHINE" = q35 ]; then
    [ ! -e "/sys/bus/pci/devices/$DISK0_BDF/driver" ]
  else
    ! ls /sys/bus/platform/drivers/virtio-mmio
  fi
}

sleep_takes_its_time() {
  local start end
  start=$(uptime_ms)
  sleep 1
  end=$(uptime_ms)
  echo "slept from $start ms to $end ms"
  [ $((end - start)) -ge 990 ] && [ $((end - start)) -lt 5000 ]
}

ext4_on_a_loop_device() {
  truncate -s 16M /tmp/ext4.img &&
    mkfs.ext4 -q -F /tmp/ext4.img &&
    mount -o loop /tmp/ext4.img /mnt &&
    pattern 0 2000 >/mnt/pattern &&
    umount /mnt &&
    e2fsck -fn /tmp/ext4.img &&
    mount -o loop,ro /tmp/ext4.img /mnt &&
    pattern 0 2000 | cmp - /mnt/pattern &&
    umount /mnt
}

kernel_driver_reads_the_pattern() {
  wait_for 10 test -b /dev/vda && pattern 0 64 >/tmp/want &&
    dd if=/dev/vda of=/tmp/got bs=4k count=8 iflag=direct && cmp /tmp/want /tmp/got
}

check "timers work" sleep_takes_its_time
check "huge pages can be reserved" huge_pages_can_be_reserved
if [ "$MACHINE" = q35 ]; then
  check "the disk is a modern virtio PCI device" pci_identity
else
  check "the disk's registers hold the magic" register_reads 0 0x74726976
  check "the disk's register version is ${MACHINE#*-v}" register_reads 4 "${MACHINE#*-v}"
  check "the disk is a block device" register_reads 8 2
  check "the slot after it is empty" register_reads 0x208 0
fi
check "no kernel driver holds the disk" no_driver_is_bound
check "modules load" load_modules fuse loop ext4 crc32c_generic qnx6
check "ext4 on a loop device" ext4_on_a_loop_device
check "the kernel's driver can be loaded" load_modules virtio_pci virtio_mmio virtio_blk
check "the kernel's driver reads the pattern" kernel_driver_reads_the_pattern
