/* SPDX-License-Identifier: BSD-3-Clause */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void fsg_channel_end(struct fsg_channel *channel)
{
	channel->ended = true;
	/* Nothing is heard of them from now on. */
	channel->open_files = 0;
}

struct io_uring_sqe *fsg_channel_sqe(struct fsg_channel *channel)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(channel->ring);

	if (sqe || io_uring_submit(channel->ring) < 0)
		return sqe;
	return io_uring_get_sqe(channel->ring);
}

void fsg_channel_attach(struct fsg_channel *channel, struct io_uring *ring)
{
	channel->ring = ring;
}

void fsg_channel_prepare(struct fsg_channel *channel)
{
	if (channel->ended)
		return;
	if (channel->entries)
		fsg_uring_prepare(channel);
	fsg_device_prepare(channel);
}

void fsg_channel_completed(struct fsg_channel *channel, uint64_t data, int result)
{
	void *owner = (void *)(uintptr_t)(data & ~(uint64_t)FSG_TAG_MASK);

	switch ((enum fsg_tag)(data & FSG_TAG_MASK)) {
	case FSG_TAG_ANSWER:
		fsg_device_answered(owner);
		break;
	case FSG_TAG_READ:
		fsg_device_received(channel, result);
		break;
	case FSG_TAG_ENTRY:
		fsg_uring_fetched(owner, result);
		break;
	case FSG_TAG_CANCEL:
	case FSG_TAG_MASK:
		break;
	}
}

bool fsg_channel_stop(struct fsg_channel *channel)
{
	channel->stopping = true;
	fsg_device_cancel(channel);
	return !channel->reading && channel->answers == 0;
}

bool fsg_channel_ended(const struct fsg_channel *channel)
{
	return channel->ended;
}

unsigned fsg_channel_in_flight(const struct fsg_channel *channel)
{
	return channel->in_flight;
}

bool fsg_channel_uses_uring(const struct fsg_channel *channel)
{
	return channel->uses_uring;
}

unsigned fsg_channel_open_files(const struct fsg_channel *channel)
{
	return channel->open_files;
}

static int check_options(const struct fsg_channel_options *options, char *why, size_t why_size)
{
	if (options->io_max < FSG_PAGE || options->io_max > DEVB_IO_MAX) {
		snprintf(why, why_size, "largest request of %zu bytes: expected %u to %u",
			 options->io_max, FSG_PAGE, DEVB_IO_MAX);
		return -EINVAL;
	}
	if (options->memory_size < FSG_MEMORY_MIN) {
		snprintf(why, why_size, "%zu bytes of memory for requests: expected at least %zu",
			 options->memory_size, FSG_MEMORY_MIN);
		return -EINVAL;
	}
	return 0;
}

/* The parts in the order that they need each other. */
static int open_parts(struct fsg_channel *channel, const struct fsg_channel_options *options,
		      char *why, size_t why_size)
{
	int error = fsg_arena_open(&channel->arena, options->memory, options->memory_size);

	if (error < 0) {
		snprintf(why, why_size, "memory for requests: %s",
			 error == -EINVAL ? "not page aligned" : "out of memory");
		return error;
	}
	error = channel->fd = fsg_device_open(why, why_size);
	if (error < 0)
		goto close_arena;
	channel->session = fsg_session_open(channel);
	if (!channel->session) {
		snprintf(why, why_size, "FUSE session: out of memory");
		error = -ENOMEM;
		goto close_fd;
	}
	error = fsg_mount_open(&channel->mount, channel->fd, options, why, why_size);
	if (error < 0)
		goto destroy_session;
	return 0;

destroy_session:
	fuse_session_destroy(channel->session); /* and closes fd */
	goto close_arena;
close_fd:
	close(channel->fd);
close_arena:
	fsg_arena_close(&channel->arena);
	return error;
}

int fsg_channel_open(struct fsg_channel **channel, struct fsg_tree *tree,
		     const struct fsg_channel_options *options, char *why, size_t why_size)
{
	struct fsg_channel_options actual = *options;

	/* Whole pages: the kernel would cut its requests on such a boundary anyway. */
	actual.io_max = actual.io_max ? actual.io_max / FSG_PAGE * FSG_PAGE : DEVB_IO_MAX;

	int error = check_options(&actual, why, why_size);

	if (error < 0)
		return error;

	struct fsg_channel *opened = calloc(1, sizeof(*opened));

	if (!opened) {
		snprintf(why, why_size, "FUSE channel: out of memory");
		return -ENOMEM;
	}
	opened->tree = tree;
	opened->io_max = actual.io_max;
	opened->no_uring = actual.no_uring;
	fsg_device_init(opened);
	error = open_parts(opened, &actual, why, why_size);
	if (error < 0)
		free(opened);
	else
		*channel = opened;
	return error;
}

void fsg_channel_abort(struct fsg_channel *channel)
{
	fsg_mount_close(&channel->mount);
	fsg_channel_end(channel);
}

void fsg_channel_close(struct fsg_channel *channel)
{
	if (!channel)
		return;
	fsg_mount_close(&channel->mount);
	fuse_session_destroy(channel->session);
	fsg_uring_close(channel);
	fsg_arena_close(&channel->arena);
	free(channel);
}
