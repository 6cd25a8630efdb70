#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The disk belongs to the kernel from its boot on, as on most users' machines: the counterpart of the smoke scenario.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

pci=/sys/bus/pci/devices/$DISK0_BDF

is_bound() {
  readlink "$pci/driver" | grep '/virtio-pci$'
}

reads_the_pattern() {
  load_modules virtio_blk && wait_for 10 test -b /dev/vda && pattern 0 64 >/tmp/want &&
    dd if=/dev/vda of=/tmp/got bs=4k count=8 iflag=direct && cmp /tmp/want /tmp/got
}

is_let_go() {
  echo "$DISK0_BDF" >"$pci/driver/unbind" && [ ! -e "$pci/driver" ] && wait_for 10 test ! -e /dev/vda
}

check "the kernel has taken the disk at boot" is_bound
check "and reads the pattern" reads_the_pattern
check "and lets it go" is_let_go
