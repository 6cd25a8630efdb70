/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a device, and of a queue, without a device class on top. */
#include "fixture.h"

#include <poll.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include <vio/device.h>
#include <vio/queue.h>

enum {
	NEGOTIATED = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER,
	BOUND_MS = 2000, /* far above every limit that the tests set */
};

static struct vio_device *device;
static struct vio_queue *vq;
static struct vio_device_wishes wishes;

static void set_up(void)
{
	device = NULL;
	vq = NULL;
	wishes = (struct vio_device_wishes){
		.device_type = VIRTIO_ID_BLOCK,
		.wanted = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_BLK_F_FLUSH) |
			  BIT(VIRTIO_BLK_F_SEG_MAX),
	};
}

static void tear_down(void)
{
	vio_device_close(device);
	vio_queue_close(vq);
	close_disk();
}

static int open_device(const struct sim_options *options)
{
	open_sim(options);
	return vio_device_open(&device, sim_transport(sim), &wishes, &err);
}

static void assert_open(int rc)
{
	ck_assert_msg(rc == 0, "%d: %s", rc, err.text);
}

static void assert_refused(int rc, int expected)
{
	ck_assert_int_eq(rc, expected);
	ck_assert_ptr_null(device);
	ck_assert_str_ne(err.text, "");
}

START_TEST(test_open)
{
	struct sim_options o = sim_defaults();

	assert_open(open_device(&o));
	ck_assert_uint_eq(sim_status(sim), NEGOTIATED | VIRTIO_CONFIG_S_FEATURES_OK);
	ck_assert_uint_eq(sim_accepted_features(sim), wishes.wanted);
	ck_assert_uint_eq(vio_device_features(device), wishes.wanted);
	ck_assert_uint_eq(sim_counts(sim).resets, 1);

	/* never started, but it knows about us: it must be reset all the same */
	vio_device_close(device);
	device = NULL;
	ck_assert_uint_eq(sim_status(sim), 0);
}
END_TEST

/* A3 rule 12: whatever is offered, only what we know is accepted. */
START_TEST(test_unknown_features)
{
	struct sim_options o = sim_defaults();

	o.features = UINT64_MAX;
	assert_open(open_device(&o));
	ck_assert_uint_eq(sim_accepted_features(sim),
			  wishes.wanted | BIT(VIRTIO_F_ACCESS_PLATFORM));
}
END_TEST

START_TEST(test_legacy)
{
	struct sim_options o = sim_defaults();

	o.legacy = true;
	o.features = UINT64_MAX;
	assert_open(open_device(&o));
	ck_assert_uint_eq(sim_status(sim), NEGOTIATED);
	ck_assert_uint_eq(sim_accepted_features(sim), wishes.wanted & UINT32_MAX);
}
END_TEST

START_TEST(test_other_class)
{
	struct sim_options o = sim_defaults();

	wishes.device_type = VIRTIO_ID_NET;
	assert_refused(open_device(&o), -ENODEV);
	ck_assert_uint_eq(sim_counts(sim).resets, 0);
}
END_TEST

START_TEST(test_missing_feature)
{
	struct sim_options o = sim_defaults();

	wishes.required = BIT(VIRTIO_BLK_F_TOPOLOGY);
	assert_refused(open_device(&o), -ENOTSUP);
	ck_assert_uint_eq(sim_status(sim), NEGOTIATED | VIRTIO_CONFIG_S_FAILED);
}
END_TEST

START_TEST(test_no_version_1)
{
	struct sim_options o = sim_defaults();

	o.features &= ~BIT(VIRTIO_F_VERSION_1);
	assert_refused(open_device(&o), -ENOTSUP);
	ck_assert_uint_eq(sim_status(sim), NEGOTIATED | VIRTIO_CONFIG_S_FAILED);
}
END_TEST

/* A3 rule 12: the device has the last word. */
START_TEST(test_features_refused)
{
	struct sim_options o = sim_defaults();

	open_sim(&o);
	sim_knobs(sim)->refuse_features = true;
	assert_refused(vio_device_open(&device, sim_transport(sim), &wishes, &err), -ENOTSUP);
	ck_assert_uint_eq(sim_status(sim), NEGOTIATED | VIRTIO_CONFIG_S_FAILED);
}
END_TEST

/* A3 rule 9. The device was given no memory, so there is none to quarantine. */
START_TEST(test_stuck_at_open)
{
	struct sim_options o = sim_defaults();
	uint64_t start;

	open_sim(&o);
	stop_resetting();
	start = now_ms();
	assert_refused(vio_device_open(&device, sim_transport(sim), &wishes, &err), -ETIMEDOUT);
	ck_assert_uint_lt(now_ms() - start, BOUND_MS);
	ck_assert(!sim_transport(sim)->dma->quarantined);
}
END_TEST

START_TEST(test_slow_reset)
{
	struct sim_options o = sim_defaults();

	open_sim(&o);
	sim_knobs(sim)->slow_reset = 5;
	assert_open(vio_device_open(&device, sim_transport(sim), &wishes, &err));
	ck_assert_uint_eq(sim_knobs(sim)->slow_reset, 0);
}
END_TEST

START_TEST(test_gone_at_open)
{
	struct sim_options o = sim_defaults();

	open_sim(&o);
	sim_knobs(sim)->gone = true;
	assert_refused(vio_device_open(&device, sim_transport(sim), &wishes, &err), -ENODEV);
	ck_assert(!sim_transport(sim)->dma->quarantined);
}
END_TEST

static int read_capacity(uint64_t *capacity)
{
	static const struct vio_config_field field = {0, 8};

	return vio_device_config(device, &field, 1, capacity);
}

/* A3 rule 7: reads again while it changes; in both kinds of devices. */
START_TEST(test_config_settles)
{
	struct sim_options o = sim_defaults();
	uint64_t capacity = 0;

	o.legacy = _i == 1;
	assert_open(open_device(&o));
	sim_knobs(sim)->restless = 20;
	ck_assert_int_eq(read_capacity(&capacity), 0);
	ck_assert_uint_eq(sim_knobs(sim)->restless, 0);
	ck_assert_uint_eq(le64toh(capacity), 2048);
	ck_assert_uint_ge(sim_counts(sim).config_reads, 20);
}
END_TEST

START_TEST(test_config_never_settles)
{
	struct sim_options o = sim_defaults();
	uint64_t capacity;
	uint64_t start;

	o.legacy = _i == 1;
	assert_open(open_device(&o));
	sim_knobs(sim)->restless = UINT32_MAX;
	start = now_ms();
	ck_assert_int_eq(read_capacity(&capacity), -EPROTO);
	ck_assert_uint_lt(now_ms() - start, BOUND_MS);
}
END_TEST

START_TEST(test_config_end)
{
	static const struct vio_config_field beyond[] = {
		{16, 4}, {15, 2}, {VIO_CONFIG_MAX, 1}, {VIO_CONFIG_MAX - 1, 2}, {UINT16_MAX, 8}};
	struct sim_options o = sim_defaults();
	uint8_t space[VIO_CONFIG_MAX];

	o.config_size = 16;
	assert_open(open_device(&o));
	for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		ck_assert_int_eq(vio_device_config(device, &beyond[i], 1, space), -EINVAL);
	}
}
END_TEST

static int try_queue(uint16_t index, uint16_t size)
{
	const struct vio_queue_options options = {.size = size};

	return vio_queue_open(&vq, device, index, &options, &err);
}

static void open_queue(uint16_t size)
{
	int rc = try_queue(0, size);

	ck_assert_msg(rc == 0, "%d: %s", rc, err.text);
}

START_TEST(test_events)
{
	struct sim_options o = sim_defaults();

	assert_open(open_device(&o));
	open_queue(16);
	assert_open(vio_device_start(device, &err));
	ck_assert_uint_eq(vio_device_events(device), 0);
	sim_resize(sim, 4096);
	ck_assert_uint_eq(vio_device_events(device), VIO_EVENT_CONFIG);
	ck_assert_uint_eq(vio_device_events(device), 0);
	sim_knobs(sim)->needs_reset = true;
	ck_assert_uint_eq(vio_device_events(device), VIO_EVENT_NEEDS_RESET);
	sim_knobs(sim)->gone = true;
	ck_assert_uint_eq(vio_device_events(device), VIO_EVENT_GONE);
	sim_knobs(sim)->gone = false;
}
END_TEST

START_TEST(test_start_refused)
{
	struct sim_options o = sim_defaults();

	assert_open(open_device(&o));
	open_queue(16);
	sim_knobs(sim)->refuse_start = true;
	ck_assert_int_eq(vio_device_start(device, &err), -EPROTO);
	sim_knobs(sim)->refuse_start = false;
	sim_knobs(sim)->needs_reset = true;
	ck_assert_int_eq(vio_device_start(device, &err), -EPROTO);
	sim_knobs(sim)->gone = true;
	ck_assert_int_eq(vio_device_start(device, &err), -ENODEV);
	sim_knobs(sim)->gone = false;
}
END_TEST

/* Whose addresses it uses is decided by the transport's memory, not by the class. */
START_TEST(test_transport_features)
{
	struct sim_options o = sim_defaults();

	o.features &= ~BIT(VIRTIO_F_ACCESS_PLATFORM);
	assert_open(open_device(&o));
	vio_device_close(device);
	device = NULL;
	sim_transport(sim)->required_features = BIT(VIRTIO_F_ACCESS_PLATFORM);
	ck_assert_int_eq(vio_device_open(&device, sim_transport(sim), &wishes, &err), -ENOTSUP);
	sim_transport(sim)->required_features = 0;
	sim_offer(sim, UINT64_MAX);
	sim_transport(sim)->refused_features = BIT(VIRTIO_F_ACCESS_PLATFORM);
	assert_open(vio_device_open(&device, sim_transport(sim), &wishes, &err));
	ck_assert_uint_eq(sim_accepted_features(sim), wishes.wanted);
}
END_TEST

START_TEST(test_restart)
{
	struct sim_options o = sim_defaults();

	assert_open(open_device(&o));
	open_queue(16);
	assert_open(vio_device_start(device, &err));
	ck_assert_int_eq(vio_device_reset(device, &err), 0);

	sim_offer(sim, o.features & ~BIT(VIRTIO_BLK_F_FLUSH));
	ck_assert_int_eq(vio_device_restart(device, &err), -EPROTO);
	ck_assert_uint_eq(vio_device_features(device), wishes.wanted);
	ck_assert_int_eq(vio_device_reset(device, &err), 0);

	sim_offer(sim, UINT64_MAX);
	ck_assert_int_eq(vio_device_restart(device, &err), 0);
	ck_assert_uint_eq(sim_accepted_features(sim), wishes.wanted);
	ck_assert_int_eq(vio_queue_reopen(vq, &err), 0);
	ck_assert_int_eq(vio_device_start(device, &err), 0);
}
END_TEST

/* A3 rule 11: no confirmation, no reuse. */
START_TEST(test_quarantine)
{
	struct sim_options o = sim_defaults();
	struct vio_dma *dma;
	unsigned pieces;

	assert_open(open_device(&o));
	open_queue(16);
	assert_open(vio_device_start(device, &err));
	pieces = sim_pool_pieces(sim_pool(sim));
	stop_resetting();
	dma = sim_transport(sim)->dma;
	ck_assert_int_eq(vio_device_reset(device, &err), -ETIMEDOUT);
	ck_assert(dma->quarantined);
	vio_device_close(device);
	device = NULL;
	vio_queue_close(vq);
	vq = NULL;
	ck_assert_uint_eq(sim_pool_pieces(sim_pool(sim)), pieces);
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], 1);
}
END_TEST

static const struct impossible_queue {
	uint16_t says;
	int rc;
} impossible_queues[] = {
	{0, -ENODEV}, {3, -EPROTO}, {100, -EPROTO}, {65535, -EPROTO}, {32769, -EPROTO}};

START_TEST(test_impossible_queues)
{
	struct sim_options o = sim_defaults();

	o.queue_max = impossible_queues[_i].says;
	assert_open(open_device(&o));
	ck_assert_int_eq(try_queue(0, 256), impossible_queues[_i].rc);
	ck_assert_ptr_null(vq);
	ck_assert_int_eq(try_queue(1, 256), -ENODEV); /* this device has one */
}
END_TEST

START_TEST(test_queue_sizes)
{
	struct sim_options o = sim_defaults();

	o.queue_max = 64;
	assert_open(open_device(&o));
	open_queue(256);
	ck_assert_uint_eq(vio_queue_size(vq), 64);
	vio_queue_close(vq);
	open_queue(8);
	ck_assert_uint_eq(vio_queue_size(vq), 8);
	ck_assert_uint_eq(vio_queue_ids(vq), 8);
	ck_assert_uint_eq(vio_queue_segments_max(vq), 8);
}
END_TEST

START_TEST(test_queue_memory)
{
	struct sim_options o = sim_defaults();

	o.pool_page = 4096;
	assert_open(open_device(&o));
	sim_pool_starve(sim_pool(sim), 0, 1);
	ck_assert_int_eq(try_queue(0, 16), -ENOMEM);
	/* 256 entries do not lie in one page of 4096 bytes, and must not lie in two */
	ck_assert_int_eq(try_queue(0, 256), -ENOTSUP);
	open_queue(64);
}
END_TEST

START_TEST(test_wait_is_bounded)
{
	struct sim_options o = sim_defaults();
	uint64_t start, took;

	o.interrupts = _i == 1;
	assert_open(open_device(&o));
	open_queue(16);
	assert_open(vio_device_start(device, &err));
	start = now_ms();
	ck_assert_int_eq(vio_queue_wait(vq, 30), -ETIMEDOUT);
	took = now_ms() - start;
	ck_assert_uint_ge(took, 29);
	ck_assert_uint_lt(took, BOUND_MS);
}
END_TEST

/* A flush by hand: header, status. */
static void add_flush(const struct vio_dma_memory *memory)
{
	struct vio_segment segments[2] = {{memory->iova, 16}, {{memory->iova.raw + 16}, 1}};

	memset(memory->addr, 0, 16);
	((uint8_t *)memory->addr)[0] = VIRTIO_BLK_T_FLUSH;
	((uint8_t *)memory->addr)[16] = 0xff;
	must(vio_queue_add(vq, segments, 1, 1) >= 0);
	vio_queue_kick(vq);
}

/*
 * A3 rule 13: the wake-up that comes between the last look and going to sleep.
 * Without the back stop of vio_queue_wait(): one that is lost fails the test.
 */
START_TEST(test_no_lost_wakeup)
{
	struct sim_options o = sim_defaults();
	struct vio_dma_memory memory;
	struct vio_queue_used used;

	o.interrupts = true;
	o.sleepy = _i == 1;
	assert_open(open_device(&o));
	open_queue(16);
	assert_open(vio_device_start(device, &err));
	ck_assert_int_eq(vio_dma_alloc(sim_transport(sim)->dma, 64, 64, &memory, &err), 0);
	for (int i = 0; i < 3000; i++) {
		struct pollfd wait = {.fd = vio_queue_wait_fd(vq), .events = POLLIN};

		add_flush(&memory);
		while (!vio_queue_wait_arm(vq)) {
			must(poll(&wait, 1, BOUND_MS) == 1);
			vio_queue_wait_ack(vq);
		}
		must(vio_queue_reap(vq, &used, 1) == 1);
		must(((uint8_t *)memory.addr)[16] == VIRTIO_BLK_S_OK);
	}
	vio_dma_free(sim_transport(sim)->dma, &memory);
}
END_TEST

START_TEST(test_dma_arguments)
{
	struct sim_options o = sim_defaults();
	struct vio_dma_memory memory;

	open_sim(&o);
	ck_assert_int_eq(vio_dma_alloc(sim_transport(sim)->dma, 0, 64, &memory, &err), -EINVAL);
	ck_assert_int_eq(vio_dma_alloc(sim_transport(sim)->dma, 8, 3, &memory, &err), -EINVAL);
	ck_assert_int_eq(vio_dma_alloc(sim_transport(sim)->dma, 8, 8192, &memory, &err), -EINVAL);
	ck_assert_int_eq(vio_dma_alloc(sim_transport(sim)->dma, 1 << 30, 8, &memory, &err),
			 -ENOMEM);
	ck_assert_ptr_null(memory.addr);
	vio_dma_free(sim_transport(sim)->dma, &memory);
}
END_TEST

Suite *device_suite(void)
{
	Suite *suite = suite_create("device");
	TCase *tcase = tcase_create("life");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_open);
	tcase_add_test(tcase, test_unknown_features);
	tcase_add_test(tcase, test_legacy);
	tcase_add_test(tcase, test_other_class);
	tcase_add_test(tcase, test_missing_feature);
	tcase_add_test(tcase, test_no_version_1);
	tcase_add_test(tcase, test_features_refused);
	tcase_add_test(tcase, test_stuck_at_open);
	tcase_add_test(tcase, test_slow_reset);
	tcase_add_test(tcase, test_gone_at_open);
	tcase_add_loop_test(tcase, test_config_settles, 0, 2);
	tcase_add_loop_test(tcase, test_config_never_settles, 0, 2);
	tcase_add_test(tcase, test_config_end);
	tcase_add_test(tcase, test_events);
	tcase_add_test(tcase, test_start_refused);
	tcase_add_test(tcase, test_transport_features);
	tcase_add_test(tcase, test_restart);
	tcase_add_test(tcase, test_quarantine);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("queue");
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, test_impossible_queues, 0,
			    sizeof(impossible_queues) / sizeof(impossible_queues[0]));
	tcase_add_test(tcase, test_queue_sizes);
	tcase_add_test(tcase, test_queue_memory);
	tcase_add_loop_test(tcase, test_wait_is_bounded, 0, 2);
	tcase_add_loop_test(tcase, test_no_lost_wakeup, 0, 2);
	tcase_add_test(tcase, test_dma_arguments);
	suite_add_tcase(suite, tcase);
	return suite;
}
