#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# What examples/quickstart.sh does in the guest. Each command is shown, then run.

# shellcheck source=../test/guest/rootfs/guest-checks.sh
. /lib/guest-checks.sh

# run COMMAND: shows a command and what it prints; the guest counts as failed when it fails.
run() {
  say "| # $1"
  sh -c "$1" >/tmp/output 2>&1
  status=$?
  sed 's/^/@@ |   /' /tmp/output
  [ $status -eq 0 ] || check "$1" sh -c "cat /tmp/output; exit $status"
}

load_modules fuse loop ext4 crc32c_generic qnx6 || exit
mkdir /qnx /ext4

if [ "$MACHINE" = q35 ]; then
  run "pci-tool -v -V 1af4"
  run "devb-virtio --list"
  run "devb-virtio"
else
  run "devb-virtio virtio $DISK0_OPTIONS"
fi
run "ls -lL /dev/hd0*"
run "mount -o loop,ro -t qnx6 /dev/hd0t179 /qnx"
run "cat /qnx/hello.txt"
run "find /qnx -type f"
run "mkfs.ext4 -q /dev/hd0t131 && mount -o loop /dev/hd0t131 /ext4"
run "cp -r /qnx/etc /ext4/ && sync && ls /ext4/etc/system"
run "umount /qnx /ext4 && e2fsck -fn /dev/hd0t131"
run "kill -TERM \$(pidof devb-virtio) && while pidof devb-virtio >/dev/null; do sleep 0.1; done"
check "no name is left behind" sh -c '! ls /dev/hd* /run/devb-virtio'
