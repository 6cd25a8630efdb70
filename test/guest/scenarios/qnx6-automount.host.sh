# shellcheck shell=bash
# A disk with a QNX6 partition between others, and what is in it as the host sees that.
# shellcheck disable=SC2034 # read by run.sh
scenario_machines=(microvm-v2)

scenario_setup() {
  local disk=$GUEST_RUN/disk.img srv=$GUEST_RUN/overlay/srv tree=$GUEST_RUN/tree
  mkdir -p "$srv" && make_tree "$tree" && make_partitioned_disk "$disk" && make_ext4_partition "$disk" 3 || return
  "$VIO_BUILD/fs-glue/qnx6/make/mkqnx6fs" -q -d "$tree" --offset="$(($(partition_start "$disk" 1) * 512))" \
    --size="$(($(partition_sectors "$disk" 1) * 512))" "$disk" || return
  (cd "$tree" && find . -type f -exec sha256sum {} + | LC_ALL=C sort) >"$srv/sums"
  (cd "$tree" && find . ! -type d -exec stat -c '%n|%f|%u|%g|%Y|%h|%s' {} + | LC_ALL=C sort) >"$srv/files"
  (cd "$tree" && find . -type d -exec stat -c '%n|%f|%u|%g|%Y' {} + | LC_ALL=C sort) >"$srv/directories"
  (cd "$tree" && find . -type l -printf '%p %l\n' | LC_ALL=C sort) >"$srv/links"
  rm -rf "$tree"
  guest_options+=(--disk "$disk")
  use_program driver/devb-virtio
  use_program fs-glue/qnx6/mount/qnx6fs
}

make_tree() {
  local tree=$1 size i
  mkdir -p "$tree/directory/deeper" "$tree/empty" "$tree/many" && ln -s ../hello "$tree/directory/link" || return
  echo "hello from qnx6" >"$tree/hello" && ln "$tree/hello" "$tree/directory/deeper/another name" || return
  for size in 0 1 511 512 513 4095 4096 4097 65536 65537 1048577 3000000; do
    head -c "$size" /dev/urandom >"$tree/size $size"
  done
  for i in 27 28 255; do
    echo "$i" >"$tree/directory/$(printf 'n%.0s' $(seq "$i"))"
  done
  for i in $(seq 1000); do
    echo "$i" >"$tree/many/file $i"
  done
  chown 1234:5678 "$tree/hello" && chmod 4711 "$tree/hello" && chmod 1777 "$tree/empty" && mkfifo "$tree/fifo" || return
  i=1000000000
  while IFS= read -r -d '' file; do
    touch -h -d "@$((i += 86400))" "$file" || return
  done < <(find "$tree" -depth -print0)
}
