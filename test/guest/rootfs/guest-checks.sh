#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# What scenarios are written with (for dash). A scenario begins with ". /lib/guest-checks.sh", then:
#
#   check "name" COMMAND...            ok when the command (or function) succeeds within 30 s
#   check -t 120 "name" COMMAND...     the same with another time-out
#   exits STATUS REGEX COMMAND...      succeeds when the command exits so and says something like that
#   fails COMMAND...                   succeeds when the command exits non-zero
#   wait_for SECONDS COMMAND...        tries again until the command succeeds
#   load_modules NAME...               loads kernel modules (nothing to do for those that are built in)
#   has_module NAME                    whether the kernel has it, built in or not
#   stop, stopped                      ends the daemon; whether none runs
#   has_load PROCESS                   whether it has used the processor for 0.2 s or more
#   nothing_is_left                    no trace of a daemon, and $huge_pages_before (0) huge pages in the pool
#   pattern FIRST COUNT                what make_pattern_disk put into these sectors
#   note TEXT                          a line for the reader, such as a measured figure
#
# Leaving the script reports the counts to the host; a scenario that breaks off early counts as failed.

checks_passed=0
checks_failed=0
check_log=/run/check.log
huge_pages_before=0

say() {
  printf '@@ %s\n' "$*"
}

note() {
  say "# $*"
}

check() {
  local limit=30 name job dog status
  [ "$1" = -t ] && limit=$2 && shift 2
  name=$1
  shift
  : >$check_log
  ("$@") >>$check_log 2>&1 &
  job=$!
  (sleep "$limit" && echo "timed out after $limit s" >>$check_log && kill_tree $job) >/dev/null 2>&1 &
  dog=$!
  wait $job
  status=$?
  kill_tree $dog
  wait $dog 2>/dev/null
  check_result "$name" $status
  return $status
}

check_result() {
  if [ "$2" -eq 0 ]; then
    checks_passed=$((checks_passed + 1))
    say "ok - $1"
    return
  fi
  checks_failed=$((checks_failed + 1))
  say "not ok - $1 (status $2)"
  tail -n 30 $check_log | sed 's/^/@@     /'
}

# A check's time-out must also end what the command started, or it goes on into the next check.
kill_tree() {
  local child
  # shellcheck disable=SC2013 # the process ids stand in one line
  for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
    kill_tree "$child"
  done
  kill -9 "$1" 2>/dev/null
}

exits() {
  local want=$1 regex=$2 output status
  shift 2
  output=$("$@" 2>&1)
  status=$?
  printf '%s\n' "$output"
  [ $status -eq "$want" ] || {
    echo "exit status $status, expected $want"
    return 1
  }
  printf '%s\n' "$output" | grep -qE -e "$regex" || {
    echo "nothing like /$regex/ in the output"
    return 1
  }
}

fails() {
  ! "$@"
}

wait_for() {
  local end
  end=$(($(uptime_ms) + $1 * 1000))
  shift
  until "$@"; do
    [ "$(uptime_ms)" -lt $end ] || return 1
    sleep 0.1
  done
}

uptime_ms() {
  local up
  read -r up _ </proc/uptime
  echo "${up%.*}${up#*.}0"
}

load_modules() {
  local module
  for module in "$@"; do
    modprobe "$module" || return
  done
}

has_module() {
  local lists
  lists=/lib/modules/$(uname -r)
  cat "$lists/modules.dep" "$lists/modules.builtin" | tr - _ | grep -qE "/$(echo "$1" | tr - _)\.ko(:|\$)"
}

# The process has worked for a while: clock ticks of both kinds.
has_load() {
  [ $(($(sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 12,13 | tr ' ' +))) -gt 20 ]
}

stopped() {
  ! pidof devb-virtio
}

stop() {
  killall -TERM devb-virtio && wait_for 30 stopped
}

nothing_is_left() {
  ls -la /dev/hd* /run/devb-virtio 2>&1
  ! ls /dev/hd* && [ ! -e /run/devb-virtio ] && ! grep -E 'devb-virtio|fuse|hugetlbfs' /proc/mounts &&
    [ "$(cat /proc/sys/vm/nr_hugepages)" -eq "$huge_pages_before" ] && stopped
}

pattern() {
  awk -v first="$1" -v count="$2" 'BEGIN {
    fill = sprintf("%488s", ""); gsub(/ /, ".", fill)
    for (i = first; i < first + count; i++) printf "PATTERN-SECTOR-%08d%s\n", i, fill
  }'
}

checks_done() {
  local status=$? oops=$((($(cat /proc/sys/kernel/tainted) >> 7) & 1))
  trap - EXIT
  : >$check_log
  [ $oops -eq 0 ] || check_result "the guest's kernel had no oops" 1
  [ $status -eq 0 ] || [ $checks_failed -gt 0 ] || check_result "the scenario ran to its end" $status
  if [ $checks_failed -gt 0 ]; then
    note "kernel messages:"
    dmesg | tail -n 25 | sed 's/^/@@ #     /'
  fi
  say "GUEST-DONE passed=$checks_passed failed=$checks_failed"
}
trap checks_done EXIT
