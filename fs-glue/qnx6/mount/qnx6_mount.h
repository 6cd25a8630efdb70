/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A QNX6 volume as a mounted file system, through FUSE, for reading.
 *
 *   qnx6_mount_open()    mounted, and the kernel has greeted it; threads of its own serve it
 *   qnx6_mount_close()   unmounted, threads ended
 *
 *   struct qnx6_mount_options options = {.dir = "/mydisk", .name = "/dev/hd0t179"};
 *   struct qnx6_mount *mount;
 *
 *   if (qnx6_mount_open(&mount, volume, source, &options, why, sizeof(why)) < 0)
 *           fprintf(stderr, "%s\n", why);
 *
 * Each of the threads takes one request at a time, from the kernel to its answer: as many are
 * under way at once as there are threads. What a file holds is read into memory of the source's
 * own (qnx6_source_ops.alloc), and answered from there.
 *
 * The volume is not trusted, and neither is that it stays as it is; whoever reads what is
 * damaged gets EIO. Nothing can be written: the kernel says EROFS.
 *
 * Thread: one, which must not touch a path in @dir before open returned, or after close began.
 */
#ifndef QNX6_MOUNT_H
#define QNX6_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "qnx6.h"
#include "source.h"

struct qnx6_mount;

#define QNX6_MOUNT_WORKERS_MAX 64u
/* What each of them takes from the source's alloc. */
#define QNX6_MOUNT_BUFFER (1u << 20)

struct qnx6_mount_options {
	const char *dir;  /* an existing directory; a dead mount of before is detached there */
	const char *name; /* of the source: first field of /proc/mounts */
	/*
	 * As behind mount -o: uid=, gid=, umask=, workers=, allow_other, private (which takes that
	 * back), default_permissions (which allow_other brings along), nosuid, nodev, noexec and
	 * the like. NULL: none. What makes no difference to a volume that is only read is taken and
	 * ignored, rw too; what is not known is refused, unless is_sloppy.
	 */
	const char *options;
	bool is_sloppy;

	/* On each of the threads, before it serves. NULL: nothing. */
	void (*started)(void *context);
	/* The mount is gone: on one of the threads, at most once, never after close. NULL: nothing.
	 */
	void (*ended)(void *context);
	/* Of a single name or file, one sentence without a newline, at most 100 times. Any thread.
	 */
	void (*warn)(void *context, const char *text);
	void *context;
};

/**
 * qnx6_mount_check - would these options be taken?
 *
 * Returns how many threads there would be, at least 1; -EINVAL with one sentence in @why.
 */
int qnx6_mount_check(const char *options, char *why, size_t why_size);

/**
 * qnx6_mount_open - mount @volume
 * @volume, @source: not owned; outlive the mount. @source is the volume's
 * @options: only read during the call
 *
 * Returns 0; or a negative errno with one sentence in @why, and nothing is mounted then: no FUSE
 * in this kernel, no right, no such directory, -EINVAL for an option. Blocks until the kernel
 * has greeted the mount, 5 s at most.
 */
int qnx6_mount_open(struct qnx6_mount **out, struct qnx6_volume *volume, struct qnx6_source *source,
		    const struct qnx6_mount_options *options, char *why, size_t why_size);

/**
 * qnx6_mount_close - end the threads, after the requests that they have in hand
 * @unmount: first; false leaves that to who has the right to, or has done it
 *
 * Returns 0; or -EBUSY if files were in use: their users get ENOTCONN from now on. Waits for what
 * the source is asked, no longer. NULL is allowed.
 */
int qnx6_mount_close(struct qnx6_mount *mount, bool unmount);

#endif
