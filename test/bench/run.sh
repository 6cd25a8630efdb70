#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# 4 KiB random reads in a guest, libvio polled against the kernel's virtio_blk with O_DIRECT: the same disk (null-co),
# the same boot, in turn. Then what the daemon costs when it is idle. Prints medians and ratios.
#
#   test/bench/run.sh [ROUNDS [SECONDS]]      default: 5 rounds of 3 s
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
rounds=${1:-5}
seconds=${2:-3}

"$repo/test/setup.sh" build guest || exit
# shellcheck source-path=SCRIPTDIR source=../guest/lib.sh
. "$repo/test/guest/lib.sh"
trap power_off EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

(cd "$repo" && cmake --preset release --log-level=WARNING >/dev/null && cmake --build --preset release -- --quiet) || exit
start_run q35 bench
boot_guest q35 "$here/guest.sh" --null 1G --seconds $((rounds * seconds * 6 + 120)) \
  --program "$VIO_BUILD/test/bench/randread" --program "$VIO_BUILD/driver/devb-virtio" \
  --env ROUNDS="$rounds" --env SECONDS_EACH="$seconds"

if ! grep -q '^ok - measured' "$GUEST_RUN/results"; then
  cat "$GUEST_RUN/results" >&2
  exit 1
fi
# "run DEPTH OURS PEER", one line a round
printf '%-24s %12s %12s %8s   %s\n' "4 KiB random reads" "ours (IOPS)" "kernel" ratio "min..max of the rounds"
for depth in 1 32; do
  sed -n "s/^run $depth //p" "$GUEST_RUN/results" | awk '{ print $1, $2, $1 / $2 }' | sort -n -k 3 |
    awk -v depth="$depth" '
      { ours[NR] = $1; peer[NR] = $2; ratio[NR] = $3 }
      END {
        m = int((NR + 1) / 2)
        printf "QD%-22d %12d %12d %7.2fx   %.2f..%.2f\n", depth, ours[m], peer[m], ratio[m], ratio[1], ratio[NR]
      }'
done
sed -n 's/^idle daemon/Idle daemon/p' "$GUEST_RUN/results"
