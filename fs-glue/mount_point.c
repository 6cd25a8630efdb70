/* SPDX-License-Identifier: BSD-3-Clause */
#include "mount_point.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* Asked afresh: for what it remembers, the kernel doesn't look whether anybody is there. */
static bool is_dead(const char *dir)
{
	struct statx attr;

	return statx(AT_FDCWD, dir, AT_STATX_FORCE_SYNC, STATX_TYPE, &attr) < 0 &&
	       (errno == ENOTCONN || errno == ECONNABORTED);
}

void fsg_mount_point_clear(const char *dir)
{
	/* Bounded: somebody could mount dead ones as fast as they are detached. */
	for (int i = 0; i < 16 && is_dead(dir); i++)
		umount2(dir, MNT_DETACH);
}

bool fsg_mount_point_device(const char *dir, struct fsg_mount_device *device)
{
	struct statx attr;

	*device = (struct fsg_mount_device){0};
	if (statx(AT_FDCWD, dir, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &attr) < 0)
		return false;
	device->major = attr.stx_dev_major;
	device->minor = attr.stx_dev_minor;
	return true;
}

void fsg_mount_point_set_read_ahead(const struct fsg_mount_device *device, size_t size)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", device->major,
		 device->minor);
	file = fopen(path, "we");
	if (!file) /* no sysfs: reads are merely smaller */
		return;
	fprintf(file, "%zu", size / 1024);
	fclose(file);
}
