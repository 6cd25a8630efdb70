# shellcheck shell=bash
# shellcheck disable=SC2034 # read by run.sh
scenario_machines=(q35)
scenario_setup() {
  make_gpt_disk "$GUEST_RUN/disk.img" || return
  guest_options+=(--disk "$GUEST_RUN/disk.img" --disk "$GUEST_RUN/disk.img,ro,num-queues=2" --qmp)
  use_program driver/devb-virtio
}

# The disk grows while the guest looks on.
scenario_host() {
  await_guest_says 120 "GROW ME" && truncate -s 96M "$GUEST_RUN/disk.img" &&
    host_check "QEMU resizes the disk" guest_qmp '{"execute":"block_resize","arguments":{"node-name":"disk0","size":100663296}}'
}
