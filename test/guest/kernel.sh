#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The guest's kernel: Debian's own package, downloaded and unpacked, never installed on the host. $KERNEL_DIR (see
# machines.sh) then holds kernel.deb, release, modules.builtin and kernel, which QEMU boots.
#
# 6.12 comes from Debian 12's backports: its headers and kbuild tools run on Debian 12, with its gcc.

declare -A KERNEL_SUITES=([6.1]=bookworm [6.12]=bookworm-backports)

fetch_kernel() {
  [[ -s $KERNEL_DIR/kernel ]] && return
  with_cache_lock fetch_kernel_locked
}

fetch_kernel_locked() {
  local work=$KERNEL_DIR.tmp
  [[ -s $KERNEL_DIR/kernel ]] && return
  rm -rf "$work" "$KERNEL_DIR" && mkdir -p "$work" || return
  download_kernel "$work" || return
  mv "$work"/linux-image-*.deb "$work/kernel.deb"
  dpkg-deb --fsys-tarfile "$work/kernel.deb" |
    tar -x -C "$work" --wildcards './boot/*' './lib/modules/*/modules.builtin' || return
  unpack_kernel "$work"/boot/vmlinuz-* >"$work/kernel" || return
  basename "$work"/boot/vmlinuz-* | sed 's/^vmlinuz-//' >"$work/release"
  mv "$work"/lib/modules/*/modules.builtin "$work/" && rm -rf "${work:?}"/{boot,lib}
  mv "$work" "$KERNEL_DIR"
}

# download_kernel FOLDER: the package that linux-image-ARCH names.
download_kernel() {
  local suite=${KERNEL_SUITES[$MACHINE_KERNEL]} package
  package=$(debian_depends "$suite" "$MACHINE_ARCH" "linux-image-$MACHINE_ARCH") || return
  package=$(grep -m 1 '^linux-image-[0-9]' <<<"$package")
  if [[ $package != "linux-image-$MACHINE_KERNEL."* ]]; then
    guest_error "$suite has no Linux $MACHINE_KERNEL for $MACHINE_ARCH: linux-image-$MACHINE_ARCH names '${package:-nothing}'."
    return 1
  fi
  debian_download "$suite" "$MACHINE_ARCH" "$1" "$package"
}

# builtin_module MODULE: whether the machine's kernel has it in itself.
builtin_module() {
  tr - _ <"$KERNEL_DIR/modules.builtin" | grep -q "/${1//-/_}\.ko$"
}

# arm64's is the bare image already.
unpack_kernel() {
  case $MACHINE_ARCH in
    amd64) unpack_vmlinux "$1" ;;
    arm64) unpack_arm64_image "$1" ;;
  esac
}

unpack_arm64_image() {
  if [[ $(read_le "$1" $((0x38)) 4) -ne $((0x644d5241)) ]]; then # "ARM\x64"
    guest_error "$(basename "$1") is no bare arm64 image"
    return 1
  fi
  cat "$1"
}

# QEMU boots an uncompressed kernel directly (PVH). Unpacking XZ under TCG would take 4 s of each boot.
# The boot protocol's header names the payload: its offset (0x248) and length (0x24c) from the end of the set-up
# sectors (their number at 0x1f1). It ends in four bytes more than the format knows of.
unpack_vmlinux() {
  local image=$1 setup_sectors payload length
  setup_sectors=$(read_le "$image" $((0x1f1)) 1)
  payload=$(((setup_sectors + 1) * 512 + $(read_le "$image" $((0x248)) 4)))
  length=$(($(read_le "$image" $((0x24c)) 4) - 4))
  dd if="$image" iflag=skip_bytes,count_bytes skip="$payload" count="$length" bs=1M status=none |
    decompress "$(read_le "$image" "$payload" 4)" || {
    guest_error "$(basename "$image") holds no kernel compressed with XZ or Zstandard"
    return 1
  }
}

# decompress MAGIC: by the first four bytes of the data.
decompress() {
  case $1 in
    $((0x587a37fd))) xz -dc --format=xz ;;
    $((0xfd2fb528))) zstd -dcq ;;
    *) return 1 ;;
  esac
}

read_le() {
  od -An -t"u$3" -j"$2" -N"$3" "$1" | tr -d ' '
}

# What "tsc_early_khz" has to say. Measured once per run, because /proc/cpuinfo shows the momentary speed.
host_tsc_khz() {
  local tool=$VIO_GUEST_CACHE/tsc-khz
  # Guests start at the same time; in subshells $$ is that of the whole run.
  if [[ ! -x $tool || $GUEST_DIR/tsc-khz.c -nt $tool ]]; then
    gcc -O1 -Wall -o "$tool.$BASHPID" "$GUEST_DIR/tsc-khz.c" && mv "$tool.$BASHPID" "$tool" || return
  fi
  "$tool"
}
