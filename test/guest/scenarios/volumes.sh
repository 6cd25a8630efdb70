#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC3043 # dash has local
#
# What the daemon is for: volumes that can be read, written, synced, mounted, checked.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

start() {
  devb-virtio virtio "$@"
}

banner_and_names() {
  exits 0 'VIRTIO VOLUMES Rev' start "$DISK0_OPTIONS" || return
  [ "$(echo /dev/hd*)" = "/dev/hd0 /dev/hd0t131 /dev/hd0t178 /dev/hd0t179 /dev/hd0t179.1" ]
}

stat_tells_the_truth() {
  stat -L /dev/hd0
  [ "$(stat -L -c '%s %a %u %F' /dev/hd0)" = "$DISK0_BYTES 600 0 regular file" ] &&
    [ "$(stat -L -c '%s %b' /dev/hd0t131)" = "16777216 32768" ]
}

# same FILE FIRST COUNT [DD-OPTION...]: sectors of a volume against the pattern.
same() {
  local volume=$1 first=$2 count=$3 at=$4
  shift 4
  pattern "$first" "$count" >/tmp/want
  dd if="$volume" bs=512 skip="$at" count="$count" status=none "$@" >/tmp/got && cmp /tmp/want /tmp/got
}

the_library_reads_it_all() {
  vio-cat "$DISK0_OPTIONS" | tail -c $((512 * 1000)) >/tmp/got && pattern $((DISK0_BYTES / 512 - 1000)) 1000 | cmp - /tmp/got
}

reads_are_right() {
  same /dev/hd0 40000 64 40000 iflag=direct &&
    same /dev/hd0 34816 4096 34816 &&
    same /dev/hd0t131 51200 1000 0 iflag=direct &&
    same /dev/hd0t178 86016 1000 0 &&
    pattern $((34816 + 100)) 2049 >/tmp/want &&
    dd if=/dev/hd0t179.1 bs=1049088 skip=51200 count=1 iflag=direct,skip_bytes status=none >/tmp/got &&
    cmp /tmp/want /tmp/got
}

the_end_is_the_end() {
  dd if=/dev/hd0t131 bs=1M of=/tmp/all iflag=direct && [ "$(stat -c %s /tmp/all)" -eq 16777216 ] &&
    exits 1 'No space left' dd if=/dev/zero of=/dev/hd0t131 bs=512 seek=32768 count=1 conv=notrunc oflag=direct &&
    exits 1 'No space left' dd if=/dev/zero of=/dev/hd0t131 bs=4096 seek=4096 count=1 conv=notrunc
}

writes_survive_a_restart() {
  pattern 500000 2000 >/tmp/new
  dd if=/tmp/new of=/dev/hd0t131 bs=1M conv=fsync,notrunc && stop && start "$DISK0_OPTIONS" cam quiet &&
    dd if=/dev/hd0t131 bs=512 count=2000 iflag=direct status=none | cmp - /tmp/new &&
    dd if=/dev/hd0 bs=512 skip=51200 count=2000 status=none | cmp - /tmp/new &&
    same /dev/hd0 51199 1 51199 && same /dev/hd0 53200 10 53200
}

# Truncation means nothing to a disk: "dd of=" without conv=notrunc writes what it writes.
truncation_is_harmless() {
  dd if=/tmp/new of=/dev/hd0t131 bs=4k count=1 && [ "$(stat -L -c %s /dev/hd0t131)" -eq 16777216 ] &&
    dd if=/dev/hd0t131 bs=512 count=2000 iflag=direct status=none | cmp - /tmp/new
}

ext4_through_a_loop_device() {
  mkfs.ext4 -q -F /dev/hd0t131 && mount -o loop /dev/hd0t131 /mnt &&
    cp /tmp/new /mnt/new && mkdir /mnt/d && cp /usr/bin/busybox /mnt/d/ && sync &&
    umount /mnt && e2fsck -fn /dev/hd0t131 && stop && start "$DISK0_OPTIONS" cam quiet &&
    mount -o loop,ro /dev/hd0t131 /mnt && cmp /tmp/new /mnt/new && cmp /usr/bin/busybox /mnt/d/busybox &&
    umount /mnt
}

# same_tree WANT GOT: names, types, contents.
same_tree() {
  (cd "$1" && find . | sort) >/tmp/want.names && (cd "$2" && find . | grep -v '^\./\.boot$' | sort) >/tmp/got.names &&
    diff /tmp/want.names /tmp/got.names && [ "$(wc -l </tmp/want.names)" -gt 3 ] &&
    (cd "$1" && find . -type f -exec sha256sum {} +) >/tmp/sums && (cd "$2" && sha256sum -c) </tmp/sums
}

qnx6_by_the_kernel() {
  mount -o loop,ro -t qnx6 /dev/hd0t179 /mnt && same_tree /srv/qnx6 /mnt &&
    [ "$(readlink /mnt/directory/link)" = ../hello ] && umount /mnt
}

# It holds no partition table: the whole disk is the volume. The tar's top folder is the volume's root.
qnx6_made_by_qnx() {
  local top
  devb-virtio virtio "$DISK1_OPTIONS" blk auto=none cam quiet &&
    mount -o loop,ro -t qnx6 "$(ls /dev/hd1)" /mnt || return
  top=$(dirname "$(find /srv/real -name directory_1)")
  same_tree "$top" /mnt && umount /mnt && stop && start "$DISK0_OPTIONS" cam quiet
}

check "the library reads the disk to its last sector" the_library_reads_it_all
load_modules fuse loop ext4 crc32c_generic qnx6
check "the daemon says what it found, and makes the names" banner_and_names
check "size, mode, owner and blocks are the device's" stat_tells_the_truth
check "reads through hd0 and partitions, direct and buffered, are right" reads_are_right
check "the end of a volume is EOF for readers and ENOSPC for writers" the_end_is_the_end
check "what was written and synced is there after a restart" writes_survive_a_restart
check "truncating a volume changes nothing" truncation_is_harmless
check -t 60 "ext4 on a loop device: write, sync, unmount, check, read after a restart" ext4_through_a_loop_device
check "a QNX6 volume mounts and its files are right" qnx6_by_the_kernel
[ -z "${REAL_VOLUME:-}" ] || check "a volume made by QNX mounts and its files are right" qnx6_made_by_qnx
check -t 60 "random I/O with verification through hd0, direct" randio /dev/hd0 60000000 65536 4 6 direct
check -t 60 "random I/O with verification through a partition, stripes that are no blocks" randio /dev/hd0t178 8000000 3000 4 6 direct
check -t 60 "the same, buffered" randio /dev/hd0t178 8000000 5000 4 6
