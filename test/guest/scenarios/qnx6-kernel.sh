#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC3043 # dash has local
#
# Two drivers that know nothing of each other: what the kernel's qnx6 shows of a volume, and what qnx6fs does, must
# agree; and the contents with the tree that mkqnx6fs was given.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

# Not the number of links: the kernel's driver says 1 of everything. Not the blocks taken: it doesn't count them.
# Times of access and change are compared as well: nothing is written here.
attributes() {
  (cd "$1" && find . -exec stat -c '%n|%F|%a|%u|%g|%s|%X|%Y|%Z' {} + | sort)
}

sums() {
  (cd "$1" && find . -type f -exec sha256sum {} + | sort)
}

links() {
  (cd "$1" && find . -type l | sort | while read -r link; do echo "$link -> $(readlink "$link")"; done)
}

# agree KERNEL OURS: two mounted folders, with something in them.
agree() {
  local what
  for what in attributes sums links; do
    $what "$1" >"/tmp/$what.kernel" && $what "$2" >"/tmp/$what.ours" || return
    diff "/tmp/$what.kernel" "/tmp/$what.ours" || return
  done
  [ "$(wc -l </tmp/attributes.ours)" -gt 5 ]
}

unmount() {
  umount /run/kernel && umount /run/ours
}

# both_show KERNEL-IMAGE OUR-IMAGE
both_show() {
  mount -o loop,ro -t qnx6 "$1" /run/kernel && qnx6fs "$2" /run/ours && agree /run/kernel /run/ours
}

same_as_the_tree() {
  both_show "$1" "$1" && diff /srv/sums /tmp/sums.kernel && diff /srv/links /tmp/links.kernel && unmount
}

made_by_qnx() {
  both_show /srv/real.kernel /srv/real && unmount
}

on_a_device() {
  local device
  truncate -s 4M /tmp/device && device=$(losetup --find --show /tmp/device) &&
    mkqnx6fs -q -d /etc "$device" && losetup --detach "$device" &&
    both_show /tmp/device /tmp/device && [ -e /run/kernel/guest-env ] && unmount
}

# As a script of QNX's has it, and with a directory; and the volumes beside it stay as they were.
on_a_volume() {
  devb-virtio virtio "$DISK0_OPTIONS" cam quiet && exits 1 'nobody answered' mkqnx6fs /dev/hd0t179 </dev/null || return
  mkqnx6fs -q /dev/hd0t178 && mkqnx6fs -q -b 1k -d /etc /dev/hd0t179 &&
    both_show /dev/hd0t179 /dev/hd0t179 && [ -e /run/kernel/guest-env ] && unmount || return
  qnx6fs /dev/hd0t178 /run/ours && [ "$(ls -A /run/ours)" = .boot ] && umount /run/ours || return
  pattern 34816 100 >/tmp/want && dd if=/dev/hd0t179.1 bs=512 count=100 status=none | cmp - /tmp/want && stop
}

mounted_is_refused() {
  local device
  truncate -s 8M /tmp/busy && mkfs.ext4 -q /tmp/busy && mount -o loop /tmp/busy /mnt || return
  device=$(losetup --noheadings --output NAME --associated /tmp/busy)
  exits 1 'is in use, perhaps mounted' mkqnx6fs -q "$device" && umount /mnt && e2fsck -fn /tmp/busy
}

# The kernel tells of each hole that it reads, and of some long names.
dmesg -n 1
mkdir /run/kernel /run/ours
load_modules fuse loop ext4 crc32c_generic qnx6
for image in /srv/qnx6/*; do
  check -t 60 "${image##*/}: the kernel, qnx6fs and the tree agree" same_as_the_tree "$image"
done
[ ! -e /srv/real ] || check "a volume made by QNX: the kernel and qnx6fs agree" made_by_qnx
check "mkqnx6fs fills a block device" on_a_device
check "mkqnx6fs fills a volume of devb-virtio" on_a_volume
check "mkqnx6fs keeps off a mounted one" mounted_is_refused
