#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Listing a QNX6 volume of 20 000 files in 20 directories, with their attributes, in a guest: by the daemon's own mount
# (blk automount=) against the kernel's qnx6 driver on a loop device over the same volume's file; in turn, and each
# time from a fresh start of the daemon and with the kernel's caches dropped. Prints medians, and ratios of what ran in
# the same round. By ls -lR, which formats and sorts, and by du, which asks for the attributes alone.
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
    mkdir -p "$tree/$i" && for j in {1..1000}; do echo "file $j of directory $i" >"$tree/$i/file $j"; done
  done
  truncate -s 129M "$disk" && printf 'label: dos\n2048,,b3\n' | sfdisk -q "$disk" &&
    "$VIO_BUILD/fs-glue/qnx6/make/mkqnx6fs" -q -b 4096 -d "$tree" --offset=1M --size=128M "$disk" && rm -rf "$tree"
}

measure() {
  start_run "$machine" bench-qnx6 && make_disk "$GUEST_RUN/disk.img" || return
  boot_guest "$machine" "$here/qnx6-guest.sh" --disk "$GUEST_RUN/disk.img" --seconds $((rounds * 90 + 120)) \
    --program "$VIO_BUILD/driver/devb-virtio" --env ROUNDS="$rounds"
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
    function line(what,   r, ours, kernel, ratio) {
      for (r = 1; r <= rounds; r++) {
        ours[r] = value[what, "automount", r]
        kernel[r] = value[what, "kernel", r]
        ratio[r] = kernel[r] / ours[r]
      }
      printf "%-8s %9.0f ms %9.0f ms %8.2f (%.2f..%.2f)  asked: 1.0, %s\n", what, median(ours, rounds), median(kernel, rounds),
        median(ratio, rounds), ratio[1], ratio[rounds], (median(ratio, rounds) >= 1 ? "met" : "missed")
    }
    $1 == "list" { value[$2, $3, $4] = $5; if ($4 > rounds) rounds = $4 }
    END {
      printf "%-8s %12s %12s %8s\n", "by", "automount", "the kernel", "ratio (min..max)"
      line("ls")
      line("du")
    }' "$GUEST_RUN/results"
}

(cd "$repo" && cmake --preset release --log-level=WARNING >/dev/null && cmake --build --preset release -- --quiet) || exit
measure && echo "== $machine, 20 000 files, $rounds rounds" && report
