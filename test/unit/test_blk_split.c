/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Large transfers through narrow devices: requests are cut into parts that keep
 * the limits of the device (the simulation complains otherwise) and of the
 * memory, and no byte is lost, doubled or moved.
 */
#include "fixture.h"

enum {
	TRANSFER = 256 << 10,
	FIRST_SECTOR = 128,
};

static const struct limits {
	uint32_t size_max; /* 0: not said */
	uint32_t seg_max;  /* 0: not said */
	uint32_t block_size;
	uint16_t queue_size;
	size_t page;
	uint32_t parts; /* of a read of TRANSFER bytes into memory of our own; 0: not counted */
} limits[] = {
	{0, 126, 512, 256, 64 << 10, 1},
	{0, 126, 512, 256, 2 << 20, 1},
	{0, 126, 512, 256, 32 << 10, 1},
	{0, 3, 512, 256, 64 << 10, 0},
	{0, 0, 512, 256, 64 << 10, 0},     /* no word of segments: one */
	{0, 1, 512, 256, 2 << 20, 1},      /* one, and it is enough */
	{4096, 1, 512, 256, 64 << 10, 64}, /* page by page */
	{4096, 16, 4096, 256, 64 << 10, 4},
	{512, 1, 512, 256, 64 << 10, 512}, /* sector by sector */
	{100, 6, 512, 256, 64 << 10, 512}, /* 600 bytes hold one sector */
	{700, 10, 512, 256, 64 << 10, 0},
	{65536, 126, 65536, 256, 64 << 10, 1},
	{0, 1, 65536, 256, 64 << 10, 0},
	{512, 128, 65536, 256, 64 << 10, 4},
	{0, 126, 512, 4, 64 << 10, 0},
	{1024, 126, 1024, 4, 64 << 10, 128},
	{0, 126, 65536, 8, 64 << 10, 1},
	{0, 1000000, 512, 256, 64 << 10, 1}, /* more than a ring ever holds */
	{UINT32_MAX, UINT32_MAX, 512, 256, 64 << 10, 1},
};

enum {
	LIMITS = sizeof(limits) / sizeof(limits[0])
};

static void open_narrow(const struct limits *l, enum sim_flavour flavour)
{
	struct sim_options o = sim_defaults();
	struct vio_blk_options wish = {.queue_size = l->queue_size};

	o.flavour = flavour;
	o.pool_page = l->page;
	o.queue_max = 1024;
	o.config.size_max = htole32(l->size_max);
	o.config.seg_max = htole32(l->seg_max);
	o.config.blk_size = htole32(l->block_size);
	if (l->size_max) {
		o.features |= BIT(VIRTIO_BLK_F_SIZE_MAX);
	}
	if (l->seg_max == 0) {
		o.features &= ~BIT(VIRTIO_BLK_F_SEG_MAX);
	}
	open_disk(&o, &wish);
}

/* Write, compare with the disk, read, compare with what was written. */
static void round_trip(const struct iovec *iov, unsigned count, size_t total)
{
	struct vio_blk_request request = {
		.iov = iov, .iov_count = count, .start_sector = FIRST_SECTOR};
	uint8_t *expected = malloc(total);
	size_t at = 0;

	fill(expected, total, 40);
	for (unsigned i = 0; i < count; at += iov[i++].iov_len) {
		memcpy(iov[i].iov_base, expected + at, iov[i].iov_len);
	}
	request.op = VIO_BLK_WRITE;
	ck_assert_int_eq(vio_blk_submit(queue, &request), 0);
	vio_blk_kick(queue);
	ck_assert_int_eq(reap(1)->result, 0);
	ck_assert_mem_eq(sim_disk(sim) + FIRST_SECTOR * SECTOR, expected, total);

	for (unsigned i = 0; i < count; i++) {
		memset(iov[i].iov_base, 0, iov[i].iov_len);
	}
	request.op = VIO_BLK_READ;
	ck_assert_int_eq(vio_blk_submit(queue, &request), 0);
	vio_blk_kick(queue);
	ck_assert_int_eq(reap(1)->result, 0);
	at = 0;
	for (unsigned i = 0; i < count; at += iov[i++].iov_len) {
		ck_assert_mem_eq(iov[i].iov_base, expected + at, iov[i].iov_len);
	}
	free(expected);
}

START_TEST(test_own_memory)
{
	const struct limits *l = &limits[_i % LIMITS];
	struct iovec iov = {.iov_len = TRANSFER};

	open_narrow(l, (enum sim_flavour)(_i / LIMITS));
	iov.iov_base = vio_blk_alloc(blk, TRANSFER);
	round_trip(&iov, 1, TRANSFER);
	if (l->parts) {
		ck_assert_uint_eq(sim_counts(sim).requests[VIRTIO_BLK_T_IN], l->parts);
	}
	vio_blk_free(blk, iov.iov_base, TRANSFER);
}
END_TEST

START_TEST(test_foreign_memory)
{
	static uint8_t foreign[TRANSFER + 1];
	struct iovec iov = {foreign + 1, TRANSFER};

	open_narrow(&limits[_i], SIM_TRACKED);
	round_trip(&iov, 1, TRANSFER);
}
END_TEST

/* Many small pieces, a mixture of both kinds, cut where it hurts. */
START_TEST(test_mixed_memory)
{
	enum {
		PIECES = 200
	};
	static uint8_t foreign[TRANSFER];
	struct iovec iov[PIECES];
	uint8_t *own;
	size_t total = 0;

	open_narrow(&limits[_i % LIMITS], (enum sim_flavour)(_i / LIMITS));
	own = vio_blk_alloc(blk, TRANSFER);
	for (unsigned i = 0; i < PIECES; i++) {
		size_t left = TRANSFER - total;
		size_t size = i == PIECES - 1 ? left : pick(2600);

		if (size > left) {
			size = left;
		}
		iov[i].iov_base = (pick(3) ? own : foreign) + total;
		iov[i].iov_len = size;
		total += size;
	}
	round_trip(iov, PIECES, TRANSFER);
	vio_blk_free(blk, own, TRANSFER);
}
END_TEST

/* More pieces than one part can name, however many the device would take. */
START_TEST(test_many_pieces)
{
	const struct limits l = {0, UINT32_MAX, 512, 1024, 64 << 10, 0};
	enum {
		PIECES = 600
	};
	struct iovec iov[PIECES];
	uint8_t *own;

	open_narrow(&l, (enum sim_flavour)_i);
	own = vio_blk_alloc(blk, (size_t)PIECES * SECTOR);
	for (unsigned i = 0; i < PIECES; i++) {
		iov[i] = (struct iovec){own + (size_t)(PIECES - 1 - i) * SECTOR, SECTOR};
	}
	round_trip(iov, PIECES, (size_t)PIECES * SECTOR);
	ck_assert_uint_eq(sim_counts(sim).most_segments, vio_blk_info(blk)->segments_max);
	vio_blk_free(blk, own, (size_t)PIECES * SECTOR);
}
END_TEST

/* A part that fails ends the request with its error; the rest is not started. */
START_TEST(test_part_fails)
{
	const struct limits l = {4096, 1, 512, 8, 64 << 10, 0};
	static uint8_t foreign[TRANSFER];
	struct simple large;

	open_narrow(&l, SIM_TRACKED);
	sim_fault(sim,
		  (struct sim_fault){
			  .kind = SIM_STATUS, .value = VIRTIO_BLK_S_IOERR, .skip = 3, .times = 1});
	ck_assert_int_eq(submit(&large, VIO_BLK_READ, 0, foreign, TRANSFER), 0);
	ck_assert_int_eq(reap(1)->result, -EIO);
	ck_assert_uint_lt(sim_counts(sim).requests[VIRTIO_BLK_T_IN], 10);
	ck_assert_uint_eq(vio_blk_in_flight(queue), 0);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_GOOD);
	assert_works();
}
END_TEST

Suite *blk_split_suite(void)
{
	Suite *suite = suite_create("blk_split");
	TCase *tcase = tcase_create("limits");

	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_loop_test(tcase, test_own_memory, 0, 3 * LIMITS);
	tcase_add_loop_test(tcase, test_foreign_memory, 0, LIMITS);
	tcase_add_loop_test(tcase, test_mixed_memory, 0, 3 * LIMITS);
	tcase_add_loop_test(tcase, test_many_pieces, 0, 3);
	tcase_add_test(tcase, test_part_fails);
	suite_add_tcase(suite, tcase);
	return suite;
}
