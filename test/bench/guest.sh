#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The guest's side of test/bench/guest-run.sh. Prints, for the host to add up:
#
#   run DISK ROUND DEPTH WAY ...      what randread printed; DISK is fast, 1ms or 4ms
#   idle WAY CPU-NS INTERRUPTS RSS    of the daemon, in $IDLE_SECONDS s
#   domain TYPE                       how the IOMMU serves the kernel's driver
#
# A WAY is kernel (the first of all), or KIND:POLL or KIND:POLL:MICROSECONDS: "interrupts=", "poll=" and "poll_us="
# of devb-virtio.

# shellcheck disable=SC3043 # dash has local
# shellcheck source=../guest/rootfs/guest-checks.sh
. /lib/guest-checks.sh

case $MACHINE_MODEL in
  *-iommu)
    driver=vfio-pci
    : "${WAYS:=kernel msix:auto msix:never poll:always}"
    ;;
  *)
    driver=uio_pci_generic
    : "${WAYS:=kernel uio:auto uio:never poll:always}"
    ;;
esac

# A check keeps what it prints to itself.
tell() {
  say "$@" >/dev/console
}

bdf_of() {
  case $1 in
    fast) echo "$DISK0_BDF" ;;
    1ms) echo "$DISK1_BDF" ;;
    4ms) echo "$DISK2_BDF" ;;
  esac
}

# bind BDF DRIVER: no driver at all where the name is empty.
bind() {
  local device="/sys/bus/pci/devices/$1"
  echo "$2" >"$device/driver_override"
  [ ! -e "$device/driver" ] || echo "$1" >"$device/driver/unbind"
  [ -z "$2" ] || echo "$1" >/sys/bus/pci/drivers_probe
}

# The kernel's name of the disk.
node_of() {
  ls "/sys/bus/pci/devices/$1"/virtio*/block 2>/dev/null
}

has_node() {
  [ -b "/dev/$(node_of "$1")" ]
}

# options_of WAY: kind, poll, microseconds (0: the default)
options_of() {
  local us="${1#*:*:}"
  [ "$us" != "$1" ] || us=0
  set -- "${1%%:*}" "${1#*:}"
  echo "$1 ${2%%:*} $us"
}

# Polled means without interrupts. VFIO is for the registers, too, where there is an IOMMU.
prepare() {
  case $2 in
    kernel) bind "$1" virtio-pci && wait_for 10 has_node "$1" ;;
    poll:*) bind "$1" "$([ "$driver" != vfio-pci ] || echo $driver)" ;;
    *) bind "$1" "$driver" ;;
  esac
}

# one DISK ROUND DEPTH WAY
one() {
  local bdf result
  bdf=$(bdf_of "$1")
  prepare "$bdf" "$4" || return
  # shellcheck disable=SC2046 # three words
  case $4 in
    kernel) result=$(randread kernel "/dev/$(node_of "$bdf")" "$3" "$SECONDS_EACH") ;;
    *) result=$(randread vio "pci=$bdf" "$3" "$SECONDS_EACH" $(options_of "$4")) ;;
  esac || return
  tell "run $* $result"
}

# In turn, so that whatever else the machine does meets all of them.
measure() {
  local round depth way
  for round in $(seq "$ROUNDS"); do
    for depth in 1 32; do
      for way in $WAYS; do
        one fast "$round" "$depth" "$way" || return
      done
    done
  done
}

# What a wait costs when the answer takes longer than any spin.
measure_slow() {
  local round disk way
  for round in $(seq "$ROUNDS"); do
    for disk in 1ms 4ms; do
      for way in $SLOW_WAYS; do
        one "$disk" "$round" 1 "$way" || return
      done
    done
  done
}

# Of all threads, in nanoseconds.
cpu_ns() {
  cat /proc/"$1"/task/*/schedstat | awk '{ ns += $1 } END { printf "%.0f\n", ns }'
}

interrupts() {
  awk '/vfio|uio/ { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts
}

# idle WAY: after it has worked
idle() {
  local pid cpu interrupts
  prepare "$DISK0_BDF" "$1" && devb-virtio virtio "pci=$DISK0_BDF,interrupts=${1%%:*},poll=${1#*:}" cam quiet || return
  pid=$(pidof devb-virtio)
  dd if=/dev/hd0 of=/dev/null bs=1M count=64 iflag=direct || return
  cpu=$(cpu_ns "$pid") interrupts=$(interrupts)
  sleep "$IDLE_SECONDS"
  cpu=$(($(cpu_ns "$pid") - cpu)) interrupts=$(($(interrupts) - interrupts))
  tell "idle $1 $cpu $interrupts $(sed -n 's/^VmRSS:[^0-9]*//p' "/proc/$pid/status")"
  stop
}

measure_idle() {
  local way
  for way in $IDLE_WAYS; do
    idle "$way" || return
  done
}

tell_domain() {
  prepare "$DISK0_BDF" kernel && tell "domain $(cat "/sys/bus/pci/devices/$DISK0_BDF/iommu_group/type")"
}

load_modules virtio_pci virtio_blk fuse uio "$driver" || exit
if [ $driver = vfio-pci ]; then
  load_modules vfio_iommu_type1 && check "the IOMMU's domain is known" tell_domain || exit
fi
check -t 3600 "measured" measure
[ -z "$SLOW_WAYS" ] || check -t 3600 "measured with slow disks" measure_slow
[ -z "$IDLE_WAYS" ] || check -t 300 "measured while idle" measure_idle
