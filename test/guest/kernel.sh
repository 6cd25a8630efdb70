#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The guest's kernel: Debian's own package, downloaded and unpacked, never installed on the host.
# The cache then holds kernel.deb, vmlinux and kernel-release.

GUEST_KERNEL=$VIO_GUEST_CACHE/vmlinux

fetch_kernel() {
  [[ -s $GUEST_KERNEL && -s $VIO_GUEST_CACHE/kernel-release ]] && return
  with_cache_lock fetch_kernel_locked
}

fetch_kernel_locked() {
  local work=$VIO_GUEST_CACHE/kernel.tmp
  [[ -s $GUEST_KERNEL && -s $VIO_GUEST_CACHE/kernel-release ]] && return
  rm -rf "$work" && mkdir -p "$work" || return
  download_kernel "$work" || return
  dpkg-deb --fsys-tarfile "$work"/linux-image-*.deb | tar -x -C "$work" ./boot || return
  unpack_vmlinux "$work"/boot/vmlinuz-* >"$work/vmlinux" || return
  basename "$work"/boot/vmlinuz-* | sed 's/^vmlinuz-//' >"$work/kernel-release"
  mv "$work"/linux-image-*.deb "$VIO_GUEST_CACHE/kernel.deb"
  mv "$work/kernel-release" "$VIO_GUEST_CACHE/"
  mv "$work/vmlinux" "$GUEST_KERNEL" # last: its presence says that all is there
  rm -rf "$work"
}

kernel_package() {
  apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

# A package list that is absent or older than the archive is the usual reason for a failure: refresh it once.
download_kernel() {
  local into=$1
  download_kernel_once "$into" && return
  ((EUID == 0)) && apt-get -q update >/dev/null 2>&1
  download_kernel_once "$into" && return
  guest_error "apt-get could not download Debian's kernel (linux-image-amd64); try 'apt-get update' and check the network:"
  cat "$into/apt.log" >&2
  return 1
}

download_kernel_once() {
  local package
  package=$(kernel_package)
  echo "package of linux-image-amd64: ${package:-not found}" >"$1/apt.log"
  [[ -n $package ]] || return 1
  (cd "$1" && apt-get -q -o APT::Sandbox::User=root download "$package") >>"$1/apt.log" 2>&1
}

# QEMU boots an uncompressed kernel directly (PVH). Unpacking XZ under TCG would take 4 s of each boot.
# The boot protocol's header names the payload: its offset (0x248) and length (0x24c) from the end of the set-up
# sectors (their number at 0x1f1).
unpack_vmlinux() {
  local image=$1 setup_sectors payload length
  setup_sectors=$(read_le "$image" $((0x1f1)) 1)
  payload=$(((setup_sectors + 1) * 512 + $(read_le "$image" $((0x248)) 4)))
  length=$(read_le "$image" $((0x24c)) 4)
  # The payload ends in four bytes more than XZ knows of; --single-stream leaves them alone.
  dd if="$image" iflag=skip_bytes,count_bytes skip="$payload" count="$length" bs=1M status=none |
    xz -dc --single-stream --format=xz || {
    guest_error "$(basename "$image") holds no kernel compressed with XZ"
    return 1
  }
}

read_le() {
  od -An -t"u$3" -j"$2" -N"$3" "$1" | tr -d ' '
}

# What "tsc_early_khz" has to say. Measured once per run, because /proc/cpuinfo shows the momentary speed.
host_tsc_khz() {
  local tool=$VIO_GUEST_CACHE/tsc-khz
  if [[ ! -x $tool || $GUEST_DIR/tsc-khz.c -nt $tool ]]; then
    gcc -O1 -Wall -o "$tool.$$" "$GUEST_DIR/tsc-khz.c" && mv "$tool.$$" "$tool" || return
  fi
  "$tool"
}
