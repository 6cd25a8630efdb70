#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Debian's packages for guests: downloaded and unpacked below the cache, never installed, with package lists of their
# own there. So no source, no architecture and no package of this machine changes. A world is a suite and an
# architecture, written "bookworm arm64".
#
#   debian_download SUITE ARCH FOLDER PACKAGE...    these packages as .deb files
#   debian_download_all SUITE ARCH PACKAGE...       also all that they depend on; prints the files' names
#   debian_depends SUITE ARCH PACKAGE               what it depends on, one name a line
#   debian_unpack ROOT FILE...                      into a tree whose bin, lib, sbin are links below usr, as Debian's
#
# Environment: VIO_DEBIAN_MIRROR and VIO_DEBIAN_SECURITY_MIRROR.

: "${VIO_DEBIAN_MIRROR:=http://deb.debian.org/debian}"
: "${VIO_DEBIAN_SECURITY_MIRROR:=http://deb.debian.org/debian-security}"
DEBIAN_KEYS=/usr/share/keyrings/debian-archive-keyring.gpg

debian_download() {
  local suite=$1 arch=$2 folder=$3
  shift 3
  debian_twice "$suite" "$arch" debian_download_once "$suite" "$arch" "$folder" "$@"
}

debian_download_once() {
  local suite=$1 arch=$2 folder=$3
  shift 3
  (cd "$folder" && debian_apt "$suite" "$arch" apt-get -q download "$@")
}

# Nothing counts as installed there, so apt-get's plan is the whole closure.
debian_download_all() {
  local suite=$1 arch=$2 folder
  shift 2
  folder=$(debian_world "$suite" "$arch")/archives
  mkdir -p "$folder" && rm -f "$folder"/*.deb &&
    debian_twice "$suite" "$arch" debian_apt "$suite" "$arch" \
      apt-get -qy install --download-only --no-install-recommends "$@" || return
  ls "$folder"/*.deb
}

debian_depends() {
  debian_twice "$1" "$2" debian_apt "$1" "$2" apt-cache depends "$3" || return
  sed -n 's/^ *Depends: \([^<]*\)$/\1/p' "$(debian_world "$1" "$2")/log"
}

# debian_twice SUITE ARCH COMMAND...: lists that are absent or older than the archive are the usual reason for a
# failure: they are fetched anew, once. The command's output goes to the world's log.
debian_twice() {
  local suite=$1 arch=$2 log
  log=$(debian_world "$suite" "$arch")/log
  shift 2
  mkdir -p "${log%/*}" || return
  compgen -G "${log%/*}/lists/*_Packages*" >/dev/null && "$@" >"$log" 2>&1 && return
  debian_apt "$suite" "$arch" apt-get -q update >"$log.update" 2>&1
  "$@" >"$log" 2>&1 && return
  guest_error "Debian's packages ($suite, $arch) could not be had from $VIO_DEBIAN_MIRROR; check the network, or set" \
    "VIO_DEBIAN_MIRROR to a mirror that has them:"
  grep -hE '^(Err|E:|W:)' "$log.update" "$log" | tail -n 20 >&2
  return 1
}

debian_world() {
  echo "$VIO_GUEST_CACHE/apt/$1-$2"
}

# debian_apt SUITE ARCH COMMAND ARGUMENT...: apt-get or apt-cache in that world.
debian_apt() {
  local world suite=$1 arch=$2 tool=$3
  world=$(debian_world "$suite" "$arch")
  shift 3
  mkdir -p "$world/lists/partial" "$world/archives/partial" && : >"$world/status" &&
    debian_sources "$suite" >"$world/sources.list" || return
  "$tool" -o "APT::Architecture=$arch" -o "APT::Architectures::=$arch" -o APT::Sandbox::User=root \
    -o "Dir::Etc::sourcelist=$world/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o "Dir::State::lists=$world/lists" -o "Dir::State::status=$world/status" -o "Dir::Cache=$world" \
    "$@" 9>&-
}

# Backports come alone, so that the name of a kernel means theirs.
debian_sources() {
  local from
  set -- "$VIO_DEBIAN_MIRROR $1" "$VIO_DEBIAN_MIRROR $1-updates" "$VIO_DEBIAN_SECURITY_MIRROR $1-security"
  [[ $1 != *-backports ]] || set -- "$1"
  for from in "$@"; do
    echo "deb [signed-by=$DEBIAN_KEYS] $from main"
  done
}

# Without --keep-directory-symlink the folders of a package would replace our links. Absolute links would lead a
# linker that is told --sysroot out of the tree.
debian_unpack() {
  local root=$1 file link
  shift
  make_links "$root" || return
  for file in "$@"; do
    dpkg-deb --fsys-tarfile "$file" | tar -x -C "$root" --keep-directory-symlink --no-same-owner || return
  done
  find "$root" -type l -lname '/*' | while read -r link; do
    ln -sfnr "$root$(readlink "$link")" "$link" || return
  done
}

# /bin and the like are links, as on Debian.
make_links() {
  local dir
  mkdir -p "$1"/usr/{bin,sbin,lib,lib64} || return
  for dir in bin sbin lib lib64; do
    ln -sfn "usr/$dir" "$1/$dir" || return
  done
}
