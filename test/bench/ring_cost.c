/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a chain costs in the ring alone: batches of reads as a block device has them, one
 * segment of data in a frame of header and status. ring-cost.sh counts the instructions of
 * the three functions below; the device's side is between them and not counted.
 *
 *   ring_cost split|packed tables|direct BATCHES
 */
#include "queue_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "sim_ring.h"

enum {
	BATCH = 32,
	SIZE = 256,
};

static struct vio_queue ours;
static struct sim_ring device;
static struct ring_options options = {.size = SIZE, .align = 4, .has_event_index = true};

__attribute__((noipa)) static void cost_of_add(const struct vio_segment *segments)
{
	for (unsigned i = 0; i < BATCH; i++) {
		if (queue_add(&ours, &segments[i], 0, 1) < 0) {
			abort();
		}
	}
}

__attribute__((noipa)) static bool cost_of_publish(void)
{
	return ours.ring.is_packed ? packed_publish(&ours.ring) : split_publish(&ours.ring);
}

__attribute__((noipa)) static unsigned cost_of_reap(struct vio_queue_used *used)
{
	int n = vio_queue_reap(&ours, used, BATCH);

	return n < 0 ? 0 : (unsigned)n;
}

static void *at(void *pool, uint64_t iova, size_t size)
{
	return sim_pool_at(pool, iova, size);
}

static void open_both(struct sim_pool *pool, bool tables)
{
	const struct vio_queue_options wish = {
		.size = SIZE, .header_size = 16, .footer_size = 1, .indirect_segments = 14};
	struct ring_layout layout = ring_layout(&options);
	struct vio_error err;
	char *memory = aligned_alloc(4096, (layout.total + 4095) / 4096 * 4096);
	const struct sim_ring_options is = {
		.size = SIZE,
		.packed = options.is_packed,
		.indirect = tables,
		.event_index = true,
		.descriptors = memory,
		.driver_area = memory + layout.driver_offset,
		.device_area = memory + layout.device_offset,
		.at = at,
		.context = pool,
	};

	if (!memory ||
	    frames_open(&ours.frames, sim_pool_dma(pool), SIZE, &wish, tables, &err) < 0 ||
	    ring_init(&ours.ring, memory, &options, &ours.frames) < 0) {
		abort();
	}
	sim_ring_open(&device, &is);
}

static void serve(void)
{
	static struct sim_chain chain;

	while (sim_ring_next(&device, &chain)) {
		sim_ring_return(&device, &chain, 4097);
	}
	sim_ring_allow_notify(&device);
}

int main(int argc, char **argv)
{
	struct vio_segment segments[BATCH];
	struct vio_queue_used used[BATCH];
	struct sim_pool *pool = sim_pool_open(SIM_PLAIN, 2 << 20, 64 << 10);

	if (argc != 4) {
		fprintf(stderr, "usage: %s split|packed tables|direct BATCHES\n", argv[0]);
		return 2;
	}
	options.is_packed = strcmp(argv[1], "packed") == 0;
	open_both(pool, strcmp(argv[2], "tables") == 0);
	for (unsigned i = 0; i < BATCH; i++) {
		segments[i] = (struct vio_segment){{UINT64_C(0x100000) + UINT64_C(4096) * i}, 4096};
	}
	for (long n = atol(argv[3]); n > 0; n--) {
		cost_of_add(segments);
		cost_of_publish();
		serve();
		if (cost_of_reap(used) != BATCH || device.complaint) {
			fprintf(stderr, "%s: %s\n", ours.ring.fault,
				device.complaint ? device.complaint : "not all came back");
			return 1;
		}
	}
	return 0;
}
