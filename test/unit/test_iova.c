/* SPDX-License-Identifier: BSD-3-Clause */
/* Where memory lies for a device behind an IOMMU. */
#include <check.h>

#include "vfio.h"

Suite *iova_suite(void);

#define PAGE    UINT64_C(0x1000)
#define HUGE    UINT64_C(0x200000)
#define NOWHERE UINT64_C(0xdead)
#define TOP     UINT64_MAX

static const struct {
	struct viot_iova_range range;
	uint64_t floor, size, align, expected;
} alone[] = {
	/* the range's beginning, or the floor's */
	{{PAGE, HUGE}, 0, PAGE, PAGE, PAGE},
	{{0, HUGE}, 3 * PAGE, PAGE, PAGE, 3 * PAGE},
	{{PAGE, HUGE}, PAGE, PAGE, PAGE, PAGE},
	/* rounded up, from wherever it began */
	{{1, HUGE}, 0, PAGE, PAGE, PAGE},
	{{0, HUGE}, PAGE - 1, PAGE, PAGE, PAGE},
	{{PAGE + 1, 4 * HUGE}, 0, PAGE, HUGE, HUGE},
	{{5, 100}, 0, 1, 1, 5},
	/* what is left behind the rounding is less than the alignment, and enough */
	{{HUGE - 1, HUGE + PAGE - 1}, 0, PAGE, HUGE, HUGE},
	/* exactly, and one byte short */
	{{HUGE, HUGE + HUGE - 1}, 0, HUGE, HUGE, HUGE},
	{{HUGE, HUGE + HUGE - 2}, 0, HUGE, HUGE, NOWHERE},
	{{HUGE, HUGE}, 0, 1, HUGE, HUGE},
	{{HUGE, HUGE}, 0, 2, HUGE, NOWHERE},
	{{HUGE + 1, HUGE + HUGE}, 0, 1, HUGE, HUGE + HUGE},
	{{HUGE + 1, HUGE + HUGE - 1}, 0, 1, HUGE, NOWHERE},
	/* all of it below the floor, or the wrong way round */
	{{0, PAGE - 1}, PAGE, 1, 1, NOWHERE},
	{{0, PAGE}, PAGE, 1, 1, PAGE},
	{{2 * PAGE, PAGE}, 0, 1, 1, NOWHERE},
	{{2 * PAGE, 0}, 0, 1, PAGE, NOWHERE},
	/* at the top, where sums wrap */
	{{0, TOP}, TOP - PAGE + 1, PAGE, PAGE, TOP - PAGE + 1},
	{{0, TOP}, TOP - PAGE + 1, PAGE + 1, PAGE, NOWHERE},
	{{0, TOP}, TOP - PAGE + 2, 1, PAGE, NOWHERE},
	{{0, TOP}, TOP, 1, 1, TOP},
	{{0, TOP}, TOP, 1, PAGE, NOWHERE},
	{{0, TOP}, 0, TOP, PAGE, 0},
	{{0, TOP}, 1, TOP, 1, 1},
	{{0, TOP}, 2, TOP, 1, NOWHERE},
	{{PAGE, TOP}, 0, TOP - PAGE + 2, PAGE, NOWHERE},
};

START_TEST(test_one_range)
{
	uint64_t iova = NOWHERE;
	bool found = viot_iova_choose(&alone[_i].range, 1, alone[_i].floor, alone[_i].size,
				      alone[_i].align, &iova);

	ck_assert_uint_eq(iova, alone[_i].expected);
	ck_assert(found == (alone[_i].expected != NOWHERE));
}
END_TEST

/* As an Intel IOMMU tells them: around the addresses that raise interrupts. */
static const struct viot_iova_range intel[] = {
	{0, 0xfedfffff},
	{0xfef00000, (UINT64_C(1) << 39) - 1},
};

START_TEST(test_interrupts_window_is_passed_over)
{
	uint64_t iova = NOWHERE;

	ck_assert(viot_iova_choose(intel, 2, HUGE, 0xfec00000, HUGE, &iova));
	ck_assert_uint_eq(iova, HUGE);
	ck_assert(viot_iova_choose(intel, 2, HUGE, 0xfec00001, HUGE, &iova));
	ck_assert_uint_eq(iova, 0xff000000);
	ck_assert(!viot_iova_choose(intel, 2, HUGE, UINT64_C(1) << 39, HUGE, &iova));
}
END_TEST

START_TEST(test_lowest_wins_in_any_order)
{
	const struct viot_iova_range ranges[] = {
		{8 * HUGE, 9 * HUGE - 1},
		{2 * HUGE, 3 * HUGE - 1},
		{0, HUGE - 1},
		{4 * HUGE, 7 * HUGE - 1},
	};
	uint64_t iova = NOWHERE;

	ck_assert(viot_iova_choose(ranges, 4, 1, HUGE, HUGE, &iova));
	ck_assert_uint_eq(iova, 2 * HUGE);
	ck_assert(viot_iova_choose(ranges, 4, 0, HUGE, HUGE, &iova));
	ck_assert_uint_eq(iova, 0);
	ck_assert(viot_iova_choose(ranges, 4, 0, 2 * HUGE, HUGE, &iova));
	ck_assert_uint_eq(iova, 4 * HUGE);
	ck_assert(viot_iova_choose(ranges, 4, 5 * HUGE + 1, HUGE, HUGE, &iova));
	ck_assert_uint_eq(iova, 6 * HUGE);
}
END_TEST

START_TEST(test_no_room)
{
	uint64_t iova = NOWHERE;

	ck_assert(!viot_iova_choose(NULL, 0, 0, 1, 1, &iova));
	ck_assert(!viot_iova_choose(intel, 1, 0xfee00000, 1, 1, &iova));
	ck_assert_uint_eq(iova, NOWHERE);
}
END_TEST

Suite *iova_suite(void)
{
	Suite *suite = suite_create("iova");
	TCase *tcase = tcase_create("choose");

	tcase_add_loop_test(tcase, test_one_range, 0, sizeof(alone) / sizeof(alone[0]));
	tcase_add_test(tcase, test_interrupts_window_is_passed_over);
	tcase_add_test(tcase, test_lowest_wins_in_any_order);
	tcase_add_test(tcase, test_no_room);
	suite_add_tcase(suite, tcase);
	return suite;
}
