/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks whether a QNX6 volume is consistent. Nothing is repaired, and nothing is written.
 *
 *   Prelude  both super blocks, and which one counts
 *   Pass 1   the volume's own files, every inode, every tree of blocks; the bitmap against them
 *   Pass 2   every directory from the root on; what no name leads to; link counts
 *
 *   struct qnx6_check_options options = {.report = print_it};
 *   struct qnx6_check_result result;
 *
 *   if (qnx6_check(source, &options, &result) == 0 && result.is_finished && !result.errors)
 *           puts("consistent");
 *
 * The volume is not trusted. Memory is 20 bytes for each inode, a few bits for each block that
 * the source can hold, and as much as its largest directory at most; the time is that of reading
 * all of the volume's metadata a few times, whatever the volume says of itself.
 *
 * Threads: any, one check at a time for one set of options; the callbacks run on the caller's.
 */
#ifndef QNX6_CHECK_H
#define QNX6_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "qnx6.h"

/* A finding of one kind is reported so many times; then they are only counted. */
#define QNX6_CHECK_REPORTS 100u

enum qnx6_severity {
	QNX6_WARNING, /* unusual, or not understood; nothing contradicts anything else */
	QNX6_ERROR,
};

/* Valid during the call alone. */
struct qnx6_finding {
	enum qnx6_severity severity;
	const char *code; /* a word that stays the same; chkqnx6fs(8) has them all */
	const char *text; /* one sentence without a newline */
	uint32_t inode;   /* 0: none */
	uint32_t block;   /* of the volume; QNX6_NO_BLOCK: none */
	uint64_t offset;  /* bytes from the start of the source; UINT64_MAX: none */
};

struct qnx6_check_options {
	/* goes on with one valid super block; the damaged one is an error all the same */
	bool takes_one_super;
	/* NULL: findings are only counted. Returns false to stop the check. */
	bool (*report)(void *context, const struct qnx6_finding *finding);
	/* what happens now, or happened: one line without a newline; NULL: nobody is told */
	void (*note)(void *context, const char *text);
	void *context;
};

struct qnx6_check_result {
	uint64_t errors, warnings; /* all, also those that were not reported */
	bool is_finished;          /* false: what was not reached may be damaged, too */
	uint32_t num_blocks, used_blocks;
	uint32_t num_inodes, used_inodes;
};

/**
 * qnx6_check - check the volume in @source
 * @source: not owned
 *
 * Returns 0 when it ran, with what it found in @result: also when there is no volume at all,
 * which is an error found. -ECANCELED when @options->report stopped it; -ENOMEM.
 */
int qnx6_check(struct qnx6_source *source, const struct qnx6_check_options *options,
	       struct qnx6_check_result *result);

#endif
