/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Read, write, fsync, fallocate: from a message to a block and back, without
 * libfuse and without a copy. A write's data goes to the block from where it was
 * received; a read's is put into the room that came with the message.
 *
 *   fsg_request_take()   decodes; the io goes to the block
 *   done()               the answer goes the way that the message came
 */
#include "internal.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdint.h>

static void answer(struct fsg_request *request, int error, const void *data, size_t size)
{
	request->head = (struct fuse_out_header){
		.len = (uint32_t)(sizeof(request->head) + size),
		.error = -error,
		.unique = request->unique,
	};
	request->way->answer(request, data, size);
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

static void note_change(struct fsg_node *node)
{
	int64_t now = fsg_tree_clock();

	fsg_time_set(&node->write_time, now);
	fsg_time_set(&node->change_time, now);
}

static void finish(struct fsg_request *request, int result)
{
	const struct devb_io *io = &request->io;

	request->channel->in_flight--;
	if (result < 0) {
		answer(request, to_errno(io->op, result), NULL, 0);
	} else if (io->op == DEVB_READ) {
		fsg_time_set(&request->node->read_time, fsg_tree_clock());
		answer(request, 0, io->buffer, io->size);
	} else if (io->op == DEVB_WRITE) {
		note_change(request->node);
		request->written = (struct fuse_write_out){.size = (uint32_t)io->size};
		answer(request, 0, &request->written, sizeof(request->written));
	} else {
		if (io->op == DEVB_WRITE_ZEROES)
			note_change(request->node);
		answer(request, 0, NULL, 0);
	}
}

static void done(struct devb_io *io, int result)
{
	finish((struct fsg_request *)((char *)io - offsetof(struct fsg_request, io)), result);
}

static void start(struct fsg_request *request)
{
	request->io.done = done;
	request->io.queue = request->channel->index;
	request->channel->in_flight++;

	int error = devb_block_submit(request->node->block, &request->io);

	if (error < 0)
		finish(request, error);
}

/* How much of @size bytes at @offset the block has. */
static uint64_t clip(const struct devb_block *block, uint64_t offset, uint64_t size)
{
	uint64_t end = devb_block_size(block);
	uint64_t left = offset < end ? end - offset : 0;

	return left < size ? left : size;
}

static void take_read(struct fsg_request *request, const struct fsg_message *message)
{
	const struct fuse_read_in *in = message->body;
	size_t io_max = request->channel->io_max;
	uint64_t size =
		clip(request->node->block, in->offset, in->size < io_max ? in->size : io_max);

	/* over the message, perhaps: all that is needed from it has been taken */
	request->io = (struct devb_io){
		.op = DEVB_READ,
		.offset = in->offset,
		.size = (size_t)size,
		.buffer = message->room,
	};
	if (size == 0) /* the end of the file */
		answer(request, 0, NULL, 0);
	else
		start(request);
}

static void take_write(struct fsg_request *request, const struct fsg_message *message)
{
	const struct fuse_write_in *in = message->body;
	uint64_t size = clip(request->node->block, in->offset, in->size);

	if (in->size == 0 || in->size != message->data_size ||
	    in->size > request->channel->io_max) {
		answer(request, EIO, NULL, 0);
		return;
	}
	request->io = (struct devb_io){
		.op = DEVB_WRITE,
		.offset = in->offset,
		.size = (size_t)size,
		.buffer = message->data,
	};
	if (size == 0) /* at the end; over it, what fits is written */
		answer(request, ENOSPC, NULL, 0);
	else
		start(request);
}

static void take_fsync(struct fsg_request *request, const struct fsg_message *message)
{
	(void)message;
	request->io = (struct devb_io){.op = DEVB_FLUSH};
	start(request);
}

/* 0 or an errno: what can't be done by writing zeroes leaves it to the caller to write them. */
static int check_zeroes(const struct devb_block *block, const struct fuse_fallocate_in *in,
			uint64_t size)
{
	bool hole = in->mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);

	if (!hole && (in->mode & ~(uint32_t)FALLOC_FL_KEEP_SIZE) != FALLOC_FL_ZERO_RANGE)
		return EOPNOTSUPP;
	if (devb_block_is_read_only(block))
		return EROFS;
	/* without KEEP_SIZE it would have to grow */
	if (size < in->length && !(in->mode & FALLOC_FL_KEEP_SIZE))
		return ENOSPC;
	return ((in->offset | size) & (block->block_size - 1)) ? EOPNOTSUPP : 0;
}

static void take_fallocate(struct fsg_request *request, const struct fsg_message *message)
{
	const struct fuse_fallocate_in *in = message->body;
	uint64_t size = clip(request->node->block, in->offset, in->length);
	int error = check_zeroes(request->node->block, in, size);

	request->io = (struct devb_io){
		.op = DEVB_WRITE_ZEROES,
		.offset = in->offset,
		.size = (size_t)size,
		.may_unmap = in->mode & FALLOC_FL_PUNCH_HOLE,
	};
	if (error || size == 0)
		answer(request, error, NULL, 0);
	else
		start(request);
}

struct opcode {
	size_t body_size;
	void (*take)(struct fsg_request *request, const struct fsg_message *message);
};

static const struct opcode *find_opcode(uint32_t number)
{
	static const struct opcode read = {sizeof(struct fuse_read_in), take_read};
	static const struct opcode write = {sizeof(struct fuse_write_in), take_write};
	static const struct opcode sync = {sizeof(struct fuse_fsync_in), take_fsync};
	static const struct opcode allocate = {sizeof(struct fuse_fallocate_in), take_fallocate};

	switch (number) {
	case FUSE_READ:
		return &read;
	case FUSE_WRITE:
		return &write;
	case FUSE_FSYNC:
		return &sync;
	case FUSE_FALLOCATE:
		return &allocate;
	default:
		return NULL;
	}
}

bool fsg_request_take(struct fsg_request *request, const struct fsg_message *message)
{
	const struct opcode *opcode = find_opcode(message->header->opcode);

	if (!opcode)
		return false;
	request->unique = message->header->unique;
	request->node = fsg_tree_node(request->channel->connection->tree, message->header->nodeid);
	request->io = (struct devb_io){0};
	if (message->body_size < opcode->body_size)
		answer(request, EIO, NULL, 0);
	else if (!request->node)
		answer(request, ENOENT, NULL, 0);
	else
		opcode->take(request, message);
	return true;
}
