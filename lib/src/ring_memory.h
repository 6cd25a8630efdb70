/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that a device reads and writes while we do: byte order, single loads
 * and stores, and their order. Fences are for the ring files only.
 *
 * The device is another CPU of a hypervisor, or coherent hardware that says so
 * (VIRTIO_F_ORDER_PLATFORM, 6.1). On Arm such hardware may stand outside the inner
 * shareable domain, which acquire and release of C11 order: barriers there reach
 * the outer one, as the kernel's dma_rmb() and dma_wmb() do. Wire fields keep the kernel's __virtio
 * types, which sparse checks: a value that has not gone through wire…() or host…() is an error
 * there.
 */
#ifndef VIO_RING_MEMORY_H
#define VIO_RING_MEMORY_H

#include <endian.h>
#include <stdint.h>

#include <linux/virtio_types.h>

#ifdef __CHECKER__
#define VIO_FORCE __attribute__((force))
#else
#define VIO_FORCE
#endif

static inline __virtio16 wire16(uint16_t value)
{
	return (VIO_FORCE __virtio16)htole16(value);
}

static inline __virtio32 wire32(uint32_t value)
{
	return (VIO_FORCE __virtio32)htole32(value);
}

static inline __virtio64 wire64(uint64_t value)
{
	return (VIO_FORCE __virtio64)htole64(value);
}

static inline uint16_t host16(__virtio16 value)
{
	return le16toh((VIO_FORCE uint16_t)value);
}

static inline uint32_t host32(__virtio32 value)
{
	return le32toh((VIO_FORCE uint32_t)value);
}

static inline uint64_t host64(__virtio64 value)
{
	return le64toh((VIO_FORCE uint64_t)value);
}

/* Loaded exactly once: the device may change it between two looks. */
static inline uint16_t load16(const __virtio16 *field)
{
	return le16toh(__atomic_load_n((const VIO_FORCE uint16_t *)field, __ATOMIC_RELAXED));
}

static inline uint32_t load32(const __virtio32 *field)
{
	return le32toh(__atomic_load_n((const VIO_FORCE uint32_t *)field, __ATOMIC_RELAXED));
}

/* Everything the device wrote before this field is visible after it. */
static inline uint16_t load16_acquire(const __virtio16 *field)
{
#if defined(__aarch64__)
	uint16_t value = load16(field);

	__asm__ volatile("dmb oshld" : : : "memory");
	return value;
#else
	return le16toh(__atomic_load_n((const VIO_FORCE uint16_t *)field, __ATOMIC_ACQUIRE));
#endif
}

static inline void store16(__virtio16 *field, uint16_t value)
{
	__atomic_store_n((VIO_FORCE uint16_t *)field, htole16(value), __ATOMIC_RELAXED);
}

static inline void store32(__virtio32 *field, uint32_t value)
{
	__atomic_store_n((VIO_FORCE uint32_t *)field, htole32(value), __ATOMIC_RELAXED);
}

/* Everything we wrote before is visible before this field is. */
static inline void store16_release(__virtio16 *field, uint16_t value)
{
#if defined(__aarch64__)
	__asm__ volatile("dmb osh" : : : "memory");
	store16(field, value);
#else
	__atomic_store_n((VIO_FORCE uint16_t *)field, htole16(value), __ATOMIC_RELEASE);
#endif
}

/* What we stored before is seen by all before we load anything after. */
static inline void full_fence(void)
{
#ifdef __SANITIZE_THREAD__
	static int order; /* TSan knows atomic operations, not fences */

	__atomic_fetch_add(&order, 1, __ATOMIC_SEQ_CST);
#elif defined(__aarch64__)
	__asm__ volatile("dmb osh" : : : "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* In a spin loop: lets the other hardware thread, or an emulator, go on. */
static inline void spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
