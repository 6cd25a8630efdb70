#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC3043 # dash has local
#
# What stands between a process and a function that is bound to vfio-pci: each time one sentence, and nothing left.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

unbind() {
  [ ! -e "/sys/bus/pci/devices/$1/driver" ] || echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
}

bound_to() {
  readlink "/sys/bus/pci/devices/$1/driver"
  [ "$(basename "$(readlink "/sys/bus/pci/devices/$1/driver")")" = "$2" ]
}

bind_disk() {
  unbind "$DISK0_BDF" && echo vfio-pci >"/sys/bus/pci/devices/$DISK0_BDF/driver_override" &&
    echo "$DISK0_BDF" >/sys/bus/pci/drivers_probe
  bound_to "$DISK0_BDF" vfio-pci && bound_to "$NEIGHBOUR" virtio-pci
}

# refused REGEX [COMMAND...]: COMMAND runs the daemon, as somebody else
refused() {
  local regex="$1"
  shift
  exits 1 "^devb-virtio: .*$regex" "$@" devb-virtio virtio "$DISK0_OPTIONS" cam quiet && nothing_is_left
}

# Only one process may have a group open.
held_by_another() (
  exec 5<>"$group" && refused "$group is in use, by this or another process"
)

without_container() {
  local status
  mv /dev/vfio/vfio /dev/vfio/moved || return
  refused "/dev/vfio/vfio cannot be opened .*'modprobe -a vfio_iommu_type1 vfio-pci'"
  status=$?
  mv /dev/vfio/moved /dev/vfio/vfio
  return $status
}

not_root() {
  chown 1000 "$group" &&
    refused "mounts its volumes: run as root, also where you may open the device's own files" \
      setpriv --reuid 1000 --regid 1000 --clear-groups
}

works_after_all() {
  devb-virtio virtio "$DISK0_OPTIONS" cam verbose >/tmp/log 2>&1 || return
  cat /tmp/log
  grep -E 'DMA memory at I/O address 0x200000$' /tmp/log &&
    pattern 0 200 >/tmp/pattern && dd if=/dev/hd0 bs=512 count=200 iflag=direct status=none | cmp - /tmp/pattern && stop &&
    nothing_is_left
}

load_modules fuse virtio_pci vfio-pci
echo /bin/false >/proc/sys/kernel/modprobe # or VFIO loads what we want to miss
group=/dev/vfio/$(basename "$(readlink "/sys/bus/pci/devices/$DISK0_BDF/iommu_group")")

check "the disk is VFIO's, its neighbour in group $group the kernel's" bind_disk
check "a group that is not viable: who is in the way, and what to do" \
  refused "IOMMU group ${group##*/} is not viable: $NEIGHBOUR, held by the kernel driver virtio-pci, .*bind every function"
unbind "$NEIGHBOUR"
check "VFIO without the IOMMU's part" refused "VFIO offers no IOMMU of type 1 .*modprobe vfio_iommu_type1"
load_modules vfio_iommu_type1
check "a group that another process has" held_by_another
check "VFIO without its container" without_container
check "a user who may open the group, and cannot mount" not_root
check "and then it works" works_after_all
