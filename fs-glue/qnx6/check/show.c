/* SPDX-License-Identifier: BSD-3-Clause */
/* A super block for people to read. */
#include "show.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "super.h"

static void show_time(uint32_t seconds)
{
	time_t time = seconds;
	struct tm tm;
	char text[64];

	if (gmtime_r(&time, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		printf("  made            %s\n", text);
}

static void show_id(const uint8_t id[16])
{
	printf("  volume id       ");
	for (unsigned i = 0; i < 16; i++)
		printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
	putchar('\n');
}

static void show_tree(const char *name, const struct qnx6_tree *tree)
{
	printf("  %-15s %ju bytes, %u levels of pointers, blocks", name, (uintmax_t)tree->size,
	       tree->levels);
	for (unsigned i = 0; i < QNX6_POINTERS; i++)
		if (tree->ptr[i] != QNX6_NO_BLOCK)
			printf(" %u", tree->ptr[i]);
	putchar('\n');
}

static void show_more(const struct qnx6_super_view *super)
{
	printf("  version         %u.%u\n", super->version_major, super->version_minor);
	printf("  flags           0x%x\n", super->flags);
	show_time(super->time);
}

static void show_most(const struct qnx6_super_view *super)
{
	show_id(super->volume_id);
	printf("  groups          %u\n", super->alloc_groups);
	show_tree("inode table", &super->inodes);
	show_tree("bitmap", &super->bitmap);
	show_tree("long names", &super->long_names);
	printf("  other trees     %ju and %ju bytes\n", (uintmax_t)super->unused[0],
	       (uintmax_t)super->unused[1]);
}

static void show(const struct qnx6_super_view *super, unsigned which, bool is_active,
		 unsigned verbosity)
{
	printf("Super block %u, at byte %ju%s\n", which, (uintmax_t)super->offset,
	       is_active ? ", which counts" : "");
	printf("  serial          %ju\n", (uintmax_t)super->serial);
	printf("  byte order      %s-endian\n", super->order == QNX6_BIG ? "big" : "little");
	printf("  blocks          %u of %u bytes, %u free\n", super->num_blocks, super->block_size,
	       super->free_blocks);
	printf("  inodes          %u, %u free\n", super->num_inodes, super->free_inodes);
	if (verbosity > 0)
		show_more(super);
	if (verbosity > 1)
		show_most(super);
}

int show_super(struct qnx6_source *source, unsigned which, unsigned verbosity, char *why,
	       size_t why_size)
{
	struct qnx6_super_pair pair;
	struct qnx6_super_view super;
	const struct qnx6_super_view *active = &pair.super[0];
	int error = qnx6_super_find(source, &pair, why, why_size);
	uint64_t offset;

	if (error)
		return error;
	active = &pair.super[pair.active];
	if (which == SHOW_ACTIVE)
		which = pair.active;
	offset = which ? qnx6_super2_offset(active) : qnx6_super1_offset(active->layout);
	if (qnx6_super_read(source, offset, active->layout, &super, why, why_size) != QNX6_VALID)
		return -EINVAL;
	show(&super, which, which == pair.active, verbosity);
	return 0;
}
