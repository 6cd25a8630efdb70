/* SPDX-License-Identifier: BSD-3-Clause */
/* What rings a block device gets: offered, refused, required; and the reset of one alone. */
#include "queue_internal.h"

#include <linux/virtio_ids.h>

#include "fixture.h"

enum {
	BURST = 40,
	HELD = 20, /* as many as there are bounce chunks, or fewer */
};

/* Reads and writes of all sizes at once, twice round the ring. */
static void assert_works_hard(void)
{
	static uint8_t data[BURST][8 * SECTOR];
	static struct simple simple[BURST];

	for (int round = 0; round < 20; round++) {
		unsigned count = 0;

		for (unsigned i = 0; i < BURST; i++, count++) {
			int rc = submit(&simple[i], i % 3 ? VIO_BLK_READ : VIO_BLK_WRITE, 8 * i,
					data[i], (1 + i % 8) * SECTOR);

			if (rc == -EAGAIN) {
				break;
			}
			must(rc == 0);
		}
		reap(count);
		for (unsigned i = 0; i < count; i++) {
			must(simple[i].request.result == 0);
			must(memcmp(data[i], sim_disk(sim) + 8 * i * SECTOR,
				    (1 + i % 8) * SECTOR) == 0);
		}
	}
	assert_works();
}

static struct sim_options all_rings(void)
{
	struct sim_options o = sim_defaults();

	o.features |= RING_FEATURES;
	return o;
}

/* All 64 ways to refuse some of what is offered. */
START_TEST(test_refused)
{
	static const unsigned bits[] = {VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX,
					VIRTIO_F_RING_PACKED,        VIRTIO_F_IN_ORDER,
					VIRTIO_F_RING_RESET,         NOTIFICATION_DATA};
	struct sim_options o = all_rings();
	struct vio_blk_options wish = {.queue_size = 32};

	o.interrupts = _i & 1;
	o.sleepy = _i & 2;
	for (unsigned i = 0; i < 6; i++) {
		wish.refused_features |= (unsigned)_i >> i & 1 ? BIT(bits[i]) : 0;
	}
	open_disk(&o, &wish);
	ck_assert_uint_eq(sim_accepted_features(sim), o.features & ~wish.refused_features);
	assert_works_hard();
	ck_assert((sim_counts(sim).tables > 0) ==
		  !(wish.refused_features & BIT(VIRTIO_RING_F_INDIRECT_DESC)));
}
END_TEST

static const struct {
	unsigned bit;
	const char *sentence;
} named[] = {
	{VIRTIO_F_RING_PACKED, "the device does not offer packed rings (VIRTIO_F_RING_PACKED)"},
	{VIRTIO_RING_F_INDIRECT_DESC, "(VIRTIO_RING_F_INDIRECT_DESC)"},
	{VIRTIO_RING_F_EVENT_IDX, "(VIRTIO_RING_F_EVENT_IDX)"},
	{VIRTIO_F_IN_ORDER, "(VIRTIO_F_IN_ORDER)"},
	{VIRTIO_F_RING_RESET, "(VIRTIO_F_RING_RESET)"},
	{NOTIFICATION_DATA, "(VIRTIO_F_NOTIFICATION_DATA)"},
	{VIRTIO_BLK_F_TOPOLOGY, "(bits 0x400;"},
};

enum {
	NAMED = sizeof(named) / sizeof(named[0]),
};

START_TEST(test_required)
{
	struct sim_options o = all_rings();
	struct vio_blk_options wish = {.required_features = BIT(named[_i].bit)};

	o.features |= wish.required_features;
	open_disk(&o, &wish);
	ck_assert(sim_accepted_features(sim) & wish.required_features);
	assert_works();
	close_disk();

	o.features &= ~wish.required_features;
	open_sim(&o);
	ck_assert_int_eq(vio_blk_open(&blk, sim_transport(sim), &wish, &err), -ENOTSUP);
	ck_assert_ptr_null(blk);
	ck_assert_msg(strstr(err.text, named[_i].sentence) != NULL, "%s", err.text);
}
END_TEST

/* A packed ring of any size, as long as a request fits into it. */
START_TEST(test_odd_sizes)
{
	static const uint16_t sizes[] = {5, 6, 7, 100, 255};
	struct sim_options o = sim_defaults();

	o.features |= ring_features(2 + _i % 2);
	o.queue_max = sizes[_i / 2];
	open_disk(&o, NULL);
	ck_assert_uint_eq(vio_blk_info(blk)->queue_size, sizes[_i / 2]);
	assert_works_hard();
}
END_TEST

/* Published one by one, answered together. */
static void assert_works_held(void)
{
	static uint8_t data[HELD][SECTOR];
	static struct simple simple[HELD];

	sim_knobs(sim)->hold = true;
	for (unsigned i = 0; i < HELD; i++) {
		must(submit(&simple[i], VIO_BLK_READ, i, data[i], SECTOR) == 0);
	}
	sim_release(sim);
	reap(HELD);
	for (unsigned i = 0; i < HELD; i++) {
		must(simple[i].request.result == 0);
		must(memcmp(data[i], sim_disk(sim) + i * SECTOR, SECTOR) == 0);
	}
}

/* A device that skips answers is understood. */
START_TEST(test_in_order)
{
	struct sim_options o = sim_defaults();
	unsigned before = 0;

	o.features |= RING_FEATURES;
	o.interrupts = _i & 1;
	if (_i & 2) {
		o.features &= ~BIT(VIRTIO_F_RING_PACKED);
	}
	if (_i & 4) {
		o.features &= ~BIT(VIRTIO_RING_F_INDIRECT_DESC);
	}
	open_disk(&o, NULL);
	for (int i = 0; i < 100 && before < 20; i++) {
		assert_works_held();
		before = sim_counts(sim).skipped;
	}
	ck_assert_uint_ge(before, 20);
}
END_TEST

/* With event indices a device that is at work is not told of each request. */
START_TEST(test_few_notifications)
{
	struct sim_options o = sim_defaults();
	unsigned before;

	o.features |= ring_features(_i ? 2 : 1);
	open_disk(&o, NULL);
	/* twice: by the second one the device has named the first event itself */
	assert_works();
	assert_works();
	before = sim_counts(sim).notifications;
	assert_works_held();
	ck_assert_uint_le(sim_counts(sim).notifications, before + 1);
}
END_TEST

static struct vio_device *device;
static struct vio_queue *ring;

static void open_ring_alone(uint64_t features)
{
	struct sim_options o = sim_defaults();
	struct vio_device_wishes wishes = {.device_type = VIRTIO_ID_BLOCK,
					   .wanted = BIT(VIRTIO_F_VERSION_1) |
						     BIT(VIRTIO_BLK_F_FLUSH) | RING_FEATURES};
	struct vio_queue_options options = {.size = 8, .header_size = 16, .footer_size = 1};

	o.features |= features;
	open_sim(&o);
	ck_assert_int_eq(vio_device_open(&device, sim_transport(sim), &wishes, &err), 0);
	ck_assert_int_eq(vio_queue_open(&ring, device, 0, &options, &err), 0);
	ck_assert_int_eq(vio_device_start(device, &err), 0);
}

static void close_ring_alone(void)
{
	vio_device_close(device);
	vio_queue_close(ring);
	device = NULL;
	ring = NULL;
	close_disk();
}

/* A read of nothing: header and status alone; the device says that it cannot. */
static void add_flush(void)
{
	struct virtio_blk_outhdr header = {.type = VIRTIO_BLK_T_FLUSH};
	int id = vio_queue_next(ring);

	must(id >= 0);
	memcpy(vio_queue_header(ring, (uint16_t)id), &header, sizeof(header));
	memset(vio_queue_footer(ring, (uint16_t)id), 0xff, 1);
	must(vio_queue_add(ring, NULL, 0, 0) == id);
}

/* 2.6.1: what was in flight is ours again, and the same ring works anew. */
START_TEST(test_queue_reset)
{
	struct vio_queue_used used;

	open_ring_alone(ring_features(_i) | BIT(VIRTIO_F_RING_RESET));
	sim_knobs(sim)->hold = true;
	for (int round = 0; round < 3; round++) {
		add_flush();
		vio_queue_kick(ring);
		add_flush();
		ck_assert_int_eq(vio_queue_reset(ring, &err), 0);
		ck_assert_int_ge(vio_queue_take(ring), 0);
		ck_assert_int_ge(vio_queue_take(ring), 0);
		ck_assert_int_eq(vio_queue_take(ring), -ENOENT);
		ck_assert_int_eq(vio_queue_reopen(ring, &err), 0);
	}
	ck_assert_uint_eq(sim_counts(sim).queue_resets, 3);
	ck_assert_uint_eq(sim_counts(sim).resets, 1);
	sim_knobs(sim)->hold = false;
	add_flush();
	ck_assert(vio_queue_kick(ring));
	ck_assert_int_eq(vio_queue_wait(ring, 5000), 0);
	ck_assert_int_eq(vio_queue_reap(ring, &used, 1), 1);
}
END_TEST

/* Offered and not done: bounded, and said in a sentence. */
START_TEST(test_queue_reset_stuck)
{
	uint64_t start;

	open_ring_alone(BIT(VIRTIO_F_RING_RESET));
	sim_knobs(sim)->stuck_queue = true;
	start = now_ms();
	ck_assert_int_eq(vio_queue_reset(ring, &err), -ETIMEDOUT);
	ck_assert_uint_ge(now_ms() - start, 1000);
	ck_assert_uint_lt(now_ms() - start, 5000);
	ck_assert_ptr_nonnull(strstr(err.text, "did not confirm the reset of queue 0"));
}
END_TEST

START_TEST(test_queue_reset_missing)
{
	open_ring_alone(0);
	ck_assert_int_eq(vio_queue_reset(ring, &err), -ENOTSUP);
	ck_assert_uint_eq(sim_counts(sim).queue_resets, 0);
}
END_TEST

Suite *blk_rings_suite(void)
{
	Suite *suite = suite_create("blk_rings");
	TCase *tcase = tcase_create("features");

	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_loop_test(tcase, test_refused, 0, 64);
	tcase_add_loop_test(tcase, test_required, 0, NAMED);
	tcase_add_loop_test(tcase, test_odd_sizes, 0, 10);
	tcase_add_loop_test(tcase, test_in_order, 0, 8);
	tcase_add_loop_test(tcase, test_few_notifications, 0, 2);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("reset");
	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, NULL, close_ring_alone);
	tcase_add_loop_test(tcase, test_queue_reset, 0, RING_CHOICES);
	tcase_add_test(tcase, test_queue_reset_stuck);
	tcase_add_test(tcase, test_queue_reset_missing);
	suite_add_tcase(suite, tcase);
	return suite;
}
