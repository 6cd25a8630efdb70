/* SPDX-License-Identifier: BSD-3-Clause */
/* Partitions: their bounds, the tables that they come from, and their names. */
#include "fixture.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "partition.h"
#include "table.h"

enum {
	IMAGE = 2 << 20,
	GPT_ENTRIES = 128,
	GPT_ENTRY = 128,
	EXTENDED = 5,
};

static uint8_t image[IMAGE];
static struct devb_table table;

/* A device that only notes what it was asked. */
static struct devb_io *last_io;
static unsigned submitted;

static int note_submit(struct devb_block *block, struct devb_io *io)
{
	(void)block;
	last_io = io;
	submitted++;
	return -EBUSY;
}

static const struct devb_block_ops note_ops = {.submit = note_submit};

static struct devb_block fake_disk(void)
{
	return (struct devb_block){.ops = &note_ops,
				   .size = 1 << 20,
				   .block_size = 4096,
				   .physical_block_size = 8192,
				   .read_only = true};
}

START_TEST(test_fields)
{
	struct devb_block disk = fake_disk();
	struct devb_partition partition;

	devb_partition_init(&partition, &disk, 512, 3 * 4096 + 4095);
	ck_assert_uint_eq(partition.block.size, 3 * 4096);
	ck_assert_uint_eq(partition.block.block_size, 4096);
	ck_assert_uint_eq(partition.block.physical_block_size, 8192);
	ck_assert(partition.block.read_only);
	devb_partition_init(&partition, &disk, 4096, 4095);
	ck_assert_uint_eq(partition.block.size, 0);
}
END_TEST

START_TEST(test_translation)
{
	struct devb_block disk = fake_disk();
	struct devb_partition outer, inner;
	struct devb_io io = {.op = DEVB_READ, .offset = 100, .size = 4096 - 100};

	devb_partition_init(&outer, &disk, 8192, 16384);
	devb_partition_init(&inner, &outer.block, 4096, 4096);
	ck_assert_int_eq(devb_block_submit(&outer.block, &io), -EBUSY);
	ck_assert_ptr_eq(last_io, &io);
	ck_assert_uint_eq(io.device_offset, 8292);
	ck_assert_uint_eq(io.offset, 100); /* may be submitted again */
	ck_assert_int_eq(devb_block_submit(&inner.block, &io), -EBUSY);
	ck_assert_uint_eq(io.device_offset, 12388);
	io = (struct devb_io){.op = DEVB_FLUSH};
	ck_assert_int_eq(devb_block_submit(&inner.block, &io), -EBUSY);
	ck_assert_uint_eq(submitted, 3);
}
END_TEST

START_TEST(test_bounds)
{
	static const struct {
		uint64_t offset;
		size_t size;
		int rc;
	} cases[] = {
		{0, 16384, -EBUSY},
		{16383, 1, -EBUSY},
		{0, 16385, -ENOSPC},
		{16384, 1, -ENOSPC},
		{16383, 2, -ENOSPC},
		{UINT64_MAX, 1, -ENOSPC},
		{UINT64_MAX - 8191, 1, -ENOSPC},
		{1, SIZE_MAX, -ENOSPC},
		{8192, 8193, -ENOSPC},
	};
	struct devb_block disk = fake_disk();
	struct devb_partition partition;

	devb_partition_init(&partition, &disk, 8192, 16384);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct devb_io io = {.offset = cases[i].offset, .size = cases[i].size};
		unsigned before = submitted;

		ck_assert_int_eq(devb_block_submit(&partition.block, &io), cases[i].rc);
		ck_assert_uint_eq(submitted - before, cases[i].rc == -EBUSY);
	}
}
END_TEST

static void put32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

/* An entry of the MBR, or of what looks like it at the head of a logical partition. */
static void put_mbr(uint32_t sector, unsigned index, uint8_t type, uint32_t start, uint32_t count)
{
	uint8_t *entry = image + sector * SECTOR + 446 + 16 * index;

	entry[0] = 0; /* not active: libblkid looks */
	entry[4] = type;
	put32(entry + 8, start);
	put32(entry + 12, count);
	image[sector * SECTOR + 510] = 0x55;
	image[sector * SECTOR + 511] = 0xaa;
}

static uint32_t crc32(const uint8_t *bytes, size_t size)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++) {
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
		}
	}
	return ~crc;
}

/* Linux, EFI system */
static const uint8_t types[2][16] = {
	{0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d,
	 0xe4},
	{0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9,
	 0x3b},
};

static void put_gpt(unsigned block, unsigned index, unsigned type, uint64_t first, uint64_t last)
{
	uint8_t *entry = image + (size_t)2 * block + (size_t)GPT_ENTRY * index;

	memcpy(entry, types[type], 16);
	entry[16] = (uint8_t)(index + 1); /* unique */
	put64(entry + 32, first);
	put64(entry + 40, last);
}

static void finish_gpt(unsigned block)
{
	const size_t entries = (size_t)GPT_ENTRIES * GPT_ENTRY;
	uint8_t *header = image + block;

	put_mbr(0, 0, 0xee, 1, IMAGE / block - 1);
	memcpy(header, "EFI PART\0\0\1\0", 12);
	put32(header + 12, 92);
	put64(header + 24, 1);
	put64(header + 32, IMAGE / block - 1);
	put64(header + 40, 2 + entries / block);
	put64(header + 48, IMAGE / block - 2);
	put64(header + 72, 2);
	put32(header + 80, GPT_ENTRIES);
	put32(header + 84, GPT_ENTRY);
	put32(header + 88, crc32(image + (size_t)2 * block, entries));
	put32(header + 16, 0);
	put32(header + 16, crc32(header, 92));
}

static int read_image(size_t size, uint32_t block_size)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	char path[64];
	int rc;

	must(fd >= 0 && write(fd, image, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = devb_table_read(path, block_size, &table, &err);
	close(fd);
	return rc;
}

static void assert_entry(unsigned index, uint64_t start, uint64_t size, const char *name)
{
	char buffer[80];

	ck_assert_uint_eq(table.entries[index].start, start);
	ck_assert_uint_eq(table.entries[index].size, size);
	devb_table_name(&table, index, "hd0", buffer, sizeof(buffer));
	ck_assert_str_eq(buffer, name);
}

START_TEST(test_mbr)
{
	put_mbr(0, 0, 179, 8, 16);
	put_mbr(0, 1, 131, 32, 32);
	put_mbr(0, 2, EXTENDED, 128, 1024);
	put_mbr(0, 3, 179, 2048, 2048);
	put_mbr(128, 0, 178, 8, 56);
	put_mbr(128, 1, EXTENDED, 64, 128);
	put_mbr(192, 0, 179, 8, 120);
	ck_assert_int_eq(read_image(IMAGE, 512), 0);
	ck_assert_uint_eq(table.count, 5);
	assert_entry(0, 8 * 512, 16 * 512, "hd0t179");
	assert_entry(1, 32 * 512, 32 * 512, "hd0t131");
	assert_entry(2, 2048 * 512, 2048 * 512, "hd0t179.1");
	assert_entry(3, 136 * 512, 56 * 512, "hd0t178");
	assert_entry(4, 200 * 512, 120 * 512, "hd0t179.2");
}
END_TEST

START_TEST(test_gpt)
{
	const unsigned block = _i ? 4096 : 512;

	put_gpt(block, 0, 0, 50, 99);
	put_gpt(block, 1, 1, 100, 109);
	put_gpt(block, 5, 0, 110, 110);
	finish_gpt(block);
	ck_assert_int_eq(read_image(IMAGE, block), 0);
	ck_assert_uint_eq(table.count, 3);
	assert_entry(0, 50 * block, 50 * block, "hd0.0fc63daf-8483-4772-8e79-3d69d8477de4.0");
	assert_entry(1, 100 * block, 10 * block, "hd0.c12a7328-f81f-11d2-ba4b-00a0c93ec93b.0");
	assert_entry(2, 110 * block, block, "hd0.0fc63daf-8483-4772-8e79-3d69d8477de4.1");
}
END_TEST

START_TEST(test_full_gpt)
{
	for (unsigned i = 0; i < GPT_ENTRIES; i++) {
		put_gpt(512, i, i % 2, 100 + i, 100 + i);
	}
	finish_gpt(512);
	ck_assert_int_eq(read_image(IMAGE, 512), 0);
	ck_assert_uint_eq(table.count, DEVB_PARTITIONS_MAX);
	assert_entry(127, 227 * 512, 512, "hd0.c12a7328-f81f-11d2-ba4b-00a0c93ec93b.63");
}
END_TEST

/* Neither MBR nor GPT types: a name by position. */
START_TEST(test_other_names)
{
	table.count = 2;
	assert_entry(0, 0, 0, "hd0p1");
	assert_entry(1, 0, 0, "hd0p2");
}
END_TEST

START_TEST(test_no_table)
{
	ck_assert_int_eq(read_image(0, 512), 0);
	ck_assert_uint_eq(table.count, 0);
	ck_assert_int_eq(read_image(100, 512), 0);
	ck_assert_uint_eq(table.count, 0);
	ck_assert_int_eq(read_image(IMAGE, 4096), 0);
	ck_assert_uint_eq(table.count, 0);
}
END_TEST

START_TEST(test_unreadable)
{
	ck_assert_int_eq(devb_table_read("/nowhere/disk", 512, &table, &err), -EIO);
	ck_assert_ptr_nonnull(strstr(err.text, "/nowhere/disk"));
	ck_assert_int_eq(devb_table_read("/", 512, &table, &err), -EIO); /* read() fails */
	ck_assert_ptr_nonnull(strstr(err.text, "cannot be read"));
	ck_assert_uint_eq(table.count, 0);
}
END_TEST

static void count_line(void *context, enum vio_log_level level, const char *text)
{
	(void)context;
	(void)text;
	logged[level]++;
}

/* What leads beyond the end is left out and logged, the others are there. */
START_TEST(test_beyond_the_end)
{
	vio_log_install(count_line, NULL);
	put_mbr(0, 0, 131, 8, 4088);
	put_mbr(0, 1, 132, 8, 4089);
	put_mbr(0, 2, 137, 4096, 1);
	put_mbr(0, 3, 138, UINT32_MAX, UINT32_MAX);
	ck_assert_int_eq(read_image(IMAGE, 512), 0);
	ck_assert_uint_eq(table.count, 1);
	assert_entry(0, 8 * 512, 4088 * 512, "hd0t131");
	ck_assert_uint_eq(logged[VIO_LOG_WARN], 3);
	vio_log_install(NULL, NULL);
}
END_TEST

static void assert_sane(void)
{
	must(table.count <= DEVB_PARTITIONS_MAX);
	for (unsigned i = 0; i < table.count; i++) {
		const struct devb_table_entry *e = &table.entries[i];
		char name[80];

		must(e->start > 0 && e->size > 0);
		must(e->start < IMAGE && e->size <= IMAGE - e->start);
		must(e->mbr_type < 256 && (e->mbr_type > 0) != (e->type_uuid[0] != '\0'));
		devb_table_name(&table, i, "hd0", name, sizeof(name));
		must(strlen(name) < 60);
	}
}

/* A chain of logical partitions that lead anywhere, each other included. */
static void put_random_mbrs(void)
{
	for (uint32_t sector = 0; sector < 64; sector++) {
		for (unsigned i = 0; i < 4; i++) {
			put_mbr(sector, i, (uint8_t)(pick(2) ? EXTENDED : 1 + pick(255)), pick(64),
				pick(4) ? pick(5000) : UINT32_MAX - pick(64));
		}
	}
}

static void put_random_gpt(void)
{
	for (unsigned i = 0; i < GPT_ENTRIES; i++) {
		uint64_t first = pick(4) ? pick(5000) : UINT64_MAX - pick(5000);

		put_gpt(512, i, i % 2, first, pick(4) ? first + pick(5000) : pick(5000));
	}
	finish_gpt(512);
}

START_TEST(test_garbage)
{
	unsigned entries = 0;

	vio_log_install(count_line, NULL);
	for (unsigned round = 0; round < 60; round++) {
		fill(image, 65536, round);
		if (_i == 1) {
			put_random_mbrs();
		} else if (_i == 2) {
			put_random_gpt();
		}
		must(read_image(IMAGE, round % 2 && _i < 2 ? 4096 : 512) == 0);
		assert_sane();
		entries += table.count;
	}
	ck_assert(_i == 0 || entries > 0); /* or it was too wild for libblkid */
	vio_log_install(NULL, NULL);
}
END_TEST

static void clear_image(void)
{
	memset(image, 0, sizeof(image));
	memset(&table, 0, sizeof(table));
	memset(logged, 0, sizeof(logged));
	submitted = 0;
}

Suite *partition_suite(void)
{
	Suite *suite = suite_create("partition");
	TCase *tcase = tcase_create("partition");

	tcase_add_checked_fixture(tcase, clear_image, NULL);
	tcase_add_test(tcase, test_fields);
	tcase_add_test(tcase, test_translation);
	tcase_add_test(tcase, test_bounds);
	tcase_add_test(tcase, test_mbr);
	tcase_add_loop_test(tcase, test_gpt, 0, 2);
	tcase_add_test(tcase, test_full_gpt);
	tcase_add_test(tcase, test_other_names);
	tcase_add_test(tcase, test_no_table);
	tcase_add_test(tcase, test_unreadable);
	tcase_add_test(tcase, test_beyond_the_end);
	tcase_add_loop_test(tcase, test_garbage, 0, 3);
	suite_add_tcase(suite, tcase);
	return suite;
}
