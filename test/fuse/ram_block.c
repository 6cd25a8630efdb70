/* SPDX-License-Identifier: BSD-3-Clause */
#include "ram_block.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct ram_block {
	struct devb_block block;
	struct ram_queue *queue;
	unsigned char *data;
};

static void count(struct ram_queue *queue, const struct devb_io *io)
{
	struct ram_counts *counts = &queue->counts;
	uintptr_t start = (uintptr_t)io->buffer;
	uintptr_t memory = (uintptr_t)queue->memory;

	if (io->op == DEVB_FLUSH) {
		counts->flushes++;
		return;
	}
	if (io->op == DEVB_WRITE_ZEROES) {
		counts->zeroes++;
		return;
	}
	if (io->op == DEVB_READ) {
		counts->reads++;
		if (io->size > counts->largest_read)
			counts->largest_read = io->size;
	} else {
		counts->writes++;
		if (io->size > counts->largest_write)
			counts->largest_write = io->size;
	}
	if (io->offset % 512 != 0 || io->size % 512 != 0)
		counts->unaligned++;
	if (start < memory || start + io->size > memory + queue->memory_size || start % 4096 != 0)
		counts->foreign++;
}

static bool is_valid(const struct devb_block *block, const struct devb_io *io)
{
	if (io->op == DEVB_FLUSH)
		return io->offset == 0 && io->size == 0 && !io->buffer;
	if (io->op == DEVB_WRITE_ZEROES && (io->buffer || (io->offset | io->size) % 512 != 0))
		return false;
	return io->size > 0 && (io->size <= DEVB_IO_MAX || io->op == DEVB_WRITE_ZEROES) &&
	       io->device_offset <= block->size && io->size <= block->size - io->device_offset;
}

static int submit(struct devb_block *block, struct devb_io *io)
{
	struct ram_block *ram = (struct ram_block *)block;
	struct ram_queue *queue = ram->queue;

	/* Whoever breaks the contract of block.h must not pass a test by luck. */
	if (!is_valid(block, io) || queue->used == sizeof(queue->ios) / sizeof(queue->ios[0]))
		abort();
	if (queue->refuse_count > 0) {
		queue->refuse_count--;
		return -queue->refuse_error;
	}
	if ((io->op == DEVB_WRITE || io->op == DEVB_WRITE_ZEROES) && block->read_only)
		return -EROFS;
	count(queue, io);
	io->private_data = ram;
	queue->ios[queue->used++] = io;
	return 0;
}

static void complete(struct ram_queue *queue, struct devb_io *io)
{
	struct ram_block *ram = io->private_data;
	int result = 0;

	if (queue->fail_count > 0) {
		queue->fail_count--;
		result = -queue->fail_error;
	} else if (!is_valid(&ram->block, io)) {
		result = -ENOSPC; /* it was resized meanwhile */
	} else if (queue->null) {
		result = 0;
	} else if (io->op == DEVB_WRITE_ZEROES) {
		memset(ram->data + io->device_offset, 0, io->size);
	} else if (io->op == DEVB_READ) {
		memcpy(io->buffer, ram->data + io->device_offset, io->size);
	} else if (io->op == DEVB_WRITE) {
		memcpy(ram->data + io->device_offset, io->buffer, io->size);
	}
	io->done(io, result);
}

static void run_shuffled(struct ram_queue *queue)
{
	unsigned goal = 1 + (unsigned)rand_r(&queue->seed) % queue->used;

	for (unsigned i = 0; i < goal; i++) {
		unsigned pick = (unsigned)rand_r(&queue->seed) % queue->used;
		struct devb_io *io = queue->ios[pick];

		queue->ios[pick] = queue->ios[--queue->used];
		complete(queue, io);
	}
}

void ram_queue_run(struct ram_queue *queue)
{
	if (queue->held || queue->used == 0)
		return;
	if (queue->shuffled) {
		run_shuffled(queue);
		return;
	}
	for (unsigned i = 0; i < queue->used; i++)
		complete(queue, queue->ios[i]);
	queue->used = 0;
}

static const struct devb_block_ops ops = {.submit = submit};

struct ram_block *ram_block_open(struct ram_queue *queue, size_t size, bool read_only)
{
	struct ram_block *ram = calloc(1, sizeof(*ram));

	if (!ram)
		return NULL;
	ram->block = (struct devb_block){
		.ops = &ops,
		.size = size,
		.block_size = 512,
		.physical_block_size = 4096,
		.read_only = read_only,
	};
	ram->queue = queue;
	ram->data = calloc(1, size);
	if (!ram->data) {
		free(ram);
		return NULL;
	}
	return ram;
}

void ram_block_close(struct ram_block *ram)
{
	if (!ram)
		return;
	free(ram->data);
	free(ram);
}

struct devb_block *ram_block_device(struct ram_block *ram)
{
	return &ram->block;
}

bool ram_block_resize(struct ram_block *ram, size_t size)
{
	unsigned char *data = realloc(ram->data, size);

	if (!data)
		return false;
	if (size > ram->block.size)
		memset(data + ram->block.size, 0, size - ram->block.size);
	ram->data = data;
	ram->block.size = size;
	return true;
}
