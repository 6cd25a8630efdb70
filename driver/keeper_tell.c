/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vio/log.h>

#include "keeper.h"

enum {
	STOP_LIMIT_MS = 12500000, /* as many automounts as there may be, each at its limit twice */
};

static int keeper_fd = -1;
static pid_t keeper_pid;
static bool has_dropped;

void devb_keeper_join(int fd, int keeper)
{
	keeper_fd = fd;
	keeper_pid = keeper;
}

int devb_keeper_watch(struct vio_error *err)
{
	if (keeper_fd < 0) {
		return 0;
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	/* it may have gone before we asked */
	return getppid() == keeper_pid ? 0
				       : vio_fail(err, -EIO,
						  "process %d, which was to clean up "
						  "after this one, is gone",
						  (int)keeper_pid);
}

/* A keeper that is gone is noticed by the signal that comes with it. */
static void tell(struct devb_keep_message *message)
{
	if (keeper_fd >= 0 && send(keeper_fd, message, sizeof(*message), MSG_NOSIGNAL) < 0) {
		vio_log(VIO_LOG_DEBUG, "the keeper does not hear us (%s)", strerror(errno));
	}
}

void devb_keeper_has_disk(unsigned disk, const char *name)
{
	struct devb_keep_message message = {.kind = DEVB_KEEP_DISK, .disk = disk};

	snprintf(message.name, sizeof(message.name), "%s", name);
	tell(&message);
}

void devb_keeper_has_mount(unsigned disk, unsigned automount, bool made_dir)
{
	tell(&(struct devb_keep_message){.kind = DEVB_KEEP_MOUNT,
					 .disk = disk,
					 .automount = automount,
					 .made_dir = made_dir});
}

void devb_keeper_lost_disk(unsigned disk)
{
	tell(&(struct devb_keep_message){.kind = has_dropped ? DEVB_KEEP_ENDED : DEVB_KEEP_FORGET,
					 .disk = disk});
}

void devb_keeper_drop(void)
{
	tell(&(struct devb_keep_message){.kind = DEVB_KEEP_DROP});
	has_dropped = true;
}

bool devb_keeper_ready(void)
{
	tell(&(struct devb_keep_message){.kind = DEVB_KEEP_READY});
	return keeper_fd >= 0;
}

bool devb_keeper_stop(void)
{
	struct pollfd answer = {.fd = keeper_fd, .events = POLLIN};
	char byte;

	if (keeper_fd < 0) {
		return false;
	}
	tell(&(struct devb_keep_message){.kind = DEVB_KEEP_STOP});
	return poll(&answer, 1, STOP_LIMIT_MS) == 1 && recv(keeper_fd, &byte, 1, MSG_DONTWAIT) == 1;
}
