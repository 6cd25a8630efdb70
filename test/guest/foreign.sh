#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# arm64's part of Debian 12 as a folder: what the cross compiler links with (arm64.cmake makes it the sysroot) and
# the tools that go into guests. Its packages are unpacked, not installed: installing libfdt-dev:arm64 removes
# libfdt-dev of this machine's own architecture, and other libraries upgrade theirs.

FOREIGN_ROOT=$VIO_GUEST_CACHE/root-arm64
FOREIGN_PACKAGES=(
  libc6-dev libfuse3-dev libpciaccess-dev liburing-dev libblkid-dev libfdt-dev zlib1g-dev check libsubunit-dev
  busybox-static dash mount util-linux fdisk coreutils e2fsprogs
)

fetch_foreign_root() {
  foreign_root_is_complete || with_cache_lock fetch_foreign_root_locked
}

foreign_root_is_complete() {
  [[ $(cat "$FOREIGN_ROOT/packages" 2>/dev/null) == "${FOREIGN_PACKAGES[*]}" ]]
}

fetch_foreign_root_locked() {
  local files work=$FOREIGN_ROOT.tmp
  foreign_root_is_complete && return
  rm -rf "$work" "$FOREIGN_ROOT"
  files=$(debian_download_all bookworm arm64 "${FOREIGN_PACKAGES[@]}") || return
  mapfile -t files <<<"$files"
  debian_unpack "$work" "${files[@]}" && echo "${FOREIGN_PACKAGES[*]}" >"$work/packages" || return
  rm -f "${files[@]}"
  mv "$work" "$FOREIGN_ROOT"
}

# foreign_libraries_of FILE: as libraries_of, for a program that cannot run here, so without ldd. A library's own
# libraries follow it.
foreign_libraries_of() {
  local -A seen=()
  local todo=("$1") file name path
  while ((${#todo[@]})); do
    file=${todo[0]} todo=("${todo[@]:1}")
    while read -r name; do
      [[ -z ${seen[$name]:-} ]] || continue
      seen[$name]=1
      path=$(foreign_library "${name##*/}") || path=not
      echo "${name##*/} $path"
      [[ $path == not ]] || todo+=("$path")
    done < <(readelf -W -l -d "$file" | sed -n -e 's/.*(NEEDED).*\[\(.*\)\]/\1/p' \
      -e 's/.*program interpreter: \(.*\)\]/\1/p')
  done
}

foreign_library() {
  local folder
  for folder in lib/aarch64-linux-gnu lib; do
    [[ ! -e $FOREIGN_ROOT/usr/$folder/$1 ]] || { echo "$FOREIGN_ROOT/usr/$folder/$1" && return; }
  done
  return 1
}
