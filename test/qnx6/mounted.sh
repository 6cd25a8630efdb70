# shellcheck shell=bash disable=SC2154,SC2119,SC2120
# SPDX-License-Identifier: BSD-3-Clause
#
# What test_mount.sh and test_automount.sh share: a tree with everything that a volume can hold, and how a mount is held
# against it. Who sources this has made $work, the empty folder $tree in it, and says in $mnt where the mount is.

passed=0
failed=0

ok() {
  passed=$((passed + 1))
  echo "ok - $1"
}

not_ok() {
  failed=$((failed + 1))
  echo "not ok - $1"
  sed 's/^/    /' "$work/output" | tail -n 12
}

# expect NAME COMMAND...: it succeeds
expect() {
  local name=$1
  shift
  if "$@" >"$work/output" 2>&1; then ok "$name"; else not_ok "$name"; fi
}

is_mounted() { grep -qs " $mnt " /proc/mounts; }

# refuse NAME STATUS TEXT COMMAND...: ends so, with one line that says TEXT, within 20 s, and nothing is mounted
refuse() {
  local name=$1 want=$2 text=$3 status
  shift 3
  timeout 20 "$@" >/dev/null 2>"$work/output"
  status=$?
  if ((status == want)) && [[ $(wc -l <"$work/output") == 1 ]] && grep -qF -- "$text" "$work/output" && ! is_mounted; then
    ok "$name"
  else
    echo "(status $status)" >>"$work/output"
    is_mounted && umount "$mnt"
    not_ok "$name"
  fi
}

# await COMMAND...: becomes true within 20 s
await() {
  local limit=$((SECONDS + 20))
  until "$@"; do
    ((SECONDS < limit)) || return
    read -rt 0.02 <> <(:)
  done
  true
}

name_of() { printf "%0$1d" 0 | tr 0 "${2:-n}"; }

make_tree() {
  local i
  mkdir -p "$tree/dir/deeper/deepest" "$tree/empty dir" "$tree/sizes" "$tree/modes"
  echo hello >"$tree/hello"
  : >"$tree/empty"
  for i in 1 26 27 28 100 255; do echo "$i" >"$tree/dir/$(name_of "$i")"; done
  echo utf8 >"$tree/dir/Grüße aus Köln, und noch viel mehr davon 漢字"
  # around the ends of blocks, and of the direct and of the first two indirect levels with small blocks
  for i in 511 512 513 1023 1024 1025 4095 4096 4097 8191 8192 8193 65536 65537 1048576 2500000; do
    head -c "$i" /dev/urandom >"$tree/sizes/$i"
  done
  truncate -s 3000000 "$tree/sizes/sparse" && echo data | dd of="$tree/sizes/sparse" bs=1 seek=1500000 conv=notrunc status=none
  for i in 0000 0400 0644 0755 1777 4755 2755 7777; do
    echo "$i" >"$tree/modes/$i" && chmod "$i" "$tree/modes/$i"
  done
  mkdir "$tree/modes/private" && echo secret >"$tree/modes/private/secret" && chmod 700 "$tree/modes/private"
  echo owned >"$tree/modes/owned" && chown 1234:56789 "$tree/modes/owned"
  ln -s ../hello "$tree/dir/link" && ln -s /nowhere "$tree/dir/dangling" && ln -s "$(name_of 1500 /)" "$tree/dir/long link"
  ln "$tree/hello" "$tree/dir/deeper/hard" && ln "$tree/hello" "$tree/dir/hard too"
  mkfifo "$tree/fifo"
  i=1000000000
  while IFS= read -r -d '' file; do
    touch -h -d "@$((i += 86400))" "$file" || return
  done < <(find "$tree" -depth -print0)
}

# Names, kinds, modes, owners, times, sizes but of directories, link counts but of directories, targets.
list_files() {
  (cd "$1" && find . ! -path './.boot*' \( -type d -printf '%P\t%y\t%#m\t%U:%G\t%T@\n' -o \
    -printf '%P\t%y\t%#m\t%U:%G\t%T@\t%n\t%s\t%l\n' \)) | sort
}
same_lists() {
  list_files "${2:-$tree}" >"$work/want" && list_files "${1:-$mnt}" >"$work/got" && [[ -s $work/want ]] && diff "$work/want" "$work/got"
}
# A directory's count: itself, its name, and one ".." of each below it.
links_of_directories() {
  local dir found
  while IFS= read -r dir; do
    found=$(find "$dir" -mindepth 1 -maxdepth 1 -type d | wc -l)
    [[ $(stat -c %h "$dir") == $((found + 2)) ]] || { stat "$dir" && return 1; }
  done < <(find "$mnt" -type d)
}
drop_caches() { sync && echo 3 >/proc/sys/vm/drop_caches; }
same_content() { drop_caches && diff -r --no-dereference -x fifo -x .boot "$tree" "$mnt"; }

# same_pieces COUNT: of random files, from random offsets on, past the kernel's cache and through it
same_pieces() {
  local files=("$tree"/sizes/*) i file offset length size
  RANDOM=7
  for ((i = 0; i < $1; i++)); do
    file=${files[RANDOM % ${#files[@]}]##*/}
    size=$(stat -c %s "$tree/sizes/$file")
    offset=$(((RANDOM * 32768 + RANDOM) % size)) length=$((RANDOM * (i % 8 + 1) + 1))
    ((i % 10)) || drop_caches
    tail -c "+$((offset + 1))" "$tree/sizes/$file" | head -c "$length" >"$work/piece"
    dd if="$mnt/sizes/$file" iflag=skip_bytes,count_bytes bs=128k skip="$offset" count="$length" status=none |
      cmp - "$work/piece" || return
    dd if="$mnt/sizes/$file" iflag=direct,skip_bytes,count_bytes bs=128k skip="$offset" count="$length" status=none |
      cmp - "$work/piece" || return
  done
}

readers_at_once() {
  local jobs=() i
  drop_caches
  for i in 1 2 3 4 5 6 7 8; do
    diff -r --no-dereference -x fifo -x .boot "$tree" "$mnt" &
    jobs+=($!)
  done
  for i in "${jobs[@]}"; do wait "$i" || return; done
}

# damage FILE OFFSET BYTES: as printf writes them
damage() { printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
