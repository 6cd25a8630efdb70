# shellcheck shell=bash
# Two disks with a device between them that is none.
scenario_setup() {
  make_pattern_disk "$GUEST_RUN/disk0.img" 8M && make_pattern_disk "$GUEST_RUN/disk1.img" 16M || return
  guest_options+=(--disk "$GUEST_RUN/disk0.img" --device virtio-rng --disk "$GUEST_RUN/disk1.img")
  use_program driver/devb-virtio
  use_program examples/vio-cat
}
