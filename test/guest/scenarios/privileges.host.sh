# shellcheck shell=bash
# shellcheck disable=SC2034 # read by run.sh
scenario_machines=(q35 microvm-v2)
# Two disks that can be resized or broken, and one that answers too late.
scenario_setup() {
  make_partitioned_disk "$GUEST_RUN/disk0.img" && make_pattern_disk "$GUEST_RUN/disk1.img" 16M || return
  make_ext4_partition "$GUEST_RUN/disk0.img" 3 || return
  guest_options+=(--disk "$GUEST_RUN/disk0.img" --disk "$GUEST_RUN/disk1.img" --node slow --qmp --seconds 600)
  use_program driver/devb-virtio
  use_program test/tools/randio
  use_program test/tools/notify-listen
  guest_options+=(--program "$REPO_DIR/examples/systemd/devb-virtio-bind:/devb-virtio-bind")
  guest_options+=(--program "$VIO_BUILD/examples/systemd/devb-virtio@.service:/devb-virtio@.service")
  guest_options+=(-- -blockdev driver=null-co,node-name=slow,size=16777216,latency-ns=4000000000)
}

scenario_host() {
  await_guest_says 300 "GROW ME" && truncate -s 32M "$GUEST_RUN/disk1.img" &&
    host_check "QEMU resizes the disk" guest_qmp '{"execute":"block_resize","arguments":{"node-name":"disk1","size":33554432}}'
}
