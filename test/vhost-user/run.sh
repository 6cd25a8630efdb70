#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Devices of another process on this machine: qemu-storage-daemon as the back end, one that is not to be trusted, and
# one that is stopped, killed and started again. No guests; with root and /dev/fuse also the volumes of devb-virtio.
#
#   test/vhost-user/run.sh [BUILD]
#
# QSD=program tests another qemu-storage-daemon; LONG=seconds kills it for as long (default 6). Prints "N passed, N
# failed"; status 77: qemu-storage-daemon is not installed. Without root or /dev/fuse, devb-virtio is left out.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${1:-$here/../../build}
cat=$build/examples/vio-cat
check=$build/test/vhost-user/vu_check
fake=$build/test/vhost-user/fake_backend
qsd=${QSD:-qemu-storage-daemon}
work=$(mktemp -d)
sock=$work/disk.sock
qsd_pid=
driver=$build/driver/devb-virtio
driver_pid=
daemon_pid=
volume= # the disk as a file
long=${LONG:-6}
fuse_uring=/sys/module/fuse/parameters/enable_uring
uring_before=
passed=0
failed=0

command -v "$qsd" >/dev/null || {
  echo "vhost-user tests skipped: there is no $qsd (Debian: qemu-system-common)"
  exit 77
}

cleanup() {
  local pid
  for pid in $(jobs -p); do kill -KILL "$pid"; done 2>/dev/null
  [[ -z $uring_before ]] || echo "$uring_before" >"$fuse_uring"
  # what a devb-virtio that was killed leaves
  [[ -z $volume ]] || umount -l "$(dirname "$(readlink -m "$volume")")" 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT

ok() {
  passed=$((passed + 1))
  echo "ok - $1"
}

not_ok() {
  failed=$((failed + 1))
  echo "not ok - $1"
  sed 's/^/    /' "$work/output" | tail -n 8
}

# expect NAME COMMAND...: it succeeds
expect() {
  local name=$1
  shift
  if "$@" >"$work/output" 2>&1; then ok "$name"; else not_ok "$name"; fi
}

# refuse NAME TEXT COMMAND...: it fails with one line, which says TEXT, and does not need 20 s for that
refuse() {
  local name=$1 text=$2 status
  shift 2
  timeout 20 "$@" >/dev/null 2>"$work/output"
  status=$?
  if ((status == 1)) && [[ $(wc -l <"$work/output") == 1 ]] && grep -qF "$text" "$work/output"; then
    ok "$name"
  else
    echo "(status $status)" >>"$work/output"
    not_ok "$name"
  fi
}

# await FILE TEXT: the text comes to stand in the file, within 20 s
await() {
  local limit=$((SECONDS + 20))
  until grep -qs -- "$2" "$1"; do
    ((SECONDS < limit)) || return
    read -rt 0.02 <> <(:)
  done
  true
}

# start_qsd BLOCKDEV [,OPTION...]: exports it with two queues; ready when this returns
start_qsd() {
  rm -f "$sock" "$work/qmp" "$work/pid"
  "$qsd" --blockdev "$1" --chardev socket,id=m,path="$work/qmp",server=on,wait=off --monitor m \
    --export "vhost-user-blk,id=e,node-name=disk,addr.type=unix,addr.path=$sock,writable=on,num-queues=2${2-}" \
    --pidfile "$work/pid" >"$work/qsd" 2>&1 7>&- &
  qsd_pid=$!
  timeout 20 bash -c "until [[ -S $sock && -s $work/pid ]]; do read -rt 0.02 <> <(:); done; true"
}

stop_qsd() {
  kill -"$1" "$qsd_pid"
  wait "$qsd_pid" 2>/dev/null || : # killed, as it was meant to be
}

image=driver=file,node-name=disk,filename=$work/image
head -c 16M /dev/urandom >"$work/image"

# --- what it is for

same_content() { timeout 60 "$cat" "vhost-user=$sock" | cmp - "$work/image"; }
says() {
  local text=$1
  shift
  timeout 60 "$@" | tee "$work/said" | grep -qxF "$text" || { cat "$work/said" && false; }
}
verified() {
  says "256 pieces verified" "$check" "vhost-user=$sock" verify && same_content
}

start_qsd "$image"
expect "the disk is what the file is" same_content
expect "size and queues" says "32768 sectors, 2 queues" "$check" "vhost-user=$sock" info
expect "what is written stands in the file" verified
stop_qsd TERM
start_qsd "driver=null-co,node-name=disk,size=1073741824,read-zeroes=on"
null_is_zero() { timeout 60 "$cat" "vhost-user=$sock" | cmp -n 1073741824 - /dev/zero; }
expect "1 GiB of nothing" null_is_zero
stop_qsd TERM

# --- news

version=$("$qsd" --version | sed -n 's/.*version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
tells_news() { awk '{ exit !($1 > 8 || ($1 == 8 && $2 >= 1)) }' <<<"$version"; }
start_qsd "$image"
grows() {
  "$check" "vhost-user=$sock" resize >"$work/sizes" &
  local pid=$!
  await "$work/sizes" 32768 || return
  monitor '{"execute":"block_resize","arguments":{"node-name":"disk","size":33554432}}'
  wait "$pid" && grep -qx 65536 "$work/sizes"
}
# Says one command to QSD's monitor.
monitor() {
  printf '{"execute":"qmp_capabilities"}\n%s\n' "$1" >"$work/command"
  timeout 10 "$build/test/vhost-user/say" "$work/qmp" <"$work/command"
}
if tells_news; then
  expect "a resize is news" grows
else
  echo "skipped: a resize is news: $qsd ${version/ /.} does not tell its front end (8.1 does)"
fi
stop_qsd TERM

# --- a back end that goes, and returns

start_qsd "$image"
returns() {
  local pid status
  "$check" "vhost-user=$sock" return >"$work/steps" 2>&1 &
  pid=$!
  await "$work/steps" ready || return
  stop_qsd KILL
  await "$work/steps" gone || { cat "$work/steps" && return 1; }
  start_qsd "$image"
  wait "$pid"
  status=$?
  cat "$work/steps"
  return $status
}
expect "a killed back end is gone, and may return" returns
expect "and then serves whoever comes next" same_content
stop_qsd TERM

killed_while_reading() {
  { head -c 1000 >/dev/null; stop_qsd KILL; cat >/dev/null; } < <(
    timeout 20 "$cat" "vhost-user=$sock" 2>"$work/said"
    echo $? >"$work/status"
  )
  until [[ -s $work/status ]]; do read -rt 0.02 <> <(:); done
  cat "$work/said" "$work/status"
  [[ $(cat "$work/status") == 1 && $(wc -l <"$work/said") == 1 ]]
}
head -c 64M /dev/zero >"$work/image"
start_qsd "$image"
expect "killed while reading: one error" killed_while_reading

start_qsd "$image"
kill -STOP "$qsd_pid"
refuse "stopped" "did not answer GET_FEATURES within 5000 ms" "$cat" "vhost-user=$sock"
kill -CONT "$qsd_pid"
stop_qsd TERM

# survive: one that verifies the disk all the time sees nothing of a back end that is killed and started again
survives() {
  local pid i status
  mkfifo "$work/input"
  timeout 60 "$check" "vhost-user=$sock" survive <"$work/input" >"$work/passes" 2>&1 &
  pid=$!
  exec 7>"$work/input"
  for i in 1 2 3 4 5; do
    await_number "$i" passes || break
    stop_qsd KILL
    start_qsd "$image"
  done
  await_number 6 passes
  exec 7>&-
  wait "$pid"
  status=$?
  rm "$work/input"
  tail -n 4 "$work/passes"
  ((status == 0)) && (($(grep -c pass "$work/passes") >= 6))
}
# await_number N COMMAND: what it prints becomes N or more, within 30 s
await_number() {
  local number=$1 limit=$((SECONDS + 30))
  shift
  until (($("$@") >= number)); do
    ((SECONDS < limit)) || return
    read -rt 0.02 <> <(:)
  done
  true
}
passes() { grep -c pass "$work/passes"; }
head -c 16M /dev/urandom >"$work/image"
start_qsd "$image"
expect "killed five times while the disk is verified: no error, nothing lost" survives
expect "and the file is what was written last" same_content
stop_qsd TERM

# --- the same under devb-virtio

# start_driver OPTION...: as far as its volume
start_driver() {
  mkdir -p "$work/dev"
  rm -f "$work/driver"
  "$driver" -f virtio "vhost-user=$sock" blk "devdir=$work/dev" "$@" >"$work/driver" 2>&1 &
  driver_pid=$!
  await "$work/driver" "$work/dev/hd0" && volume=$(readlink "$work/dev/hd0")
}
# stop_driver STATUS: it ends with this one, soon, and nothing stays mounted
stop_driver() {
  local status
  kill "$driver_pid" 2>/dev/null
  timeout 90 tail --pid="$driver_pid" -f /dev/null || kill -KILL "$driver_pid"
  wait "$driver_pid"
  status=$?
  cat "$work/driver"
  ((status == $1)) && ! mountpoint -q "$(dirname "$volume")"
}
# Bytes that the back end has read and written: it grows while there is work.
moved() {
  local name value total=0
  while read -r name value; do
    [[ $name != [rw]char: ]] || total=$((total + value))
  done <"/proc/$qsd_pid/io"
  echo "$total"
}
is_busy() {
  local before
  before=$(moved)
  await_number $((before + 4 * 1048576)) moved_or_over
}
moved_or_over() { if fio_runs; then moved; else echo $((1 << 62)); fi; }
fio_runs() { [[ ! -s $work/fio_status ]]; }
# At the end of the disk it begins anew with requests still in flight. Nobody promises an order to two that touch the
# same blocks: without serialize_overlap fio would take that for a fault.
start_fio() {
  rm -f "$work/fio_status"
  {
    timeout $((seconds + 120)) fio --name=v --filename="$volume" --rw=randwrite --direct=1 --ioengine=libaio \
      --iodepth=64 --bsrange=512-1M --size=64M --verify=crc32c --verify_backlog=32 --verify_fatal=1 \
      --serialize_overlap=1 --time_based --runtime="$1" >"$work/fio" 2>&1
    echo $? >"$work/fio_status"
  } &
  fio_pid=$!
}
ends_well() {
  wait "$fio_pid"
  echo "fio ended with $(cat "$work/fio_status")"
  grep -E '^fio: |^verify: |err=|^ +write: ' "$work/fio" | tail -n 7
  [[ $(cat "$work/fio_status") == 0 ]] && grep -q 'err= 0' "$work/fio"
}
count() { grep -cF -- "$1" "$work/driver"; }
went=0
# kill_often SECONDS: while fio runs that long
kill_often() {
  local seconds=$1
  start_fio "$seconds"
  while fio_runs && is_busy && fio_runs; do
    stop_qsd KILL
    went=$((went + 1))
    await_number "$went" count "the device is gone; what is in flight waits" || return
    start_qsd "$image"
    await_number "$went" count "the device is back" || return
  done
  ends_well
}
# pause_often SECONDS PAUSE: so long does it stand still each time
pause_often() {
  local seconds=$1
  start_fio "$seconds"
  while fio_runs && is_busy && fio_runs; do
    kill -STOP "$qsd_pid"
    read -rt "$2" <> <(:)
    kill -CONT "$qsd_pid"
    stops=$((stops + 1))
  done
  ends_well
}
goes_well() { (($1 >= $2)) && (($(count error) == 0)) && cat "$work/driver"; }
reads() { timeout 60 dd if="$volume" of=/dev/null iflag=direct bs=64k count=1; }
# fails_within SECONDS COMMAND...: not at once, and not later
fails_within() {
  local start=$SECONDS limit=$1
  shift
  "$@" && return 1
  cat "$work/driver"
  ((SECONDS - start >= 1)) && ((SECONDS - start <= limit))
}
works_again() {
  start_qsd "$image"
  await_number 1 count "the device is back" && reads && timeout 60 cmp "$volume" "$work/image"
}
has_ended() { timeout "$1" tail --pid="$driver_pid" -f /dev/null; }

driver_survives() {
  head -c 64M /dev/urandom >"$work/image"
  start_qsd "$image"
  expect "devb-virtio shows the disk" start_driver
  ((long < 30)) || pause=5
  expect "stopped again and again for $pause s: no error" pause_often $((long / 2)) "$pause"
  expect "it was stopped $stops times, and nothing was said of it" goes_well "$stops" 1
  expect "killed again and again for $long s: no error, nothing lost" kill_often "$long"
  expect "it was killed $went times, each of which was told once" \
    goes_well "$went" 2
  expect "what was written stands in the file" cmp "$volume" "$work/image"
  expect "the driver ends well" stop_driver 0

  start_driver disk timeout=1
  stop_qsd KILL
  expect "away for longer than a request may take: its error" fails_within 10 reads
  expect "and back: it works" works_again
  stop_qsd KILL
  expect "ends while its back end is away: what could not be flushed is told" stop_driver 1
  start_qsd "$image"
  start_driver disk timeout=1
  kill -STOP "$qsd_pid"
  expect "stopped for longer than a request may take: its error" fails_within 20 reads
  expect "and its volumes end, because nobody knows what it may still write" has_ended 20
  kill -CONT "$qsd_pid"
  expect "with an error" stop_driver 1
  stop_qsd TERM
}
stops=0
pause=0.5
if ((EUID == 0)) && [[ -c /dev/fuse ]]; then
  driver_survives
else
  echo "skipped: devb-virtio on a back end that is killed: it needs root and /dev/fuse"
fi
volume=

# --- wrong addresses, and a back end that is not to be trusted

refuse "no socket" "there is no such file" "$cat" "vhost-user=$work/none"
refuse "no socket, but a file" "no socket that somebody listens on" "$cat" "vhost-user=$work/image"
start_qsd "$image"
stop_qsd KILL
refuse "nobody listens" "no socket that somebody listens on" "$cat" "vhost-user=$sock"
refuse "no path" "expected the path of a socket" "$cat" "vhost-user="
refuse "two addresses" "expected one or the other" "$cat" "vhost-user=$sock,pci=0"

misbehaves() {
  rm -f "$work/fake"
  "$fake" "$work/fake.sock" "$1" >"$work/fake" &
  local pid=$!
  await "$work/fake" ready
  refuse "$1" "$2" "$cat" "vhost-user=$work/fake.sock"
  kill "$pid"
}
misbehaves silent "did not answer GET_FEATURES within 5000 ms"
misbehaves closes "closed the connection"
misbehaves garbage "answered by something else"
misbehaves half "did not answer GET_FEATURES within 5000 ms"
misbehaves huge "answered by something else"
misbehaves other "answered by something else"

# --- a benchmark with a thread for each queue

start_qsd "driver=null-co,node-name=disk,size=1073741824,read-zeroes=on"
# bench OPTION...
bench=$build/examples/vio-bench
bench() { timeout 60 "$bench" virtio "vhost-user=$sock" --number_ios=20000 "$@"; }
for options in "--queues=2" "--queues=2 --wait=event" "--queues=2 --packed=off --indirect=off" "--event_idx=off" \
  "--event_idx=on --ring_reset=off --notification_data=off"; do
  # shellcheck disable=SC2086 # words
  expect "vio-bench $options" bench --iodepth=32 $options
done
refuse "vio-bench --packed=on" "VIRTIO_F_RING_PACKED" "$bench" virtio "vhost-user=$sock" --packed=on
refuse "vio-bench --queues=3" "queues=3 is more than can be used" "$bench" virtio "vhost-user=$sock" --queues=3
stop_qsd TERM

# --- volumes, by one queue and by two

# start_daemon OPTIONS [,OPTION...]: of the group virtio; more of cam. Ready when this returns.
start_daemon() {
  rm -f "$work/daemon" && mkdir -p "$work/disks"
  "$driver" -f virtio "vhost-user=$sock${1:+,$1}" blk "devdir=$work/disks" disk name=vu cam "verbose=3${2-}" \
    >"$work/daemon" 2>&1 &
  daemon_pid=$!
  await "$work/daemon" " $volume\$" || { cat "$work/daemon" && false; }
}

stop_daemon() {
  kill -TERM "$daemon_pid"
  timeout 60 tail --pid="$daemon_pid" -f /dev/null
  wait "$daemon_pid" || { cat "$work/daemon" && false; }
}

# The data of both jobs is read back and compared, while more is written. Each job has a CPU of its own: with FUSE over
# io_uring a request goes by the queue of the CPU that makes it.
fio_verify() (
  cd "$work" && timeout 100 fio --name=verify --filename="$volume" --rw=randrw --bsrange=512-1m --ioengine=libaio \
    --iodepth=64 --direct=1 --verify=crc32c --verify_fatal=1 --verify_backlog=512 --serialize_overlap=1 --numjobs=2 \
    --size=28M --offset_increment=28M --time_based --runtime=3 --fallocate=none --allow_file_create=0 \
    --cpus_allowed="0-$(($(nproc) - 1))" --cpus_allowed_policy=split
)

# requests QUEUE: that the daemon said it had
requests() { sed -n "s/.*: queue $1: \([0-9]*\) requests.*/\1/p" "$work/daemon"; }

# each_queue COUNT: so many had requests, and no other one is there
each_queue() {
  local i
  for ((i = 0; i < $1; i++)); do
    (($(requests $i) > 100)) || { cat "$work/daemon" && return 1; }
  done
  [[ -z $(requests "$1") ]]
}

# verified_volume NAME QUEUES BANNER OPTIONS
verified_volume() {
  expect "volume $1: it is there" start_daemon "$4"
  expect "volume $1: it says $3" grep -q "$3" "$work/daemon"
  expect "volume $1: what is read is what was written" fio_verify
  expect "volume $1: it ends well" stop_daemon
  expect "volume $1: each queue was used" each_queue "$2"
}

# Writes numbered blocks and notes each number that was acknowledged; four at once.
write_blocks() {
  local i
  for i in 0 1 2 3; do
    perl -e 'use Fcntl qw(:DEFAULT O_DIRECT); $| = 1;
      sysopen(my $f, $ARGV[0], O_WRONLY | O_DIRECT) or die; seek($f, $ARGV[1] << 20, 0);
      for my $i (1 .. 2000) { print "$i\n" if (syswrite($f, pack("N", $i) x 1024) // 0) == 4096 or exit; }' \
      "$volume" $((i * 8)) >"$work/acknowledged.$i" &
    writers+=($!)
  done
}

acknowledged_is_written() {
  local i last
  for i in 0 1 2 3; do
    last=$(tail -n 1 "$work/acknowledged.$i")
    ((last > 20)) || { echo "writer $i got to '$last'" && return 1; }
    perl -e 'my $b; open(my $f, "<", $ARGV[0]) or die; seek($f, $ARGV[1] << 20, 0);
      for my $i (1 .. $ARGV[2]) { read($f, $b, 4096) == 4096 && $b eq pack("N", $i) x 1024 or die "block $i"; }' \
      "$work/image" $((i * 8)) "$last" || return
  done
}

# SIGTERM while four write
ended_under_load() {
  local i
  writers=()
  rm -f "$work"/acknowledged.*
  write_blocks
  for i in 0 1 2 3; do await "$work/acknowledged.$i" '^50$' || return; done
  stop_daemon
  wait "${writers[@]}"
  acknowledged_is_written
}

# The banner comes before that.
soon_bound() {
  local limit=$((SECONDS + 20))
  until all_bound; do
    ((SECONDS < limit)) || return
    read -rt 0.02 <> <(:)
  done
}

# Each thread of the process that serves is somebody without any privilege, for good.
all_bound() {
  local pid task line
  pid=$(pgrep -P "$daemon_pid") || return # what started it stays root, to unmount
  [[ $(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l) -ge 3 ]] || return
  for task in "/proc/$pid/task"/*; do
    for line in '^Uid:.65534.65534.65534.65534$' '^NoNewPrivs:.1$' '^CapBnd:.0*$' '^CapPrm:.0*$'; do
      grep -q "$line" "$task/status" || { cat "$task/status" && return 1; }
    done
  done
}

volume_tests() {
  local cpus
  volume=$work/disks/vu0
  cpus=$(nproc)
  truncate -s 64M "$work/image"
  start_qsd "$image"
  verified_volume "queues=1" 1 ", queue of 256," "queues=1"
  verified_volume "queues=2" 2 ", 2 queues of 256," "queues=2"
  verified_volume "queues=2,indirect=off,event_idx=off" 2 ", 2 queues of 256," "queues=2,indirect=off,event_idx=off"
  if [[ -e $fuse_uring ]]; then
    uring_before=$(cat "$fuse_uring")
    echo Y >"$fuse_uring"
    verified_volume "queues=2 by FUSE over io_uring" 2 ", 2 queues of 256," "queues=2,dma=$((8 + cpus * 16))M"
    echo "$uring_before" >"$fuse_uring"
  else
    echo "skipped: FUSE over io_uring: this kernel has none"
  fi
  expect "queues by default" start_daemon ""
  expect "as many as the device and the CPUs have" grep -q "$([[ $cpus == 1 ]] || echo "2 queues")" "$work/daemon"
  expect "SIGTERM under load: what was acknowledged is written" ended_under_load
  expect "queues=5 of a device that has 2" start_daemon "queues=5"
  expect "it says so" grep -q "queues=5 is more than the device has: 2 used" "$work/daemon"
  expect "and ends well" stop_daemon
  expect "cam user=: two queues" start_daemon "queues=2" ",user=65534:65534"
  expect "cam user=: all threads are bound" soon_bound
  expect "cam user=: it ends well" stop_daemon
  refuse "packed=on of a device without" "VIRTIO_F_RING_PACKED" \
    "$driver" -f virtio "vhost-user=$sock,packed=on" blk "devdir=$work" cam quiet
  stop_qsd TERM
  start_qsd "$image" ",logical-block-size=4096"
  verified_volume "of larger blocks, queues=2" 2 "blocks of 4096, read/write, .*, 2 queues" "queues=2"
  stop_qsd TERM
}

if ((EUID != 0)) || [[ ! -c /dev/fuse ]]; then
  echo "skipped: volumes: they need root and /dev/fuse"
elif ! command -v fio >/dev/null; then
  echo "skipped: volumes: there is no fio"
else
  volume_tests
fi

echo "$passed passed, $failed failed"
((failed == 0))
