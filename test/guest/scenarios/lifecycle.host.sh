# shellcheck shell=bash
# Two disks, so that two daemons can meet; the first with partitions.
scenario_setup() {
  make_partitioned_disk "$GUEST_RUN/disk0.img" && make_pattern_disk "$GUEST_RUN/disk1.img" 16M || return
  make_ext4_partition "$GUEST_RUN/disk0.img" 3 || return
  guest_options+=(--disk "$GUEST_RUN/disk0.img" --disk "$GUEST_RUN/disk1.img,logical_block_size=4096,physical_block_size=4096")
  use_program driver/devb-virtio
  use_program test/tools/randio
}
