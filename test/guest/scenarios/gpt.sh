#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC3043 # dash has local
#
# A GPT disk: names by type, a read-only one beside it, and a disk that grows.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

qnx6=cef5a9ad-73bc-4601-89f3-cdeeeee321a1
linux=0fc63daf-8483-4772-8e79-3d69d8477de4

names() {
  devb-virtio virtio "$DISK0_OPTIONS" cam quiet || return
  ls /dev/hd*
  [ "$(echo /dev/hd*)" = "/dev/hd0 /dev/hd0.$linux.0 /dev/hd0.$qnx6.0 /dev/hd0.$qnx6.1" ]
}

# starts_at VOLUME SECTOR COUNT: the pattern tells where on the disk a volume begins, its size where it ends.
starts_at() {
  pattern "$2" 200 >/tmp/want && dd if="$1" bs=512 count=200 iflag=direct status=none | cmp - /tmp/want &&
    [ "$(stat -L -c %s "$1")" -eq $(($3 * 512)) ]
}

places() {
  starts_at "/dev/hd0.$qnx6.0" 2048 32768 && starts_at "/dev/hd0.$qnx6.1" 34816 16384 &&
    starts_at "/dev/hd0.$linux.0" 51200 32768
}

several_queues() {
  devb-virtio virtio "$DISK1_OPTIONS" cam quiet && [ "$(stat -L -c %a /dev/hd1)" = 400 ] &&
    starts_at "/dev/hd1.$qnx6.1" 34816 16384
}

has_grown() {
  [ "$(stat -L -c %s /dev/hd0)" -eq 100663296 ]
}

reads_the_new_part() {
  dd if=/dev/hd0 bs=1M skip=95 iflag=direct status=none | wc -c | grep -qx 1048576
}

load_modules fuse
check "GPT partitions are named by type and count" names
check "and are where the table says" places
check "a device with two queues works, read-only" several_queues
say "GROW ME"
check "a disk that grows is seen to grow" wait_for 10 has_grown
check "and can be read to its new end" reads_the_new_part
