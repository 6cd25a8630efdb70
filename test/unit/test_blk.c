/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests on a device that behaves. What is wrong with others is in test_faults_*.c. */
#include "fixture.h"

#include <poll.h>

enum {
	SECTORS = 2048, /* of the simulated disk */
};

static void open_kind(int kind)
{
	struct sim_options o = options_of(kind);

	open_disk(&o, NULL);
}

static void write_read_compare(void *buffer, size_t size, uint64_t sector, unsigned seed)
{
	uint8_t *expected = malloc(size);

	fill(expected, size, seed);
	memcpy(buffer, expected, size);
	ck_assert_int_eq(vio_blk_write(blk, sector, buffer, size), 0);
	ck_assert_mem_eq(sim_disk(sim) + sector * SECTOR, expected, size);
	memset(buffer, 0, size);
	ck_assert_int_eq(vio_blk_read(blk, sector, buffer, size), 0);
	ck_assert_mem_eq(buffer, expected, size);
	free(expected);
}

START_TEST(test_blocking)
{
	static uint8_t foreign[SECTORS * SECTOR];
	struct sim_options o = options_of(_i);
	char id[VIO_BLK_ID_SIZE + 1];
	void *buffer;

	o.pool_size = (size_t)4 << 20;
	open_disk(&o, NULL);
	buffer = vio_blk_alloc(blk, sizeof(foreign));
	ck_assert_ptr_nonnull(buffer);
	write_read_compare(buffer, SECTOR, 0, 10);
	write_read_compare(buffer, 100 * SECTOR, 7, 11);
	write_read_compare(buffer, sizeof(foreign), 0, 12);
	write_read_compare(foreign, SECTOR, SECTORS - 1, 13);
	write_read_compare(foreign, 129 * SECTOR, 3, 14);
	write_read_compare(foreign, sizeof(foreign), 0, 15);
	ck_assert_int_eq(vio_blk_flush(blk), 0);
	ck_assert_uint_eq(sim_counts(sim).requests[VIRTIO_BLK_T_FLUSH], 1);
	ck_assert_int_eq(vio_blk_get_id(blk, id), 0);
	ck_assert_str_eq(id, "simulated disk");
	vio_blk_free(blk, buffer, sizeof(foreign));
}
END_TEST

/* Nothing of a transfer is done if a part of it cannot be. */
START_TEST(test_blocking_all_or_nothing)
{
	const size_t size = (size_t)2 << 20;
	uint8_t *buffer = calloc(1, size);
	uint8_t *before = malloc((size_t)SECTORS * SECTOR);

	open_kind(0);
	memcpy(before, sim_disk(sim), (size_t)SECTORS * SECTOR);
	ck_assert_int_eq(vio_blk_write(blk, 1, buffer, (size_t)SECTORS * SECTOR), -ENOSPC);
	ck_assert_int_eq(vio_blk_write(blk, 0, buffer, size), -ENOSPC);
	ck_assert_int_eq(vio_blk_write(blk, 0, buffer, (1 << 20) - 1), -EINVAL);
	ck_assert_int_eq(vio_blk_write(blk, UINT64_MAX, buffer, SECTOR), -ENOSPC);
	ck_assert_int_eq(vio_blk_write(blk, UINT64_MAX - 2046, buffer, 1 << 20), -ENOSPC);
	ck_assert_int_eq(vio_blk_read(blk, 0, buffer, 0), -EINVAL);
	ck_assert_int_eq(vio_blk_read(blk, 0, buffer, SIZE_MAX & ~(size_t)511), -ENOSPC);
	ck_assert_mem_eq(before, sim_disk(sim), (size_t)SECTORS * SECTOR);
	ck_assert_uint_eq(sim_counts(sim).requests[VIRTIO_BLK_T_OUT], 0);
	free(before);
	free(buffer);
}
END_TEST

START_TEST(test_async_batch)
{
	struct simple batch[32];
	bool seen[32] = {false};
	uint8_t *buffer;

	open_kind(_i);
	sim_knobs(sim)->shuffle = true;
	buffer = vio_blk_alloc(blk, 32 * SECTOR);
	for (unsigned i = 0; i < 32; i++) {
		ck_assert_int_eq(
			submit(&batch[i], VIO_BLK_READ, 1000 + i, buffer + i * SECTOR, SECTOR), 0);
	}
	ck_assert_uint_eq(vio_blk_in_flight(queue), 32);
	for (unsigned i = 0; i < 32; i++) {
		struct vio_blk_request *done = reap(1);
		size_t index = (size_t)((struct simple *)(void *)done - batch);

		ck_assert_int_eq(done->result, 0);
		ck_assert_msg(!seen[index], "reaped twice");
		seen[index] = true;
	}
	ck_assert_uint_eq(vio_blk_in_flight(queue), 0);
	ck_assert_mem_eq(buffer, sim_disk(sim) + 1000 * SECTOR, 32 * SECTOR);
	vio_blk_free(blk, buffer, 32 * SECTOR);
}
END_TEST

/* submit, submit, kick: the device hears of both at once. */
START_TEST(test_one_notification)
{
	uint8_t sectors[8][SECTOR];
	struct iovec iov[8];
	struct vio_blk_request requests[8];

	open_kind(0);
	for (unsigned i = 0; i < 8; i++) {
		iov[i] = (struct iovec){sectors[i], SECTOR};
		requests[i] = (struct vio_blk_request){.op = VIO_BLK_READ,
						       .start_sector = i,
						       .iov = &iov[i],
						       .iov_count = 1,
						       .user_data = &iov[i]};
		ck_assert_int_eq(vio_blk_submit(queue, &requests[i]), 0);
	}
	ck_assert_uint_eq(sim_counts(sim).requests[VIRTIO_BLK_T_IN], 0);
	vio_blk_kick(queue);
	vio_blk_kick(queue);
	reap(8);
	ck_assert_uint_eq(sim_counts(sim).notifications, 1);
	ck_assert_mem_eq(sectors, sim_disk(sim), sizeof(sectors));
	ck_assert_ptr_eq(requests[3].user_data, &iov[3]);
}
END_TEST

/* The documented loop: arm, wait on the descriptor, ack, reap. */
START_TEST(test_wait_loop)
{
	uint8_t sector[SECTOR];
	struct simple read;
	struct vio_blk_request *done;

	open_kind(_i);
	for (int i = 0; i < 50; i++) {
		must(submit(&read, VIO_BLK_READ, 5, sector, SECTOR) == 0);
		while (vio_blk_reap(queue, &done, 1) == 0) {
			struct pollfd wait = {.fd = vio_blk_wait_fd(queue), .events = POLLIN};

			if (!vio_blk_wait_arm(queue)) {
				must(poll(&wait, 1, 3000) == 1);
				vio_blk_wait_ack(queue);
			}
		}
		must(done == &read.request);
	}
}
END_TEST

/* A list of buffers, some of the device's memory, some foreign, cut at no block boundary. */
static const size_t cuts[] = {512, 100, 0, 412, 3, 4093, 512, 20000, 0, 480, 1, 31, 480, 512};

enum {
	PIECES = sizeof(cuts) / sizeof(cuts[0]),
	ROOM = 20480, /* for the longest */
};

/* @mixture: 0 all foreign, 1 all own, 2 in turn; returns the bytes of all. */
static size_t make_list(struct iovec *iov, uint8_t *own, uint8_t *foreign, int mixture)
{
	size_t total = 0;

	for (size_t i = 0; i < PIECES; i++) {
		bool is_own = mixture == 1 || (mixture == 2 && i % 2);

		iov[i].iov_base = is_own ? own + i * ROOM + 24 : foreign + i * ROOM;
		iov[i].iov_len = cuts[i];
		total += cuts[i];
	}
	return total;
}

static void run_list(enum vio_blk_op op, const struct iovec *iov)
{
	struct vio_blk_request request = {
		.op = op, .iov = iov, .iov_count = PIECES, .start_sector = 16};

	ck_assert_int_eq(vio_blk_submit(queue, &request), 0);
	vio_blk_kick(queue);
	ck_assert_int_eq(reap(1)->result, 0);
}

START_TEST(test_lists)
{
	static uint8_t foreign[PIECES * ROOM];
	struct iovec iov[PIECES];
	uint8_t expected[32768];
	uint8_t *own, *at = expected;
	size_t total;

	open_kind(_i);
	own = vio_blk_alloc(blk, sizeof(foreign));
	total = make_list(iov, own, foreign, _i / KINDS);
	fill(expected, total, 20);
	for (unsigned i = 0; i < PIECES; at += cuts[i++]) {
		memcpy(iov[i].iov_base, at, cuts[i]);
	}
	run_list(VIO_BLK_WRITE, iov);
	ck_assert_mem_eq(sim_disk(sim) + 16 * SECTOR, expected, total);

	memset(foreign, 0, sizeof(foreign));
	memset(own, 0, sizeof(foreign));
	run_list(VIO_BLK_READ, iov);
	at = expected;
	for (unsigned i = 0; i < PIECES; at += cuts[i++]) {
		must(memcmp(iov[i].iov_base, at, cuts[i]) == 0);
		must(((uint8_t *)iov[i].iov_base)[cuts[i]] == 0); /* and not one byte more */
	}
	vio_blk_free(blk, own, sizeof(foreign));
}
END_TEST

START_TEST(test_get_id_forms)
{
	char id[VIO_BLK_ID_SIZE], *own;
	struct iovec iov[2] = {{id, 9}, {id + 9, 11}};
	struct vio_blk_request request = {
		.op = VIO_BLK_GET_ID, .start_sector = 77, .iov = iov, .iov_count = 2};

	open_kind(_i);
	ck_assert_int_eq(vio_blk_submit(queue, &request), 0);
	vio_blk_kick(queue);
	ck_assert_int_eq(reap(1)->result, 0);
	ck_assert_mem_eq(id, "simulated disk\0\0\0\0\0", sizeof(id));
	own = vio_blk_alloc(blk, sizeof(id));
	ck_assert_int_eq(run_one(VIO_BLK_GET_ID, 0, own, sizeof(id)), 0);
	ck_assert_str_eq(own, "simulated disk");
	ck_assert_int_eq(run_one(VIO_BLK_GET_ID, 0, own, sizeof(id) - 1), -EINVAL);
	vio_blk_free(blk, own, sizeof(id));
}
END_TEST

START_TEST(test_refused_requests)
{
	static const struct {
		uint64_t sector;
		size_t size;
		enum vio_blk_op op;
		int rc;
	} cases[] = {
		{0, 0, VIO_BLK_READ, -EINVAL},
		{0, 511, VIO_BLK_READ, -EINVAL},
		{0, 513, VIO_BLK_READ, -EINVAL},
		{SECTORS, 512, VIO_BLK_READ, -ENOSPC},
		{SECTORS - 1, 1024, VIO_BLK_READ, -ENOSPC},
		{SECTORS + 1, 512, VIO_BLK_WRITE, -ENOSPC},
		{UINT64_MAX, 512, VIO_BLK_READ, -ENOSPC},
		{UINT64_MAX, 1024, VIO_BLK_READ, -ENOSPC},
		{UINT64_MAX - 7, 4096, VIO_BLK_READ, -ENOSPC},
		{UINT64_MAX / 512, 512, VIO_BLK_READ, -ENOSPC},
		{0, SIZE_MAX, VIO_BLK_READ, -EINVAL},
		{0, SIZE_MAX - 511, VIO_BLK_READ, -EINVAL},
		{0, (size_t)1 << 31, VIO_BLK_READ, -EINVAL},
		{0, 512, VIO_BLK_GET_ID, -EINVAL},
		{0, 512, (enum vio_blk_op)99, -EINVAL},
	};
	uint8_t sector[SECTOR];
	/* lengths whose sum wraps to 512 */
	struct iovec huge[3] = {{sector, SIZE_MAX / 2}, {sector, SIZE_MAX / 2}, {sector, 514}};
	struct vio_blk_request request = {.op = VIO_BLK_READ, .iov = huge, .iov_count = 3};

	open_kind(0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(run_one(cases[i].op, cases[i].sector, sector, cases[i].size),
				 cases[i].rc);
	}
	ck_assert_int_eq(vio_blk_submit(queue, &request), -EINVAL);
	request = (struct vio_blk_request){.op = VIO_BLK_FLUSH, .iov = huge, .iov_count = 1};
	ck_assert_int_eq(vio_blk_submit(queue, &request), -EINVAL);
	ck_assert_uint_eq(vio_blk_in_flight(queue), 0);
	ck_assert_uint_eq(sim_counts(sim).notifications, 0);
	ck_assert_int_eq(run_one(VIO_BLK_READ, SECTORS - 1, sector, SECTOR), 0);
	ck_assert_int_eq(run_one(VIO_BLK_FLUSH, 1234, NULL, 0), 0);
}
END_TEST

START_TEST(test_blocks_of_4096)
{
	struct sim_options o = sim_defaults();
	uint8_t buffer[4096];

	o.config.blk_size = htole32(4096);
	o.config.capacity = htole64(SECTORS + 3); /* the rest is no block */
	open_disk(&o, NULL);
	ck_assert_uint_eq(vio_blk_info(blk)->block_size, 4096);
	ck_assert_uint_eq(vio_blk_info(blk)->capacity_sectors, SECTORS);
	ck_assert_int_eq(run_one(VIO_BLK_READ, 8, buffer, 4096), 0);
	ck_assert_int_eq(run_one(VIO_BLK_READ, 8, buffer, 512), -EINVAL);
	ck_assert_int_eq(run_one(VIO_BLK_READ, 4, buffer, 4096), -EINVAL);
	ck_assert_int_eq(run_one(VIO_BLK_READ, SECTORS, buffer, 4096), -ENOSPC);
}
END_TEST

START_TEST(test_read_only)
{
	struct vio_blk_options wish = {.read_only = _i == 0};
	struct sim_options o = sim_defaults();
	uint8_t sector[SECTOR];

	if (_i == 1) {
		o.features |= BIT(VIRTIO_BLK_F_RO);
	}
	open_disk(&o, &wish);
	ck_assert(vio_blk_info(blk)->read_only);
	ck_assert_int_eq(run_one(VIO_BLK_WRITE, 0, sector, SECTOR), -EROFS);
	ck_assert_int_eq(vio_blk_write(blk, 0, sector, SECTOR), -EROFS);
	ck_assert_int_eq(vio_blk_read(blk, 0, sector, SECTOR), 0);
}
END_TEST

START_TEST(test_no_flush)
{
	struct sim_options o = sim_defaults();

	o.features &= ~BIT(VIRTIO_BLK_F_FLUSH);
	open_disk(&o, NULL);
	ck_assert(!vio_blk_info(blk)->can_flush);
	ck_assert_int_eq(run_one(VIO_BLK_FLUSH, 0, NULL, 0), -ENOTSUP);
	ck_assert_int_eq(vio_blk_flush(blk), 0);
}
END_TEST

Suite *blk_suite(void)
{
	Suite *suite = suite_create("blk");
	TCase *tcase = tcase_create("requests");

	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_loop_test(tcase, test_blocking, 0, KINDS);
	tcase_add_test(tcase, test_blocking_all_or_nothing);
	tcase_add_loop_test(tcase, test_async_batch, 0, KINDS);
	tcase_add_test(tcase, test_one_notification);
	tcase_add_loop_test(tcase, test_wait_loop, 0, KINDS);
	tcase_add_loop_test(tcase, test_lists, 0, 3 * KINDS);
	tcase_add_loop_test(tcase, test_get_id_forms, 0, KINDS);
	tcase_add_test(tcase, test_refused_requests);
	tcase_add_test(tcase, test_blocks_of_4096);
	tcase_add_loop_test(tcase, test_read_only, 0, 2);
	tcase_add_test(tcase, test_no_flush);
	suite_add_tcase(suite, tcase);
	return suite;
}
