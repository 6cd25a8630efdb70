#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# 4 KiB random reads in a guest, through libvio in each way that it can wait, against the kernel's virtio_blk (O_DIRECT,
# Linux AIO): the same disk, the same boot, in turn. Then what waiting costs on slow disks, and what the daemon costs
# when it is idle. One guest with INTx by UIO, one with an IOMMU and MSI-X by VFIO. Prints medians, and ratios of each
# round to the kernel's run in the same round.
#
#   test/bench/guest-run.sh [ROUNDS [SECONDS [MACHINE...]]]      default: 5 rounds of 3 s on q35 and q35-iommu
#
# Environment: WAYS, SLOW_WAYS, IDLE_WAYS: what to measure, see guest.sh; empty for none of the latter two. For example
# WAYS="kernel uio:auto:20 uio:auto:200" SLOW_WAYS= IDLE_WAYS= test/bench/guest-run.sh 3 3 q35
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
rounds=${1:-5}
seconds=${2:-3}
shift $(($# < 2 ? $# : 2))
machines=("${@:-q35}")
(($#)) || machines=(q35 q35-iommu)
idle_seconds=20

"$repo/test/setup.sh" build guest || exit
# shellcheck source-path=SCRIPTDIR source=../guest/lib.sh
. "$repo/test/guest/lib.sh"
trap power_off EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# slow_disk NODE NANOSECONDS: a disk that reads zeroes, after so long
slow_disk() {
  echo "driver=null-co,node-name=$1,size=$((1 << 30)),read-zeroes=on,latency-ns=$2"
}

# measure_on MACHINE: leaves what the guest said in $GUEST_RUN/results
measure_on() {
  local interrupts=uio environment=()
  [[ $1 != *-iommu ]] || interrupts=msix
  [[ -z ${WAYS:-} ]] || environment=(--env WAYS="$WAYS")
  start_run "$1" bench
  boot_guest "$1" "$here/guest.sh" --null 1G --node slow1 --node slow4 --seconds $((rounds * (seconds + 2) * 24 + 300)) \
    --program "$VIO_BUILD/test/bench/randread" --program "$VIO_BUILD/driver/devb-virtio" \
    --env ROUNDS="$rounds" --env SECONDS_EACH="$seconds" --env IDLE_SECONDS=$idle_seconds \
    "${environment[@]}" \
    --env SLOW_WAYS="${SLOW_WAYS-kernel $interrupts:auto $interrupts:never poll:always}" \
    --env IDLE_WAYS="${IDLE_WAYS-$interrupts:auto poll:auto}" \
    -- -blockdev "$(slow_disk slow1 1000000)" -blockdev "$(slow_disk slow4 4000000)"
  if grep -q '^not ok' "$GUEST_RUN/results" || ! grep -q '^ok - measured' "$GUEST_RUN/results"; then
    cat "$GUEST_RUN/results" >&2
    return 1
  fi
}

# runs DISK: of each depth and way, in the order of the first round, all rounds.
runs() {
  awk -v disk="$1" '
    function sorted(list, n,   i, j, t) {
      for (i = 2; i <= n; i++) {
        for (j = i; j > 1 && list[j - 1] > list[j]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
      }
    }
    function median(field, key,   r, list, n) {
      for (r = 1; r <= count[key]; r++) list[++n] = value[key, r, field]
      sorted(list, n)
      return list[int((n + 1) / 2)]
    }
    # The least that this project asks of itself.
    function asked(depth, way) {
      if (disk != "fast" || way == "kernel") return 0
      if (way ~ /^poll:/) return depth == 1 ? 1.5 : 1.3
      return depth == 1 ? 1.0 : 1.2
    }
    function verdict(depth, way, ratio,   least) {
      least = asked(depth, way)
      return least ? sprintf("%.1fx %s", least, ratio >= least ? "met" : "MISSED") : ""
    }
    $1 == "run" && $2 == disk {
      key = $4 " " $5
      if (!(key in count)) order[++keys] = key
      r = ++count[key]
      for (f = 6; f <= NF; f++) value[key, r, f - 5] = $f
      value[key, r, "ratio"] = $6 / value[$4 " kernel", r, 1]
    }
    END {
      for (k = 1; k <= keys; k++) {
        key = order[k]
        split(key, part, " ")
        n = 0
        for (r = 1; r <= count[key]; r++) ratio[++n] = value[key, r, "ratio"]
        sorted(ratio, n)
        printf "QD%-3d %-13s %9d  %5.2fx %5.2f..%-5.2f %9.1f %9.1f %9.1f %8.1f %% %8.2f %6.2f %%  %s\n", part[1], part[2],
          median(1, key), median("ratio", key), ratio[1], ratio[n], median(3, key), median(4, key), median(5, key),
          median(6, key), median(7, key), median(8, key), verdict(part[1], part[2], median("ratio", key))
      }
    }' "$GUEST_RUN/results"
}

header() {
  printf '%-5s %-13s %9s  %6s %-13s %9s %9s %9s %10s %8s %8s  %s\n' "" way IOPS ratio "min..max" "user µs" "system" "guest" \
    "one core" sleeps "in vain" "$1"
}

idle_table() {
  awk -v seconds=$idle_seconds '
    $1 == "idle" { printf "Idle daemon, %-13s %.1f %% of a core (%.4f), %d interrupts in %d s, %s %s resident\n", $2 ":",
      $3 / seconds / 1e7, $3 / seconds / 1e7, $4, seconds, $5, $6 }' "$GUEST_RUN/results"
}

print_all() {
  local disk
  printf '\n== %s%s\n' "$1" "$(sed -n 's/^domain \(.*\)/, the IOMMU serves the kernel by a domain of type \1/p' "$GUEST_RUN/results")"
  echo "CPU µs a read: of the process, in user space and in the kernel; and all that the guest was not idle. In vain: time spun"
  echo "without finding anything, at most; poll=auto promises less than 1.6 % where each answer takes longer than poll_us."
  echo "A disk that answers at once, $rounds rounds of $seconds s"
  header asked
  runs fast
  for disk in 1ms 4ms; do
    grep -q "^run $disk " "$GUEST_RUN/results" || continue
    echo "A disk that takes ${disk%ms} ms, likewise"
    header ""
    runs $disk
  done
  idle_table
}

(cd "$repo" && cmake --preset release --log-level=WARNING >/dev/null && cmake --build --preset release -- --quiet) || exit
for machine in "${machines[@]}"; do
  measure_on "$machine" && print_all "$machine" || exit
done
