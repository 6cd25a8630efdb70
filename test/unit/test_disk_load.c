/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many requests at once that share blocks, but no bytes, against a model of the
 * disk; and those that do share bytes, where the order is known or does not matter.
 */
#include "disk_fixture.h"

enum {
	BYTES = 2048 * 512,
	DEPTH = 48,
	REQUESTS = 700,
	OWN = 8192, /* bytes that are never copied, for each */
	LARGEST = 200000,
	WRITING = 1000,
};

struct load_job {
	struct job job; /* first */
	uint8_t *own;
	uint8_t foreign[LARGEST];
	uint8_t expected[LARGEST]; /* of a read */
	bool is_busy;
};

static struct load_job load[DEPTH];
static uint8_t model[BYTES];
static uint16_t users[BYTES]; /* requests on a byte; WRITING for the only one */

static bool is_free(const struct devb_io *io)
{
	for (size_t i = 0; i < io->size; i++) {
		uint16_t n = users[io->offset + i];

		if (io->op == DEVB_WRITE ? n : n >= WRITING) {
			return false;
		}
	}
	return true;
}

static void occupy(const struct devb_io *io, bool on)
{
	int by = io->op == DEVB_WRITE ? WRITING : 1;

	for (size_t i = 0; i < io->size; i++) {
		users[io->offset + i] = (uint16_t)(users[io->offset + i] + (on ? by : -by));
	}
}

static void load_finished(struct devb_io *io, int result)
{
	struct load_job *l = (struct load_job *)io;

	finish_job(io, result);
	must(l->is_busy);
	must(result == 0);
	must(io->op != DEVB_READ || memcmp(io->buffer, l->expected, io->size) == 0);
	l->is_busy = false;
	occupy(io, false);
}

static void choose_range(struct devb_io *io)
{
	static const unsigned most[] = {40, 600, 600, 5000, 5000, 20000};
	const struct devb_io *other = &load[pick(DEPTH)].job.io;
	unsigned size = 1 + pick(pick(60) ? most[pick(6)] : LARGEST);
	unsigned offset = pick(pick(4) ? 60000 : BYTES);

	if (pick(2) && other->size) { /* right behind another: its last block is our first */
		offset = (unsigned)(other->offset + other->size);
	}
	if (pick(4) == 0) {
		offset &= ~4095u;
		size = (size + 4095) & ~4095u;
	}
	size = size < LARGEST ? size : LARGEST / 4096 * 4096;
	io->offset = offset < BYTES ? offset : 0;
	io->size = size < BYTES - io->offset ? size : (size_t)(BYTES - io->offset);
}

static void choose(struct load_job *l)
{
	static const enum devb_op ops[] = {DEVB_READ, DEVB_WRITE, DEVB_WRITE};
	struct devb_io *io = &l->job.io;

	memset(&l->job, 0, sizeof(l->job));
	io->done = load_finished;
	io->op = pick(30) ? ops[pick(3)] : DEVB_FLUSH;
	if (io->op != DEVB_FLUSH) {
		choose_range(io);
		io->buffer = io->size <= OWN && pick(2) ? l->own : l->foreign;
	}
}

static bool start_one(struct load_job *l)
{
	struct devb_io *io = &l->job.io;

	choose(l);
	if (!is_free(io)) {
		io->size = 0;
		return false;
	}
	if (io->op == DEVB_WRITE) {
		fill(io->buffer, io->size, pick(1 << 20));
		memcpy(model + io->offset, io->buffer, io->size);
	}
	memcpy(l->expected, model + io->offset, io->size);
	l->is_busy = true;
	occupy(io, true);
	must(resubmit_job(&l->job) == 0);
	return true;
}

static unsigned start_some(unsigned most)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DEPTH && n < most; i++) {
		n += !load[i].is_busy && start_one(&load[i]);
	}
	return n;
}

static void open_load(int index)
{
	struct sim_options o = options_of(index);
	const struct vio_blk_options wish = {.queue_size = index % 3 == 1 ? 4 : 0};

	o.pool_size = (size_t)4 << 20;
	o.config.blk_size = htole32(index < KINDS ? 512 : 4096);
	open_block(&o, &wish);
	sim_knobs(sim)->shuffle = true;
	memcpy(model, sim_disk(sim), BYTES);
	for (unsigned i = 0; i < DEPTH; i++) {
		load[i].own = vio_blk_alloc(blk, OWN);
		must(load[i].own != NULL);
	}
}

START_TEST(test_shared_blocks)
{
	unsigned started = 0;

	open_load(_i);
	while (started < REQUESTS) {
		started += start_some(1 + pick(DEPTH));
		poll_once(PATIENCE_MS);
	}
	drain(PATIENCE_MS);
	ck_assert_mem_eq(sim_disk(sim), model, BYTES);
	for (unsigned i = 0; i < DEPTH; i++) {
		must(!load[i].is_busy);
		vio_blk_free(blk, load[i].own, OWN);
	}
}
END_TEST

/* All bytes of one block by single bytes, all at once: none may get lost. */
START_TEST(test_one_block)
{
	static struct job jobs[4096];
	struct sim_options o = sim_defaults();

	o.config.blk_size = htole32(_i ? 4096 : 512);
	open_block(&o, NULL);
	sim_knobs(sim)->shuffle = true;
	fill(model, 4096, 4);
	for (unsigned i = 0; i < 4096; i += 16) {
		must(start_job(&jobs[i], DEVB_WRITE, i, model + i, 16) == 0);
	}
	drain(PATIENCE_MS);
	ck_assert_mem_eq(sim_disk(sim), model, 4096);
}
END_TEST

static uint8_t whole[4096], part[100];

/* What was of the whole write alone must be there; the common bytes may be of either. */
static void check_both_written(void)
{
	const uint8_t *at = sim_disk(sim) + 4096;
	bool is_part = memcmp(at + 700, part, 100) == 0;

	ck_assert_mem_eq(at, whole, 700);
	ck_assert_mem_eq(at + 800, whole + 800, 4096 - 800);
	ck_assert(is_part || memcmp(at + 700, whole + 700, 100) == 0);
}

/*
 * A write of whole blocks and one of a part of them, in every order in which a
 * careless read-modify-write would write old bytes back.
 */
START_TEST(test_whole_and_part)
{
	const struct vio_blk_options wish = {.queue_size = _i == 2 ? 8 : 0};
	struct sim_options o = sim_defaults();
	static uint8_t other[3][SECTOR];
	struct job jobs[5];
	unsigned n = 0;

	open_block(&o, &wish);
	fill(whole, sizeof(whole), 5);
	fill(part, sizeof(part), 6);
	sim_knobs(sim)->hold = true;
	if (_i == 2) { /* no room: the whole one waits */
		for (; n < 3; n++) {
			must(start_job(&jobs[n], DEVB_READ, 0, other[n], SECTOR) == 0);
		}
	}
	if (_i == 0) {
		ck_assert_int_eq(start_job(&jobs[n++], DEVB_WRITE, 4796, part, 100), 0);
		devb_disk_poll(disk_queue);
		ck_assert_int_eq(start_job(&jobs[n++], DEVB_WRITE, 4096, whole, 4096), 0);
	} else { /* the whole write happens after the read, before the write of the part */
		sim_fault(sim, (struct sim_fault){.kind = SIM_DELAY,
						  .value = 20,
						  .only = VIRTIO_BLK_T_OUT + 1,
						  .times = 1});
		sim_fault(sim, (struct sim_fault){.kind = SIM_DELAY,
						  .value = 40,
						  .only = VIRTIO_BLK_T_OUT + 1,
						  .times = 1});
		ck_assert_int_eq(start_job(&jobs[n++], DEVB_WRITE, 4096, whole, 4096), 0);
		ck_assert_int_eq(start_job(&jobs[n++], DEVB_WRITE, 4796, part, 100), 0);
		devb_disk_poll(disk_queue);
	}
	sim_release(sim);
	drain(PATIENCE_MS);
	for (unsigned i = 0; i < n; i++) {
		ck_assert_uint_eq(jobs[i].times, 1);
		ck_assert_int_eq(jobs[i].result, 0);
	}
	check_both_written();
}
END_TEST

void add_disk_load(Suite *suite)
{
	TCase *tcase = tcase_create("load");

	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, NULL, close_block);
	tcase_add_loop_test(tcase, test_shared_blocks, 0, 2 * KINDS);
	tcase_add_loop_test(tcase, test_one_block, 0, 2);
	tcase_add_loop_test(tcase, test_whole_and_part, 0, 3);
	suite_add_tcase(suite, tcase);
}
