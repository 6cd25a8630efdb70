#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# blk automount= of QNX6 volumes, which devb-virtio serves itself, on a disk that qemu-storage-daemon serves: what is
# in them, who may, how they end when the daemon, its back end, the user or the keeper does. No guests.
#
#   test/qnx6/test_automount.sh [BUILD]
#
# Prints "N passed, N failed"; status 77: no root, /dev/fuse or qemu-storage-daemon.
set -uo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(dirname "$(dirname "$here")")
build=${1:-$repo/build}
driver=$build/driver/devb-virtio
mkqnx6fs=$build/fs-glue/qnx6/make/mkqnx6fs

if ((EUID != 0)) || [[ ! -c /dev/fuse ]] || ! command -v qemu-storage-daemon >/dev/null; then
  echo "automount= of QNX6 is not tested: it needs root, /dev/fuse and qemu-storage-daemon (Debian: qemu-system-common)"
  exit 77
fi

work=$(mktemp -d)
chmod 755 "$work"
mnt=$work/mydisk # made by the daemon
tree=$work/tree
sock=$work/disk.sock
qsd_pid=
pid= # of the daemon
volumes= # where it has them
mkdir "$tree" "$work/dev"

# shellcheck source=test/qnx6/mounted.sh
. "$here/mounted.sh"

cleanup() {
  local job
  for job in $(jobs -p); do kill -KILL "$job"; done 2>/dev/null
  umount -l "$mnt" 2>/dev/null
  [[ -z $volumes ]] || umount -l "$volumes" 2>/dev/null
  [[ -z $volumes ]] || rmdir "$volumes" 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT

# start_qsd [IMAGE]: ready when this returns
start_qsd() {
  rm -f "$sock"
  qemu-storage-daemon --blockdev "driver=file,node-name=disk,filename=${1:-$work/disk}" \
    --export "vhost-user-blk,id=e,node-name=disk,addr.type=unix,addr.path=$sock,writable=on,num-queues=2" >"$work/qsd" 2>&1 &
  qsd_pid=$!
  await test -S "$sock"
}
stop_qsd() {
  kill -"$1" "$qsd_pid"
  wait "$qsd_pid" 2>/dev/null || : # killed, as it was meant to be
}

# start AUTOMOUNT [WORD]...: as far as its banner
start() {
  local automount=$1
  shift
  rm -f "$work/log"
  "$driver" -f virtio "vhost-user=$sock" blk "devdir=$work/dev${automount:+,automount=$automount}" "$@" >"$work/log" 2>&1 &
  pid=$!
  if await shows_banner && grep -q "^Path=" "$work/log"; then
    volumes=$(dirname "$(readlink "$work"/dev/hd0)")
  else
    cat "$work/log" && false
  fi
}
shows_banner() { grep -qs '/dev/hd0' "$work/log" && grep -q '^Path=' "$work/log" || ! kill -0 "$pid" 2>/dev/null; }
restart() { start "$@" >"$work/output" 2>&1 || not_ok "starting again with $1"; }

has_ended() { timeout 60 tail --pid="$pid" -f /dev/null; }
nothing_is_left() {
  ls -la "$work/dev" "$mnt"
  grep "$work\|devb-virtio" /proc/mounts
  ! is_mounted && [[ ! -e $mnt ]] && ! mountpoint -q "$volumes" && [[ -z $(ls "$work/dev") ]]
}
# ends STATUS: by itself, and leaves nothing
ends() {
  local status
  has_ended || kill -KILL "$pid"
  wait "$pid"
  status=$?
  cat "$work/log"
  echo "(status $status)"
  ((status == $1)) && nothing_is_left
}
stop() { kill -TERM "$pid" && ends 0; }

# --- a disk with a QNX6 partition, one of another kind, and one of QNX6's type that holds none

make_disk() {
  make_tree && truncate -s 96M "$work/disk" &&
    printf 'label: dos\n2048,131072,b3\n133120,32768,83\n165888,4096,b3\n' | sfdisk -q "$work/disk" &&
    "$mkqnx6fs" -q -b 1024 -d "$tree" --offset=1M --size=64M "$work/disk" && truncate -s 16M "$work/ext4" &&
    mkfs.ext4 -q -F "$work/ext4" && dd if="$work/ext4" of="$work/disk" bs=1M seek=65 conv=notrunc status=none
}
make_disk || exit
start_qsd || exit

# --- what it is for

all_of_it() { same_lists && links_of_directories && same_content && same_pieces 20; }
kind() { grep -F "$work/dev/hd0t179 $mnt fuse.qnx6fs ro,nosuid,nodev" /proc/mounts; }
expect "automount=hd0t179:DIR:qnx6" start "hd0t179:$mnt:qnx6"
expect "names, kinds, modes, owners, times, links, content, pieces" all_of_it
expect "no loop device and no kernel driver is behind it" kind
expect "eight readers at once" readers_at_once
beside_the_volume() {
  local status
  readers_at_once >"$work/readers" &
  local readers=$!
  dd if="$work/dev/hd0t131" of="$work/copy" bs=64k iflag=direct status=none && cmp "$work/copy" "$work/ext4"
  status=$?
  wait "$readers" && ((status == 0))
}
expect "beside readers of a volume" beside_the_volume
by_modes() { setpriv --reuid=65534 --regid=65534 --clear-groups cat "$mnt/hello" && ! setpriv --reuid=65534 --regid=65534 --clear-groups cat "$mnt/modes/0400"; }
expect "others get what the modes give them" by_modes
expect "SIGTERM: unmounted, and the directory it made is gone" stop

for automount in "hd0t179:$mnt" "hd0@qnx6:$mnt" "hd0@179:$mnt:qnx6:uid=42\\,workers=9" "$work/dev/hd0t179:$mnt::noexec"; do
  expect "automount=${automount//$work/}" start "$automount"
  expect "is a mount of ours" kind
  expect "with all that it holds" same_content
  [[ $automount != *uid* ]] || expect "and its options" bash -c "[[ \$(stat -c %u '$mnt') == 42 ]]"
  expect "and goes" stop
done

"$mkqnx6fs" -q -b 4096 -d "$tree" --size=64M "$work/bare" || exit
stop_qsd TERM
start_qsd "$work/bare"
expect "a disk that is a volume as a whole" start "hd0:$mnt"
expect "has all of it" all_of_it
expect "and goes, too" stop
stop_qsd TERM
start_qsd

if losetup -f >/dev/null 2>&1; then
  by_mount() { start "hd0t131:$mnt" && grep -q " $mnt ext4 " /proc/mounts; }
  expect "without a type, others go to mount(8)" by_mount
  expect "and end as they did" stop
else
  echo "skipped: other file systems by mount(8): there is no loop device"
fi

# --- what it refuses

# refused STATUS TEXT AUTOMOUNT: as refuse, and nothing is left
refused() {
  refuse "refused: automount=${3//$work/}" "$1" "$2" \
    "$driver" -f virtio "vhost-user=$sock" blk "devdir=$work/dev,automount=$3"
  expect "and nothing is left" nothing_is_left
}
refused 1 "cannot be mounted on $mnt: " "hd0t131:$mnt:qnx6"
refused 1 "cannot be mounted on $mnt: " "hd0t179.1:$mnt"
refused 2 "option 'nonsense': expected" "hd0t179:$mnt:qnx6:nonsense"
refused 1 "no such directory to mount the volume on" "hd0t179:$mnt/deeper:qnx6"

# --- how it ends

restart "hd0t179:$mnt:qnx6"
while_in_use() {
  local status
  exec 8<"$mnt/sizes/2500000"
  head -c 1000 <&8 >/dev/null
  stop
  status=$?
  cat <&8 >/dev/null
  exec 8<&-
  ((status == 0)) && grep -q "$mnt is still in use: it is detached" "$work/log"
}
expect "SIGTERM while a file is open" while_in_use
restart "hd0t179:$mnt:qnx6"
while_reading() {
  while cat "$mnt"/sizes/* >/dev/null 2>&1; do :; done &
  local reader=$!
  read -rt 0.3 <> <(:)
  stop && wait "$reader"
}
expect "SIGTERM while files are read" while_reading
restart "hd0t179:$mnt:qnx6"
expect "the user unmounts it" umount "$mnt"
expect "the volumes stay" cmp -n 1000000 "$work/dev/hd0" "$work/disk"
expect "and the daemon ends well" stop
restart "hd0t179:$mnt:qnx6"
kill -KILL "$pid" && wait "$pid" 2>/dev/null
is_dead() { ! ls "$mnt" && grep -q " $mnt fuse.qnx6fs" /proc/mounts; }
expect "SIGKILL leaves a dead mount" is_dead
expect "which the next start takes the place of" start "hd0t179:$mnt:qnx6"
expect "with all that it holds" same_content
expect "once" bash -c "[[ \$(grep -c ' $mnt ' /proc/mounts) == 1 ]]"
rmdir_after() { kill -TERM "$pid" && has_ended && ! is_mounted && rmdir "$mnt" && nothing_is_left; }
expect "and goes; the directory is what was there" rmdir_after
restart "hd0t179:$mnt:qnx6"
volumes_unmounted() { umount -l "$volumes" && has_ended; }
expect "the volumes are unmounted by somebody: the daemon ends" volumes_unmounted
expect "and its mount with it" ends 1

# --- a back end that goes

# fails_within SECONDS COMMAND...
fails_within() {
  local start=$SECONDS limit=$1
  shift
  timeout 60 "$@" && return 1
  ((SECONDS - start <= limit)) || { echo "after $((SECONDS - start)) s" && false; }
}
restart "hd0t179:$mnt:qnx6" disk timeout=1
drop_caches
stop_qsd KILL
reads() { cat "$mnt"/sizes/2500000 >/dev/null; }
expect "the back end is killed: errors within the deadline" fails_within 10 cat "$mnt/sizes/2500000" "$mnt/sizes/1048576"
expect "for readers at once, too" fails_within 20 bash -c "for i in 1 2 3 4 5 6; do cat '$mnt/sizes/8192' '$mnt/sizes/65537' & done; wait -n"
start_qsd
expect "it is back" await grep -q "the device is back" "$work/log"
expect "and the files as well" same_content
expect "which ends well" stop
restart "hd0t179:$mnt:qnx6" disk timeout=1
drop_caches
kill -STOP "$qsd_pid"
expect "the back end stands still: errors within the deadline" fails_within 20 cat "$mnt/sizes/2500000"
kill -CONT "$qsd_pid"
expect "the daemon has lost it, and ends" ends 1
stop_qsd KILL
start_qsd

# --- as somebody else

processes() { pgrep -f "^$driver -f virtio vhost-user=$sock "; }
worker() { for p in $(processes); do [[ $p == "$pid" ]] || echo "$p"; done; }
without_root() {
  local task
  for task in "/proc/$(worker)"/task/*; do
    grep -q '^Uid:.20.20.20.20$' "$task/status" && grep -q '^CapPrm:.0*$' "$task/status" && grep -q '^NoNewPrivs:.1' "$task/status" || return
  done
  (($(find "/proc/$(worker)/task" -mindepth 1 -maxdepth 1 | wc -l) >= 5))
}
restart "hd0t179:$mnt:qnx6" cam user=20:20
expect "cam user=: all of it" all_of_it
expect "by threads without any privilege" without_root
expect "SIGTERM to the keeper" stop
restart "hd0t179:$mnt:qnx6" cam user=20:20
exec 8<"$mnt/hello"
expect "SIGTERM to the worker, while a file is open" bash -c "kill -TERM $(worker)"
expect "the keeper unmounts" ends 0
exec 8<&-
restart "hd0t179:$mnt:qnx6" cam user=20:20
kill -KILL "$(worker)"
expect "SIGKILL of the worker: the keeper cleans up" ends 1

stop_qsd TERM
echo "$passed passed, $failed failed"
((failed == 0))
