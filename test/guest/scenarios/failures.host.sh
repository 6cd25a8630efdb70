# shellcheck shell=bash
# A read-only disk first, then a device that is no disk.
scenario_setup() {
  make_partitioned_disk "$GUEST_RUN/disk.img" || return
  guest_options+=(--disk "$GUEST_RUN/disk.img,ro" --device virtio-rng --node slow)
  # The slots of microvm share a page, and the kernel lets nobody map a page of which its own driver has a part.
  [[ $MACHINE_BUS == pci ]] || guest_options+=(--append iomem=relaxed)
  use_program driver/devb-virtio
  guest_options+=(-- -blockdev driver=null-co,node-name=slow,size=16777216,latency-ns=4000000000)
}
