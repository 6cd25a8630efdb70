# shellcheck shell=bash
# microvm without ACPI: QEMU then declares the devices on the kernel's command line by itself.
# shellcheck disable=SC2034 # run.sh reads it
scenario_machines=(microvm-v1 microvm-v2)
scenario_setup() {
  make_pattern_disk "$GUEST_RUN/disk.img" 8M || return
  guest_options+=(--device virtio-rng --disk "$GUEST_RUN/disk.img")
  use_program driver/devb-virtio
  guest_options+=(-- -machine acpi=off)
}
