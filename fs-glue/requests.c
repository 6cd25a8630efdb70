/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Read, write, fsync: from a message to a block and back.
 *
 *   take()    a request of the pool; there is one, fsg_channel_receive() saw to it
 *   start()   its io goes to the block
 *   done()    answered; request and memory go back
 *
 * The channel's piece for incoming messages becomes the request's memory. Of a
 * write's message the data stays, where it was received; a read's data is put
 * over the message. So a message that could be received can also be answered:
 * nothing here has to wait for memory.
 */
#include "internal.h"

#include <errno.h>
#include <stdint.h>

void fsg_requests_init(struct fsg_channel *channel)
{
	for (unsigned i = 0; i < FSG_REQUESTS; i++) {
		struct fsg_request *request = &channel->requests[i];

		request->channel = channel;
		request->next = channel->free_requests;
		channel->free_requests = request;
	}
}

static struct fsg_request *take(struct fsg_channel *channel, fuse_req_t fuse, struct fsg_node *node)
{
	struct fsg_request *request = channel->free_requests;

	channel->free_requests = request->next;
	channel->in_flight++;
	request->fuse = fuse;
	request->node = node;
	request->piece = NULL;
	return request;
}

static void give_back(struct fsg_request *request)
{
	struct fsg_channel *channel = request->channel;

	if (request->piece)
		fsg_arena_free(&channel->arena, request->piece);
	request->next = channel->free_requests;
	channel->free_requests = request;
	channel->in_flight--;
}

/*
 * What a caller of read(2) or write(2) on a block device expects. Whatever else
 * a block says (it broke its protocol) is EIO to a program: it knows what to do
 * with that. So is a read behind the end of a disk that has shrunk.
 */
static int to_errno(enum devb_op op, int result)
{
	switch (result) {
	case -ENOSPC:
		return op == DEVB_READ ? EIO : ENOSPC;
	case -ENODEV:
	case -EROFS:
	case -ETIMEDOUT:
	case -EOPNOTSUPP:
		return -result;
	default:
		return EIO;
	}
}

static void reply_read(struct fsg_request *request)
{
	request->node->read_time = fsg_tree_clock();
	fuse_reply_buf(request->fuse, request->io.buffer, request->io.size);
}

static void reply_write(struct fsg_request *request)
{
	request->node->write_time = fsg_tree_clock();
	request->node->change_time = request->node->write_time;
	fuse_reply_write(request->fuse, request->io.size);
}

static void finish(struct fsg_request *request, int result)
{
	if (result < 0)
		fuse_reply_err(request->fuse, to_errno(request->io.op, result));
	else if (request->io.op == DEVB_READ)
		reply_read(request);
	else if (request->io.op == DEVB_WRITE)
		reply_write(request);
	else
		fuse_reply_err(request->fuse, 0);
	give_back(request);
}

static void done(struct devb_io *io, int result)
{
	finish((struct fsg_request *)((char *)io - offsetof(struct fsg_request, io)), result);
}

static void start(struct fsg_request *request, const struct devb_io *io)
{
	request->io = *io;
	request->io.done = done;

	int error = devb_block_submit(request->node->block, &request->io);

	if (error < 0)
		finish(request, error);
}

/* How much of @size bytes at @offset the block has. */
static size_t clip(const struct devb_block *block, uint64_t offset, size_t size)
{
	uint64_t left = offset < block->size ? block->size - offset : 0;

	return left < size ? (size_t)left : size;
}

/*
 * The incoming message's memory becomes the request's buffer: what is @offset bytes
 * into it, and no more than the request needs.
 */
static void start_transfer(struct fsg_request *request, struct devb_io *io, size_t offset)
{
	struct fsg_channel *channel = request->channel;

	request->piece = channel->incoming;
	channel->incoming = NULL;
	fsg_piece_trim(request->piece, offset, io->size);
	io->buffer = fsg_arena_address(&channel->arena, request->piece);
	start(request, io);
}

void fsg_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
	      struct fuse_file_info *file)
{
	struct fsg_channel *channel = fuse_req_userdata(req);
	struct fsg_node *node = fsg_tree_node(channel->tree, ino);
	struct devb_io io = {.op = DEVB_READ, .offset = (uint64_t)offset};

	(void)file;
	if (!node) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	io.size = clip(node->block, io.offset, size < channel->io_max ? size : channel->io_max);
	if (io.size == 0) { /* the end of the file */
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	/*
	 * Over the message: libfuse has taken all that it needs from it into our
	 * arguments, and a message's room is never smaller than io_max.
	 */
	start_transfer(take(channel, req, node), &io, 0);
}

/* libfuse gives the data's place in the message; anything else would be a copy of its own. */
static bool is_incoming(const struct fsg_channel *channel, const struct fuse_buf *buffer)
{
	return !(buffer->flags & FUSE_BUF_IS_FD) && buffer->mem == fsg_channel_data(channel) &&
	       buffer->size > 0 && buffer->size <= channel->io_max;
}

void fsg_write(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in, off_t offset,
	       struct fuse_file_info *file)
{
	struct fsg_channel *channel = fuse_req_userdata(req);
	struct fsg_node *node = fsg_tree_node(channel->tree, ino);
	struct devb_io io = {.op = DEVB_WRITE, .offset = (uint64_t)offset};

	(void)file;
	if (!node || in->count != 1 || !is_incoming(channel, &in->buf[0])) {
		fuse_reply_err(req, node ? EIO : ENOENT);
		return;
	}
	io.size = clip(node->block, io.offset, in->buf[0].size);
	if (io.size == 0) /* at the end; over it, what fits is written */
		fuse_reply_err(req, ENOSPC);
	else
		start_transfer(take(channel, req, node), &io, FSG_PAGE);
}

void fsg_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *file)
{
	struct fsg_channel *channel = fuse_req_userdata(req);
	struct fsg_node *node = fsg_tree_node(channel->tree, ino);

	(void)data_only;
	(void)file;
	if (!node)
		fuse_reply_err(req, ENOENT);
	else
		start(take(channel, req, node), &(struct devb_io){.op = DEVB_FLUSH});
}
