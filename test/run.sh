#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# All tests, from a fresh clone on: installs what is missing, builds with warnings as errors, runs the unit tests
# plain and under the sanitizers, the volumes on this machine's FUSE, the scripts that hold the project to its own
# rules, the tools for QNX6 volumes, and the guests, also arm64's.
#
#   test/run.sh                   everything
#   test/run.sh unit fuse guest   only these parts: style, unit, sanitizers, fuse, vhost-user, qnx6, guest
#
# Prints what each part prints, and at the end "N passed, N failed" over all of them.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(dirname "$here")
export VIO_BUILD=${VIO_BUILD:-$repo/build}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
total_passed=0
total_failed=0

# configure_and_build PRESET
configure_and_build() {
  (cd "$repo" && cmake --preset "$1" --log-level=WARNING >/dev/null && cmake --build --preset "$1" -- --quiet)
}

# part NAME COMMAND...: adds up "N passed, N failed" of its last line; a failure without one counts as one.
part() {
  local name=$1 status passed failed
  shift
  echo "== $name"
  "$@" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  ((status != 77)) || return 0 # skipped as a whole; it has said why
  read -r passed failed < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | tail -n 1) || true
  passed=${passed:-0} failed=${failed:-0}
  ((status == 0 || failed > 0)) || failed=1
  ((status != 0 || passed + failed > 0)) || passed=1
  total_passed=$((total_passed + passed))
  total_failed=$((total_failed + failed))
}

# Check's runner says "100%: Checks: 12, Failures: 0, Errors: 0": the same in our words.
unit_tests() {
  local status
  "$@" >"$log.unit" 2>&1
  status=$?
  cat "$log.unit"
  sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$log.unit" |
    awk '{ n += $1; f += $2 + $3 } END { printf "%d passed, %d failed\n", n - f, f }'
  rm -f "$log.unit"
  return $status
}

sanitized() {
  configure_and_build "$1" && unit_tests "$repo/build-$1/test/unit/unit"
}

wanted() {
  ((${#parts[@]} == 0)) || [[ " ${parts[*]} " == *" $1 "* ]]
}

parts=("$@")
for word in "${parts[@]}"; do
  [[ " style unit sanitizers fuse vhost-user qnx6 guest " == *" $word "* ]] || {
    echo "run.sh: '$word' is no part of the tests (style, unit, sanitizers, fuse, vhost-user, qnx6, guest)" >&2
    exit 2
  }
done

"$here/setup.sh" build || exit
! wanted guest || "$here/setup.sh" guest arm64 || exit
! wanted vhost-user || "$here/setup.sh" vhost-user || exit
! wanted qnx6 || "$here/setup.sh" qnx6 || exit
! wanted style || part "Rules of the code" "$here/style.sh"
part "Build" configure_and_build release
! wanted unit || part "Unit tests" unit_tests "$VIO_BUILD/test/unit/unit"
! wanted sanitizers || part "Unit tests with AddressSanitizer and UndefinedBehaviorSanitizer" sanitized asan
! wanted sanitizers || part "Unit tests with ThreadSanitizer" sanitized tsan
! wanted fuse || part "Volumes on this machine's FUSE" "$here/fuse/run.sh" "$VIO_BUILD/test/fuse/ram_volume"
! wanted fuse || part "The daemon's threads on this machine's FUSE" "$VIO_BUILD/test/fuse/loop_check"
! wanted vhost-user || part "Devices of another process" "$here/vhost-user/run.sh" "$VIO_BUILD"
! wanted qnx6 || part "QNX6" "$here/qnx6/run.sh" "$VIO_BUILD"
! wanted guest || part "Build for arm64" configure_and_build arm64
! wanted guest || part "Guests" "$here/guest/run.sh"
echo
echo "$total_passed passed, $total_failed failed"
((total_failed == 0))
