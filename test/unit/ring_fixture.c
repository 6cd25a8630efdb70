/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring_fixture.h"

enum {
	SPLIT_SIZE = 64,
	PACKED_SIZE = 61,
	FRAME = TABLE * 16,
};

struct vio_queue ours;
struct sim_ring device;
char *ring_bytes;
int ring_kind;

static struct frames frames;
static char *tables;
static struct ring_options options;

/* The device's addresses are ours. */
static void *at(void *context, uint64_t iova, size_t size)
{
	char *where = (char *)(uintptr_t)iova;

	(void)context;
	if (!tables || where < tables || where + size > tables + (size_t)options.size * FRAME) {
		return NULL;
	}
	return where;
}

static void open_tables(void)
{
	frames = (struct frames){.table_segments = -1};
	tables = NULL;
	if (!(ring_kind & RING_TABLES)) {
		return;
	}
	tables = aligned_alloc(64, (size_t)options.size * FRAME);
	frames.of = calloc(options.size, sizeof(*frames.of));
	frames.table_segments = TABLE;
	must(tables && frames.of);
	for (size_t i = 0; i < options.size; i++) {
		frames.of[i].memory = tables + i * FRAME;
		frames.of[i].iova.raw = (uintptr_t)frames.of[i].memory;
	}
}

static void open_device(void)
{
	struct ring_layout layout = ring_layout(&options);
	const struct sim_ring_options is = {
		.size = options.size,
		.packed = options.is_packed,
		.indirect = (ring_kind & RING_TABLES) != 0,
		.event_index = options.has_event_index,
		.in_order = options.is_in_order,
		.descriptors = ring_bytes,
		.driver_area = ring_bytes + layout.driver_offset,
		.device_area = ring_bytes + layout.device_offset,
		.at = at,
	};

	sim_ring_open(&device, &is);
}

void open_ring_of(int kind, uint16_t size, uint32_t align)
{
	ring_kind = kind;
	options = (struct ring_options){
		.size = size,
		.align = align,
		.is_packed = (kind & RING_PACKED) != 0,
		.is_in_order = (kind & RING_IN_ORDER) != 0,
		.has_event_index = (kind & RING_EVENT_INDEX) != 0,
	};
	ours = (struct vio_queue){.index = 0};
	ring_bytes = aligned_alloc(4096, (ring_layout(&options).total + 4095) / 4096 * 4096);
	must(ring_bytes != NULL);
	open_tables();
	must(ring_init(&ours.ring, ring_bytes, &options, &frames) == 0);
	open_device();
}

void open_ring(int kind)
{
	open_ring_of(kind, kind & RING_PACKED ? PACKED_SIZE : SPLIT_SIZE, 4);
}

static void check_device(void)
{
	if (device.complaint) {
		ck_abort_msg("kind %d: %s", ring_kind, device.complaint);
	}
}

void close_ring(void)
{
	if (!ring_bytes) {
		return;
	}
	check_device();
	sim_ring_close(&device);
	ring_free(&ours.ring);
	free(frames.of);
	free(tables);
	free(ring_bytes);
	ring_bytes = NULL;
}

void start_ring_over(void)
{
	check_device();
	ring_clear(&ours.ring, ring_bytes, &options);
	sim_ring_close(&device);
	open_device();
}

unsigned ring_cost(unsigned segments)
{
	return ring_kind & RING_TABLES && segments <= TABLE ? 1 : segments;
}

bool ring_publish(void)
{
	return ring_kind & RING_PACKED ? packed_publish(&ours.ring) : split_publish(&ours.ring);
}

bool ring_arm(bool interrupts)
{
	return ring_kind & RING_PACKED ? packed_arm(&ours.ring, interrupts)
				       : split_arm(&ours.ring, interrupts);
}

void ring_disarm(void)
{
	if (ring_kind & RING_PACKED) {
		packed_disarm(&ours.ring);
	} else {
		split_disarm(&ours.ring);
	}
}
