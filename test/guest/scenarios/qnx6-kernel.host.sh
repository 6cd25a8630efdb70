# shellcheck shell=bash
# One tree, in volumes of every kind that mkqnx6fs makes. Where the project's shared folder exists, a volume that QNX
# itself made comes along.
# shellcheck disable=SC2034 # read by run.sh
scenario_machines=(q35 q35@6.12)

scenario_setup() {
  local srv=$GUEST_RUN/overlay/srv tree=$GUEST_RUN/tree
  mkdir -p "$srv/qnx6" && make_tree "$tree" && make_volumes "$tree" "$srv/qnx6" || return
  (cd "$tree" && find . -type f -exec sha256sum {} + | LC_ALL=C sort) >"$srv/sums"
  (cd "$tree" && find . -type l -printf '%p -> %l\n' | LC_ALL=C sort) >"$srv/links"
  rm -rf "$tree"
  make_partitioned_disk "$GUEST_RUN/disk.img" && guest_options+=(--disk "$GUEST_RUN/disk.img") || return
  use_program driver/devb-virtio
  use_program fs-glue/qnx6/make/mkqnx6fs
  use_program fs-glue/qnx6/mount/qnx6fs
  real_volume "$(dirname "$REPO_DIR")/shared/images/nfi-qnxmount-test_image.bin" "$srv"
}

# Names on both sides of what a short entry takes, and as long as Linux has any; contents on both sides of a block, of
# the inode's own pointers, and of one level and two; times, owners and modes that nothing else has.
make_tree() {
  local tree=$1 size length
  mkdir -p "$tree/directory/deeper" "$tree/empty" "$tree/many" "$tree/grüße" &&
    ln -s ../hello "$tree/directory/link" &&
    ln -s "$(printf 'x%.0s' $(seq 700))" "$tree/a link whose target takes more than a block" || return
  echo "hello from qnx6" >"$tree/hello" && ln "$tree/hello" "$tree/directory/deeper/another name" || return
  for size in 0 1 511 512 513 4096 4097 8192 8193 65536 65537 1100000; do
    head -c "$size" /dev/urandom >"$tree/size $size"
  done
  for length in 27 28 255; do
    echo "$length" >"$tree/grüße/$(printf 'n%.0s' $(seq "$length"))"
  done
  echo umlauts >"$tree/grüße/ein Name mit Umlauten, länger als ein kurzer Eintrag, äöüß" || return
  for size in $(seq 150); do
    echo "$size" >"$tree/many/file $size"
  done
  # holes at the beginning, in the middle and at the end; in blocks of 512 bytes, with two levels of pointers
  truncate -s 1200000 "$tree/sparse" &&
    printf 'some data' | dd of="$tree/sparse" bs=1 seek=300000 conv=notrunc status=none &&
    truncate -s 20000 "$tree/nothing but a hole" || return
  mkfifo "$tree/fifo" && chown 1234:5678 "$tree/hello" && chmod 4711 "$tree/hello" && chmod 1777 "$tree/empty" &&
    chown 4000000000:1 "$tree/size 1" && touch -h -d @1 "$tree/directory/link" &&
    touch -d '2100-01-01 UTC' "$tree/size 512" && touch -d '1999-12-31 UTC' "$tree/directory"
}

make_volumes() {
  local tree=$1 folder=$2 order size name check=$VIO_BUILD/fs-glue/qnx6/check/chkqnx6fs
  for order in little big; do
    for size in 512 1024 2048 4096; do
      for name in "$order-$size" "$order-$size-no-boot-block"; do
        # shellcheck disable=SC2046 # an option or nothing
        "$VIO_BUILD/fs-glue/qnx6/make/mkqnx6fs" -q -b "$size" -e "$order" -d "$tree" --size=2500k \
          $([[ $name != *-boot-block ]] || echo --no-boot-block) "$folder/$name" || return
        [[ ! -x $check ]] || "$check" "$folder/$name" >"$GUEST_RUN/check.log" 2>&1 || {
          cat "$GUEST_RUN/check.log" >&2
          return 1
        }
      done
    done
  done
}

# The kernel's driver shows the state of the first super block even when the second is newer (both must be valid),
# so its copy of the volume gets the newer one in both places; ours is as it was. 0x2000 is the first; its num_blocks
# tells where the second is: behind 0x3000 and the data blocks of 1 KiB.
real_volume() {
  local real=$1 srv=$2 second=$((0x3000 + 384 * 1024))
  [[ -e $real ]] || {
    echo "# the volume made by QNX is not tested: this machine has no ${real##*/}" >>"$GUEST_RUN/results"
    return 0
  }
  cp "$real" "$srv/real" && cp "$real" "$srv/real.kernel" && chmod u+w "$srv/real.kernel" &&
    dd if="$real" of="$srv/real.kernel" bs=512 skip=$((second / 512)) seek=$((0x2000 / 512)) count=1 conv=notrunc status=none
}
