/* SPDX-License-Identifier: BSD-3-Clause */
/* Directly mapped devices without a device tree: ACPI tables, the kernel's lists, command lines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include <linux/virtio_ids.h>

#include "discover.h"
#include "suites.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* ---- ACPI tables ---- */

enum {
	TABLE_HEADER = 36,
	TABLE_SIZE = 256
};

#define MEMORY32_FIXED(a, b, c, d) 0x86, 9, 0, 1, a, b, c, d, 0, 2, 0, 0
#define INTERRUPT(flags, number)   0x89, 6, 0, flags, 1, number, 0, 0, 0
#define END_TAG                    0x79, 0

/* Each is the content of one resource template. */
static const struct {
	unsigned char bytes[64];
	size_t size;
	uint64_t base;
	bool is_found;
	uint32_t irq, trigger;
} templates[] = {
	/* QEMU's microvm */
	{{MEMORY32_FIXED(0, 4, 0xb0, 0xfe), INTERRUPT(1, 26), END_TAG},
	 23,
	 0xfeb00400,
	 true,
	 26,
	 4},
	{{INTERRUPT(3, 26), MEMORY32_FIXED(0, 4, 0xb0, 0xfe), END_TAG},
	 23,
	 0xfeb00400,
	 true,
	 26,
	 1},
	{{MEMORY32_FIXED(0, 4, 0xb0, 0xfe), INTERRUPT(5, 26), END_TAG},
	 23,
	 0xfeb00400,
	 true,
	 26,
	 8},
	{{MEMORY32_FIXED(0, 4, 0xb0, 0xfe), INTERRUPT(7, 26), END_TAG},
	 23,
	 0xfeb00400,
	 true,
	 26,
	 2},
	/* the first of two interrupts */
	{{MEMORY32_FIXED(0, 4, 0xb0, 0xfe), 0x89, 10, 0, 1, 2, 0x34, 0x12, 0, 0, 9, 0, 0, 0,
	  END_TAG},
	 27,
	 0xfeb00400,
	 true,
	 0x1234,
	 4},
	/* small interrupts, without flags and with them */
	{{MEMORY32_FIXED(0, 4, 0xb0, 0xfe), 0x22, 0x20, 0, END_TAG}, 17, 0xfeb00400, true, 5, 1},
	{{MEMORY32_FIXED(0, 4, 0xb0, 0xfe), 0x23, 0, 0x80, 0x18, END_TAG},
	 18,
	 0xfeb00400,
	 true,
	 15,
	 8},
	{{MEMORY32_FIXED(0, 4, 0xb0, 0xfe), 0x23, 0, 2, 0x01, END_TAG}, 18, 0xfeb00400, true, 9, 1},
	{{MEMORY32_FIXED(0, 4, 0xb0, 0xfe), 0x22, 0, 0, END_TAG}, 17, 0xfeb00400, false, 0, 0},
	/* other kinds of memory: 24 bits, 32 bits, spaces of 32, 64 and 64 bits */
	{{0x81, 9, 0, 1, 0, 0xc0, 0, 0xc0, 0, 0, 2, 0, INTERRUPT(1, 7), END_TAG},
	 23,
	 0xc00000,
	 true,
	 7,
	 4},
	{{0x85,   17, 0, 1, 0, 0, 0, 0xd0, 0, 0, 0, 0xd0, 0, 0, 0, 0, 0, 2, 0, 0, INTERRUPT(1, 8),
	  END_TAG},
	 31,
	 0xd0000000,
	 true,
	 8,
	 4},
	{{0x87,   23, 0, 0, 0xc,  0,    0, 0, 0,
	  0,      0,  0, 0, 0xd0, 0xff, 1, 0, 0xd0,
	  0,      0,  0, 0, 0,    2,    0, 0, INTERRUPT(1, 9),
	  END_TAG},
	 37,
	 0xd0000000,
	 true,
	 9,
	 4},
	{{0x8a, 43,   0, 0, 0xc, 0,    0,           0, 0, 0, 0, 0,  0, 0, 0, 2,
	  0,    0x40, 0, 0, 0,   0x10, [46] = 0x89, 6, 0, 1, 1, 10, 0, 0, 0, END_TAG},
	 57,
	 0x1000000040000200,
	 true,
	 10,
	 4},
	{{0x8b, 53, 0, 0, 0xc, 0,    1, 0, 0, 0, 0,           0, 0, 0,
	  0,    0,  0, 2, 0,   0x40, 0, 0, 0, 1, [56] = 0x22, 2, 0, END_TAG},
	 61,
	 0x100000040000200,
	 true,
	 1,
	 1},
	/* an address space that is no memory */
	{{0x87,   23, 0, 1, 0xc,  0,    0, 0, 0,
	  0,      0,  0, 0, 0xd0, 0xff, 1, 0, 0xd0,
	  0,      0,  0, 0, 0,    2,    0, 0, INTERRUPT(1, 9),
	  END_TAG},
	 37,
	 0xd0000000,
	 false,
	 0,
	 0},
	/* another base; no interrupt; none in the list; no end */
	{{MEMORY32_FIXED(0, 6, 0xb0, 0xfe), INTERRUPT(1, 26), END_TAG},
	 23,
	 0xfeb00400,
	 false,
	 0,
	 0},
	{{MEMORY32_FIXED(0, 4, 0xb0, 0xfe), END_TAG}, 14, 0xfeb00400, false, 0, 0},
	{{MEMORY32_FIXED(0, 4, 0xb0, 0xfe), 0x89, 6, 0, 1, 0, 26, 0, 0, 0, END_TAG},
	 23,
	 0xfeb00400,
	 false,
	 0,
	 0},
	{{MEMORY32_FIXED(0, 4, 0xb0, 0xfe), INTERRUPT(1, 26)}, 21, 0xfeb00400, false, 0, 0},
	/* what stands behind the end tag belongs to nobody */
	{{MEMORY32_FIXED(0, 4, 0xb0, 0xfe), END_TAG, INTERRUPT(1, 26), END_TAG},
	 25,
	 0xfeb00400,
	 false,
	 0,
	 0},
	/* descriptors that are too short for what they are, or longer than the buffer */
	{{0x86, 3, 0, 1, 0, 4, INTERRUPT(1, 26), END_TAG}, 17, 0xfeb00400, false, 0, 0},
	{{MEMORY32_FIXED(0, 4, 0xb0, 0xfe), 0x89, 2, 0, 1, 1, END_TAG},
	 19,
	 0xfeb00400,
	 false,
	 0,
	 0},
	{{MEMORY32_FIXED(0, 4, 0xb0, 0xfe), 0x89, 0xff, 0xff, 1, 1, 26, 0, 0, 0, END_TAG},
	 23,
	 0xfeb00400,
	 false,
	 0,
	 0},
};

static unsigned char table[TABLE_SIZE];

/* A buffer with the template somewhere in a table; its size. */
static size_t make_table(unsigned index, unsigned form)
{
	size_t size = templates[index].size, at = TABLE_HEADER + 11;

	memset(table, 0x5b, sizeof(table)); /* what stands around it */
	table[at++] = 0x11;
	if (form == 0) { /* one byte for the length of the package, one for that of the buffer */
		if (size + 3 > 0x3f) {
			return make_table(index, 1);
		}
		table[at++] = (unsigned char)(size + 3);
		table[at++] = 0x0a;
		table[at++] = (unsigned char)size;
	} else if (form == 1) {
		table[at++] = (unsigned char)(0x40 | ((size + 5) & 0xf));
		table[at++] = (unsigned char)((size + 5) >> 4);
		table[at++] = 0x0b;
		table[at++] = (unsigned char)size;
		table[at++] = 0;
	} else {
		table[at++] = (unsigned char)(0xc0 | ((size + 9) & 0xf));
		table[at++] = (unsigned char)((size + 9) >> 4);
		table[at++] = 0;
		table[at++] = 0;
		table[at++] = 0x0c;
		table[at++] = (unsigned char)size;
		memset(table + at, 0, 3);
		at += 3;
	}
	memcpy(table + at, templates[index].bytes, size);
	return at + size;
}

START_TEST(test_template)
{
	uint32_t irq = 0, trigger = 0;

	for (unsigned form = 0; form < 3; form++) {
		size_t size = make_table((unsigned)_i, form);
		bool is_found = viot_aml_find_interrupt(table, size + 5, templates[_i].base, &irq,
							&trigger);

		ck_assert_int_eq(is_found, templates[_i].is_found);
		if (is_found) {
			ck_assert_uint_eq(irq, templates[_i].irq);
			ck_assert_uint_eq(trigger, templates[_i].trigger);
		}
	}
}
END_TEST

/* In memory of exactly that size, so that a sanitizer sees every step too far. */
static bool find_in_copy(const unsigned char *bytes, size_t size)
{
	unsigned char *copy = malloc(size + !size);
	uint32_t irq, trigger;
	bool is_found;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bytes, size);
	is_found = viot_aml_find_interrupt(copy, size, 0xfeb00400, &irq, &trigger);
	free(copy);
	return is_found;
}

START_TEST(test_cut_table)
{
	for (unsigned form = 0; form < 3; form++) {
		size_t size = make_table(0, form);

		for (size_t left = 0; left < size; left++) {
			must(!find_in_copy(table, left));
		}
		must(find_in_copy(table, size));
	}
}
END_TEST

START_TEST(test_mangled_table)
{
	uint32_t random = 99;
	unsigned found = 0;

	for (unsigned round = 0; round < 100000; round++) {
		size_t size = make_table(round % (unsigned)COUNT(templates), round % 3);

		for (unsigned change = 0; change < 1 + round % 5; change++) {
			random = random * 1664525 + 1013904223;
			table[(random >> 8) % size] = (unsigned char)(random >> 20);
		}
		found += find_in_copy(table, size);
	}
	ck_assert_uint_gt(found, 1000);
	ck_assert_uint_lt(found, 90000);
}
END_TEST

/*
 * As long as a table may be: every eighth byte begins a buffer of 2 MiB, and what
 * stands in it are whole descriptors all the way.
 */
START_TEST(test_table_that_costs_time)
{
	static const unsigned char start[8] = {0x11, 0xc0, 0, 0, 2, 0x0a, 0, 0x08};
	static unsigned char large[VIOT_AML_SIZE_MAX];

	for (size_t at = TABLE_HEADER; at + sizeof(start) <= sizeof(large); at += sizeof(start)) {
		memcpy(large + at, start, sizeof(start));
	}
	must(!find_in_copy(large, sizeof(large)));
}
END_TEST

/* ---- /proc/iomem ---- */

static const char iomem[] = "00000000-00000fff : Reserved\n"
			    "00001000-1fffffff : System RAM\n"
			    "  01000000-01e00000 : LNRO0005:0\n"
			    "feb00400-feb005ff : LNRO0005:00\n"
			    "feb00600-feb007ff : LNRO0005:01\n"
			    "  feb00600-feb007ff : LNRO0005:01 virtio-mmio\n"
			    "feb00800-feb007ff : LNRO0005:02\n"
			    "nonsense\n"
			    "fff : \n"
			    "100000000-1000001ff : LNRO0005:03";

START_TEST(test_iomem)
{
	uint64_t start, size;

	ck_assert(viot_iomem_find(iomem, "LNRO0005:00", &start, &size));
	ck_assert(start == 0xfeb00400 && size == 0x200);
	ck_assert(viot_iomem_find(iomem, "LNRO0005:01", &start, &size));
	ck_assert(start == 0xfeb00600 && size == 0x200);
	ck_assert(viot_iomem_find(iomem, "LNRO0005:03", &start, &size));
	ck_assert(start == 0x100000000 && size == 0x200);
	ck_assert(!viot_iomem_find(iomem, "LNRO0005:02", &start, &size)); /* upside down */
	ck_assert(!viot_iomem_find(iomem, "LNRO0005:04", &start, &size));
	ck_assert(!viot_iomem_find(iomem, "LNRO0005", &start, &size));
	ck_assert(!viot_iomem_find("", "LNRO0005:00", &start, &size));
	/* what an ordinary user sees */
	ck_assert(!viot_iomem_find("00000000-00000000 : LNRO0005:00\n", "LNRO0005:00", &start,
				   &size));
}
END_TEST

/* ---- the kernel's command line ---- */

static const struct {
	const char *text;
	int count;
	uint64_t smem, size; /* of the last one */
	uint32_t irq;
} lines[] = {
	{"virtio_mmio.device=512@0xfeb00400:7\n", 1, 0xfeb00400, 512, 7},
	{"quiet virtio_mmio.device=4K@0xd0000000:5 x", 1, 0xd0000000, 4096, 5},
	{"virtio-mmio.device=1m@0xd0000000:5:3", 1, 0xd0000000, 1 << 20, 5},
	{"virtio_mmio.device=0x200@0x1000:5 virtio_mmio.device=0x200@8192:6", 2, 8192, 512, 6},
	{"\"virtio_mmio.device=0x200@0x1000:5\"", 1, 0x1000, 512, 5},
	{"virtio_mmio.device=0x200@010000:5", 1, 4096, 512, 5}, /* octal, as in the kernel */
	{"", 0, 0, 0, 0},
	{"-- virtio_mmio.device=512@0xfeb00400:7", 0, 0, 0, 0},
	{"--x virtio_mmio.device=512@0xfeb00400:7", 1, 0xfeb00400, 512, 7},
	{"my_virtio_mmio.device=512@0xfeb00400:7", 0, 0, 0, 0},
	{"virtio_mmio.device virtio_mmio.device= virtio_mmio.devices=1@4:1", 0, 0, 0, 0},
	{"virtio_mmio.device=512@0xfeb00400", 0, 0, 0, 0},
	{"virtio_mmio.device=512@0xfeb00400:", 0, 0, 0, 0},
	{"virtio_mmio.device=512@0xfeb00400:-7", 0, 0, 0, 0},
	{"virtio_mmio.device=512@0xfeb00400:7:", 0, 0, 0, 0},
	{"virtio_mmio.device=512@0xfeb00400:7:1:1", 0, 0, 0, 0},
	{"virtio_mmio.device=512@0xfeb00400:7x", 0, 0, 0, 0},
	{"virtio_mmio.device=512@0xfeb00400:4294967296", 0, 0, 0, 0},
	{"virtio_mmio.device=512kk@0xfeb00400:7", 0, 0, 0, 0},
	{"virtio_mmio.device=@0xfeb00400:7", 0, 0, 0, 0},
	{"virtio_mmio.device=512@0:7", 0, 0, 0, 0},
	{"virtio_mmio.device=512@0x1002:7", 0, 0, 0, 0},
	{"virtio_mmio.device=512@0x10000000000000:7", 0, 0, 0, 0},
	{"virtio_mmio.device=512@99999999999999999999999:7", 0, 0, 0, 0},
};

START_TEST(test_command_line)
{
	struct viot_mmio_device devices[4];
	struct viot_mmio_found found = {.devices = devices, .max = 4};
	const struct viot_mmio_device *last;

	viot_cmdline_list(lines[_i].text, &found);
	ck_assert_msg((int)found.count == lines[_i].count, "'%s': %u", lines[_i].text, found.count);
	if (found.count > 0) {
		last = &devices[found.count - 1];
		ck_assert_uint_eq(last->smem, lines[_i].smem);
		ck_assert_uint_eq(last->size, lines[_i].size);
		ck_assert(last->has_irq && last->irq == lines[_i].irq);
		ck_assert_int_eq(last->from, VIOT_FROM_COMMAND_LINE);
		ck_assert_ptr_nonnull(strstr(last->where, ".device="));
	}
}
END_TEST

START_TEST(test_long_command_line)
{
	struct viot_mmio_device devices[2];
	struct viot_mmio_found found = {.devices = devices, .max = 2};
	char text[8192] = "";

	for (unsigned i = 1; i <= 100; i++) {
		sprintf(text + strlen(text), "virtio_mmio.device=512@0x%x000:%u ", i, i);
	}
	memset(text + strlen(text), '0', 300); /* a word that is too long for anything */
	viot_cmdline_list(text, &found);
	ck_assert_uint_eq(found.count, 100);
	ck_assert_uint_eq(devices[1].smem, 0x2000);
}
END_TEST

Suite *discover_suite(void)
{
	Suite *suite = suite_create("discover");
	TCase *aml = tcase_create("acpi"), *text = tcase_create("text");

	tcase_add_loop_test(aml, test_template, 0, COUNT(templates));
	tcase_add_test(aml, test_cut_table);
	tcase_add_test(aml, test_mangled_table);
	tcase_add_test(aml, test_table_that_costs_time);
	tcase_set_timeout(aml, 30);
	suite_add_tcase(suite, aml);
	tcase_add_test(text, test_iomem);
	tcase_add_loop_test(text, test_command_line, 0, COUNT(lines));
	tcase_add_test(text, test_long_command_line);
	suite_add_tcase(suite, text);
	return suite;
}
