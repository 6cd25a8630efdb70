#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# mkqnx6fs: what it makes is read back through the reader of fs-glue/qnx6 and held against the directory it was
# filled from; every refusal is one sentence and leaves nothing behind. test_make.sh BUILD; no root needed, but
# without it some checks are left out, and said to be.
# shellcheck disable=SC2317 # functions called by check
set -uo pipefail
unset SOURCE_DATE_EPOCH

build=$(cd "$1" && pwd) || exit
mkqnx6fs=$build/fs-glue/qnx6/make/mkqnx6fs
compare=$build/test/qnx6/compare_tree
chkqnx6fs=$build/fs-glue/qnx6/check/chkqnx6fs
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit
passed=0
failed=0

check() {
  local name=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    echo "ok - $name"
    passed=$((passed + 1))
  else
    echo "not ok - $name"
    { grep -F "^^^" "$work/log"; tail -n 20 "$work/log"; } | sed 's/^/    /'
    failed=$((failed + 1))
  fi
}

# refuses STATUS REGEX ARGUMENT...: one sentence, this exit status, and the folder as it was.
refuses() {
  local want=$1 regex=$2 before after status
  shift 2
  before=$(ls -lR --time-style=full-iso)
  "$mkqnx6fs" "$@" >out 2>err </dev/null
  status=$?
  after=$(rm -f out err.kept && mv err err.kept && ls -lR --time-style=full-iso --ignore=err.kept)
  echo "mkqnx6fs $*: exit status $status: $(<err.kept)"
  [[ $status -eq $want && $(wc -l <err.kept) -eq 1 ]] && grep -qE -e "^mkqnx6fs: .*$regex" err.kept &&
    diff <(grep -vE 'err|out|log|^total' <<<"$before") <(grep -vE 'err|out|log|^total' <<<"$after")
}

# Everything that a volume can hold. Sparse files at each number of levels, whole and with holes at either end.
make_tree() {
  local tree=$1 i
  mkdir -p "$tree/directory/deeper" "$tree/many" "$tree/empty" "$tree/.boot" "$tree/grüße" || return
  echo "hello from qnx6" >"$tree/hello"
  echo boot >"$tree/.boot/image"
  ln "$tree/hello" "$tree/directory/second name of it"
  ln "$tree/hello" "$tree/directory/deeper/a third one, and one that is too long for a short entry"
  ln -s ../hello "$tree/directory/link"
  ln -s "$(printf 'x%.0s' $(seq 1000))" "$tree/link to nowhere far away"
  mkfifo "$tree/fifo"
  : >"$tree/empty file"
  for i in 27 28 255; do
    echo "$i" >"$tree/$(printf 'n%.0s' $(seq "$i"))"
  done
  for i in 511 512 513 4095 4096 4097 8192 65535 65536 65537; do
    head -c "$i" /dev/urandom >"$tree/size $i"
  done
  head -c 9000000 /dev/urandom >"$tree/large"
  for i in $(seq 700); do
    echo "$i" >"$tree/many/file $i"
  done
  truncate -s 300000 "$tree/many/all hole"
  truncate -s 40M "$tree/sparse" && for i in 0 5000 70000 9999 39999; do
    printf 'data at %s' "$i" | dd of="$tree/sparse" bs=1024 seek="$i" conv=notrunc status=none
  done
  printf end | dd of="$tree/small and sparse" bs=1 seek=20000 status=none
  chmod 4711 "$tree/hello" && chmod 1777 "$tree/empty" && chmod 000 "$tree/empty file"
  touch -d '1999-12-31 23:59:59 UTC' "$tree/hello" "$tree/directory" && touch -h -d @0 "$tree/directory/link"
  touch -d '2100-01-01 UTC' "$tree/large"
  if ((EUID == 0)); then
    chown 12345:54321 "$tree/hello" && chown -h 4000000000:7 "$tree/directory/link"
  fi
}

# deep FOLDER: directories in each other until their path is longer than the system takes in one piece.
deep() {
  (
    mkdir -p "$1" && cd "$1" || exit
    for _ in $(seq 100); do
      mkdir "a directory with a name of about fifty bytes, maybe" &&
        cd -P "a directory with a name of about fifty bytes, maybe" || exit
    done
    echo bottom >file
  )
}

checked() {
  [[ ! -x $chkqnx6fs ]] || "$chkqnx6fs" "$1"
}

# made_as OPTION...: a volume over old garbage, as these options say, has what the tree has.
made_as() {
  head -c 70M /dev/urandom >image &&
    "$mkqnx6fs" -q -d tree "$@" image && "$compare" image tree && checked image
}

# A directory that needs several levels of pointers, in little blocks.
big_directory() {
  mkdir big && (cd big && seq 30000 | xargs touch) || return
  "$mkqnx6fs" -q -b 512 -d big --size=40m image.big && "$compare" image.big big && checked image.big
  rm -rf big image.big
}

deep_directory() {
  deep deep/tree && "$mkqnx6fs" -q -d deep/tree --size=4m image.deep && "$compare" image.deep deep/tree
  local status=$?
  rm -rf deep image.deep
  return $status
}

same_bytes() {
  local sum
  cp -a tree again && "$mkqnx6fs" -q -T 1234567890 -d tree --size=70m one &&
    sleep 1.1 && cat tree/hello >/dev/null && "$mkqnx6fs" -T 1234567890 -q -d again --size=70m two || return
  rm -rf again
  sum=$(sha256sum <one)
  [[ $(sha256sum <two) == "$sum" ]] && "$compare" one tree 1234567890 &&
    SOURCE_DATE_EPOCH=1234567890 "$mkqnx6fs" -q -d tree --size=70m three && cmp one three &&
    "$mkqnx6fs" -q --timestamp=1234567890 -T media -T desktop -d tree two && cmp one two &&
    "$mkqnx6fs" -q -T -d tree one && "$compare" one tree 0 && ! cmp -s one two
}

# Without -T, each volume is one of its own.
another_id() {
  "$mkqnx6fs" -q -d tree --size=70m one && "$mkqnx6fs" -q -d tree --size=70m two && "$compare" two tree || return
  ! cmp <(dd if=one bs=1 skip=$((0x2020)) count=16 status=none) <(dd if=two bs=1 skip=$((0x2020)) count=16 status=none)
}

# With so few inodes nothing is written to where the first volume had its super block.
older_is_gone() {
  rm -rf v little && mkdir little && echo new >little/new &&
    "$mkqnx6fs" -q -T 1 -b 1024 -i 16 --size=1m v && "$mkqnx6fs" -q -T 2 -b 1024 -i 16 --no-boot-block -d little v &&
    "$compare" v little 2
}

# field OFFSET LENGTH: a number in the first super block of the big-endian volume small, in hexadecimal.
field() {
  od -An -v -tx1 -j $((0x2000 + $1)) -N "$2" small | tr -d ' \n'
}

options_arrive() {
  rm -f small
  "$mkqnx6fs" -b 1K -e big -g 4 -i 100 -n 500 -O -quiet,-cls -o +lfncksum -r 0 -R 2711:5:6 -v VOLUME small >out || return
  [[ $(<out) == "Format fs-qnx6: 500 blocks, 104 inodes, 4 groups" && $(stat -c %s small) -eq $((0x4000 + 500 * 1024)) ]] || return
  [[ $(field 48 4) == 00000400 && $(field 52 4) == 00000068 && $(field 60 4) == 000001f4 && $(field 68 4) == 00000004 ]] || return
  [[ $(field 32 16) == 564f4c554d4500000000000000000000 ]] &&
    "$mkqnx6fs" -q -e big -u 01234567-89ab-CDEF-0123-456789abcdef small && [[ $(field 32 16) == 0123456789abcdef0123456789abcdef ]]
}

root_as_asked() {
  mkdir -p root && chmod 2711 root && rm -f small && "$mkqnx6fs" -q -R "2711:$(id -u):$(id -g)" -d root -n 100 small &&
    "$compare" small root && "$mkqnx6fs" -q -R 700 -d root small && ! "$compare" small root
}

# A host that holds something is asked for, and only -q, or somebody's y, is a yes.
asks_first() {
  local sum
  echo precious >precious && truncate -s 1M precious && sum=$(sha256sum <precious) || return
  refuses 1 'nobody answered' precious && [[ $(sha256sum <precious) == "$sum" ]] || return
  ! echo n | "$mkqnx6fs" precious >out && [[ $(sha256sum <precious) == "$sum" ]] || return
  echo y | "$mkqnx6fs" precious >out && grep -q '^All files on precious will be lost!$' out &&
    grep -q 'Format fs-qnx6: 252 blocks' out && "$mkqnx6fs" -q precious >out && [[ ! -s out ]]
}

blank_is_not_asked_for() {
  truncate -s 1M blank && "$mkqnx6fs" blank </dev/null
}

# The directory is read before the question, its contents after the answer: in between, a file changes.
changes_meanwhile() {
  local status
  mkdir -p moving && echo one >moving/file && echo old >host || return
  coproc ask { exec "$mkqnx6fs" -d moving --size=1m host 2>err; }
  read -r -u "${ask[0]}" _ && echo two >moving/file && echo y >&"${ask[1]}"
  # shellcheck disable=SC2154 # coproc's
  wait "$ask_PID"
  status=$?
  cat err
  [[ $status -eq 1 && $(<err) == *"moving/file changed while it was being read" && $(stat -c %s host) -eq 4 ]]
}

outside_stays() {
  head -c 5M /dev/urandom >disk && cp disk before &&
    "$mkqnx6fs" -q -T 1 -d tree/directory --offset=1m --size=2m disk &&
    cmp -n 1M disk before && cmp -i 3M disk before && [[ $(stat -c %s disk) -eq $((5 << 20)) ]] &&
    dd if=disk of=part bs=1M skip=1 count=2 status=none && "$compare" part tree/directory 1
}

# Not a byte of it may go: what is there already is larger than the volume.
larger_host_keeps_its_size() {
  rm -f host && truncate -s 9M host && "$mkqnx6fs" -q -n 100 -d tree/directory host &&
    [[ $(stat -c %s host) -eq $((9 << 20)) ]] && "$compare" host tree/directory
}

# A file that can't become large enough is not left lying about.
no_room_for_it() {
  (
    trap '' XFSZ
    ulimit -f 100
    refuses 1 'cannot lengthen' --size=10m image.new
  )
}

# In a file system that is too small, which nobody else sees.
no_space_on_disk() {
  # shellcheck disable=SC2016 # for the inner shell
  unshare -m sh -c 'mkdir -p tiny && mount -t tmpfs -o size=1m tiny tiny &&
    ! "$1" -q -d tree --size=70m tiny/image 2>err && grep "No space left on device" err && ! ls tiny/image' sh "$mkqnx6fs"
}

# Whether it was in time is seen by the exit status; it may take another try.
ends_by_signal() {
  local try status
  truncate -s 1M heavy.file && mkdir -p heavy && head -c 400M /dev/zero >heavy/file || return
  for try in 1 2 3 4 5; do
    rm -f image.new
    "$mkqnx6fs" -q -d heavy --size=500m image.new 2>err &
    until [[ -e image.new ]]; do :; done
    kill -TERM $!
    wait $!
    status=$?
    echo "try $try: exit status $status: $(<err)"
    ((status == 0)) || break
  done
  rm -rf heavy heavy.file
  [[ $status -eq 1 && $(<err) == "mkqnx6fs: interrupted" && ! -e image.new ]]
}

# refused_options: each in a line: exit status, what is said, the words.
refused_options() {
  local status regex words bad=0
  while IFS='|' read -r status regex words; do
    # shellcheck disable=SC2086 # words
    refuses "$status" "$regex" $words || {
      echo "^^^ not as expected: $status|$regex|$words"
      bad=1
    }
  done <<'TABLE'
2|is missing|-q
2|is missing|-T
2|one file or device, but there is "x" and also "y"|x y
2|no option -Q|-Q x
2|--foo is no option|--foo x
2|--quiet=3 is no option|--quiet=3 x
2|-n needs a value|x -n
2|--size needs a value|x --size
2|-b takes 512, 1024, 2048 or 4096|-b 1000 x
2|-b takes 512|-b 0 x
2|-b 8k: only QNX 7.1|-b 8k x
2|-b 32768: only QNX 7.1|-b 32768 x
2|-b needs a number|-b 4kk x
2|-b needs a number|-b -4 x
2|-e takes little or big|-e middle x
2|-g takes 1 to 64|-g 0 x
2|-g 65 is too large|-g 65 x
2|-i takes 1 to|-i 0 x
2|-i needs a number|-i many x
2|-n takes 1 to|-n 0 x
2|-n 4294967295 is too large|-n 4294967295 x
2|-n 99999999999999999999 is too large|-n 99999999999999999999 x
2|-n and --size|-n 100 --size=1m x
2|--size 8589934592G is too large|--size=8589934592G x
2|--offset must be a multiple of 512|--offset=100 --size=1m x
2|beyond the largest file|--offset=9223372036854774784 --size=1m x
2|-B writes QNX's boot loader|-B x
2|-E asks for encryption|-E x
2|-I asks for sums|-I crc32 x
2|-x asks for a volume that can grow|-x x
2|-r 3 can't be kept|-r 3 x
2|-r 101 is too large|-r 101 x
2|-o can keep QNX's default alone|-o -lfncksum x
2|-O is for QNX's boot loader|-O +quiet x
2|-R takes MODE|-R 99 x
2|-R takes MODE|-R 755: x
2|-R takes MODE|-R 755:1:2:3 x
2|-R takes MODE|-R 17777 x
2|-T takes desktop, runtime, media|-Tfast x
2|-T 4294967296 is too large|-T 4294967296 x
2|--timestamp needs a number|--timestamp=now x
2|-u takes 32 hexadecimal digits|-u 123 x
2|-u takes 32 hexadecimal digits|-u 0123456789abcdef0123456789abcdef0 x
2|-v takes a name of 1 to 16 bytes|-v seventeen-letters x
2|-u and -v are for the same place|-v name -u 0123456789abcdef0123456789abcdef x
1|there is no x; to make it, say how large|x
1|cannot create no/where|-n 100 no/where
1|neither a file nor a block device|-n 100 tree
1|neither a file nor a block device|-n 100 /dev/null
1|too small for any data|--size=100 x
1|needs larger blocks|-b 512 --size=3000g x
1|cannot read no/where|-d no/where -n 100 x
1|hello is not a directory|-d tree/hello -n 100 x
1|tree needs [0-9]* blocks of 4096 bytes, but a volume of 1048576 bytes has 252|-d tree --size=1m x
1|-i 1 is too few|-i 1 -n 100 x
1|-i 99 is too few: tree needs|-i 99 -d tree --size=70m x
1|ends at 10, and so has no room|--offset=1k ten
TABLE
  return $bad
}

# refused_source REGEX COMMAND...: the command makes something in the folder source that no volume can hold.
refused_source() {
  local regex=$1
  shift
  mkdir source && echo good >source/good && (cd source && "$@") && refuses 1 "$regex" -d source --size=1m x
  local status=$?
  rm -rf source
  return $status
}

inside_itself() {
  cp -a tree/directory own && truncate -s 1M own/image && refuses 1 'own/image, to be made, lies inside' -q -d own own/image
  local status=$?
  rm -rf own
  return $status
}

boot_as_a_file() {
  refused_source '\.boot is not a directory' touch .boot
}

devices_left_out() {
  mkdir source && mkdir kept && echo good >source/good && cp -a source/good kept/ && mknod source/null c 1 3 &&
    touch -r source kept && "$mkqnx6fs" -q --skip-devices -d source --size=1m x && "$compare" x kept
  local status=$?
  rm -rf source kept x
  return $status
}

says() {
  "$mkqnx6fs" "$1" >out && grep -qE "$2" out
}

if ! make_tree tree; then
  echo "test_make.sh: the tree to fill volumes from could not be made in $work" >&2
  exit 1
fi
printf '0123456789' >ten
[[ -x $chkqnx6fs ]] || echo "# chkqnx6fs is not built here: the volumes are compared, but not checked by it"
check "--help says how it is used" says --help '^usage: mkqnx6fs'
check "--version says which it is" says --version '^mkqnx6fs [0-9]+\.[0-9]+'
for order in little big; do
  for size in 512 1k 2k 4k; do
    check "$order, $size: a volume has what the tree has" made_as -e $order -b $size
    check "$order, $size, no boot block: a volume has what the tree has" made_as -e $order -b $size --no-boot-block
  done
done
check "a directory of 30000 names in blocks of 512 bytes" big_directory
check "directories whose path is longer than any call takes" deep_directory
check "-T, --timestamp, SOURCE_DATE_EPOCH: the same bytes, on another day and from a copy" same_bytes
check "without: another id each time" another_id
check "QNX's options arrive in the super block" options_arrive
check "-R is the root directory's mode and owner" root_as_asked
check "what holds something is overwritten with -q or somebody's yes alone" asks_first
check "what is blank is not asked for" blank_is_not_asked_for
check "a file that changes meanwhile is noticed, and the host cut back" changes_meanwhile
check "what lies around the volume stays" outside_stays
check "a volume with a boot block is not found in one without" older_is_gone
check "a host larger than the volume keeps its size" larger_host_keeps_its_size
check "every option that can't be kept is refused in one sentence" refused_options
check "a name that QNX6 forbids is refused" refused_source "bad.name has a byte 0x07" touch $'bad\aname'
check "a file from before 1970 is refused" refused_source "old was modified at a time outside" touch -d '1969-01-01 UTC' old
check "a .boot that is no directory is refused" boot_as_a_file
check "a host inside the directory is refused" inside_itself
check "a file that can't be lengthened is not left behind" no_room_for_it
check "a signal ends it, and no file is left behind" ends_by_signal
if ((EUID == 0)); then
  check "a full file system is told of, and no file is left behind" no_space_on_disk
  check "a device file is refused" refused_source "null is a device file" mknod null c 1 3
  check "--skip-devices leaves it out" devices_left_out
else
  echo "# owners, device files and full file systems are not tested: that takes root"
fi
echo "$passed passed, $failed failed"
((failed == 0))
