/* SPDX-License-Identifier: BSD-3-Clause */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The kernel sends nothing into less than this (FUSE_MIN_READ_BUFFER). */
#define MESSAGE_MIN 8192u

static size_t message_size(const struct fsg_channel *channel)
{
	size_t size = FSG_HEADER_SIZE + channel->io_max;

	return size < MESSAGE_MIN ? MESSAGE_MIN : size;
}

/* A page in front of the data, of which the header takes the end. */
static size_t message_room(const struct fsg_channel *channel)
{
	return FSG_PAGE - FSG_HEADER_SIZE + message_size(channel);
}

static unsigned char *message(const struct fsg_channel *channel)
{
	return fsg_channel_data(channel) - FSG_HEADER_SIZE;
}

unsigned char *fsg_channel_data(const struct fsg_channel *channel)
{
	return (unsigned char *)fsg_arena_address(&channel->arena, channel->incoming) + FSG_PAGE;
}

bool fsg_channel_receive(struct fsg_channel *channel, void **where, size_t *size)
{
	if (channel->ended || !channel->free_requests)
		return false;
	if (!channel->incoming)
		channel->incoming = fsg_arena_alloc(&channel->arena, message_room(channel));
	if (!channel->incoming)
		return false;
	*where = message(channel);
	*size = message_size(channel);
	return true;
}

/* Nothing came, or the kernel has already answered a message that it couldn't hand over. */
static bool is_passing(ssize_t error)
{
	return error == -EAGAIN || error == -EINTR || error == -ENOENT || error == -ECANCELED ||
	       error == -ENOMEM || error == -EIO;
}

static void end(struct fsg_channel *channel)
{
	channel->ended = true;
	/* Nothing is heard of them from now on. */
	channel->open_files = 0;
}

/*
 * The kernel bounds its read-ahead by 128 KiB while it greets a file system, and
 * takes a larger one afterwards.
 */
static void greet(struct fsg_channel *channel)
{
	if (channel->greeted)
		return;
	channel->greeted = true;
	fsg_mount_set_read_ahead(&channel->mount, channel->io_max);
}

static void decode(struct fsg_channel *channel, size_t size)
{
	const struct fuse_buf buffer = {.mem = message(channel), .size = size};

	fuse_session_process_buf(channel->session, &buffer);
	if (channel->incoming) { /* no request has kept it */
		fsg_arena_free(&channel->arena, channel->incoming);
		channel->incoming = NULL;
	}
	if (fuse_session_exited(channel->session)) /* no common language with this kernel */
		end(channel);
	greet(channel);
}

void fsg_channel_received(struct fsg_channel *channel, ssize_t result)
{
	if (channel->ended || !channel->incoming)
		return;
	if (result >= (ssize_t)sizeof(struct fuse_in_header))
		decode(channel, (size_t)result);
	else if (!is_passing(result))
		end(channel);
}

int fsg_channel_fd(const struct fsg_channel *channel)
{
	return channel->ended ? -1 : channel->fd;
}

bool fsg_channel_ended(const struct fsg_channel *channel)
{
	return channel->ended;
}

unsigned fsg_channel_in_flight(const struct fsg_channel *channel)
{
	return channel->in_flight;
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
	fsg_requests_init(opened);
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
	end(channel);
}

void fsg_channel_close(struct fsg_channel *channel)
{
	if (!channel)
		return;
	fsg_mount_close(&channel->mount);
	fuse_session_destroy(channel->session);
	fsg_arena_close(&channel->arena);
	free(channel);
}
