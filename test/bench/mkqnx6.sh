#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# mkqnx6.sh [BUILD [ROUNDS]]: how long mkqnx6fs -d takes, against "cp -a" of the same tree to the same tmpfs: 1 GiB, of
# which one large file and 20000 small ones. The runs are interleaved (5 rounds). Prints the medians, with least and
# most, and the ratio; the exit status is 1 when it is above 1.3. Takes 3.3 GiB of memory, in VIO_BENCH_TMPFS (/dev/shm).
set -uo pipefail

mkqnx6fs=$(realpath "${1:-build}")/fs-glue/qnx6/make/mkqnx6fs || exit
rounds=${2:-5}
limit=1.3
tmpfs=${VIO_BENCH_TMPFS:-/dev/shm}

if (($(df --output=avail -k "$tmpfs" | tail -n 1) < 3500000)); then
  echo "mkqnx6.sh: $tmpfs has less than 3.5 GB free; VIO_BENCH_TMPFS names another tmpfs" >&2
  exit 2
fi
work=$(mktemp -d "$tmpfs/mkqnx6.XXXXXX") || exit
trap 'rm -rf "$work"' EXIT

make_tree() {
  local i size
  mkdir -p "$work/tree" && head -c 804M /dev/urandom >"$work/tree/large" || return
  for i in $(seq 200); do
    size=$((i * 115))
    mkdir "$work/tree/$i" && head -c $((size * 100)) "$work/tree/large" | split -b $size -a 3 - "$work/tree/$i/file" || return
  done
}

# timed FILE COMMAND...: adds a line with the seconds it took.
timed() {
  local file=$1 begin=$EPOCHREALTIME
  shift
  "$@" || exit
  awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", b - a }' >>"$work/$file"
}

# summary FILE: median, least and most
summary() {
  sort -n "$work/$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], v[1], v[NR] }'
}

make_tree || exit
echo "# $(find "$work/tree" -type f | wc -l) files, $(du -sm --apparent-size "$work/tree" | cut -f 1) MiB; $rounds rounds"
for _ in $(seq "$rounds"); do
  rm -rf "$work/copy" && timed cp cp -a "$work/tree" "$work/copy"
  rm -rf "$work/copy" "$work/image" && timed mkqnx6fs "$mkqnx6fs" -q -d "$work/tree" --size=1200m "$work/image"
  rm -f "$work/image"
done
printf '%-12s%10s%10s%10s\n' seconds median least most
for name in cp mkqnx6fs; do
  read -r median least most < <(summary $name)
  printf '%-12s%10s%10s%10s\n' "$name" "$median" "$least" "$most"
done
{ summary cp && summary mkqnx6fs; } | awk -v limit=$limit '
  { median[NR] = $1 }
  END { ratio = median[2] / median[1]; printf "mkqnx6fs : cp -a = %.2f (at most %s)\n", ratio, limit; exit ratio > limit }'
