/* SPDX-License-Identifier: BSD-3-Clause */
#include "qnx6_source.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
	BATCH_MAX = 64, /* chosen: requests handed over at once, on the stack of who reads */
};

struct source {
	struct qnx6_source head;
	struct devb_loop *loop;
	struct devb_block *block;
	struct vio_blk *blk;
	unsigned thread; /* of the loop's */
	atomic_bool has_ended;
};

struct request {
	struct devb_io io; /* first */
	struct batch *batch;
};

/* What a reader waits for. Between post and the end of the wait it is the loop's thread's. */
struct batch {
	struct devb_loop_task task; /* first */
	struct source *source;
	unsigned thread;
	unsigned count, left;
	int result; /* the first error */
	sem_t done;
	struct request requests[BATCH_MAX];
};

/* After the last the batch may be gone. */
static void finish_one(struct batch *batch, int result)
{
	if (result < 0 && batch->result == 0) {
		batch->result = result;
	}
	if (--batch->left == 0) {
		sem_post(&batch->done);
	}
}

static void io_done(struct devb_io *io, int result)
{
	finish_one(((struct request *)io)->batch, result);
}

/* On the loop's thread. One more than there are requests, so that it is there until the end. */
static void submit(struct devb_loop_task *task, int result)
{
	struct batch *batch = (struct batch *)task;
	unsigned count = result < 0 ? 0 : batch->count;

	batch->left = count + 1;
	for (unsigned i = 0; i < count; i++) {
		int rc = devb_block_submit(batch->source->block, &batch->requests[i].io);

		if (rc < 0) {
			finish_one(batch, rc);
		}
	}
	finish_one(batch, result);
}

/* Waits without a limit of its own: the disk has one for each request, and so has the loop's end.
 */
static int run(struct batch *batch)
{
	int rc;

	if (batch->count == 0) {
		return 0;
	}
	if (atomic_load(&batch->source->has_ended)) {
		return -ENODEV;
	}
	batch->task.run = submit;
	batch->result = 0;
	rc = devb_loop_post(batch->source->loop, batch->thread, &batch->task);
	if (rc < 0) {
		return rc;
	}
	while (sem_wait(&batch->done) < 0) {
	}
	batch->count = 0;
	return batch->result;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * How much of a piece one request takes: what ends between two blocks of the disk would all be
 * copied, so whole blocks go before the rest.
 */
static size_t request_size(const struct source *source, uint64_t offset, size_t size)
{
	size_t mask = source->block->block_size - 1;

	size = least(size, DEVB_IO_MAX);
	return (offset & mask) == 0 && size > mask ? size & ~mask : size;
}

static void add_request(struct batch *batch, uint64_t offset, char *buffer, size_t size)
{
	struct request *request = &batch->requests[batch->count++];

	request->batch = batch;
	request->io = (struct devb_io){
		.op = DEVB_READ,
		.offset = offset,
		.size = size,
		.buffer = buffer,
		.queue = batch->thread,
		.done = io_done,
	};
}

static int add_piece(struct batch *batch, const struct qnx6_piece *piece)
{
	int rc = 0;

	for (size_t at = 0, size; at < piece->size && rc == 0; at += size) {
		size = request_size(batch->source, piece->offset + at, piece->size - at);
		add_request(batch, piece->offset + at, (char *)piece->buffer + at, size);
		if (batch->count == BATCH_MAX) {
			rc = run(batch);
		}
	}
	return rc;
}

static int source_read(struct qnx6_source *head, const struct qnx6_piece *pieces, unsigned count)
{
	struct source *source = (struct source *)head;
	struct batch batch;
	int rc = 0;

	batch.source = source;
	batch.count = 0;
	batch.thread = source->thread;
	sem_init(&batch.done, 0, 0);
	for (unsigned i = 0; i < count && rc == 0; i++) {
		rc = add_piece(&batch, &pieces[i]);
	}
	if (rc == 0) {
		rc = run(&batch);
	}
	sem_destroy(&batch.done);
	return rc;
}

static void *source_alloc(struct qnx6_source *head, size_t size)
{
	return vio_blk_alloc(((struct source *)head)->blk, size);
}

static void source_free(struct qnx6_source *head, void *memory, size_t size)
{
	vio_blk_free(((struct source *)head)->blk, memory, size);
}

void devb_qnx6_source_end(struct qnx6_source *head)
{
	if (head) {
		atomic_store(&((struct source *)head)->has_ended, true);
	}
}

static void source_close(struct qnx6_source *head)
{
	free(head);
}

int devb_qnx6_source_open(struct qnx6_source **out, struct devb_loop *loop,
			  struct devb_block *block, struct vio_blk *blk)
{
	static atomic_uint next_thread;
	static const struct qnx6_source_ops ops = {
		.read = source_read,
		.alloc = source_alloc,
		.free = source_free,
		.close = source_close,
	};
	struct source *source = calloc(1, sizeof(*source));

	if (!source) {
		return -ENOMEM;
	}
	source->head.ops = &ops;
	source->head.size = devb_block_size(block);
	source->loop = loop;
	source->block = block;
	source->blk = blk;
	source->thread = atomic_fetch_add(&next_thread, 1) % devb_loop_threads(loop);
	*out = &source->head;
	return 0;
}
