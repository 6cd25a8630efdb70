/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that does not answer, gives up, vanishes, or does not let go: rules 9
 * to 13 of our list. Nothing may hang, no memory may be reused too early, and
 * what can come back comes back.
 */
#include "fixture.h"

enum {
	BOUND_MS = 3000, /* far above every limit set here */
	TIMEOUT_MS = 100,
};

static void open_impatient(const struct sim_options *options)
{
	const struct vio_blk_options wish = {.timeout_ms = TIMEOUT_MS};

	open_disk(options, &wish);
}

/* A3 rule 9: one is never answered; the others were. */
START_TEST(test_deadline)
{
	struct sim_options o = options_of(_i);
	static uint8_t foreign[3][SECTOR];
	struct simple reads[3];
	uint64_t start;
	void *own;

	open_impatient(&o);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DROP, .skip = 1, .times = 1});
	own = vio_blk_alloc(blk, SECTOR);
	start = now_ms();
	for (int i = 0; i < 3; i++) {
		/* the lost one is the device's until the reset: the simulation sees to it */
		ck_assert_int_eq(submit(&reads[i], VIO_BLK_READ, (uint64_t)i,
					i == 1 ? own : foreign[i], SECTOR),
				 0);
	}
	/* without a look at the deadline: a busy machine may miss it otherwise */
	while (vio_blk_in_flight(queue) > 1) {
		struct vio_blk_request *done;

		must(vio_blk_reap(queue, &done, 1) == 1 || vio_blk_wait(queue, BOUND_MS) == 0);
	}
	sim_knobs(sim)->slow_reset = 10;
	ck_assert_ptr_eq(reap(1), &reads[1].request);
	ck_assert_uint_ge(now_ms() - start, TIMEOUT_MS);
	ck_assert_uint_lt(now_ms() - start, BOUND_MS);
	/* it came back after the device had let go of it, not before */
	ck_assert_uint_eq(sim_knobs(sim)->slow_reset, 0);
	ck_assert_uint_eq(sim_status(sim), 0);
	ck_assert_int_eq(reads[0].request.result, 0);
	ck_assert_int_eq(reads[1].request.result, -ETIMEDOUT);
	ck_assert_int_eq(reads[2].request.result, 0);
	assert_failed(VIO_BLK_FAILED);
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], 1);
	assert_restarts();
	vio_blk_free(blk, own, SECTOR);
}
END_TEST

/* The blocking calls look after the deadline themselves. */
START_TEST(test_deadline_blocking)
{
	struct sim_options o = options_of(_i);
	uint8_t sector[SECTOR];
	uint64_t start;

	open_impatient(&o);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DROP});
	start = now_ms();
	ck_assert_int_eq(vio_blk_read(blk, 0, sector, SECTOR), -ETIMEDOUT);
	ck_assert_uint_lt(now_ms() - start, BOUND_MS);
	assert_failed(VIO_BLK_FAILED);
	assert_restarts();
}
END_TEST

/* Parts in flight, parts that wait for room, and a device that answers none. */
START_TEST(test_deadline_of_a_large_request)
{
	struct sim_options o = options_of(_i);
	struct vio_blk_options wish = {.timeout_ms = TIMEOUT_MS, .queue_size = 8};
	static uint8_t foreign[512 << 10];
	struct simple large;

	open_disk(&o, &wish);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DROP, .skip = 3});
	ck_assert_int_eq(submit(&large, VIO_BLK_WRITE, 0, foreign, sizeof(foreign)), 0);
	ck_assert_int_eq(reap(1)->result, -ETIMEDOUT);
	assert_failed(VIO_BLK_FAILED);
	assert_restarts();
}
END_TEST

/*
 * The rest of a request waits for room that another one takes up, and none of its
 * parts is in flight when that one is answered, or is not.
 */
START_TEST(test_waits_without_parts)
{
	struct sim_options o = sim_defaults();
	struct vio_blk_options wish = {.timeout_ms = _i == 0 ? 0 : TIMEOUT_MS, .queue_size = 8};
	static uint8_t foreign[32 << 10], sector[SECTOR];
	uint8_t *own;
	struct iovec iov[6];
	struct simple first;
	struct vio_blk_request large = {.op = VIO_BLK_READ, .iov = iov, .iov_count = 6};

	open_disk(&o, &wish);
	own = vio_blk_alloc(blk, 10 * SECTOR);
	iov[0] = (struct iovec){own, SECTOR};              /* one part, two segments around it */
	iov[1] = (struct iovec){foreign, sizeof(foreign)}; /* another one */
	for (size_t i = 2; i < 6; i++) {
		iov[i] =
			(struct iovec){own + 2 * i * SECTOR - SECTOR, SECTOR}; /* six descriptors */
	}
	sim_fault(sim, (struct sim_fault){
			       .kind = _i == 0 ? SIM_DELAY : SIM_DROP, .value = 50, .times = 1});
	ck_assert_int_eq(submit(&first, VIO_BLK_READ, 0, sector, SECTOR), 0);
	ck_assert_int_eq(vio_blk_submit(queue, &large), 0);
	vio_blk_kick(queue);
	reap(2);
	ck_assert_int_eq(first.request.result, _i == 0 ? 0 : -ETIMEDOUT);
	ck_assert_int_eq(large.result, _i == 0 ? 0 : -ETIMEDOUT);
	if (_i == 0) {
		ck_assert_mem_eq(iov[5].iov_base, sim_disk(sim) + sizeof(foreign) + 4 * SECTOR,
				 SECTOR);
	} else {
		assert_restarts();
	}
	vio_blk_free(blk, own, 10 * SECTOR);
}
END_TEST

/* Slow is not dead. */
START_TEST(test_slow)
{
	struct sim_options o = options_of(_i);
	uint8_t sector[SECTOR];

	open_disk(&o, NULL);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DELAY, .value = 30});
	ck_assert_int_eq(run_one(VIO_BLK_READ, 0, sector, SECTOR), 0);
	ck_assert_mem_eq(sector, sim_disk(sim), SECTOR);
	ck_assert_int_eq(vio_blk_flush(blk), 0);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_GOOD);
}
END_TEST

/* A3 rule 10. */
START_TEST(test_needs_reset)
{
	struct sim_options o = options_of(_i);
	static uint8_t foreign[SECTOR];
	struct simple read;

	open_disk(&o, NULL);
	sim_knobs(sim)->hold = true;
	ck_assert_int_eq(submit(&read, VIO_BLK_READ, 0, foreign, SECTOR), 0);
	sim_knobs(sim)->needs_reset = true;
	ck_assert_uint_eq(vio_blk_check(blk), VIO_EVENT_NEEDS_RESET);
	ck_assert_int_eq(reap(1)->result, -EIO);
	sim_knobs(sim)->hold = false;
	assert_failed(VIO_BLK_FAILED);
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], 1);
	assert_restarts();
}
END_TEST

/* Unplugged: every register reads all ones. */
START_TEST(test_gone)
{
	struct sim_options o = options_of(_i);
	static uint8_t foreign[SECTOR];
	struct simple read;

	open_disk(&o, NULL);
	sim_knobs(sim)->hold = true;
	ck_assert_int_eq(submit(&read, VIO_BLK_READ, 0, foreign, SECTOR), 0);
	sim_knobs(sim)->gone = true;
	ck_assert_uint_eq(vio_blk_check(blk), VIO_EVENT_GONE);
	ck_assert_int_eq(reap(1)->result, -ENODEV);
	assert_failed(VIO_BLK_LOST);
	ck_assert(sim_transport(sim)->dma->quarantined);
	ck_assert_int_eq(vio_blk_restart(blk, &err), -EINVAL);
}
END_TEST

START_TEST(test_gone_blocking)
{
	struct sim_options o = options_of(_i);
	uint8_t sector[SECTOR];
	uint64_t start;

	open_disk(&o, NULL);
	sim_knobs(sim)->gone = true;
	start = now_ms();
	ck_assert_int_eq(vio_blk_read(blk, 0, sector, SECTOR), -ENODEV);
	ck_assert_uint_lt(now_ms() - start, BOUND_MS);
	assert_failed(VIO_BLK_LOST);
}
END_TEST

/* A device that reset itself behind our back has forgotten every request. */
START_TEST(test_resets_itself)
{
	struct sim_options o = options_of(_i);
	uint8_t sector[SECTOR];
	struct simple read;

	open_disk(&o, NULL);
	sim_knobs(sim)->hold = true;
	ck_assert_int_eq(submit(&read, VIO_BLK_READ, 0, sector, SECTOR), 0);
	ck_assert_uint_eq(vio_blk_check(blk), 0);
	sim_knobs(sim)->forgetful = true;
	ck_assert_uint_eq(vio_blk_check(blk), VIO_EVENT_NEEDS_RESET);
	sim_knobs(sim)->hold = false;
	ck_assert_int_eq(reap(1)->result, -EIO);
	assert_failed(VIO_BLK_FAILED);
	assert_restarts();
	ck_assert_uint_eq(vio_blk_check(blk), 0);
}
END_TEST

/* A3 rule 13: interrupts that never come only make it slow. */
START_TEST(test_no_interrupts)
{
	struct sim_options o = sim_defaults();
	uint8_t sector[SECTOR];
	struct simple read;
	uint64_t start;

	o.interrupts = true;
	open_disk(&o, NULL);
	sim_knobs(sim)->mute = true;
	sim_fault(sim, (struct sim_fault){.kind = SIM_DELAY, .value = 20});
	start = now_ms();
	ck_assert_int_eq(submit(&read, VIO_BLK_READ, 0, sector, SECTOR), 0);
	ck_assert_int_eq(vio_blk_wait(queue, 60000), 0);
	ck_assert_uint_lt(now_ms() - start, BOUND_MS);
	reap(1);
	assert_works();
}
END_TEST

/* Wake-ups for nothing neither end a wait nor prolong it. */
START_TEST(test_false_wakeups)
{
	struct sim_options o = sim_defaults();
	uint64_t start;

	o.interrupts = true;
	open_disk(&o, NULL);
	sim_resize(sim, 2048);
	start = now_ms();
	ck_assert_int_eq(vio_blk_wait(queue, 20), -ETIMEDOUT);
	ck_assert_uint_ge(now_ms() - start, 19);
	ck_assert_uint_lt(now_ms() - start, BOUND_MS);
	assert_works();
}
END_TEST

/* Nothing starts, and nothing is left behind. */
START_TEST(test_no_start)
{
	static const int expected[] = {-ENOTSUP, -EPROTO, -ETIMEDOUT, -ENODEV};
	struct sim_options o = sim_defaults();

	open_sim(&o);
	sim_knobs(sim)->refuse_features = _i == 0;
	sim_knobs(sim)->refuse_start = _i == 1;
	if (_i == 2) {
		stop_resetting();
	}
	sim_knobs(sim)->gone = _i == 3;
	ck_assert_int_eq(vio_blk_open(&blk, sim_transport(sim), NULL, &err), expected[_i]);
	ck_assert_ptr_null(blk);
	ck_assert_str_ne(err.text, "");
	ck_assert_uint_eq(sim_pool_pieces(sim_pool(sim)), 0);
	ck_assert(!sim_transport(sim)->dma->quarantined);
}
END_TEST

Suite *device_faults_suite(void)
{
	Suite *suite = suite_create("device_faults");
	TCase *tcase = tcase_create("silence");

	tcase_set_timeout(tcase, 10);
	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_loop_test(tcase, test_deadline, 1, 4);
	tcase_add_loop_test(tcase, test_deadline_blocking, 0, 2);
	tcase_add_loop_test(tcase, test_deadline_of_a_large_request, 0, 2);
	tcase_add_loop_test(tcase, test_waits_without_parts, 0, 2);
	tcase_add_loop_test(tcase, test_slow, 1, 4);
	tcase_add_loop_test(tcase, test_needs_reset, 0, 6);
	tcase_add_loop_test(tcase, test_gone, 0, 6);
	tcase_add_test(tcase, test_gone_blocking);
	tcase_add_loop_test(tcase, test_resets_itself, 0, KINDS);
	tcase_add_test(tcase, test_no_interrupts);
	tcase_add_test(tcase, test_false_wakeups);
	tcase_add_loop_test(tcase, test_no_start, 0, 4);
	suite_add_tcase(suite, tcase);
	return suite;
}
