#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# One guest from power-on to power-off:
#
#   start_run MACHINE NAME                      its folder $GUEST_RUN; put disk images there
#   boot_guest MACHINE SCRIPT [OPTION...] [-- QEMU-ARGUMENT...]
#
#   --disk FILE[,ro][,PROPERTY=VALUE...]        virtio-blk on a raw file; properties are QEMU's, e.g. num-queues=2
#   --null SIZE[,PROPERTY=VALUE...]             virtio-blk on a disk that reads zeroes at no cost
#   --node NODE[,PROPERTY=VALUE...]             virtio-blk on a block node that the QEMU arguments define
#   --device virtio-CLASS[,PROPERTY=VALUE...]   another virtio device, e.g. virtio-rng
#   --program FILE[:PATH]                       copied into the guest with its libraries (/usr/local/bin)
#   --env NAME=VALUE                            set in the scenario
#   --cpus N, --memory MIB, --seconds N         default 2 (microvm 1), 512, 240
#   --append "PARAMETER..."                     more kernel parameters
#   --module FILE.ko                            a kernel module, for insmod /usr/local/lib/FILE.ko
#   --hotplug                                   PCI devices each get a root port of their own: device_del works.
#                                               Comes before the devices
#   --kernel-virtio                             virtio's buses that the kernel has built in are not kept out
#   --qmp                                       a QMP monitor for guest_qmp
#
# Devices take the slots in the order given. The scenario finds where in its environment, disks and devices each
# counted from 0: DISK0_BDF=0000:00:04.0 (PCI) or DISK0_SMEM=0xfeb00400 and DISK0_IRQ=26 (MMIO), and on both
# DISK0_OPTIONS, what to write after "devb-virtio virtio"; DISK0_BYTES (not for --node); DEVICE0_... likewise.
# Also MACHINE, MACHINE_MODEL, MACHINE_KERNEL, MACHINE_ARCH and MACHINE_BUS (see machines.sh).
# For QMP a disk is disk0, ..., a device device0, ...; the block node of a --disk or --null has the disk's name.
#
# A boot that hangs is tried again. From GUEST-READY on nothing is: whatever goes wrong then is a failure.

GUEST_BOOT_TRIES=5
: "${GUEST_BOOT_SECONDS:=40}"
GUEST_PID=

# start_run MACHINE NAME: an empty folder for one guest.
start_run() {
  GUEST_RUN=${GUEST_RUNS:-$VIO_GUEST_CACHE/runs}/$1-$2
  rm -rf "$GUEST_RUN"
  mkdir -p "$GUEST_RUN/overlay/etc"
  : >"$GUEST_RUN/results"
}

boot_guest() {
  local machine=$1 scenario=$2 started
  local qemu=() programs=() environment=() append='' cpus='' memory=512 limit=240 slot=0 disks=0 devices=0
  local hotplug='' kernel_virtio=''
  shift 2
  use_machine "$machine" && parse_guest_options "$@" && prepare_machine || return
  started=$SECONDS
  describe_machine && printf '%s\n' "${environment[@]}" >"$GUEST_RUN/overlay/etc/guest-env" || return
  make_overlay "$GUEST_RUN/overlay" "$GUEST_RUN/overlay.cpio" "$scenario" "${programs[@]}" || return
  cat "$KERNEL_DIR/base.cpio" "$GUEST_RUN/overlay.cpio" >"$GUEST_RUN/initrd" || return
  rm -rf "$GUEST_RUN/overlay" "$GUEST_RUN/overlay.cpio"
  complete_qemu_command || return
  power_on || return
  echo "# ready after $((SECONDS - started)) s" >>"$GUEST_RUN/results"
  if declare -F scenario_host >/dev/null; then
    scenario_host "$machine" || host_result 1 "the host's part of the scenario"
  fi
  await_done "$limit"
  collect_results
  echo "# finished after $((SECONDS - started)) s" >>"$GUEST_RUN/results"
  rm -f "$GUEST_RUN/initrd"
}

# prepare_machine: all that a guest of the machine in use needs from the cache.
prepare_machine() {
  [[ $MACHINE_ARCH == amd64 ]] || fetch_foreign_root || return
  [[ $MACHINE_MODEL != *-newer-* ]] || fetch_newer_qemu || return
  fetch_kernel && make_base_image
}

# The helpers below share boot_guest's local variables.
describe_machine() {
  local name
  for name in MACHINE MACHINE_MODEL MACHINE_KERNEL MACHINE_ARCH MACHINE_BUS; do
    add_env "$name" "${!name}"
  done
}

parse_guest_options() {
  while (($#)); do
    case $1 in
      --disk) add_file_disk "$2" || return ;;
      --null) add_null_disk "$2" || return ;;
      --node) add_disk_device "${2%%,*}" "$2" ;;
      --device) add_other_device "$2" ;;
      --program) programs+=("$2") ;;
      --env) add_env "${2%%=*}" "${2#*=}" ;;
      --cpus) cpus=$2 ;;
      --memory) memory=$2 ;;
      --seconds) limit=$2 ;;
      --append) append+=" $2" ;;
      --module) programs+=("$2:/usr/local/lib/$(basename "$2")") ;;
      --hotplug) ask_for_hotplug && set -- - "$@" || return ;;
      --kernel-virtio) kernel_virtio=yes && set -- - "$@" ;;
      --qmp) add_qmp && set -- - "$@" ;;
      --) shift && qemu+=("$@") && return ;;
      *) guest_error "boot_guest: unknown option '$1'" && return 1 ;;
    esac
    shift 2
  done
}

add_qmp() {
  GUEST_QMP=$GUEST_RUN/qmp
  qemu+=(-chardev "pipe,id=qmp,path=$GUEST_QMP" -mon "chardev=qmp,mode=control")
}

add_env() {
  environment+=("$1='${2//\'/\'\\\'\'}'")
}

add_file_disk() {
  local file=${1%%,*} node=disk$disks read_only=off
  [[ -s $file ]] || {
    guest_error "boot_guest: no disk image $file"
    return 1
  }
  [[ ,$1, == *,ro,* ]] && read_only=on
  qemu+=(-blockdev "driver=raw,node-name=$node,read-only=$read_only,discard=unmap,file.driver=file,file.filename=$file,file.locking=off,file.discard=unmap")
  add_env "DISK${disks}_BYTES" "$(stat -c %s "$file")"
  add_disk_device "$node" "$1"
}

add_null_disk() {
  local bytes node=disk$disks
  bytes=$(bytes_of "${1%%,*}") || return
  qemu+=(-blockdev "driver=null-co,node-name=$node,size=$bytes,read-zeroes=on")
  add_env "DISK${disks}_BYTES" "$bytes"
  add_disk_device "$node" "$1"
}

# add_disk_device NODE SPECIFICATION: of the specification only the properties count.
add_disk_device() {
  local properties
  properties=$(properties_of "$2")
  add_device virtio-blk "DISK$disks" ",drive=$1$properties"
  disks=$((disks + 1))
}

add_other_device() {
  add_device "${1%%,*}" "DEVICE$devices" "$(properties_of "$1")"
  devices=$((devices + 1))
}

# What follows the first comma, without our own word "ro"; empty or beginning with a comma.
properties_of() {
  local rest=,${1#*,},
  [[ $1 == *,* ]] || return 0
  rest=${rest/,ro,/,}
  echo "${rest%,}"
}

ask_for_hotplug() {
  [[ $MACHINE_BUS == pci ]] || {
    guest_error "boot_guest: --hotplug is for machines with PCI, not $machine"
    return 1
  }
  ((slot == 0)) || {
    guest_error "boot_guest: --hotplug comes before the devices"
    return 1
  }
  hotplug=yes
}

# add_device CLASS VARIABLE PROPERTIES: the next slot of the machine's bus. Places are pinned: left to itself,
# microvm gives the first device the last slot. Slots 2... (MMIO) and 4... (PCI) keep clear of built-in ones.
add_device() {
  local class=$1 variable=$2 properties=$3 property
  for property in "id=${2,,}" $(machine_device_properties); do
    [[ ,$3, == *",${property%%=*}="* ]] || properties+=,$property
  done
  "add_${MACHINE_BUS}_device"
  slot=$((slot + 1))
}

# Firmware and kernel number the buses behind root ports in their order.
add_pci_device() {
  local place bdf
  place=$(printf '%02x' $((slot + 4)))
  bdf=0000:00:$place.0
  if [[ -n $hotplug ]]; then
    qemu+=(-device "pcie-root-port,id=port$slot,bus=pcie.0,addr=$place.0,chassis=$((slot + 1)),slot=$((slot + 1))")
    bdf=$(printf '0000:%02x:00.0' $((slot + 1)))
    properties=",bus=port$slot,addr=00.0$properties"
  else
    properties=",addr=$place.0$properties"
  fi
  qemu+=(-device "$class-pci$properties")
  add_env "${variable}_BDF" "$bdf"
  add_env "${variable}_OPTIONS" "pci=$bdf"
}

add_mmio_device() {
  local smem irq
  mmio_slot $((slot + 2))
  qemu+=(-device "$class-device,bus=virtio-mmio-bus.$((slot + 2))$properties")
  add_env "${variable}_SMEM" "$smem"
  add_env "${variable}_IRQ" "$irq"
  add_env "${variable}_OPTIONS" "smem=$smem,irq=$irq"
}

complete_qemu_command() {
  local machine_arguments parameters
  machine_arguments=$(machine_qemu "$cpus") && parameters=$(machine_parameters) || return
  mapfile -t machine_arguments <<<"$machine_arguments"
  command -v "${machine_arguments[0]}" >/dev/null || {
    guest_error "'${machine_arguments[0]}' is missing; test/setup.sh guest (for arm64: arm64) installs it."
    return 1
  }
  [[ -n $kernel_virtio ]] || parameters+=" $(blacklist_kernel_virtio)"
  parameters=$(xargs <<<"$parameters$append")
  qemu=("${machine_arguments[@]}" -m "$memory" -nodefaults -no-user-config
    -display none -no-reboot -serial "file:$GUEST_RUN/serial.log"
    -kernel "$KERNEL_DIR/kernel" -initrd "$GUEST_RUN/initrd" -append "$parameters" "${qemu[@]}")
  printf '%q ' "${qemu[@]}" >"$GUEST_RUN/qemu.command"
}

power_on() {
  local try
  for ((try = 1; try <= GUEST_BOOT_TRIES; try++)); do
    start_qemu
    await_ready $((GUEST_BOOT_SECONDS + 20 * (try - 1))) && return # longer each time: the host may just be slow
    guest_runs || [[ ! -s $GUEST_RUN/qemu.errors ]] || break # QEMU refused to start: it will again
    echo "# boot $try came to nothing" >>"$GUEST_RUN/results"
    power_off
  done
  power_off
  host_result 1 "the guest boots"
  tail -n 20 "$GUEST_RUN/qemu.errors" "$GUEST_RUN/serial.log" 2>/dev/null | sed 's/^/    /' >>"$GUEST_RUN/results"
  return 1
}

# setpriv ties QEMU's life to ours: not even "kill -9" of the tests leaves a guest behind.
start_qemu() {
  rm -f "$GUEST_RUN/serial.log" "$GUEST_RUN/qemu.errors"
  [[ -z ${GUEST_QMP:-} ]] || open_qmp
  setpriv --pdeathsig KILL "${qemu[@]}" </dev/null >/dev/null 2>"$GUEST_RUN/qemu.errors" 9>&- &
  GUEST_PID=$!
}

guest_runs() {
  [[ -n $GUEST_PID ]] && kill -0 "$GUEST_PID" 2>/dev/null
}

power_off() {
  [[ -n $GUEST_PID ]] || return 0
  kill -KILL "$GUEST_PID" 2>/dev/null || true
  wait "$GUEST_PID" 2>/dev/null || true
  GUEST_PID=
}

# guest_said TEXT: whether a line for the host begins with TEXT (a basic regular expression).
guest_said() {
  grep -qs "^@@ $1" "$GUEST_RUN/serial.log"
}

# await SECONDS COMMAND...: also gives up when the guest is gone, or when whoever started the tests is ("kill -9").
await() {
  local end=$((SECONDS + $1))
  shift
  while guest_runs && ((SECONDS < end)); do
    kill -0 $$ 2>/dev/null || exit
    "$@" && return
    sleep 0.1
  done
  "$@" # once more: the guest may have said it with its last breath
}

await_ready() {
  await "$1" guest_said GUEST-READY
}

# For scenario_host: waits until the scenario has printed 'say TEXT'.
await_guest_says() {
  await "$1" guest_said "$2"
}

await_done() {
  if ! await "$1" guest_said GUEST-DONE; then
    if guest_runs; then
      host_result 1 "the scenario ends within $1 s"
    else
      host_result 1 "the guest stays alive until its scenario ends"
    fi
    last_words | sed 's/^/    | /' >>"$GUEST_RUN/results"
  elif ! await 20 guest_is_off; then
    host_result 1 "the guest switches itself off"
  fi
  power_off
}

# The part of the log that tells most: from a crash of the kernel on, or else its end.
last_words() {
  local log=$GUEST_RUN/serial.log crash='Kernel panic|BUG:|Oops:'
  if grep -qE "$crash" "$log"; then
    grep -m 1 -A 40 -E "$crash" "$log"
  else
    tail -n 25 "$log"
  fi | tr -d '\r'
}

guest_is_off() {
  ! guest_runs
}

# host_result STATUS NAME: a check made on the host.
host_result() {
  if (($1 == 0)); then
    echo "ok - $2" >>"$GUEST_RUN/results"
  else
    echo "not ok - $2" >>"$GUEST_RUN/results"
  fi
}

# host_check NAME COMMAND...: for scenario_host and scenario_after.
host_check() {
  local name=$1 status=0
  shift
  "$@" >"$GUEST_RUN/host-check.log" 2>&1 || status=$?
  host_result "$status" "$name"
  ((status == 0)) || tail -n 30 "$GUEST_RUN/host-check.log" | sed 's/^/    /' >>"$GUEST_RUN/results"
  return "$status"
}

# The guest's lines go before the host's own, its counts are checked against them.
collect_results() {
  local passed failed
  tr -d '\r' <"$GUEST_RUN/serial.log" | sed -n -e '/^@@ GUEST-/d' -e 's/^@@ //p' >"$GUEST_RUN/results.guest"
  read -r passed failed < <(tr -d '\r' <"$GUEST_RUN/serial.log" |
    sed -n 's/^@@ GUEST-DONE passed=\([0-9]*\) failed=\([0-9]*\)$/\1 \2/p') || true
  [[ "${passed:-} ${failed:-}" == "0 0" ]] && host_result 1 "the scenario makes at least one check"
  if [[ -n ${passed:-} ]] && { ((passed != $(count_lines 'ok - ' "$GUEST_RUN/results.guest"))) ||
    ((failed != $(count_lines 'not ok - ' "$GUEST_RUN/results.guest"))); }; then
    host_result 1 "the log shows all of the guest's $passed + $failed results"
  fi
  cat "$GUEST_RUN/results" >>"$GUEST_RUN/results.guest"
  mv "$GUEST_RUN/results.guest" "$GUEST_RUN/results"
}

count_lines() {
  grep -c "^$1" "$2" || true
}

# QMP through a pair of pipes: no tool needed beyond this shell.
open_qmp() {
  rm -f "$GUEST_QMP.in" "$GUEST_QMP.out"
  mkfifo "$GUEST_QMP.in" "$GUEST_QMP.out" || return
  exec 7<>"$GUEST_QMP.in" 8<>"$GUEST_QMP.out"
  echo '{"execute":"qmp_capabilities"}' >&7
}

# guest_qmp JSON: sends a command and prints the answer. Events and the answer to qmp_capabilities are passed over.
guest_qmp() {
  local line
  echo "${1/\{/\{\"id\":\"call\",}" >&7
  while read -r -t 10 line <&8; do
    [[ $line == *'"id": "call"'* ]] || continue
    echo "$line"
    [[ $line == *'"return"'* ]]
    return
  done
  return 1
}
