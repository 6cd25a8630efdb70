/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ACPI devices LNRO0005: their names from sysfs, their addresses from
 * /proc/iomem, their interrupts from the tables (the kernel shows them nowhere
 * before a driver has the device). The latter two are for root.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discover.h"

#define DEVICES "/sys/bus/platform/devices"
#define TABLES  "/sys/firmware/acpi/tables"

enum {
	IOMEM_SIZE_MAX = 1 << 20, /* chosen: some hundred times the usual */
	TABLES_MAX = 128,         /* chosen: of a machine */
};

static const char hardware_id[] = "LNRO0005:";

bool viot_iomem_find(const char *text, const char *name, uint64_t *start, uint64_t *size)
{
	size_t length = strlen(name);
	char *cursor;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		uint64_t end;

		line += *line == '\n';
		*start = strtoull(line, &cursor, 16);
		if (*cursor != '-') {
			continue;
		}
		end = strtoull(cursor + 1, &cursor, 16);
		if (strncmp(cursor, " : ", 3) == 0 && strncmp(cursor + 3, name, length) == 0 &&
		    strchr(" \n", cursor[3 + length]) && end > *start) {
			*size = end - *start + 1;
			return true;
		}
	}
	return false;
}

static void find_address(struct viot_mmio_device *device, const char *iomem)
{
	if (!viot_iomem_find(iomem, device->where, &device->smem, &device->size)) {
		device->smem = device->size = 0;
		snprintf(device->why, sizeof(device->why),
			 "its address is in /proc/iomem, for root only (CAP_SYS_ADMIN)");
	}
}

static bool is_table(const char *name)
{
	return strcmp(name, "DSDT") == 0 || strncmp(name, "SSDT", 4) == 0;
}

/* Every device that still lacks its interrupt, in one table. */
static void look_in(const uint8_t *table, size_t size, struct viot_mmio_device *devices,
		    unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct viot_mmio_device *device = &devices[i];

		if (device->smem && !device->has_irq) {
			device->has_irq = viot_aml_find_interrupt(table, size, device->smem,
								  &device->irq, &device->trigger);
		}
	}
}

/* Whatever cannot be read has no interrupts in it. */
static void find_interrupts(struct viot_mmio_device *devices, unsigned count)
{
	char path[PATH_MAX];
	char *table = malloc(VIOT_AML_SIZE_MAX);
	DIR *dir = table ? opendir(TABLES) : NULL;
	struct dirent *entry;

	for (unsigned i = 0; dir && i < TABLES_MAX && (entry = readdir(dir)) != NULL;) {
		ssize_t size;

		if (!is_table(entry->d_name)) {
			continue;
		}
		i++;
		snprintf(path, sizeof(path), TABLES "/%s", entry->d_name);
		size = viot_read_text(path, table, VIOT_AML_SIZE_MAX);
		look_in((const uint8_t *)table, size > 0 ? (size_t)size : 0, devices, count);
	}
	if (dir) {
		closedir(dir);
	}
	free(table);
}

static void explain_missing(struct viot_mmio_device *devices, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (!devices[i].has_irq && !devices[i].why[0]) {
			snprintf(devices[i].why, sizeof(devices[i].why),
				 "its interrupt is not in the ACPI tables (" TABLES
				 "): give it by hand with 'smem=ADDRESS,irq=NUMBER'");
		}
	}
}

static void add_devices(struct viot_mmio_found *found, const char *iomem)
{
	DIR *dir = opendir(DEVICES);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		struct viot_mmio_device *device;

		if (strncmp(entry->d_name, hardware_id, strlen(hardware_id)) != 0) {
			continue;
		}
		device = viot_mmio_add(found, VIOT_FROM_ACPI);
		if (device) {
			snprintf(device->where, sizeof(device->where), "%.100s", entry->d_name);
			find_address(device, iomem);
		}
	}
	if (dir) {
		closedir(dir);
	}
}

void viot_acpi_list(struct viot_mmio_found *found)
{
	unsigned first = found->count < found->max ? found->count : found->max, last;
	char *iomem = calloc(1, IOMEM_SIZE_MAX);

	if (!iomem) {
		return;
	}
	viot_read_text("/proc/iomem", iomem, IOMEM_SIZE_MAX);
	add_devices(found, iomem);
	free(iomem);
	last = found->count < found->max ? found->count : found->max;
	if (last > first) {
		find_interrupts(found->devices + first, last - first);
		explain_missing(found->devices + first, last - first);
	}
}
