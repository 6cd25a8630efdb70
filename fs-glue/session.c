/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libfuse as a decoder: it takes a message from memory, calls the function of
 * fsg_operations for it, and hands its reply to write_reply(). It never reads.
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/uio.h>

/*
 * Every reply leaves here, in order, while its memory is still held. A write to
 * /dev/fuse doesn't block: it copies into the waiting process and wakes it.
 */
static ssize_t write_reply(int fd, struct iovec *iov, int count, void *userdata)
{
	(void)userdata;
	return writev(fd, iov, count);
}

/* libfuse insists on one; the program's loop does the reading. */
static ssize_t read_nothing(int fd, void *buffer, size_t size, void *userdata)
{
	(void)fd;
	(void)buffer;
	(void)size;
	(void)userdata;
	errno = ENOSYS;
	return -1;
}

static int attach(struct fuse_session *session, int fd)
{
	static const struct fuse_custom_io io = {.writev = write_reply, .read = read_nothing};

	return fuse_session_custom_io(session, &io, fd);
}

struct fuse_session *fsg_session_open(struct fsg_channel *channel)
{
	char program[] = "";
	char max_read[32];
	char *argv[] = {program, max_read, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(2, argv);

	/* The mount's option once more: libfuse refuses to start when they differ. */
	snprintf(max_read, sizeof(max_read), "-omax_read=%zu", channel->io_max);

	struct fuse_session *session =
		fuse_session_new(&args, &fsg_operations, sizeof(fsg_operations), channel);

	fuse_opt_free_args(&args);
	if (session && attach(session, channel->fd) < 0) {
		fuse_session_destroy(session);
		return NULL;
	}
	return session;
}
