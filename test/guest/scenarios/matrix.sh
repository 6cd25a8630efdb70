#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC3043 # dash has local
#
# One kind of device, in every way in which it can wake the driver: open, read, write, flush, interrupts counted,
# resize, restart, removal. Ends with a line "row ..." for each way, of which test/guest/run.sh makes a table.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

# The host answers by doing it; whoever asks waits for the effect. A check runs in a shell of its own: the number is
# kept in a file.
echo 0 >/run/requests
request() {
  local number
  number=$(($(cat /run/requests) + 1))
  echo $number >/run/requests
  say "REQUEST $number $*" >/dev/console
}

# Ways are ADDRESS-KIND: the address by option or by device tree, the kind of interrupt.
ways() {
  case $MACHINE_MODEL in
    *-iommu) echo pci-msix pci-msix-shared pci-intx pci-poll ;;
    arm64-mmio) echo smem-poll smem-uio fdt-poll fdt-uio ;;
    microvm-*) echo smem-poll smem-uio ;;
    *) echo pci-poll pci-uio ;;
  esac
}

# What the banner has to say.
wake_up_of() {
  case $1 in
    *-msix) echo 'MSI-X, a vector for each queue' ;;
    *-msix-shared) echo 'MSI-X, one vector' ;;
    *-intx) echo 'INTx by VFIO' ;;
    smem-uio | fdt-uio) echo 'interrupt by UIO' ;;
    *-uio) echo 'INTx by UIO' ;;
    *-poll) echo 'polled' ;;
  esac
}

address_of() {
  case $1 in
    fdt-*) echo fdt=0 ;;
    *) echo "$DISK0_OPTIONS" ;;
  esac
}

bind_pci() {
  local device="/sys/bus/pci/devices/$DISK0_BDF"
  echo "$1" >"$device/driver_override"
  [ ! -e "$device/driver" ] || echo "$DISK0_BDF" >"$device/driver/unbind"
  [ -z "$1" ] || echo "$DISK0_BDF" >/sys/bus/pci/drivers_probe
}

prepare() {
  case $MACHINE_MODEL-$1 in
    *-iommu-pci-*) bind_pci vfio-pci ;;
    *-pci-uio) bind_pci uio_pci_generic ;;
    *-pci-poll) bind_pci "" ;;
    *-smem-uio | *-fdt-uio) [ -e /sys/module/vio_uio ] || insmod /usr/local/lib/vio_uio.ko "smem=$DISK0_SMEM" "irq=$DISK0_IRQ" ;;
    *) [ ! -e /sys/module/vio_uio ] || rmmod vio_uio ;;
  esac
}

# Sleeping on the device at once, so that each request takes an interrupt.
start() {
  devb-virtio virtio "$(address_of "$way"),interrupts=${way#*-},poll=never" blk auto=none cam verbose "$@"
}

opens() {
  prepare "$way" && exits 0 "$(wake_up_of "$way")" start
}

reads() {
  dd if=/dev/hd0 of=/tmp/got bs=4k count=125 iflag=direct status=none && pattern 0 1000 | cmp - /tmp/got
}

flushes() {
  pattern 7 8 >/tmp/new
  dd if=/tmp/new of=/dev/hd0 bs=4k seek=16 count=1 conv=notrunc,fsync && dd if=/dev/hd0 bs=4k skip=16 count=1 iflag=direct | cmp - /tmp/new &&
    pattern 128 8 | dd of=/dev/hd0 bs=4k seek=16 conv=notrunc,fsync
}

interrupts() {
  awk '/vfio|uio/ { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts
}

# An answer that is there before we sleep takes no interrupt, and a fast disk may give nothing else; so the host has it
# do 40 requests in a second, after 4. Even on a busy host half of 24 reads, one after the other, then find us asleep.
# The new size says that the host has done it.
interrupts_of_slow_reads() {
  local before after
  request slow $((DISK0_BYTES + (1 << 20)))
  wait_for 5 size_is $((DISK0_BYTES + (1 << 20))) || return
  before=$(interrupts)
  dd if=/dev/hd0 of=/tmp/got bs=4k count=24 iflag=direct status=none && pattern 0 192 | cmp - /tmp/got || return
  after=$(interrupts)
  request fast "$DISK0_BYTES"
  wait_for 5 size_is "$DISK0_BYTES" || return
  echo "$before -> $after"
  echo $((after - before)) >/run/arrived
  [ $((after - before)) -ge 10 ] && [ $((after - before)) -le 30 ]
}

no_interrupts() {
  local before
  before=$(interrupts)
  reads && echo $(($(interrupts) - before)) >/run/arrived && [ "$(cat /run/arrived)" -eq 0 ]
}

# That none was missed, the daemon says itself: it would poll after three.
interrupts_arrive() {
  rm -f /run/arrived
  case $way in
    *-poll) no_interrupts || return ;;
    *) interrupts_of_slow_reads || return ;;
  esac
  grep -E 'vfio|uio' /proc/interrupts
  cat /run/messages && [ -s /run/messages ] && fails grep -q 'interrupts do not arrive' /run/messages
}

# utime and stime of all threads, in ticks of 10 ms.
cpu_ticks() {
  echo $(($(cut -d ' ' -f 14,15 "/proc/$(pidof devb-virtio)/stat" | tr ' ' '+')))
}

# For 2 s; what went before (the disk was resized) may have to be worked off first.
idle_is_silent() {
  local before after ticks
  for _ in 1 2 3 4; do
    before=$(interrupts) ticks=$(cpu_ticks)
    sleep 2
    after=$(interrupts) ticks=$(($(cpu_ticks) - ticks))
    echo "$before -> $after, $ticks ticks"
    [ "$after" -ne "$before" ] || [ $ticks -gt 1 ] || return 0
  done
  return 1
}

size_is() {
  [ "$(stat -L -c %s /dev/hd0)" -eq "$1" ]
}

loop_size_is() {
  losetup -c "$1" && [ "$(blockdev --getsize64 "$1")" -eq "$2" ]
}

# Growing and shrinking, with a loop device open all the time.
resizes() {
  local loop
  loop=$(losetup -f --show /dev/hd0) || return
  request resize $((24 << 20))
  wait_for 5 size_is $((24 << 20)) && loop_size_is "$loop" $((24 << 20)) &&
    dd if=/dev/zero of=/dev/hd0 bs=1M seek=23 count=1 oflag=direct conv=notrunc,fsync || return
  request resize $((8 << 20))
  wait_for 5 size_is $((8 << 20)) && loop_size_is "$loop" $((8 << 20)) &&
    fails dd if=/dev/zero of=/dev/hd0 bs=1M seek=8 count=1 oflag=direct conv=notrunc || return
  request resize "$DISK0_BYTES"
  wait_for 5 size_is "$DISK0_BYTES" && losetup -d "$loop" && reads
}

restarts() {
  stop && nothing_is_left && start cam quiet && reads || return
  kill -9 "$(pidof devb-virtio)" && wait_for 10 stopped && start cam quiet && reads
}

# Every read succeeds until one fails, for the reason that there is.
read_until_it_fails() {
  while dd if=/dev/hd0 of=/dev/null bs=4k count=4 iflag=direct 2>/tmp/reason; do :; done
  cat /tmp/reason
  grep -qE 'No such device|Input/output error|Transport endpoint|connection abort|No such file' /tmp/reason
}

function_is_gone() {
  [ ! -e "/sys/bus/pci/devices/$DISK0_BDF" ]
}

function_is_there() {
  [ -e "/sys/bus/pci/devices/$DISK0_BDF" ]
}

# By QEMU, or by the kernel alone, which is told to remove the function and to look for it again: behind an SMMU the
# hot-plug interrupt of a root port is lost while VFIO has its group, which the port belongs to; and a port that has just
# been emptied by its own interrupt (Arm; with ACPI there is none) takes a new device at a time of its own.
by_qemu() {
  case $MACHINE_MODEL in
    arm64-iommu) return 1 ;;
    arm64-pci) [ "$way" = "$last_way" ] ;;
  esac
}

unplug() {
  if by_qemu; then
    request unplug
  else
    echo 1 >"/sys/bus/pci/devices/$DISK0_BDF/remove"
  fi
}

plug() {
  if by_qemu; then
    request plug
  else
    echo 1 >/sys/bus/pci/rescan
  fi
}

# Without root, so that it is the keeper who has to clean up after a device that is no more.
removal() {
  stop && start cam quiet,user=20:20 && reads || return
  read_until_it_fails &
  unplug
  wait $! && wait_for 20 stopped && wait_for 20 function_is_gone && nothing_is_left
}

back_again() {
  plug
  wait_for 40 function_is_there
}

# step NAME SECONDS COMMAND...: a check whose result goes into the row.
step() {
  local name=$1 limit=$2
  shift 2
  if check -t "$limit" "$way: $name" "$@"; then
    row="$row ok"
  else
    row="$row FAILED"
  fi
}

one_way() {
  row="row $MACHINE_MODEL $MACHINE_KERNEL $way"
  step open 20 opens
  step read 20 reads
  step write 60 randio /dev/hd0 4000000 65536 4 2 direct
  # what was written goes, so that patterns can be compared again
  check -t 60 "$way: the pattern is written back" pattern_again
  step flush 20 flushes
  step interrupts 30 interrupts_arrive
  row="$row($(cat /run/arrived 2>/dev/null))"
  step idle 20 idle_is_silent
  step resize 60 resizes
  step restart 60 restarts
  if [ "$MACHINE_BUS" = pci ]; then
    step removal 60 removal
    [ "$way" = "$last_way" ] || check -t 60 "$way: the disk is plugged in again" back_again
  else
    check "$way: stops" stop
    row="$row -"
  fi
  note "$row"
}

pattern_again() {
  pattern 0 $((4000000 / 512 + 1)) | dd of=/dev/hd0 bs=1M conv=notrunc,fsync
}

load_modules fuse loop uio && syslogd -O /run/messages || exit
case $MACHINE_MODEL in
  *-iommu) load_modules vfio-pci vfio_iommu_type1 ;;
  *) [ "$MACHINE_BUS" = mmio ] || load_modules uio_pci_generic ;;
esac
last_way=$(ways | sed 's/.* //')
for way in $(ways); do
  one_way
done
request end
