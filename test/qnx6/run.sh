#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The tools for QNX6 volumes, on this machine: every test_*.sh beside this file.
#
#   test/qnx6/run.sh [BUILD]            all of them
#   test/qnx6/run.sh BUILD make check   test_make.sh and test_check.sh
#
# Each ends with the line "N passed, N failed", or with status 77 when it can't run here, and has said why.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(realpath -m "${1:-${VIO_BUILD:-$(dirname "$(dirname "$here")")/build}}")
shift $(($# > 0))
total_passed=0
total_failed=0

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# run SCRIPT: a failure without a count is one.
run() {
  local status passed=0 failed=0
  echo "= $(basename "$1")"
  "$1" "$build" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  ((status != 77)) || return 0
  read -r passed failed < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | tail -n 1)
  passed=${passed:-0} failed=${failed:-0}
  ((status == 0 || failed > 0)) || failed=1
  ((passed + failed > 0)) || failed=1
  total_passed=$((total_passed + passed))
  total_failed=$((total_failed + failed))
}

names=("$@")
if ((${#names[@]} == 0)); then
  for script in "$here"/test_*.sh; do
    [[ -e $script ]] && run "$script"
  done
else
  for name in "${names[@]}"; do
    run "$here/test_$name.sh"
  done
fi
echo "$total_passed passed, $total_failed failed"
((total_failed == 0))
