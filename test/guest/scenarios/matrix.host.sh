# shellcheck shell=bash
# The rows of the matrix. PCI disks stand behind root ports, so that they can be unplugged; the guest asks for what
# only the host can do with lines "REQUEST <number> <verb> <argument>", and ends with "REQUEST <number> end".
# shellcheck disable=SC2034 # read by run.sh
scenario_machines=(
  q35 q35-legacy q35-transitional q35-iommu microvm-v1 microvm-v2
  q35@6.12 q35-legacy@6.12 q35-transitional@6.12 q35-iommu@6.12 microvm-v1@6.12 microvm-v2@6.12
  arm64-mmio arm64-pci arm64-iommu
)

scenario_setup() {
  local hotplug=() module
  [[ $MACHINE_BUS == mmio ]] || hotplug=(--hotplug)
  make_pattern_disk "$GUEST_RUN/disk.img" 16M || return
  guest_options+=("${hotplug[@]}" --qmp --seconds 400 --disk "$GUEST_RUN/disk.img")
  if [[ $MACHINE_BUS == mmio ]]; then
    module=$(build_kernel_module "$1" "$REPO_DIR/transports/mmio/kmod") || return
    guest_options+=(--module "$module")
  fi
  use_program driver/devb-virtio
  use_program test/tools/randio
}

# What "-device" said of the disk, for plugging it in again.
disk_device() {
  tr ' ' '\n' <"$GUEST_RUN/qemu.command" | tr -d '\\' | grep '^virtio-blk.*id=disk0'
}

plug_in() {
  guest_qmp "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"device_add $(disk_device)\"}}"
}

# throttle REQUESTS SIZE: so many in a second, 0 is no limit; its new size tells the guest that it is done. The back end
# is the device itself, or PCI's child.
throttle() {
  local path=/machine/peripheral/disk0
  [[ $MACHINE_BUS == mmio ]] || path+=/virtio-backend
  guest_qmp "{\"execute\":\"block_set_io_throttle\",\"arguments\":{\"id\":\"$path\",\"iops\":$1,\"bps\":0,
    \"bps_rd\":0,\"bps_wr\":0,\"iops_rd\":0,\"iops_wr\":0}}" && resize "$2"
}

resize() {
  guest_qmp "{\"execute\":\"block_resize\",\"arguments\":{\"node-name\":\"disk0\",\"size\":$1}}"
}

serve() {
  case $1 in
    slow) throttle 40 "$2" ;;
    fast) throttle 0 "$2" ;;
    resize) resize "$2" ;;
    unplug) guest_qmp '{"execute":"device_del","arguments":{"id":"disk0"}}' ;;
    plug) plug_in ;;
    *) return 1 ;;
  esac
}

scenario_host() {
  local number=1 verb argument
  while await_guest_says 300 "REQUEST $number "; do
    read -r verb argument < <(tr -d '\r' <"$GUEST_RUN/serial.log" | sed -n "s/^@@ REQUEST $number //p")
    [[ $verb != end ]] || return 0
    serve "$verb" "$argument" >"$GUEST_RUN/request.log" 2>&1 ||
      host_result 1 "QEMU does '$verb $argument': $(tail -n 1 "$GUEST_RUN/request.log")"
    number=$((number + 1))
  done
  return 1
}
