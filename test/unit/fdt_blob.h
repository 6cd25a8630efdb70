/* SPDX-License-Identifier: BSD-3-Clause */
/* A device tree blob, written node by node. */
#ifndef TEST_FDT_BLOB_H
#define TEST_FDT_BLOB_H

#include <stdint.h>

#include <libfdt.h>

#include "device_tree.h"

enum {
	BOARD_SIZE = 1 << 20,
	GIC = 1, /* its phandle */
};

extern unsigned char board[BOARD_SIZE];

/* The root, left open: without anything, or with cells and the GIC as interrupt parent. */
void open_bare_board(void);
void open_board(uint32_t address_cells, uint32_t size_cells);
/* Ends the root; the blob. */
const void *close_board(void);

/* @count values of type uint32_t */
void add_cells(const char *name, unsigned count, ...);
void add_text(const char *name, const char *text);
/* #address-cells, #size-cells */
void add_bus(uint32_t address_cells, uint32_t size_cells);
void add_controller(const char *name, uint32_t phandle, uint32_t cells);
void add_gic(uint32_t phandle);
/* A node "virtio,mmio", left open. */
void open_slot(const char *name);
/* A whole one on a bus of 1 + 1 cells; @spi: level high */
void add_slot(const char *name, uint32_t address, uint32_t size, uint32_t spi);
/* The same where interrupts have one cell. */
void add_slot1(const char *name, uint32_t address, uint32_t irq);

/* viot_tree_list() */
int list_blob(const void *blob, struct viot_mmio_device *devices, unsigned max,
	      struct vio_error *err);

#endif
