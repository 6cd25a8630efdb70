#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Files of a QNX6 volume by the daemon's own mount (blk automount=), against the raw volume through FUSE and against
# qnx6fs on the volume's file, on this machine, without a guest. They run in turn, with the kernel's caches dropped
# before each, so that whatever else the machine does meets all of them. Prints medians, and ratios of what ran in the
# same round.
#
#   at-once   256 MiB in order, on a disk that answers at once: metadata from a file, all else QEMU's null-co
#   memory    the same on a disk in this machine's memory, which has to be copied from there
#   list      attributes of 20 000 files in 20 directories; the disk in memory
#   small     what these files hold, 30 bytes each
#
#   test/bench/qnx6.sh [ROUNDS [PART...]]         default: 5 rounds, all parts; needs root
set -uo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
build=${VIO_BUILD:-$repo/build}
driver=$build/driver/devb-virtio
qnx6fs=$build/fs-glue/qnx6/mount/qnx6fs
mkqnx6fs=$build/fs-glue/qnx6/make/mkqnx6fs
rounds=${1:-5}
shift $(($# > 0))
parts=("$@")
(($#)) || parts=(at-once memory list small)

"$repo/test/setup.sh" build bench || exit
work=$(mktemp -d -p /dev/shm) || exit
sock=$work/sock
ours=$work/ours
theirs=$work/theirs
driver_pid=
qsd_pid=

cleanup() {
  trap - EXIT
  end
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "qnx6.sh: $*" >&2
  exit 1
}

# await PROCESS COMMAND...: becomes true within 20 s, while the process runs
await() {
  local process=$1 limit=$((SECONDS + 20))
  shift
  until "$@"; do
    kill -0 "$process" 2>/dev/null && ((SECONDS < limit)) || return
    read -rt 0.02 <> <(:)
  done
  true
}

# make_disk MIB: one partition, with all of $work/tree in it
make_disk() {
  rm -f "$work/disk" "$work/disk.qcow2"
  truncate -s "$(($1 + 1))M" "$work/disk" && printf 'label: dos\n2048,,b3\n' | sfdisk -q "$work/disk" &&
    "$mkqnx6fs" -q -b 4096 -d "$work/tree" --offset=1M --size="$1M" "$work/disk" && rm -rf "$work/tree"
}

# begin: the disk is $work/disk, or where there is one $work/disk.qcow2, what that does not hold being nothing at all
begin() {
  local disk=(--blockdev "driver=file,node-name=disk,filename=$work/disk")
  mkdir -p "$work/dev" "$theirs"
  [[ ! -e $work/disk.qcow2 ]] || disk=(
    --blockdev "driver=null-co,node-name=nothing,size=$(stat -c %s "$work/disk"),read-zeroes=off"
    --blockdev "driver=file,node-name=metadata,filename=$work/disk.qcow2"
    --blockdev "driver=qcow2,node-name=disk,file=metadata,backing=nothing"
  )
  qemu-storage-daemon --object iothread,id=io "${disk[@]}" --export \
    "vhost-user-blk,id=e,node-name=disk,addr.type=unix,addr.path=$sock,num-queues=2,iothread=io" >"$work/qsd" 2>&1 &
  qsd_pid=$!
  await "$qsd_pid" test -S "$sock" || fail "qemu-storage-daemon: $(<"$work/qsd")"
  "$driver" -f virtio "vhost-user=$sock" blk "devdir=$work/dev,automount=hd0t179:$ours:qnx6" >"$work/log" 2>&1 &
  driver_pid=$!
  await "$driver_pid" grep -q "^Path=" "$work/log" || fail "devb-virtio: $(<"$work/log")"
}

end() {
  mountpoint -q "$theirs" && umount "$theirs"
  [[ -z $driver_pid ]] || { kill "$driver_pid" && wait "$driver_pid"; }
  [[ -z $qsd_pid ]] || { kill "$qsd_pid" && wait "$qsd_pid"; }
  driver_pid='' qsd_pid=''
}

# The reader's own cache of metadata ends with a mount; the daemon's stays, so it is not measured by the first listing.
drop_caches() {
  mountpoint -q "$theirs" && umount "$theirs"
  sync
  echo 3 >/proc/sys/vm/drop_caches
  "$qnx6fs" "$work/dev/hd0t179" "$theirs" || fail "qnx6fs does not mount the volume"
}

# took COMMAND...: seconds
took() {
  local start=$EPOCHREALTIME
  "$@" >/dev/null 2>"$work/said" || fail "$* failed: $(<"$work/said")"
  awk -v start="$start" -v end="$EPOCHREALTIME" 'BEGIN { printf "%.6f\n", end - start }'
}

in_order() { dd if="$1" of=/dev/null bs=1M count=256 status=none; }
list() { find "$1" -printf '%p %s %T@ %U %m %n\n'; }
read_all() { find "$1" -type f -exec cat {} +; }

# measure FIGURE ROUND WHO AMOUNT COMMAND...: AMOUNT of whatever in a second
measure() {
  local figure=$1 round=$2 who=$3 amount=$4 seconds
  shift 4
  drop_caches
  seconds=$(took "$@") || exit
  awk -v line="$figure $round $who" -v amount="$amount" -v seconds="$seconds" \
    'BEGIN { printf "%s %.1f\n", line, amount / seconds }' | tee -a "$work/results" | sed 's/^/  /' >&2
}

at_once_or_memory() {
  local round
  mkdir "$work/tree" && dd if=/dev/zero of="$work/tree/file" bs=1M count=256 status=none && make_disk 320 || exit
  [[ $1 == memory ]] || qemu-img convert -O qcow2 "$work/disk" "$work/disk.qcow2" || exit
  begin
  for ((round = 1; round <= rounds; round++)); do
    measure "$1" "$round" automount 268.435456 in_order "$ours/file"
    measure "$1" "$round" raw 268.435456 in_order "$work/dev/hd0"
    measure "$1" "$round" qnx6fs 268.435456 in_order "$theirs/file"
  done
  end
}

list_or_small() {
  local round i
  for i in {1..20}; do
    mkdir -p "$work/tree/$i" && for j in {1..1000}; do echo "file $j of directory $i" >"$work/tree/$i/file $j"; done
  done
  make_disk 256 || exit
  for ((round = 1; round <= rounds; round++)); do
    # a start for each round: both begin with nothing in memory
    begin
    if [[ $1 == list ]]; then
      measure list "$round" automount 20021 list "$ours"
      measure list "$round" qnx6fs 20021 list "$theirs"
    else
      measure small "$round" automount 20000 read_all "$ours"
      measure small "$round" qnx6fs 20000 read_all "$theirs"
    fi
    end
  done
}

report() {
  awk '
    function median(list, n,   i, j, t) {
      for (i = 2; i <= n; i++)
        for (j = i; j > 1 && list[j - 1] > list[j]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
      return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
    }
    function figure(name, who,   i, n, list) {
      for (i = 1; i <= rounds; i++) if ((name, i, who) in value) list[++n] = value[name, i, who]
      return n ? median(list, n) : 0
    }
    function ratio(name, peer, asked, unit,   i, n, list, r, text) {
      for (i = 1; i <= rounds; i++) if ((name, i, peer) in value) list[++n] = value[name, i, "automount"] / value[name, i, peer]
      if (!n) return
      r = median(list, n)
      text = sprintf("%s%s", asked ? "asked: " asked : "", asked ? (r >= asked ? ", met" : ", missed") : "")
      printf "%-8s %12.0f %12.0f %-8s %-8s %6.2f (%.2f..%.2f)  %s\n", name, figure(name, "automount"), figure(name, peer), unit, peer, r, list[1], list[n], text
    }
    { value[$1, $2, $3] = $4; if ($2 > rounds) rounds = $2 }
    END {
      printf "%-8s %12s %12s %-8s %-8s %s\n", "what", "automount", "the other", "", "", "ratio (min..max)"
      ratio("at-once", "raw", 0.8, "MB/s"); ratio("at-once", "qnx6fs", 2, "MB/s")
      ratio("memory", "raw", 0.8, "MB/s"); ratio("memory", "qnx6fs", 0, "MB/s")
      ratio("list", "qnx6fs", 0, "files/s"); ratio("small", "qnx6fs", 0, "files/s")
    }' "$work/results"
}

: >"$work/results"
for part in "${parts[@]}"; do
  case $part in
    at-once | memory) at_once_or_memory "$part" ;;
    list | small) list_or_small "$part" ;;
    *) fail "'$part' is none of at-once, memory, list, small" ;;
  esac
done
report
