/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was read of a volume's metadata: inodes, directories, long names, indirect blocks. They
 * lie side by side, so what is read and kept is a cluster of many blocks; but where a cluster
 * cannot be read, a block of it still may be.
 *
 * Built as a processor's cache is: a cluster's number says the set that it can be in, each set
 * has a few ways and a lock of its own, and the way that was not used for longest makes room.
 *
 * Any thread, several at once; not held locked while the source reads.
 */
#ifndef QNX6_CACHE_H
#define QNX6_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "source.h"

#define QNX6_CLUSTER ((size_t)64 << 10) /* a multiple of any block's size */

struct qnx6_cache;

/**
 * qnx6_cache_open - for the @size bytes of @source from @start on
 * @limit: bytes that are kept at most; less than a cluster: nothing is
 *
 * Returns 0 or -ENOMEM.
 */
int qnx6_cache_open(struct qnx6_cache **out, struct qnx6_source *source, uint64_t start,
		    uint64_t size, size_t limit);
/* NULL is allowed. */
void qnx6_cache_close(struct qnx6_cache *cache);

/* @offset counts from the cache's start; none of the bytes lie in another cluster. 0 or -EIO. */
int qnx6_cache_copy(struct qnx6_cache *cache, uint64_t offset, void *out, size_t size);

#endif
