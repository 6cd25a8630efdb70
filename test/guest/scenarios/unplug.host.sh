# shellcheck shell=bash
# shellcheck disable=SC2034 # read by run.sh
scenario_machines=(q35 arm64-pci)
scenario_setup() {
  make_pattern_disk "$GUEST_RUN/disk0.img" 16M && make_pattern_disk "$GUEST_RUN/disk1.img" 8M || return
  guest_options+=(--hotplug --kernel-virtio --qmp --disk "$GUEST_RUN/disk0.img" --disk "$GUEST_RUN/disk1.img")
}

scenario_host() {
  await_guest_says 60 "UNPLUG ME" &&
    host_check "QEMU is asked to take the first disk away" guest_qmp '{"execute":"device_del","arguments":{"id":"disk0"}}'
}
