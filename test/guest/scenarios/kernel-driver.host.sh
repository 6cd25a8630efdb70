# shellcheck shell=bash
# shellcheck disable=SC2034 # read by run.sh
# A kernel that has virtio_pci built in and is let loose.
scenario_machines=(q35@6.12)
scenario_setup() {
  make_pattern_disk "$GUEST_RUN/disk.img" 64M &&
    guest_options+=(--kernel-virtio --disk "$GUEST_RUN/disk.img")
}
