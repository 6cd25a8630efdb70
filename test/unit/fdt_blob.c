/* SPDX-License-Identifier: BSD-3-Clause */
#include "fdt_blob.h"

#include <stdarg.h>
#include <string.h>

#include <check.h>

unsigned char board[BOARD_SIZE];

void open_bare_board(void)
{
	ck_assert_int_eq(fdt_create(board, sizeof(board)), 0);
	fdt_finish_reservemap(board);
	fdt_begin_node(board, "");
}

void open_board(uint32_t address_cells, uint32_t size_cells)
{
	open_bare_board();
	add_bus(address_cells, size_cells);
	add_cells("interrupt-parent", 1, GIC);
}

const void *close_board(void)
{
	ck_assert_int_eq(fdt_end_node(board), 0);
	ck_assert_int_eq(fdt_finish(board), 0);
	ck_assert_int_eq(fdt_check_full(board, fdt_totalsize(board)), 0);
	return board;
}

void add_cells(const char *name, unsigned count, ...)
{
	fdt32_t cells[16];
	va_list args;

	va_start(args, count);
	for (unsigned i = 0; i < count; i++) {
		cells[i] = cpu_to_fdt32(va_arg(args, uint32_t));
	}
	va_end(args);
	ck_assert_int_eq(fdt_property(board, name, cells, (int)(count * sizeof(cells[0]))), 0);
}

void add_text(const char *name, const char *text)
{
	ck_assert_int_eq(fdt_property(board, name, text, (int)strlen(text) + 1), 0);
}

void add_bus(uint32_t address_cells, uint32_t size_cells)
{
	add_cells("#address-cells", 1, address_cells);
	add_cells("#size-cells", 1, size_cells);
}

void add_controller(const char *name, uint32_t phandle, uint32_t cells)
{
	fdt_begin_node(board, name);
	add_cells("phandle", 1, phandle);
	add_cells("#interrupt-cells", 1, cells);
	add_cells("interrupt-controller", 0);
	fdt_end_node(board);
}

void add_gic(uint32_t phandle)
{
	add_controller("intc@8000000", phandle, 3);
}

void open_slot(const char *name)
{
	ck_assert_int_eq(fdt_begin_node(board, name), 0);
	add_text("compatible", "virtio,mmio");
}

void add_slot(const char *name, uint32_t address, uint32_t size, uint32_t spi)
{
	open_slot(name);
	add_cells("reg", 2, address, size);
	add_cells("interrupts", 3, 0, spi, 4);
	fdt_end_node(board);
}

void add_slot1(const char *name, uint32_t address, uint32_t irq)
{
	open_slot(name);
	add_cells("reg", 2, address, 0x200);
	add_cells("interrupts", 1, irq);
	fdt_end_node(board);
}

int list_blob(const void *blob, struct viot_mmio_device *devices, unsigned max,
	      struct vio_error *err)
{
	struct viot_tree tree = {.name = "board.dtb", .size = fdt_totalsize(blob)};

	memcpy(&tree.blob, &blob, sizeof(blob)); /* the parser only reads */
	return viot_tree_list(&tree, devices, max, err);
}
