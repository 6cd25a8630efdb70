/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the reader and the check of QNX6 volumes: the input is an image. The sums of its super
 * blocks are put right first, in a copy, or no mutation would get past them. Its last four bytes,
 * which are zero in a volume, say how it is read: see struct manner.
 *
 * With clang's -fsanitize=fuzzer a fuzzer; with qnx6_replay.c a program that runs over files.
 */
#include "qnx6_fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qnx6_check.h"
#include "qnx6_exercise.h"

#define SECTOR 512u

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static void sign(uint8_t *super, enum qnx6_order order)
{
	qnx6_u32 sum = qnx6_put32(order, qnx6_super_checksum(super));

	memcpy(super + offsetof(struct qnx6_super, checksum), &sum, sizeof(sum));
}

/* Wherever the reader may look for one. */
static void sign_all(uint8_t *image, size_t size)
{
	for (size_t at = 0; at + sizeof(struct qnx6_super) <= size; at += SECTOR) {
		qnx6_u32 magic;

		memcpy(&magic, image + at, sizeof(magic));
		if (qnx6_get32(QNX6_LITTLE, magic) == QNX6_MAGIC)
			sign(image + at, QNX6_LITTLE);
		else if (qnx6_get32(QNX6_BIG, magic) == QNX6_MAGIC)
			sign(image + at, QNX6_BIG);
	}
}

struct manner {
	uint8_t fault[2]; /* the first sector that cannot be read, the low byte first */
	uint8_t faults;   /* how many */
	uint8_t flags;
};

enum {
	KEEPS_SUMS = 1,  /* also wrong ones */
	IS_UNSTABLE = 2, /* the bytes change */
};

static struct memory_source source_of(uint8_t *image, size_t size)
{
	struct memory_source source = memory_source(image, size);
	struct manner manner = {.flags = KEEPS_SUMS};

	if (size >= sizeof(manner))
		memcpy(&manner, image + size - sizeof(manner), sizeof(manner));
	if (!(manner.flags & KEEPS_SUMS))
		sign_all(image, size);
	source.fault = (manner.fault[0] | (unsigned)manner.fault[1] << 8) * (uint64_t)SECTOR;
	source.fault_end = source.fault + manner.faults * (uint64_t)SECTOR;
	source.changes = manner.flags & IS_UNSTABLE;
	return source;
}

static bool take(void *context, const struct qnx6_finding *finding)
{
	uint64_t *calls = context;

	if (!*finding->code || !*finding->text || strchr(finding->text, '\n')) {
		fprintf(stderr, "a finding that is not one line: %s\n", finding->text);
		abort();
	}
	++*calls;
	return true;
}

static void note(void *context, const char *text)
{
	(void)context;
	if (strchr(text, '\n'))
		abort();
}

static void exercise_check(struct qnx6_source *source)
{
	uint64_t calls = 0;
	const struct qnx6_check_options options = {
		.takes_one_super = true, .report = take, .note = note, .context = &calls};
	struct qnx6_check_result result;
	int error = qnx6_check(source, &options, &result);

	if (error || result.errors + result.warnings < calls ||
	    result.used_blocks > result.num_blocks || result.used_inodes > result.num_inodes) {
		fprintf(stderr, "the check broke its promise: %d\n", error);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *image = malloc(size + 1);
	struct memory_source source;

	if (!image)
		return 0;
	memcpy(image, data, size);
	source = source_of(image, size);
	exercise_reader(&source.head);
	exercise_check(&source.head);
	free(image);
	return 0;
}

#ifdef FUZZER
/* What is more than half of each image, and never looked at, is the contents of files. */
#define METADATA 28672u

static uint32_t interesting(unsigned *seed)
{
	static const uint32_t values[] = {0,          1,          2,          QNX6_NO_BLOCK,
					  0x7fffffff, 0x80000000, 0xfffffffe, 0x10000};
	unsigned pick = (unsigned)rand_r(seed);

	if (pick % 4)
		return (unsigned)rand_r(seed) % 70; /* blocks, inodes, records */
	return values[pick / 4 % (sizeof(values) / sizeof(values[0]))];
}

/* In both orders, and of each width: one of them will be right. */
static void put_number(uint8_t *at, unsigned *seed)
{
	uint32_t value = interesting(seed);
	unsigned how = (unsigned)rand_r(seed) % 4;
	const qnx6_u32 word = qnx6_put32(how & 1 ? QNX6_BIG : QNX6_LITTLE, value);

	if (how & 2)
		at[(unsigned)rand_r(seed) % 4] = (uint8_t)value;
	else
		memcpy(at, &word, sizeof(word));
}

static void put_manner(uint8_t *data, size_t size, unsigned *seed)
{
	unsigned bits = (unsigned)rand_r(seed);
	const struct manner manner = {
		.fault = {(uint8_t)(bits >> 8)},
		.faults = bits & 1 ? (uint8_t)(bits >> 4 & 3) : 0,
		.flags = bits & 2 ? IS_UNSTABLE : 0,
	};

	memcpy(data + size - sizeof(manner), &manner, sizeof(manner));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	size_t room = size < METADATA ? size : METADATA;
	unsigned how = (unsigned)rand_r(&seed) % 8;

	if (how == 0 || room < SECTOR)
		return LLVMFuzzerMutate(data, size, max_size);
	if (how < 3) { /* what libFuzzer learned of comparisons, without moving the rest */
		size_t at = (size_t)rand_r(&seed) % (room - 16);

		LLVMFuzzerMutate(data + at, 16, 16);
		return size;
	}
	if (how == 3)
		put_manner(data, size, &seed);
	for (unsigned i = 0; i < how; i++)
		put_number(data + (size_t)rand_r(&seed) % (room / 4) * 4, &seed);
	return size;
}
#endif
