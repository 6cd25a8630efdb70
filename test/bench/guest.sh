#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The guest's side of test/bench/run.sh.

# shellcheck disable=SC3043 # dash has local
# shellcheck source=../guest/rootfs/guest-checks.sh
. /lib/guest-checks.sh

to_the_kernel() {
  echo "$DISK0_BDF" >/sys/bus/pci/drivers/virtio-pci/bind 2>/dev/null
  wait_for 10 test -b /dev/vda && sleep 0.5
}

from_the_kernel() {
  echo "$DISK0_BDF" >/sys/bus/pci/drivers/virtio-pci/unbind
}

measure() {
  local round depth ours peer
  for round in $(seq "$ROUNDS"); do
    for depth in 1 32; do
      to_the_kernel || return
      peer=$(randread kernel /dev/vda "$depth" "$SECONDS_EACH") || return
      from_the_kernel || return
      ours=$(randread vio "$DISK0_OPTIONS" "$depth" "$SECONDS_EACH") || return
      say "run $depth ${ours% *} ${peer% *}" >/dev/console # a check keeps what it prints to itself
    done
  done
  : "$round"
}

cpu_ticks() {
  cut -d ' ' -f 14,15 "/proc/$1/stat" | tr ' ' '+'
}

measure_idle() {
  local pid before after
  devb-virtio cam quiet || return
  pid=$(pidof devb-virtio)
  dd if=/dev/hd0 of=/dev/null bs=1M count=64 iflag=direct || return
  before=$(($(cpu_ticks "$pid")))
  sleep 20
  after=$(($(cpu_ticks "$pid")))
  # 100 ticks a second: ticks in 20 s are twentieths of a per cent
  say "idle daemon: $(awk -v t=$((after - before)) 'BEGIN { printf "%.2f", t / 20 }') % of a core over 20 s," \
    "$(sed -n 's/^VmRSS:[^0-9]*//p' "/proc/$pid/status") resident beside the DMA memory" >/dev/console
}

load_modules virtio_pci virtio_blk fuse
from_the_kernel
check -t 3600 "measured" measure
check -t 60 "idle" measure_idle
