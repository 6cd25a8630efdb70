#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Who takes part in test/bench/run.sh: how each is got, started on a disk that answers at once, and ended. Sourced.
#
#   fetch_libblkio              Debian's package and our loop on it, below $bench
#   begin_vhost_user QUEUES     qemu-storage-daemon serves the disk on $sock
#   begin_volume WHO            WHO shows the disk as the file $volume
#   end_all                     ends all that was begun, the latest first
#
: "${repo:?}" "${here:?}" "${build:?}" "${bench:?}" "${fuse_uring:?}"
: "${work:?a folder for sockets and mounts, which is removed at the end}"

sock="$work/disk.sock"
disk_size=$((1 << 30))
begin_seconds=20
pids=()

# With the package lists that the guests' tests keep.
fetch_libblkio() {
  local root="$bench/libblkio" deb="$bench/deb" file
  if [[ ! -e $root/.complete ]]; then
    rm -rf "$root" "$deb" && mkdir -p "$root" "$deb" || return
    debian_download trixie "$(dpkg --print-architecture)" "$deb" libblkio1 libblkio-dev || return
    for file in "$deb"/*.deb; do
      dpkg -x "$file" "$root" || return
    done
    : >"$root/.complete"
  fi
  compile_blkio_bench "$root" "$root/usr/lib/$(gcc -print-multiarch)"
}

# As CMake's release preset compiles vio-bench.
compile_blkio_bench() {
  gcc -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -I"$repo/examples" -I"$1/usr/include" "$here/blkio-bench.c" \
    "$repo/examples/vio-bench-options.c" "$repo/examples/vio-bench-report.c" -o "$bench/blkio-bench" \
    -L"$2" -Wl,-rpath,"$2" -lblkio
}

# begin NAME READY COMMAND...: starts a server and waits until READY, a command, says that it serves.
begin() {
  local name=$1 ready=$2 log="$work/$1.log" end=$((SECONDS + begin_seconds))
  shift 2
  "$@" >"$log" 2>&1 &
  pids+=($!)
  until $ready; do
    if ! kill -0 "${pids[-1]}" 2>/dev/null || ((SECONDS >= end)); then
      bench_error "$name did not start to serve within $begin_seconds s: $*; it said:"
      tail -n 5 "$log" >&2
      return 1
    fi
    sleep 0.02
  done
}

# end_one PID: with time to unmount and to reset.
end_one() {
  local end=$((SECONDS + begin_seconds))
  kill -TERM "$1" 2>/dev/null
  while kill -0 "$1" 2>/dev/null; do
    ((SECONDS < end)) || {
      bench_error "process $1 did not end within $begin_seconds s after SIGTERM; it is killed"
      kill -KILL "$1"
      break
    }
    sleep 0.02
  done
  wait "$1" 2>/dev/null
}

end_all() {
  local i
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    end_one "${pids[i]}"
  done
  pids=()
  umount_left "$work"
  rm -f "$sock" "$work/nbd.sock"
}

# Servers that were killed leave their mounts.
umount_left() {
  local at
  while read -r at; do
    umount -l "$at"
  done < <(awk -v below="$1/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo)
}

is_socket() {
  [[ -S $1 ]]
}

# A file of the right size that can be read, so not what is below the mount.
is_volume() {
  [[ $(stat -Lc %s "$volume" 2>/dev/null) == "$disk_size" ]] && head -c 512 "$volume" >"$work/sector" 2>/dev/null
}

# The disk is null-co: an answer at once, zeroes.
storage_daemon() {
  echo "qemu-storage-daemon --object iothread,id=io0" \
    "--blockdev driver=null-co,node-name=disk,size=$disk_size,read-zeroes=on --export id=disk0,node-name=disk,writable=on"
}

begin_vhost_user() {
  # shellcheck disable=SC2046 # words
  begin vhost-user "is_socket $sock" \
    $(storage_daemon),type=vhost-user-blk,iothread=io0,num-queues="$1",addr.type=unix,addr.path="$sock"
}

# On an iothread as well, which was found to be faster than the main loop.
begin_qsd_volume() {
  volume="$work/qsd"
  : >"$volume"
  # shellcheck disable=SC2046 # words
  begin qsd is_volume $(storage_daemon),type=fuse,iothread=io0,mountpoint="$volume"
}

begin_nbdfuse_volume() {
  volume="$work/nbdfuse/nbd"
  mkdir -p "$work/nbdfuse"
  begin nbdkit "is_socket $work/nbd.sock" nbdkit -f -U "$work/nbd.sock" memory "$disk_size" &&
    begin nbdfuse is_volume nbdfuse "$work/nbdfuse" --unix "$work/nbd.sock"
}

# begin_our_volume [OPTIONS]: of the group virtio
begin_our_volume() {
  volume="$work/disks/bench0"
  mkdir -p "$work/disks"
  begin_vhost_user "$(nproc)" &&
    begin devb-virtio is_volume "$build/driver/devb-virtio" -f virtio "vhost-user=$sock${1:+,$1}" \
      blk "devdir=$work/disks" disk name=bench cam quiet
}

begin_volume() {
  case $1 in
    vio) begin_our_volume ;;
    vio-1-queue) begin_our_volume queues=1 ;;
    # which takes 16 MiB more for each CPU: see devb-virtio(8)
    vio-uring) echo Y >"$fuse_uring" && begin_our_volume "dma=$((8 + 16 * $(nproc)))M" ;;
    qsd) begin_qsd_volume ;;
    nbdfuse) begin_nbdfuse_volume ;;
  esac
}
