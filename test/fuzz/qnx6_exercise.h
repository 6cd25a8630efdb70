/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything that can be asked of a volume, however damaged; what it answers does not matter. */
#ifndef TEST_QNX6_EXERCISE_H
#define TEST_QNX6_EXERCISE_H

#include "qnx6.h"

/* The image's bytes as a source, of one thread. Reads of [fault, fault_end) fail. */
struct memory_source {
	struct qnx6_source head;
	const uint8_t *bytes;
	uint64_t fault, fault_end;
	uint32_t changes; /* 0: none; else now and then a byte is another one than last time */
};

struct memory_source memory_source(const void *bytes, size_t size);

/*
 * The tree from the root on, and all inodes by number: lists, looks up, maps and reads, within
 * limits that no damage can lift. Aborts when the reader breaks a promise.
 */
void exercise_reader(struct qnx6_source *source);

#endif
