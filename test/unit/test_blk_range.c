/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on ranges, the lifetime, and the write cache. */
#include "fixture.h"

enum {
	DISCARDED = 0xdd, /* by the simulation */
	F_LIFETIME = 15,
	SECTORS = 2048,
};

static struct sim_options with_commands(int kind)
{
	struct sim_options o = options_of(kind);

	o.features |= BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES) |
		      BIT(VIRTIO_BLK_F_SECURE_ERASE) | BIT(VIRTIO_BLK_F_CONFIG_WCE) |
		      BIT(F_LIFETIME);
	o.config.max_discard_sectors = htole32(100);
	o.config.max_discard_seg = htole32(1);
	o.config.discard_sector_alignment = htole32(8);
	o.config.max_write_zeroes_sectors = htole32(30);
	o.config.max_write_zeroes_seg = htole32(1);
	o.config.write_zeroes_may_unmap = 1;
	o.config.max_secure_erase_sectors = htole32(64);
	o.config.max_secure_erase_seg = htole32(1);
	o.config.secure_erase_sector_alignment = htole32(16);
	o.config.wce = 1;
	return o;
}

static int run_range(enum vio_blk_op op, uint64_t start, uint64_t count, bool unmap)
{
	struct vio_blk_request request = {
		.op = op, .start_sector = start, .sector_count = count, .unmap = unmap};
	int rc = vio_blk_submit(queue, &request);

	if (rc < 0) {
		return rc;
	}
	vio_blk_kick(queue);
	ck_assert_ptr_eq(reap(1), &request);
	return request.result;
}

/* Sectors [@first, @end) are full of @value, the others as they were. */
static void assert_only(uint64_t first, uint64_t end, int value)
{
	static uint8_t expected[SECTORS * SECTOR];

	fill(expected, sizeof(expected), 1);
	memset(expected + first * SECTOR, value, (size_t)(end - first) * SECTOR);
	ck_assert_mem_eq(sim_disk(sim), expected, sizeof(expected));
}

static const struct {
	enum vio_blk_op op;
	uint64_t start, count;
	uint64_t first, end; /* what is done */
	unsigned type, parts;
} done[] = {
	{VIO_BLK_WRITE_ZEROES, 0, 1, 0, 1, VIRTIO_BLK_T_WRITE_ZEROES, 1},
	{VIO_BLK_WRITE_ZEROES, 7, 30, 7, 37, VIRTIO_BLK_T_WRITE_ZEROES, 1},
	{VIO_BLK_WRITE_ZEROES, 7, 31, 7, 38, VIRTIO_BLK_T_WRITE_ZEROES, 2},
	{VIO_BLK_WRITE_ZEROES, 0, SECTORS, 0, SECTORS, VIRTIO_BLK_T_WRITE_ZEROES, 69},
	{VIO_BLK_DISCARD, 8, 8, 8, 16, VIRTIO_BLK_T_DISCARD, 1},
	{VIO_BLK_DISCARD, 1, 22, 8, 16, VIRTIO_BLK_T_DISCARD, 1},
	{VIO_BLK_DISCARD, 9, 7, 9, 9, VIRTIO_BLK_T_DISCARD, 0},
	{VIO_BLK_DISCARD, 1, 7, 1, 1, VIRTIO_BLK_T_DISCARD, 0},
	{VIO_BLK_DISCARD, 0, 97, 0, 96, VIRTIO_BLK_T_DISCARD, 1},
	{VIO_BLK_DISCARD, 8, SECTORS - 8, 8, SECTORS, VIRTIO_BLK_T_DISCARD, 22},
	{VIO_BLK_SECURE_ERASE, 16, 80, 16, 96, VIRTIO_BLK_T_SECURE_ERASE, 2},
};

/* Split at the limits, as the simulation checks; and what is not whole is left out. */
START_TEST(test_done)
{
	struct sim_options o = with_commands(_i);
	unsigned i = (unsigned)_i / KINDS;

	open_disk(&o, NULL);
	ck_assert_int_eq(run_range(done[i].op, done[i].start, done[i].count, false), 0);
	assert_only(done[i].first, done[i].end, done[i].op == VIO_BLK_DISCARD ? DISCARDED : 0);
	ck_assert_uint_eq(sim_counts(sim).requests[done[i].type], done[i].parts);
	ck_assert_uint_eq(sim_counts(sim).unmaps, 0);
	ck_assert_uint_eq(vio_blk_in_flight(queue), 0);
	assert_works();
}
END_TEST

static const struct {
	enum vio_blk_op op;
	uint64_t start, count;
	int result;
} refused[] = {
	{VIO_BLK_WRITE_ZEROES, 0, 0, -EINVAL},
	{VIO_BLK_DISCARD, 0, 0, -EINVAL},
	{VIO_BLK_WRITE_ZEROES, SECTORS, 1, -ENOSPC},
	{VIO_BLK_DISCARD, SECTORS - 8, 16, -ENOSPC},
	{VIO_BLK_DISCARD, 8, UINT64_MAX, -ENOSPC},
	{VIO_BLK_DISCARD, 8, UINT64_MAX / 512, -ENOSPC},
	{VIO_BLK_SECURE_ERASE, UINT64_MAX - 15, 16, -ENOSPC},
	{VIO_BLK_SECURE_ERASE, 8, 16, -EINVAL},
	{VIO_BLK_SECURE_ERASE, 16, 8, -EINVAL},
};

START_TEST(test_refused)
{
	struct sim_options o = with_commands(0);

	open_disk(&o, NULL);
	ck_assert_int_eq(run_range(refused[_i].op, refused[_i].start, refused[_i].count, false),
			 refused[_i].result);
	assert_only(0, 0, 0);
	ck_assert_uint_eq(vio_blk_in_flight(queue), 0);
}
END_TEST

START_TEST(test_blocks)
{
	struct sim_options o = with_commands(0);

	o.config.blk_size = htole32(4096);
	open_disk(&o, NULL);
	ck_assert_int_eq(run_range(VIO_BLK_WRITE_ZEROES, 4, 8, false), -EINVAL);
	ck_assert_int_eq(run_range(VIO_BLK_WRITE_ZEROES, 8, 4, false), -EINVAL);
	/* parts are whole blocks: 24 of the 30 sectors that the device takes */
	ck_assert_int_eq(run_range(VIO_BLK_WRITE_ZEROES, 8, 48, false), 0);
	ck_assert_uint_eq(sim_counts(sim).requests[VIRTIO_BLK_T_WRITE_ZEROES], 2);
	assert_only(8, 56, 0);
}
END_TEST

START_TEST(test_unmap)
{
	struct sim_options o = with_commands(0);

	o.config.write_zeroes_may_unmap = _i == 1;
	open_disk(&o, NULL);
	ck_assert_int_eq(vio_blk_write_zeroes(blk, 3, 5, true), 0);
	assert_only(3, 8, 0);
	ck_assert_uint_eq(sim_counts(sim).unmaps, _i == 1);
	ck_assert_int_eq(vio_blk_discard(blk, 8, 8), 0);
	ck_assert_uint_eq(sim_counts(sim).requests[VIRTIO_BLK_T_DISCARD], 1);
}
END_TEST

/* Not offered; offered with nothing behind it; not for writing. */
START_TEST(test_not_there)
{
	static const int results[] = {-ENOTSUP, -ENOTSUP, -EROFS, -EROFS};
	struct vio_blk_options options = {.read_only = _i == 2};
	struct sim_options o = with_commands(0);

	if (_i == 0) {
		o = sim_defaults();
	} else if (_i == 1) {
		o.config.max_discard_sectors = 0;
		o.config.max_write_zeroes_sectors = 0;
		o.config.max_secure_erase_sectors = 0;
	} else if (_i == 3) {
		o.features |= BIT(VIRTIO_BLK_F_RO);
	}
	open_disk(&o, &options);
	for (int op = VIO_BLK_DISCARD; op <= VIO_BLK_SECURE_ERASE; op++) {
		ck_assert_int_eq(run_range((enum vio_blk_op)op, 0, 16, false), results[_i]);
	}
	ck_assert_int_eq(vio_blk_write_zeroes(blk, 0, 16, false), results[_i]);
	assert_only(0, 0, 0);
}
END_TEST

/* More parts than there are entries, or memory to describe them in. */
START_TEST(test_many_parts)
{
	struct vio_blk_options options = {.queue_size = 16, .bounce_size = 64 << 10};
	struct sim_options o = with_commands(_i);

	o.config.max_write_zeroes_sectors = htole32(1);
	open_disk(&o, &options);
	ck_assert_int_eq(vio_blk_write_zeroes(blk, 0, SECTORS, false), 0);
	assert_only(0, SECTORS, 0);
	ck_assert_uint_eq(sim_counts(sim).requests[VIRTIO_BLK_T_WRITE_ZEROES], SECTORS);
}
END_TEST

START_TEST(test_failure)
{
	struct sim_options o = with_commands(_i);
	struct sim_fault fault = {.kind = SIM_STATUS,
				  .value = VIRTIO_BLK_S_UNSUPP,
				  .only = VIRTIO_BLK_T_WRITE_ZEROES + 1,
				  .skip = 1,
				  .times = 1};

	open_disk(&o, NULL);
	sim_fault(sim, fault);
	ck_assert_int_eq(vio_blk_write_zeroes(blk, 0, 90, false), -ENOTSUP);
	ck_assert_int_eq(vio_blk_write_zeroes(blk, 0, 90, false), 0);
	assert_only(0, 90, 0);
}
END_TEST

START_TEST(test_lifetime)
{
	static const uint8_t expected[6] = {1, 0, 2, 0, 3, 0};
	struct sim_options o = with_commands(_i);
	uint8_t lifetime[8];

	open_disk(&o, NULL);
	ck_assert(vio_blk_info(blk)->has_lifetime);
	ck_assert_int_eq(run_one(VIO_BLK_GET_LIFETIME, 0, lifetime, 5), -EINVAL);
	ck_assert_int_eq(run_one(VIO_BLK_GET_LIFETIME, 0, lifetime, 6), 0);
	ck_assert_mem_eq(lifetime, expected, 6);
	close_disk();

	o.features &= ~BIT(F_LIFETIME);
	open_disk(&o, NULL);
	ck_assert(!vio_blk_info(blk)->has_lifetime);
	ck_assert_int_eq(run_one(VIO_BLK_GET_LIFETIME, 0, lifetime, 6), -ENOTSUP);
}
END_TEST

START_TEST(test_writeback)
{
	struct sim_options o = with_commands(_i);

	open_disk(&o, NULL);
	ck_assert(vio_blk_info(blk)->can_set_writeback);
	ck_assert(vio_blk_info(blk)->writeback);
	ck_assert_int_eq(vio_blk_set_writeback(blk, false), 0);
	ck_assert(!vio_blk_info(blk)->writeback);
	sim_knobs(sim)->refuse_config = true;
	ck_assert_int_eq(vio_blk_set_writeback(blk, true), -EIO);
	ck_assert(!vio_blk_info(blk)->writeback);
	sim_knobs(sim)->refuse_config = false;

	/* a device that comes back as it was made is told again */
	sim_set_config(sim, &o.config, false);
	sim_knobs(sim)->needs_reset = true;
	vio_blk_check(blk);
	ck_assert_int_eq(vio_blk_set_writeback(blk, true), -EIO);
	assert_restarts();
	ck_assert(!vio_blk_info(blk)->writeback);
	ck_assert_int_eq(vio_blk_set_writeback(blk, true), 0);
	ck_assert(vio_blk_info(blk)->writeback);
	close_disk();

	o.features &= ~BIT(VIRTIO_BLK_F_CONFIG_WCE);
	open_disk(&o, NULL);
	ck_assert_int_eq(vio_blk_set_writeback(blk, false), -ENOTSUP);
}
END_TEST

Suite *blk_range_suite(void)
{
	Suite *suite = suite_create("blk_range");
	TCase *tcase = tcase_create("commands");

	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_loop_test(tcase, test_done, 0, KINDS * (int)(sizeof(done) / sizeof(done[0])));
	tcase_add_loop_test(tcase, test_refused, 0, sizeof(refused) / sizeof(refused[0]));
	tcase_add_test(tcase, test_blocks);
	tcase_add_loop_test(tcase, test_unmap, 0, 2);
	tcase_add_loop_test(tcase, test_not_there, 0, 4);
	tcase_add_loop_test(tcase, test_many_parts, 0, KINDS);
	tcase_add_loop_test(tcase, test_failure, 0, KINDS);
	tcase_add_loop_test(tcase, test_lifetime, 0, KINDS);
	tcase_add_loop_test(tcase, test_writeback, 0, KINDS);
	suite_add_tcase(suite, tcase);
	return suite;
}
