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
  grep . "$pci/vendor" "$pci/device"
  [ "$(cat "$pci/vendor")" = 0x1af4 ] && [ "$(cat "$pci/device")" = "$1" ]
}

# How many vendor capabilities there are. Virtio's modern interface takes four, and one more.
capabilities() {
  od -An -v -tu1 -w1 "$pci/config" | awk '
    { byte[NR - 1] = $1 }
    END { for (at = byte[52]; at && n < 48; at = byte[at + 1]) { n++; if (byte[at] == 9) vendor++ } print vendor + 0 }'
}

has_modern_capabilities() {
  capabilities
  [ "$(capabilities)" -ge 4 ]
}

# BAR 0 in I/O space is the legacy interface.
has_legacy_registers() {
  head -n 1 "$pci/resource"
  [ $(($(cut -d ' ' -f 3 "$pci/resource" | head -n 1) & 0x100)) -ne 0 ]
}

no_driver_is_bound() {
  if [ "$MACHINE_BUS" = pci ]; then
    [ ! -e "$pci/driver" ]
  else
    ! ls /sys/bus/platform/drivers/virtio-mmio
  fi
}

pci_checks() {
  local pci=/sys/bus/pci/devices/$DISK0_BDF
  case $MACHINE_MODEL in
    q35-legacy | q35-transitional)
      check "the disk has the old identity" pci_identity 0x1001
      check "the disk has legacy registers" has_legacy_registers
      ;;
    *)
      check "the disk has the modern identity" pci_identity 0x1042
      check "the disk has no legacy registers" fails has_legacy_registers
      ;;
  esac
  if [ "$MACHINE_MODEL" = q35-legacy ]; then
    check "the disk has no modern capabilities" fails has_modern_capabilities
  else
    check "the disk has modern capabilities" has_modern_capabilities
  fi
  check "no kernel driver holds the disk" no_driver_is_bound
}

mmio_checks() {
  local version=2
  [ "$MACHINE_MODEL" != microvm-v1 ] || version=1
  check "the disk's registers hold the magic" register_reads 0 0x74726976
  check "the disk's register version is $version" register_reads 4 $version
  check "the disk is a block device" register_reads 8 2
  check "the slot after it is empty" register_reads 0x208 0
  check "no kernel driver holds the disk" no_driver_is_bound
}

# With a device tree the group comes into being when a driver takes the device, so there is no sooner check.
vfio_takes_the_disk() {
  local pci=/sys/bus/pci/devices/$DISK0_BDF
  echo vfio-pci >"$pci/driver_override" && echo "$DISK0_BDF" >/sys/bus/pci/drivers_probe &&
    wait_for 5 test -c "/dev/vfio/$(basename "$(readlink "$pci/iommu_group")")" &&
    echo "$DISK0_BDF" >"$pci/driver/unbind" && echo >"$pci/driver_override"
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

# Bit 33 of what the kernel's driver has agreed with the device: it goes through the IOMMU, or not.
access_platform_is() {
  cut -c 34 /sys/bus/pci/devices/"$DISK0_BDF"/virtio*/features | tee /dev/stderr | grep -qx "$1"
}

# The kernel's driver knows it from ACPI or the device tree. x86: the pin of the second I/O APIC, which has GSI 24...
irq_is_the_one_promised() {
  local number=$DISK0_IRQ irq
  [ "$MACHINE_ARCH" != amd64 ] || number=$((number - 24))
  irq=$(dirname "$(grep -l '^virtio0$' /sys/kernel/irq/*/actions)") && grep . "$irq/hwirq" "$irq/actions" &&
    [ "$(cat "$irq/hwirq")" -eq "$number" ]
}

check "timers work" sleep_takes_its_time
check "huge pages can be reserved" huge_pages_can_be_reserved
"${MACHINE_BUS}_checks"
check "modules load" load_modules fuse loop ext4 crc32c_generic qnx6 uio uio_pci_generic vfio-pci vfio_iommu_type1
case $MACHINE_MODEL in
  *-iommu) check "VFIO can take the disk" vfio_takes_the_disk ;;
esac
check "ext4 on a loop device" ext4_on_a_loop_device
if [ "$MACHINE_BUS" = pci ] && [ -d /sys/module/virtio_pci ]; then
  note "the kernel's driver does not read the pattern: Linux $MACHINE_KERNEL has virtio_pci built in, and it is kept out"
else
  check "the kernel's driver can be loaded" load_modules virtio_pci virtio_mmio virtio_blk
  check "the kernel's driver reads the pattern" kernel_driver_reads_the_pattern
  case $MACHINE_MODEL in
    *-iommu) check "the disk goes through the IOMMU" access_platform_is 1 ;;
    *) [ "$MACHINE_BUS" != pci ] || check "the disk goes through no IOMMU" access_platform_is 0 ;;
  esac
fi
[ "$MACHINE_BUS" != mmio ] || check "the disk's interrupt is the one in DISK0_IRQ" irq_is_the_one_promised
