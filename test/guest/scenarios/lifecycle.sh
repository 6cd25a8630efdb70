#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC3043 # dash has local
#
# Starting, stopping, dying, meeting others.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

# Four processes write, read and verify; the daemon is told to stop while they do.
sigterm_under_load() {
  local load
  devb-virtio virtio "$DISK0_OPTIONS" cam quiet || return
  pattern 700000 2000 >/tmp/safe
  dd if=/tmp/safe of=/dev/hd0t178 conv=fsync,notrunc bs=64k status=none || return
  randio /dev/hd0t179 16000000 65536 4 30 direct >/tmp/load 2>&1 &
  load=$!
  wait_for 20 has_load "$(pidof devb-virtio)" && stop || return
  wait $load && echo "the load did not notice" && return 1
  cat /tmp/load
  nothing_is_left &&
    devb-virtio virtio "$DISK0_OPTIONS" cam quiet &&
    dd if=/dev/hd0t178 bs=512 count=2000 iflag=direct status=none | cmp - /tmp/safe && stop
}

# The device goes on by itself after "kill -9"; the next daemon has to cope with all that was left.
kill_under_load() {
  local load
  devb-virtio virtio "$DISK0_OPTIONS" cam quiet || return
  dd if=/tmp/safe of=/dev/hd0t178 conv=fsync,notrunc bs=64k seek=10 status=none || return
  randio /dev/hd0t179 16000000 65536 4 30 direct >/tmp/load 2>&1 &
  load=$!
  wait_for 20 has_load "$(pidof devb-virtio)" && killall -9 devb-virtio && wait_for 10 stopped || return
  wait $load && echo "the load did not notice" && return 1
  [ -L /dev/hd0 ] && ! stat -L /dev/hd0 || return
  grep -c . /run/devb-virtio/lock/* && grep devb-virtio /proc/mounts
  devb-virtio virtio "$DISK0_OPTIONS" cam quiet || return
  dd if=/dev/hd0t178 bs=64k skip=10 status=none iflag=direct | head -c 1024000 | cmp - /tmp/safe || return
  randio /dev/hd0t179 16000000 65536 4 2 direct && stop && nothing_is_left
}

two_processes() {
  devb-virtio virtio "$DISK0_OPTIONS" cam quiet && devb-virtio virtio "$DISK1_OPTIONS" cam quiet || return
  ls -l /dev/hd*
  [ "$(stat -L -c %s /dev/hd0) $(stat -L -c %s /dev/hd1)" = "67108864 16777216" ] || return
  exits 1 "is already driven by process [0-9]+" devb-virtio virtio "$DISK1_OPTIONS" &&
    exits 1 "is already driven by process [0-9]+" devb-virtio -f virtio "$DISK0_OPTIONS" || return
  [ "$(readlink /dev/hd1)" != "" ] && [ ! -e /dev/hd2 ] || return
  dd if=/dev/hd1 bs=4096 count=8 status=none | cmp -n 32768 - /tmp/first &&
    stop && nothing_is_left
}

# Both at once: who comes first takes hd0, and nobody takes both.
two_at_the_same_moment() {
  local first second
  devb-virtio virtio "$DISK0_OPTIONS" cam quiet &
  first=$!
  devb-virtio virtio "$DISK1_OPTIONS" cam quiet &
  second=$!
  wait $first && wait $second || return
  ls -l /dev/hd*
  [ "$(stat -L -c %s /dev/hd0 /dev/hd1 | sort -n | xargs)" = "16777216 67108864" ] && stop && nothing_is_left
}

two_disks_of_one_process() {
  devb-virtio virtio "$DISK0_OPTIONS" virtio "$DISK1_OPTIONS" blk "devdir=/tmp/disks" disk name=vol && echo not reached
}

second_group_is_a_second_disk() {
  exits 1 "cannot be made in /tmp/disks" two_disks_of_one_process && nothing_is_left && mkdir /tmp/disks &&
    touch /tmp/disks/vol0 && exits 0 "not reached" two_disks_of_one_process || return
  ls -l /tmp/disks
  [ "$(pidof devb-virtio | wc -w)" -eq 1 ] && [ ! -s /tmp/disks/vol0 ] && [ ! -L /tmp/disks/vol0 ] &&
    [ "$(stat -L -c %s /tmp/disks/vol1) $(stat -L -c %s /tmp/disks/vol2)" = "67108864 16777216" ] &&
    ! ls /dev/hd* && stop && [ "$(ls /tmp/disks)" = vol0 ] && nothing_is_left
}

# Blocks of 4096: everything smaller is read, changed and written back, whatever the neighbours do.
big_blocks() {
  devb-virtio virtio "$DISK1_OPTIONS" cam quiet || return
  pattern 0 32768 >/tmp/model
  pattern 900000 3 >/tmp/three
  dd if=/tmp/three of=/dev/hd0 bs=512 seek=7 count=3 conv=notrunc oflag=direct status=none &&
    dd if=/tmp/three of=/tmp/model bs=512 seek=7 count=3 conv=notrunc status=none &&
    dd if=/tmp/three of=/dev/hd0 bs=1 seek=100001 count=1000 conv=notrunc status=none &&
    dd if=/tmp/three of=/tmp/model bs=1 seek=100001 count=1000 conv=notrunc status=none &&
    dd if=/tmp/three of=/dev/hd0 bs=1500 seek=16775716 oflag=direct,seek_bytes count=1 conv=notrunc status=none &&
    dd if=/tmp/three of=/tmp/model bs=1500 seek=16775716 oflag=seek_bytes count=1 conv=notrunc status=none || return
  cmp /dev/hd0 /tmp/model && randio /dev/hd0 8000000 3000 4 4 direct && randio /dev/hd0 8000000 700 4 4 && stop
}

automount() {
  exits 0 "" devb-virtio virtio "$DISK0_OPTIONS" blk automount=hd0t131:/tmp/data:ext2,automount=hd0@179:/tmp/none:qnx6 ||
    true
  exits 1 "automount: /dev/hd0t179 cannot be mounted on /tmp/none" \
    devb-virtio virtio "$DISK0_OPTIONS" blk automount=hd0t131:/tmp/data:ext2,automount=hd0@179:/tmp/none:qnx6 &&
    nothing_is_left && [ ! -e /tmp/data ] && [ ! -e /tmp/none ] &&
    devb-virtio virtio "$DISK0_OPTIONS" blk automount=hd0t131:/tmp/data:ext2 cam quiet || return
  grep /tmp/data /proc/mounts && cp /tmp/safe /tmp/data/safe && stop && nothing_is_left && [ ! -e /tmp/data ] || return
  devb-virtio virtio "$DISK0_OPTIONS" blk automount=hd0@131:/tmp/data,ro cam quiet &&
    cmp /tmp/safe /tmp/data/safe && stop && nothing_is_left
}

in_the_foreground() {
  local pid
  devb-virtio -f virtio "$DISK0_OPTIONS" cam verbose >/tmp/log 2>&1 &
  pid=$!
  wait_for 10 test -e /dev/hd0t131 && kill -INT $pid && wait $pid && nothing_is_left
}

idle_cpu() {
  local pid before after
  devb-virtio virtio "$DISK0_OPTIONS" cam quiet && dd if=/dev/hd0 of=/dev/null bs=1M iflag=direct status=none || return
  pid=$(pidof devb-virtio)
  before=$(($(cut -d ' ' -f 14,15 "/proc/$pid/stat" | tr ' ' '+')))
  sleep 10
  after=$(($(cut -d ' ' -f 14,15 "/proc/$pid/stat" | tr ' ' '+')))
  grep VmRSS "/proc/$pid/status"
  echo "$((after - before)) ticks of 10 ms in 10 s"
  [ $((after - before)) -lt 20 ] && [ "$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status")" -lt 16384 ] && stop
}

pattern 0 64 >/tmp/first
load_modules fuse loop ext4 crc32c_generic
check -t 60 "SIGTERM under load: what was synced is safe, nothing is left behind" sigterm_under_load
check -t 60 "kill -9 under load: the next start cleans up, what was synced is safe" kill_under_load
check -t 60 "two processes are hd0 and hd1, and one device has one driver" two_processes
check -t 60 "two processes that start at once share out the names" two_at_the_same_moment
check -t 60 "a second virtio group is a second disk; devdir= and name= are honoured" second_group_is_a_second_disk
check -t 90 "blocks of 4096: writes that are no whole blocks lose nothing" big_blocks
check -t 90 "automount= mounts and unmounts, and undoes what it did when it fails" automount
check "-f stays in the foreground and ends with SIGINT" in_the_foreground
check "idle: under 2 % of a core and under 16 MiB resident" idle_cpu
huge_pages_before=8
echo $huge_pages_before >/proc/sys/vm/nr_hugepages
check "huge pages that were there before stay" sh -c "devb-virtio virtio $DISK0_OPTIONS cam quiet && killall devb-virtio"
check "the pool is as it was" wait_for 10 nothing_is_left
