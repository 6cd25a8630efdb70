# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# For run.sh: results, and a ram_volume in the background to talk to. $work is a
# directory to write in, $volumes one to mount at, $program what to run.

work=
volumes=
program=
loop= # a loop device to give back
server_pid=
way=plain # or uring
passed=0
failed=0

skip_all() {
  echo "fuse tests skipped: $1"
  exit 77
}

ok() {
  passed=$((passed + 1))
  echo "ok - $1"
}

not_ok() {
  failed=$((failed + 1))
  echo "not ok - $1"
  [ -s "$work/output" ] && sed 's/^/    /' "$work/output" | tail -n 8
}

# expect NAME COMMAND…: it succeeds
expect() {
  local name=$1
  shift
  if "$@" >"$work/output" 2>&1; then ok "$name"; else not_ok "$name"; fi
}

# refuse NAME TEXT COMMAND…: it fails and says TEXT
refuse() {
  local name=$1 text=$2
  shift 2
  if "$@" >"$work/output" 2>&1; then
    not_ok "$name (it succeeded)"
  elif grep -q -e "$text" "$work/output"; then
    ok "$name"
  else
    not_ok "$name"
  fi
}

# equal NAME FOUND EXPECTED
equal() {
  printf 'found "%s", expected "%s"\n' "$2" "$3" >"$work/output"
  if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1"; fi
}

# Waits up to 10 seconds.
wait_until() {
  local tries=200
  until "$@" >/dev/null 2>&1; do
    [ $((tries -= 1)) -gt 0 ] || return 1
    sleep 0.05
  done
}

is_mounted() { grep -q " $volumes fuse.ram_volume " /proc/mounts; }
is_unmounted() { ! is_mounted; }
is_gone() { ! kill -0 "$1"; }

# One command to the server; its answer goes to $answer.
tell() {
  answer="error no server"
  echo "$*" >&"$commands" && read -r -t 60 answer <&"$answers"
}

# The number called $1 in the answer to the command $2.
number() {
  tell "$2"
  grep -o " $1=[0-9]*" <<<"$answer" | cut -d= -f2
}

start() {
  mkfifo "$work/commands" "$work/answers"
  # eight entries of 1 MiB for each CPU, and what is needed beside
  local option="memory=$((2113536 + 8 * 1048576 * $(getconf _NPROCESSORS_CONF)))"
  [ "$way" = uring ] || option=plain
  set -- "$option" "$@"
  "$program" "$@" "$volumes" <"$work/commands" >"$work/answers" 2>"$work/errors" &
  server_pid=$!
  exec {commands}>"$work/commands" {answers}<"$work/answers"
  # Whoever waits for a request that got lost is released by the server's death.
  (timeout 100 tail --pid="$server_pid" -f /dev/null || kill -9 "$server_pid") \
    {commands}>&- {answers}<&- >/dev/null 2>&1 &
  rm "$work/commands" "$work/answers"
  answer=
  read -r -t 10 answer <&"$answers"
}

# The server's end, by itself or on request; its exit code.
finish() {
  local code=0
  {
    echo quit >&"$commands"
    wait_until is_gone "$server_pid" || kill -9 "$server_pid"
    wait "$server_pid" || code=$?
  } 2>/dev/null # it may be gone already, or killed
  server_pid=
  exec {commands}>&- {answers}<&-
  # libfuse, a sanitizer: whoever speaks up there has found something.
  if [ -s "$work/errors" ]; then
    cp "$work/errors" "$work/output"
    not_ok "the server is silent"
  fi
  return "$code"
}

finish_well() {
  finish
  equal "$1: the server ends well" $? 0
  expect "$1: nothing stays mounted" is_unmounted
}

uring_parameter=/sys/module/fuse/parameters/enable_uring
uring_before=

# Until cleanup; false when this kernel has no such thing.
allow_uring() {
  uring_before=$(cat "$uring_parameter" 2>/dev/null) || return
  echo Y 2>/dev/null >"$uring_parameter"
}

cleanup() {
  [ -n "$uring_before" ] && echo "$uring_before" >"$uring_parameter"
  [ -n "$loop" ] && umount "$work/inner" 2>/dev/null
  [ -n "$loop" ] && losetup -d "$loop" 2>/dev/null
  [ -n "$server_pid" ] && kill -9 "$server_pid" 2>/dev/null
  while is_mounted && umount -l "$volumes"; do :; done
  rm -rf "$work"
}
