/* SPDX-License-Identifier: BSD-3-Clause */
/* Bounds for every wait: milliseconds that never go back. */
#ifndef VIO_CLOCK_H
#define VIO_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_ms(void)
{
	return clock_ns() / 1000000;
}

static inline void clock_pause_us(unsigned microseconds)
{
	struct timespec pause = {.tv_sec = microseconds / 1000000,
				 .tv_nsec = (long)(microseconds % 1000000) * 1000};

	nanosleep(&pause, NULL);
}

#endif
