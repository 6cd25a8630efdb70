/* SPDX-License-Identifier: BSD-3-Clause */
/* The check of QNX6 volumes: silent about sound ones, and what is wrong has its name. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fuzz/qnx6_exercise.h"
#include "qnx6_check.h"
#include "qnx6_damage.h"
#include "suites.h"

static const uint32_t block_sizes[] = {512, 1024, 2048, 4096, 8192, 16384, 32768};
static const enum qnx6_layout layouts[] = {QNX6_LAYOUT_BOOT, QNX6_LAYOUT_NO_BOOT, QNX6_LAYOUT_MMI};

/* What was reported: each code once, and all sentences, for people. */
struct report {
	char codes[512];
	char texts[4096];
	unsigned calls, most; /* most: stops there; 0: never */
};

static bool has_word(const char *words, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += length)
		if ((at == words || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
			return true;
	return false;
}

static void append(char *buffer, size_t size, const char *text, const char *separator)
{
	size_t used = strlen(buffer);

	snprintf(buffer + used, size - used, "%s%s", used ? separator : "", text);
}

static bool take(void *context, const struct qnx6_finding *finding)
{
	struct report *report = context;

	must(*finding->text && !strchr(finding->text, '\n'));
	if (!has_word(report->codes, finding->code))
		append(report->codes, sizeof(report->codes), finding->code, " ");
	append(report->texts, sizeof(report->texts), finding->text, "\n");
	return ++report->calls != report->most;
}

/* Both sets of words have the same. */
static bool are_same(const char *a, const char *b)
{
	char words[512], *word, *rest = words;

	if (strlen(a) != strlen(b))
		return false;
	snprintf(words, sizeof(words), "%s", a);
	while ((word = strtok_r(rest, " ", &rest)))
		if (!has_word(b, word))
			return false;
	return true;
}

static int check_source(struct qnx6_source *source, bool takes_one, struct report *report,
			struct qnx6_check_result *result)
{
	const struct qnx6_check_options options = {
		.takes_one_super = takes_one, .report = take, .context = report};

	return qnx6_check(source, &options, result);
}

static int check_sample(const struct sample *sample, bool takes_one, struct report *report,
			struct qnx6_check_result *result)
{
	struct memory_source source = memory_source(sample->bytes, sample->size);

	return check_source(&source.head, takes_one, report, result);
}

static void check_clean(enum qnx6_order order, enum qnx6_layout layout, uint32_t block_size)
{
	struct report report = {.calls = 0};
	struct qnx6_check_result result;
	struct sample sample;

	sample_make(&sample, order, layout, block_size);
	ck_assert_int_eq(check_sample(&sample, false, &report, &result), 0);
	ck_assert_msg(!report.calls, "layout %d, blocks of %u bytes: %s", (int)layout, block_size,
		      report.texts);
	ck_assert(result.is_finished);
	ck_assert_uint_eq(result.used_inodes, SAMPLE_FREE - 1);
	ck_assert_uint_eq(result.num_blocks, SAMPLE_BLOCKS);
	sample_free(&sample);
}

START_TEST(test_clean)
{
	for (size_t i = 0; i < sizeof(block_sizes) / sizeof(block_sizes[0]); i++)
		for (size_t j = 0; j < sizeof(layouts) / sizeof(layouts[0]); j++) {
			check_clean(QNX6_LITTLE, layouts[j], block_sizes[i]);
			check_clean(QNX6_BIG, layouts[j], block_sizes[i]);
		}
}
END_TEST

static void fault(struct memory_source *source, const struct sample *sample, uint32_t block)
{
	uint64_t start = sample->data_offset + (uint64_t)block * sample->block_size;

	if (block > SAMPLE_BLOCKS) /* super block 1 */
		start = sample->data_offset - QNX6_SUPER_AREA;
	source->fault = start;
	source->fault_end = start + sample->block_size;
}

static void check_damage(const struct damage *damage, enum qnx6_order order, uint32_t block_size)
{
	struct report report = {.calls = 0};
	struct qnx6_check_result result;
	struct memory_source source;
	struct sample sample;

	sample_make(&sample, order, QNX6_LAYOUT_BOOT, block_size);
	source = memory_source(sample.bytes, sample.size);
	if (damage->make)
		damage->make(&sample);
	else
		fault(&source, &sample, damage->unreadable(&sample));
	ck_assert_int_eq(check_source(&source.head, true, &report, &result), 0);
	ck_assert_msg(are_same(report.codes, damage->codes),
		      "%s, blocks of %u bytes: expected %s, found %s:\n%s", damage->name,
		      block_size, damage->codes, report.codes, report.texts);
	ck_assert_uint_eq(result.errors + result.warnings, report.calls);
	exercise_reader(&source.head);
	sample_free(&sample);
}

static void check_each(const struct damage *damage, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		check_damage(&damage[i], QNX6_LITTLE, 512);
		check_damage(&damage[i], QNX6_BIG, 1024);
		check_damage(&damage[i], QNX6_BIG, 4096);
	}
}

START_TEST(test_damage_of_volume)
{
	check_each(damage_of_volume, num_damage_of_volume);
}
END_TEST

START_TEST(test_damage_of_files)
{
	check_each(damage_of_files, num_damage_of_files);
	for (unsigned i = 0; i < num_damage_of_files; i++)
		check_damage(&damage_of_files[i], QNX6_LITTLE, QNX6_BLOCK_MAX);
}
END_TEST

START_TEST(test_names_both_owners)
{
	struct report report = {.calls = 0};
	struct qnx6_check_result result;
	struct sample sample;

	sample_make(&sample, QNX6_BIG, QNX6_LAYOUT_BOOT, 1024);
	sample_inode(&sample, SAMPLE_HARD)->ptr[0] = sample_inode(&sample, SAMPLE_FILE)->ptr[1];
	ck_assert_int_eq(check_sample(&sample, false, &report, &result), 0);
	ck_assert_ptr_nonnull(strstr(report.texts, "belongs to inode 3, and to inode 7"));
	sample_free(&sample);
}
END_TEST

START_TEST(test_one_super_only)
{
	struct report report = {.calls = 0};
	struct qnx6_check_result result;
	struct sample sample;

	sample_make(&sample, QNX6_LITTLE, QNX6_LAYOUT_NO_BOOT, 512);
	memset(sample_super(&sample, 1), 0, 512);
	ck_assert_int_eq(check_sample(&sample, false, &report, &result), 0);
	ck_assert(!result.is_finished && result.errors == 1);
	ck_assert_int_eq(check_sample(&sample, true, &report, &result), 0);
	ck_assert(result.is_finished && result.errors == 1);
	sample_free(&sample);
}
END_TEST

START_TEST(test_no_volume)
{
	static const char zeroes[65536];
	struct memory_source source = memory_source(zeroes, sizeof(zeroes));
	struct report report = {.calls = 0};
	struct qnx6_check_result result;

	ck_assert_int_eq(check_source(&source.head, true, &report, &result), 0);
	ck_assert_str_eq(report.codes, "super-none");
	ck_assert(!result.is_finished && result.errors == 1);
}
END_TEST

START_TEST(test_stops_when_told)
{
	struct report report = {.most = 1};
	struct qnx6_check_result result;
	struct sample sample;

	sample_make(&sample, QNX6_LITTLE, QNX6_LAYOUT_BOOT, 512);
	sample_inode(&sample, SAMPLE_FILE)->spare[1] = 1;
	sample_inode(&sample, SAMPLE_LINK)->spare[1] = 1;
	ck_assert_int_eq(check_sample(&sample, false, &report, &result), -ECANCELED);
	ck_assert(!result.is_finished && report.calls == 1);
	sample_free(&sample);
}
END_TEST

/* More of a kind than anyone wants to read are counted. */
static void check_limit(const struct sample *sample, const char *codes, uint64_t errors,
			unsigned calls)
{
	struct report report = {.calls = 0};
	struct qnx6_check_result result;

	ck_assert_int_eq(check_sample(sample, false, &report, &result), 0);
	ck_assert_msg(are_same(report.codes, codes), "found %s", report.codes);
	ck_assert_uint_eq(report.calls, calls);
	ck_assert_uint_eq(result.errors, errors);
}

/* All of the root directory's records that nothing has: so many. */
static unsigned fill_root(const struct sample *sample, uint32_t inode, const char *format)
{
	unsigned last = sample->block_size / sizeof(struct qnx6_entry);

	for (unsigned i = SAMPLE_RECORD_FREE; i < last; i++) {
		struct qnx6_entry *entry = sample_entry(sample, SAMPLE_ROOT, i);

		SET(sample, entry->inode, inode);
		entry->length = (uint8_t)snprintf(entry->name, sizeof(entry->name), format, i);
	}
	return last - SAMPLE_RECORD_FREE;
}

START_TEST(test_limits_entries)
{
	struct sample sample;
	unsigned count;

	sample_make(&sample, QNX6_LITTLE, QNX6_LAYOUT_BOOT, 4096);
	count = fill_root(&sample, sample.num_inodes + 1, "%u");
	check_limit(&sample, "entry-range", count, QNX6_CHECK_REPORTS);
	sample_free(&sample);
}
END_TEST

START_TEST(test_limits_names)
{
	struct sample sample;
	unsigned count;

	sample_make(&sample, QNX6_LITTLE, QNX6_LAYOUT_BOOT, 4096);
	count = fill_root(&sample, SAMPLE_FILE, "file");
	SET(&sample, sample_inode(&sample, SAMPLE_FILE)->links, count + 1);
	check_limit(&sample, "name-twice", count, QNX6_CHECK_REPORTS);
	sample_free(&sample);
}
END_TEST

/* Two blocks in turns, over and over, behind the two that the file has of its own. */
START_TEST(test_limits_blocks)
{
	struct sample sample;
	qnx6_u32 *pointers;
	uint32_t inode_size;

	sample_make(&sample, QNX6_LITTLE, QNX6_LAYOUT_BOOT, 1024);
	inode_size = 256 * sample.block_size;
	SET(&sample, sample_inode(&sample, SAMPLE_SPARSE)->size, inode_size);
	pointers = sample_block(&sample, sample_pointer(&sample, SAMPLE_SPARSE, 0));
	for (unsigned i = 5; i < 256; i++)
		pointers[i] = pointers[i % 2 * 4];
	check_limit(&sample, "block-twice", 251, QNX6_CHECK_REPORTS);
	sample_free(&sample);
}
END_TEST

Suite *qnx6_check_suite(void)
{
	Suite *suite = suite_create("qnx6_check");
	TCase *tcase = tcase_create("check");

	tcase_add_test(tcase, test_clean);
	tcase_add_test(tcase, test_damage_of_volume);
	tcase_add_test(tcase, test_damage_of_files);
	tcase_add_test(tcase, test_names_both_owners);
	tcase_add_test(tcase, test_one_super_only);
	tcase_add_test(tcase, test_no_volume);
	tcase_add_test(tcase, test_stops_when_told);
	tcase_add_test(tcase, test_limits_entries);
	tcase_add_test(tcase, test_limits_names);
	tcase_add_test(tcase, test_limits_blocks);
	suite_add_tcase(suite, tcase);
	return suite;
}
