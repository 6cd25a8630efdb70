/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

#define PAGES 64

Suite *fsg_arena_suite(void);

static struct fsg_arena arena;
static unsigned char *memory;

static void open_arena(void)
{
	memory = aligned_alloc(FSG_PAGE, (size_t)PAGES * FSG_PAGE);
	ck_assert_ptr_nonnull(memory);
	ck_assert_int_eq(fsg_arena_open(&arena, memory, (size_t)PAGES * FSG_PAGE), 0);
}

static void close_arena(void)
{
	fsg_arena_close(&arena);
	free(memory);
}

static struct fsg_piece *alloc_pages(size_t pages)
{
	return fsg_arena_alloc(&arena, pages * FSG_PAGE);
}

static size_t page_of(const struct fsg_piece *piece)
{
	return (size_t)((unsigned char *)fsg_arena_address(&arena, piece) - memory) / FSG_PAGE;
}

START_TEST(test_open_refuses)
{
	struct fsg_arena other;

	ck_assert_int_eq(fsg_arena_open(&other, memory + 1, (size_t)4 * FSG_PAGE), -EINVAL);
	ck_assert_int_eq(fsg_arena_open(&other, memory, FSG_PAGE - 1), -EINVAL);
}
END_TEST

START_TEST(test_takes_all)
{
	struct fsg_piece *all = alloc_pages(PAGES);

	ck_assert_ptr_nonnull(all);
	ck_assert_ptr_eq(fsg_arena_address(&arena, all), memory);
	ck_assert_ptr_null(alloc_pages(1));
	fsg_arena_free(&arena, all);
	ck_assert_ptr_null(alloc_pages(PAGES + 1));
	for (int i = 0; i < PAGES; i++)
		ck_assert_ptr_nonnull(fsg_arena_alloc(&arena, 1));
	ck_assert_ptr_null(fsg_arena_alloc(&arena, 1));
}
END_TEST

/* Wherever it was: the lowest gap that takes it. */
START_TEST(test_fills_gaps)
{
	struct fsg_piece *first = alloc_pages(8);
	struct fsg_piece *second = alloc_pages(40);
	struct fsg_piece *third = alloc_pages(16);

	ck_assert_uint_eq(page_of(third), 48);
	ck_assert_ptr_null(alloc_pages(1));
	fsg_arena_free(&arena, second);
	ck_assert_ptr_null(alloc_pages(41));
	ck_assert_uint_eq(page_of(alloc_pages(30)), 8);
	fsg_arena_free(&arena, first);
	ck_assert_ptr_null(alloc_pages(11));
	ck_assert_uint_eq(page_of(alloc_pages(10)), 38);
	ck_assert_uint_eq(page_of(alloc_pages(8)), 0);
	ck_assert_ptr_null(alloc_pages(1));
}
END_TEST

/* Two at a time use the memory of two, however much there is. */
START_TEST(test_stays_warm)
{
	struct fsg_piece *older = alloc_pages(10), *newer;

	for (int i = 0; i < 100; i++) {
		newer = alloc_pages(10);
		ck_assert_uint_le(page_of(newer), 10);
		fsg_arena_free(&arena, older);
		older = newer;
	}
}
END_TEST

/* As messages of the size that a few KiB are kept of. */
START_TEST(test_stays_warm_when_trimmed)
{
	struct fsg_piece *flying[4] = {NULL};

	for (int i = 0; i < 1000; i++) {
		struct fsg_piece **slot = &flying[i % 4];

		if (*slot)
			fsg_arena_free(&arena, *slot);
		*slot = alloc_pages(10);
		fsg_piece_trim(*slot, 0, FSG_PAGE);
		ck_assert_uint_lt(page_of(*slot), 10 + 4);
	}
}
END_TEST

START_TEST(test_trim)
{
	struct fsg_piece *message = alloc_pages(40);

	fsg_piece_trim(message, FSG_PAGE, FSG_PAGE + 1);
	ck_assert_uint_eq(page_of(message), 1);

	struct fsg_piece *next = alloc_pages(40);

	ck_assert_uint_eq(page_of(next), 3);
	fsg_piece_trim(next, 0, (size_t)40 * FSG_PAGE);
	ck_assert_uint_eq(page_of(next), 3);
	fsg_arena_free(&arena, message);
	fsg_arena_free(&arena, next);
	ck_assert_ptr_nonnull(alloc_pages(PAGES));
}
END_TEST

/* Against a map of pages that knows nothing of pieces. */
struct model {
	struct fsg_piece *pieces[PAGES];
	size_t starts[PAGES];
	size_t lengths[PAGES];
	unsigned char pages[PAGES];
	size_t count;
};

/* xorshift: the same numbers in every run. */
static size_t pick_below(size_t limit)
{
	static uint32_t state = 1;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % limit;
}

static void mark(struct model *model, size_t start, size_t length, unsigned char from)
{
	for (size_t i = start; i < start + length; i++) {
		ck_assert_uint_eq(model->pages[i], from);
		model->pages[i] = !from;
	}
}

static void model_alloc(struct model *model)
{
	size_t length = 1 + pick_below(pick_below(4) ? 4 : PAGES);
	struct fsg_piece *piece = alloc_pages(length);

	if (!piece) {
		ck_assert_msg(model->count > 0, "an empty arena has no room for %zu", length);
		return;
	}
	if (length > 2 && pick_below(2)) {
		size_t offset = pick_below(2);

		length = 1 + pick_below(length - offset);
		fsg_piece_trim(piece, offset * FSG_PAGE, length * FSG_PAGE - pick_below(4096));
	}
	model->pieces[model->count] = piece;
	model->starts[model->count] = page_of(piece);
	model->lengths[model->count] = length;
	ck_assert_uint_le(page_of(piece) + length, PAGES);
	mark(model, page_of(piece), length, 0);
	model->count++;
}

static void model_free(struct model *model)
{
	size_t pick = pick_below(model->count);

	ck_assert_uint_eq(page_of(model->pieces[pick]), model->starts[pick]);
	mark(model, model->starts[pick], model->lengths[pick], 1);
	fsg_arena_free(&arena, model->pieces[pick]);
	model->count--;
	model->pieces[pick] = model->pieces[model->count];
	model->starts[pick] = model->starts[model->count];
	model->lengths[pick] = model->lengths[model->count];
}

START_TEST(test_random)
{
	struct model model = {0};

	for (int step = 0; step < 200000; step++) {
		if (model.count > 0 && pick_below(2))
			model_free(&model);
		else
			model_alloc(&model);
	}
	while (model.count > 0)
		model_free(&model);
	ck_assert_ptr_nonnull(alloc_pages(PAGES));
}
END_TEST

Suite *fsg_arena_suite(void)
{
	Suite *suite = suite_create("fsg_arena");
	TCase *tests = tcase_create("arena");

	tcase_add_checked_fixture(tests, open_arena, close_arena);
	tcase_add_test(tests, test_open_refuses);
	tcase_add_test(tests, test_takes_all);
	tcase_add_test(tests, test_fills_gaps);
	tcase_add_test(tests, test_stays_warm);
	tcase_add_test(tests, test_stays_warm_when_trimmed);
	tcase_add_test(tests, test_trim);
	tcase_add_test(tests, test_random);
	suite_add_tcase(suite, tests);
	return suite;
}
