#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Holds the tree to its structure: who may include whom, that public headers stand on their own, where fences are
# allowed. A violation fails. At the end it prints how long functions and files are, which only informs.
set -uo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repo" || exit
passed=0
failed=0

# What the C library and its POSIX and Linux sides offer; everything else is somebody's.
libc='(assert|ctype|dirent|endian|errno|fcntl|grp|inttypes|limits|poll|pthread|pwd|sched|search|semaphore|setjmp|signal|spawn|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|syslog|time|unistd|getopt)\.h'
libc_system='sys/(epoll|eventfd|file|ioctl|mman|mount|prctl|random|resource|signalfd|socket|stat|statvfs|syscall|sysmacros|timerfd|types|uio|un|vfs|wait)\.h'

# result NAME VIOLATIONS: none is good.
result() {
  if [[ -z $2 ]]; then
    echo "ok - $1"
    passed=$((passed + 1))
  else
    echo "not ok - $1"
    sed 's/^/    /' <<<"$2"
    failed=$((failed + 1))
  fi
}

# The kernel module is written to the kernel's rules, and runs with its headers alone.
sources() {
  git ls-files --cached --others --exclude-standard -- "$@" | grep -E '\.[ch]$' | grep -v '^transports/mmio/kmod/'
}

# includes FOLDER...: "file:line:header" for each include, quotes and brackets gone.
includes() {
  sources "$@" | xargs grep -nE '^# *include' /dev/null | sed -E 's/^([^:]*:[0-9]*):# *include *[<"]([^>"]*)[>"].*/\1:\2/'
}

# only NAME ALLOWED FOLDER...: every include below the folders is one of ALLOWED or a file of the same folder tree.
only() {
  local name=$1 allowed=$2 file line header bad=
  shift 2
  while IFS=: read -r file line header; do
    [[ $header =~ ^($allowed)$ ]] && continue
    git ls-files --cached --others --exclude-standard -- "$@" | grep -q "/$header\$" && continue
    bad+="$file:$line includes $header"$'\n'
  done < <(includes "$@")
  result "$name" "${bad%$'\n'}"
}

# one_folder HEADER FOLDER: a third-party header appears below this folder alone.
one_folder() {
  result "$1 is included below $2 alone" "$(includes lib transports driver fs-glue examples |
    grep -E ":($1)\$" | grep -vE "^($2)/")"
}

headers_stand_alone() {
  local header bad=
  for header in lib/include/vio/*.h transports/include/vio-transport/*.h; do
    gcc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -Ilib/include -Itransports/include \
      -x c "$header" 2>/dev/null || bad+="$header"$'\n'
  done
  result "every public header compiles alone" "${bad%$'\n'}"
}

functions_by_length() {
  local folder
  command -v ctags >/dev/null || {
    echo "# function lengths are not shown: ctags (universal-ctags) is not installed"
    return
  }
  printf '# %-12s %9s %6s %6s %6s   %s\n' folder functions median p95 max "longest file"
  for folder in lib transports driver fs-glue examples test; do
    sources "$folder" | grep '\.c$' | xargs ctags -f - --languages=C --kinds-C=f --fields=+ne 2>/dev/null |
      awk -F'\t' '{ for (i = 4; i <= NF; i++) { if ($i ~ /^line:/) l = substr($i, 6); if ($i ~ /^end:/) e = substr($i, 5) } print e - l + 1 }' |
      sort -n | awk -v folder="$folder" -v file="$(sources "$folder" | xargs wc -l | sort -n | grep -v ' total$' | tail -n 1 | awk '{ print $1, $2 }')" \
      '{ v[NR] = $1 } END { printf "# %-12s %9d %6d %6d %6d   %s\n", folder, NR, v[int((NR + 1) / 2)], v[int(NR * 0.95 + 0.5)], v[NR], file }'
  done
}

only "lib includes itself, libc and the kernel's virtio headers" "$libc|sys/uio\.h|linux/virtio_[a-z]+\.h" lib
only "transports include lib's public headers, libc and the kernel" \
  "vio/[a-z]+\.h|$libc|$libc_system|linux/(virtio_[a-z]+|pci_regs|magic|vfio|iommufd)\.h|(pciaccess|libfdt)\.h" transports
only "driver includes public headers and fs-glue's" \
  "vio/[a-z]+\.h|vio-transport/[a-z]+\.h|fsg\.h|mount_point\.h|qnx6\.h|qnx6_mount\.h|source\.h|$libc|$libc_system|linux/(virtio_ids|virtio_config|virtio_ring|capability)\.h|liburing\.h|blkid\.h" driver
only "fs-glue includes the block interface and FUSE" \
  "block\.h|$libc|$libc_system|linux/(fuse|fs|falloc)\.h|liburing\.h|fuse(_[a-z]+)?\.h|fuse3/[a-z_]+\.h" fs-glue
only "the qnx6 reader includes libc and itself" "$libc|sys/(stat|types)\.h" ':(glob)fs-glue/qnx6/*.[ch]'
only "examples include public headers" "vio/[a-z]+\.h|vio-transport/[a-z]+\.h|$libc|$libc_system|linux/virtio_[a-z]+\.h" examples
result "fs-glue does not know the word virtio" "$(sources fs-glue | xargs grep -in virtio /dev/null)"
one_folder 'pciaccess\.h' transports/pci
one_folder 'libfdt\.h' transports/fdt
# channel and loop are the two ends of one thread, and of its ring
one_folder 'liburing\.h' 'driver|fs-glue'
one_folder 'blkid\.h' driver
one_folder 'fuse(_[a-z]+)?\.h|fuse3/.*' fs-glue
result "fences stand in the ring files alone" "$(sources lib transports driver fs-glue |
  grep -vE '^lib/src/(ring_memory\.h|split\.[ch]|packed\.[ch])$' | xargs grep -nE '\b(full_fence|__atomic_thread_fence|__sync_synchronize)\b' /dev/null)"
result "every source has its SPDX line" "$(sources . | xargs grep -L '^/\* SPDX-License-Identifier: ' /dev/null | grep -v /dev/null)"
result "no file of the product is over 500 lines" "$(sources lib transports driver fs-glue examples |
  xargs wc -l | awk '$2 != "total" && $1 > 500 { print $2, $1 }')"
headers_stand_alone
functions_by_length
echo "$passed passed, $failed failed"
((failed == 0))
