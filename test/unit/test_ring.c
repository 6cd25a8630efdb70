/* SPDX-License-Identifier: BSD-3-Clause */
/* Every kind of ring against the device's side in test/sim/sim_ring….c. */
#include "ring_fixture.h"

enum {
	MOST = 256,
	LAPS = 200000, /* chains: three times round 16 bits */
};

static struct ring *const ring = &ours.ring;
static int cookies[MOST]; /* a chain is known by the address of one */
static int *cookie_of[32768];

/* A chain of which every segment can be told from every other. */
static int add(unsigned reads, unsigned writes, int *cookie)
{
	struct vio_segment segments[MOST + 1];
	int id;

	for (unsigned i = 0; i < reads + writes && i <= MOST; i++) {
		segments[i] = (struct vio_segment){{UINT64_C(0x123456789000) + UINT64_C(16) * i},
						   100 + i};
	}
	id = queue_add(&ours, segments, reads, writes);
	if (id < 0) {
		return id;
	}
	cookie_of[id] = cookie;
	return 0;
}

static void assert_chain(const struct sim_chain *chain, unsigned reads, unsigned writes)
{
	must(chain->count == reads + writes);
	must(chain->taken == ring_cost(reads + writes));
	for (unsigned i = 0; i < chain->count; i++) {
		must(chain->segments[i].iova == UINT64_C(0x123456789000) + UINT64_C(16) * i);
		must(chain->segments[i].length == 100 + i);
		must(chain->segments[i].writable == (i >= reads));
	}
}

static void add_and_publish(int *cookie)
{
	must(add(1, 1, cookie) == 0);
	ring_publish();
}

static void assert_reaped(int *cookie, uint32_t length)
{
	struct vio_queue_used used = {0};

	must(vio_queue_reap(&ours, &used, 1) == 1);
	must(cookie_of[used.id] == cookie);
	must(used.length == length);
}

static void assert_broken(const char *word)
{
	struct vio_queue_used used;

	ck_assert_int_eq(vio_queue_reap(&ours, &used, 1), -EPROTO);
	ck_assert_msg(strstr(ring->fault, word) != NULL, "'%s' does not say '%s'", ring->fault,
		      word);
	ck_assert_int_eq(vio_queue_reap(&ours, &used, 1), -EPROTO);
	ck_assert_int_eq(add(1, 1, &cookies[MOST - 1]), -ENODEV);
	ck_assert(queue_has_used(&ours));
}

/* 2.7: sizes and alignments; in a legacy device the used ring has a page of its own. */
START_TEST(test_layout)
{
	for (unsigned size = 2; size <= 32768; size *= 2) {
		struct ring_layout modern = split_layout((uint16_t)size, 4);
		struct ring_layout legacy = split_layout((uint16_t)size, 4096);

		ck_assert_uint_eq(modern.driver_offset, 16 * size);
		ck_assert_uint_ge(modern.device_offset, 16 * size + 6 + 2 * size);
		ck_assert_uint_eq(modern.device_offset % 4, 0);
		ck_assert_uint_eq(modern.total, modern.device_offset + 6 + 8 * size);
		ck_assert_uint_eq(legacy.device_offset, (18 * size + 6 + 4095) / 4096 * 4096);
	}
}
END_TEST

/* 2.8: any size; two words that are aligned to four bytes. */
START_TEST(test_packed_layout)
{
	for (unsigned size = 1; size <= 32768; size++) {
		struct ring_layout layout = packed_layout((uint16_t)size);

		must(layout.driver_offset >= 16 * size && layout.driver_offset % 4 == 0);
		must(layout.device_offset >= layout.driver_offset + 4);
		must(layout.device_offset % 4 == 0 && layout.total == layout.device_offset + 4);
	}
}
END_TEST

START_TEST(test_all_lengths)
{
	static struct sim_chain chain;
	unsigned size;

	open_ring(_i);
	size = ring->size;
	for (unsigned total = 1; total <= size; total++) {
		for (unsigned reads = 0; reads <= total; reads += total > 8 ? 7 : 1) {
			must(add(reads, total - reads, &cookies[0]) == 0);
			must(ring->free_count == size - ring_cost(total));
			must(ring_publish());
			must(sim_ring_next(&device, &chain));
			assert_chain(&chain, reads, total - reads);
			sim_ring_return(&device, &chain, total);
			assert_reaped(&cookies[0], total);
			must(ring->free_count == size);
			sim_ring_allow_notify(&device);
		}
	}
}
END_TEST

/* Three times round the 16 bits of both indices, in batches that straddle the wrap. */
START_TEST(test_wrap)
{
	static struct sim_chain chain;

	open_ring(_i);
	for (unsigned i = 0; i < LAPS;) {
		unsigned batch = 1 + i % 13;

		sim_ring_allow_notify(&device);
		for (unsigned n = 0; n < batch; n++) {
			must(add(1, n % 3, &cookies[n]) == 0);
		}
		must(ring_publish());
		for (unsigned n = 0; n < batch; n++) {
			must(sim_ring_next(&device, &chain));
			assert_chain(&chain, 1, n % 3);
			sim_ring_return(&device, &chain, i + n);
		}
		must(!sim_ring_next(&device, &chain));
		for (unsigned n = 0; n < batch; n++) {
			assert_reaped(&cookies[n], i + n);
		}
		must(!queue_has_used(&ours));
		i += batch;
	}
	must(ring->free_count == ring->size);
	must(ring->in_flight == 0);
}
END_TEST

/* A chain that 70000 others overtake is still known when it comes back. */
START_TEST(test_overtaken)
{
	static struct sim_chain late, chain;

	open_ring(_i);
	add_and_publish(&cookies[0]);
	must(sim_ring_next(&device, &late));
	for (unsigned i = 0; i < 70000; i++) {
		add_and_publish(&cookies[1]);
		must(sim_ring_next(&device, &chain));
		sim_ring_return(&device, &chain, 0);
		assert_reaped(&cookies[1], 0);
	}
	sim_ring_return(&device, &late, 7);
	assert_reaped(&cookies[0], 7);
}
END_TEST

/* Random chains, given back in random order: every cookie once, no descriptor lost. */
START_TEST(test_out_of_order)
{
	static struct sim_chain held[64];
	static bool busy[64];
	unsigned count = 0;

	open_ring(_i);
	memset(busy, 0, sizeof(busy));
	for (unsigned round = 0; round < 50000; round++) {
		unsigned total = 1 + pick(TABLE + 4);
		unsigned c = pick(64);
		struct vio_queue_used used;

		if (!busy[c] && add(1, total - 1, &cookies[c]) == 0) {
			busy[c] = true;
			ring_publish();
			must(sim_ring_next(&device, &held[count]));
			assert_chain(&held[count++], 1, total - 1);
		} else if (count) {
			unsigned victim = pick(count);

			sim_ring_return(&device, &held[victim], 0);
			held[victim] = held[--count];
			must(vio_queue_reap(&ours, &used, 1) == 1);
			c = (unsigned)(cookie_of[used.id] - cookies);
			must(busy[c]);
			busy[c] = false;
		}
		must(ring->in_flight == count);
	}
}
END_TEST

/* In batches, of which the device names the last one alone (2.7.8, 2.8.8). */
START_TEST(test_in_order)
{
	static struct sim_chain chain;
	struct vio_queue_used used[16];

	open_ring(RING_IN_ORDER | _i);
	for (unsigned i = 0; i < LAPS;) {
		unsigned batch = 1 + i % 5, got = 0;

		for (unsigned n = 0; n < batch; n++) {
			must(add(1, (i + n) % (TABLE + 3), &cookies[n]) == 0);
		}
		ring_publish();
		for (unsigned n = 0; n < batch; n++) {
			must(!queue_has_used(&ours));
			must(sim_ring_next(&device, &chain));
			if (n + 1 < batch) {
				sim_ring_skip(&device, &chain);
			}
		}
		sim_ring_return(&device, &chain, i + 1);
		while (got < batch) {
			unsigned most = 1 + pick(3);
			int n;

			must(queue_has_used(&ours));
			n = vio_queue_reap(&ours, used, most);
			must(n > 0 && (unsigned)n <= most);
			for (int k = 0; k < n; k++, got++) {
				must(cookie_of[used[k].id] == &cookies[got]);
				must(used[k].length == (got + 1 == batch ? i + 1 : 0));
			}
		}
		must(vio_queue_reap(&ours, used, 16) == 0 && ring->in_flight == 0);
		i += batch;
	}
	must(ring->free_count == ring->size);
}
END_TEST

/* A batch is no way to more than was published, or to more than the index says. */
START_TEST(test_bad_batch)
{
	static struct sim_chain chain;

	open_ring(RING_IN_ORDER | _i);
	for (int i = 0; i < 3; i++) {
		add_and_publish(&cookies[i]);
		ck_assert(sim_ring_next(&device, &chain));
	}
	ck_assert_int_eq(add(1, 1, &cookies[3]), 0);
	if (_i & RING_PACKED) {
		sim_ring_push(&device, chain.head + 1u, 0);
		assert_broken("not given yet");
	} else {
		sim_ring_push(&device, chain.head, 0);
		assert_broken("more than it says");
	}
	start_ring_over();
}
END_TEST

/* As many chains as fit, and not one more; then again when one came back. */
START_TEST(test_full)
{
	static struct sim_chain chain;
	unsigned chains = 0;

	open_ring(_i);
	ck_assert_int_eq(add(0, 0, &cookies[0]), -EINVAL);
	ck_assert_int_eq(add(ring->size, 1, &cookies[0]), -EINVAL);
	while (ring->free_count >= ring_cost(4)) {
		ck_assert_int_eq(queue_next(&ours), ring->free_head);
		ck_assert_int_eq(add(2, 2, &cookies[chains++]), 0);
	}
	ck_assert_uint_eq(chains, ring->size / ring_cost(4));
	ck_assert_int_eq(add(2, 2, &cookies[99]), -EAGAIN);
	ck_assert(ring_publish());
	for (unsigned i = 0; i < chains; i++) {
		ck_assert(sim_ring_next(&device, &chain));
		sim_ring_return(&device, &chain, 0);
	}
	ck_assert_int_eq(add(2, 2, &cookies[99]), -EAGAIN);
	assert_reaped(&cookies[0], 0);
	ck_assert_int_eq(add(ring->size, 0, &cookies[99]), -EAGAIN);
	ck_assert_int_eq(add(3, 1, &cookies[99]), 0);
	ck_assert_int_eq(add(3, 1, &cookies[99]), -EAGAIN);
	if (ring->free_count == 0) {
		ck_assert_int_eq(queue_next(&ours), -EAGAIN);
	}
}
END_TEST

START_TEST(test_publish)
{
	static struct sim_chain chain;

	open_ring(_i);
	ck_assert(!ring_publish());
	ck_assert_int_eq(add(1, 1, &cookies[0]), 0);
	ck_assert_int_eq(add(1, 1, &cookies[1]), 0);
	ck_assert(!sim_ring_next(&device, &chain));
	ck_assert(ring_publish());
	ck_assert(!ring_publish());
	ck_assert(sim_ring_next(&device, &chain));
	ck_assert(sim_ring_next(&device, &chain));
	ck_assert(!sim_ring_next(&device, &chain));

	sim_ring_forbid_notify(&device);
	ck_assert_int_eq(add(1, 1, &cookies[2]), 0);
	ck_assert_msg(!ring_publish(), "the device asked not to be notified");
	ck_assert_msg(sim_ring_allow_notify(&device), "what was published must be seen");
}
END_TEST

static void serve_one(struct sim_chain *chain, int *cookie)
{
	must(sim_ring_next(&device, chain));
	sim_ring_return(&device, chain, 0);
	assert_reaped(cookie, 0);
}

/* One notification for each wish of the device, wherever the indices are. */
START_TEST(test_notifications)
{
	static struct sim_chain chain;
	bool once = _i & RING_EVENT_INDEX;

	open_ring(_i);
	for (unsigned i = 0; i < LAPS / 4; i++) {
		unsigned batch = 1 + i % 7;

		must(!sim_ring_allow_notify(&device));
		for (unsigned n = 0; n < batch; n++) {
			must(add(1, 1, &cookies[0]) == 0);
		}
		must(ring_publish());
		must(add(1, 1, &cookies[0]) == 0);
		must(ring_publish() == !once);
		sim_ring_forbid_notify(&device);
		must(add(1, 1, &cookies[0]) == 0);
		must(!ring_publish());
		for (unsigned n = 0; n < batch + 2; n++) {
			serve_one(&chain, &cookies[0]);
		}
	}
}
END_TEST

/* One interrupt for each wish of the driver, wherever the indices are. */
START_TEST(test_interrupts)
{
	static struct sim_chain chain[3];
	bool once = _i & RING_EVENT_INDEX;
	unsigned unasked = 0;

	open_ring(_i);
	for (unsigned i = 0; i < LAPS / 3; i++) {
		for (int n = 0; n < 3; n++) {
			add_and_publish(&cookies[n]);
			must(sim_ring_next(&device, &chain[n]));
		}
		sim_ring_wants_interrupt(&device);
		must(!ring_arm(true));
		sim_ring_return(&device, &chain[0], 0);
		must(sim_ring_wants_interrupt(&device));
		sim_ring_return(&device, &chain[1], 0);
		must(sim_ring_wants_interrupt(&device) == !once);
		assert_reaped(&cookies[0], 0);
		assert_reaped(&cookies[1], 0);
		ring_disarm();
		sim_ring_return(&device, &chain[2], 0);
		unasked += sim_ring_wants_interrupt(&device);
		must(ring_arm(true));
		ring_disarm();
		assert_reaped(&cookies[2], 0);
	}
	/* a split ring has no better way to say it than an index that has been passed */
	must(unasked == 0);
}
END_TEST

/* Awake for as long as it may be: the event index comes round once in 65536. */
START_TEST(test_stays_quiet)
{
	static struct sim_chain chain;
	unsigned unasked = 0;

	open_ring(_i);
	for (unsigned i = 0; i < LAPS; i++) {
		add_and_publish(&cookies[0]);
		must(sim_ring_next(&device, &chain));
		sim_ring_return(&device, &chain, 0);
		unasked += sim_ring_wants_interrupt(&device);
		assert_reaped(&cookies[0], 0);
	}
	ck_assert_uint_le(unasked, (_i & (RING_PACKED | RING_EVENT_INDEX)) == RING_EVENT_INDEX
					   ? LAPS / 65536
					   : 0);
}
END_TEST

START_TEST(test_arm)
{
	static struct sim_chain chain;

	open_ring(_i);
	ck_assert(!ring_arm(false));
	add_and_publish(&cookies[0]);
	ck_assert(sim_ring_next(&device, &chain));
	sim_ring_return(&device, &chain, 0);
	ck_assert_msg(!sim_ring_wants_interrupt(&device), "interrupts before anybody asked");
	ck_assert_msg(ring_arm(true), "this completion would be slept over");
	assert_reaped(&cookies[0], 0);
	ck_assert(!ring_arm(true));
}
END_TEST

START_TEST(test_reap_some)
{
	static struct sim_chain chain;
	struct vio_queue_used used[8];

	open_ring(_i);
	for (int i = 0; i < 5; i++) {
		add_and_publish(&cookies[i]);
		ck_assert(sim_ring_next(&device, &chain));
		sim_ring_return(&device, &chain, 0);
	}
	ck_assert_int_eq(vio_queue_reap(&ours, used, 0), 0);
	ck_assert_int_eq(vio_queue_reap(&ours, used, 3), 3);
	ck_assert_ptr_eq(cookie_of[used[2].id], &cookies[2]);
	ck_assert_int_eq(vio_queue_reap(&ours, used, 8), 2);
	ck_assert_ptr_eq(cookie_of[used[1].id], &cookies[4]);
	ck_assert_int_eq(vio_queue_reap(&ours, used, 8), 0);
}
END_TEST

/* After a reset: every cookie once, and nothing of it may be published later. */
START_TEST(test_take)
{
	static struct sim_chain chain;
	bool seen[5] = {false};

	open_ring(_i);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(add(1, 2, &cookies[i]), 0);
		if (i == 2) {
			ring_publish();
		}
	}
	for (int i = 0; i < 5; i++) {
		int id = ring_take(ring);
		int *cookie = id < 0 ? NULL : cookie_of[id];

		ck_assert_ptr_nonnull(cookie);
		ck_assert(!seen[cookie - cookies]);
		seen[cookie - cookies] = true;
	}
	ck_assert_int_eq(ring_take(ring), -ENOENT);
	ck_assert_uint_eq(ring->free_count, ring->size);
	ck_assert(!ring_publish());
	for (int i = 0; i < 3; i++) {
		ck_assert(sim_ring_next(&device, &chain));
	}
	ck_assert_msg(!sim_ring_next(&device, &chain), "taken, and published all the same");
}
END_TEST

/* The number of the @n-th chain of two segments in an empty ring. */
static unsigned number(unsigned n)
{
	return ring_kind & RING_PACKED ? n : n * ring_cost(2);
}

/* A3 rules 1 to 3, entry by entry. */
START_TEST(test_bad_ids)
{
	static struct sim_chain chain;
	struct {
		uint32_t id;
		const char *word;
	} bad[] = {
		{64, "outside"},       {0xffff, "outside"},     {0x8000, "outside"},
		{60, "not in flight"}, {0, "not given yet"},    {0x10000, "outside"},
		{0x10002, "outside"},  {UINT32_MAX, "outside"}, {1, "not in flight"},
	};
	/* a packed ring has 16 bits for it; the middle of a chain is no id without tables alone */
	size_t count = _i & RING_PACKED ? 5 : _i & RING_TABLES ? 8 : 9;

	open_ring(_i);
	bad[4].id = number(2);
	for (size_t i = 0; i < count; i++) {
		add_and_publish(&cookies[0]);
		add_and_publish(&cookies[1]);
		ck_assert(sim_ring_next(&device, &chain));
		ck_assert_int_eq(add(1, 1, &cookies[2]), 0); /* unpublished */
		sim_ring_push(&device, bad[i].id, 0);
		assert_broken(bad[i].word);
		start_ring_over();
	}
}
END_TEST

START_TEST(test_twice)
{
	static struct sim_chain chain[2];

	open_ring(_i);
	for (int i = 0; i < 2; i++) {
		add_and_publish(&cookies[i]);
		ck_assert(sim_ring_next(&device, &chain[i]));
	}
	sim_ring_push(&device, chain[0].head, 0);
	sim_ring_push(&device, chain[0].head, 0);
	assert_reaped(&cookies[0], 0); /* what came before the violation counts */
	assert_broken("not in flight");
	start_ring_over();

	add_and_publish(&cookies[0]);
	ck_assert(sim_ring_next(&device, &chain[0]));
	sim_ring_push(&device, chain[0].head, 0);
	sim_ring_push(&device, chain[0].head, 0);
	if (_i & RING_PACKED) {
		assert_reaped(&cookies[0], 0);
		assert_broken("not in flight");
	} else {
		assert_broken("jumped");
	}
	start_ring_over();
}
END_TEST

START_TEST(test_jump)
{
	static const uint16_t jumps[] = {3, 4, 64, 65, 32768, 65535};

	open_ring(_i & ~RING_PACKED);
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		add_and_publish(&cookies[0]);
		add_and_publish(&cookies[1]);
		ck_assert_int_eq(add(1, 1, &cookies[2]), 0);
		sim_ring_jump(&device, jumps[i]);
		assert_broken("jumped");
		start_ring_over();
	}
	sim_ring_jump(&device, 1);
	assert_broken("jumped");
	start_ring_over();
}
END_TEST

/* A packed ring has no index: a flag says that what was never given came back. */
START_TEST(test_flag_alone)
{
	static struct sim_chain chain;

	open_ring(_i | RING_PACKED);
	sim_ring_jump(&device, 1);
	assert_broken("not in flight");
	start_ring_over();
	for (int i = 0; i < 100; i++) {
		add_and_publish(&cookies[0]);
		serve_one(&chain, &cookies[0]);
	}
	sim_ring_jump(&device, 1);
	assert_broken("not in flight");
	start_ring_over();
	/* hidden behind the first one, it is nobody's yet */
	ck_assert_int_eq(add(1, 1, &cookies[0]), 0);
	sim_ring_jump(&device, 1);
	assert_broken("not given yet");
	start_ring_over();
}
END_TEST

/* A3 rule 4: what the device writes into our half does not matter to us. */
START_TEST(test_scribble)
{
	static struct sim_chain chain;
	size_t ours_only;

	open_ring(_i);
	ours_only = (size_t)(device.device_area - device.descriptors);
	for (int round = 0; round < 1000; round++) {
		unsigned total = 1 + pick(ring->size);

		must(add(total, 0, &cookies[0]) == 0);
		ring_publish();
		must(sim_ring_next(&device, &chain));
		assert_chain(&chain, total, 0);
		for (size_t i = 0; i < ours_only; i++) {
			ring_bytes[i] = (char)pick(256);
		}
		sim_ring_return(&device, &chain, 0);
		assert_reaped(&cookies[0], 0);
		must(ring->free_count == ring->size);
		if (_i & (RING_TABLES | RING_PACKED)) {
			/* descriptors that stay, and flags that say anything */
			start_ring_over();
		}
	}
}
END_TEST

START_TEST(test_clear)
{
	static struct sim_chain chain;
	unsigned half;

	open_ring(_i);
	half = ring->size / 2;
	for (int i = 0; i < 70; i++) {
		add_and_publish(&cookies[0]);
		serve_one(&chain, &cookies[0]);
	}
	add_and_publish(&cookies[0]);
	ck_assert_int_eq(add(3, 3, &cookies[1]), 0);
	ring_arm(true);
	sim_ring_push(&device, 0xffff, 0);
	assert_broken("outside");
	start_ring_over();
	ck_assert(!queue_has_used(&ours));
	ck_assert(!sim_ring_wants_interrupt(&device));
	ck_assert_uint_eq(ring->free_count, ring->size);
	ck_assert_int_eq(add(half, half, &cookies[0]), 0);
	ck_assert(ring_publish());
	ck_assert(sim_ring_next(&device, &chain));
	assert_chain(&chain, half, half);
	sim_ring_return(&device, &chain, 5);
	assert_reaped(&cookies[0], 5);
}
END_TEST

/* The largest ring, in the layout of a legacy device, full twice. */
START_TEST(test_large)
{
	static struct sim_chain chain;

	open_ring_of(_i, 32768, 4096);
	for (int lap = 0; lap < 2; lap++) {
		sim_ring_allow_notify(&device);
		for (unsigned i = 0; i < 32768 / MOST; i++) {
			must(add(MOST, 0, &cookies[i]) == 0);
		}
		must(add(1, 0, &cookies[200]) == -EAGAIN);
		must(ring_publish());
		for (unsigned i = 0; i < 32768 / MOST; i++) {
			must(sim_ring_next(&device, &chain));
			assert_chain(&chain, MOST, 0);
			sim_ring_return(&device, &chain, i);
			assert_reaped(&cookies[i], i);
		}
	}
}
END_TEST

/* 2.8.10.1: a packed ring of any size, the smallest included. */
START_TEST(test_odd_sizes)
{
	static struct sim_chain chain;

	for (unsigned size = 1; size < 40; size++) {
		open_ring_of(_i | RING_PACKED, (uint16_t)size, 4);
		for (unsigned i = 0; i < 500; i++) {
			sim_ring_allow_notify(&device);
			for (unsigned n = 0; n < size; n++) {
				must(add(1, 0, &cookies[n]) == 0);
			}
			must(add(1, 0, &cookies[0]) == -EAGAIN);
			must(ring_publish());
			for (unsigned n = 0; n < size; n++) {
				serve_one(&chain, &cookies[n]);
			}
		}
		close_ring();
	}
}
END_TEST

static TCase *some(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, NULL, close_ring);
	suite_add_tcase(suite, tcase);
	return tcase;
}

Suite *ring_suite(void)
{
	Suite *suite = suite_create("ring");
	TCase *tcase = some(suite, "work");

	tcase_add_loop_test(tcase, test_all_lengths, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_wrap, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_overtaken, 0, RING_KINDS);
	tcase_add_loop_test(tcase, test_out_of_order, 0, RING_KINDS);
	tcase_add_loop_test(tcase, test_in_order, 0, RING_KINDS);
	tcase_add_loop_test(tcase, test_full, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_publish, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_notifications, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_interrupts, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_stays_quiet, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_arm, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_reap_some, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_take, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_clear, 0, RING_ALL_KINDS);
	tcase = some(suite, "distrust");
	tcase_add_loop_test(tcase, test_bad_ids, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_bad_batch, 0, RING_KINDS);
	tcase_add_loop_test(tcase, test_twice, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_jump, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_flag_alone, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_scribble, 0, RING_KINDS);
	tcase = some(suite, "memory");
	tcase_add_test(tcase, test_layout);
	tcase_add_test(tcase, test_packed_layout);
	tcase_add_loop_test(tcase, test_large, 0, RING_ALL_KINDS);
	tcase_add_loop_test(tcase, test_odd_sizes, 0, RING_ALL_KINDS);
	return suite;
}
