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
#include <sys/stat.h>
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

/* Asked afresh: for what it remembers, the kernel doesn't look whether anybody is there. */
static bool is_dead(const char *dir)
{
	struct statx attr;

	return statx(AT_FDCWD, dir, AT_STATX_FORCE_SYNC, STATX_TYPE, &attr) < 0 &&
	       (errno == ENOTCONN || errno == ECONNABORTED);
}

/* What a killed process left behind. */
static void detach_dead(const char *dir)
{
	/* Bounded: somebody could mount dead ones as fast as they are detached. */
	for (int i = 0; i < 16 && is_dead(dir); i++)
		umount2(dir, MNT_DETACH);
}

/* Asks the kernel only: a question to the file system would wait for ourselves. */
static bool read_device(const char *dir, uint32_t *major, uint32_t *minor)
{
	struct statx attr;

	*major = *minor = 0;
	if (statx(AT_FDCWD, dir, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &attr) < 0)
		return false;
	*major = attr.stx_dev_major;
	*minor = attr.stx_dev_minor;
	return true;
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

	detach_dead(options->mount_dir);

	char *dir = realpath(options->mount_dir, NULL);

	if (!dir) {
		error = -errno;
		goto fail;
	}
	error = mount_at(dir, fd, options);
	if (error < 0)
		goto fail;
	mount->dir = dir;
	read_device(dir, &mount->major, &mount->minor);
	return 0;
fail:
	explain(why, why_size, options->mount_dir, error);
	free(dir);
	return error;
}

static bool is_ours(const struct fsg_mount *mount)
{
	uint32_t major;
	uint32_t minor;

	return read_device(mount->dir, &major, &minor) && major == mount->major &&
	       minor == mount->minor;
}

void fsg_mount_set_read_ahead(const struct fsg_mount *mount, size_t size)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", mount->major,
		 mount->minor);
	file = fopen(path, "we");
	if (!file) /* no sysfs: reads are merely smaller */
		return;
	fprintf(file, "%zu", size / 1024);
	fclose(file);
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
