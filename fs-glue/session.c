/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libfuse as a decoder: it takes a message from memory, calls the function of
 * fsg_operations for it, and hands its reply to write_reply(). It never reads.
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

/*
 * The answer to the kernel's greeting: libfuse 3.14 doesn't know of io_uring, and so
 * nothing of it is in its answer. From here on the kernel holds everything back
 * until the entries are there.
 */
static void accept_uring(struct fsg_channel *channel, const struct iovec *iov, int count)
{
	const struct fuse_out_header *head = iov[0].iov_base;
	struct fuse_init_out *out;

	if (!channel->connection->uring_offered || count < 2 || head->error ||
	    iov[1].iov_len < sizeof(*out) || !fsg_uring_open(channel->connection))
		return;
	out = iov[1].iov_base;
	out->flags |= FUSE_INIT_EXT;
	out->flags2 |= (uint32_t)(FUSE_OVER_IO_URING >> 32);
}

/*
 * Every answer of libfuse's leaves here, in order, while its memory is still held.
 * A write to /dev/fuse doesn't block: it copies into the waiting process and wakes it.
 */
static ssize_t write_reply(int fd, struct iovec *iov, int count, void *userdata)
{
	struct fsg_channel *channel = userdata;

	if (channel->is_learning)
		return (ssize_t)((const struct fuse_out_header *)iov[0].iov_base)->len;
	if (channel->answering) {
		fsg_uring_answer(channel->answering, iov, count);
		channel->answering = NULL;
		return (ssize_t)((const struct fuse_out_header *)iov[0].iov_base)->len;
	}
	if (!fsg_channel_is_greeted(channel))
		accept_uring(channel, iov, count);
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

/* Does the kernel's greeting, its first message, offer io_uring? */
static bool offers_uring(const void *message, size_t size)
{
	const struct fuse_in_header *header = message;
	const struct fuse_init_in *in = (const struct fuse_init_in *)(header + 1);

	return header->opcode == FUSE_INIT && size >= sizeof(*header) + sizeof(*in) &&
	       (in->flags & FUSE_INIT_EXT) && (in->flags2 & (FUSE_OVER_IO_URING >> 32));
}

/*
 * The kernel bounds its read-ahead by 128 KiB while it greets a file system, and
 * takes a larger one afterwards.
 */
static void greet(struct fsg_connection *connection, const void *message, size_t size)
{
	fsg_mount_point_set_read_ahead(&connection->mount.device, connection->io_max);
	connection->greeting_size = size < FSG_GREETING_MAX ? size : FSG_GREETING_MAX;
	memcpy(connection->greeting, message, connection->greeting_size);
	atomic_store_explicit(&connection->greeted, true, memory_order_release);
}

static void process(struct fsg_channel *channel, const void *message, size_t size)
{
	const struct fuse_buf buffer = {.mem = (void *)(uintptr_t)message, .size = size};

	fuse_session_process_buf(channel->session, &buffer);
	if (fuse_session_exited(channel->session)) /* no common language with this kernel */
		fsg_channel_end(channel);
}

/* A decoder answers nothing that comes before a greeting; the kernel greets only once. */
void fsg_session_learn(struct fsg_channel *channel)
{
	channel->is_learning = true;
	process(channel, channel->connection->greeting, channel->connection->greeting_size);
	channel->is_learning = false;
}

void fsg_session_decode(struct fsg_channel *channel, const void *message, size_t size)
{
	struct fsg_connection *connection = channel->connection;
	bool is_greeting = !fsg_channel_is_greeted(channel);

	/* No request can be taken back; libfuse would keep the interrupts of those it never saw. */
	if (((const struct fuse_in_header *)message)->opcode == FUSE_INTERRUPT)
		return;
	if (is_greeting)
		connection->uring_offered = !connection->no_uring && offers_uring(message, size);
	process(channel, message, size);
	if (is_greeting)
		greet(connection, message, size);
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
