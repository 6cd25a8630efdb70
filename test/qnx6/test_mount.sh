#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# qnx6fs on this machine's FUSE: what it shows against the tree that the volume was made from, what it refuses, how
# it comes and goes. Where the project's shared folder exists, also a volume that QNX itself made.
#
#   test/qnx6/test_mount.sh [BUILD]
#
# Prints "N passed, N failed"; status 77: no root or no /dev/fuse.
set -uo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(dirname "$(dirname "$here")")
build=${1:-$repo/build}
qnx6fs=$build/fs-glue/qnx6/mount/qnx6fs
mkqnx6fs=$build/fs-glue/qnx6/make/mkqnx6fs

if ((EUID != 0)) || [[ ! -c /dev/fuse ]]; then
  echo "qnx6fs is not tested: it needs root and /dev/fuse"
  exit 77
fi

work=$(mktemp -d)
chmod 755 "$work"
mnt=$work/mnt
tree=$work/tree
pid= # of a qnx6fs in the foreground
mkdir "$mnt" "$tree"

# shellcheck source=test/qnx6/mounted.sh
. "$here/mounted.sh"

cleanup() {
  local job
  for job in $(jobs -p); do kill -KILL "$job"; done 2>/dev/null
  while mountpoint -q "$mnt" || grep -qs " $mnt " /proc/mounts; do umount -l "$mnt" || break; done 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT

# start VOLUME [OPTION...]: in the foreground of this script; mounted when it returns
start() {
  local volume=$1
  shift
  rm -f "$work/log" # of the one before
  "$qnx6fs" -fv "$@" "$volume" "$mnt" >"$work/log" 2>&1 &
  pid=$!
  await grep -q 'mounted on' "$work/log" || { cat "$work/log" && false; }
}

# ends STATUS: the one in the foreground does, and nothing stays mounted
ends() {
  local status
  timeout 20 tail --pid="$pid" -f /dev/null || kill -KILL "$pid"
  wait "$pid"
  status=$?
  cat "$work/log"
  ((status == $1)) && ! is_mounted
}

stop() { umount "$mnt" && ends 0; }
# as start, where that is not what is tested
restart() { start "$@" >"$work/output" 2>&1 || not_ok "mounting $1 again"; }

# --- a tree with everything that a volume can hold

make_tree || exit
for order in little big; do
  for size in 512 1024 2048 4096; do
    name="blocks of $size, $order-endian"
    rm -f "$work/image"
    "$mkqnx6fs" -q -b "$size" -e "$order" -d "$tree" --size=64M "$work/image" || exit
    expect "$name: mounts" start "$work/image"
    expect "$name: names, kinds, modes, owners, times, sizes, links, targets" same_lists
    expect "$name: links of directories" links_of_directories
    expect "$name: content" same_content
    expect "$name: pieces of files, direct and buffered" same_pieces 40
    expect "$name: unmounted, it ends" stop
  done
done

# --- what else a mounted volume is asked

image=$work/image
expect "the volume once more" start "$image"
expect "eight readers at once" readers_at_once
is_read_only() {
  ! touch "$mnt/new" && ! : >"$mnt/hello" && ! rm "$mnt/hello" && ! mkdir "$mnt/d" && ! chmod 600 "$mnt/hello" && ! ln "$mnt/hello" "$mnt/l"
} 2>"$work/said"
expect "nothing can be written" is_read_only
expect "and that is what is said" bash -c "[[ \$(grep -c 'Read-only file system' '$work/said') == 6 ]]"
mount_line() { grep -F " $mnt fuse.qnx6fs ro,nosuid,nodev," /proc/mounts && grep -F "$image $mnt" /proc/mounts; }
expect "/proc/mounts tells what it is" mount_line
room() {
  stat -f "$mnt"
  [[ $(stat -f -c '%S %l' "$mnt") == "4096 510" ]] && (($(stat -f -c %b "$mnt") == (64 * 1048576 - 16384) / 4096)) &&
    (($(stat -f -c %f "$mnt") < $(stat -f -c %b "$mnt"))) && (($(stat -f -c %c "$mnt") > $(find "$tree" | wc -l)))
}
expect "its room is the volume's" room
no_attributes() { ! getfattr -n user.x "$mnt/hello" 2>&1 | tee "$work/said" && grep -q 'not supported' "$work/said"; }
if command -v getfattr >/dev/null; then
  expect "there are no extended attributes" no_attributes
else
  echo "skipped: that there are no extended attributes: getfattr shows it (Debian: attr)"
fi
never_there() { ! cat "$mnt/none" && ! cat "$mnt/none" && ! ls "$mnt/$(name_of 600)" && ! ls "$mnt/hello/x"; }
expect "what is not there is not there" never_there
# The process stands still, so what can be done meanwhile the kernel does by itself.
without_asking() {
  local status
  drop_caches
  ls -f "$mnt/sizes" && cat "$mnt/hello" || return
  kill -STOP "$pid"
  (cd "$tree" && find sizes -type f -printf "$mnt/%p\n") | timeout 10 xargs stat -c '%n %s' && timeout 10 cat "$mnt/hello"
  status=$?
  kill -CONT "$pid"
  return "$status"
}
expect "names bring their attributes along, and what was read is kept" without_asking
expect "stopped" stop

many() {
  local i
  rm -rf "$work/many" && mkdir "$work/many" && (cd "$work/many" && for ((i = 0; i < 20000; i++)); do echo "file $i of a great many" >"a name that is too long for a short entry $i"; done) &&
    find "$work/many" -exec touch -d @1234567890 {} + &&
    "$mkqnx6fs" -q -b 1k -d "$work/many" --size=128M "$work/many.img" && start "$work/many.img"
}
expect "20 000 files in one directory" many
expect "all of them are listed as they are" same_lists "$mnt" "$work/many"
many_content() { drop_caches && diff -r -x .boot "$work/many" "$mnt"; }
expect "and hold what they should" many_content
by_name() { drop_caches && [[ $(cat "$mnt/a name that is too long for a short entry 13777") == "file 13777 of a great many" ]]; }
expect "one is found without a look at the others" by_name
expect "stopped, too" stop
rm -rf "$work/many" "$work/many.img"

# --- who may

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
shut_out() { ! as_nobody cat "$mnt/hello"; }
let_in() { as_nobody cat "$mnt/hello" && ! as_nobody cat "$mnt/modes/0400" && ! as_nobody ls "$mnt/modes/private" && as_nobody ls "$mnt/modes/0755"; }
restart "$image" -o private
expect "others are shut out by private" shut_out
stop >/dev/null
restart "$image"
expect "they come in as far as the modes let them, where root mounts" let_in
stop >/dev/null
restart "$image" -o rw,uid=42,gid=43,umask=027,workers=1,allow_other,x-systemd.automount,_netdev,sync=optional
owned_otherwise() { [[ $(stat -c '%u %g %a' "$mnt/hello" "$mnt/modes/7777" "$mnt") == $'42 43 640\n42 43 7750\n42 43 750' ]]; }
expect "uid=, gid=, umask=, and options that change nothing" owned_otherwise
expect "by a single thread" same_content
expect "stopped as well" stop

# As where /dev/fuse is for everybody; nobody else sees that here.
# shellcheck disable=SC2016 # the inner shell's
by_anybody() {
  mknod "$work/fuse" c 10 229 && chmod 666 "$work/fuse" && chown 65534 "$mnt" && chmod 644 "$image" &&
    unshare -m bash -c 'mount --bind "$1/fuse" /dev/fuse && as_nobody "$qnx6fs" "$1/image" "$1/mnt" && is_mounted &&
      as_nobody diff -r --no-dereference -x fifo -x .boot -x modes "$1/tree" "$1/mnt" &&
      as_nobody fusermount3 -u "$1/mnt" && ! is_mounted' by_anybody "$work"
}
export -f as_nobody is_mounted
export qnx6fs mnt
if [[ -u $(command -v fusermount3) ]]; then
  expect "anybody can, by fusermount3" by_anybody
else
  echo "skipped: who is not root needs fusermount3 (Debian: fuse3)"
fi
chown 0 "$mnt"

# --- how it comes and goes

# serving: the process in the background that has this mount
serving() { pgrep -f "^$qnx6fs .*$mnt\$" | while read -r p; do grep -q '^State:.Z' "/proc/$p/status" 2>/dev/null || echo "$p"; done; }
nobody_serves() { [[ -z $(serving) ]]; }
in_background() { "$qnx6fs" "$image" "$mnt" && cmp "$tree/hello" "$mnt/hello" && [[ $(serving | wc -l) == 1 ]]; }
expect "without -f it returns when the volume can be used" in_background
expect "and ends when it is unmounted" umount "$mnt"
expect "soon" await nobody_serves
restart "$image"
term() { kill -TERM "$pid" && ends 0 && ! grep -q warning "$work/log"; }
expect "SIGTERM unmounts" term
restart "$image"
busy() {
  local status
  exec 8<"$mnt/hello"
  kill -INT "$pid"
  ends 0
  status=$?
  exec 8<&-
  ((status == 0)) && grep -q "was still in use" "$work/log"
}
expect "SIGINT detaches what is in use, and says so" busy
restart "$image"
kill -KILL "$pid" && wait "$pid" 2>/dev/null
is_dead() { ! ls "$mnt" 2>"$work/said" && grep -q 'not connected' "$work/said"; }
expect "SIGKILL leaves a dead mount" is_dead
expect "which the next one takes the place of" start "$image"
expect "and works" same_lists
expect "and ends" stop
# As if it were installed; nobody else sees that here.
# shellcheck disable=SC2016 # the inner shell's
by_mount() {
  unshare -m bash -c 'mount -t tmpfs none /usr/local/sbin && ln -s "$qnx6fs" /usr/local/sbin/ &&
    mount -t fuse.qnx6fs -o noatime "$1/image" "$mnt" && cmp "$1/tree/hello" "$mnt/hello" && umount "$mnt"' by_mount "$work"
}
if [[ -x /sbin/mount.fuse ]]; then
  expect "mount(8) does it by mount.fuse" by_mount
else
  echo "skipped: mount -t fuse.qnx6fs needs mount.fuse (Debian: fuse3), or a link that installing makes"
fi
as_helper() {
  ln -s "$qnx6fs" "$work/mount.fuse.qnx6fs" && "$work/mount.fuse.qnx6fs" "$image" "$mnt" -n -o rw,noexec -t fuse.qnx6fs &&
    same_lists && grep -F " $mnt fuse.qnx6fs ro,nosuid,nodev,noexec" /proc/mounts && umount "$mnt"
}
expect "and as mount(8) would call it" as_helper

# --- what it refuses

refuse "no argument" 2 "expected what to mount" "$qnx6fs"
refuse "three arguments" 2 "found more" "$qnx6fs" a b c
refuse "an option that is none" 2 "there is no option" "$qnx6fs" -x "$image" "$mnt"
refuse "a mount option that is none" 1 "option 'nonsense': expected" "$qnx6fs" -o nonsense "$image" "$mnt"
refuse "a number that is none" 1 "expected the number of a user" "$qnx6fs" -o uid=root "$image" "$mnt"
refuse "no workers" 1 "expected 1 to 64 threads" "$qnx6fs" -o workers=0 "$image" "$mnt"
refuse "no such volume" 1 "No such file" "$qnx6fs" "$work/none" "$mnt"
refuse "a directory as the volume" 1 "expected is a file or a block device" "$qnx6fs" "$work" "$mnt"
refuse "a device that is none" 1 "expected is a file or a block device" "$qnx6fs" /dev/zero "$mnt"
refuse "no such directory" 1 "no such directory to mount the volume on" "$qnx6fs" "$image" "$work/none"
refuse "a file as the directory" 1 "no such directory to mount the volume on" "$qnx6fs" "$image" "$image"
: >"$work/nothing"
refuse "an empty file" 1 "QNX6" "$qnx6fs" "$work/nothing" "$mnt"
head -c 1M /dev/urandom >"$work/noise"
refuse "noise" 1 "QNX6" "$qnx6fs" "$work/noise" "$mnt"

cp "$image" "$work/bad"
damage "$work/bad" $((0x2000 + 8)) '\xff\xff'
super2=$((0x3000 + $(stat -c %s "$work/bad") - 0x4000))
expect "one valid super block is enough" start "$work/bad"
expect "for all of it" same_lists
expect "stopped again" stop
damage "$work/bad" $((super2 + 8)) '\xff\xff'
refuse "none is valid" 1 "super block" "$qnx6fs" "$work/bad" "$mnt"

# A file whose time of modification nothing else in the volume is, so that its inode can be found: there, at 20, and
# the first of its pointers at 36. This image has little-endian numbers.
touch -d @1592635118 "$tree/sizes/65536"
"$mkqnx6fs" -q -b 1024 -d "$tree" --size=64M "$work/bad" || exit
offset=$(grep -obUaP '\xee\xae\xed\x5e' "$work/bad" | head -n 1 | cut -d : -f 1)
touch -d @1592635119 "$tree/sizes/65536"
damage "$work/bad" $((offset + 16)) '\xff\xff\xff\x7f'
restart "$work/bad"
damaged() {
  local file bad=0
  for file in "$mnt"/sizes/*; do
    cmp "$file" "$tree/sizes/${file##*/}" >"$work/said" 2>&1 && continue
    cat "$work/said"
    grep -q 'Input/output error' "$work/said" && bad=$((bad + 1)) || return
  done
  ((bad == 1)) && diff -r --no-dereference -x fifo -x .boot -x sizes "$tree" "$mnt"
}
expect "a file with a pointer to nowhere reads as EIO, all others as they are" damaged
expect "stopped once more" stop
restart "$work/bad"
truncate -s 20k "$work/bad"
drop_caches
cut_off() { ! cat "$mnt"/sizes/* >/dev/null 2>"$work/said" && grep -q 'Input/output error' "$work/said"; }
expect "a volume that is cut off meanwhile reads as EIO" cut_off
expect "and can be unmounted" stop

# --- a volume made by QNX, and the tar of what QNX saw in it

real=$(dirname "$repo")/shared/images/nfi-qnxmount-test_image.bin
made_by_qnx() {
  mkdir "$work/truth" && tar -xpzf "${real%.bin}.tar.gz" -C "$work/truth" --numeric-owner --same-owner &&
    touch -h -r "$mnt" "$work/truth" && chmod --reference="$mnt" "$work/truth" && chown --reference="$mnt" "$work/truth" &&
    same_lists "$mnt" "$work/truth" && links_of_directories && diff -r --no-dereference -x this_is_a_fifo -x .boot "$work/truth" "$mnt"
}
if [[ -e $real ]]; then
  expect "a volume made by QNX mounts" start "$real"
  expect "and is what QNX saw: names, kinds, modes, owners, times, links, content" made_by_qnx
  expect "and goes" stop
else
  echo "skipped: a volume made by QNX: this machine has no ${real##*/}"
fi

echo "$passed passed, $failed failed"
((failed == 0))
