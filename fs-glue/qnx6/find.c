/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding a volume's two super blocks. The first has a fixed place for each layout. The second
 * lies behind the data, which the first one tells the size of, even when it is torn; when that
 * does not help, the boot block may know, and then the end of the source is searched. What is
 * found in any of these ways counts when by its own numbers it lies where it was found.
 */
#include "super.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAIL   ((uint64_t)4 << 20) /* bytes at the end that are searched */
#define STRIDE 512u                /* the smallest block: super block 2 lies at a multiple */

struct search {
	struct qnx6_source *source;
	struct qnx6_super_pair *pair;
	enum qnx6_verdict best; /* of what was no super block */
	bool unreadable;        /* something was */
	char *why;              /* about the best */
	size_t why_size;
};

/* The sentence about what came nearest to a super block is the one that helps. */
static enum qnx6_verdict look(struct search *search, uint64_t offset, enum qnx6_layout layout,
			      struct qnx6_super_view *view)
{
	char why[256] = "";
	enum qnx6_verdict verdict =
		qnx6_super_read(search->source, offset, layout, view, why, sizeof(why));

	search->unreadable |= verdict == QNX6_UNREADABLE;
	if (verdict != QNX6_VALID && verdict > search->best) {
		search->best = verdict;
		snprintf(search->why, search->why_size, "%s", why);
	}
	return verdict;
}

/* Super block 2, at a place that it confirms. */
static bool look_second(struct search *search, uint64_t offset, enum qnx6_layout layout)
{
	struct qnx6_super_pair *pair = search->pair;
	struct qnx6_super_view *second = &pair->super[1];

	pair->is_valid[1] = look(search, offset, layout, second) == QNX6_VALID &&
			    qnx6_super2_offset(second) == offset &&
			    (!pair->is_valid[0] || second->order == pair->super[0].order);
	return pair->is_valid[1];
}

static bool look_both(struct search *search, enum qnx6_layout layout)
{
	struct qnx6_super_pair *pair = search->pair;
	struct qnx6_super_view *first = &pair->super[0];
	enum qnx6_verdict verdict = look(search, qnx6_super1_offset(layout), layout, first);

	pair->is_valid[0] = verdict == QNX6_VALID;
	pair->is_valid[1] = false;
	if (verdict >= QNX6_WRONG_SUM && qnx6_is_block_size(first->block_size))
		look_second(search, qnx6_super2_offset(first), layout);
	return pair->is_valid[0] || pair->is_valid[1];
}

static bool look_at_start(struct search *search)
{
	return look_both(search, QNX6_LAYOUT_BOOT) || look_both(search, QNX6_LAYOUT_NO_BOOT) ||
	       look_both(search, QNX6_LAYOUT_MMI);
}

/* Super block 1 is lost, and with it the layout. */
static bool look_second_alone(struct search *search, uint64_t offset)
{
	search->pair->is_valid[0] = false;
	return look_second(search, offset, QNX6_LAYOUT_BOOT) ||
	       look_second(search, offset, QNX6_LAYOUT_NO_BOOT) ||
	       look_second(search, offset, QNX6_LAYOUT_MMI);
}

/* It has the position of super block 2, but makers disagree in what unit. */
static bool look_by_boot_block(struct search *search)
{
	struct {
		uint8_t jump[4];
		qnx6_u32 zero, super1, super2;
	} boot = {0};
	uint64_t number;

	if (search->source->size < sizeof(boot) ||
	    qnx6_source_read(search->source, 0, &boot, sizeof(boot)))
		return false;
	number = qnx6_get32(QNX6_LITTLE, boot.super2);
	for (uint32_t unit = QNX6_BLOCK_MIN; number && unit <= QNX6_BLOCK_MAX; unit *= 2) {
		if (look_second_alone(search, number * unit))
			return true;
	}
	return false;
}

/* From the end back: what is nearer to it may be a file's contents. */
static bool look_in(struct search *search, uint64_t start, const uint8_t *bytes, size_t size)
{
	enum qnx6_order order;

	for (size_t at = size; at >= STRIDE; at -= STRIDE) {
		if (qnx6_is_magic(bytes + at - STRIDE, &order) &&
		    look_second_alone(search, start + at - STRIDE))
			return true;
	}
	return false;
}

static bool look_at_end(struct search *search)
{
	uint64_t end = search->source->size / STRIDE * STRIDE;
	uint64_t start = end > TAIL ? end - TAIL : 0;
	size_t chunk = (size_t)64 << 10;
	uint8_t *bytes = malloc(chunk);
	bool found = false;

	while (bytes && !found && end > start) {
		size_t size = end - start < chunk ? (size_t)(end - start) : chunk;

		end -= size;
		if (!qnx6_source_read(search->source, end, bytes, size))
			found = look_in(search, end, bytes, size);
	}
	free(bytes);
	return found;
}

/* Of equals the first. */
static void choose(struct qnx6_super_pair *pair)
{
	const struct qnx6_super_view *super = pair->super;

	pair->active =
		pair->is_valid[1] && (!pair->is_valid[0] || super[1].serial > super[0].serial);
}

/*
 * Where the data begins is not certain with blocks that large. When the second super block is
 * where it should be, it was right.
 */
static bool fits(struct search *search)
{
	const struct qnx6_super_view *first = &search->pair->super[0];
	struct qnx6_super_view second;
	uint64_t offset;

	if (search->pair->is_valid[1] || first->block_size <= QNX6_SUPER_AREA)
		return true;
	offset = qnx6_super2_offset(first);
	if (look(search, offset, first->layout, &second) >= QNX6_WRONG_SUM)
		return true;
	snprintf(search->why, search->why_size,
		 "the volume has blocks of %u bytes, and super block 2 is not at byte %llu, where "
		 "it is expected then: how it is laid out is not understood, and it is left alone",
		 first->block_size, (unsigned long long)offset);
	return false;
}

static int nothing_found(struct search *search)
{
	char text[256];

	if (search->unreadable) {
		snprintf(search->why, search->why_size,
			 "the source cannot be read where super blocks are expected");
		return -EIO;
	}
	if (search->best > QNX6_NO_MAGIC)
		return -EINVAL;
	snprintf(text, sizeof(text), "%s", search->why);
	snprintf(
		search->why, search->why_size,
		"no QNX6 volume: %s; nor is there one at byte 0 or near the end; is this the right "
		"partition?",
		text);
	return -EINVAL;
}

int qnx6_super_find(struct qnx6_source *source, struct qnx6_super_pair *pair, char *why,
		    size_t why_size)
{
	struct search search = {.source = source, .pair = pair, .why = why, .why_size = why_size};

	memset(pair, 0, sizeof(*pair));
	if (!look_at_start(&search) && !look_by_boot_block(&search) && !look_at_end(&search))
		return nothing_found(&search);
	if (!fits(&search))
		return -EINVAL;
	choose(pair);
	return 0;
}
