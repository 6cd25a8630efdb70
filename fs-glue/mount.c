/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/fuse and the mount, without the helper program fusermount3: whoever runs
 * this has the privileges for mount(2), and the helper is one package less.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#define NO_FUSE  "this kernel has no FUSE (%s): load it with 'modprobe fuse'"
#define NO_RIGHT "%s: %s: mounting volumes needs root (CAP_SYS_ADMIN)"

#ifndef FUSE_DEV_IOC_CLONE
#define FUSE_DEV_IOC_CLONE _IOR(229, 0, uint32_t)
#endif

int fsg_device_clone(int fd, char *why, size_t why_size)
{
	int clone = fsg_device_open(why, why_size);
	uint32_t of = (uint32_t)fd;

	if (clone >= 0 && ioctl(clone, FUSE_DEV_IOC_CLONE, &of) < 0) {
		snprintf(why, why_size, "/dev/fuse: one more channel: %s", strerror(errno));
		close(clone);
		return -ENOTSUP;
	}
	return clone;
}

int fsg_device_open(char *why, size_t why_size)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;

	int error = errno;

	if (error == ENOENT || error == ENODEV || error == ENXIO)
		snprintf(why, why_size, NO_FUSE, "/dev/fuse is missing");
	else if (error == EACCES || error == EPERM)
		snprintf(why, why_size, NO_RIGHT, "/dev/fuse", strerror(error));
	else
		snprintf(why, why_size, "/dev/fuse: %s", strerror(error));
	return -error;
}

static int mount_at(const char *dir, int fd, const struct fsg_channel_options *options)
{
	char type[64];
	char data[256];
	unsigned max_read = (unsigned)options->io_max;

	snprintf(type, sizeof(type), "fuse.%s", options->source);
	/* The kernel checks permissions, from the attributes that we give. */
	snprintf(data, sizeof(data),
		 "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other,default_permissions,"
		 "max_read=%u",
		 fd, getuid(), getgid(), max_read);
	return mount(options->source, dir, type, MS_NOSUID | MS_NODEV, data) < 0 ? -errno : 0;
}

static void explain(char *why, size_t why_size, const char *dir, int error)
{
	if (error == -ENODEV)
		snprintf(why, why_size, NO_FUSE, "mount: unknown file system");
	else if (error == -EPERM || error == -EACCES)
		snprintf(why, why_size, NO_RIGHT, dir, strerror(-error));
	else if (error == -ENOENT || error == -ENOTDIR)
		snprintf(why, why_size, "%s: no such directory to mount volumes at", dir);
	else
		snprintf(why, why_size, "%s: cannot mount volumes there: %s", dir,
			 strerror(-error));
}

int fsg_mount_open(struct fsg_mount *mount, int fd, const struct fsg_channel_options *options,
		   char *why, size_t why_size)
{
	int error;

	fsg_mount_point_clear(options->mount_dir);

	char *dir = realpath(options->mount_dir, NULL);

	if (!dir) {
		error = -errno;
		goto fail;
	}
	error = mount_at(dir, fd, options);
	if (error < 0)
		goto fail;
	mount->dir = dir;
	fsg_mount_point_device(dir, &mount->device);
	return 0;
fail:
	explain(why, why_size, options->mount_dir, error);
	free(dir);
	return error;
}

static bool is_ours(const struct fsg_mount *mount)
{
	struct fsg_mount_device now;

	return fsg_mount_point_device(mount->dir, &now) && now.major == mount->device.major &&
	       now.minor == mount->device.minor;
}

void fsg_mount_close(struct fsg_mount *mount)
{
	if (!mount->dir)
		return;
	/*
	 * By force: the connection ends first, so that nothing of the unmounting
	 * can wait for an answer from the very thread that unmounts. Lazily: the
	 * name goes even when files are open.
	 */
	if (is_ours(mount))
		umount2(mount->dir, MNT_FORCE | MNT_DETACH);
	free(mount->dir);
	mount->dir = NULL;
}
