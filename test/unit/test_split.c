/* SPDX-License-Identifier: BSD-3-Clause */
/* lib/src/split.c against the device's side of the ring in test/sim/ring.c. */
#include "fixture.h"
#include "ring.h"
#include "split.h"

enum {
	SIZE = 64,
	MOST = 256,
};

static struct split_ring ring;
static struct sim_ring device;
static char *memory;
static int cookies[MOST]; /* a chain is known by the address of one */
static int *cookie_of[32768];
static const struct frames no_frames = {.table_segments = -1};

static void open_rings(uint16_t size, uint32_t align)
{
	struct split_layout layout = split_layout(size, align);

	memory = aligned_alloc(4096, (layout.total + 4095) / 4096 * 4096);
	ck_assert_ptr_nonnull(memory);
	ck_assert_int_eq(split_init(&ring, memory, size, align, &no_frames, false), 0);
	sim_ring_open(&device, size, memory, memory + layout.available_offset,
		      memory + layout.used_offset);
}

static void open_usual(void)
{
	open_rings(SIZE, 4);
}

static void close_rings(void)
{
	if (device.complaint) {
		ck_abort_msg("%s", device.complaint);
	}
	sim_ring_close(&device);
	split_free(&ring);
	free(memory);
}

static void start_over(void)
{
	struct split_layout layout = split_layout(ring.size, 4);

	split_clear(&ring, memory, 4);
	sim_ring_close(&device);
	sim_ring_open(&device, ring.size, memory, memory + layout.available_offset,
		      memory + layout.used_offset);
}

/* A chain of which every segment can be told from every other. */
static int add(unsigned reads, unsigned writes, int *cookie)
{
	struct vio_segment segments[MOST + 1];

	for (unsigned i = 0; i < reads + writes && i <= MOST; i++) {
		segments[i] = (struct vio_segment){{UINT64_C(0x123456789000) + UINT64_C(16) * i},
						   100 + i};
	}
	int id = split_add(&ring, segments, reads, writes);

	if (id < 0) {
		return id;
	}
	cookie_of[id] = cookie;
	return 0;
}

static void assert_chain(const struct sim_chain *chain, unsigned reads, unsigned writes)
{
	must(chain->count == reads + writes);
	for (unsigned i = 0; i < chain->count; i++) {
		must(chain->segments[i].iova == UINT64_C(0x123456789000) + UINT64_C(16) * i);
		must(chain->segments[i].length == 100 + i);
		must(chain->segments[i].writable == (i >= reads));
	}
}

static void add_and_publish(int *cookie)
{
	must(add(1, 1, cookie) == 0);
	split_publish(&ring);
}

static void assert_reaped(int *cookie, uint32_t length)
{
	struct vio_queue_used used = {0};

	must(split_reap(&ring, &used, 1) == 1);
	must(cookie_of[used.id] == cookie);
	must(used.length == length);
}

static void assert_broken(const char *word)
{
	struct vio_queue_used used;

	ck_assert_int_eq(split_reap(&ring, &used, 1), -EPROTO);
	ck_assert_msg(strstr(ring.fault, word) != NULL, "'%s' does not say '%s'", ring.fault, word);
	ck_assert_int_eq(split_reap(&ring, &used, 1), -EPROTO);
	ck_assert_int_eq(add(1, 1, &cookies[MOST - 1]), -ENODEV);
	ck_assert(split_has_used(&ring));
}

/* 2.7: sizes and alignments; in a legacy device the used ring has a page of its own. */
START_TEST(test_layout)
{
	for (size_t size = 2; size <= 32768; size *= 2) {
		struct split_layout modern = split_layout((uint16_t)size, 4);
		struct split_layout legacy = split_layout((uint16_t)size, 4096);

		ck_assert_uint_eq(modern.available_offset, 16 * size);
		ck_assert_uint_ge(modern.used_offset, 16 * size + 6 + 2 * size);
		ck_assert_uint_eq(modern.used_offset % 4, 0);
		ck_assert_uint_eq(modern.total, modern.used_offset + 6 + 8 * size);
		ck_assert_uint_eq(legacy.used_offset, (18 * size + 6 + 4095) / 4096 * 4096);
	}
}
END_TEST

START_TEST(test_all_lengths)
{
	static struct sim_chain chain;

	for (unsigned total = 1; total <= SIZE; total++) {
		for (unsigned reads = 0; reads <= total; reads += total > 8 ? 7 : 1) {
			must(add(reads, total - reads, &cookies[0]) == 0);
			must(ring.free_count == SIZE - total);
			must(split_publish(&ring));
			must(sim_ring_next(&device, &chain));
			assert_chain(&chain, reads, total - reads);
			sim_ring_return(&device, &chain, total);
			assert_reaped(&cookies[0], total);
			must(ring.free_count == SIZE);
		}
	}
}
END_TEST

/* Three times round the 16 bits of both indices, in batches that straddle the wrap. */
START_TEST(test_wrap)
{
	static struct sim_chain chain;

	for (unsigned i = 0; i < 200000;) {
		unsigned batch = 1 + i % 13;

		for (unsigned n = 0; n < batch; n++) {
			must(add(1, n % 3, &cookies[n]) == 0);
		}
		must(split_publish(&ring));
		for (unsigned n = 0; n < batch; n++) {
			must(sim_ring_next(&device, &chain));
			sim_ring_return(&device, &chain, i + n);
		}
		for (unsigned n = 0; n < batch; n++) {
			assert_reaped(&cookies[n], i + n);
		}
		i += batch;
	}
	must(ring.free_count == SIZE);
	must(ring.in_flight == 0);
}
END_TEST

/* A chain that 70000 others overtake is still known when it comes back. */
START_TEST(test_overtaken)
{
	static struct sim_chain late, chain;

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
	static struct sim_chain held[SIZE];
	static bool busy[SIZE];
	unsigned count = 0;

	for (unsigned round = 0; round < 50000; round++) {
		unsigned total = 1 + pick(5);
		unsigned c = pick(SIZE);
		struct vio_queue_used used;

		if (!busy[c] && add(1, total - 1, &cookies[c]) == 0) {
			busy[c] = true;
			split_publish(&ring);
			must(sim_ring_next(&device, &held[count]));
			assert_chain(&held[count++], 1, total - 1);
		} else if (count) {
			unsigned victim = pick(count);

			sim_ring_return(&device, &held[victim], 0);
			held[victim] = held[--count];
			must(split_reap(&ring, &used, 1) == 1);
			c = (unsigned)(cookie_of[used.id] - cookies);
			must(busy[c]);
			busy[c] = false;
		}
		must(ring.in_flight == count);
	}
}
END_TEST

START_TEST(test_full)
{
	static struct sim_chain chain;

	ck_assert_int_eq(add(0, 0, &cookies[0]), -EINVAL);
	ck_assert_int_eq(add(SIZE, 1, &cookies[0]), -EINVAL);
	for (int i = 0; i < SIZE / 4; i++) {
		ck_assert_int_eq(add(2, 2, &cookies[i]), 0);
	}
	ck_assert_uint_eq(ring.free_count, 0);
	ck_assert_int_eq(add(1, 0, &cookies[99]), -EAGAIN);
	split_publish(&ring);
	for (int i = 0; i < SIZE / 4; i++) {
		ck_assert(sim_ring_next(&device, &chain));
		sim_ring_return(&device, &chain, 0);
	}
	ck_assert_int_eq(add(1, 0, &cookies[99]), -EAGAIN);
	assert_reaped(&cookies[0], 0);
	ck_assert_int_eq(add(SIZE, 0, &cookies[99]), -EAGAIN);
	ck_assert_int_eq(add(3, 1, &cookies[99]), 0);
	ck_assert_int_eq(add(1, 0, &cookies[99]), -EAGAIN);
}
END_TEST

START_TEST(test_publish)
{
	static struct sim_chain chain;

	ck_assert(!split_publish(&ring));
	ck_assert_int_eq(add(1, 1, &cookies[0]), 0);
	ck_assert_int_eq(add(1, 1, &cookies[1]), 0);
	ck_assert(!sim_ring_next(&device, &chain));
	ck_assert(split_publish(&ring));
	ck_assert(!split_publish(&ring));
	ck_assert(sim_ring_next(&device, &chain));
	ck_assert(sim_ring_next(&device, &chain));
	ck_assert(!sim_ring_next(&device, &chain));

	sim_ring_forbid_notify(&device);
	ck_assert_int_eq(add(1, 1, &cookies[2]), 0);
	ck_assert_msg(!split_publish(&ring), "the device asked not to be notified");
	ck_assert_msg(sim_ring_allow_notify(&device), "what was published must be seen");
}
END_TEST

START_TEST(test_arm)
{
	static struct sim_chain chain;

	ck_assert_msg(!sim_ring_wants_interrupt(&device), "interrupts before anybody asked");
	ck_assert(!split_arm(&ring, false));
	ck_assert(!sim_ring_wants_interrupt(&device));
	ck_assert(!split_arm(&ring, true));
	ck_assert(sim_ring_wants_interrupt(&device));

	add_and_publish(&cookies[0]);
	ck_assert(sim_ring_next(&device, &chain));
	sim_ring_return(&device, &chain, 0);
	ck_assert_msg(split_arm(&ring, true), "this completion would be slept over");
	assert_reaped(&cookies[0], 0);
	ck_assert(!split_arm(&ring, true));
}
END_TEST

START_TEST(test_reap_some)
{
	static struct sim_chain chain;
	struct vio_queue_used used[8];

	for (int i = 0; i < 5; i++) {
		add_and_publish(&cookies[i]);
		ck_assert(sim_ring_next(&device, &chain));
		sim_ring_return(&device, &chain, 0);
	}
	ck_assert_int_eq(split_reap(&ring, used, 0), 0);
	ck_assert_int_eq(split_reap(&ring, used, 3), 3);
	ck_assert_ptr_eq(cookie_of[used[2].id], &cookies[2]);
	ck_assert_int_eq(split_reap(&ring, used, 8), 2);
	ck_assert_ptr_eq(cookie_of[used[1].id], &cookies[4]);
	ck_assert_int_eq(split_reap(&ring, used, 8), 0);
}
END_TEST

/* After a reset: every cookie once, and nothing of it may be published later. */
START_TEST(test_take)
{
	static struct sim_chain chain;
	bool seen[5] = {false};

	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(add(1, 2, &cookies[i]), 0);
		if (i == 2) {
			split_publish(&ring);
		}
	}
	for (int i = 0; i < 5; i++) {
		int id = split_take(&ring);
		int *cookie = id < 0 ? NULL : cookie_of[id];

		ck_assert_ptr_nonnull(cookie);
		ck_assert(!seen[cookie - cookies]);
		seen[cookie - cookies] = true;
	}
	ck_assert_int_eq(split_take(&ring), -ENOENT);
	ck_assert_uint_eq(ring.free_count, SIZE);
	ck_assert(!split_publish(&ring));
	for (int i = 0; i < 3; i++) {
		ck_assert(sim_ring_next(&device, &chain));
	}
	ck_assert_msg(!sim_ring_next(&device, &chain), "taken, and published all the same");
}
END_TEST

/* A3 rules 1 to 3, entry by entry. */
START_TEST(test_bad_ids)
{
	static const struct {
		uint32_t id;
		const char *word;
	} bad[] = {
		{SIZE, "outside"},           {0xffff, "outside"},     {0x10000, "outside"},
		{0x10002, "outside"},        {UINT32_MAX, "outside"}, {1, "not in flight"},
		{SIZE - 1, "not in flight"}, {4, "not given yet"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		add_and_publish(&cookies[0]);
		add_and_publish(&cookies[1]);
		ck_assert_int_eq(add(1, 1, &cookies[2]), 0); /* head 4, unpublished */
		sim_ring_push(&device, bad[i].id, 0);
		assert_broken(bad[i].word);
		start_over();
	}
}
END_TEST

START_TEST(test_twice)
{
	add_and_publish(&cookies[0]);
	add_and_publish(&cookies[1]);
	sim_ring_push(&device, 0, 0);
	sim_ring_push(&device, 0, 0);
	assert_reaped(&cookies[0], 0); /* what came before the violation counts */
	assert_broken("not in flight");
	start_over();

	add_and_publish(&cookies[0]);
	sim_ring_push(&device, 0, 0);
	sim_ring_push(&device, 0, 0);
	assert_broken("jumped");
	start_over();
}
END_TEST

START_TEST(test_jump)
{
	static const uint16_t jumps[] = {3, 4, SIZE, SIZE + 1, 32768, 65535};

	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		add_and_publish(&cookies[0]);
		add_and_publish(&cookies[1]);
		ck_assert_int_eq(add(1, 1, &cookies[2]), 0);
		sim_ring_jump(&device, jumps[i]);
		assert_broken("jumped");
		start_over();
	}
	sim_ring_jump(&device, 1);
	assert_broken("jumped");
	start_over();
}
END_TEST

/* A3 rule 4: what the device writes into our half does not matter. */
START_TEST(test_scribble)
{
	static struct sim_chain chain;
	size_t ours = (size_t)(device.device_area - device.descriptors);

	for (int round = 0; round < 1000; round++) {
		unsigned total = 1 + pick(SIZE);

		must(add(total, 0, &cookies[0]) == 0);
		split_publish(&ring);
		must(sim_ring_next(&device, &chain));
		assert_chain(&chain, total, 0);
		for (size_t i = 0; i < ours; i++) {
			memory[i] = (char)pick(256);
		}
		sim_ring_return(&device, &chain, 0);
		assert_reaped(&cookies[0], 0);
		must(ring.free_count == SIZE);
	}
}
END_TEST

START_TEST(test_clear)
{
	static struct sim_chain chain;

	add_and_publish(&cookies[0]);
	ck_assert_int_eq(add(3, 3, &cookies[1]), 0);
	split_arm(&ring, true);
	sim_ring_jump(&device, 100);
	assert_broken("jumped");
	start_over();
	ck_assert(!split_has_used(&ring));
	ck_assert(!sim_ring_wants_interrupt(&device));
	ck_assert_uint_eq(ring.free_count, SIZE);
	ck_assert_int_eq(add(SIZE / 2, SIZE / 2, &cookies[0]), 0);
	ck_assert(split_publish(&ring));
	ck_assert(sim_ring_next(&device, &chain));
	assert_chain(&chain, SIZE / 2, SIZE / 2);
	sim_ring_return(&device, &chain, 5);
	assert_reaped(&cookies[0], 5);
}
END_TEST

/* The largest ring, in the layout of a legacy device. */
START_TEST(test_large)
{
	static struct sim_chain chain;

	open_rings(32768, 4096);
	for (unsigned i = 0; i < 32768 / MOST; i++) {
		must(add(MOST, 0, &cookies[i]) == 0);
	}
	must(add(1, 0, &cookies[200]) == -EAGAIN);
	must(split_publish(&ring));
	for (unsigned i = 0; i < 32768 / MOST; i++) {
		must(sim_ring_next(&device, &chain));
		assert_chain(&chain, MOST, 0);
		sim_ring_return(&device, &chain, i);
		assert_reaped(&cookies[i], i);
	}
	close_rings();
}
END_TEST

Suite *split_suite(void)
{
	Suite *suite = suite_create("split");
	TCase *tcase = tcase_create("ring");

	tcase_add_checked_fixture(tcase, open_usual, close_rings);
	tcase_add_test(tcase, test_all_lengths);
	tcase_add_test(tcase, test_wrap);
	tcase_add_test(tcase, test_overtaken);
	tcase_add_test(tcase, test_out_of_order);
	tcase_add_test(tcase, test_full);
	tcase_add_test(tcase, test_publish);
	tcase_add_test(tcase, test_arm);
	tcase_add_test(tcase, test_reap_some);
	tcase_add_test(tcase, test_take);
	tcase_add_test(tcase, test_bad_ids);
	tcase_add_test(tcase, test_twice);
	tcase_add_test(tcase, test_jump);
	tcase_add_test(tcase, test_scribble);
	tcase_add_test(tcase, test_clear);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("memory");
	tcase_add_test(tcase, test_layout);
	tcase_add_test(tcase, test_large);
	suite_add_tcase(suite, tcase);
	return suite;
}
