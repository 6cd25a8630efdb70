/* SPDX-License-Identifier: BSD-3-Clause */
/* A3 rule 7: what a device says of itself, sense and nonsense; at the start and later. */
#include "fixture.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#define ALL_FIELDS                                                                                 \
	(BIT(VIRTIO_BLK_F_SIZE_MAX) | BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_GEOMETRY) |     \
	 BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_TOPOLOGY) | BIT(VIRTIO_BLK_F_CONFIG_WCE) |  \
	 BIT(VIRTIO_BLK_F_MQ) | BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES) |       \
	 BIT(VIRTIO_BLK_F_SECURE_ERASE))

static struct sim_options with_all_fields(void)
{
	struct sim_options o = sim_defaults();

	o.features |= ALL_FIELDS;
	o.config = (struct virtio_blk_config){
		.capacity = htole64(2048),
		.size_max = htole32(65536),
		.seg_max = htole32(62),
		.geometry = {.cylinders = htole16(1000), .heads = 16, .sectors = 63},
		.blk_size = htole32(1024),
		.physical_block_exp = 3,
		.alignment_offset = 5,
		.min_io_size = htole16(8),
		.opt_io_size = htole32(256),
		.wce = 1,
		.num_queues = htole16(4),
		.max_discard_sectors = htole32(1 << 20),
		.max_discard_seg = htole32(7),
		.discard_sector_alignment = htole32(8),
		.max_write_zeroes_sectors = htole32(1 << 21),
		.max_write_zeroes_seg = htole32(6),
		.write_zeroes_may_unmap = 1,
		.max_secure_erase_sectors = htole32(1 << 19),
		.max_secure_erase_seg = htole32(5),
		.secure_erase_sector_alignment = htole32(16),
	};
	return o;
}

static const struct vio_blk_info *open_info(const struct sim_options *options)
{
	open_disk(options, NULL);
	return vio_blk_info(blk);
}

START_TEST(test_everything)
{
	struct sim_options o = with_all_fields();
	const struct vio_blk_info *info = open_info(&o);

	ck_assert_uint_eq(info->capacity_sectors, 2048);
	ck_assert_uint_eq(info->features, o.features);
	ck_assert_uint_eq(info->block_size, 1024);
	ck_assert_uint_eq(info->physical_block_size, 8192);
	ck_assert_uint_eq(info->alignment_offset, 5120);
	ck_assert_uint_eq(info->io_min, 8192);
	ck_assert_uint_eq(info->io_optimal, 262144);
	ck_assert_uint_eq(info->segment_max_size, 65536);
	ck_assert_uint_eq(info->segments_max, 62);
	ck_assert_uint_eq(info->queue_size, 256);
	ck_assert_uint_eq(info->queues_offered, 4);
	ck_assert_uint_eq(info->cylinders, 1000);
	ck_assert_uint_eq(info->heads, 16);
	ck_assert_uint_eq(info->sectors_per_track, 63);
	ck_assert_uint_eq(info->discard.sectors_max, 1 << 20);
	ck_assert_uint_eq(info->discard.segments_max, 7);
	ck_assert_uint_eq(info->discard.alignment_sectors, 8);
	ck_assert_uint_eq(info->write_zeroes.sectors_max, 1 << 21);
	ck_assert_uint_eq(info->write_zeroes.segments_max, 6);
	ck_assert_uint_eq(info->secure_erase.sectors_max, 1 << 19);
	ck_assert_uint_eq(info->secure_erase.segments_max, 5);
	ck_assert_uint_eq(info->secure_erase.alignment_sectors, 16);
	ck_assert(info->write_zeroes_may_unmap);
	ck_assert(!info->read_only && info->can_flush && info->writeback);
	ck_assert(!info->queue_size_clamped);
}
END_TEST

/* Fields without their feature are noise: here, the noisiest there is. */
START_TEST(test_nothing)
{
	struct sim_options o = sim_defaults();
	const struct vio_blk_info *info;

	o.features = BIT(VIRTIO_F_VERSION_1);
	memset(&o.config, 0xff, sizeof(o.config));
	o.config.capacity = htole64(2048);
	info = open_info(&o);
	ck_assert_uint_eq(info->block_size, 512);
	ck_assert_uint_eq(info->physical_block_size, 512);
	ck_assert_uint_eq(info->segment_max_size, UINT32_MAX);
	ck_assert_uint_eq(info->segments_max, 1);
	ck_assert_uint_eq(info->queues_offered, 1);
	ck_assert_uint_eq(info->discard.sectors_max, 0);
	ck_assert_uint_eq(info->discard.segments_max, 0);
	ck_assert(!info->can_flush && !info->writeback && !info->read_only);
	assert_works();
}
END_TEST

/* A3 rule 12 in the block class. */
START_TEST(test_features)
{
	struct sim_options o = with_all_fields();
	uint64_t known = ALL_FIELDS | BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_BLK_F_RO) |
			 BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_F_ACCESS_PLATFORM) |
			 BIT(VIRTIO_F_ORDER_PLATFORM) | BIT(15 /* lifetime */) | RING_FEATURES;

	o.features = UINT64_MAX;
	open_disk(&o, NULL);
	ck_assert_uint_eq(sim_accepted_features(sim) & ~known, 0);
	assert_works();
}
END_TEST

static const struct {
	const char *what;
	uint64_t capacity;
	uint32_t block_size, size_max, seg_max;
	uint16_t queue_size;
} impossible[] = {
	{"capacity * 512 does not fit", INT64_MAX / 512 + 1, 512, 0, 126, 256},
	{"capacity of all ones", UINT64_MAX, 512, 0, 126, 256},
	{"capacity * 512 wraps to 0", UINT64_C(1) << 55, 512, 0, 126, 256},
	{"blocks of 0", 2048, 0, 0, 126, 256},
	{"blocks of 1", 2048, 1, 0, 126, 256},
	{"blocks of 3", 2048, 3, 0, 126, 256},
	{"blocks of 256", 2048, 256, 0, 126, 256},
	{"blocks of 513", 2048, 513, 0, 126, 256},
	{"blocks of 128 KiB", 2048, 128 << 10, 0, 126, 256},
	{"blocks of 1 GiB", 2048, 1 << 30, 0, 126, 256},
	{"blocks of 2 GiB", 2048, UINT32_C(1) << 31, 0, 126, 256},
	{"blocks of all ones", 2048, UINT32_MAX, 0, 126, 256},
	{"126 segments of 1", 2048, 512, 1, 126, 256},
	{"one segment of 511", 2048, 512, 511, 1, 256},
	{"seven segments of 512 for 4096", 2048, 4096, 512, 7, 256},
	{"two segments of 512 for 4096, by the ring", 2048, 4096, 512, 126, 4},
};

START_TEST(test_impossible)
{
	struct sim_options o = sim_defaults();

	o.features |= BIT(VIRTIO_BLK_F_SIZE_MAX);
	o.config.capacity = htole64(impossible[_i].capacity);
	o.config.blk_size = htole32(impossible[_i].block_size);
	o.config.size_max = htole32(impossible[_i].size_max);
	o.config.seg_max = htole32(impossible[_i].seg_max);
	o.queue_max = impossible[_i].queue_size;
	ck_assert_msg(try_open_disk(&o) == -EPROTO, "%s was accepted", impossible[_i].what);
	ck_assert_uint_eq(sim_status(sim), 0);
	ck_assert_uint_eq(sim_pool_pieces(sim_pool(sim)), 0);
}
END_TEST

START_TEST(test_no_queues)
{
	struct sim_options o = sim_defaults();

	o.features |= BIT(VIRTIO_BLK_F_MQ);
	o.config.num_queues = 0;
	ck_assert_int_eq(try_open_disk(&o), -EPROTO);
}
END_TEST

static const struct {
	uint16_t says;
	int rc;
} queues[] = {{0, -ENODEV}, {3, -EPROTO}, {65535, -EPROTO}, {1, -ENOTSUP}, {2, -ENOTSUP}};

START_TEST(test_impossible_queue)
{
	struct sim_options o = sim_defaults();

	o.queue_max = queues[_i].says;
	ck_assert_int_eq(try_open_disk(&o), queues[_i].rc);
	ck_assert_uint_eq(sim_pool_pieces(sim_pool(sim)), 0);
}
END_TEST

START_TEST(test_clamped_queue)
{
	struct sim_options o = sim_defaults();
	const struct vio_blk_info *info;

	o.queue_max = 8;
	info = open_info(&o);
	ck_assert_uint_eq(info->queue_size, 8);
	ck_assert(info->queue_size_clamped);
	ck_assert_uint_eq(info->segments_max, 6);
	assert_works();
}
END_TEST

/* Strange, and yet it can be worked with. */
START_TEST(test_tolerated)
{
	struct sim_options o = with_all_fields();
	const struct vio_blk_info *info;

	o.config.size_max = 0;
	o.config.seg_max = 0;
	o.config.wce = 0;
	o.config.max_discard_seg = 0;
	o.config.discard_sector_alignment = 0;
	info = open_info(&o);
	ck_assert_uint_eq(info->segment_max_size, UINT32_MAX);
	ck_assert_uint_eq(info->segments_max, 1);
	ck_assert(info->can_flush && !info->writeback);
	ck_assert_uint_eq(info->discard.segments_max, 1);
	ck_assert_uint_eq(info->discard.alignment_sectors, 1);
	assert_works();
}
END_TEST

START_TEST(test_capacity_limits)
{
	struct sim_options o = sim_defaults();
	uint8_t sector[SECTOR];

	o.config.capacity = htole64(_i ? INT64_MAX / 512 : 0);
	open_sim(&o);
	ck_assert_int_eq(vio_blk_open(&blk, sim_transport(sim), NULL, &err), 0);
	queue = vio_blk_queue(blk, 0);
	ck_assert_int_eq(run_one(VIO_BLK_READ, INT64_MAX / 512, sector, SECTOR), -ENOSPC);
	ck_assert_int_eq(run_one(VIO_BLK_READ, 0, sector, SECTOR), _i ? 0 : -ENOSPC);
}
END_TEST

static const struct {
	uint8_t exponent, alignment;
	uint16_t min;
	uint32_t optimal;
	bool is_nonsense;
} topologies[] = {
	{16, 0, 1, 1, true}, {32, 0, 1, 1, true}, {255, 255, 65535, UINT32_MAX, true},
	{3, 8, 1, 1, true},  {0, 1, 1, 1, true},  {15, 255, 65535, UINT32_MAX, false},
	{0, 0, 0, 0, false},
};

START_TEST(test_topology)
{
	struct sim_options o = with_all_fields();
	const struct vio_blk_info *info;

	o.config.blk_size = htole32(65536);
	o.config.physical_block_exp = topologies[_i].exponent;
	o.config.alignment_offset = topologies[_i].alignment;
	o.config.min_io_size = htole16(topologies[_i].min);
	o.config.opt_io_size = htole32(topologies[_i].optimal);
	info = open_info(&o);
	ck_assert_uint_ge(info->physical_block_size, info->block_size);
	ck_assert_uint_eq(info->physical_block_size & (info->physical_block_size - 1), 0);
	ck_assert_uint_lt(info->alignment_offset, info->physical_block_size);
	ck_assert_uint_eq(logged[VIO_LOG_WARN], topologies[_i].is_nonsense);
	if (topologies[_i].is_nonsense) {
		ck_assert_uint_eq(info->physical_block_size, info->block_size);
		ck_assert_uint_eq(info->io_min, 0);
	}
}
END_TEST

/* A device that offers a feature has the field, too. */
START_TEST(test_short_config)
{
	static const size_t sizes[] = {0, 7, 8, 20, 24, 59};
	struct sim_options o = with_all_fields();

	o.config_size = sizes[_i];
	ck_assert_int_eq(try_open_disk(&o), -EPROTO);
}
END_TEST

/* One that does not offer it need not. */
START_TEST(test_shortest_config)
{
	struct sim_options o = sim_defaults();

	o.features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_BLK_F_FLUSH);
	o.config_size = 8;
	open_disk(&o, NULL);
	assert_works();
}
END_TEST

START_TEST(test_never_settles)
{
	struct sim_options o = sim_defaults();

	o.legacy = _i == 1;
	open_sim(&o);
	sim_knobs(sim)->restless = UINT32_MAX;
	ck_assert_int_eq(vio_blk_open(&blk, sim_transport(sim), NULL, &err), -EPROTO);
	ck_assert_uint_eq(sim_pool_pieces(sim_pool(sim)), 0);
}
END_TEST

START_TEST(test_settles)
{
	struct sim_options o = sim_defaults();

	o.legacy = _i == 1;
	open_sim(&o);
	sim_knobs(sim)->restless = 12;
	ck_assert_int_eq(vio_blk_open(&blk, sim_transport(sim), NULL, &err), 0);
	ck_assert_uint_eq(vio_blk_info(blk)->capacity_sectors, 2048);
}
END_TEST

START_TEST(test_grows_and_shrinks)
{
	struct sim_options o = sim_defaults();
	uint8_t sector[SECTOR];

	o.interrupts = _i == 1;
	open_disk(&o, NULL);
	ck_assert_uint_eq(vio_blk_check(blk), 0);
	sim_resize(sim, 1024);
	/* not known yet: the device refuses, nothing breaks */
	ck_assert_int_eq(run_one(VIO_BLK_READ, 1024, sector, SECTOR), -EIO);
	ck_assert_uint_eq(vio_blk_check(blk), VIO_EVENT_CONFIG);
	ck_assert_uint_eq(vio_blk_info(blk)->capacity_sectors, 1024);
	ck_assert_int_eq(run_one(VIO_BLK_READ, 1024, sector, SECTOR), -ENOSPC);
	sim_resize(sim, 2048);
	ck_assert_uint_eq(vio_blk_check(blk), VIO_EVENT_CONFIG);
	ck_assert_int_eq(run_one(VIO_BLK_READ, 2047, sector, SECTOR), 0);
	ck_assert_uint_eq(vio_blk_check(blk), 0);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_GOOD);
}
END_TEST

/*
 * Without a generation the capacity is compared, and an interrupt is reason enough to
 * compare everything. Changed means changed: no event for the same again.
 */
START_TEST(test_changes_without_generation)
{
	struct sim_options o = sim_defaults();
	struct virtio_blk_config config;
	unsigned reads;

	o.legacy = true;
	o.interrupts = true;
	o.features = (o.features & UINT32_MAX) | BIT(VIRTIO_BLK_F_TOPOLOGY);
	open_disk(&o, NULL);
	reads = sim_counts(sim).config_reads;
	ck_assert_uint_eq(vio_blk_check(blk), 0);
	ck_assert_uint_le(sim_counts(sim).config_reads - reads, 2);
	config = o.config;
	config.capacity = htole64(1024);
	sim_set_config(sim, &config, _i == 1);
	ck_assert_uint_eq(vio_blk_check(blk), VIO_EVENT_CONFIG);
	ck_assert_uint_eq(vio_blk_info(blk)->capacity_sectors, 1024);
	ck_assert_uint_eq(vio_blk_check(blk), 0);

	config.opt_io_size = htole32(64);
	sim_set_config(sim, &config, true);
	ck_assert(vio_blk_wait_ack(queue) & VIO_EVENT_CONFIG);
	ck_assert_uint_eq(vio_blk_check(blk), VIO_EVENT_CONFIG);
	ck_assert_uint_eq(vio_blk_info(blk)->io_optimal, 64 * 512);
	sim_set_config(sim, &config, true);
	ck_assert(vio_blk_wait_ack(queue) & VIO_EVENT_CONFIG);
	ck_assert_uint_eq(vio_blk_check(blk), 0);

	config.capacity = htole64(UINT64_MAX); /* nonsense is no change, and is said once */
	sim_set_config(sim, &config, false);
	ck_assert_uint_eq(vio_blk_check(blk), 0);
	ck_assert_uint_eq(vio_blk_check(blk), 0);
	ck_assert_uint_eq(vio_blk_info(blk)->capacity_sectors, 1024);
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], 1);
}
END_TEST

/* A device that takes one size of queue gets that one, whatever was asked for. */
START_TEST(test_fixed_queue)
{
	static const uint16_t asked[] = {64, 256, 1024};
	const struct vio_blk_options wish = {.queue_size = asked[_i]};
	struct sim_options o = sim_defaults();

	o.legacy = true;
	o.features &= UINT32_MAX;
	o.fixed_queue = true;
	open_disk(&o, &wish);
	ck_assert_uint_eq(vio_blk_info(blk)->queue_size, 256);
	ck_assert_int_eq(vio_blk_info(blk)->queue_size_clamped, asked[_i] > 256);
	assert_works();
	sim_knobs(sim)->needs_reset = true;
	vio_blk_check(blk);
	sim_knobs(sim)->queue_max = 512;
	ck_assert_int_eq(vio_blk_restart(blk, &err), -EPROTO);
	sim_knobs(sim)->queue_max = 0;
	assert_restarts();
}
END_TEST

/* A change to nonsense is not taken over, and said once however often it comes. */
START_TEST(test_changes_to_nonsense)
{
	struct sim_options o = sim_defaults();
	struct virtio_blk_config config = o.config;
	struct vio_blk_info before;

	open_disk(&o, NULL);
	before = *vio_blk_info(blk);
	switch (_i) {
	case 0:
		config.blk_size = htole32(3);
		break;
	case 1:
		config.capacity = htole64(UINT64_MAX);
		break;
	case 2: /* possible, but not for a disk in use */
		config.blk_size = htole32(4096);
		break;
	default:
		sim_knobs(sim)->restless = UINT32_MAX;
	}
	for (int i = 0; i < 3; i++) {
		sim_set_config(sim, &config, true);
		ck_assert_uint_eq(vio_blk_check(blk), VIO_EVENT_CONFIG);
	}
	ck_assert_mem_eq(vio_blk_info(blk), &before, sizeof(before));
	ck_assert_uint_eq(logged[VIO_LOG_ERROR], 1);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_GOOD);
	sim_knobs(sim)->restless = 0;
	assert_works();
}
END_TEST

/* A request that is half way through when the device changes its mind ends all the same. */
START_TEST(test_changes_under_a_request)
{
	struct sim_options o = sim_defaults();
	struct vio_blk_options wish = {.queue_size = 8};
	struct virtio_blk_config config = o.config;
	static uint8_t foreign[100 * SECTOR];
	struct simple large;

	o.features |= BIT(VIRTIO_BLK_F_SIZE_MAX);
	o.config.size_max = htole32(512);
	o.config.seg_max = htole32(1);
	open_disk(&o, &wish);
	sim_knobs(sim)->hold = true;
	ck_assert_int_eq(submit(&large, VIO_BLK_READ, 1, foreign, sizeof(foreign)), 0);
	config.size_max = o.config.size_max;
	config.seg_max = htole32(126);
	config.blk_size = htole32(4096);
	sim_set_config(sim, &config, true);
	ck_assert_uint_eq(vio_blk_check(blk), VIO_EVENT_CONFIG);
	sim_release(sim);
	ck_assert_int_eq(reap(1)->result, 0);
	ck_assert_mem_eq(foreign, sim_disk(sim) + SECTOR, sizeof(foreign));
}
END_TEST

Suite *config_suite(void)
{
	Suite *suite = suite_create("blk_config");
	TCase *tcase = tcase_create("start");

	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_test(tcase, test_everything);
	tcase_add_test(tcase, test_nothing);
	tcase_add_test(tcase, test_features);
	tcase_add_loop_test(tcase, test_impossible, 0, sizeof(impossible) / sizeof(impossible[0]));
	tcase_add_test(tcase, test_no_queues);
	tcase_add_loop_test(tcase, test_impossible_queue, 0, sizeof(queues) / sizeof(queues[0]));
	tcase_add_test(tcase, test_clamped_queue);
	tcase_add_loop_test(tcase, test_fixed_queue, 0, 3);
	tcase_add_test(tcase, test_tolerated);
	tcase_add_loop_test(tcase, test_capacity_limits, 0, 2);
	tcase_add_loop_test(tcase, test_topology, 0, sizeof(topologies) / sizeof(topologies[0]));
	tcase_add_loop_test(tcase, test_short_config, 0, 6);
	tcase_add_test(tcase, test_shortest_config);
	tcase_add_loop_test(tcase, test_never_settles, 0, 2);
	tcase_add_loop_test(tcase, test_settles, 0, 2);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("later");
	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_loop_test(tcase, test_grows_and_shrinks, 0, 2);
	tcase_add_loop_test(tcase, test_changes_without_generation, 0, 2);
	tcase_add_loop_test(tcase, test_changes_to_nonsense, 0, 4);
	tcase_add_test(tcase, test_changes_under_a_request);
	suite_add_tcase(suite, tcase);
	return suite;
}
