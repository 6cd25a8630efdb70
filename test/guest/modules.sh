#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
#   build_kernel_module MACHINE FOLDER     builds FOLDER's kernel modules for the machine's kernel and prints the
#                                          names of the .ko files, for boot_guest's --module
#
# With Debian's headers for that kernel, unpacked below $KERNEL_DIR. FOLDER is copied there and stays as it is.

build_kernel_module() (
  [[ -d $2 ]] || { guest_error "there is no folder $2 with a kernel module" && return 1; }
  use_machine "$1" && fetch_kernel && with_cache_lock build_kernel_module_locked "$(realpath "$2")"
)

build_kernel_module_locked() {
  local folder=$1 work stamp
  work=$KERNEL_DIR/modules/$(basename "$folder")
  fetch_kernel_headers || return
  stamp=$(cd "$folder" && find . -type f | LC_ALL=C sort | xargs sha256sum) || return
  if [[ $(cat "$work/.stamp" 2>/dev/null) != "$stamp" ]]; then
    rm -rf "$work" && mkdir -p "$work" && cp -r "$folder/." "$work" || return
    make_kernel_module "$work" >"$work.log" 2>&1 || {
      cat "$work.log" >&2
      guest_error "the kernel module in $folder could not be built for $(cat "$KERNEL_DIR/release"); why is above"
      return 1
    }
    echo "$stamp" >"$work/.stamp"
  fi
  find "$work" -name '*.ko' | grep .
}

# Debian's gcc of the same release built both kernels.
make_kernel_module() {
  local prefix=
  [[ $MACHINE_ARCH == amd64 ]] || prefix=aarch64-linux-gnu-
  make -C "$KERNEL_DIR/headers/usr/src/linux-headers-$(cat "$KERNEL_DIR/release")" M="$1" \
    CROSS_COMPILE="$prefix" CC="${prefix}gcc" modules 9>&-
}

# The tools run here, so they are always amd64's; only the headers are the machine's. "vmlinux" there is for type
# information that we do not need and another package (pahole) makes.
fetch_kernel_headers() {
  local suite=${KERNEL_SUITES[$MACHINE_KERNEL]} work=$KERNEL_DIR/headers.tmp package others=()
  [[ ! -d $KERNEL_DIR/headers ]] || return 0
  package=linux-headers-$(cat "$KERNEL_DIR/release")
  rm -rf "$work" && mkdir -p "$work" || return
  mapfile -t others < <(debian_depends "$suite" "$MACHINE_ARCH" "$package" | grep -E '^linux-(headers-.*-common|kbuild-)')
  if ((${#others[@]} != 2)) || ! debian_download "$suite" "$MACHINE_ARCH" "$work" "$package" ||
    ! debian_download "$suite" amd64 "$work" "${others[@]}"; then
    guest_error "the headers of the kernel in the cache are not to be had; when it is out of date, remove $KERNEL_DIR"
    return 1
  fi
  debian_unpack "$work" "$work"/*.deb && rm -f "$work"/*.deb "$work/usr/src/$package/vmlinux" &&
    sed -i "s|/usr/src/|$KERNEL_DIR/headers/usr/src/|" "$work/usr/src/$package/Makefile" || return
  mv "$work" "$KERNEL_DIR/headers"
}
