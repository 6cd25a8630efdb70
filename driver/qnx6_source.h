/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A block of a disk that a loop serves, as a source of bytes for a QNX6 volume. Reads are handed
 * to one of the loop's threads, a whole batch at a time; the device reads into the caller's
 * memory, without a copy where that is qnx6_source_ops.alloc's. Several sources share out the
 * threads: for what one of them has in flight, one is enough, and soon awake.
 *
 * Any thread may read but the loop's own, which would wait for itself. A read takes no longer
 * than the disk allows its requests; after the end of the loop it is -ENODEV.
 */
#ifndef DEVB_QNX6_SOURCE_H
#define DEVB_QNX6_SOURCE_H

#include <vio/blk.h>

#include "block.h"
#include "loop.h"
#include "source.h"

/**
 * devb_qnx6_source_open
 * @block: of the disk that @loop serves
 * @blk: where memory comes from
 *
 * None of them is owned; all outlive the source. Returns 0 or -ENOMEM.
 */
int devb_qnx6_source_open(struct qnx6_source **out, struct devb_loop *loop,
			  struct devb_block *block, struct vio_blk *blk);

/* Any thread: what is in flight is finished, all else is -ENODEV from now on. NULL is allowed. */
void devb_qnx6_source_end(struct qnx6_source *source);

#endif
