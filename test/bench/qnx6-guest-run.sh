#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A QNX6 volume in a guest by the daemon's own mount (blk automount=); in turn with others, each time with the kernel's
# caches dropped. Prints medians, and ratios of what ran in the same round.
#
#   ls, du   20 000 files in 20 directories with their attributes, each time from a fresh start of the daemon, against
#            the kernel's qnx6 driver on a loop device over the same volume's file. ls -lR formats and sorts, du asks for
#            the attributes alone.
#   one      the same by du, all 20 000 in one directory
#   read     256 MiB in order, against the raw volume through FUSE, and qnx6fs on the volume's file
#
#   test/bench/qnx6-guest-run.sh [ROUNDS [MACHINE]]      default: 5 rounds on q35
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
rounds=${1:-5}
machine=${2:-q35}

"$repo/test/setup.sh" build guest || exit
# shellcheck source-path=SCRIPTDIR source=../guest/lib.sh
. "$repo/test/guest/lib.sh"
trap power_off EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

make_disk() {
  local disk=$1 tree=$GUEST_RUN/tree i j
  for i in {1..20}; do
    mkdir -p "$tree/many/$i" "$tree/one" && for j in {1..1000}; do
      echo "file $j of directory $i" >"$tree/many/$i/file $j"
      : >"$tree/one/file $i $j"
    done
  done
  dd if=/dev/zero of="$tree/file" bs=1M count=256 status=none && truncate -s 449M "$disk" && printf 'label: dos\n2048,,b3\n' | sfdisk -q "$disk" &&
    "$VIO_BUILD/fs-glue/qnx6/make/mkqnx6fs" -q -b 4096 -d "$tree" --offset=1M --size=448M "$disk" && rm -rf "$tree"
}

measure() {
  start_run "$machine" bench-qnx6 && make_disk "$GUEST_RUN/disk.img" || return
  boot_guest "$machine" "$here/qnx6-guest.sh" --disk "$GUEST_RUN/disk.img" --seconds $((rounds * 120 + 120)) \
    --memory 1024 --program "$VIO_BUILD/driver/devb-virtio" --program "$VIO_BUILD/fs-glue/qnx6/mount/qnx6fs" --env ROUNDS="$rounds"
  if grep -q '^not ok' "$GUEST_RUN/results" || ! grep -q '^ok - measured' "$GUEST_RUN/results"; then
    cat "$GUEST_RUN/results" >&2
    return 1
  fi
}

report() {
  awk '
    function median(list, n,   i, j, t) {
      for (i = 2; i <= n; i++)
        for (j = i; j > 1 && list[j - 1] > list[j]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
      return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
    }
    function line(what, who, asked,   r, ours, other, ratio, m) {
      for (r = 1; r <= rounds; r++) {
        ours[r] = value[what, "automount", r]
        other[r] = value[what, who, r]
        ratio[r] = other[r] / ours[r]
      }
      m = median(ratio, rounds)
      printf "%-8s %9.0f ms %9.0f ms %-8s %6.2f (%.2f..%.2f)  asked: %.1f, %s\n", what, median(ours, rounds),
        median(other, rounds), who, m, ratio[1], ratio[rounds], asked, (m >= asked ? "met" : "missed")
    }
    $1 == "list" { value[$2, $3, $4] = $5; if ($4 > rounds) rounds = $4 }
    END {
      printf "%-8s %12s %12s %-8s %s\n", "what", "automount", "the other", "", "ratio (min..max)"
      line("ls", "kernel", 1)
      line("du", "kernel", 1)
      line("one", "kernel", 1)
      line("read", "raw", 0.8)
      line("read", "qnx6fs", 2)
    }' "$GUEST_RUN/results"
}

(cd "$repo" && cmake --preset release --log-level=WARNING >/dev/null && cmake --build --preset release -- --quiet) || exit
measure && echo "== $machine, $rounds rounds" && report
