#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs scenarios in guests:
#
#   test/guest/run.sh [MACHINE...] [SCENARIO...]      all of them without arguments; --list names them
#
# Machines are those of machines.sh, such as q35, arm64-mmio or microvm-v2@6.12.
#
# A scenario is scenarios/NAME.sh, which runs in the guest (see rootfs/guest-checks.sh). Next to it NAME.host.sh may
# say what the guest is made of, in functions that get the machine's name and that all may be left out:
#
#   scenario_machines=(q35 arm64-pci)    variable: the machines it is for. Without it a scenario is for any, and runs
#                     on $GUEST_MACHINES unless others are named
#   scenario_setup    fills guest_options, boot_guest's options; $GUEST_RUN is its folder (default: a pattern disk)
#   scenario_host     runs beside the guest from GUEST-READY on: await_guest_says, guest_qmp, host_check
#   scenario_after    runs when the guest is off: host_check on its disk images
#
# One guest more runs at once than the machine has processors, because they sleep a lot; at most 4 (VIO_GUEST_JOBS says
# otherwise).
#
# Prints a line for each check, the rows of the matrix as a table, and at the end "N passed, N failed"; the exit status is 1 when anything failed.
set -uo pipefail

# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh" || exit

GUEST_RUNS=$VIO_GUEST_CACHE/runs
: "${VIO_GUEST_JOBS:=$(($(nproc) < 4 ? $(nproc) + 1 : 4))}"
declare -A running=() # process: "MACHINE SCENARIO"

all_scenarios() {
  local file
  for file in "$GUEST_DIR"/scenarios/*.sh; do
    [[ $file == *.host.sh ]] || basename "$file" .sh
  done
}

# use_program PATH: for scenario_setup; a program of the machine's build folder, such as driver/devb-virtio.
use_program() {
  guest_options+=(--program "$(machine_build)/$1")
}

# shellcheck disable=SC2317,SC2153 # the defaults that a scenario replaces; GUEST_RUN is start_run's
load_scenario() {
  guest_options=()
  scenario_machines=()
  scenario_setup() {
    make_pattern_disk "$GUEST_RUN/disk.img" 64M && guest_options+=(--disk "$GUEST_RUN/disk.img")
  }
  scenario_host() { :; }
  scenario_after() { :; }
  # shellcheck disable=SC1090
  [[ ! -e $GUEST_DIR/scenarios/$1.host.sh ]] || . "$GUEST_DIR/scenarios/$1.host.sh"
}

# To be run in a process of its own, so that one scenario's functions are not another's.
run_scenario() {
  local machine=$1 scenario=$2
  trap power_off EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  load_scenario "$scenario"
  use_machine "$machine" || exit
  start_run "$machine" "$scenario" || exit
  if ! scenario_setup "$machine"; then
    host_result 1 "the scenario is set up on the host"
  elif ! boot_guest "$machine" "$GUEST_DIR/scenarios/$scenario.sh" "${guest_options[@]}"; then
    grep -q '^not ok' "$GUEST_RUN/results" || host_result 1 "the guest starts"
  else
    scenario_after "$machine" || host_result 1 "the host's check after the scenario"
  fi
  grep -q '^not ok' "$GUEST_RUN/results" || rm -f "$GUEST_RUN"/*.img # logs stay, and the disks of a failure
}

report() {
  local machine=$1 scenario=$2 results=$GUEST_RUNS/$1-$2/results
  [[ -e $results ]] || return 0
  sed "s|^|$machine/$scenario: |" "$results"
  sed -n 's/^# row //p' "$results" >>"$GUEST_RUNS/rows"
  passed=$((passed + $(count_lines 'ok - ' "$results")))
  failed=$((failed + $(count_lines 'not ok - ' "$results")))
}

# Two test runs in one tree each need folders of their own; the first has the plain name, for the reader's ease.
claim_run_folder() {
  mkdir -p "$VIO_GUEST_CACHE"
  exec 6>"$VIO_GUEST_CACHE/.runs.lock"
  flock -n 6 || GUEST_RUNS=$VIO_GUEST_CACHE/runs.$$
}

parse_arguments() {
  local word
  for word in "$@"; do
    if is_machine "$word"; then
      machines+=("$word")
    elif [[ -e $GUEST_DIR/scenarios/$word.sh ]]; then
      scenarios+=("$word")
    else
      guest_error "'$word' is neither a machine (${GUEST_MODELS[*]}; with a kernel: ${GUEST_KERNELS[*]/#/q35@}) nor" \
        "a scenario ($(all_scenarios | xargs))."
      exit 2
    fi
  done
  ((${#scenarios[@]})) || mapfile -t scenarios < <(all_scenarios)
}

# machines_for SCENARIO: those named on the command line that it is for (it is said of which it is not), or all of its
# own.
machines_for() (
  load_scenario "$1"
  if ((${#machines[@]} == 0)); then
    ((${#scenario_machines[@]})) || scenario_machines=("${GUEST_MACHINES[@]}")
    echo "${scenario_machines[@]}"
    return
  fi
  for machine in "${machines[@]}"; do
    if ((${#scenario_machines[@]} == 0)) || [[ " ${scenario_machines[*]} " == *" $machine "* ]]; then
      echo "$machine"
    else
      echo "# $1 is not for $machine: it is for ${scenario_machines[*]}" >&2
    fi
  done
)

start_one() {
  rm -rf "${GUEST_RUNS:?}/$1-$2"
  run_scenario "$1" "$2" &
  running[$!]="$1 $2"
}

# Waiting for a background process lets our own traps act at once.
report_one() {
  local process machine scenario
  wait -n -p process "${!running[@]}"
  read -r machine scenario <<<"${running[$process]}"
  unset "running[$process]"
  report "$machine" "$scenario"
}

end_all() {
  ((${#running[@]} == 0)) || kill "${!running[@]}" 2>/dev/null
}

# What the scenario "matrix" said of every kind of device and every way to wake the driver. In brackets: interrupts.
print_matrix() {
  [[ ! -s $GUEST_RUNS/rows ]] || {
    echo "machine kernel way open read write flush interrupts idle resize restart removal"
    sort "$GUEST_RUNS/rows"
  } | column -t
}

main() {
  local machines=() scenarios=() machine scenario passed=0 failed=0
  [[ ${1:-} == --list ]] && all_scenarios && return
  parse_arguments "$@"
  claim_run_folder
  mkdir -p "$GUEST_RUNS" && rm -f "$GUEST_RUNS/rows"
  trap end_all EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  for scenario in "${scenarios[@]}"; do
    for machine in $(machines_for "$scenario"); do
      ((${#running[@]} < VIO_GUEST_JOBS)) || report_one
      start_one "$machine" "$scenario"
    done
  done
  while ((${#running[@]})); do
    report_one
  done
  print_matrix
  [[ $GUEST_RUNS == */runs ]] || ((failed)) || rm -rf "$GUEST_RUNS"
  echo "$passed passed, $failed failed"
  ((failed == 0 && passed > 0))
}

main "$@"
