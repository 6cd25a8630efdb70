#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Disk images. Every one starts as a pattern: sector i reads "PATTERN-SECTOR-<i, eight digits>", dots, and a line
# feed as its 512th byte. So any data tells where on the disk it came from, also within a partition.

QNX6_GUID=CEF5A9AD-73BC-4601-89F3-CDEEEEE321A1
LINUX_GUID=0FC63DAF-8483-4772-8E79-3D69D8477DE4

# bytes_of SIZE: "64M" and the like as a number.
bytes_of() {
  numfmt --from=iec "$1"
}

# pattern_sectors FIRST COUNT: these sectors, to the standard output
pattern_sectors() {
  awk -v first="$1" -v count="$2" 'BEGIN {
    fill = sprintf("%488s", ""); gsub(/ /, ".", fill)
    for (i = first; i < first + count; i++) printf "PATTERN-SECTOR-%08d%s\n", i, fill
  }'
}

# make_pattern_disk FILE SIZE
make_pattern_disk() {
  local sectors
  sectors=$(($(bytes_of "$2") / 512)) || return
  pattern_sectors 0 $sectors >"$1"
}

# make_partitioned_disk FILE: 64 MiB with an MBR: hd0t179, hd0t179.1, hd0t131, hd0t5 and in it hd0t178.
make_partitioned_disk() {
  make_pattern_disk "$1" 64M &&
    write_partition_table "$1" <<'TABLE'
label: dos
label-id: 0x0d15c001
start=2048, size=32768, type=b3
start=34816, size=16384, type=b3
start=51200, size=32768, type=83
start=83968, size=47104, type=5
start=86016, size=16384, type=b2
TABLE
}

# make_gpt_disk FILE: 64 MiB with a GPT: two QNX6 partitions and a Linux one.
make_gpt_disk() {
  make_pattern_disk "$1" 64M &&
    write_partition_table "$1" <<TABLE
label: gpt
label-id: 0D15C001-0000-4000-8000-000000000000
start=2048, size=32768, type=$QNX6_GUID, uuid=0D15C001-0000-4000-8000-000000000001, name=system
start=34816, size=16384, type=$QNX6_GUID, uuid=0D15C001-0000-4000-8000-000000000002, name=data
start=51200, size=32768, type=$LINUX_GUID, uuid=0D15C001-0000-4000-8000-000000000003, name=linux
TABLE
}

# "never": the pattern stays as it is wherever the table itself is not.
write_partition_table() {
  sfdisk --quiet --no-reread --no-tell-kernel --wipe never --wipe-partitions never "$1"
}

# partition_start FILE NUMBER and partition_sectors FILE NUMBER, in sectors, with sfdisk's numbers (logical: 5...).
partition_start() {
  partition_field "$1" "$2" start
}

partition_sectors() {
  partition_field "$1" "$2" size
}

partition_field() {
  sfdisk --dump "$1" | sed -n "s/^.*[^0-9]$2 :.* $3= *\([0-9]*\),.*/\1/p"
}

# put_partition FILE NUMBER IMAGE: copies a file-system image into a partition.
put_partition() {
  local start
  start=$(partition_start "$1" "$2") && [[ -n $start ]] || return
  dd if="$3" of="$1" bs=512 seek="$start" conv=notrunc status=none
}

# make_ext4_partition FILE NUMBER [DIRECTORY]: an ext4 file system in a partition, holding a copy of DIRECTORY.
make_ext4_partition() {
  local start sectors
  start=$(partition_start "$1" "$2") && sectors=$(partition_sectors "$1" "$2") || return
  mkfs.ext4 -q -F -b 4096 -E "offset=$((start * 512))" ${3:+-d "$3"} "$1" "$((sectors / 2))k"
}
