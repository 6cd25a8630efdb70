# shellcheck shell=bash
# Disks of two queues each: packed, split, and packed without event index, indirect descriptors and write-zeroes. What
# the guest leaves on them is looked at here, where none of our code has a part in it.
# shellcheck disable=SC2034 # read by run.sh
scenario_machines=(q35-iommu q35-newer-iommu q35-legacy microvm-v2 arm64-mmio)

# Of 1 MiB each; see rings.sh
rings_area=2048
rings_new=$((50000000))

scenario_setup() {
  local disk packed=,packed=on module
  [[ $1 != q35-legacy ]] || packed=
  for disk in 0 1 2; do
    make_pattern_disk "$GUEST_RUN/disk$disk.img" 8M || return
  done
  guest_options+=(--disk "$GUEST_RUN/disk0.img,num-queues=2$packed" --disk "$GUEST_RUN/disk1.img,num-queues=2"
    --disk "$GUEST_RUN/disk2.img,num-queues=2$packed,event_idx=off,indirect_desc=off,write-zeroes=off"
    --env "AREA=$rings_area" --env "NEW=$rings_new")
  if [[ $MACHINE_BUS == mmio ]]; then
    module=$(build_kernel_module "$1" "$REPO_DIR/transports/mmio/kmod") || return
    guest_options+=(--module "$module")
  fi
  use_program driver/devb-virtio
  use_program test/tools/ring_check
}

# area_holds DISK AREA FIRST: sectors with these numbers
area_holds() {
  dd if="$GUEST_RUN/disk$1.img" bs=$((rings_area * 512)) skip="$2" count=1 status=none |
    cmp - <(pattern_sectors "$3" $rings_area)
}

areas_are_new() {
  local disk=$1 area
  shift
  for area in "$@"; do
    area_holds "$disk" "$area" $((rings_new + area * rings_area)) || return
  done
}

# The neighbours of what was written and zeroed are as they were.
areas_are_old() {
  area_holds "$1" "$2" $(($2 * rings_area))
}

area_is_zero() {
  dd if="$GUEST_RUN/disk$1.img" bs=$((rings_area * 512)) skip="$2" count=1 status=none |
    cmp -n $((rings_area * 512)) - /dev/zero
}

# has_holes DISK AREAS: so many areas, but for a few blocks of the file system's own, take no space.
has_holes() {
  local blocks
  blocks=$(stat -c %b "$GUEST_RUN/disk$1.img")
  echo "$blocks blocks of 512 bytes"
  ((blocks <= (8 - $2) * rings_area + 256))
}

scenario_after() {
  host_check "the first disk holds what went through its queues" areas_are_new 0 0 1 2 3 6
  [[ $1 == q35-legacy ]] || host_check "the second disk, likewise" areas_are_new 1 0 1 2 3
  host_check "the third disk, likewise" areas_are_new 2 0 1
  host_check "what nobody wrote to is as it was" areas_are_old 1 6
  [[ $1 == *-iommu ]] || return 0
  host_check "what a volume punched out reads zeroes" area_is_zero 0 7
  host_check "and takes no space" has_holes 0 1
  host_check "what was zeroed in place reads zeroes" area_is_zero 1 7
  host_check "and takes space" fails_on_host has_holes 1 1
  host_check "what was discarded takes no space" has_holes 2 1
}

fails_on_host() {
  ! "$@"
}
