#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC3043 # dash has local
#
# `cam user=`: who serves the disks has no privilege, and whatever ends, in whatever way, nothing is left behind.

# shellcheck source=../rootfs/guest-checks.sh
. /lib/guest-checks.sh

# start DISK-OPTIONS [OPTION...]: as user 20, group 21.
start() {
  local disk=$1
  shift
  devb-virtio virtio "$disk" cam quiet,user=20:21 "$@"
}

# The keeper is the other one's parent.
find_processes() {
  local pid parent
  keeper=
  worker=
  for pid in $(pidof devb-virtio); do
    parent=$(sed -n 's/^PPid:\t//p' "/proc/$pid/status")
    if [ "$(cat "/proc/$parent/comm" 2>/dev/null)" = devb-virtio ]; then
      worker=$pid
      keeper=$parent
    fi
  done
  echo "keeper $keeper, worker $worker"
  [ -n "$keeper" ] && [ -n "$worker" ]
}

# end SIGNAL PROCESS...
end() {
  local signal=$1
  shift
  kill "-$signal" "$@" && wait_for 30 stopped && nothing_is_left
}

as() {
  local user=$1 group=$2
  shift 2
  setpriv --reuid "$user" --regid "$group" --clear-groups "$@"
}

# is_bare PROCESS: every thread of it, as the kernel says.
is_bare() {
  local status threads=0
  for status in /proc/"$1"/task/*/status; do
    tr -s '\t ' ' ' <"$status" | sed 's/ $//' | grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs):' >/tmp/status
    cat /tmp/status
    cmp /tmp/bare /tmp/status || return
    threads=$((threads + 1))
  done
  echo "$threads threads"
  [ $threads -ge 2 ]
}

cat >/tmp/bare <<'BARE'
Uid: 20 20 20 20
Gid: 21 21 21 21
Groups:
CapInh: 0000000000000000
CapPrm: 0000000000000000
CapEff: 0000000000000000
CapBnd: 0000000000000000
CapAmb: 0000000000000000
NoNewPrivs: 1
BARE

# key_of DISK: the name of its device.
key_of() {
  basename "$(dirname "$(readlink "/dev/$1")")"
}

the_worker_is_bare() {
  start "$DISK0_OPTIONS" && find_processes && is_bare "$worker" || return
  [ "$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$keeper/status")" = 0 ] &&
    [ "$(cat "/run/devb-virtio/lock/$(key_of hd0)")" = "$worker" ]
}

descriptors() {
  find "/proc/$1/fd" -type l -exec readlink '{}' ';'
}

the_keeper_holds_nothing() {
  find_processes && descriptors "$keeper" >/tmp/keeper && descriptors "$worker" >/tmp/worker || return
  cat /tmp/keeper
  ! grep -E '/dev/mem|/sys/|huge' "/proc/$keeper/maps" && grep -q /dev/fuse /tmp/worker &&
    ! grep -vE '^(/dev/null|/dev/console|pipe:.*|socket:.*|anon_inode:.(signal|timer)fd.)$' /tmp/keeper && [ "$(wc -l </tmp/keeper)" -le 6 ]
}

# Their memory is where the device writes to: whoever could look in there, had the machine.
nobody_looks_into_the_worker() {
  find_processes || return
  exits 1 'Permission denied' as 20 21 ls "/proc/$worker/fd/" &&
    exits 1 'Permission denied' as 20 21 dd if="/proc/$worker/mem" of=/dev/null count=1
}

volumes_belong_to_the_user() {
  ls -lL /dev/hd0*
  [ "$(stat -L -c '%u %g %a' /dev/hd0)" = "20 21 600" ] && [ "$(stat -L -c '%u %g %a' /dev/hd0t178)" = "20 21 600" ] &&
    [ "$(stat -c %u /dev/hd0)" = 0 ]
}

the_user_reads_and_writes() {
  pattern 86016 64 >/tmp/want
  as 20 21 dd if=/dev/hd0t178 of=/tmp/got bs=512 count=64 iflag=direct && cmp /tmp/want /tmp/got || return
  pattern 800000 500 >/tmp/safe
  chmod 644 /tmp/safe
  as 20 21 dd if=/tmp/safe of=/dev/hd0t178 bs=4k conv=fsync,notrunc && dd if=/dev/hd0t178 bs=512 count=500 iflag=direct | cmp - /tmp/safe &&
    as 20 21 randio /dev/hd0t179 16000000 65536 4 3 direct && as 20 21 randio /dev/hd0t179 16000000 5000 4 3
}

others_do_not() {
  exits 1 'Permission denied' as 1000 1000 dd if=/dev/hd0 of=/dev/null count=1 &&
    exits 1 'Permission denied' as 1000 21 dd if=/dev/hd0 of=/dev/null count=1
}

mntuid_wins() {
  start "$DISK0_OPTIONS" blk mntuid=33,mntgid=34,mntperms=640 || return
  [ "$(stat -L -c '%u %g %a' /dev/hd0)" = "33 34 640" ] && as 1000 34 dd if=/dev/hd0 of=/dev/null count=1 &&
    exits 1 'Permission denied' as 20 21 dd if=/dev/hd0 of=/dev/null count=1 && find_processes && end TERM "$keeper"
}

sigterm_to() {
  start "$DISK0_OPTIONS" && find_processes || return
  dd if=/tmp/safe of=/dev/hd0t178 conv=fsync,notrunc seek="$2" bs=1M && eval "end TERM \$$1"
}

sigterm_to_both() {
  start "$DISK0_OPTIONS" && killall -TERM devb-virtio && wait_for 30 stopped && nothing_is_left
}

# Nothing but the keeper is there to clean up, and it does.
kill_worker_under_load() {
  local load
  start "$DISK0_OPTIONS" blk automount=hd0t131:/tmp/data:ext2 && find_processes || return
  grep /tmp/data /proc/mounts && [ -d /tmp/data ] || return
  randio /dev/hd0t179 16000000 65536 4 60 direct >/tmp/load 2>&1 &
  load=$!
  wait_for 10 has_load "$worker" || return
  end KILL "$worker" && [ ! -e /tmp/data ] || return
  wait $load && echo "the load did not notice" && return 1
  start "$DISK0_OPTIONS" && dd if=/dev/hd0t178 bs=512 count=500 iflag=direct | cmp - /tmp/safe && find_processes &&
    end TERM "$keeper"
}

status_of_a_killed_worker() {
  local job
  devb-virtio -f virtio "$DISK0_OPTIONS" cam user=20:21 >/tmp/log 2>&1 &
  job=$!
  wait_for 20 test -e /dev/hd0t131 && find_processes && [ "$keeper" = $job ] && kill -KILL "$worker" || return
  wait $job
  [ $? -eq 1 ] || return
  cat /tmp/log
  grep -q 'ended by signal 9 (Killed): they are cleaned up' /tmp/log && nothing_is_left
}

status_of_a_clean_stop() {
  local job
  devb-virtio -f virtio "$DISK0_OPTIONS" cam user=20:21,verbose=1 >/tmp/log 2>&1 &
  job=$!
  wait_for 20 test -e /dev/hd0t131 && find_processes && wait_for 20 grep -q hd0t131 /tmp/log && kill -INT $job && wait $job || return
  cat /tmp/log
  ! grep -iE 'denied|not permitted|run as root|cannot|could not|warning' /tmp/log && nothing_is_left
}

# Without a keeper the worker syncs and ends: what was written is safe, and the next start finds the rest.
kill_keeper() {
  start "$DISK0_OPTIONS" blk automount=hd0t131:/tmp/data:ext2 && find_processes && cp /tmp/safe /tmp/data/unsynced &&
    kill -KILL "$keeper" && wait_for 30 stopped || return
  ls -l /dev/hd0
  start "$DISK0_OPTIONS" blk automount=hd0t131:/tmp/data:ext2 && cmp /tmp/safe /tmp/data/unsynced &&
    dd if=/dev/hd0t178 bs=512 count=500 iflag=direct | cmp - /tmp/safe && find_processes && end TERM "$worker" || return
  # nobody knows any more who made the directory: it stays, empty
  ! grep /tmp/data /proc/mounts && rmdir /tmp/data
}

# A mount tool that waits for us: the stop comes while the volume is being mounted.
stopped_while_mounting() {
  local job
  mkdir -p /tmp/bin && mkfifo /tmp/go && dmesg -c >/dev/null || return
  printf '#!/bin/sh\ntouch /tmp/mounting; read -r go </tmp/go; PATH=%s exec mount "$@"\n' "$PATH" >/tmp/bin/mount
  chmod 755 /tmp/bin/mount
  PATH=/tmp/bin:$PATH devb-virtio -f virtio "$DISK0_OPTIONS" cam user=20:21 blk automount=hd0t131:/tmp/data:ext2 >/tmp/log 2>&1 &
  job=$!
  wait_for 20 test -e /tmp/mounting && kill -TERM $job && echo go >/tmp/go && wait $job || return
  cat /tmp/log
  dmesg | grep -iE 'error|ext[24]'
  grep -q 'mounted on /tmp/data' /tmp/log && ! grep -E 'in use|not all|could not' /tmp/log &&
    ! dmesg | grep -iE 'I/O error|EXT4-fs error' && nothing_is_left && [ ! -e /tmp/data ]
}

# 30 s, and twice the deadline of a request.
a_worker_that_does_not_stop() {
  local job
  devb-virtio -f virtio "$DISK0_OPTIONS" cam user=20:21 disk timeout=1 >/tmp/log 2>&1 &
  job=$!
  wait_for 20 grep -q hd0t131 /tmp/log && wait_for 20 find_processes && wait_for 20 is_bare "$worker" && kill -STOP "$worker" &&
    kill -TERM "$keeper" || return
  wait $job
  [ $? -eq 1 ] || return
  cat /tmp/log
  grep -q 'has not stopped within 32 s: it is ended by SIGKILL' /tmp/log && nothing_is_left
}

# Whatever stands in the file that the worker can write to: only what was added for it is taken away again.
lies_about_memory() {
  local key pages
  start "$DISK0_OPTIONS" && find_processes && pages=$(cat /proc/sys/vm/nr_hugepages) && [ "$pages" -gt 0 ] || return
  ! descriptors "$worker" | grep '\.pages' || return
  key=$(key_of hd0)
  echo $((pages + 10)) >/proc/sys/vm/nr_hugepages
  echo "1 $((pages + 10))" >"/run/devb-virtio/lock/$key"
  kill -KILL "$worker" && wait_for 30 stopped || return
  cat /proc/sys/vm/nr_hugepages
  [ "$(cat /proc/sys/vm/nr_hugepages)" -eq 10 ] && echo 0 >/proc/sys/vm/nr_hugepages && nothing_is_left
}

automount() {
  start "$DISK0_OPTIONS" blk automount=hd0t131:/tmp/data:ext2 && cp /tmp/safe /tmp/data/safe && find_processes &&
    is_bare "$worker" && end TERM "$keeper" && [ ! -e /tmp/data ] || return
  start "$DISK0_OPTIONS" blk automount=hd0@131:/tmp/data && cmp /tmp/safe /tmp/data/safe && find_processes && end TERM "$worker"
}

failed_start() {
  exits 1 "automount: /dev/hd0t179 cannot be mounted on /tmp/none" \
    start "$DISK0_OPTIONS" virtio "$DISK1_OPTIONS" blk automount=hd0t131:/tmp/data:ext2,automount=hd0t179:/tmp/none:qnx6 &&
    nothing_is_left && [ ! -e /tmp/data ]
}

# Its volumes are unmounted under it; what is left of it is the keeper's to remove while the worker goes on.
one_of_two_disks_ends() {
  local key
  start "$DISK0_OPTIONS" virtio "$DISK1_OPTIONS" && find_processes && [ -e /dev/hd1 ] || return
  key=$(key_of hd1)
  umount -l "/run/devb-virtio/$key" && wait_for 20 is_gone "$key" || return
  ls -l /dev/hd* /run/devb-virtio/*
  [ ! -L /dev/hd1 ] && is_bare "$worker" && as 20 21 randio /dev/hd0t179 16000000 65536 4 2 direct || return
  # shellcheck disable=SC2046 # several processes
  devb-virtio virtio "$DISK1_OPTIONS" cam quiet && [ -e /dev/hd1 ] && end TERM $(pidof devb-virtio)
}

is_gone() {
  [ ! -e "/run/devb-virtio/lock/$1" ] && [ ! -e "/run/devb-virtio/$1" ]
}

# The disk answers after 4 s, the deadline is 2: the worker resets it and starts it again.
too_late() {
  start "$DISK2_OPTIONS" blk auto=none disk timeout=2 && find_processes || return
  exits 1 'Connection timed out|Input/output error' as 20 21 dd if=/dev/hd0 of=/tmp/got bs=4k count=1 iflag=direct &&
    exits 1 'Connection timed out|Input/output error' as 20 21 dd if=/dev/hd0 of=/tmp/got bs=4k count=1 iflag=direct &&
    is_bare "$worker" && end TERM "$worker"
}

has_grown() {
  [ "$(stat -L -c %s /dev/hd0)" -eq 33554432 ]
}

reads_the_new_part() {
  find_processes && as 20 21 dd if=/dev/hd0 bs=1M skip=31 count=1 iflag=direct | cmp -n 1048576 - /dev/zero && end TERM "$keeper"
}

root_stays_root() {
  devb-virtio virtio "$DISK0_OPTIONS" cam quiet,user=0:0 && [ "$(pidof devb-virtio | wc -w)" -eq 1 ] &&
    [ "$(stat -L -c '%u %g' /dev/hd0)" = "0 0" ] && stop && nothing_is_left
}

# A disk that may still come has to be opened then. The output ends: both processes have left the terminal.
pnp_stays_root() {
  exits 0 'not every disk is there: we stay root until then' devb-virtio virtio "$DISK0_OPTIONS" virtio pci=7 \
    cam pnp,user=20:21 blk automount=hd0t131:/tmp/data:ext2 && find_processes || return
  grep Uid "/proc/$worker/status" | tr '\t' ' ' | grep -qx 'Uid: 0 0 0 0' && grep /tmp/data /proc/mounts &&
    [ "$(stat -L -c '%u %g' /dev/hd0)" = "20 21" ] && end "$1" "$worker" && [ ! -e /tmp/data ]
}

names_of_users() {
  printf 'root:x:0:0::/:/bin/sh\nqnx:x:20:7::/:/bin/sh\n' >/etc/passwd
  printf 'root:x:0:\ndisk:x:21:\n' >/etc/group
  devb-virtio virtio "$DISK0_OPTIONS" cam quiet,user=qnx:disk && find_processes && is_bare "$worker" && end TERM "$keeper"
}

# What CapabilityBoundingSet= of devb-virtio@.service leaves.
with_few_capabilities() {
  setpriv --bounding-set "-all,$(sed -n 's/^CapabilityBoundingSet=//p' /devb-virtio@.service | tr '[:upper:]' '[:lower:]' | sed 's/cap_/+/g; s/ /,/g')" \
    --inh-caps=-all devb-virtio virtio "$DISK0_OPTIONS" cam quiet,user=20:21 \
    blk automount=hd0t131:/tmp/data:ext2 && find_processes &&
    is_bare "$worker" && grep Cap "/proc/$keeper/status" && end TERM "$keeper"
}

# notified SOCKET OPTION...: the daemon keeps its output, so that goes to a file.
notified() {
  local socket=$1
  shift
  notify-listen "$socket" 20 devb-virtio -f virtio "$DISK0_OPTIONS" "$@" >/tmp/log 2>&1 && [ -e /dev/hd0t131 ] || return
  cat /tmp/log
  grep -qx 'READY=1 from the program' /tmp/log && stop && nothing_is_left
}

nobody_listens() {
  NOTIFY_SOCKET=/tmp/nobody devb-virtio -f virtio "$DISK0_OPTIONS" >/tmp/log 2>&1 &
  wait_for 20 grep 'the service manager at NOTIFY_SOCKET=/tmp/nobody was not told (No such file' /tmp/log &&
    [ -e /dev/hd0t131 ] && kill -TERM $! && wait $! && nothing_is_left
}

not_ready() {
  exits 1 'ended without a message' notify-listen @vio 20 devb-virtio -f virtio "$DISK0_OPTIONS" cam user=20:21 blk devdir=/nowhere
}

driver_of_disk0() {
  basename "$(readlink "/sys/bus/pci/devices/$DISK0_BDF/driver")"
}

# The kernel's driver gets this one function alone.
give_to_the_kernel() {
  local function
  for function in /sys/bus/pci/devices/*; do
    [ "$(basename "$function")" = "$DISK0_BDF" ] || echo none >"$function/driver_override" || return
  done
  load_modules virtio_pci virtio_blk && wait_for 20 test -b /dev/vda3
}

a_disk_in_use_stays() {
  give_to_the_kernel && mkdir -p /tmp/m && mount -t ext4 /dev/vda3 /tmp/m || return
  devb-virtio --list | tee /tmp/list
  grep -Eq "^$DISK0_BDF +block .* in use as vda[0-9]* +-\$" /tmp/list &&
    exits 1 "$DISK0_BDF is held by the kernel driver virtio-pci: it is in use as the kernel's disk vda" devb-virtio virtio "$DISK0_OPTIONS" &&
    exits 1 "it is in use as the kernel's disk vda" devb-virtio virtio "$DISK0_OPTIONS,takeover" &&
    ! devb-virtio virtio "$DISK0_OPTIONS" 2>&1 | grep unbind &&
    exits 1 'is a disk that the kernel uses: unmount it first' sh /devb-virtio-bind "$DISK0_BDF" uio_pci_generic &&
    [ "$(driver_of_disk0)" = virtio-pci ] && umount /tmp/m || return
  devb-virtio --list | grep -E "^$DISK0_BDF +block .* virtio-pci +devb-virtio virtio pci=0,takeover\$"
}

# A driver that takes no such function: the kernel's gets it again.
bind_that_fails() {
  exits 2 '^usage' sh /devb-virtio-bind && exits 1 'there is no PCI function' sh /devb-virtio-bind pci=0 uio_pci_generic &&
    exits 1 "fuse does not take $DISK0_BDF .*; it is with virtio-pci again" sh /devb-virtio-bind "$DISK0_BDF" fuse &&
    [ "$(driver_of_disk0)" = virtio-pci ]
}

bound_at_boot() {
  sh /devb-virtio-bind "pci=${DISK0_BDF#0000:},qsize=512" uio_pci_generic &&
    [ "$(driver_of_disk0)" = uio_pci_generic ] &&
    sh /devb-virtio-bind "$DISK0_BDF" uio_pci_generic && start "$DISK0_OPTIONS" && find_processes && is_bare "$worker" &&
    as 20 21 randio /dev/hd0t179 16000000 65536 4 2 direct && end TERM "$keeper"
}

load_modules fuse loop ext4 crc32c_generic
check -t 60 "the worker is user 20, group 21 and has no privilege in any thread" the_worker_is_bare
check "the keeper has nothing of the device and of the volumes" the_keeper_holds_nothing
check "another process of that user cannot look into the worker" nobody_looks_into_the_worker
check "volumes belong to the user, links to root" volumes_belong_to_the_user
check -t 60 "the user reads, writes and syncs" the_user_reads_and_writes
check "others do not" others_do_not
find_processes
check "SIGTERM to the keeper ends both and leaves nothing" end TERM "$keeper"
check "mntuid, mntgid and mntperms win" mntuid_wins
check "SIGTERM to the worker does as well" sigterm_to worker 1
check "SIGTERM to both" sigterm_to_both
check -t 90 "kill -9 of the worker under load: the keeper cleans up, automounts too" kill_worker_under_load
check "and ends with status 1 and a sentence" status_of_a_killed_worker
check "a clean stop ends with status 0 and says nothing" status_of_a_clean_stop
check -t 90 "kill -9 of the keeper: the worker syncs and stops, the next start cleans up" kill_keeper
check -t 60 "a stop while an automount is being mounted undoes that as well" stopped_while_mounting
check -t 90 "a worker that does not stop is killed" a_worker_that_does_not_stop
check "what the worker can write does not shrink the pool of huge pages" lies_about_memory
check -t 60 "automounts are undone, whoever is told to stop" automount
check "a start that fails leaves nothing" failed_start
check -t 90 "a disk that answers too late is reset and started again by the worker" too_late
check "user=0:0 stays root, in one process" root_stays_root
check "cam pnp: root until every disk is there; SIGTERM leaves nothing" pnp_stays_root TERM
check "cam pnp: nor does kill -9 of the worker" pnp_stays_root KILL
check "names of users and groups" names_of_users
check "systemd: CapabilityBoundingSet= of the unit is enough" with_few_capabilities
check "systemd: READY=1 to a socket in the file system" notified /tmp/notify cam quiet
check "systemd: READY=1 to an abstract socket, from the keeper" notified @vio cam quiet,user=20:21
check "systemd: a socket that nobody listens to costs a warning" nobody_listens
check "systemd: no message when the start fails" not_ready
check -t 60 "one of two disks ends: nothing is left of it, the other stays" one_of_two_disks_ends
if [ "$MACHINE" = q35 ]; then
  check -t 60 "a disk that the kernel uses is not offered, not taken, and left where it is" a_disk_in_use_stays
  check "devb-virtio-bind undoes what it did when it fails" bind_that_fails
  check "devb-virtio-bind gives a function to uio_pci_generic" bound_at_boot
fi
start "$DISK1_OPTIONS"
say "GROW ME"
check "a disk that grows is seen to grow" wait_for 20 has_grown
check "and is read to its new end" reads_the_new_part
