/* SPDX-License-Identifier: BSD-3-Clause */
/* Device trees: what their nodes mean. The blobs are made here, by libfdt. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "fdt_blob.h"
#include "suites.h"

static struct viot_mmio_device devices[VIOT_MMIO_DEVICES_MAX];
static struct vio_error err;

static int list(const void *blob)
{
	return list_blob(blob, devices, VIOT_MMIO_DEVICES_MAX, &err);
}

/* ---- what is right ---- */

/* As QEMU's arm64 "virt" has it: one slot. */
START_TEST(test_arm_virt)
{
	open_board(2, 2);
	add_gic(GIC);
	open_slot("virtio_mmio@a000400");
	add_cells("reg", 4, 0, 0x0a000400, 0, 0x200);
	add_cells("interrupts", 3, 0, 0x12, 1);
	fdt_end_node(board);
	ck_assert_int_eq(list(close_board()), 1);
	ck_assert_str_eq(devices[0].where, "/virtio_mmio@a000400");
	ck_assert_int_eq(devices[0].from, VIOT_FROM_DEVICE_TREE);
	ck_assert_uint_eq(devices[0].smem, 0x0a000400);
	ck_assert_uint_eq(devices[0].size, 0x200);
	ck_assert(devices[0].has_irq && !devices[0].has_type);
	ck_assert_uint_eq(devices[0].irq, 50);
	ck_assert_uint_eq(devices[0].trigger, VIOT_TRIGGER_EDGE_RISING);
	ck_assert_str_eq(devices[0].why, "");
}
END_TEST

START_TEST(test_narrow_cells)
{
	open_board(1, 1);
	add_gic(GIC);
	add_slot("virtio@10001000", 0x10001000, 0x1000, 5);
	ck_assert_int_eq(list(close_board()), 1);
	ck_assert_uint_eq(devices[0].smem, 0x10001000);
	ck_assert_uint_eq(devices[0].size, 0x1000);
	ck_assert_uint_eq(devices[0].irq, 37);
	ck_assert_uint_eq(devices[0].trigger, VIOT_TRIGGER_LEVEL_HIGH);
}
END_TEST

/* Two buses: the inner one at 0x4000 of the outer, which is above 4 GiB. */
START_TEST(test_ranges)
{
	open_board(2, 2);
	add_gic(GIC);
	fdt_begin_node(board, "outer");
	add_bus(1, 1);
	add_cells("ranges", 8, 0xffff0000, 0, 0, 0x1000, 0, 2, 0x80000000, 0x100000);
	fdt_begin_node(board, "middle");
	add_bus(1, 1);
	add_cells("ranges", 0);
	fdt_begin_node(board, "inner@4000");
	add_bus(1, 1);
	add_cells("ranges", 3, 0x100000, 0x4000, 0x1000);
	add_slot("virtio@100600", 0x100600, 0x200, 1);
	fdt_end_node(board);
	fdt_end_node(board);
	fdt_end_node(board);
	ck_assert_int_eq(list(close_board()), 1);
	ck_assert_msg(devices[0].smem == 0x280004600, "0x%" PRIx64 " %s", devices[0].smem,
		      devices[0].why);
	ck_assert_str_eq(devices[0].where, "/outer/middle/inner@4000/virtio@100600");
}
END_TEST

/* Absent cells count as 2 and 1. */
START_TEST(test_default_cells)
{
	open_bare_board();
	add_cells("interrupt-parent", 1, GIC);
	add_gic(GIC);
	open_slot("virtio");
	add_cells("reg", 3, 1, 0x1000, 0x200);
	add_cells("interrupts", 3, 1, 4, 8);
	fdt_end_node(board);
	ck_assert_int_eq(list(close_board()), 1);
	ck_assert_uint_eq(devices[0].smem, 0x100001000);
	ck_assert_uint_eq(devices[0].irq, 20);
	ck_assert_uint_eq(devices[0].trigger, VIOT_TRIGGER_LEVEL_LOW);
}
END_TEST

static const struct {
	const char *status;
	int size, expected;
} states[] = {
	{"okay", 5, 1},     {"ok", 3, 1},   {"disabled", 9, 0}, {"okay", 4, 0},
	{"reserved", 9, 0}, {"fail", 5, 0}, {"", 0, 0},
};

START_TEST(test_status)
{
	for (int on_bus = 0; on_bus < 2; on_bus++) {
		open_board(1, 1);
		add_gic(GIC);
		fdt_begin_node(board, "bus");
		add_bus(1, 1);
		add_cells("ranges", 0);
		if (on_bus) {
			fdt_property(board, "status", states[_i].status, states[_i].size);
		}
		open_slot("virtio@1000");
		if (!on_bus) {
			fdt_property(board, "status", states[_i].status, states[_i].size);
		}
		add_cells("reg", 2, 0x1000, 0x200);
		add_cells("interrupts", 3, 0, 1, 1);
		fdt_end_node(board);
		fdt_end_node(board);
		add_slot("virtio@2000", 0x2000, 0x200, 2);
		ck_assert_int_eq(list(close_board()), 1 + states[_i].expected);
		ck_assert_uint_eq(devices[states[_i].expected].smem, 0x2000);
	}
}
END_TEST

START_TEST(test_compatible)
{
	static const char last[] = "dummy,virtio\0virtio,mmio", other[] = "virtio,mmio2";

	open_board(1, 1);
	add_gic(GIC);
	fdt_begin_node(board, "a");
	fdt_property(board, "compatible", last, sizeof(last));
	fdt_end_node(board);
	fdt_begin_node(board, "b");
	fdt_property(board, "compatible", other, sizeof(other));
	fdt_end_node(board);
	ck_assert_int_eq(list(close_board()), 1);
	ck_assert_str_eq(devices[0].where, "/a");
}
END_TEST

/* ---- interrupts ---- */

enum {
	OTHER = 7,
	PLAIN = 8,
	NO_CONTROLLER = 9
};

static const struct {
	const char *property;
	uint32_t cells[5];
	unsigned count;
	bool is_known;
	uint32_t irq, trigger;
	const char *why;
} interrupts[] = {
	{"interrupts", {0, 47, 1}, 3, true, 79, 1, ""},
	{"interrupts", {0, 987, 0xf04}, 3, true, 1019, 4, ""},
	{"interrupts", {1, 15, 8}, 3, true, 31, 8, ""},
	{"interrupts", {2, 1, 4}, 3, true, 4097, 4, ""},
	{"interrupts", {3, 0, 4}, 3, true, 1056, 4, ""},
	{"interrupts", {0, 988, 4}, 3, false, 0, 0, "<0 988 ...> is none of a GIC's"},
	{"interrupts", {1, 16, 4}, 3, false, 0, 0, "<1 16 ...> is none of a GIC's"},
	{"interrupts", {4, 0, 4}, 3, false, 0, 0, "<4 0 ...> is none of a GIC's"},
	{"interrupts", {0, 0xffffffff, 4}, 3, false, 0, 0, "none of a GIC's"},
	{"interrupts", {0, 47}, 2, false, 0, 0, "8 bytes, 3 cells of 4 were expected"},
	{"interrupts", {0}, 0, false, 0, 0, "0 bytes, 3 cells"},
	{"nothing", {0}, 0, false, 0, 0, "declares no interrupt"},
	{"interrupts-extended", {OTHER, 33, 2}, 3, true, 33, 2, ""},
	{"interrupts-extended", {PLAIN, 12}, 2, true, 12, 0, ""},
	{"interrupts-extended", {GIC, 0, 1, 1}, 4, true, 33, 1, ""},
	{"interrupts-extended", {PLAIN, 12, 13}, 3, true, 12, 0, ""},
	{"interrupts-extended", {GIC, 0, 1}, 3, false, 0, 0, "8 bytes, 3 cells"},
	{"interrupts-extended", {OTHER}, 1, false, 0, 0, "0 bytes, 2 cells"},
	{"interrupts-extended", {NO_CONTROLLER, 1}, 2, false, 0, 0, "is no interrupt controller"},
	{"interrupts-extended", {99, 1}, 2, false, 0, 0, "not in the tree"},
	{"interrupts-extended", {0xffffffff, 1}, 2, false, 0, 0, "not in the tree"},
	{"interrupts-extended", {0, 1}, 2, false, 0, 0, "not in the tree"},
};

static void add_controllers(void)
{
	add_gic(GIC);
	add_controller("ioapic", OTHER, 2);
	add_controller("plic", PLAIN, 1);
	fdt_begin_node(board, "nexus");
	add_cells("phandle", 1, NO_CONTROLLER);
	add_cells("#interrupt-cells", 1, 1);
	fdt_end_node(board);
}

START_TEST(test_interrupt)
{
	const uint32_t *c = interrupts[_i].cells;

	open_board(1, 1);
	add_controllers();
	open_slot("virtio@1000");
	add_cells("reg", 2, 0x1000, 0x200);
	add_cells(interrupts[_i].property, interrupts[_i].count, c[0], c[1], c[2], c[3], c[4]);
	fdt_end_node(board);
	ck_assert_int_eq(list(close_board()), 1);
	ck_assert_int_eq(devices[0].has_irq, interrupts[_i].is_known);
	ck_assert_uint_eq(devices[0].smem, 0x1000); /* whatever the interrupt */
	if (interrupts[_i].is_known) {
		ck_assert_uint_eq(devices[0].irq, interrupts[_i].irq);
		ck_assert_uint_eq(devices[0].trigger, interrupts[_i].trigger);
	}
	ck_assert_msg(strstr(devices[0].why, interrupts[_i].why) != NULL, "'%s'", devices[0].why);
	ck_assert_int_eq(devices[0].why[0] == '\0', interrupts[_i].is_known);
}
END_TEST

/* The nearest word counts: the node's, its bus's, the root's. */
START_TEST(test_inherited_parent)
{
	open_board(1, 1); /* whose interrupt parent is the GIC */
	add_controllers();
	fdt_begin_node(board, "bus");
	add_bus(1, 1);
	add_cells("ranges", 0);
	add_cells("interrupt-parent", 1, OTHER);
	open_slot("virtio@1000");
	add_cells("reg", 2, 0x1000, 0x200);
	add_cells("interrupts", 2, 5, 1);
	fdt_end_node(board);
	open_slot("virtio@2000");
	add_cells("interrupt-parent", 1, PLAIN);
	add_cells("reg", 2, 0x2000, 0x200);
	add_cells("interrupts", 1, 6);
	fdt_end_node(board);
	open_slot("virtio@3000");
	add_cells("interrupt-parent", 1, 1234);
	add_cells("reg", 2, 0x3000, 0x200);
	add_cells("interrupts", 1, 6);
	fdt_end_node(board);
	fdt_end_node(board);
	ck_assert_int_eq(list(close_board()), 3);
	ck_assert_uint_eq(devices[0].irq, 5);
	ck_assert_uint_eq(devices[1].irq, 6);
	ck_assert(!devices[2].has_irq);
	ck_assert_msg(strstr(devices[2].why, "not in the tree") != NULL, "%s", devices[2].why);
}
END_TEST

/* No parent is named: the node around is it, if it is a controller; itself never. */
START_TEST(test_parent_is_the_bus)
{
	open_bare_board();
	add_bus(1, 1);
	fdt_begin_node(board, "controller");
	add_bus(1, 1);
	add_cells("ranges", 0);
	add_cells("#interrupt-cells", 1, 1);
	add_cells("interrupt-controller", 0);
	add_slot1("virtio@1000", 0x1000, 9);
	fdt_end_node(board);
	add_slot1("virtio@2000", 0x2000, 9);
	open_slot("virtio@3000"); /* its own interrupt parent: one step, no circle */
	add_cells("reg", 2, 0x3000, 0x200);
	add_cells("phandle", 1, 3);
	add_cells("interrupt-parent", 1, 3);
	add_cells("interrupts", 1, 9);
	fdt_end_node(board);
	ck_assert_int_eq(list(close_board()), 3);
	ck_assert(devices[0].has_irq && devices[0].irq == 9);
	ck_assert(!devices[1].has_irq && !devices[2].has_irq);
	ck_assert_msg(strstr(devices[2].why, "virtio@3000 is no interrupt controller") != NULL,
		      "%s", devices[2].why);
}
END_TEST

/* ---- registers that cannot be ---- */

static const struct {
	uint32_t cells[3]; /* #address-cells, #size-cells of the root */
	uint32_t reg[5];
	unsigned count;
	const char *why;
} registers[] = {
	{{1, 1}, {0}, 0, "its reg is empty"},
	{{1, 1}, {0x1000}, 1, "4 bytes, at least 8"},
	{{2, 2}, {0, 0x1000, 0}, 3, "12 bytes, at least 16"},
	{{3, 2}, {0, 0, 0x1000, 0, 0x200}, 5, "addresses of 3 and sizes of 2 cells"},
	{{0, 1}, {0x200}, 1, "addresses of 0"},
	{{1, 0}, {0x1000}, 1, "sizes of 0 cells"},
	{{0xffffffff, 0xffffffff}, {0x1000}, 1, "addresses of 4294967295"},
	{{1, 1}, {0, 0x200}, 2, "0x0 is no address"},
	{{1, 1}, {0x1002, 0x200}, 2, "0x1002 is no address"},
	{{2, 1}, {0x100000, 0, 0x200}, 3, "0x10000000000000 is no address"},
	{{1, 1}, {0x1000, 0xfc}, 2, "covers 0xfc bytes, at least 0x100"},
};

START_TEST(test_bad_registers)
{
	const uint32_t *r = registers[_i].reg;

	open_board(registers[_i].cells[0], registers[_i].cells[1]);
	add_gic(GIC);
	open_slot("virtio");
	add_cells("reg", registers[_i].count, r[0], r[1], r[2], r[3], r[4]);
	add_cells("interrupts", 3, 0, 1, 1);
	fdt_end_node(board);
	ck_assert_int_eq(list(close_board()), 1);
	ck_assert_msg(strstr(devices[0].why, registers[_i].why) != NULL, "'%s'", devices[0].why);
	ck_assert(devices[0].smem == 0 && devices[0].size == 0 && !devices[0].has_irq);
}
END_TEST

START_TEST(test_no_registers)
{
	open_board(1, 1);
	add_text("compatible", "virtio,mmio"); /* the root itself */
	open_slot("virtio");
	fdt_end_node(board);
	ck_assert_int_eq(list(close_board()), 2);
	ck_assert_str_eq(devices[0].where, "/");
	ck_assert_str_eq(devices[0].why, "the root of a tree has no registers");
	ck_assert_str_eq(devices[1].why, "its reg is missing");
}
END_TEST

static const struct {
	int count; /* of cells, -1: no ranges */
	uint32_t cells[6];
	const char *why;
} bad_ranges[] = {
	{-1, {0}, "bus soc@1 has no ranges"},
	{2, {0, 0}, "ranges of its bus soc@1 are malformed"},
	{5, {0, 0, 0, 0, 0}, "malformed"},
	{4, {0x1004, 0, 0x8000, 0x1000}, "0x1000 is outside the ranges of its bus soc@1"},
	{4, {0, 0, 0x8000, 0x1000}, "outside"},
	{4, {0, 0, 0x8000, 0x11ff}, "outside"},              /* its last byte is */
	{4, {0, 0xffffffff, 0xfffff800, 0x2000}, "outside"}, /* around the end of everything */
};

START_TEST(test_bad_ranges)
{
	const uint32_t *c = bad_ranges[_i].cells;

	open_board(2, 1);
	add_gic(GIC);
	fdt_begin_node(board, "soc@1");
	add_bus(1, 1);
	if (bad_ranges[_i].count >= 0) {
		add_cells("ranges", (unsigned)bad_ranges[_i].count, c[0], c[1], c[2], c[3], c[4]);
	}
	add_slot("virtio@1000", 0x1000, 0x200, 1);
	fdt_end_node(board);
	ck_assert_int_eq(list(close_board()), 1);
	ck_assert_msg(strstr(devices[0].why, bad_ranges[_i].why) != NULL, "'%s'", devices[0].why);
	ck_assert_uint_eq(devices[0].smem, 0);
}
END_TEST

/* A name from anybody's file ends up on terminals, and need not fit. */
START_TEST(test_names)
{
	char name[400];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	open_board(1, 1);
	open_slot("virtio\033[2J\n");
	fdt_end_node(board);
	open_slot(name);
	fdt_end_node(board);
	fdt_begin_node(board, "soc\033]0;x\007");
	add_bus(1, 1);
	add_slot("virtio@1000", 0x1000, 0x200, 1);
	fdt_end_node(board);
	ck_assert_int_eq(list(close_board()), 3);
	ck_assert_str_eq(devices[0].where, "/virtio?[2J?");
	ck_assert_uint_eq(strlen(devices[1].where), sizeof(devices[1].where) - 1);
	ck_assert_ptr_nonnull(strstr(devices[2].why, "bus soc?]0;x? has no ranges"));
}
END_TEST

/* ---- bounds ---- */

static void many_slots(unsigned count)
{
	char name[32];

	open_board(1, 1);
	add_gic(GIC);
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "virtio@%x", 0x1000 + i * 0x200);
		add_slot(name, 0x1000 + i * 0x200, 0x200, i % 900);
	}
}

START_TEST(test_many_devices)
{
	struct viot_mmio_device two[2];

	many_slots(VIOT_MMIO_DEVICES_MAX);
	ck_assert_int_eq(list(close_board()), VIOT_MMIO_DEVICES_MAX);
	ck_assert_uint_eq(devices[255].smem, 0x1000 + 255 * 0x200);
	ck_assert_int_eq(list_blob(board, two, 2, &err), VIOT_MMIO_DEVICES_MAX);
	many_slots(VIOT_MMIO_DEVICES_MAX + 1);
	ck_assert_int_eq(list(close_board()), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "more than 256 VirtIO devices"));
}
END_TEST

static void deep(unsigned levels)
{
	open_board(1, 1);
	for (unsigned i = 1; i < levels; i++) {
		fdt_begin_node(board, "n");
		add_bus(1, 1);
		add_cells("ranges", 0);
	}
	open_slot("virtio@1000");
	add_cells("reg", 2, 0x1000, 0x200);
	fdt_end_node(board);
	for (unsigned i = 1; i < levels; i++) {
		fdt_end_node(board);
	}
}

START_TEST(test_depth)
{
	deep(VIOT_TREE_DEPTH_MAX - 1);
	ck_assert_int_eq(list(close_board()), 1);
	ck_assert_uint_eq(devices[0].smem, 0x1000);
	deep(VIOT_TREE_DEPTH_MAX);
	ck_assert_int_eq(list(close_board()), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "more than 64 levels"));
}
END_TEST

static void wide(unsigned nodes)
{
	open_bare_board();
	for (unsigned i = 1; i < nodes; i++) {
		fdt_begin_node(board, "n");
		fdt_end_node(board);
	}
}

START_TEST(test_nodes)
{
	wide(VIOT_TREE_NODES_MAX);
	ck_assert_int_eq(list(close_board()), 0);
	wide(VIOT_TREE_NODES_MAX + 1);
	ck_assert_int_eq(list(close_board()), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "more than 16384 nodes"));
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

Suite *fdt_suite(void)
{
	Suite *suite = suite_create("fdt");
	TCase *right = tcase_create("right"), *wrong = tcase_create("wrong");

	tcase_add_test(right, test_arm_virt);
	tcase_add_test(right, test_narrow_cells);
	tcase_add_test(right, test_ranges);
	tcase_add_test(right, test_default_cells);
	tcase_add_loop_test(right, test_status, 0, COUNT(states));
	tcase_add_test(right, test_compatible);
	tcase_add_loop_test(right, test_interrupt, 0, COUNT(interrupts));
	tcase_add_test(right, test_inherited_parent);
	tcase_add_test(right, test_parent_is_the_bus);
	suite_add_tcase(suite, right);
	tcase_add_loop_test(wrong, test_bad_registers, 0, COUNT(registers));
	tcase_add_test(wrong, test_no_registers);
	tcase_add_loop_test(wrong, test_bad_ranges, 0, COUNT(bad_ranges));
	tcase_add_test(wrong, test_names);
	tcase_add_test(wrong, test_many_devices);
	tcase_add_test(wrong, test_depth);
	tcase_add_test(wrong, test_nodes);
	suite_add_tcase(suite, wrong);
	return suite;
}
