/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_mmio.device=SIZE@BASE:IRQ[:ID] on the kernel's command line, as the
 * kernel's driver reads it: hypervisors without ACPI (Firecracker, QEMU's microvm)
 * declare their devices so.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discover.h"

#define PHYSICAL_MAX (1ull << 52) /* the largest guest-physical space of x86-64 and Arm */

/* "0x" hexadecimal, "0" octal, else decimal; false without a digit. */
static bool read_number(const char **text, uint64_t max, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)**text)) {
		return false; /* strtoull() would take signs and spaces */
	}
	errno = 0;
	*value = strtoull(*text, &end, 0);
	*text = end;
	return errno == 0 && *value <= max;
}

/* The kernel's memparse(): a number and perhaps K, M or G. */
static bool read_size(const char **text, uint64_t *size)
{
	static const char suffixes[] = "kmg";
	const char *suffix;
	unsigned shift = 0;

	if (!read_number(text, PHYSICAL_MAX, size)) {
		return false;
	}
	suffix = **text ? strchr(suffixes, tolower((unsigned char)**text)) : NULL;
	if (suffix) {
		shift = 10 * (unsigned)(suffix - suffixes + 1);
		(*text)++;
	}
	*size <<= shift <= 30 && *size <= PHYSICAL_MAX >> shift ? shift : 0;
	return true;
}

static bool skip(const char **text, char expected)
{
	return *(*text)++ == expected;
}

/* The value of one parameter. */
static bool read_device(const char *text, struct viot_mmio_device *device)
{
	uint64_t irq, id;

	if (!read_size(&text, &device->size) || !skip(&text, '@') ||
	    !read_number(&text, PHYSICAL_MAX - 1, &device->smem) || !skip(&text, ':') ||
	    !read_number(&text, UINT32_MAX, &irq)) {
		return false;
	}
	if (*text == ':' && (!skip(&text, ':') || !read_number(&text, INT32_MAX, &id))) {
		return false;
	}
	device->irq = (uint32_t)irq;
	device->has_irq = true;
	return *text == '\0' && device->smem != 0 && device->smem % sizeof(uint32_t) == 0;
}

/* Dashes and underscores are the same in the name of a parameter. */
static const char *value_of(const char *word)
{
	static const char name[] = "virtio_mmio.device=";

	for (const char *expected = name; *expected; expected++, word++) {
		if (*word != *expected && !(*word == '-' && *expected == '_')) {
			return NULL;
		}
	}
	return word;
}

static void take_word(const char *word, struct viot_mmio_found *found)
{
	const char *value = value_of(word);
	struct viot_mmio_device device = {0}, *place;

	if (!value || !read_device(value, &device)) {
		return;
	}
	place = viot_mmio_add(found, VIOT_FROM_COMMAND_LINE);
	if (place) {
		device.from = VIOT_FROM_COMMAND_LINE;
		snprintf(device.where, sizeof(device.where), "%.100s", word);
		*place = device;
	}
}

void viot_cmdline_list(const char *text, struct viot_mmio_found *found)
{
	char word[128];

	while (*(text += strspn(text, " \t\n\"")) != '\0') {
		size_t size = strcspn(text, " \t\n\"");

		if (size == 2 && strncmp(text, "--", 2) == 0) {
			return; /* what follows is for init */
		}
		if (size < sizeof(word)) {
			memcpy(word, text, size);
			word[size] = '\0';
			take_word(word, found);
		}
		text += size;
	}
}
