/* SPDX-License-Identifier: BSD-3-Clause */
/* Discard: what no volume of devb-virtio does by itself, because what is read afterwards may be
 * anything. */
#include "ring_check.h"

#include <stdio.h>

static bool discard(struct vio_blk *blk, const struct check_options *options)
{
	struct vio_blk_request *done, request = {.op = VIO_BLK_DISCARD,
						 .start_sector = options->first,
						 .sector_count = options->count};
	struct vio_blk_queue *queue = vio_blk_queue(blk, 0);
	int rc = vio_blk_submit(queue, &request);

	if (rc < 0) {
		return check_failed(rc, "the disk takes no discard");
	}
	vio_blk_kick(queue);
	while (vio_blk_reap(queue, &done, 1) == 0) {
		rc = vio_blk_wait(queue, CHECK_WAIT_MS);
		if (rc < 0) {
			return check_failed(rc, "no answer within %d ms", CHECK_WAIT_MS);
		}
	}
	return request.result == 0 || check_failed(request.result, "the discard failed");
}

bool check_discard(struct vio_transport *t, const struct check_options *options)
{
	const struct vio_blk_options blk_options = check_blk_options(options);
	const struct vio_blk_info *info;
	struct vio_blk *blk;
	struct vio_error err;
	bool is_good;

	if (vio_blk_open(&blk, t, &blk_options, &err) < 0) {
		return check_failed(0, "%s", err.text);
	}
	info = vio_blk_info(blk);
	check_print_features(info->features);
	printf("discard: %u segments of %u sectors, aligned to %u\n", info->discard.segments_max,
	       info->discard.sectors_max, info->discard.alignment_sectors);
	is_good = discard(blk, options);
	vio_blk_close(blk);
	return is_good;
}
