/* SPDX-License-Identifier: BSD-3-Clause */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int check_io_max(size_t io_max, char *why, size_t why_size)
{
	if (io_max >= FSG_PAGE && io_max <= DEVB_IO_MAX)
		return 0;
	snprintf(why, why_size, "largest request of %zu bytes: expected %u to %u", io_max, FSG_PAGE,
		 DEVB_IO_MAX);
	return -EINVAL;
}

static int open_arena(struct fsg_channel *channel, void *memory, size_t size, char *why,
		      size_t why_size)
{
	if (size < FSG_MEMORY_MIN) {
		snprintf(why, why_size, "%zu bytes of memory for requests: expected at least %zu",
			 size, FSG_MEMORY_MIN);
		return -EINVAL;
	}

	int error = fsg_arena_open(&channel->arena, memory, size);

	if (error < 0)
		snprintf(why, why_size, "memory for requests: %s",
			 error == -EINVAL ? "not page aligned" : "out of memory");
	return error;
}

/* Takes over @fd, which may be an error that was explained. */
static int open_session(struct fsg_channel *channel, int fd, char *why, size_t why_size)
{
	if (fd < 0)
		return fd;
	channel->fd = fd;
	channel->session = fsg_session_open(channel);
	if (channel->session)
		return 0;
	snprintf(why, why_size, "FUSE session: out of memory");
	close(fd);
	return -ENOMEM;
}

static void free_channel(struct fsg_channel *channel)
{
	if (channel->session)
		fuse_session_destroy(channel->session); /* and closes fd */
	fsg_uring_close(channel);
	fsg_arena_close(&channel->arena);
	free(channel);
}

/* A channel without a file descriptor. */
static int add_channel(struct fsg_channel **channel, struct fsg_connection *connection,
		       void *memory, size_t memory_size, char *why, size_t why_size)
{
	struct fsg_channel *added;
	int error;

	if (connection->channel_count == FSG_CHANNELS_MAX) {
		snprintf(why, why_size, "more than %u FUSE channels", FSG_CHANNELS_MAX);
		return -ENOSPC;
	}
	added = calloc(1, sizeof(*added));
	if (!added) {
		snprintf(why, why_size, "FUSE channel: out of memory");
		return -ENOMEM;
	}
	added->connection = connection;
	added->index = connection->channel_count;
	added->io_max = connection->io_max;
	fsg_device_init(added);
	error = open_arena(added, memory, memory_size, why, why_size);
	if (error < 0) {
		free(added);
		return error;
	}
	connection->channels[connection->channel_count++] = added;
	*channel = added;
	return 0;
}

static int open_first(struct fsg_channel **channel, struct fsg_connection *connection,
		      const struct fsg_channel_options *options, char *why, size_t why_size)
{
	struct fsg_channel *first;
	int error = add_channel(&first, connection, options->memory, options->memory_size, why,
				why_size);

	if (error < 0)
		return error;
	error = open_session(first, fsg_device_open(why, why_size), why, why_size);
	if (error == 0)
		error = fsg_mount_open(&connection->mount, first->fd, options, why, why_size);
	if (error < 0)
		free_channel(first);
	else
		*channel = first;
	return error;
}

int fsg_channel_open(struct fsg_channel **channel, struct fsg_tree *tree,
		     const struct fsg_channel_options *options, char *why, size_t why_size)
{
	struct fsg_channel_options actual = *options;

	/* Whole pages: the kernel would cut its requests on such a boundary anyway. */
	actual.io_max = actual.io_max ? actual.io_max / FSG_PAGE * FSG_PAGE : DEVB_IO_MAX;

	int error = check_io_max(actual.io_max, why, why_size);

	if (error < 0)
		return error;

	struct fsg_connection *connection = calloc(1, sizeof(*connection));

	if (!connection) {
		snprintf(why, why_size, "FUSE connection: out of memory");
		return -ENOMEM;
	}
	connection->tree = tree;
	connection->io_max = actual.io_max;
	connection->no_uring = actual.no_uring;
	error = open_first(channel, connection, &actual, why, why_size);
	if (error < 0)
		free(connection);
	return error;
}

int fsg_channel_clone(struct fsg_channel **channel, struct fsg_channel *first, void *memory,
		      size_t memory_size, char *why, size_t why_size)
{
	struct fsg_connection *connection = first->connection;
	struct fsg_channel *clone;
	int error = add_channel(&clone, connection, memory, memory_size, why, why_size);

	if (error < 0)
		return error;
	error = open_session(clone, fsg_device_clone(first->fd, why, why_size), why, why_size);
	if (error < 0) {
		connection->channel_count--;
		free_channel(clone);
	} else {
		*channel = clone;
	}
	return error;
}

void fsg_channel_abort(struct fsg_channel *channel)
{
	fsg_mount_close(&channel->connection->mount);
	fsg_channel_end(channel);
}

void fsg_channel_close(struct fsg_channel *channel)
{
	if (!channel)
		return;
	if (channel->index == 0) {
		fsg_mount_close(&channel->connection->mount);
		free(channel->connection);
	}
	free_channel(channel);
}
