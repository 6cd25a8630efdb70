# shellcheck shell=bash
# A disk with an MBR: QNX6 in the first partition, a pattern everywhere else. Where the project's shared folder
# exists, a volume that QNX itself made comes along.
scenario_setup() {
  local disk=$GUEST_RUN/disk.img tree=$GUEST_RUN/overlay/srv/qnx6 real
  mkdir -p "$tree/directory/deeper" &&
    echo "hello from qnx6" >"$tree/hello" &&
    awk 'BEGIN { for (i = 0; i < 20000; i++) print "line", i }' >"$tree/directory/a file with a name longer than a short entry takes" &&
    ln -s ../hello "$tree/directory/link" &&
    make_partitioned_disk "$disk" &&
    "$VIO_BUILD/fs-glue/qnx6/make/mkqnx6fs" -q -d "$tree" --size="$(($(partition_sectors "$disk" 1) * 512))" \
      --offset="$(($(partition_start "$disk" 1) * 512))" "$disk" || return
  guest_options+=(--disk "$disk,serial=VOLUMES")
  use_program driver/devb-virtio
  use_program examples/vio-cat
  use_program test/tools/randio
  real=$(dirname "$REPO_DIR")/shared/images/nfi-qnxmount-test_image.bin
  if [[ -e $real ]]; then
    real_volume "$real" || return
  else
    echo "# the volume made by QNX is not tested: this machine has no ${real##*/}" >>"$GUEST_RUN/results"
  fi
}

# The kernel's driver shows the state of the first super block even when the second is newer (both must be valid),
# so a copy of the volume gets the newer one in both places. 0x2000 is the first; its num_blocks tells where the
# second is: behind 0x3000 and the data blocks of 1 KiB.
real_volume() {
  local copy=$GUEST_RUN/real.img truth=${1%.bin}.tar.gz second=$((0x3000 + 384 * 1024))
  cp "$1" "$copy" && chmod u+w "$copy" && truncate -s 1M "$copy" &&
    dd if="$1" of="$copy" bs=512 skip=$((second / 512)) seek=$((0x2000 / 512)) count=1 conv=notrunc status=none &&
    mkdir -p "$GUEST_RUN/overlay/srv/real" &&
    tar -xzf "$truth" -C "$GUEST_RUN/overlay/srv/real" --no-same-owner || return
  guest_options+=(--disk "$copy,ro" --env REAL_VOLUME=yes)
}
