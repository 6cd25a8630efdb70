#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What the guest finds in its memory file system. The kernel unpacks archives that follow one another, so there is
# a base that changes rarely and an overlay for each boot. Neither is compressed: QEMU hands them over by DMA, and
# decompressing under TCG would take longer than reading. The base is $KERNEL_DIR/base.cpio.

# Modules that scenarios may load. None is loaded at boot: the kernel's virtio drivers must not take our devices.
# What a kernel has built in, or has not at all, is passed over.
GUEST_MODULES=(
  fuse loop ext4 crc32c_generic qnx6
  virtio_pci virtio_mmio virtio_blk
  uio uio_pci_generic uio_pdrv_genirq vfio-pci vfio_iommu_type1 iommufd
)

# The real ones, where busybox's applets do less than what users have. The shell is among them because busybox's
# own prefers its applets to anything in PATH, so that "mount" in a scenario would never be the real one.
GUEST_TOOLS=(dash setpriv mount umount losetup blkid blockdev dd stat mkfs.ext4 e2fsck sfdisk fallocate)

make_base_image() {
  with_cache_lock make_base_image_locked
}

make_base_image_locked() {
  local stamp root=$KERNEL_DIR/base.root image=$KERNEL_DIR/base.cpio
  stamp=$(base_stamp) || return
  [[ -s $image && $(cat "$image.stamp" 2>/dev/null) == "$stamp" ]] && return
  rm -rf "$root" "$image.stamp"
  make_skeleton "$root" &&
    add_busybox "$root" &&
    add_tools "$root" &&
    add_modules "$root" &&
    install -m 755 "$GUEST_DIR/rootfs/init" "$root/init" &&
    install -m 644 "$GUEST_DIR/rootfs/guest-checks.sh" "$root/usr/lib/" &&
    pack "$root" "$image" || return
  echo "$stamp" >"$image.stamp"
}

# Changes when any input of the base image does.
base_stamp() {
  local tool
  {
    cat "$KERNEL_DIR/release" "$GUEST_DIR/initramfs.sh" "$GUEST_DIR"/rootfs/*
    for tool in busybox "${GUEST_TOOLS[@]}"; do
      stat -L -c '%n %s %Y' "$(tool_path "$tool")" || return
    done
  } | sha256sum | cut -d ' ' -f 1
}

# The host's own program, or for another architecture the one that would be there if its packages were installed.
tool_path() {
  if [[ $MACHINE_ARCH == amd64 ]]; then
    command -v "$1" && return
  else
    compgen -G "$FOREIGN_ROOT/usr/*bin/$1" && return
  fi
  guest_error "'$1' is missing; test/setup.sh guest (for arm64: arm64) installs it."
  return 1
}

# The overlay needs the same links as the base: the kernel would replace a link of the base by a folder of the
# overlay and so lose all that was in it.
make_skeleton() {
  mkdir -p "$1"/{dev,proc,sys,run,tmp,mnt,root,etc,usr/local/bin} && make_links "$1"
}

# The list is the host's busybox's, which is of the same release of Debian: another architecture's cannot run here.
add_busybox() {
  local applet busybox
  busybox=$(tool_path busybox) || return
  cp -L "$busybox" "$1/usr/bin/busybox" || return
  for applet in $(busybox --list); do
    [[ $applet == busybox || $applet == sh ]] || ln -s busybox "$1/usr/bin/$applet" || return
  done
  ln -s ../bin/busybox "$1/usr/sbin/modprobe" # where the kernel itself looks for it
}

add_tools() {
  local tool path
  for tool in "${GUEST_TOOLS[@]}"; do
    path=$(realpath -s "$(tool_path "$tool")") || return
    rm -f "$1/usr/bin/$tool" # the applet's link
    copy_program "$1" "$path" "${path#"$FOREIGN_ROOT"}" || return
  done
  ln -s dash "$1/usr/bin/sh" || return
  cp -L /etc/mke2fs.conf "$1/etc/"
  : >"$1/etc/fstab"
}

# copy_program ROOT FILE DESTINATION: the file and, of a dynamic program, the libraries that the base has not.
copy_program() {
  local root=$1 file=$2 destination=$3 name path
  mkdir -p "$root/$(dirname "$destination")" &&
    cp -L "$file" "$root/$destination" && chmod 755 "$root/$destination" || return
  while read -r name path; do
    [[ $path == not ]] && guest_error "$file needs $name, which is not found" && return 1
    [[ $path == /lib/* || $path == /lib64/* || $path == /usr/lib/* ]] || path="$path:/usr/lib/$name"
    [[ -e $KERNEL_DIR/base.root/${path##*:} || -e $root/${path##*:} ]] && continue
    mkdir -p "$root/$(dirname "${path##*:}")" && cp -L "${path%%:*}" "$root/${path##*:}" || return
  done < <(libraries_of "$file")
}

# Lines "name path" (or "name not" of one that is missing).
libraries_of() {
  case $MACHINE_ARCH in
    amd64) ldd "$1" 2>/dev/null | sed -n -e 's/^\t\([^ ]*\) => \([^ ]*\).*/\1 \2/p' -e 's/^\t\(\/[^ ]*\) (0x.*/\1 \1/p' ;;
    *) foreign_libraries_of "$1" ;;
  esac
}

# Debian ships no modules.dep, so depmod runs over all modules once, and again over the few that go into the image.
# These are decompressed: the guest would take longer.
add_modules() {
  local root=$1 release all=$KERNEL_DIR/modules.tmp module file
  release=$(cat "$KERNEL_DIR/release")
  rm -rf "$all" && mkdir -p "$all/usr/lib" && ln -s usr/lib "$all/lib" || return
  dpkg-deb --fsys-tarfile "$KERNEL_DIR/kernel.deb" |
    tar -x -C "$all" --keep-directory-symlink --wildcards "./*lib/modules/$release" || return
  depmod -b "$all" "$release" || return
  for module in "${GUEST_MODULES[@]}"; do
    while read -r _ file _; do
      install -D -m 644 "$file" "$root/usr/lib/${file#"$all"/lib/}" || return
    done < <(modprobe -d "$all" -S "$release" --show-depends "$module" 2>/dev/null | grep '^insmod')
  done
  find "$root/usr/lib/modules" -name '*.ko.xz' -exec xz -d {} + || return
  compgen -G "$root/usr/lib/modules/$release/kernel/drivers/block/virtio_blk.ko" >/dev/null || {
    guest_error "the modules of Linux $release could not be unpacked: virtio_blk is missing"
    return 1
  }
  cp "$all/usr/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$root/usr/lib/modules/$release/" || return
  depmod -b "$root" "$release" || return
  rm -rf "$all"
}

# pack ROOT ARCHIVE
pack() {
  (cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$2.tmp" && mv "$2.tmp" "$2"
}

# make_overlay ROOT ARCHIVE SCENARIO PROGRAM...: the scenario script, /etc/guest-env (which the caller has written
# to ROOT/etc) and programs, which land in /usr/local/bin; "FILE:/path" puts a file elsewhere.
make_overlay() {
  local root=$1 archive=$2 scenario=$3 program destination
  shift 3
  make_skeleton "$root" || return
  install -m 644 "$scenario" "$root/scenario.sh" || return
  for program in "$@"; do
    destination=/usr/local/bin/$(basename "$program")
    [[ $program == *:/* ]] && destination=${program##*:} program=${program%:/*}
    [[ -e $program ]] || {
      guest_error "$program is needed in the guest but does not exist; build it first"
      return 1
    }
    copy_program "$root" "$program" "$destination" || return
  done
  pack "$root" "$archive"
}
