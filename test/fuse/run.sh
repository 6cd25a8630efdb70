#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The volume tree on this machine's kernel, with RAM disks for devices.
#   test/fuse/run.sh PATH/TO/ram_volume
# Needs root, /dev/fuse and a loop device; uses fio when there is one.
# Exit code: 0 all passed, 1 something failed, 77 nothing could be tested.
set -u
export LC_ALL=C

mib=1048576

# shellcheck source=test/fuse/harness.sh
. "$(dirname "$0")/harness.sh"
program=${1:-build/test/fuse/ram_volume}

# ---- tests ---------------------------------------------------------------------------------

attributes() {
  equal "stat: type, size, blocks, block size, mode, links" \
    "$(stat -c '%F %s %b %o %a %h' "$volumes/hd0")" "regular file $((64 * mib)) 131072 4096 600 1"
  equal "stat: the directory" "$(stat -c '%F %a' "$volumes")" "directory 755"
  # shellcheck disable=SC2011,SC2012 # ls is what is tested
  equal "ls: every name" "$(ls -a "$volumes" | xargs)" ". .. hd0 hd0t179 ro"
  equal "stat: no write bits on a read-only volume" "$(stat -c %a "$volumes/ro")" 400
  refuse "stat: a name that isn't there" "No such file" stat "$volumes/hd9"
  local before
  before=$(stat -c %Y "$volumes/hd0")
  equal "stat: start times" $(($(date +%s) - before < 60)) 1
  sleep 1.1
  dd if=/dev/zero of="$volumes/hd0" bs=4k count=1 conv=notrunc status=none
  equal "stat: a write shows in the time" $(($(stat -c %Y "$volumes/hd0") > before)) 1
  equal "df: no space of its own" "$(stat -f -c '%b %s' "$volumes")" "0 4096"
}

change_attributes() {
  expect "chmod" chmod 666 "$volumes/hd0t179"
  expect "chown" chown 12:34 "$volumes/hd0t179"
  expect "touch -d" touch -d @1000000 "$volumes/hd0t179"
  equal "attributes are kept" "$(stat -c '%a %u %g %X %Y' "$volumes/hd0t179")" \
    "666 12 34 1000000 1000000"
  chmod 666 "$volumes/ro"
  equal "chmod gives no write bits to a read-only volume" "$(stat -c %a "$volumes/ro")" 444
  local name
  for name in "mkdir $volumes/d" "mknod $volumes/p p" "rm -f $volumes/hd0" "touch $volumes/new" \
    "mv $volumes/hd0 $volumes/hd1" "ln $volumes/hd0 $volumes/hd1" "ln -s x $volumes/s"; do
    # shellcheck disable=SC2086 # words on purpose
    refuse "refused: ${name%% *}" "not permitted" $name
  done
  refuse "truncate to a smaller size" "Invalid argument" truncate -s 4096 "$volumes/hd0"
  refuse "truncate to a larger size" "Invalid argument" truncate -s 1G "$volumes/hd0"
  expect "truncate to the same size" truncate -s $((64 * mib)) "$volumes/hd0"
  expect "truncate to 0 goes unnoticed" truncate -s 0 "$volumes/hd0"
  equal "the size is still the disk's" "$(stat -c %s "$volumes/hd0")" $((64 * mib))
  # By name, which nothing but perl does: truncate(1) opens the file first.
  refuse "truncate a read-only volume" "Read-only" \
    perl -e "truncate('$volumes/ro', 0) or die \"\$!\\n\""
}

patterns() {
  head -c $((64 * mib)) /dev/urandom >"$work/image"
  expect "write all with O_TRUNC" dd if="$work/image" of="$volumes/hd0" bs=1M status=none
  expect "read all, buffered" cmp "$work/image" "$volumes/hd0"
  dd if="$volumes/hd0" of="$work/copy" bs=64k iflag=direct status=none
  expect "read all, direct" cmp "$work/image" "$work/copy"
  head -c $((8 * mib)) /dev/urandom >"$work/image2"
  dd if="$work/image2" of="$volumes/hd0" bs=128k oflag=direct conv=notrunc seek=3 status=none
  dd if="$work/image2" of="$work/image" bs=128k conv=notrunc seek=3 status=none
  expect "write direct, read buffered" cmp "$work/image" "$volumes/hd0"
  tell zero
  expect "fsync" dd if="$work/image2" of="$volumes/hd0" bs=1M count=1 conv=notrunc,fsync status=none
  dd if="$work/image2" of="$work/image" bs=1M count=1 conv=notrunc status=none
  equal "fsync reaches the block" "$(number flushes counts)" 1
}

# hole MODE OFFSET SIZE
hole() { fallocate "$1" -o "$2" -l "$3" "$volumes/hd0"; }

zeroes() {
  local end=$((64 * mib)) way_of
  for way_of in -p -z; do
    tell zero
    expect "fallocate $way_of: 5 MiB" hole $way_of $mib $((5 * mib))
    equal "fallocate $way_of: one request for the block" "$(number zeroes counts)" 1
    dd if=/dev/zero of="$work/image" bs=1M seek=1 count=5 conv=notrunc status=none
    expect "fallocate $way_of: reads back as zeroes" cmp "$work/image" "$volumes/hd0"
    dd if="$volumes/hd0" of="$work/copy" bs=1M iflag=direct status=none
    expect "fallocate $way_of: directly, too" cmp "$work/image" "$work/copy"
    dd if="$work/image2" of="$volumes/hd0" bs=1M conv=notrunc status=none
    dd if="$work/image2" of="$work/image" bs=1M conv=notrunc status=none
    refuse "fallocate $way_of: no half blocks" "not supported\|unsupported" hole $way_of 100 4096
    tell refuse 95 1
    refuse "fallocate $way_of: of a device that can't" "not supported\|unsupported" hole $way_of 0 4096
  done
  expect "fallocate -p: over the end, what is there" hole -p $((end - mib)) $((2 * mib))
  dd if=/dev/zero of="$work/image" bs=1M seek=63 count=1 conv=notrunc status=none
  expect "fallocate -p: and no more" cmp "$work/image" "$volumes/hd0"
  refuse "fallocate -z: a disk does not grow" "No space left" hole -z $((end - mib)) $((2 * mib))
  refuse "fallocate: nothing is reserved" "not supported\|unsupported" hole -n 0 4096
  refuse "fallocate: nothing is collapsed" "not supported\|unsupported" hole -c 0 4096
}

sizes() {
  tell zero
  dd if="$work/image2" of="$volumes/hd0" bs=1M oflag=direct conv=notrunc status=none
  dd if="$volumes/hd0" of=/dev/null bs=1M count=8 iflag=direct status=none
  tell counts
  equal "8 MiB direct by 1 MiB are 8 writes and 8 reads of 1 MiB, in place" "$answer" \
    "ok reads=8 writes=8 flushes=0 largest_read=$mib largest_write=$mib unaligned=0 foreign=0 zeroes=0"
  tell zero
  dd if="$work/image2" of="$volumes/hd0" bs=1M conv=notrunc status=none
  tell counts
  equal "8 MiB buffered by 1 MiB are 8 writes of 1 MiB" "$answer" \
    "ok reads=0 writes=8 flushes=0 largest_read=0 largest_write=$mib unaligned=0 foreign=0 zeroes=0"
  dd if="$work/image2" of="$work/image" bs=1M conv=notrunc status=none
  tell zero
  cat "$volumes/hd0" >"$work/copy"
  equal "read ahead is by 1 MiB" "$(number largest_read counts)" $mib
  tell zero
  dd if="$work/image2" of="$volumes/hd0" bs=777 count=5 seek=11 conv=notrunc status=none
  dd if="$work/image2" of="$volumes/hd0" bs=777 count=5 seek=101 oflag=direct conv=notrunc status=none
  # One each, or two where the kernel parts them at a page.
  expect "offsets of any alignment pass through" test "$(number unaligned counts)" -ge 10
  dd if="$work/image2" of="$work/image" bs=777 count=5 seek=11 conv=notrunc status=none
  dd if="$work/image2" of="$work/image" bs=777 count=5 seek=101 conv=notrunc status=none
  expect "and end up where they belong" cmp "$work/image" "$volumes/hd0"
  dd if="$volumes/hd0" of="$work/copy" bs=777 skip=99 count=20 iflag=direct status=none
  dd if="$work/image" of="$work/copy2" bs=777 skip=99 count=20 status=none
  expect "also when read" cmp "$work/copy" "$work/copy2"
}

edges() {
  local end=$((64 * mib))
  refuse "write at the end" "No space left" \
    dd if="$work/image2" of="$volumes/hd0" bs=4k count=1 seek=$end oflag=seek_bytes conv=notrunc
  refuse "write behind the end" "No space left" \
    dd if="$work/image2" of="$volumes/hd0" bs=4k count=1 seek=$((end + mib)) \
    oflag=seek_bytes,direct conv=notrunc
  refuse "write over the end" "2048 bytes" \
    dd if="$work/image2" of="$volumes/hd0" bs=4k count=1 seek=$((end - 2048)) \
    oflag=seek_bytes conv=notrunc
  equal "what fits of it is written" \
    "$(tail -c 2048 "$volumes/hd0" | md5sum)" "$(head -c 2048 "$work/image2" | md5sum)"
  equal "the size stays" "$(stat -c %s "$volumes/hd0")" $end
  equal "read at the end" "$(dd if="$volumes/hd0" bs=4k skip=$end iflag=skip_bytes status=none | wc -c)" 0
  equal "read over the end, direct" "$(dd if="$volumes/hd0" bs=4k skip=$((end - 512)) \
    iflag=skip_bytes,direct status=none | wc -c)" 512
  dd if="$work/image2" of="$work/image" bs=1 count=2048 seek=$((end - 2048)) conv=notrunc status=none
  # Opened only: the block would refuse a write, too.
  refuse "open a read-only volume for writing" "Read-only file system" \
    bash -c "exec 9>>'$volumes/ro'"
  expect "read a read-only volume" cmp -n $((8 * mib)) /dev/zero "$volumes/ro"
  chmod 600 "$volumes/hd0t179"
  chown 0:0 "$volumes/hd0t179"
  refuse "permissions hold for other users" "Permission denied" \
    setpriv --reuid=65534 --regid=65534 --clear-groups head -c 1 "$volumes/hd0t179"
  chmod 644 "$volumes/hd0t179"
  expect "and allow what they say" \
    setpriv --reuid=65534 --regid=65534 --clear-groups head -c 1 "$volumes/hd0t179"
}

# direct FLAG…: a 4 KiB dd on hd0 that bypasses the page cache
direct_read() { dd if="$volumes/hd0" of=/dev/null bs=4k count=1 iflag=direct; }
direct_write() { dd if="$work/image" of="$volumes/hd0" bs=4k count=1 oflag=direct conv=notrunc; }
sync_file() { sync -d "$volumes/hd0"; }

errors() {
  local way
  for way in fail refuse; do
    tell $way 5 1
    refuse "$way: read gives EIO" "Input/output error" direct_read
    tell $way 5 1
    refuse "$way: write gives EIO" "Input/output error" direct_write
    tell $way 5 1
    refuse "$way: fsync gives EIO" "Input/output error" sync_file
    tell $way 110 1
    refuse "$way: ETIMEDOUT stays" "timed out" direct_read
    tell $way 28 1
    refuse "$way: ENOSPC stays" "No space left" direct_write
    tell $way 19 1
    refuse "$way: ENODEV stays" "No such device" direct_read
    tell $way 28 1
    refuse "$way: read behind the end gives EIO" "Input/output error" direct_read
    tell $way 71 1
    refuse "$way: EPROTO becomes EIO" "Input/output error" direct_write
  done
  expect "the volume works after errors" direct_write
  expect "and has the right data" cmp "$work/image" "$volumes/hd0"
  equal "nothing is left in flight" "$(number in_flight state)" 0
}

# fio_run VOLUME OPTION…, in a subshell: fio leaves files where it runs
fio_run() (
  volume=$1
  shift
  cd "$work" && fio --name=fuse --filename="$volumes/$volume" --size=64M --randseed=7 --verify=crc32c \
    --verify_fatal=1 --output="$work/fio" "$@"
)

random_io() {
  if ! command -v fio >/dev/null; then
    echo "# fio is missing: random I/O with checksums skipped"
    return
  fi
  expect "fio: verified random 512 B to 1 MiB, direct, QD32" \
    fio_run hd0 --rw=randrw --bsrange=512-1m --ioengine=libaio --iodepth=32 --direct=1
  expect "fio: once more, after other data" \
    fio_run hd0 --rw=randrw --bsrange=512-1m --ioengine=libaio --iodepth=32 --direct=1 --randseed=8
  expect "fio: the same, buffered, 4 jobs" \
    fio_run hd0 --rw=randrw --bsrange=512-1m --ioengine=psync --numjobs=4 --size=16M --offset_increment=16M
  expect "fio: the same through mmap" \
    fio_run hd0 --rw=randrw --bsrange=512-1m --ioengine=mmap --size=16M
  expect "fio: verified 4 KiB, direct, QD256" \
    fio_run hd0 --rw=randwrite --bs=4k --ioengine=libaio --iodepth=256 --direct=1
  equal "no buffer was elsewhere than in our memory" "$(number foreign counts)" 0
}

file_system() {
  if ! loop=$(losetup -f --show "$volumes/hd0" 2>"$work/output"); then
    echo "# no loop device ($(cat "$work/output")): file system on a volume skipped"
    loop=
    return
  fi
  mkdir -p "$work/inner"
  expect "mkfs.ext4 on a loop device" mkfs.ext4 -q -F "$loop"
  expect "mount it" mount "$loop" "$work/inner"
  head -c $((20 * mib)) "$work/image" >"$work/inner/file"
  mkdir -p "$work/inner/many"
  local i
  for i in $(seq 200); do echo "$i" >"$work/inner/many/$i"; done
  expect "sync" sync -f "$work/inner/file"
  expect "umount it" umount "$work/inner"
  losetup -d "$loop"
  wait_until equal_open 0
  equal "the loop device lets the file go" "$(number open state)" 0
  expect "e2fsck finds no fault" e2fsck -fn "$volumes/hd0"
  loop=$(losetup -f --show "$volumes/hd0")
  mount -o ro "$loop" "$work/inner"
  expect "the data is there again" cmp -n $((20 * mib)) "$work/image" "$work/inner/file"
  equal "and the files" "$(cat "$work/inner/many/"* | wc -l)" 200
  umount "$work/inner"
  losetup -d "$loop"
  loop=
}

# Sizes change under open files and a loop device; nothing but the size is told to anybody.
resizing() {
  start shuffled
  tell add hd0 $((8 * mib))
  head -c $((16 * mib)) /dev/urandom >"$work/image3"
  dd if="$work/image3" of="$volumes/hd0" bs=1M count=8 conv=notrunc,fsync status=none
  exec 7<>"$volumes/hd0"
  loop=$(losetup -f --show "$volumes/hd0" 2>"$work/output") || loop=
  equal "resize: before" "$(stat -c %s "$volumes/hd0")" $((8 * mib))
  tell resize 0 $((16 * mib))
  equal "resize: stat shows a grown disk at once" "$(stat -c %s "$volumes/hd0")" $((16 * mib))
  equal "resize: so does an open file" "$(stat -L -c %s /dev/fd/7)" $((16 * mib))
  expect "resize: the new part can be written" \
    dd if="$work/image3" of="$volumes/hd0" bs=1M skip=8 seek=8 conv=notrunc,fsync status=none
  expect "resize: and read, directly" cmp "$work/image3" \
    <(dd if="$volumes/hd0" bs=1M iflag=direct status=none)
  if [ -n "$loop" ]; then
    losetup -c "$loop"
    equal "resize: a loop device takes it over" "$(blockdev --getsize64 "$loop")" $((16 * mib))
    expect "resize: and has the new part" cmp "$work/image3" "$loop"
  else
    echo "# no loop device ($(cat "$work/output")): its refresh skipped"
  fi
  tell resize 0 $((4 * mib))
  equal "resize: stat shows a shrunk disk at once" "$(stat -c %s "$volumes/hd0")" $((4 * mib))
  refuse "resize: no write behind its end" "No space left" \
    dd if="$work/image3" of="$volumes/hd0" bs=4k count=1 seek=1024 oflag=direct conv=notrunc
  equal "resize: a read ends there" \
    "$(dd if="$volumes/hd0" bs=1M iflag=direct status=none | wc -c)" $((4 * mib))
  if [ -n "$loop" ]; then
    # it still believes in the old end: what it asks for there is an error, not old bytes
    refuse "resize: a loop device gets an error behind it" "Input/output error" \
      dd if="$loop" of=/dev/null bs=4k count=1 skip=2048 iflag=direct
    losetup -c "$loop"
    equal "resize: until it takes that over, too" "$(blockdev --getsize64 "$loop")" $((4 * mib))
    losetup -d "$loop"
    loop=
  fi
  exec 7<&-
  finish_well "resize"
}

equal_open() { [ "$(number open state)" = "$1" ]; }
in_flight_is() { [ "$(number in_flight state)" = "$1" ]; }
in_flight_above() { [ "$(number in_flight state)" -gt "$1" ]; }
stays() {
  local a
  a=$(number in_flight state)
  sleep 0.3
  [ "$(number in_flight state)" = "$a" ]
}

# write_many BS COUNT: so many processes, one write each; their numbers in $writers
write_many() {
  local i
  writers=()
  for i in $(seq 0 $(($2 - 1))); do
    dd if="$work/image" of="$volumes/$3" bs="$1" count=1 skip="$i" seek="$i" oflag=direct \
      conv=notrunc status=none &
    writers+=($!)
  done
}

back_pressure() {
  tell add hd1 $((64 * mib))
  expect "a volume added while mounted is there" test -f "$volumes/hd1"
  tell add hd1 4096
  equal "a name can be added once" "$answer" "error refused"
  if command -v fio >/dev/null; then
    fio_run hd1 --rw=write --bs=1M --ioengine=libaio --iodepth=32 --direct=1 &
    local fio_pid=$!
    tell hold
    wait_until in_flight_above 3
    wait_until stays
    local limit=7
    [ "$way" = plain ] || limit=$((8 * $(getconf _NPROCESSORS_CONF)))
    expect "held: no more requests of 1 MiB than there is memory for" \
      test "$(number in_flight state)" -le $limit
    tell go
    expect "they go on when there is room again" wait "$fio_pid"
    fio_run hd1 --size=8M --rw=randwrite --bs=4k --ioengine=libaio \
      --iodepth=512 --direct=1 &
    fio_pid=$!
    tell hold
    if [ "$way" = plain ]; then
      wait_until in_flight_is 256
      equal "held: 256 requests of 4 KiB, and no more" "$(number in_flight state)" 256
      sync_file & # fsync is not of those that the kernel counts
      sleep 0.2
      equal "held: one more waits in the kernel" "$(number in_flight state)" 256
    else
      wait_until in_flight_above 2
      wait_until stays
      expect "held: no more than there are entries" test "$(number in_flight state)" -le $limit
      sync_file &
    fi
    tell go
    expect "they go on, too" wait "$fio_pid"
    expect "and the one" wait $!
  fi
  tell hold
  write_many 64k 8 hd1
  wait_until in_flight_above 0
  kill -9 "${writers[@]}"
  tell go
  wait "${writers[@]}" 2>/dev/null
  expect "writers killed while they wait: nothing is left" wait_until in_flight_is 0
  expect "the volume goes on" dd if="$work/image" of="$volumes/hd1" bs=1M oflag=direct status=none
  expect "with the right data" cmp "$work/image" "$volumes/hd1"
}

busy_unmount() {
  exec 7<"$volumes/hd0"
  equal "an open file is counted" "$(number open state)" 1
  refuse "umount of an open volume" "busy" umount "$volumes"
  expect "umount -l takes the name" umount -l "$volumes"
  expect "the open file goes on" dd bs=1M count=1 iflag=direct of="$work/copy" status=none <&7
  expect "with the right data" cmp -n $mib "$work/image" "$work/copy"
  exec 7<&-
  expect "after the last close the server ends" wait_until is_gone "$server_pid"
  finish
  equal "and ends well" $? 0
}

# image_volume WAY…: a fresh server with the image on hd0
image_volume() {
  start "$@"
  tell add hd0 $((64 * mib))
  dd if="$work/image" of="$volumes/hd0" bs=1M status=none
}

quit_while_open() {
  image_volume shuffled
  exec 7<>"$volumes/hd0"
  tell hold
  dd if=/dev/zero of="$volumes/hd0" bs=1M count=2 oflag=direct conv=notrunc 2>"$work/copy" &
  wait_until in_flight_above 0
  finish_well "quit while files are open and requests wait"
  wait $!
  refuse "the open file is dead" "not connected" dd bs=4k count=1 iflag=direct of=/dev/null <&7
  exec 7<&-
}

killed() {
  start
  tell add hd0 $mib
  exec 7<"$volumes/hd0"
  kill -9 "$server_pid"
  finish
  equal "kill -9" $? 137
  # who asks while the kernel takes it down is told so
  refuse "what it leaves is dead" "not connected\|connection abort" ls "$volumes"
  start
  tell add hd0 $mib
  exec 7<&-
  expect "the next one takes its place" cmp -n $mib /dev/zero "$volumes/hd0"
  equal "alone" "$(grep -c " $volumes fuse" /proc/mounts)" 1
  kill -9 "$server_pid"
  finish
  expect "or umount -l cleans up" umount -l "$volumes"
  expect "and it is gone" is_unmounted
}

foreign_mount() {
  start
  mount -t tmpfs none "$volumes"
  finish
  expect "somebody else's mount on top stays" grep -q " $volumes tmpfs " /proc/mounts
  umount "$volumes"
  umount -l "$volumes"
}

small() {
  start shuffled io_max=8192
  tell add hd0 $((64 * mib))
  dd if="$work/image" of="$volumes/hd0" bs=1M oflag=direct status=none
  expect "io_max=8192: data" cmp "$work/image" "$volumes/hd0"
  dd if="$volumes/hd0" of=/dev/null bs=1M count=4 iflag=direct status=none
  tell counts
  equal "io_max=8192: no request is larger" "$(grep -o 'largest[^ ]*' <<<"$answer" | xargs)" \
    "largest_read=8192 largest_write=8192"
  finish_well "io_max=8192"
  start shuffled memory=2113536
  tell add hd0 $((64 * mib))
  dd if="$work/image" of="$volumes/hd0" bs=1M oflag=direct status=none
  expect "the least memory is enough" cmp "$work/image" "$volumes/hd0"
  finish_well "the least memory"
}

# fails TEXT COMMAND…: no server comes up, one line says why
complaints() {
  refuse "io_max too large" "expected 4096 to 1048576" "$program" io_max=2097152 "$volumes"
  refuse "too little memory" "expected at least" "$program" memory=65536 "$volumes"
  refuse "no directory" "no such directory" "$program" "$work/nowhere"
  refuse "a file" "no such directory" "$program" "$work/image"
  cp "$program" "$work/program"
  chmod 755 "$work/program"
  refuse "no privileges" "needs root" \
    setpriv --reuid=65534 --regid=65534 --clear-groups "$work/program" "$volumes"
  expect "nothing was mounted" is_unmounted
}

# ---- the run -------------------------------------------------------------------------------

[ -x "$program" ] || skip_all "$program is not built"
[ "$(id -u)" = 0 ] || skip_all "mounting needs root"
[ -c /dev/fuse ] || skip_all "no /dev/fuse (modprobe fuse)"

work=$(mktemp -d)
volumes=$work/volumes
mkdir "$volumes"
chmod 755 "$work"
trap cleanup EXIT
trap 'exit 1' INT TERM
trap '' PIPE # the server may be gone when it is told something

image_tests() {
  patterns
  zeroes
  sizes
  edges
  errors
  random_io
  dd if="$work/image" of="$volumes/hd0" bs=1M status=none
}

suite() {
  echo "# messages by way of: $way"
  start shuffled
  equal "the server starts" "$answer" "ok mounted"
  tell add hd0 $((64 * mib))
  tell add hd0t179 $((8 * mib))
  tell add ro $((8 * mib)) ro
  attributes
  equal "messages come the way that is tested" "$(number uring state)" \
    "$([ "$way" = uring ] && echo 1 || echo 0)"
  change_attributes
  image_tests
  file_system
  dd if="$work/image" of="$volumes/hd0" bs=1M status=none
  back_pressure
  busy_unmount
  quit_while_open
  killed
  foreign_mount
  resizing
  small
  complaints
}

suite
if allow_uring; then
  way=uring
  suite
else
  echo "# no FUSE over io_uring (it needs Linux 6.14 and the fuse module's enable_uring): skipped"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
