/* SPDX-License-Identifier: BSD-3-Clause */
/* What spin.h promises, with a clock of our own: no second of real time goes by here. */
#include "fixture.h"

#include <vio/spin.h>

enum {
	WAITS = 20000,
	SETTLED = 64 + 8, /* waits until a change of the device is learnt */
};

static struct vio_spin spin;
static uint64_t total, spun; /* ns of waiting, and of that spinning */
static unsigned slept;

static void start(enum vio_poll poll, unsigned poll_us)
{
	vio_spin_init(&spin, poll, poll_us);
	total = 0;
	spun = 0;
	slept = 0;
}

/* One wait for an answer that comes after @answer_ns; waking up takes @wake_ns more. */
static void wait_for(uint64_t answer_ns, uint64_t wake_ns)
{
	uint64_t allowance = vio_spin_allowance(&spin);
	bool found = answer_ns <= allowance;

	must(allowance == UINT64_MAX || allowance <= spin.max_ns);
	if (allowance > 0) {
		spun += found ? answer_ns : allowance;
		vio_spin_ended(&spin, found);
	}
	total += answer_ns;
	if (!found || allowance == 0) {
		total += wake_ns;
		slept++;
		vio_spin_slept(&spin, answer_ns + wake_ns);
	}
}

static const unsigned lengths_us[] = {1, 3, 50, 999, 10000};

enum {
	LENGTHS = sizeof(lengths_us) / sizeof(lengths_us[0])
};

/* The bound of the header, to the nanosecond, for a device that is always too slow. */
START_TEST(test_slow)
{
	uint64_t max_ns = lengths_us[_i] * UINT64_C(1000);

	start(VIO_POLL_AUTO, lengths_us[_i]);
	for (unsigned i = 0; i < WAITS; i++) {
		wait_for(max_ns + 1 + pick(20) * max_ns / 7, pick(50000));
		must(spun < 2 * max_ns + total / 64);
	}
	ck_assert_uint_gt(spin.spins, WAITS / 64); /* it still looks whether that is so */
	ck_assert_uint_eq(spin.spins_found, 0);
}
END_TEST

/* Whatever it was before: a device that answers in time is soon waited for by spinning alone. */
START_TEST(test_becomes_fast)
{
	uint64_t max_ns = lengths_us[_i / 2] * UINT64_C(1000);
	uint64_t wake_ns = _i % 2 ? 2 * max_ns : 0; /* then sleeping never looks short enough */

	start(VIO_POLL_AUTO, lengths_us[_i / 2]);
	for (unsigned i = 0; i < WAITS; i++) {
		wait_for(2 * max_ns, 0);
	}
	for (unsigned i = 0; i < SETTLED; i++) {
		wait_for(max_ns / 2, wake_ns);
	}
	slept = 0;
	for (unsigned i = 0; i < WAITS; i++) {
		wait_for(max_ns / 2, wake_ns);
	}
	ck_assert_uint_eq(slept, 0);
}
END_TEST

/* And one that becomes slow costs two longest spins to find out. */
START_TEST(test_becomes_slow)
{
	uint64_t max_ns = lengths_us[_i] * UINT64_C(1000);

	start(VIO_POLL_AUTO, lengths_us[_i]);
	for (unsigned i = 0; i < WAITS; i++) {
		wait_for(max_ns / 2, 0);
	}
	ck_assert_uint_eq(slept, 0);
	spun = 0;
	for (unsigned i = 0; i < 60; i++) {
		wait_for(2 * max_ns, 0);
	}
	ck_assert_uint_lt(spun, 2 * max_ns);
}
END_TEST

/* A device that answers whenever it likes: no wait spins longer than it may. */
START_TEST(test_any)
{
	start(VIO_POLL_AUTO, 50);
	for (unsigned i = 0; i < WAITS; i++) {
		uint64_t before = spun;

		wait_for(pick(pick(2) ? 60000 : 600000), pick(60000));
		must(spun - before <= 50000);
	}
}
END_TEST

START_TEST(test_fixed)
{
	start(VIO_POLL_NEVER, 50);
	for (unsigned i = 0; i < 1000; i++) {
		wait_for(1, 0);
	}
	ck_assert_uint_eq(spun, 0);
	ck_assert_uint_eq(slept, 1000);
	start(VIO_POLL_AUTO, 0);
	for (unsigned i = 0; i < 1000; i++) {
		wait_for(1, 0);
	}
	ck_assert_uint_eq(spun, 0);
	start(VIO_POLL_ALWAYS, 50);
	for (unsigned i = 0; i < 1000; i++) {
		wait_for(UINT32_MAX, 0);
	}
	ck_assert_uint_eq(slept, 0);
	ck_assert_uint_eq(spin.spins_found, 1000);
	start(VIO_POLL_AUTO, UINT32_MAX);
	ck_assert_uint_eq(spin.max_ns, VIO_POLL_US_MAX * UINT64_C(1000));
}
END_TEST

Suite *spin_suite(void)
{
	Suite *suite = suite_create("spin");
	TCase *tcase = tcase_create("bounds");

	tcase_add_loop_test(tcase, test_slow, 0, LENGTHS);
	tcase_add_loop_test(tcase, test_becomes_fast, 0, 2 * LENGTHS);
	tcase_add_loop_test(tcase, test_becomes_slow, 0, LENGTHS);
	tcase_add_test(tcase, test_any);
	tcase_add_test(tcase, test_fixed);
	suite_add_tcase(suite, tcase);
	return suite;
}
