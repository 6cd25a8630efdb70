#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# chkqnx6fs: silent about what mkqnx6fs makes and about a volume that QNX itself made, and how it says what is wrong.
# What it finds of each kind of damage is for the unit tests.
#
#   test/qnx6/test_check.sh [BUILD]
#
# Prints "N passed, N failed".
set -uo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(dirname "$(dirname "$here")")
build=${1:-$repo/build}
chkqnx6fs=$build/fs-glue/qnx6/check/chkqnx6fs
mkqnx6fs=$build/fs-glue/qnx6/make/mkqnx6fs
real=$repo/../shared/images/nfi-qnxmount-test_image.bin
passed=0
failed=0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
image=$work/image

ok() {
  passed=$((passed + 1))
  echo "ok - $1"
}

not_ok() {
  failed=$((failed + 1))
  echo "not ok - $1 (status $status)"
  tail -n 12 "$work/output" | sed 's/^/    /'
}

# says NAME STATUS PATTERN ARGUMENT...: this exit status, and a line that the pattern matches
says() {
  local name=$1 expected=$2 pattern=$3
  shift 3
  "$chkqnx6fs" "$@" >"$work/output" 2>&1
  status=$?
  if ((status == expected)) && grep -qE -- "$pattern" "$work/output"; then ok "$name"; else not_ok "$name"; fi
}

# lacks NAME PATTERN: the last output has no such line
lacks() {
  if ! grep -qE -- "$2" "$work/output"; then ok "$1"; else not_ok "$1"; fi
}

# poke FILE OFFSET BYTES: as printf writes them
poke() {
  # shellcheck disable=SC2059
  printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# super FILE 0|1: where it is
super() {
  "$chkqnx6fs" -S "$2" "$1" | sed -n "s/^Super block $2, at byte \([0-9]*\).*/\1/p"
}

plant_tree() {
  local long
  long=$(printf 'long%.0s' {1..60})
  mkdir -p "$tree/dir/sub/$long" "$tree/many"
  head -c 3000000 /dev/urandom >"$tree/dir/large"
  echo small >"$tree/small"
  : >"$tree/dir/$long"
  echo ümläut >"$tree/ümläut with a name of more than 27 bytes"
  ln "$tree/small" "$tree/dir/sub/hard"
  ln "$tree/dir/$long" "$tree/another long name of the same file"
  ln -s "../small" "$tree/dir/link"
  ln -s "$long" "$tree/dir/long link"
  mkfifo "$tree/fifo"
  truncate -s 5M "$tree/sparse"
  echo end >>"$tree/sparse"
  (cd "$tree/many" && seq -f 'file-%04g' 500 | xargs touch)
}

clean='^Summary: .* in use; 0 errors, 0 warnings$'
plant_tree

for size in 512 1024 2048 4096; do
  for order in little big; do
    for boot in "" --no-boot-block; do
      rm -f "$image"
      if "$mkqnx6fs" -q -b $size -e $order $boot --size=16m -d "$tree" "$image" >"$work/output" 2>&1; then
        says "mkqnx6fs -b $size -e $order $boot is clean" 0 "$clean" "$image"
      else
        status=$? && not_ok "mkqnx6fs -b $size -e $order $boot"
      fi
    done
  done
done

if [[ -e $real ]]; then
  says "a volume of QNX's own is clean" 0 "$clean" "$real"
  cp "$real" "$work/real" && chmod u+w "$work/real"
  poke "$work/real" $((0x3000 + 8 * 1024 + 3 * 128 + 34)) '\x09' # links of inode 4
  says "and damaged it is not" 1 '^error: inode-links: /[^ ]* \(inode 4\) counts 9 links, but has 1$' "$work/real"
else
  echo "# $real is not there: a volume of QNX's own is not checked"
fi

says "-v tells where" 0 "$clean" -v "$image"
says "super block that counts" 0 '^Super block 0, at byte 0, which counts$' -s "$image"
lacks "and no check" '^Pass'
says "super block 1 in full" 0 '^  inode table ' -S 1 "$image"

cp "$image" "$work/damaged"
poke "$work/damaged" $(($(super "$image" 1) + 40)) '\xaa\xaa\xaa'
says "one bad super block ends it" 1 '^error: super-sum: super block 2: .*' "$work/damaged"
lacks "before the passes" '^Pass'
says "-p goes on" 1 '^Summary: .* in use; 1 error, 0 warnings$' -p "$work/damaged"
says "-v has the byte" 1 "^error: super-sum: .* \[byte $(super "$image" 1)\]$" -v "$work/damaged"
says "a bad one cannot be shown" 1 'expected is the checksum' -S 1 "$work/damaged"
says "but the other can" 0 '^Super block 0' -S 0 "$work/damaged"
poke "$work/damaged" 40 '\xaa\xaa\xaa'
says "two bad ones are no volume" 1 '^error: super-none: ' -p "$work/damaged"

# few inodes, so that the super block leads right to them
"$mkqnx6fs" -q -b 4096 -i 32 --size=16m -d "$tree/dir" "$work/warned" >"$work/output" 2>&1
inodes=$("$chkqnx6fs" -S 0 "$work/warned" | sed -n 's/^  inode table .* 0 levels of pointers, blocks \([0-9]*\).*/\1/p')
if [[ -z $inodes ]]; then status=1 && not_ok "where the inode table is"; fi
poke "$work/warned" $((0x3000 + inodes * 4096 + 2 * 128 + 120)) '\x01' # spare bytes of inode 3
poke "$work/warned" $((0x3000 + inodes * 4096 + 3 * 128 + 120)) '\x01' # and of inode 4
says "warnings alone are no damage" 0 '^Summary: .*; 0 errors, 2 warnings$' "$work/warned"
says "-w hides them" 0 '; 0 errors, 2 warnings$' -w "$work/warned"
lacks "really" '^warning'
says "-W stops at the first" 1 '^Summary: not all was checked; 0 errors, 1 warning$' -W "$work/warned"
says "a finding is one line" 0 '^warning: inode-spare: inode 3 ' "$work/warned"
says "the path follows" 0 '^inode 3 is /' "$work/warned"

says "--help" 0 '^usage: chkqnx6fs' --help
says "--version" 0 '^chkqnx6fs [0-9]' --version
says "-f is refused" 2 '^chkqnx6fs: -f .* repairs nothing' -f "$image"
says "-x is refused" 2 '^chkqnx6fs: -x ' -x "$image"
says "-S needs 0 or 1" 2 '^chkqnx6fs: -S takes 0 or 1' -S 2 "$image"
says "-S needs a value" 2 '^chkqnx6fs: -S needs a value' -S
says "unknown option" 2 '^chkqnx6fs: there is no option -q' -q "$image"
says "unknown long option" 2 '^chkqnx6fs: there is no option --fix' --fix "$image"
says "no volume" 2 '^chkqnx6fs: the volume is missing'
says "two volumes" 2 '^chkqnx6fs: one volume at a time' "$image" "$image"
says "no such file" 2 "^chkqnx6fs: .*$work/none" "$work/none"
says "a directory" 2 '^chkqnx6fs: ' "$work"
head -c 1000000 /dev/zero >"$work/zero"
says "nothing but zeroes" 1 '^error: super-none: ' "$work/zero"
: >"$work/empty"
says "an empty file" 1 '^error: super-none: ' "$work/empty"
"$chkqnx6fs" "$image" >/dev/full 2>"$work/output"
status=$?
if ((status == 2)) && grep -q 'cannot write' "$work/output"; then ok "full output"; else not_ok "full output"; fi

# What is checked takes memory by its size, not by what it says: of 8 GiB, 20 bytes for each inode.
rm -f "$image"
"$mkqnx6fs" -q -b 4096 --size=8g "$image" >/dev/null 2>&1
(
  ulimit -v 65536
  "$chkqnx6fs" "$image" >"$work/output" 2>&1
)
status=$?
if ((status == 0)); then ok "8 GiB in 64 MiB of memory"; else not_ok "8 GiB in 64 MiB of memory"; fi

echo "$passed passed, $failed failed"
((failed == 0))
