#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# From nothing to mounted file systems: installs what is missing, builds, makes a disk with a QNX6 and an ext4
# partition, and boots two guests in QEMU that drive it with devb-virtio: one by PCI discovery, one by the address
# of its registers. What they do is quickstart-guest.sh; it is shown as it happens. Needs Debian 12 and root.
set -uo pipefail # not -e: the harness tests commands that may fail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(dirname "$here")

"$repo/test/setup.sh" build guest || exit
# shellcheck source-path=SCRIPTDIR source=../test/guest/lib.sh
. "$repo/test/guest/lib.sh"
GUEST_RUNS=$(mktemp -d)
trap 'power_off; rm -rf "$GUEST_RUNS"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

build() {
  echo "== Building in $VIO_BUILD"
  cmake -S "$repo" -B "$VIO_BUILD" -G Ninja --log-level=WARNING &&
    cmake --build "$VIO_BUILD" -- --quiet
}

# A disk as a QNX machine may have it: two QNX6 partitions (one empty of files), one ext4, one more in the extended.
make_disk() {
  local disk=$1 tree=$GUEST_RUNS/tree
  mkdir -p "$tree/etc/system" &&
    echo "Hello from a QNX6 volume." >"$tree/hello.txt" &&
    echo "hostname=target" >"$tree/etc/system/a configuration file with quite a long name.conf" &&
    make_partitioned_disk "$disk" &&
    "$VIO_BUILD/fs-glue/qnx6/make/mkqnx6fs" -q -d "$tree" --size="$(($(partition_sectors "$disk" 1) * 512))" \
      --offset="$(($(partition_start "$disk" 1) * 512))" "$disk"
}

# While the guest runs: its lines for the reader, as they come.
scenario_host() {
  tail -n +1 -f --pid="$GUEST_PID" "$GUEST_RUN/serial.log" | tr -d '\r' | sed -un 's/^@@ | //p' &
}

show() {
  local machine=$1 title=$2
  echo
  echo "== $title"
  start_run "$machine" quickstart
  cp "$GUEST_RUNS/disk.img" "$GUEST_RUN/disk.img"
  boot_guest "$machine" "$here/quickstart-guest.sh" --disk "$GUEST_RUN/disk.img,serial=QUICKSTART" \
    --program "$VIO_BUILD/driver/devb-virtio" --program "$VIO_BUILD/examples/pci-tool"
  wait
  if ! grep -q '^ok' "$GUEST_RUN/results" || grep -q '^not ok' "$GUEST_RUN/results"; then
    echo "quickstart.sh: the guest did not get through; what it said:" >&2
    cat "$GUEST_RUN/results" >&2
    exit 1
  fi
}

build || exit
fetch_kernel || exit
make_disk "$GUEST_RUNS/disk.img" || exit
show q35 "A PCI guest (QEMU q35): devb-virtio finds the disk by itself"
show microvm-v2 "A guest without PCI (QEMU microvm): the registers' address is given"
echo
echo "Both guests mounted QNX6 and ext4 from a VirtIO disk that no kernel driver touched."
