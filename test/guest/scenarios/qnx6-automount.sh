#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC3043 # dash has local
#
# A guest whose kernel knows no QNX6, and has no loop device either: automount= shows what is in the partition.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

start() {
  devb-virtio virtio "$DISK0_OPTIONS" "$@"
}

# same_tree DIRECTORY: against what the host saw in the tree.
same_tree() {
  (cd "$1" && rmdir_is_refused && find . -type f -exec sha256sum {} + | sort) | diff /srv/sums - &&
    (cd "$1" && find . ! -type d -exec stat -c '%n|%f|%u|%g|%Y|%h|%s' {} + | sort) | diff /srv/files - &&
    (cd "$1" && find . -type d ! -name .boot -exec stat -c '%n|%f|%u|%g|%Y' {} + | sort) | diff /srv/directories - &&
    (cd "$1" && find . -type l | sort | while read -r link; do echo "$link $(readlink "$link")"; done) | diff /srv/links - &&
    [ "$(wc -l </srv/files)" -gt 1000 ]
}

rmdir_is_refused() {
  exits 1 'Read-only file system' rmdir empty >&2
}

# mounted DIRECTORY: by the daemon itself.
mounted() {
  grep "^/dev/hd0t179 $1 fuse.qnx6fs ro," /proc/mounts
}

gone() {
  ! grep fuse.qnx6fs /proc/mounts && [ ! -e /mydisk ] && nothing_is_left
}

the_kernel_cannot() {
  fails grep -w qnx6 /proc/filesystems && fails ls /dev/loop-control
}

as_on_qnx() {
  exits 0 'hd0t179' start blk automount=hd0t179:/mydisk:qnx6 && mounted /mydisk && same_tree /mydisk && stop && gone
}

found_out() {
  start blk automount=hd0@qnx6:/mydisk cam quiet && mounted /mydisk && same_tree /mydisk && stop && gone
}

as_nobody() {
  start blk automount=hd0t179:/mydisk:qnx6 cam quiet,user=20:20 && mounted /mydisk && same_tree /mydisk &&
    killall -TERM devb-virtio && wait_for 30 stopped && gone
}

# Everything is read, many at a time, while the disk's other partition is read as well.
many_at_once() {
  local i jobs=
  start blk automount=hd0t179:/mydisk:qnx6 cam quiet && dd if=/dev/hd0t131 of=/tmp/first bs=1M status=none || return
  for i in 1 2 3 4; do
    (cd /mydisk && sha256sum -c /srv/sums >/tmp/sums.$i 2>&1) &
    jobs="$jobs $!"
  done
  dd if=/dev/hd0t131 of=/tmp/second bs=64k iflag=direct status=none && cmp /tmp/first /tmp/second || return
  for i in $jobs; do
    wait "$i" || { grep -v OK /tmp/sums.*; return 1; }
  done
  stop && gone
}

# What the kernel has cached can be read from a dead mount, what it never asked for cannot.
killed() {
  start blk automount=hd0t179:/mydisk:qnx6 cam quiet && cat /mydisk/hello && killall -KILL devb-virtio && wait_for 10 stopped &&
    exits 1 'not connected' ls /mydisk/many && start blk automount=hd0t179:/mydisk:qnx6 cam quiet && same_tree /mydisk &&
    [ "$(grep -c ' /mydisk ' /proc/mounts)" -eq 1 ] && stop && rmdir /mydisk && gone
}

by_the_program() {
  start cam quiet && mkdir /run/ours && qnx6fs /dev/hd0t179 /run/ours && same_tree /run/ours && umount /run/ours && stop && gone
}

refused() {
  exits 1 'automount: /dev/hd0t131 cannot be mounted on /mydisk: ' start blk automount=hd0t131:/mydisk:qnx6 && gone
}

load_modules fuse
check "the kernel has no QNX6, and no loop device" the_kernel_cannot
check -t 60 "automount=hd0t179:/mydisk:qnx6: names, kinds, modes, owners, times, links, content" as_on_qnx
check -t 60 "without a name and a type it is found" found_out
check -t 60 "with cam user=" as_nobody
check -t 60 "many readers at once, beside another volume's" many_at_once
check -t 90 "kill -9: the next start takes its place" killed
check -t 60 "the same by qnx6fs on the volume" by_the_program
check "what is no QNX6 is refused" refused
