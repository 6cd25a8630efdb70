/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads and stores to device registers, each one exactly as wide as written,
 * in program order, little-endian. Private to transports/.
 */
#ifndef VIOT_REGISTERS_H
#define VIOT_REGISTERS_H

#include <endian.h>
#include <stdint.h>

static inline uint8_t register_read8(const volatile void *address)
{
	return *(const volatile uint8_t *)address;
}

static inline uint16_t register_read16(const volatile void *address)
{
	return le16toh(*(const volatile uint16_t *)address);
}

static inline uint32_t register_read32(const volatile void *address)
{
	return le32toh(*(const volatile uint32_t *)address);
}

static inline void register_write8(volatile void *address, uint8_t value)
{
	*(volatile uint8_t *)address = value;
}

static inline void register_write16(volatile void *address, uint16_t value)
{
	*(volatile uint16_t *)address = htole16(value);
}

/*
 * A register write may start the device on memory that we wrote before; rings
 * fence that themselves (VirtIO 1.2, 2.7.13.4).
 */
static inline void register_write32(volatile void *address, uint32_t value)
{
	*(volatile uint32_t *)address = htole32(value);
}

/*
 * Configuration fields stay in wire order: what matters is the width of the
 * access (4.2.2.2, 4.1.3.1). Returns false for a width that no field has.
 */
static inline bool registers_copy_in(const volatile void *address, void *buffer, size_t size)
{
	const volatile uint8_t *from = address;
	uint8_t *to = buffer;

	switch (size) {
	case 1:
		*to = *from;
		return true;
	case 2:
		*(uint16_t *)buffer = *(const volatile uint16_t *)address;
		return true;
	case 8: /* two halves: 64-bit accesses need not be supported */
		*(uint32_t *)(void *)(to + 4) =
			*(const volatile uint32_t *)(const volatile void *)(from + 4);
		/* fall through */
	case 4:
		*(uint32_t *)buffer = *(const volatile uint32_t *)address;
		return true;
	default:
		return false;
	}
}

static inline bool registers_copy_out(volatile void *address, const void *buffer, size_t size)
{
	volatile uint8_t *to = address;
	const uint8_t *from = buffer;

	switch (size) {
	case 1:
		*to = *from;
		return true;
	case 2:
		*(volatile uint16_t *)address = *(const uint16_t *)buffer;
		return true;
	case 8:
		*(volatile uint32_t *)(volatile void *)(to + 4) =
			*(const uint32_t *)(const void *)(from + 4);
		/* fall through */
	case 4:
		*(volatile uint32_t *)address = *(const uint32_t *)buffer;
		return true;
	default:
		return false;
	}
}

#endif
