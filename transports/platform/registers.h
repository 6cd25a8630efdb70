/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads and stores to device registers, each one exactly as wide as written,
 * in program order, little-endian. Private to transports/.
 *
 * A write may set the device going on memory that we wrote before, and a read
 * may tell of memory that it wrote: both are ordered against memory here. Rings
 * have fences of their own (VirtIO 1.2, 2.7.13), about memory alone.
 */
#ifndef VIOT_REGISTERS_H
#define VIOT_REGISTERS_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__aarch64__)
/*
 * Spelled out: a compiler may choose forms with write-back or pairs, and of
 * those a hypervisor is not told which register was meant.
 */
static inline uint8_t register_load8(const volatile void *address)
{
	uint32_t value;

	__asm__ volatile("ldrb %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
	return (uint8_t)value;
}

static inline uint16_t register_load16(const volatile void *address)
{
	uint32_t value;

	__asm__ volatile("ldrh %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
	return (uint16_t)value;
}

static inline uint32_t register_load32(const volatile void *address)
{
	uint32_t value;

	__asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
	return value;
}

static inline void register_store8(volatile void *address, uint8_t value)
{
	__asm__ volatile("strb %w0, [%1]" : : "r"((uint32_t)value), "r"(address) : "memory");
}

static inline void register_store16(volatile void *address, uint16_t value)
{
	__asm__ volatile("strh %w0, [%1]" : : "r"((uint32_t)value), "r"(address) : "memory");
}

static inline void register_store32(volatile void *address, uint32_t value)
{
	__asm__ volatile("str %w0, [%1]" : : "r"(value), "r"(address) : "memory");
}

/* The register before all memory that is read after it. */
static inline void registers_read_barrier(void)
{
	__asm__ volatile("dmb oshld" : : : "memory");
}

/* All memory before the register that is written after it. */
static inline void registers_write_barrier(void)
{
	__asm__ volatile("dmb osh" : : : "memory");
}
#else
static inline uint8_t register_load8(const volatile void *address)
{
	return *(const volatile uint8_t *)address;
}

static inline uint16_t register_load16(const volatile void *address)
{
	return *(const volatile uint16_t *)address;
}

static inline uint32_t register_load32(const volatile void *address)
{
	return *(const volatile uint32_t *)address;
}

static inline void register_store8(volatile void *address, uint8_t value)
{
	*(volatile uint8_t *)address = value;
}

static inline void register_store16(volatile void *address, uint16_t value)
{
	*(volatile uint16_t *)address = value;
}

static inline void register_store32(volatile void *address, uint32_t value)
{
	*(volatile uint32_t *)address = value;
}

/* x86 keeps the order of uncached registers and memory; the compiler need not. */
static inline void registers_read_barrier(void)
{
	__asm__ volatile("" : : : "memory");
}

static inline void registers_write_barrier(void)
{
	__asm__ volatile("" : : : "memory");
}
#endif

static inline uint8_t register_read8(const volatile void *address)
{
	uint8_t value = register_load8(address);

	registers_read_barrier();
	return value;
}

static inline uint16_t register_read16(const volatile void *address)
{
	uint16_t value = register_load16(address);

	registers_read_barrier();
	return le16toh(value);
}

static inline uint32_t register_read32(const volatile void *address)
{
	uint32_t value = register_load32(address);

	registers_read_barrier();
	return le32toh(value);
}

static inline void register_write8(volatile void *address, uint8_t value)
{
	registers_write_barrier();
	register_store8(address, value);
}

static inline void register_write16(volatile void *address, uint16_t value)
{
	registers_write_barrier();
	register_store16(address, htole16(value));
}

static inline void register_write32(volatile void *address, uint32_t value)
{
	registers_write_barrier();
	register_store32(address, htole32(value));
}

/*
 * Configuration fields stay in wire order: what matters is the width of the
 * access (4.2.2.2, 4.1.3.1). Eight bytes are two halves, because 64-bit accesses
 * need not be supported. Returns false for a width that no field has.
 */
static inline bool registers_copy_in(const volatile void *address, void *buffer, size_t size)
{
	uint8_t value8;
	uint16_t value16;
	uint32_t value32[2];

	switch (size) {
	case 1:
		value8 = register_load8(address);
		memcpy(buffer, &value8, size);
		return true;
	case 2:
		value16 = register_load16(address);
		memcpy(buffer, &value16, size);
		return true;
	case 8:
		value32[1] = register_load32((const volatile char *)address + 4);
		/* fall through */
	case 4:
		value32[0] = register_load32(address);
		memcpy(buffer, value32, size);
		return true;
	default:
		return false;
	}
}

static inline bool registers_copy_out(volatile void *address, const void *buffer, size_t size)
{
	uint8_t value8;
	uint16_t value16;
	uint32_t value32[2];

	switch (size) {
	case 1:
		memcpy(&value8, buffer, size);
		register_store8(address, value8);
		return true;
	case 2:
		memcpy(&value16, buffer, size);
		register_store16(address, value16);
		return true;
	case 4:
	case 8:
		memcpy(value32, buffer, size);
		register_store32(address, value32[0]);
		if (size == 8) {
			register_store32((volatile char *)address + 4, value32[1]);
		}
		return true;
	default:
		return false;
	}
}

#endif
