/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interrupt of a device, from the ACPI tables that the firmware left: its
 * address is in a resource template, a buffer of descriptors, and so is its
 * interrupt. Such buffers are looked for at every byte of the table, because
 * finding them by the language's rules would take an interpreter; one counts if
 * all of its descriptors are whole up to the end tag. Sections of ACPI 6.5.
 */
#include "discover.h"

enum {
	TABLE_HEADER = 36,     /* 5.2.6 */
	DESCRIPTORS_MAX = 256, /* chosen: of a device; bounds the work on odd tables */
	OP_BYTE = 0x0a,        /* 20.2.3: integers, little-endian behind the operator */
	OP_WORD = 0x0b,
	OP_DWORD = 0x0c,
	OP_BUFFER = 0x11, /* 20.2.5.4 */

	/* 6.4.2: kind in bits 3 to 6, length in bits 0 to 2 */
	SMALL_IRQ = 0x4,
	SMALL_END = 0xf,
	/* 6.4.3: length in two bytes */
	LARGE_MEMORY24 = 0x81,
	LARGE_MEMORY32 = 0x85,
	LARGE_MEMORY32_FIXED = 0x86,
	LARGE_DWORD = 0x87,
	LARGE_INTERRUPT = 0x89,
	LARGE_QWORD = 0x8a,
	LARGE_EXTENDED = 0x8b,
	IS_LARGE = 0x80,
	SPACE_MEMORY = 0, /* 6.4.3.5: the kind of an address space */
};

struct bytes {
	const uint8_t *at;
	size_t size;
};

/* Of a resource template. */
struct descriptor {
	unsigned kind;
	bool is_large;
	struct bytes body; /* behind the header */
};

struct result {
	uint64_t base; /* looked for */
	bool has_base, has_irq;
	uint32_t irq, trigger;
};

static uint64_t number(const uint8_t *at, unsigned size)
{
	uint64_t value = 0;

	while (size-- > 0) {
		value = value << 8 | at[size];
	}
	return value;
}

static void skip(struct bytes *bytes, size_t size)
{
	bytes->at += size;
	bytes->size -= size;
}

/* ---- descriptors ---- */

static bool next_descriptor(struct bytes *template, struct descriptor *descriptor)
{
	size_t header, length;

	if (template->size == 0) {
		return false;
	}
	descriptor->is_large = template->at[0] & IS_LARGE;
	header = descriptor->is_large ? 3 : 1;
	if (template->size < header) {
		return false;
	}
	length = descriptor->is_large ? (size_t)number(template->at + 1, 2) : template->at[0] & 7u;
	descriptor->kind = descriptor->is_large ? template->at[0] : (unsigned)template->at[0] >> 3;
	skip(template, header);
	if (template->size < length) {
		return false;
	}
	descriptor->body = (struct bytes){template->at, length};
	skip(template, length);
	return true;
}

/* Where the minimum of each kind of memory is, and its unit. */
static bool memory_base(const struct descriptor *descriptor, uint64_t *base)
{
	static const struct {
		uint8_t kind, offset, size, shift;
		bool is_space;
	} kinds[] = {
		{LARGE_MEMORY24, 1, 2, 8, false},       {LARGE_MEMORY32, 1, 4, 0, false},
		{LARGE_MEMORY32_FIXED, 1, 4, 0, false}, {LARGE_DWORD, 7, 4, 0, true},
		{LARGE_QWORD, 11, 8, 0, true},          {LARGE_EXTENDED, 13, 8, 0, true},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!descriptor->is_large || descriptor->kind != kinds[i].kind) {
			continue;
		}
		if (descriptor->body.size < (size_t)kinds[i].offset + kinds[i].size ||
		    (kinds[i].is_space && descriptor->body.at[0] != SPACE_MEMORY)) {
			return false;
		}
		*base = number(descriptor->body.at + kinds[i].offset, kinds[i].size)
			<< kinds[i].shift;
		return true;
	}
	return false;
}

static uint32_t trigger_of(bool is_edge, bool is_low)
{
	if (is_edge) {
		return is_low ? VIOT_TRIGGER_EDGE_FALLING : VIOT_TRIGGER_EDGE_RISING;
	}
	return is_low ? VIOT_TRIGGER_LEVEL_LOW : VIOT_TRIGGER_LEVEL_HIGH;
}

/* 6.4.3.6: flags, how many numbers, the numbers. */
static void take_interrupt(const struct bytes *body, struct result *result)
{
	if (body->size < 6 || body->at[1] == 0) {
		return;
	}
	result->irq = (uint32_t)number(body->at + 2, 4);
	result->trigger = trigger_of(body->at[0] & 1 << 1, body->at[0] & 1 << 2);
	result->has_irq = true;
}

/* 6.4.2.1: a bit for each of 16 numbers, flags only where they are not "edge, high". */
static void take_small_interrupt(const struct bytes *body, struct result *result)
{
	uint32_t mask = body->size >= 2 ? (uint32_t)number(body->at, 2) : 0;

	if (mask == 0) {
		return;
	}
	result->irq = (uint32_t)__builtin_ctz(mask);
	result->trigger = body->size < 3 ? VIOT_TRIGGER_EDGE_RISING
					 : trigger_of(body->at[2] & 1, body->at[2] & 1 << 3);
	result->has_irq = true;
}

static void take(const struct descriptor *descriptor, struct result *result)
{
	uint64_t base;

	if (memory_base(descriptor, &base)) {
		result->has_base |= base == result->base;
	} else if (!result->has_irq && descriptor->is_large &&
		   descriptor->kind == LARGE_INTERRUPT) {
		take_interrupt(&descriptor->body, result);
	} else if (!result->has_irq && !descriptor->is_large && descriptor->kind == SMALL_IRQ) {
		take_small_interrupt(&descriptor->body, result);
	}
}

/* True if the template is whole and has both. */
static bool read_template(struct bytes template, struct result *result)
{
	struct descriptor descriptor;

	result->has_base = result->has_irq = false;
	for (unsigned i = 0; i < DESCRIPTORS_MAX && next_descriptor(&template, &descriptor); i++) {
		if (!descriptor.is_large && descriptor.kind == SMALL_END) {
			return result->has_base && result->has_irq;
		}
		take(&descriptor, result);
	}
	return false;
}

/* ---- buffers ---- */

/* 20.2.4: the length of a package counts itself; cuts @bytes to what is in it. */
static bool enter_package(struct bytes *bytes)
{
	unsigned more;
	size_t length;

	if (bytes->size == 0) {
		return false;
	}
	more = bytes->at[0] >> 6;
	if (bytes->size < 1 + more) {
		return false;
	}
	length = more == 0 ? bytes->at[0] & 0x3fu
			   : (size_t)number(bytes->at + 1, more) << 4 | (bytes->at[0] & 0xfu);
	if (length < 1 + more || length > bytes->size) {
		return false;
	}
	bytes->size = length;
	skip(bytes, 1 + more);
	return true;
}

/* The size of a buffer as a constant; no template has another one. */
static bool skip_size(struct bytes *bytes)
{
	size_t length = 0;

	if (bytes->size == 0) {
		return false;
	}
	switch (bytes->at[0]) {
	case OP_BYTE:
		length = 1;
		break;
	case OP_WORD:
		length = 2;
		break;
	case OP_DWORD:
		length = 4;
		break;
	default:
		return false;
	}
	if (bytes->size < 1 + length) {
		return false;
	}
	skip(bytes, 1 + length);
	return true;
}

bool viot_aml_find_interrupt(const uint8_t *table, size_t size, uint64_t base, uint32_t *irq,
			     uint32_t *trigger)
{
	struct result result = {.base = base};

	for (size_t i = TABLE_HEADER; i < size; i++) {
		struct bytes rest = {table + i + 1, size - i - 1};

		if (table[i] == OP_BUFFER && enter_package(&rest) && skip_size(&rest) &&
		    read_template(rest, &result)) {
			*irq = result.irq;
			*trigger = result.trigger;
			return true;
		}
	}
	return false;
}
