# shellcheck shell=bash
# A disk that shares its slot, and so its IOMMU group, with another function.
# shellcheck disable=SC2034 # read by run.sh
scenario_machines=(q35-iommu q35-iommu@6.12)

scenario_setup() {
  make_pattern_disk "$GUEST_RUN/disk.img" 16M || return
  guest_options+=(--kernel-virtio --disk "$GUEST_RUN/disk.img,multifunction=on" --env "NEIGHBOUR=0000:00:04.1")
  use_program driver/devb-virtio
  guest_options+=(-- -device "virtio-rng-pci,addr=04.1,disable-legacy=on,iommu_platform=on,ats=off")
}
