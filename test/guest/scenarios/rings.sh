#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC3043 # dash has local
#
# Data through QEMU's own packed and split rings, in order where QEMU has that, on two queues at once, in every way in
# which a ring can be used; the host looks at the images afterwards. Then queues that are reset alone, and zeroes.
#
# A disk has eight areas of $AREA sectors. "verify" leaves sectors with the numbers $NEW and up in areas 0 to 3, the
# daemon in 6; 4 and 5 belong to other checks, 7 to the zeroes.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

address_of() {
  eval "echo \$DISK$1_OPTIONS"
}

# verify DISK AREA [NAME=VALUE...]
# shellcheck disable=SC2153 # AREA is from the environment
verify() {
  local disk="$1" area="$2"
  shift 2
  ring_check verify "$(address_of "$disk")" first=$((area * AREA)) count="$AREA" number=$((NEW + area * AREA)) "$@"
}

bind_pci() {
  local device="/sys/bus/pci/devices/$1"
  echo "$2" >"$device/driver_override"
  [ ! -e "$device/driver" ] || echo "$1" >"$device/driver/unbind"
  [ -z "$2" ] || echo "$1" >/sys/bus/pci/drivers_probe
}

# Each queue has a thread. It has an interrupt of its own by MSI-X alone; otherwise it is polled.
case $MACHINE_MODEL in
  *-iommu) interrupts=msix how='MSI-X, a vector for each queue' ;;
  *) interrupts=poll how=polled ;;
esac

# ring DISK WORDS: every way in which that ring can be used; WORDS begin the list of features.
ring() {
  local area=0 event indirect wait words
  for event in on off; do
    for indirect in on off; do
      words="$2$order$([ $event = off ] || echo ' event_idx')$([ $indirect = off ] || echo ' indirect')"
      wait=$([ "$event$indirect" = onoff ] && echo poll || echo event)
      check "disk $1:${words:- bare}: two queues, $how, wait=$wait" \
        exits 0 "^features 0x[0-9a-f]+:$words( ring_reset)?\$" \
        verify "$1" $area queues=2 interrupts=$interrupts event_idx=$event indirect=$indirect "wait=$wait"
      area=$((area + 1))
    done
  done
}

# What the device itself does without: nothing can be asked for.
bare_device() {
  exits 0 "^features 0x[0-9a-f]+:$packed$order( ring_reset)?\$" verify 2 0 queues=2 interrupts=$interrupts &&
    exits 1 "the device does not offer .*VIRTIO_RING_F_EVENT_IDX" verify 2 2 event_idx=on
}

# one_queue DISK INTERRUPTS: one interrupt serves all queues, so there is one.
one_queue() {
  exits 1 "2 queues were asked for, 1 of the device's 2 are used" verify "$1" 4 queues=2 "interrupts=$2" &&
    exits 0 "^queue 0: .* [1-9][0-9]* interrupts" verify "$1" 4 "interrupts=$2"
}

short_ring() {
  exits 0 "^features" verify 2 1 queues=2 queue_size=8 interrupts=$interrupts
}

reset_queues() {
  case $MACHINE_BUS in
    pci) ring_check reset "$(address_of "$1")" first=$((5 * AREA)) queues=2 interrupts=$interrupts ;;
    mmio)
      exits 0 "did not confirm the reset of queue 0" \
        ring_check no-reset "$(address_of "$1")" first=$((5 * AREA)) queues=2 interrupts=$interrupts
      ;;
  esac
}

# By the daemon: "cam verbose" says what it negotiated.
volume() {
  local log=/tmp/log
  devb-virtio -f virtio "$DISK0_OPTIONS" blk auto=none cam verbose >$log 2>&1 &
  wait_for 20 test -e /dev/hd0 || { cat $log && return 1; }
  cat $log
  pattern $((NEW + 6 * AREA)) "$AREA" |
    dd of=/dev/hd0 bs=64k seek=$((6 * AREA / 128)) iflag=fullblock oflag=direct conv=notrunc,fsync status=none &&
    dd if=/dev/hd0 bs=4k skip=$((6 * AREA / 8)) count=$((AREA / 8)) iflag=direct status=none >/tmp/got &&
    pattern $((NEW + 6 * AREA)) "$AREA" | cmp - /tmp/got && stop || return
  features=$(sed -n 's/.*features 0x\([0-9a-f]*\),.*/\1/p' $log)
  [ $((0x$features >> 34 & 1)) -eq "$([ -z "$packed" ] && echo 0 || echo 1)" ]
}

# zeroes DISK MODE: through the volume's file, with its last byte inside a block of the page cache
zeroes() {
  local at=$((7 * AREA * 512)) size=$((AREA * 512))
  devb-virtio virtio "$(address_of "$1")" blk auto=none cam quiet || return
  cat /dev/hd0 >/tmp/before &&
    fallocate "$2" --keep-size --offset $at --length $size /dev/hd0 &&
    cmp -n $at /dev/hd0 /tmp/before && tail -c $size /dev/hd0 | cmp -n $size - /dev/zero &&
    dd if=/dev/hd0 bs=64k skip=$((at / 65536)) iflag=direct status=none | cmp -n $size - /dev/zero && stop
}

# A device without the command: whoever wants zeroes has to write them.
no_zeroes() {
  devb-virtio virtio "$(address_of 2)" blk auto=none cam quiet &&
    exits 1 "mode is unsupported" fallocate --punch-hole --keep-size --offset 0 --length 65536 /dev/hd0 &&
    pattern "$NEW" 128 >/tmp/want && dd if=/dev/hd0 bs=64k count=1 iflag=direct status=none | cmp - /tmp/want && stop
}

discard() {
  exits 0 "^discard: 1 segments of [1-9]" ring_check discard "$(address_of 2)" first=$((7 * AREA)) count="$AREA"
}

packed=' packed' order=''
load_modules fuse || exit
case $MACHINE_MODEL in
  *-newer-*) order=' in_order' ;;
esac
case $MACHINE_MODEL in
  *-legacy) packed='' ;;
  *-iommu)
    load_modules vfio-pci vfio_iommu_type1 || exit
    for bdf in "$DISK0_BDF" "$DISK1_BDF" "$DISK2_BDF"; do
      bind_pci "$bdf" vfio-pci || exit
    done
    ;;
esac

ring 0 "$packed"
[ -z "$packed" ] || ring 1 "" # without, the disks are alike
check "a device without event index and indirect descriptors" bare_device
check "a ring of 8 entries, which is full most of the time" short_ring
case $MACHINE_MODEL in
  *-iommu)
    check "one vector for everything" one_queue 0 msix-shared
    check "the line" one_queue 1 intx
    check "a packed queue is reset alone" reset_queues 0
    check "a split queue is reset alone" reset_queues 1
    check "a hole punched into a volume" zeroes 0 --punch-hole
    check "a volume's range zeroed in place" zeroes 1 --zero-range
    check "a volume whose device writes no zeroes" no_zeroes
    check "a discard" discard
    ;;
  *-legacy)
    load_modules uio_pci_generic && bind_pci "$DISK0_BDF" uio_pci_generic || exit
    check "the line" one_queue 0 uio
    ;;
  *)
    check "a packed queue is not reset alone, which the device offers: the device is" reset_queues 0
    check "a split queue, likewise" reset_queues 1
    load_modules uio && insmod /usr/local/lib/vio_uio.ko "smem=$DISK0_SMEM" "irq=$DISK0_IRQ" || exit
    check "the line" one_queue 0 uio
    ;;
esac
check "a volume" volume
