#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The guest's side of test/bench/qnx6-guest-run.sh. Prints, for the host to add up:
#
#   list COMMAND WHO ROUND MS       COMMAND is ls, du, one or read, WHO is automount, kernel, raw or qnx6fs

# shellcheck disable=SC3043 # dash has local
# shellcheck source=../guest/rootfs/guest-checks.sh
. /lib/guest-checks.sh

# A check keeps what it prints to itself.
tell() {
  say "$@" >/dev/console
}

list() {
  case $1 in
    ls) ls -lnR "$2/many" ;;
    du) du -a "$2/many" ;;
    one) du -a "$2/one" ;;
    read) dd if="$2" of=/dev/null bs=1M count=256 2>&1 ;;
  esac
}

# measure COMMAND WHO ROUND DIRECTORY
measure() {
  local start end
  echo 3 >/proc/sys/vm/drop_caches
  start=$(uptime_ms)
  list "$1" "$4" >/tmp/list || return
  end=$(uptime_ms)
  { [ "$1" = read ] || [ "$(wc -l </tmp/list)" -gt 20000 ]; } && tell "list $1 $2 $3 $((end - start))"
}

by_automount() {
  devb-virtio virtio "$DISK0_OPTIONS" cam quiet blk automount=hd0t179:/mydisk:qnx6 && measure "$1" automount "$2" /mydisk && stop
}

by_the_kernel() {
  devb-virtio virtio "$DISK0_OPTIONS" cam quiet && mount -o loop,ro -t qnx6 /dev/hd0t179 /mnt &&
    measure "$1" kernel "$2" /mnt && umount /mnt && stop
}

read_all() {
  devb-virtio virtio "$DISK0_OPTIONS" cam quiet blk automount=hd0t179:/mydisk:qnx6 && qnx6fs /dev/hd0t179 /mnt &&
    measure read automount "$1" /mydisk/file && measure read raw "$1" /dev/hd0 && measure read qnx6fs "$1" /mnt/file &&
    umount /mnt && stop
}

all_rounds() {
  local round command
  for round in $(seq "$ROUNDS"); do
    for command in ls du one; do
      by_automount $command "$round" && by_the_kernel $command "$round" || return
    done
    read_all "$round" || return
  done
}

load_modules fuse loop qnx6
dmesg -n 1
check -t $((ROUNDS * 120)) "measured" all_rounds
