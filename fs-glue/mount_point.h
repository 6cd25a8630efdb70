/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The directory that something of FUSE is mounted at, as the kernel sees it. Nothing here asks
 * the file system itself, but where it says so: that could be ourselves.
 *
 * Thread: any, one at a time for each mount.
 */
#ifndef FSG_MOUNT_POINT_H
#define FSG_MOUNT_POINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which file system is mounted there: an anonymous device number of the kernel's. */
struct fsg_mount_device {
	uint32_t major, minor;
};

/**
 * fsg_mount_point_clear - detach the mounts that killed processes left at @dir
 *
 * Asks what is mounted there, which a live one has to answer.
 */
void fsg_mount_point_clear(const char *dir);

/* What is at @dir now; all zero, and false, if that cannot be told. */
bool fsg_mount_point_device(const char *dir, struct fsg_mount_device *device);

/*
 * How much the kernel reads at once for a program that reads in order; for a mount that the
 * kernel has greeted, since it bounds this by 128 KiB then. Does nothing where it may not.
 */
void fsg_mount_point_set_read_ahead(const struct fsg_mount_device *device, size_t size);

#endif
