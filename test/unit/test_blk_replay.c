/* SPDX-License-Identifier: BSD-3-Clause */
/* vio_blk_options.replay: a device that goes and comes back, and what was in flight. */
#include "fixture.h"

#include <pthread.h>

enum {
	COUNT = 12,
	QUEUES_MAX = 3,
	SIZE = 4096, /* of each request */
	TIMEOUT_MS = 200,
	LARGE = 300 * 1024, /* in many parts, more than fit through the copies at a time */
	BOUND_MS = 5000,
};

struct item {
	struct vio_blk_request request;
	struct iovec iov;
	uint8_t *buffer;
	uint8_t foreign[SIZE];
	unsigned reaped;
};

static struct item items[QUEUES_MAX][COUNT];
static unsigned queue_count;
static size_t bounce_size; /* of the next that is opened; 0 = default */

static void open_replaying(struct sim_options *o, unsigned queues, unsigned timeout_ms)
{
	struct vio_blk_options wish = {.replay = true,
				       .queues = (uint16_t)queues,
				       .timeout_ms = timeout_ms,
				       .bounce_size = bounce_size};

	o->may_return = true;
	o->features |= BIT(VIRTIO_BLK_F_MQ);
	o->config.num_queues = htole16(QUEUES_MAX);
	o->queues = QUEUES_MAX;
	o->pool_size = 8 << 20;
	open_disk(o, &wish);
	ck_assert_uint_eq(vio_blk_info(blk)->queues, queues);
	ck_assert(vio_blk_info(blk)->replays);
	bounce_size = 0;
	memset(items, 0, sizeof(items));
	queue_count = queues;
}

static void open_simply(unsigned queues, unsigned timeout_ms)
{
	struct sim_options o = sim_defaults();

	open_replaying(&o, queues, timeout_ms);
}

/* Reads and writes, of memory that the device reaches and of other; flushes. */
static void start_item(unsigned of_queue, unsigned number)
{
	struct item *item = &items[of_queue][number];
	static const enum vio_blk_op ops[] = {VIO_BLK_WRITE, VIO_BLK_READ, VIO_BLK_FLUSH};

	item->buffer = number % 2 ? item->foreign : vio_blk_alloc(blk, SIZE);
	ck_assert_ptr_nonnull(item->buffer);
	fill(item->buffer, SIZE, 100 * of_queue + number);
	item->iov = (struct iovec){item->buffer, SIZE};
	item->request = (struct vio_blk_request){
		.op = ops[number % 3],
		.start_sector = (of_queue * COUNT + number) * (SIZE / SECTOR),
		.iov = &item->iov,
		.iov_count = number % 3 == 2 ? 0 : 1,
		.user_data = item,
		.seen_ms = 1, /* as it comes, of a caller who clears nothing */
	};
	ck_assert_int_eq(vio_blk_submit(vio_blk_queue(blk, of_queue), &item->request), 0);
}

static void start_items(unsigned from, unsigned to)
{
	for (unsigned i = 0; i < queue_count; i++) {
		for (unsigned j = from; j < to; j++) {
			start_item(i, j);
		}
		vio_blk_kick(vio_blk_queue(blk, i));
	}
}

/* One look at every queue, as its thread would do it; returns how many came back. */
static unsigned look(void)
{
	unsigned total = 0;

	vio_blk_check(blk);
	for (unsigned i = 0; i < queue_count; i++) {
		struct vio_blk_request *done[COUNT];
		unsigned n;

		if (i > 0) {
			vio_blk_queue_check(vio_blk_queue(blk, i));
		}
		n = vio_blk_reap(vio_blk_queue(blk, i), done, COUNT);
		for (unsigned j = 0; j < n; j++) {
			((struct item *)done[j]->user_data)->reaped++;
		}
		total += n;
	}
	return total;
}

static void look_until(unsigned count)
{
	uint64_t limit = now_ms() + BOUND_MS;

	while (count) {
		unsigned n = look();

		must(now_ms() < limit && n <= count);
		count -= n;
		if (n == 0) {
			vio_blk_wait(queue, 1);
		}
	}
}

static void assert_item(const struct item *item, int result)
{
	const uint8_t *there = sim_disk(sim) + item->request.start_sector * SECTOR;

	ck_assert_uint_eq(item->reaped, 1);
	ck_assert_int_eq(item->request.result, result);
	if (result == 0 && item->request.iov_count) {
		ck_assert_mem_eq(item->buffer, there, SIZE);
	}
}

static void end_items(unsigned count, int result)
{
	for (unsigned i = 0; i < queue_count; i++) {
		ck_assert_uint_eq(vio_blk_in_flight(vio_blk_queue(blk, i)), 0);
		for (unsigned j = 0; j < count; j++) {
			assert_item(&items[i][j], result);
			if (items[i][j].buffer != items[i][j].foreign) {
				vio_blk_free(blk, items[i][j].buffer, SIZE);
			}
		}
	}
}

/* Nothing comes of it before it is back, and nothing is lost or fails. */
static void assert_away(unsigned in_flight)
{
	ck_assert_uint_eq(look(), 0);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_FAILED);
	ck_assert_int_eq(vio_blk_error(blk), -EIO);
	ck_assert(!vio_blk_wait_arm(queue));
	ck_assert_int_eq(vio_blk_restart(blk, &err), -ENODEV);
	ck_assert_uint_eq(look(), 0);
	for (unsigned i = 0; i < queue_count; i++) {
		ck_assert_uint_eq(vio_blk_in_flight(vio_blk_queue(blk, i)), in_flight);
	}
	ck_assert_uint_eq(sim_pool_shared(sim_pool(sim)), 0);
	ck_assert(!sim_transport(sim)->dma->quarantined);
	ck_assert(!sim_is_cut_off(sim));
}

static void come_back(void)
{
	sim_return(sim);
	ck_assert_msg(vio_blk_restart(blk, &err) == 0, "%s", err.text);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_GOOD);
	ck_assert(vio_blk_in_flight(queue) == 0 || vio_blk_wait_arm(queue));
	ck_assert_int_eq(vio_blk_wait(queue, 0), vio_blk_in_flight(queue) ? 0 : -ETIMEDOUT);
}

/* With every kind of ring and of memory, on one queue and on three. */
START_TEST(test_goes)
{
	struct sim_options o = options_of(_i / 2);
	unsigned queues = _i % 2 ? QUEUES_MAX : 1;

	if (o.legacy) {
		o.legacy = false; /* there are none that may return */
		o.features |= BIT(VIRTIO_F_VERSION_1);
	}
	o.can_be_cut_off = true;
	open_replaying(&o, queues, 0);
	sim_knobs(sim)->hold = true;
	start_items(0, COUNT / 2);
	sim_leave(sim);
	assert_away(COUNT / 2);
	start_items(COUNT / 2, COUNT);
	assert_away(COUNT);
	sim_release(sim);
	come_back();
	look_until(queues * COUNT);
	end_items(COUNT, 0);
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], 0);
	ck_assert_uint_eq(logged[VIO_LOG_WARN], 2); /* it went, it is back */
	assert_works();
}
END_TEST

/* What was answered and not reaped is not lost, either; what is reaped is not given again. */
START_TEST(test_half_done)
{
	unsigned flushes;

	open_simply(1, 0);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DROP, .skip = 5});
	start_items(0, 5);
	look_until(5);
	start_items(5, COUNT);
	sim_leave(sim);
	assert_away(COUNT - 5);
	flushes = sim_counts(sim).requests[VIRTIO_BLK_T_FLUSH];
	sim_faults_clear(sim);
	come_back();
	look_until(COUNT - 5);
	end_items(COUNT, 0);
	ck_assert_uint_le(sim_counts(sim).requests[VIRTIO_BLK_T_FLUSH], flushes + 3);
}
END_TEST

START_TEST(test_goes_twice)
{
	unsigned queues = _i % 2 ? QUEUES_MAX : 1;

	open_simply(queues, 0);
	sim_knobs(sim)->hold = true;
	start_items(0, COUNT);
	for (int i = 0; i < 3; i++) {
		sim_leave(sim);
		assert_away(COUNT);
		come_back();
		if (_i / 2) {
			look(); /* they are with it again */
		}
	}
	sim_release(sim);
	look_until(queues * COUNT);
	end_items(COUNT, 0);
	ck_assert_uint_eq(logged[VIO_LOG_WARN], 6);
}
END_TEST

START_TEST(test_deadline_passes)
{
	unsigned queues = _i % 2 ? QUEUES_MAX : 1;
	uint64_t start = now_ms();

	open_simply(queues, TIMEOUT_MS);
	sim_knobs(sim)->hold = true;
	start_items(0, COUNT / 2);
	sim_leave(sim);
	look();
	start_items(COUNT / 2, COUNT);
	look_until(queues * COUNT);
	ck_assert_uint_ge(now_ms() - start, TIMEOUT_MS);
	end_items(COUNT, -ETIMEDOUT);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_FAILED);
	sim_release(sim);
	come_back();
	assert_works();
}
END_TEST

/* It does not begin anew with each return: what the device dies of is not given to it for ever. */
START_TEST(test_deadline_lasts)
{
	unsigned ended = 0;
	uint64_t start;

	open_simply(1, TIMEOUT_MS);
	sim_knobs(sim)->hold = true;
	start_items(0, COUNT);
	look();
	start = now_ms();
	while (now_ms() - start < TIMEOUT_MS) {
		sim_leave(sim);
		ended += look();
		come_back();
		vio_blk_reap(queue, (struct vio_blk_request *[1]){NULL}, 0);
	}
	/* it ends while the device is away, and while it has the requests again */
	if (_i == 0) {
		sim_leave(sim);
	}
	ended += look();
	ended += look();
	ck_assert_uint_eq(ended, COUNT);
	end_items(COUNT, -ETIMEDOUT);
}
END_TEST

/* In parts, some of which are done when it goes; through copies that are fewer than parts. */
START_TEST(test_parts)
{
	static uint8_t out[LARGE], in[LARGE];
	struct simple write, read;
	struct item *others = items[0];

	bounce_size = 64 << 10;
	open_simply(1, 0);
	fill(out, LARGE, 7);
	for (int i = 0; i < 3; i++) {
		sim_fault(sim, (struct sim_fault){.kind = SIM_DROP, .skip = (unsigned)_i});
		ck_assert_int_eq(submit(&write, VIO_BLK_WRITE, 800, out, LARGE), 0);
		ck_assert_int_eq(submit(&read, VIO_BLK_READ, 1600, in, SIZE), -EAGAIN);
		for (int j = 0; j < 20; j++) {
			ck_assert_uint_eq(look(), 0);
			vio_blk_wait(queue, 1);
		}
		sim_leave(sim);
		assert_away(1);
		ck_assert_int_eq(submit(&read, VIO_BLK_READ, 1600, in, SIZE), 0);
		start_item(0, 0);
		sim_faults_clear(sim);
		come_back();
		reap(3);
		ck_assert_int_eq(write.request.result, 0);
		ck_assert_int_eq(read.request.result, 0);
		ck_assert_int_eq(others[0].request.result, 0);
		vio_blk_free(blk, others[0].buffer, SIZE);
		ck_assert_mem_eq(in, sim_disk(sim) + 1600 * SECTOR, SIZE);
	}
	ck_assert_mem_eq(out, sim_disk(sim) + 800 * SECTOR, LARGE);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DROP, .skip = (unsigned)_i});
	ck_assert_int_eq(submit(&read, VIO_BLK_READ, 0, in, LARGE), 0);
	for (int j = 0; j < 20; j++) {
		ck_assert_uint_eq(look(), 0);
		vio_blk_wait(queue, 1);
	}
	sim_leave(sim);
	assert_away(1);
	sim_faults_clear(sim);
	come_back();
	reap(1);
	ck_assert_int_eq(read.request.result, 0);
	ck_assert_mem_eq(in, sim_disk(sim), LARGE);
}
END_TEST

/* A part that failed has decided of its request before the device went. */
START_TEST(test_error_stays)
{
	static uint8_t foreign[64 << 10];
	struct vio_blk_request *done;
	struct simple read;

	open_simply(1, 0);
	sim_fault(sim, (struct sim_fault){.kind = SIM_STATUS, .value = 1, .times = 1});
	sim_fault(sim, (struct sim_fault){.kind = SIM_DROP});
	ck_assert_int_eq(submit(&read, VIO_BLK_READ, 0, foreign, sizeof(foreign)), 0);
	while (sim_counts(sim).requests[VIRTIO_BLK_T_IN] < 2) {
		vio_blk_wait(queue, 1);
	}
	ck_assert_uint_eq(vio_blk_reap(queue, &done, 1), 0);
	sim_leave(sim);
	vio_blk_check(blk);
	ck_assert_uint_eq(vio_blk_reap(queue, &done, 1), 1);
	ck_assert_int_eq(read.request.result, -EIO);
	ck_assert_uint_eq(vio_blk_in_flight(queue), 0);
}
END_TEST

/* A device of any kind that asks for its reset. */
START_TEST(test_asks_for_reset)
{
	struct vio_blk_options wish = {.replay = true};
	struct sim_options o = options_of(_i);
	struct simple writes[4];
	uint8_t *buffer;

	open_disk(&o, &wish);
	ck_assert(!vio_blk_info(blk)->replays);
	buffer = vio_blk_alloc(blk, SIZE * 4);
	fill(buffer, SIZE * 4, 5);
	sim_knobs(sim)->hold = true;
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(submit(&writes[i], VIO_BLK_WRITE, 8 * i, buffer + SIZE * i, SIZE),
				 0);
	}
	sim_knobs(sim)->needs_reset = true;
	ck_assert_uint_eq(vio_blk_check(blk), VIO_EVENT_NEEDS_RESET);
	ck_assert_uint_eq(vio_blk_in_flight(queue), 4);
	sim_release(sim);
	ck_assert_int_eq(vio_blk_restart(blk, &err), 0);
	reap(4);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(writes[i].request.result, 0);
	}
	ck_assert_mem_eq(buffer, sim_disk(sim), (size_t)SIZE * 4);
	vio_blk_free(blk, buffer, SIZE * 4);
}
END_TEST

/* Who breaks the specification, or is too slow, is not given the same again. */
START_TEST(test_not_replayed)
{
	enum sim_fault_kind kind = _i ? SIM_DROP : SIM_ID;

	open_simply(1, TIMEOUT_MS);
	sim_fault(sim, (struct sim_fault){.kind = kind, .value = 60000});
	start_item(0, 0);
	vio_blk_kick(queue);
	look_until(1);
	end_items(1, _i ? -ETIMEDOUT : -EPROTO);
	ck_assert_int_eq(vio_blk_flush(blk), -EIO);
	assert_restarts();
}
END_TEST

/* What comes back is less than what went. */
static const struct less {
	uint64_t sectors, without, with;
	int results[3]; /* of a write, a read, a flush */
	const char *said;
} less[] = {
	{0, 0, 0, {0, 0, 0}, "is back"},
	{12, 0, 0, {0, -ENOSPC, 0}, "12 sectors"},
	{0, BIT(VIRTIO_BLK_F_FLUSH), 0, {0, 0, -ENOTSUP}, "no such command"},
	{0, 0, BIT(VIRTIO_BLK_F_RO), {-EROFS, 0, 0}, "read-only"},
	{0, BIT(VIRTIO_BLK_F_SEG_MAX), 0, {0, 0, 0}, "is back"},
};

START_TEST(test_comes_back_as_less)
{
	const struct less *l = &less[_i];
	struct sim_options o = sim_defaults();
	struct virtio_blk_config config;

	open_replaying(&o, 1, 0);
	sim_knobs(sim)->hold = true;
	start_items(0, 3);
	sim_leave(sim);
	assert_away(3);
	sim_offer(sim, (o.features & ~l->without) | l->with);
	config = o.config;
	config.capacity = htole64(l->sectors ? l->sectors : 2048);
	sim_set_config(sim, &config, false);
	sim_release(sim);
	come_back();
	look_until(3);
	for (unsigned i = 0; i < 3; i++) {
		assert_item(&items[0][i], l->results[i]);
	}
	vio_blk_free(blk, items[0][0].buffer, SIZE);
	vio_blk_free(blk, items[0][2].buffer, SIZE);
	ck_assert_ptr_nonnull(strstr(last_line, l->said));
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], strcmp(l->said, "is back") != 0);
	ck_assert_uint_eq(vio_blk_info(blk)->read_only, l->with != 0);
	ck_assert_uint_eq(vio_blk_info(blk)->capacity_sectors, l->sectors ? l->sectors : 2048);
}
END_TEST

/* What comes back cannot be used at all: those who wait go on waiting for one that can. */
START_TEST(test_comes_back_as_another)
{
	struct sim_options o = sim_defaults();
	struct virtio_blk_config config;

	o.features |= BIT(VIRTIO_RING_F_INDIRECT_DESC);
	open_replaying(&o, QUEUES_MAX, 0);
	sim_knobs(sim)->hold = true;
	start_items(0, COUNT);
	sim_leave(sim);
	assert_away(COUNT);
	sim_return(sim);
	config = o.config;
	if (_i == 0) {
		sim_offer(sim, o.features & ~BIT(VIRTIO_RING_F_INDIRECT_DESC));
	} else if (_i == 1) {
		config.num_queues = htole16(2);
	} else {
		config.blk_size = htole32(4096);
	}
	sim_set_config(sim, &config, false);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(vio_blk_restart(blk, &err), -EPROTO);
		ck_assert_uint_eq(look(), 0);
	}
	sim_offer(sim, o.features);
	sim_set_config(sim, &o.config, false);
	sim_release(sim);
	come_back();
	look_until(QUEUES_MAX * COUNT);
	end_items(COUNT, 0);
}
END_TEST

/* It never let go of its memory: all that waits ends. */
START_TEST(test_lost)
{
	unsigned queues = _i % 2 ? QUEUES_MAX : 1;

	open_simply(queues, 0);
	sim_knobs(sim)->hold = true;
	start_items(0, COUNT);
	sim_leave(sim);
	assert_away(COUNT);
	sim_return(sim);
	stop_resetting();
	ck_assert_int_lt(vio_blk_restart(blk, &err), 0);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_LOST);
	ck_assert_uint_eq(look(), queues * COUNT);
	end_items(COUNT, -EIO);
	ck_assert_int_eq(vio_blk_flush(blk), -EIO);
	sim_knobs(sim)->stuck_reset = false;
}
END_TEST

/* Who submits for ever is stopped. */
START_TEST(test_too_many_meanwhile)
{
	static struct vio_blk_request flushes[2000];
	unsigned accepted = 0;
	int rc = 0;

	open_simply(1, TIMEOUT_MS);
	sim_leave(sim);
	vio_blk_check(blk);
	while (rc == 0 && accepted < 2000) {
		flushes[accepted] = (struct vio_blk_request){.op = VIO_BLK_FLUSH};
		rc = vio_blk_submit(queue, &flushes[accepted]);
		accepted += rc == 0;
	}
	ck_assert_int_eq(rc, -EAGAIN);
	ck_assert_uint_ge(accepted, 256);
	come_back();
	reap(accepted);
	ck_assert_uint_eq(sim_counts(sim).requests[VIRTIO_BLK_T_FLUSH], accepted);
}
END_TEST

static void *return_later(void *argument)
{
	nanosleep(&(struct timespec){.tv_nsec = 50 * 1000000L}, NULL);
	sim_return(sim);
	return argument;
}

/* The simple calls restart the device by themselves. */
START_TEST(test_blocking)
{
	static uint8_t out[LARGE];
	pthread_t thread;

	open_simply(1, 0);
	fill(out, LARGE, 9);
	for (int i = 0; i < 3; i++) {
		sim_leave(sim);
		pthread_create(&thread, NULL, return_later, NULL);
		ck_assert_int_eq(vio_blk_write(blk, 8, out, LARGE), 0);
		pthread_join(thread, NULL);
	}
	ck_assert_mem_eq(out, sim_disk(sim) + 8 * SECTOR, LARGE);
}
END_TEST

START_TEST(test_blocking_deadline)
{
	uint8_t sector[SECTOR];
	uint64_t start = now_ms();

	open_simply(1, TIMEOUT_MS);
	sim_leave(sim);
	ck_assert_int_eq(vio_blk_read(blk, 0, sector, SECTOR), -ETIMEDOUT);
	ck_assert_uint_lt(now_ms() - start, BOUND_MS);
}
END_TEST

/* Without replay all fails at once, and the device may come back all the same. */
START_TEST(test_without_replay)
{
	struct sim_options o = sim_defaults();
	uint8_t sector[SECTOR];
	struct simple read;

	o.may_return = true;
	open_disk(&o, NULL);
	sim_knobs(sim)->hold = true;
	ck_assert_int_eq(submit(&read, VIO_BLK_READ, 0, sector, SECTOR), 0);
	sim_leave(sim);
	vio_blk_check(blk);
	ck_assert_int_eq(reap(1)->result, -ENODEV);
	ck_assert_int_eq(vio_blk_error(blk), -EIO);
	ck_assert_int_eq(submit(&read, VIO_BLK_READ, 0, sector, SECTOR), -EIO);
	ck_assert_int_eq(vio_blk_restart(blk, &err), -ENODEV);
	sim_return(sim);
	sim_release(sim);
	assert_restarts();
}
END_TEST

Suite *blk_replay_suite(void)
{
	Suite *suite = suite_create("blk_replay");
	TCase *tcase = tcase_create("replay");

	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_loop_test(tcase, test_goes, 0, 2 * KINDS * RING_CHOICES);
	tcase_add_test(tcase, test_half_done);
	tcase_add_loop_test(tcase, test_goes_twice, 0, 4);
	tcase_add_loop_test(tcase, test_deadline_passes, 0, 2);
	tcase_add_loop_test(tcase, test_deadline_lasts, 0, 2);
	tcase_add_loop_test(tcase, test_parts, 0, 5);
	tcase_add_test(tcase, test_error_stays);
	tcase_add_loop_test(tcase, test_asks_for_reset, 0, KINDS * RING_CHOICES);
	tcase_add_loop_test(tcase, test_not_replayed, 0, 2);
	tcase_add_loop_test(tcase, test_comes_back_as_less, 0, sizeof(less) / sizeof(less[0]));
	tcase_add_loop_test(tcase, test_comes_back_as_another, 0, 3);
	tcase_add_loop_test(tcase, test_lost, 0, 2);
	tcase_add_test(tcase, test_too_many_meanwhile);
	tcase_add_test(tcase, test_blocking);
	tcase_add_test(tcase, test_blocking_deadline);
	tcase_add_test(tcase, test_without_replay);
	suite_add_tcase(suite, tcase);
	return suite;
}
