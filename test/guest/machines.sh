#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The machines: MODEL or MODEL@KERNEL, such as microvm-v2@6.12 (without: 6.1, Debian 12's own).
#
#   use_machine MACHINE     sets MACHINE, MACHINE_MODEL, MACHINE_KERNEL, MACHINE_ARCH (amd64, arm64), MACHINE_BUS (pci,
#                           mmio) and KERNEL_DIR, for all functions here; lib.sh begins with q35
#   machine_build           prints the build folder with programs for it
#
# q35                 PCI, modern: without the legacy interface
# q35-legacy          PCI, legacy alone
# q35-transitional    PCI, both
# q35-iommu           PCI, modern, behind an Intel IOMMU: the device demands ACCESS_PLATFORM
# q35-newer-iommu     the same on a newer QEMU (qemu.sh), whose devices have in_order=on
# microvm-v1, -v2     MMIO, version 1 (legacy) and 2
# arm64-mmio          MMIO, version 2
# arm64-pci           PCI, modern
# arm64-iommu         PCI, modern, behind an SMMUv3, with ACCESS_PLATFORM

# shellcheck disable=SC2034 # for run.sh: what a scenario runs on unless it says otherwise, and all there are
GUEST_MACHINES=(q35 microvm-v1 microvm-v2)
GUEST_MODELS=(
  q35 q35-legacy q35-transitional q35-iommu q35-newer-iommu microvm-v1 microvm-v2 arm64-mmio arm64-pci arm64-iommu
)
GUEST_KERNELS=(6.1 6.12)

is_machine() {
  local kernel=${1#*@}
  [[ $1 == *@* ]] || kernel=${GUEST_KERNELS[0]}
  [[ " ${GUEST_MODELS[*]} " == *" ${1%%@*} "* && " ${GUEST_KERNELS[*]} " == *" $kernel "* ]]
}

# shellcheck disable=SC2034 # read everywhere
use_machine() {
  is_machine "$1" || {
    guest_error "no machine '$1'; there are ${GUEST_MODELS[*]}, each also with a kernel: ${GUEST_KERNELS[*]/#/q35@}"
    return 1
  }
  MACHINE=$1
  MACHINE_MODEL=${1%%@*}
  MACHINE_KERNEL=${GUEST_KERNELS[0]}
  [[ $1 != *@* ]] || MACHINE_KERNEL=${1#*@}
  MACHINE_ARCH=amd64
  MACHINE_BUS=pci
  [[ $MACHINE_MODEL != arm64-* ]] || MACHINE_ARCH=arm64
  [[ $MACHINE_MODEL != @(microvm-*|*-mmio) ]] || MACHINE_BUS=mmio
  KERNEL_DIR=$VIO_GUEST_CACHE/kernel-$MACHINE_KERNEL-$MACHINE_ARCH
}

machine_build() {
  case $MACHINE_ARCH in
    amd64) echo "$VIO_BUILD" ;;
    *) echo "$VIO_BUILD-$MACHINE_ARCH" ;;
  esac
}

# machine_qemu CPUS: QEMU and its arguments for the machine itself, one a line. CPUS may be empty.
# rdrand: a guest without it has no random numbers for minutes, and mkfs waits 4 s for its UUIDs.
machine_qemu() {
  local microvm=microvm,acpi=on,pcie=off
  case $MACHINE_MODEL in
    *-newer-*) newer_qemu_command ;;
    arm64-*) echo qemu-system-aarch64 ;;
    *) echo qemu-system-x86_64 ;;
  esac
  case $MACHINE_ARCH in
    amd64) printf '%s\n' -accel tcg -cpu "qemu64,+rdrand" ;;
    arm64) printf '%s\n' -accel tcg -cpu cortex-a57 ;;
  esac
  case $MACHINE_MODEL in
    q35*-iommu) printf '%s\n' -M q35,kernel-irqchip=split -device intel-iommu,intremap=on -smp "${1:-2}" ;;
    q35*) printf '%s\n' -M q35 -smp "${1:-2}" ;;
    microvm-v1) printf '%s\n' -M $microvm -smp "${1:-1}" -global virtio-mmio.force-legacy=true ;;
    microvm-v2) printf '%s\n' -M $microvm -smp "${1:-1}" -global virtio-mmio.force-legacy=false ;;
    arm64-iommu) printf '%s\n' -M virt,iommu=smmuv3,gic-version=3 -smp "${1:-2}" ;;
    arm64-*) printf '%s\n' -M virt -smp "${1:-2}" -global virtio-mmio.force-legacy=false ;;
  esac
}

# machine_parameters: the kernel's. The watchdogs cannot tell a busy host from a stuck guest.
# tsc_early_khz: on a busy host the guest cannot measure its clock, and on microvm a guest without one hangs.
# Not "nolapic_timer": microvm boots with it, but then has no timer interrupt at all and no sleep ever ends.
# reboot=t: without it "reboot -f" hangs on microvm.
machine_parameters() {
  local khz console=ttyS0
  [[ $MACHINE_ARCH == amd64 ]] || console=ttyAMA0
  echo "console=$console quiet panic=-1 nowatchdog rcupdate.rcu_cpu_stall_suppress=1"
  if [[ $MACHINE_ARCH == amd64 ]]; then
    khz=$(host_tsc_khz) || return
    echo "reboot=t tsc_early_khz=$khz tsc=reliable"
  fi
  [[ $MACHINE_MODEL != q35*-iommu ]] || echo intel_iommu=on
}

# A kernel that has virtio's buses built in would take the devices at boot.
blacklist_kernel_virtio() {
  local calls=()
  ! builtin_module virtio_pci || calls+=(virtio_pci_driver_init)
  ! builtin_module virtio_mmio || calls+=(virtio_mmio_init)
  ((${#calls[@]} == 0)) || (IFS=, && echo "initcall_blacklist=${calls[*]}")
}

# machine_device_properties: what a device on this machine has, unless the caller speaks of it.
machine_device_properties() {
  case $MACHINE_MODEL in
    q35-legacy) echo disable-modern=on disable-legacy=off ;;
    q35-transitional) echo disable-modern=off disable-legacy=off ;;
    *-newer-iommu) echo disable-legacy=on iommu_platform=on ats=off in_order=on ;;
    *-iommu) echo disable-legacy=on iommu_platform=on ats=off ;;
    q35 | arm64-pci) echo disable-legacy=on ;;
  esac
}

# mmio_slot NUMBER: sets smem and irq. On Arm irq is the GIC's INTID, on x86 the GSI.
mmio_slot() {
  if [[ $MACHINE_ARCH == arm64 ]]; then
    smem=$(printf '0x%x' $((0x0a000000 + 0x200 * $1))) irq=$((48 + $1))
  else
    smem=$(printf '0x%x' $((0xfeb00000 + 0x200 * $1))) irq=$((24 + $1))
  fi
}
