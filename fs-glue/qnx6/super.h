/* SPDX-License-Identifier: BSD-3-Clause */
/* Super blocks: reading one, judging it, and finding the two of a volume. */
#ifndef QNX6_SUPER_H
#define QNX6_SUPER_H

#include "qnx6.h"

/* A super block of either kind, as it says: for qnx6_super_judge() to check. */
struct qnx6_super_view {
	enum qnx6_layout layout;
	enum qnx6_order order;
	uint64_t offset; /* bytes from the start of the source: where it was found */
	uint64_t serial;
	uint32_t block_size, num_blocks, free_blocks, num_inodes, free_inodes;
	uint32_t flags, alloc_groups, time;
	uint16_t version_major, version_minor; /* 0 for MMI, as the three above */
	uint8_t volume_id[16];
	struct qnx6_tree inodes, bitmap, long_names;
	uint64_t unused[2]; /* sizes of the root nodes 4 and 5 */
};

/* How far the checks came; each is better than the ones before. */
enum qnx6_verdict {
	QNX6_UNREADABLE,
	QNX6_NO_MAGIC,
	QNX6_WRONG_SUM,
	QNX6_NO_GEOMETRY, /* block size and number of blocks are no volume's */
	QNX6_SENSELESS,   /* the rest */
	QNX6_VALID
};

/**
 * qnx6_super_read - read and judge what lies at @offset of @source
 *
 * @view is filled in from QNX6_WRONG_SUM on. One sentence in @why for all but QNX6_VALID.
 */
enum qnx6_verdict qnx6_super_read(struct qnx6_source *source, uint64_t offset,
				  enum qnx6_layout layout, struct qnx6_super_view *view, char *why,
				  size_t why_size);

/* Whether the 4 bytes are a volume's magic, in either order. */
bool qnx6_is_magic(const void *bytes, enum qnx6_order *order);
bool qnx6_is_block_size(uint32_t size);

/* Bytes from the start of the source. */
uint64_t qnx6_super1_offset(enum qnx6_layout layout);
uint64_t qnx6_data_offset(enum qnx6_layout layout, uint32_t block_size);
uint64_t qnx6_super2_offset(const struct qnx6_super_view *view);

struct qnx6_super_pair {
	struct qnx6_super_view super[2];
	bool is_valid[2];
	unsigned active; /* 0 or 1 */
};

/* Returns 0; -EINVAL or -EIO with one sentence in @why. */
int qnx6_super_find(struct qnx6_source *source, struct qnx6_super_pair *pair, char *why,
		    size_t why_size);

#endif
