/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process that may no longer remove it, or never came to it, leaves of a disk. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_ids.h>

#include <vio-transport/open.h>
#include <vio/log.h>

#include "automount.h"
#include "keeper.h"
#include "names.h"

enum {
	MOUNTS_MAX = 16,        /* chosen: one is ours, and as many a start as were killed */
	VANISH_LIMIT_MS = 5000, /* chosen: no hot-plug takes so long */
	VANISH_PAUSE_MS = 50,
};

void devb_keeper_hide(const char *devdir, const char *name)
{
	struct devb_names names = {.count = 0};

	snprintf(names.devdir, sizeof(names.devdir), "%s", devdir);
	snprintf(names.key, sizeof(names.key), "%s", name);
	snprintf(names.target_dir, sizeof(names.target_dir), VIOT_RUN_DIR "/%s", name);
	devb_names_remove_all(&names);
}

/* By force: nobody answers there any more. */
static void unmount(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), VIOT_RUN_DIR "/%s", name);
	for (int i = 0; i < MOUNTS_MAX; i++) {
		if (umount2(path, MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW) < 0) {
			break;
		}
	}
	rmdir(path);
}

/*
 * Opening takes over the memory that the worker had, once the device is reset, and
 * closing gives it all back: the way of every start after a kill. 0 without a
 * transport: a kind of device that needs no cleaning.
 */
static int open_device(const char *name, struct vio_transport **transport, struct vio_error *err)
{
	const struct viot_options options = {
		.dma_size = 1, /* page: as small as can be */
		.device_type = VIRTIO_ID_BLOCK,
		.interrupts = VIOT_INTERRUPTS_POLL,
	};
	struct viot_address address;

	*transport = NULL;
	return devb_keep_address(name, &address) < 0
		       ? 0
		       : viot_open(transport, &address, &options, err);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Once more before closing: it may have been pulled since it was opened. */
static int reset_and_close(struct vio_transport *transport, struct vio_error *err)
{
	int rc = transport ? vio_transport_reset(transport, err) : 0;

	vio_transport_close(transport);
	return rc;
}

/*
 * A function that was pulled answers strangely, or not at all, before the kernel removes
 * it: then nothing is there to be reset. 0 when it is gone, or could be reset after all.
 */
static int forget_or_reset(const char *name, struct vio_error *err)
{
	int64_t limit_ms = now_ms() + VANISH_LIMIT_MS;
	struct vio_error still_there;
	struct vio_transport *transport;
	int rc;

	do {
		if (viot_forget(name, &still_there) == 0) {
			return 0;
		}
		poll(NULL, 0, VANISH_PAUSE_MS);
		rc = open_device(name, &transport, err);
		rc = rc < 0 ? rc : reset_and_close(transport, err);
	} while (rc < 0 && now_ms() < limit_ms);
	return rc;
}

/* While the device is ours: its next driver may have the same names and mount points. */
bool devb_keeper_clean(const char *devdir, const char *name)
{
	struct vio_transport *transport;
	struct vio_error err;
	int rc = open_device(name, &transport, &err);

	if (rc < 0 && viot_is_driven(name)) {
		vio_log(VIO_LOG_WARN, "%s is left to the process that drives it: %s", name,
			err.text);
		return false;
	}
	devb_automount_undo(name);
	devb_keeper_hide(devdir, name);
	unmount(name);
	rc = rc < 0 ? rc : reset_and_close(transport, &err);
	if (rc < 0 && forget_or_reset(name, &err) < 0) {
		vio_log(VIO_LOG_WARN, "%s could not be cleaned up: %s", name, err.text);
	}
	return true;
}
