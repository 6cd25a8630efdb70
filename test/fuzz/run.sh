#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Fuzzes the reader and the check of QNX6 volumes: no input may crash them, hang them, or have them take memory without
# bound. First all seeds, and what was found before (corpus/qnx6), run once through a program made by gcc; then, where
# there is clang, libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer goes on from these.
#
#   test/fuzz/run.sh [SECONDS] [BUILD]     default 60
#
# An input that fails is kept as BUILD/fuzz/crash-*, and goes into corpus/qnx6 with the fix.
set -uo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(dirname "$(dirname "$here")")
seconds=${1:-60}
build=${2:-${VIO_BUILD:-$repo/build}}
out=$build/fuzz
passed=0
failed=0

# Bounds for one input: the largest is 128 KiB, and takes a millisecond.
max_len=131072
timeout=10
memory=512 # MiB, with what the sanitizers take
allocation=16

if [[ ! $seconds =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: run.sh [SECONDS] [BUILD]" >&2
  exit 2
fi

ok() {
  passed=$((passed + 1))
  echo "ok - $1"
}

not_ok() {
  failed=$((failed + 1))
  echo "not ok - $1"
  tail -n 30 "$out/log" | sed 's/^/    /'
}

# check NAME COMMAND...
check() {
  local name=$1
  shift
  if "$@" >"$out/log" 2>&1; then ok "$name"; else not_ok "$name"; fi
}

make_seeds() {
  rm -rf "$out/seeds"
  mkdir -p "$out/seeds"
  "$build/test/fuzz/qnx6_seeds" "$out/seeds"
}

build_fuzzer() {
  local sources=("$here"/qnx6_{fuzz,exercise}.c "$repo"/fs-glue/qnx6/*.c)
  local file
  for file in "$repo"/fs-glue/qnx6/check/*.c; do
    [[ $file == */main.c || $file == */show.c ]] || sources+=("$file")
  done
  clang -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -g -O1 -std=gnu11 -D_GNU_SOURCE -DFUZZER \
    -I"$repo/fs-glue/qnx6" -I"$repo/fs-glue/qnx6/check" "${sources[@]}" -pthread -o "$out/qnx6_fuzz"
}

fuzz() {
  mkdir -p "$out/corpus"
  # what is freed is kept for a while to catch its use: not so much that it hides how much is in use
  (cd "$out" && ASAN_OPTIONS=quarantine_size_mb=16 ./qnx6_fuzz -max_total_time="$seconds" -max_len=$max_len -timeout=$timeout -rss_limit_mb=$memory \
    -malloc_limit_mb=$allocation -print_final_stats=1 -verbosity=1 corpus seeds "$here/corpus/qnx6")
}

# A fuzzer that gets nowhere finds nothing either.
has_worked() {
  local runs
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/fuzz.log")
  ((runs > seconds * 20))
}

show_figures() {
  local coverage
  coverage=$(grep -E 'cov: [0-9]+' "$out/fuzz.log" | tail -n 1 | sed 's/.*\(cov: [0-9]* ft: [0-9]*\).*/\1/')
  sed -n 's/^stat::\([a-z_]*\): *\([0-9]*\)$/\1 \2/p' "$out/fuzz.log" | awk -v coverage="$coverage" '
    { value[$1] = $2 }
    END { printf "# %d inputs, %d a second, %s; the slowest took %d s, at most %d MiB\n",
      value["number_of_executed_units"], value["average_exec_per_sec"], coverage,
      value["slowest_unit_time_sec"], value["peak_rss_mb"] }'
}

mkdir -p "$out"
check "seeds" make_seeds
check "each seed by itself" timeout 120 "$build/test/fuzz/qnx6_replay" "$out"/seeds/* "$here"/corpus/qnx6/*
if ! command -v clang >/dev/null; then
  echo "# clang is missing, so that this is all; test/setup.sh fuzz installs it"
else
  check "the fuzzer" build_fuzzer
  check "$seconds s of mutations" fuzz
  cp "$out/log" "$out/fuzz.log"
  show_figures
  check "which went on all the time" has_worked
fi
echo "$passed passed, $failed failed"
((failed == 0))
