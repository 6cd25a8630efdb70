/* SPDX-License-Identifier: BSD-3-Clause */
#include "volume.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "super.h"

#define CACHE_SIZE ((size_t)8 << 20)

/* 0x1 was seen in a volume that was mounted with sync=optional */
#define KNOWN_FLAGS (QNX6_FLAG_LONG_NAME_SUMS | 0x1u)

void qnx6_warn(struct qnx6_volume *volume, const char *format, ...)
{
	char text[256];
	va_list args;

	if (!volume->options.warn ||
	    atomic_load_explicit(&volume->warnings, memory_order_relaxed) >= QNX6_WARNINGS ||
	    atomic_fetch_add_explicit(&volume->warnings, 1, memory_order_relaxed) >= QNX6_WARNINGS)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	volume->options.warn(volume->options.context, text);
}

static unsigned bits_of(uint32_t power_of_two)
{
	return (unsigned)__builtin_ctz(power_of_two);
}

static uint32_t at_most(struct qnx6_volume *volume, const char *name, uint32_t value, uint64_t most)
{
	if (value <= most)
		return value;
	qnx6_warn(volume, "the super block says %u %s, which cannot be more than %llu here", value,
		  name, (unsigned long long)most);
	return (uint32_t)most;
}

static void take_numbers(struct qnx6_volume *volume, const struct qnx6_super_view *super)
{
	struct qnx6_info *info = &volume->info;

	info->layout = super->layout;
	info->order = super->order;
	info->data_offset = qnx6_data_offset(super->layout, super->block_size);
	info->block_size = super->block_size;
	info->num_blocks = super->num_blocks;
	info->free_blocks = at_most(volume, "free blocks", super->free_blocks, super->num_blocks);
	info->num_inodes = at_most(volume, "inodes", super->num_inodes,
				   super->inodes.size / sizeof(struct qnx6_inode));
	info->free_inodes = at_most(volume, "free inodes", super->free_inodes, info->num_inodes);
	volume->block_bits = bits_of(info->block_size);
	volume->pointer_bits = bits_of(info->block_size / (uint32_t)sizeof(qnx6_u32));
}

static void take_rest(struct qnx6_info *info, const struct qnx6_super_view *super)
{
	info->flags = super->flags;
	info->alloc_groups = super->alloc_groups;
	info->time = super->time;
	info->version_major = super->version_major;
	info->version_minor = super->version_minor;
	memcpy(info->volume_id, super->volume_id, sizeof(info->volume_id));
	info->inodes = super->inodes;
	info->bitmap = super->bitmap;
	info->long_names = super->long_names;
}

static void take_pair(struct qnx6_info *info, const struct qnx6_super_pair *pair)
{
	const struct qnx6_super_view *active = &pair->super[pair->active];

	info->active = pair->active + 1;
	info->super_offset[0] = qnx6_super1_offset(active->layout);
	info->super_offset[1] = qnx6_super2_offset(active);
	for (unsigned i = 0; i < 2; i++) {
		info->is_valid[i] = pair->is_valid[i];
		info->serial[i] = pair->is_valid[i] ? pair->super[i].serial : 0;
	}
}

/* Power may have failed while it was written: that is what there are two for. */
static void tell_of_pair(struct qnx6_volume *volume, const struct qnx6_super_pair *pair)
{
	const struct qnx6_super_view *first = &pair->super[0], *second = &pair->super[1];

	for (unsigned i = 0; i < 2; i++) {
		if (!pair->is_valid[i])
			qnx6_warn(volume,
				  "super block %u, at byte %llu, is not valid; the other one, of "
				  "serial %llu, is used",
				  i + 1, (unsigned long long)volume->info.super_offset[i],
				  (unsigned long long)volume->info.serial[!i]);
	}
	if (pair->is_valid[0] && pair->is_valid[1] &&
	    (first->block_size != second->block_size || first->num_blocks != second->num_blocks))
		qnx6_warn(volume,
			  "the super blocks tell of different volumes, %u blocks of %u bytes and "
			  "%u of %u; the newer one, %u, is used",
			  first->num_blocks, first->block_size, second->num_blocks,
			  second->block_size, volume->info.active);
}

static void tell_of_unknown(struct qnx6_volume *volume, const struct qnx6_super_view *super)
{
	if (super->layout != QNX6_LAYOUT_MMI && (super->version_major != QNX6_VERSION_MAJOR ||
						 super->version_minor != QNX6_VERSION_MINOR))
		qnx6_warn(volume, "the volume is of version %u.%u; it is read as if it was %d.%d",
			  super->version_major, super->version_minor, QNX6_VERSION_MAJOR,
			  QNX6_VERSION_MINOR);
	if (super->flags & ~KNOWN_FLAGS)
		qnx6_warn(volume, "flags 0x%x of the super block are not known, and ignored",
			  super->flags & ~KNOWN_FLAGS);
	for (unsigned i = 0; i < 2; i++) {
		if (super->unused[i])
			qnx6_warn(volume,
				  "root node %u of the super block, expected to be empty, has "
				  "%llu bytes; it is ignored",
				  i + 4, (unsigned long long)super->unused[i]);
	}
}

static int make_stores(struct qnx6_volume *volume)
{
	const struct qnx6_info *info = &volume->info;
	size_t limit = volume->options.cache_size ? volume->options.cache_size : CACHE_SIZE;
	int error;

	error = qnx6_cache_open(&volume->cache, volume->source, info->data_offset,
				(uint64_t)info->num_blocks << volume->block_bits, limit);
	return error ? error : qnx6_indexes_open(&volume->indexes);
}

static struct qnx6_volume *make_volume(struct qnx6_source *source,
				       const struct qnx6_open_options *options,
				       const struct qnx6_super_pair *pair)
{
	struct qnx6_volume *volume = calloc(1, sizeof(*volume));

	if (!volume)
		return NULL;
	volume->source = source;
	if (options)
		volume->options = *options;
	atomic_flag_clear(&volume->told_of_spare);
	take_pair(&volume->info, pair);
	take_numbers(volume, &pair->super[pair->active]);
	take_rest(&volume->info, &pair->super[pair->active]);
	if (!make_stores(volume))
		return volume;
	qnx6_close(volume);
	return NULL;
}

int qnx6_open(struct qnx6_volume **out, struct qnx6_source *source,
	      const struct qnx6_open_options *options, char *why, size_t why_size)
{
	struct qnx6_super_pair pair;
	int error;

	error = qnx6_super_find(source, &pair, why, why_size);
	if (error)
		return error;
	*out = make_volume(source, options, &pair);
	if (!*out) {
		snprintf(why, why_size, "there is not enough memory");
		return -ENOMEM;
	}
	tell_of_pair(*out, &pair);
	tell_of_unknown(*out, &pair.super[pair.active]);
	return 0;
}

void qnx6_close(struct qnx6_volume *volume)
{
	if (!volume)
		return;
	qnx6_indexes_close(volume->indexes);
	qnx6_cache_close(volume->cache);
	free(volume);
}

const struct qnx6_info *qnx6_info(const struct qnx6_volume *volume)
{
	return &volume->info;
}
