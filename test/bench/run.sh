#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# libvio and devb-virtio against what others offer for the same, on a disk that answers at once (QEMU's null-co), on
# this machine, without a guest:
#
#   library        vio-bench against libblkio, both on qemu-storage-daemon's vhost-user-blk
#   instructions   the same, counted by callgrind: user space, for each 4 KiB read
#   volumes        devb-virtio on vhost-user against qemu-storage-daemon's own FUSE export of the same disk, and nbdfuse
#                  on nbdkit's memory; fio
#
# They run in turn, so that whatever else the machine does meets all of them. Prints medians, and ratios of what ran in
# the same round; these also go to build/bench/results.json and results.svg.
#
#   test/bench/run.sh [ROUNDS [SECONDS [PART...]]]         default: 3 rounds of 5 s, all parts
#
# Environment: WHO: whom to measure, by default "vio libblkio qsd nbdfuse", and vio-uring (FUSE over io_uring, switched
# on meanwhile) where the kernel has that and it is off. Against the kernel's driver, in guests: guest-run.sh.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
build="$repo/build"
bench="$build/bench"
rounds=${1:-3}
seconds=${2:-5}
shift $(($# < 2 ? $# : 2))
parts=("$@")
(($#)) || parts=(library instructions volumes)
fuse_uring=/sys/module/fuse/parameters/enable_uring
uring_was=$(cat $fuse_uring 2>/dev/null)
who=${WHO:-vio libblkio qsd nbdfuse$([[ $uring_was != N ]] || echo " vio-uring")}

# name | what is in the first column | ours | the peer, or - for the figure itself | which is better | asked | aim
figures='
read-qd1|4 KiB random read, polled, QD1|vio|libblkio|more|1.0|1.1
read-qd32|4 KiB random read, polled, QD32|vio|libblkio|more|1.1|1.3
read-qd128|4 KiB random read, polled, QD128|vio|libblkio|more|1.1|1.3
read-qd32-event|4 KiB random read, event-driven, QD32|vio|libblkio|more|1.1|1.5
instructions|instructions a read, QD32|vio|libblkio|less|0.5|0.25
instructions|instructions a read, QD32|vio|-|less|265|150
instructions-event|event-driven, with two queues, to one|vio-2-queues|vio|less|1.05|1.00
randread-4k-32|volume, 4 KiB read, QD32|vio|qsd|more|1.2|2
randwrite-4k-32|volume, 4 KiB write, QD32|vio|qsd|more|1.2|2
read-1m-4|volume, 1 MiB read, QD4|vio|qsd|more|3|5
write-1m-4|volume, 1 MiB write, QD4|vio|qsd|more|1.0|2
randread-4k-1|volume, 4 KiB read, QD1|vio|qsd|more||
randread-4k-32|volume, 4 KiB read, QD32|vio|nbdfuse|more|5|8
randwrite-4k-32|volume, 4 KiB write, QD32|vio|nbdfuse|more||
read-1m-4|volume, 1 MiB read, QD4|vio|nbdfuse|more||
write-1m-4|volume, 1 MiB write, QD4|vio|nbdfuse|more||
randread-4k-1|volume, 4 KiB read, QD1|vio|nbdfuse|more||
randread-4k-32|volume, 4 KiB read, QD32|vio-uring|vio|more||
randwrite-4k-32|volume, 4 KiB write, QD32|vio-uring|vio|more||
read-1m-4|volume, 1 MiB read, QD4|vio-uring|vio|more||
write-1m-4|volume, 1 MiB write, QD4|vio-uring|vio|more||
randread-4k-1|volume, 4 KiB read, QD1|vio-uring|vio|more||
'

finish() {
  trap - EXIT
  end_all
  [[ $uring_was != N ]] || echo N >$fuse_uring
  rm -rf "$work"
}

takes_part() {
  [[ " $who " == *" $1 "* ]]
}

# result FIGURE ROUND WHO VALUE
result() {
  [[ -n $4 ]] || {
    bench_error "$3 gave no figure for $1"
    return 1
  }
  echo "$*" >>"$results"
  printf '  round %d  %-16s %-13s %14.1f\n' "$2" "$1" "$3" "$4" >&2
}

# bench_of WHO: the program that runs our loop on this library
bench_of() {
  case $1 in
    vio*) echo "$build/examples/vio-bench" ;;
    libblkio) echo "$bench/blkio-bench" ;;
  esac
}

# one_library FIGURE ROUND WHO OPTION...
one_library() {
  local figure=$1 round=$2 name=$3 value=
  shift 3
  takes_part "$name" || return 0
  begin_vhost_user 1 &&
    value=$("$(bench_of "$name")" virtio "vhost-user=$sock" --runtime="$seconds" --output-format=json "$@" |
      sed -n 's/.*"iops": \([0-9.]*\).*/\1/p')
  end_all
  result "$figure" "$round" "$name" "$value"
}

# count WHO QUEUES IOS OPTION...: instructions from start to end
count() {
  local program value
  program=$(bench_of "$1")
  begin_vhost_user "$2" &&
    value=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" virtio "vhost-user=$sock" \
      --iodepth=32 --queues="$2" --number_ios="$3" "${@:4}" 2>&1 >"$work/out" | sed -n 's/.*Collected : *\([0-9]*\).*/\1/p')
  end_all
  [[ -n $value ]] && echo "$value"
}

# one_count FIGURE ROUND WHO QUEUES OPTION...: the difference of two runs does not count the start.
one_count() {
  local figure=$1 round=$2 name=$3 few many
  shift 2
  takes_part "${name%-2-queues}" || return 0
  if ! few=$(count "$1" "$2" 20000 "${@:3}") || ! many=$(count "$1" "$2" 120000 "${@:3}"); then
    bench_error "callgrind could not count $name"
    return 1
  fi
  result "$figure" "$round" "$name" "$(awk "BEGIN { print ($many - $few) / 100000 }")"
}

# fio_on FIGURE: RW-BLOCK-DEPTH. Prints requests a second.
fio_on() {
  local rw=${1%%-*} block=${1#*-} depth=${1##*-} engine=libaio
  block=${block%-*}
  [[ $depth != 1 ]] || engine=psync
  fio --name=bench --filename="$volume" --rw="$rw" --bs="$block" --iodepth="$depth" --ioengine=$engine --direct=1 \
    --size=$disk_size --time_based --runtime="$seconds" --norandommap --fallocate=none --allow_file_create=0 \
    --gtod_reduce=1 --output-format=terse --terse-version=3 | awk -F';' '$5 == 0 { print $8 + $49 }'
}

# one_volume FIGURE ROUND WHO
one_volume() {
  local value=
  takes_part "$3" || return 0
  begin_volume "$3" && value=$(fio_on "$1")
  end_all
  [[ $3 != vio-uring ]] || echo N >$fuse_uring
  result "$@" "$value"
}

measure_library() {
  local name
  for name in vio libblkio; do
    one_library read-qd1 "$1" $name --iodepth=1 || return
  done
  for name in vio libblkio; do
    one_library read-qd32 "$1" $name --iodepth=32 || return
  done
  for name in vio libblkio; do
    one_library read-qd128 "$1" $name --iodepth=128 || return
  done
  for name in vio libblkio; do
    one_library read-qd32-event "$1" $name --iodepth=32 --wait=event || return
  done
}

measure_instructions() {
  one_count instructions "$1" vio 1 && one_count instructions "$1" libblkio 1 || return
  # Not polled: valgrind runs one thread at a time, so that the other's looks in vain would count.
  one_count instructions-event "$1" vio 1 --wait=event && one_count instructions-event "$1" vio-2-queues 2 --wait=event
}

measure_volumes() {
  local figure name
  for figure in randread-4k-32 randwrite-4k-32 read-1m-4 write-1m-4 randread-4k-1; do
    for name in vio qsd nbdfuse vio-uring; do
      one_volume $figure "$1" $name || return
    done
  done
}

measure() {
  local round part
  for round in $(seq "$rounds"); do
    for part in "${parts[@]}"; do
      "measure_$part" "$round" || return
    done
  done
}

check_arguments() {
  local part
  if [[ ! $rounds =~ ^[1-9][0-9]*$ || ! $seconds =~ ^[1-9][0-9]*$ ]]; then
    bench_error "ROUNDS and SECONDS are whole numbers from 1 on, not \"$rounds\" and \"$seconds\""
    return 1
  fi
  for part in "${parts[@]}"; do
    [[ $part =~ ^(library|instructions|volumes)$ ]] || {
      bench_error "there is no part \"$part\", but library, instructions and volumes"
      return 1
    }
  done
  ((EUID == 0)) || {
    bench_error "FUSE mounts of devb-virtio, and its start, take root"
    return 1
  }
}

bench_error() {
  echo "bench: $*" >&2
}

check_arguments && "$repo/test/setup.sh" build bench || exit
# shellcheck source-path=SCRIPTDIR source=../guest/lib.sh
. "$repo/test/guest/lib.sh"
work=$(mktemp -d) || exit
# shellcheck source-path=SCRIPTDIR source=peers.sh
. "$here/peers.sh"
# shellcheck source-path=SCRIPTDIR source=report.sh
. "$here/report.sh"
results="$bench/results"
mkdir -p "$bench" && : >"$results" || exit
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

(cd "$repo" && cmake --preset release --log-level=WARNING >/dev/null && cmake --build --preset release -- --quiet) || exit
! takes_part libblkio || fetch_libblkio || exit
echo "bench: SPDK is not measured: Debian has no package of it" >&2
measure || exit
report "$results" "$bench"
