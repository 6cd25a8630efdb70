/* SPDX-License-Identifier: BSD-3-Clause */
/* What the reader's own files share of a volume that is open. */
#ifndef QNX6_VOLUME_H
#define QNX6_VOLUME_H

#include <stdatomic.h>

#include "cache.h"
#include "index.h"
#include "qnx6.h"

struct qnx6_volume {
	struct qnx6_info info;
	struct qnx6_source *source;
	struct qnx6_cache *cache;
	struct qnx6_indexes *indexes;
	struct qnx6_open_options options;
	unsigned block_bits;   /* block_size is 1 << this */
	unsigned pointer_bits; /* an indirect block holds 1 << this many pointers */
	atomic_uint warnings;
	atomic_flag told_of_spare; /* bytes of inodes that should be zero */
};

/* One sentence to who asked for warnings; no more than QNX6_WARNINGS of them ever. */
#define QNX6_WARNINGS 100
void qnx6_warn(struct qnx6_volume *volume, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline uint32_t qnx6_u32_of(const struct qnx6_volume *volume, qnx6_u32 value)
{
	return qnx6_get32(volume->info.order, value);
}

/* Metadata, by the cache: @size bytes of @block from @offset on, none of them behind it. */
static inline int qnx6_copy(struct qnx6_volume *volume, uint32_t block, uint32_t offset, void *out,
			    size_t size)
{
	return qnx6_cache_copy(volume->cache, ((uint64_t)block << volume->block_bits) + offset, out,
			       size);
}

#endif
