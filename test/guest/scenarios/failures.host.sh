# shellcheck shell=bash
# A read-only disk first, then a device that is no disk.
scenario_setup() {
  make_partitioned_disk "$GUEST_RUN/disk.img" || return
  guest_options+=(--disk "$GUEST_RUN/disk.img,ro" --device virtio-rng
    --node slow -- -blockdev driver=null-co,node-name=slow,size=16777216,latency-ns=4000000000)
  guest_options=(--program "$VIO_BUILD/driver/devb-virtio" "${guest_options[@]}")
}
