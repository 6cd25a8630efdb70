/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plain way: messages are read from /dev/fuse one after the other, answers are
 * written to it together with the next read.
 *
 * One read at a time, because each needs room for the largest message: what a small
 * one leaves of that is the next one's.
 */
#include "internal.h"

#include <errno.h>

/* The kernel sends nothing into less than this (FUSE_MIN_READ_BUFFER). */
#define MESSAGE_MIN 8192u

static size_t message_size(const struct fsg_channel *channel)
{
	size_t size = FSG_HEADER_SIZE + channel->io_max;

	return size < MESSAGE_MIN ? MESSAGE_MIN : size;
}

/*
 * Where a message is received:
 *
 *   page 0: ............[fuse_in_header, fuse_write_in]
 *   page 1: a write's data, up to io_max
 */
static unsigned char *message_at(const struct fsg_channel *channel, const struct fsg_piece *piece)
{
	unsigned char *start = fsg_arena_address(&channel->arena, piece);

	return start + FSG_PAGE - FSG_HEADER_SIZE;
}

static size_t message_room(const struct fsg_channel *channel)
{
	return FSG_PAGE - FSG_HEADER_SIZE + message_size(channel);
}

void fsg_device_init(struct fsg_channel *channel)
{
	for (unsigned i = 0; i < FSG_REQUESTS; i++) {
		struct fsg_request *request = &channel->requests[i];

		request->channel = channel;
		request->way = &fsg_device_way;
		request->next = channel->free_requests;
		channel->free_requests = request;
	}
}

static void give_back(struct fsg_request *request)
{
	struct fsg_channel *channel = request->channel;

	if (request->piece)
		fsg_arena_free(&channel->arena, request->piece);
	request->piece = NULL;
	request->next = channel->free_requests;
	channel->free_requests = request;
}

static void answer(struct fsg_request *request, const void *data, size_t size)
{
	struct fsg_channel *channel = request->channel;
	struct io_uring_sqe *sqe = fsg_channel_sqe(channel);

	if (!sqe) { /* who waits for it must not wait for ever */
		fsg_channel_end(channel);
		return;
	}
	request->iov[0] = (struct iovec){&request->head, sizeof(request->head)};
	request->iov[1] = (struct iovec){(void *)(uintptr_t)data, size};
	io_uring_prep_writev(sqe, channel->fd, request->iov, size > 0 ? 2 : 1, 0);
	io_uring_sqe_set_data64(sqe, (uintptr_t)request | FSG_TAG_ANSWER);
	channel->answers++;
}

/* Who was answered may be gone: that is nothing. */
void fsg_device_answered(struct fsg_request *request)
{
	request->channel->answers--;
	give_back(request);
}

void fsg_device_prepare(struct fsg_channel *channel)
{
	struct io_uring_sqe *sqe;

	if (channel->reading || channel->stopping || !channel->free_requests)
		return;
	if (!channel->incoming)
		channel->incoming = fsg_arena_alloc(&channel->arena, message_room(channel));
	if (!channel->incoming || !(sqe = fsg_channel_sqe(channel)))
		return;
	io_uring_prep_read(sqe, channel->fd, message_at(channel, channel->incoming),
			   (unsigned)message_size(channel), 0);
	io_uring_sqe_set_data64(sqe, (uintptr_t)channel | FSG_TAG_READ);
	channel->reading = true;
}

void fsg_device_cancel(struct fsg_channel *channel)
{
	struct io_uring_sqe *sqe;

	if (!channel->reading || channel->cancelling || !(sqe = fsg_channel_sqe(channel)))
		return;
	io_uring_prep_cancel64(sqe, (uintptr_t)channel | FSG_TAG_READ, 0);
	io_uring_sqe_set_data64(sqe, (uintptr_t)channel | FSG_TAG_CANCEL);
	channel->cancelling = true;
}

/* Nothing came, or the kernel has already answered a message that it couldn't hand over. */
static bool is_passing(ssize_t error)
{
	return error == -EAGAIN || error == -EINTR || error == -ENOENT || error == -ECANCELED ||
	       error == -ENOMEM || error == -EIO;
}

/*
 * What the request keeps of the message's memory: where its data is. Nothing is given
 * back before the answer is on its way, so this may follow the submission.
 */
static void keep(struct fsg_request *request, struct fsg_piece *piece)
{
	struct fsg_arena *arena = &request->channel->arena;
	unsigned char *start = fsg_arena_address(arena, piece);

	if (!request->io.buffer) {
		fsg_arena_free(arena, piece);
		return;
	}
	fsg_piece_trim(piece, (size_t)((unsigned char *)request->io.buffer - start),
		       request->io.size ? request->io.size : 1);
	request->piece = piece;
}

/* False leaves it to libfuse. */
static bool take(struct fsg_channel *channel, struct fsg_piece *piece, size_t size)
{
	unsigned char *start = message_at(channel, piece);
	struct fsg_request *request = channel->free_requests;
	const struct fsg_message message = {
		.header = (const struct fuse_in_header *)start,
		.body = start + sizeof(struct fuse_in_header),
		.body_size = size - sizeof(struct fuse_in_header),
		.data = start + FSG_HEADER_SIZE,
		.data_size = size > FSG_HEADER_SIZE ? size - FSG_HEADER_SIZE : 0,
		.room = fsg_arena_address(&channel->arena, piece),
	};

	if (message.header->len != size)
		return false;
	channel->free_requests = request->next;
	if (!fsg_request_take(request, &message)) {
		channel->free_requests = request;
		return false;
	}
	keep(request, piece);
	return true;
}

static void decode(struct fsg_channel *channel, struct fsg_piece *piece, size_t size)
{
	if (!take(channel, piece, size)) {
		fsg_session_decode(channel, message_at(channel, piece), size);
		fsg_arena_free(&channel->arena, piece);
	}
}

void fsg_device_received(struct fsg_channel *channel, ssize_t result)
{
	struct fsg_piece *piece = channel->incoming;

	channel->reading = false;
	if (channel->ended)
		return;
	if (result >= (ssize_t)sizeof(struct fuse_in_header)) {
		channel->incoming = NULL;
		decode(channel, piece, (size_t)result);
	} else if (!is_passing(result)) {
		fsg_channel_end(channel);
	}
}

const struct fsg_way fsg_device_way = {.answer = answer};
