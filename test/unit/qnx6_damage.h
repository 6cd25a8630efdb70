/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be wrong with a volume, one at a time, and what the check is to call it. */
#ifndef TEST_QNX6_DAMAGE_H
#define TEST_QNX6_DAMAGE_H

#include "../fuzz/qnx6_sample.h"

struct damage {
	const char *name;
	/* what is wrong, and what follows from it: codes of the check, each once, in any order */
	const char *codes;
	void (*make)(const struct sample *sample);
	/* instead: this block cannot be read; that of the super blocks, from SAMPLE_BLOCKS on */
	uint32_t (*unreadable)(const struct sample *sample);
};

extern const struct damage damage_of_volume[], damage_of_files[];
extern const unsigned num_damage_of_volume, num_damage_of_files;

/* In the volume's order. */
#define GET(sample, field)                                                                         \
	_Generic((field), qnx6_u16 : get16, qnx6_u32 : get32, qnx6_u64 : get64)(sample, field)
#define SET(sample, field, value)                                                                  \
	((field) = _Generic((field), qnx6_u16                                                      \
			    : put16, qnx6_u32                                                      \
			    : put32, qnx6_u64                                                      \
			    : put64)(sample, value))

static inline uint64_t get16(const struct sample *sample, qnx6_u16 value)
{
	return qnx6_get16(sample->order, value);
}

static inline uint64_t get32(const struct sample *sample, qnx6_u32 value)
{
	return qnx6_get32(sample->order, value);
}

static inline uint64_t get64(const struct sample *sample, qnx6_u64 value)
{
	return qnx6_get64(sample->order, value);
}

static inline qnx6_u16 put16(const struct sample *sample, uint64_t value)
{
	return qnx6_put16(sample->order, (uint16_t)value);
}

static inline qnx6_u32 put32(const struct sample *sample, uint64_t value)
{
	return qnx6_put32(sample->order, (uint32_t)value);
}

static inline qnx6_u64 put64(const struct sample *sample, uint64_t value)
{
	return qnx6_put64(sample->order, value);
}

#endif
