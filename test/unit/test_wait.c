/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts: none while nobody sleeps, none lost, and what happens when they do not come. */
#include "fixture.h"

#include <poll.h>

#include <vio/spin.h>

enum {
	BOUND_MS = 3000, /* far above every limit set here */
	REQUESTS = 300,
};

static uint8_t data[SECTOR];

static void open_waiting(enum vio_poll poll, bool interrupts, bool separate_events)
{
	const struct vio_blk_options wish = {.poll = poll};
	struct sim_options o = sim_defaults();

	o.interrupts = interrupts;
	o.separate_events = separate_events;
	open_disk(&o, &wish);
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	return poll(&wait, 1, timeout_ms) == 1;
}

static struct vio_blk_stats stats(void)
{
	struct vio_blk_stats result;

	vio_blk_stats(queue, &result);
	return result;
}

/* Never sleeps: looks until it is there. */
static void reap_awake(void)
{
	struct vio_blk_request *done;
	uint64_t limit = now_ms() + BOUND_MS;

	while (vio_blk_reap(queue, &done, 1) == 0) {
		must(now_ms() < limit);
	}
}

static void read_awake(void)
{
	struct simple read;

	must(submit(&read, VIO_BLK_READ, pick(2000), data, SECTOR) == 0);
	reap_awake();
	must(read.request.result == 0);
}

static unsigned waits; /* none for an answer that was there before we came to it */

static void read_by_waiting(void)
{
	struct vio_blk_request *done;
	struct simple read;

	must(submit(&read, VIO_BLK_READ, pick(1000), data, SECTOR) == 0);
	while (vio_blk_reap(queue, &done, 1) == 0) {
		must(vio_blk_wait(queue, BOUND_MS) == 0);
		waits++;
	}
	must(read.request.result == 0);
}

START_TEST(test_none_awake)
{
	open_waiting(VIO_POLL_AUTO, true, false);
	for (unsigned i = 0; i < REQUESTS; i++) {
		read_awake();
	}
	ck_assert_uint_eq(sim_counts(sim).interrupts, 0);
	ck_assert_uint_eq(stats().requests, REQUESTS);
}
END_TEST

/* Nor for what is submitted by somebody who armed while nothing was in flight. */
START_TEST(test_none_idle)
{
	open_waiting(VIO_POLL_AUTO, true, _i == 1);
	for (unsigned i = 0; i < REQUESTS; i++) {
		must(!vio_blk_wait_arm(queue));
		read_awake();
	}
	ck_assert_uint_eq(sim_counts(sim).interrupts, 0);
	ck_assert(!is_readable(vio_blk_wait_fd(queue), 0));
}
END_TEST

/* Asleep there is one; and each way of being awake again ends that. */
START_TEST(test_one_asleep)
{
	struct simple read;

	open_waiting(VIO_POLL_AUTO, true, false);
	sim_knobs(sim)->hold = true;
	ck_assert_int_eq(submit(&read, VIO_BLK_READ, 0, data, SECTOR), 0);
	ck_assert(!vio_blk_wait_arm(queue));
	if (_i == 2) {
		vio_blk_wait_disarm(queue);
	}
	sim_release(sim);
	ck_assert(_i == 2 || is_readable(vio_blk_wait_fd(queue), BOUND_MS));
	if (_i == 0) { /* acknowledged */
		ck_assert_uint_eq(vio_blk_wait_ack(queue), 0);
	}
	/* in the second round: reaped although nobody acknowledged */
	reap_awake();
	ck_assert(_i != 2 || !is_readable(vio_blk_wait_fd(queue), 0));
	for (unsigned i = 0; i < REQUESTS; i++) {
		read_awake();
	}
	ck_assert_uint_eq(sim_counts(sim).interrupts, _i != 2);
	ck_assert_uint_eq(stats().interrupts, _i == 0);
}
END_TEST

/*
 * always: no interrupt and no timer, however long it takes; never: no spin. On a busy
 * machine an answer may be there before we come to wait for it.
 */
START_TEST(test_modes)
{
	bool interrupts = _i % 2;
	struct sim_counts counts;

	open_waiting(_i < 2 ? VIO_POLL_ALWAYS : VIO_POLL_NEVER, interrupts, false);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DELAY, .value = 5});
	waits = 0;
	for (unsigned i = 0; i < 200 && waits < 10; i++) {
		read_by_waiting();
	}
	ck_assert_uint_ge(waits, 10);
	counts = sim_counts(sim);
	if (_i < 2) {
		ck_assert_uint_eq(counts.interrupts + counts.timers, 0);
		ck_assert_uint_eq(stats().sleeps, 0);
		ck_assert_uint_eq(stats().spins_found, waits);
		return;
	}
	ck_assert_uint_eq(stats().spins, 0);
	ck_assert_uint_gt(stats().sleeps, 0);
	ck_assert_uint_le(counts.interrupts, stats().requests);
	ck_assert_int_eq(counts.interrupts > 0, interrupts);
	ck_assert_int_eq(counts.timers > 0, !interrupts);
}
END_TEST

/* A slow device: the spinning stops by itself. */
START_TEST(test_auto_gives_up_spinning)
{
	open_waiting(VIO_POLL_AUTO, true, false);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DELAY, .value = 10});
	waits = 0;
	for (unsigned i = 0; i < 50; i++) {
		read_by_waiting();
	}
	ck_assert_uint_lt(stats().spins, 10);
	ck_assert_uint_ge(stats().sleeps + 10, waits);
}
END_TEST

START_TEST(test_bad_options)
{
	const struct vio_blk_options wishes[] = {{.poll_us = 10001}, {.poll = (enum vio_poll)3}};
	struct sim_options o = sim_defaults();

	open_sim(&o);
	ck_assert_int_eq(vio_blk_open(&blk, sim_transport(sim), &wishes[_i], &err), -EINVAL);
	ck_assert_ptr_null(blk);
	ck_assert_str_ne(err.text, "");
}
END_TEST

/* A resize that comes while nothing is in flight, with the queue's interrupt or its own. */
START_TEST(test_news)
{
	int fd;

	open_waiting(VIO_POLL_AUTO, true, _i == 1);
	fd = _i == 1 ? vio_blk_events_fd(blk) : vio_blk_wait_fd(queue);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(vio_blk_events_fd(blk) == -ENOTSUP, _i == 0);
	ck_assert(!vio_blk_wait_arm(queue));
	sim_resize(sim, 1024);
	ck_assert(is_readable(fd, BOUND_MS));
	ck_assert_int_eq(is_readable(vio_blk_wait_fd(queue), 0), _i == 0);
	ck_assert_uint_eq(_i == 1 ? vio_blk_events_ack(blk) : vio_blk_wait_ack(queue),
			  VIO_EVENT_CONFIG);
	ck_assert(!is_readable(fd, 0));
	ck_assert_uint_eq(vio_blk_check(blk), VIO_EVENT_CONFIG);
	ck_assert_uint_eq(vio_blk_info(blk)->capacity_sectors, 1024);
	ck_assert_uint_eq(vio_blk_check(blk), 0);
	read_by_waiting();
}
END_TEST

/* Whoever waits for requests alone hears of trouble at once, not when the wait is over. */
START_TEST(test_trouble_ends_a_wait)
{
	struct simple read;
	uint64_t start = now_ms();

	open_waiting(VIO_POLL_NEVER, true, _i % 2);
	sim_knobs(sim)->hold = true;
	ck_assert_int_eq(submit(&read, VIO_BLK_READ, 0, data, SECTOR), 0);
	if (_i < 2) {
		sim_knobs(sim)->needs_reset = true;
		sim_announce(sim, VIO_EVENT_NEEDS_RESET);
	} else {
		sim_announce(sim, VIO_EVENT_GONE);
	}
	ck_assert_int_eq(vio_blk_wait(queue, 60000), -EINTR);
	ck_assert_uint_eq(vio_blk_check(blk), _i < 2 ? VIO_EVENT_NEEDS_RESET : VIO_EVENT_GONE);
	ck_assert_int_eq(reap(1)->result, _i < 2 ? -EIO : -ENODEV);
	ck_assert_uint_lt(now_ms() - start, BOUND_MS);
	sim_knobs(sim)->hold = false;
	if (_i < 2) {
		assert_restarts();
		ck_assert_uint_eq(stats().resets, 1);
		return;
	}
	/* told by an interrupt while its registers still answer: it goes all the same */
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_FAILED);
	ck_assert_int_eq(vio_blk_error(blk), -ENODEV);
	ck_assert_int_eq(submit(&read, VIO_BLK_READ, 0, data, SECTOR), -ENODEV);
	ck_assert_int_eq(vio_blk_restart(blk, &err), -ENODEV);
}
END_TEST

/* As a program with a loop of its own waits. */
static void read_by_loop(void)
{
	struct vio_blk_request *done;
	struct simple read;

	must(submit(&read, VIO_BLK_READ, pick(2000), data, SECTOR) == 0);
	while (vio_blk_reap(queue, &done, 1) == 0) {
		if (vio_blk_wait_arm(queue)) {
			continue;
		}
		if (is_readable(vio_blk_wait_fd(queue), VIO_WAIT_BACKSTOP_MS)) {
			vio_blk_wait_ack(queue);
		} else {
			vio_blk_wait_expired(queue);
		}
		vio_blk_wait_disarm(queue);
	}
	must(read.request.result == 0);
}

static void (*const ways[])(void) = {read_by_waiting, read_by_loop};

/* Slow enough that the wait has begun when the answer comes. */
static void delay(unsigned ms)
{
	sim_faults_clear(sim);
	sim_fault(sim, (struct sim_fault){.kind = SIM_DELAY, .value = ms});
}

START_TEST(test_missing)
{
	uint64_t start;
	int fd;

	open_waiting(VIO_POLL_NEVER, true, false);
	fd = vio_blk_wait_fd(queue);
	sim_knobs(sim)->mute = true;
	delay(20);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(vio_blk_has_interrupts(queue));
		ck_assert_int_eq(vio_blk_wait_fd(queue), fd);
		ways[_i]();
	}
	ck_assert(!vio_blk_has_interrupts(queue));
	ck_assert(sim_transport(sim)->interrupts); /* of the others nothing is known */
	ck_assert_int_ne(vio_blk_wait_fd(queue), fd);
	ck_assert_uint_eq(stats().interrupts_missed, 3);
	ck_assert_uint_eq(logged[VIO_LOG_WARN], 1);
	ck_assert_msg(strstr(last_line, "interrupts do not arrive (eventfd)"), "%s", last_line);
	sim_faults_clear(sim);
	start = now_ms();
	for (unsigned i = 0; i < 100; i++) {
		ways[_i]();
	}
	ck_assert_uint_lt(now_ms() - start, BOUND_MS);
	ck_assert_uint_eq(logged[VIO_LOG_WARN], 1);
}
END_TEST

/* Three in a row: one that arrives in between is as good as new. */
START_TEST(test_missing_now_and_then)
{
	open_waiting(VIO_POLL_NEVER, true, false);
	for (unsigned i = 0; i < 9; i++) {
		sim_knobs(sim)->mute = i % 3 != 2;
		delay(20);
		ways[_i]();
	}
	ck_assert(vio_blk_has_interrupts(queue));
	ck_assert_uint_eq(stats().interrupts_missed, 6);
	ck_assert_uint_eq(logged[VIO_LOG_WARN], 0);
}
END_TEST

/* A device that takes longer than the backstop: looking for nothing is no miss. */
START_TEST(test_slower_than_the_backstop)
{
	open_waiting(VIO_POLL_NEVER, true, false);
	delay(VIO_WAIT_BACKSTOP_MS * 5 / 2);
	for (unsigned i = 0; i < 4; i++) {
		ways[_i]();
	}
	ck_assert(vio_blk_has_interrupts(queue));
	ck_assert_uint_eq(stats().interrupts_missed, 0);
	ck_assert_uint_eq(stats().interrupts, 4);
}
END_TEST

START_TEST(test_violations)
{
	open_waiting(VIO_POLL_AUTO, false, false);
	sim_fault(sim, (struct sim_fault){.kind = SIM_STATUS, .value = 77, .times = 2});
	ck_assert_int_eq(run_one(VIO_BLK_READ, 0, data, SECTOR), -EIO);
	ck_assert_int_eq(run_one(VIO_BLK_READ, 0, data, SECTOR), -EIO);
	ck_assert_uint_eq(stats().violations, 2);
	ck_assert_uint_eq(stats().resets, 0);
	sim_fault(sim, (struct sim_fault){.kind = SIM_ID, .value = 4711, .times = 1});
	ck_assert_int_eq(run_one(VIO_BLK_READ, 0, data, SECTOR), -EPROTO);
	ck_assert_uint_eq(stats().violations, 3);
	ck_assert_uint_eq(stats().resets, 1);
	assert_restarts();
	ck_assert_uint_eq(stats().requests, 4); /* and a reset takes none of them away */
}
END_TEST

Suite *wait_suite(void)
{
	Suite *suite = suite_create("wait");
	TCase *tcase = tcase_create("interrupts");

	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_test(tcase, test_none_awake);
	tcase_add_loop_test(tcase, test_none_idle, 0, 2);
	tcase_add_loop_test(tcase, test_one_asleep, 0, 3);
	tcase_add_loop_test(tcase, test_modes, 0, 4);
	tcase_add_test(tcase, test_auto_gives_up_spinning);
	tcase_add_loop_test(tcase, test_bad_options, 0, 2);
	tcase_add_loop_test(tcase, test_news, 0, 2);
	tcase_add_loop_test(tcase, test_trouble_ends_a_wait, 0, 4);
	tcase_add_loop_test(tcase, test_missing, 0, 2);
	tcase_add_loop_test(tcase, test_missing_now_and_then, 0, 2);
	tcase_add_loop_test(tcase, test_slower_than_the_backstop, 0, 2);
	tcase_add_test(tcase, test_violations);
	suite_add_tcase(suite, tcase);
	return suite;
}
