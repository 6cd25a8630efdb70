#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Devices of another process on this machine: qemu-storage-daemon as the back end, and one that is not to be
# trusted. No root, no guests.
#
#   test/vhost-user/run.sh [BUILD]
#
# QSD=program tests another qemu-storage-daemon. Prints "N passed, N failed"; status 77: it is not installed.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${1:-$here/../../build}
cat=$build/examples/vio-cat
check=$build/test/vhost-user/vu_check
fake=$build/test/vhost-user/fake_backend
qsd=${QSD:-qemu-storage-daemon}
work=$(mktemp -d)
sock=$work/disk.sock
qsd_pid=
passed=0
failed=0

command -v "$qsd" >/dev/null || {
  echo "vhost-user tests skipped: there is no $qsd (Debian: qemu-system-common)"
  exit 77
}

cleanup() {
  local pid
  for pid in $(jobs -p); do kill -KILL "$pid"; done 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT

ok() {
  passed=$((passed + 1))
  echo "ok - $1"
}

not_ok() {
  failed=$((failed + 1))
  echo "not ok - $1"
  sed 's/^/    /' "$work/output" | tail -n 8
}

# expect NAME COMMAND...: it succeeds
expect() {
  local name=$1
  shift
  if "$@" >"$work/output" 2>&1; then ok "$name"; else not_ok "$name"; fi
}

# refuse NAME TEXT COMMAND...: it fails with one line, which says TEXT, and does not need 20 s for that
refuse() {
  local name=$1 text=$2 status
  shift 2
  timeout 20 "$@" >/dev/null 2>"$work/output"
  status=$?
  if ((status == 1)) && [[ $(wc -l <"$work/output") == 1 ]] && grep -qF "$text" "$work/output"; then
    ok "$name"
  else
    echo "(status $status)" >>"$work/output"
    not_ok "$name"
  fi
}

# await FILE TEXT: the text comes to stand in the file, within 20 s
await() {
  local limit=$((SECONDS + 20))
  until grep -qs -- "$2" "$1"; do
    ((SECONDS < limit)) || return
    read -rt 0.02 <> <(:)
  done
  true
}

# start_qsd BLOCKDEV: exports it with two queues; ready when this returns
start_qsd() {
  rm -f "$sock" "$work/qmp" "$work/pid"
  "$qsd" --blockdev "$1" --chardev socket,id=m,path="$work/qmp",server=on,wait=off --monitor m \
    --export "vhost-user-blk,id=e,node-name=disk,addr.type=unix,addr.path=$sock,writable=on,num-queues=2" \
    --pidfile "$work/pid" >"$work/qsd" 2>&1 &
  qsd_pid=$!
  timeout 20 bash -c "until [[ -S $sock && -s $work/pid ]]; do read -rt 0.02 <> <(:); done; true"
}

stop_qsd() {
  kill -"$1" "$qsd_pid"
  wait "$qsd_pid" 2>/dev/null || : # killed, as it was meant to be
}

image=driver=file,node-name=disk,filename=$work/image
head -c 16M /dev/urandom >"$work/image"

# --- what it is for

same_content() { timeout 60 "$cat" "vhost-user=$sock" | cmp - "$work/image"; }
says() {
  local text=$1
  shift
  timeout 60 "$@" | tee "$work/said" | grep -qxF "$text" || { cat "$work/said" && false; }
}
verified() {
  says "256 pieces verified" "$check" "vhost-user=$sock" verify && same_content
}

start_qsd "$image"
expect "the disk is what the file is" same_content
expect "size and queues" says "32768 sectors, 2 queues" "$check" "vhost-user=$sock" info
expect "what is written stands in the file" verified
stop_qsd TERM
start_qsd "driver=null-co,node-name=disk,size=1073741824,read-zeroes=on"
null_is_zero() { timeout 60 "$cat" "vhost-user=$sock" | cmp -n 1073741824 - /dev/zero; }
expect "1 GiB of nothing" null_is_zero
stop_qsd TERM

# --- news

version=$("$qsd" --version | sed -n 's/.*version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
tells_news() { awk '{ exit !($1 > 8 || ($1 == 8 && $2 >= 1)) }' <<<"$version"; }
start_qsd "$image"
grows() {
  "$check" "vhost-user=$sock" resize >"$work/sizes" &
  local pid=$!
  await "$work/sizes" 32768 || return
  monitor '{"execute":"block_resize","arguments":{"node-name":"disk","size":33554432}}'
  wait "$pid" && grep -qx 65536 "$work/sizes"
}
# Says one command to QSD's monitor.
monitor() {
  printf '{"execute":"qmp_capabilities"}\n%s\n' "$1" >"$work/command"
  timeout 10 "$build/test/vhost-user/say" "$work/qmp" <"$work/command"
}
if tells_news; then
  expect "a resize is news" grows
else
  echo "skipped: a resize is news: $qsd ${version/ /.} does not tell its front end (8.1 does)"
fi
stop_qsd TERM

# --- a back end that goes, and returns

start_qsd "$image"
returns() {
  local pid status
  "$check" "vhost-user=$sock" return >"$work/steps" 2>&1 &
  pid=$!
  await "$work/steps" ready || return
  stop_qsd KILL
  await "$work/steps" gone || { cat "$work/steps" && return 1; }
  start_qsd "$image"
  wait "$pid"
  status=$?
  cat "$work/steps"
  return $status
}
expect "a killed back end is gone, and may return" returns
expect "and then serves whoever comes next" same_content
stop_qsd TERM

killed_while_reading() {
  { head -c 1000 >/dev/null; stop_qsd KILL; cat >/dev/null; } < <(
    timeout 20 "$cat" "vhost-user=$sock" 2>"$work/said"
    echo $? >"$work/status"
  )
  until [[ -s $work/status ]]; do read -rt 0.02 <> <(:); done
  cat "$work/said" "$work/status"
  [[ $(cat "$work/status") == 1 && $(wc -l <"$work/said") == 1 ]]
}
head -c 64M /dev/zero >"$work/image"
start_qsd "$image"
expect "killed while reading: one error" killed_while_reading

start_qsd "$image"
kill -STOP "$qsd_pid"
refuse "stopped" "did not answer GET_FEATURES within 5000 ms" "$cat" "vhost-user=$sock"
kill -CONT "$qsd_pid"
stop_qsd TERM

# --- wrong addresses, and a back end that is not to be trusted

refuse "no socket" "there is no such file" "$cat" "vhost-user=$work/none"
refuse "no socket, but a file" "no socket that somebody listens on" "$cat" "vhost-user=$work/image"
start_qsd "$image"
stop_qsd KILL
refuse "nobody listens" "no socket that somebody listens on" "$cat" "vhost-user=$sock"
refuse "no path" "expected the path of a socket" "$cat" "vhost-user="
refuse "two addresses" "expected one or the other" "$cat" "vhost-user=$sock,pci=0"

misbehaves() {
  rm -f "$work/fake"
  "$fake" "$work/fake.sock" "$1" >"$work/fake" &
  local pid=$!
  await "$work/fake" ready
  refuse "$1" "$2" "$cat" "vhost-user=$work/fake.sock"
  kill "$pid"
}
misbehaves silent "did not answer GET_FEATURES within 5000 ms"
misbehaves closes "closed the connection"
misbehaves garbage "answered by something else"
misbehaves half "did not answer GET_FEATURES within 5000 ms"
misbehaves huge "answered by something else"
misbehaves other "answered by something else"

echo "$passed passed, $failed failed"
((failed == 0))
