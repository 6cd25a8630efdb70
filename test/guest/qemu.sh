#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A newer QEMU than Debian 12's own, from its backports: its virtio devices offer IN_ORDER, which 7.2's do not know.
# Unpacked, not installed: 12 MiB to download; its libraries are those that Debian 12's QEMU needs.

NEWER_QEMU=$VIO_GUEST_CACHE/qemu-newer
NEWER_QEMU_PACKAGES=(qemu-system-x86 qemu-system-data seabios)

fetch_newer_qemu() {
  newer_qemu_is_complete || with_cache_lock fetch_newer_qemu_locked
}

newer_qemu_is_complete() {
  [[ $(cat "$NEWER_QEMU/packages" 2>/dev/null) == "${NEWER_QEMU_PACKAGES[*]}" ]]
}

fetch_newer_qemu_locked() {
  local work=$NEWER_QEMU.tmp
  newer_qemu_is_complete && return
  rm -rf "$work" "$NEWER_QEMU" && mkdir -p "$work/deb" || return
  debian_download bookworm-backports amd64 "$work/deb" "${NEWER_QEMU_PACKAGES[@]}" &&
    debian_unpack "$work" "$work"/deb/*.deb && check_newer_qemu "$work" || return
  rm -rf "$work/deb" "$work"/usr/share/{doc,man,icons}
  echo "${NEWER_QEMU_PACKAGES[*]}" >"$work/packages" && mv "$work" "$NEWER_QEMU"
}

check_newer_qemu() {
  local missing
  missing=$(ldd "$1/usr/bin/qemu-system-x86_64" | sed -n 's/^\t\(.*\) => not found$/\1/p' | xargs)
  [[ -z $missing ]] || {
    guest_error "QEMU of bookworm-backports needs $missing, which the packages of test/setup.sh guest do not bring;" \
      "install what has them (apt-file search $missing)"
    return 1
  }
}

# newer_qemu_command: the program, and where its firmware is, one a line.
newer_qemu_command() {
  printf '%s\n' "$NEWER_QEMU/usr/bin/qemu-system-x86_64" -L "$NEWER_QEMU/usr/share/qemu" -L "$NEWER_QEMU/usr/share/seabios"
}
