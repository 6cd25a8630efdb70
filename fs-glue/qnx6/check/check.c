/* SPDX-License-Identifier: BSD-3-Clause */
/* The passes, in order, and the memory that they need. */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

enum {
	TEXT_SIZE = 256,
};

static bool alloc_maps(struct check *check)
{
	check->map_size = (size_t)check->info->num_blocks / 8 + 1;
	check->used = calloc(1, check->map_size);
	check->again = calloc(1, check->map_size);
	check->table = calloc(1, check->map_size);
	check->marked = calloc(1, check->map_size);
	return check->used && check->again && check->table && check->marked;
}

static bool alloc_blocks(struct check *check)
{
	size_t size = check->info->block_size;

	check->pointers[0] = malloc(size * QNX6_MAX_LEVELS);
	check->pointers[1] = malloc(size * QNX6_MAX_LEVELS);
	check->records = malloc(size);
	check->contents = malloc(size);
	return check->pointers[0] && check->pointers[1] && check->records && check->contents;
}

/* Whatever the super block says, an inode takes its place in the volume. */
static bool alloc_inodes(struct check *check)
{
	const struct qnx6_info *info = check->info;
	uint64_t room = (uint64_t)info->num_blocks * (info->block_size / sizeof(struct qnx6_inode));

	room = room < UINT32_MAX ? room : UINT32_MAX - 1; /* they are counted from 1 */
	check->num_inodes = info->num_inodes < room ? info->num_inodes : (uint32_t)room;
	check->inodes = calloc((size_t)check->num_inodes + 1, sizeof(*check->inodes));
	return check->inodes;
}

static bool alloc_all(struct check *check)
{
	check->pointer_bits =
		(unsigned)__builtin_ctz(check->info->block_size / (unsigned)sizeof(qnx6_u32));
	return alloc_maps(check) && alloc_blocks(check) && alloc_inodes(check);
}

static void free_all(struct check *check)
{
	free(check->used);
	free(check->again);
	free(check->table);
	free(check->marked);
	free(check->pointers[0]);
	free(check->pointers[1]);
	free(check->records);
	free(check->contents);
	free(check->inodes);
}

static uint32_t count_bits(const uint8_t *map, size_t size)
{
	uint32_t count = 0;

	while (size--)
		count += (uint32_t)__builtin_popcount(*map++);
	return count;
}

static void pass1(struct check *check)
{
	chk_note(check, "Pass 1: bitmap and inodes");
	chk_claim_roots(check);
	chk_inodes(check);
	chk_report_twice(check);
	chk_bitmap(check);
	check->result->used_blocks = count_bits(check->used, check->map_size);
}

static void pass2(struct check *check)
{
	chk_note(check, "Pass 2: directories");
	check->has_paths = true;
	chk_directories(check);
	chk_links(check);
}

static void summarise(struct check *check)
{
	if (check->unread)
		chk_note(check, "What cannot be read leaves open which blocks and inodes are lost: "
				"that was not checked.");
	chk_tell_paths(check);
	chk_report_rest(check);
}

static int run(struct check *check)
{
	struct qnx6_check_result *result = check->result;

	result->num_blocks = check->info->num_blocks;
	result->num_inodes = check->info->num_inodes;
	if (!chk_supers(check))
		return 0;
	if (!alloc_all(check))
		return -ENOMEM;
	pass1(check);
	pass2(check);
	summarise(check);
	result->is_finished = !check->is_stopped && !check->is_out_of_memory;
	return check->is_out_of_memory ? -ENOMEM : 0;
}

static int open_volume(struct check *check)
{
	char why[TEXT_SIZE];
	int error = qnx6_open(&check->volume, check->source, NULL, why, sizeof(why));

	if (error == -ENOMEM)
		return error;
	if (error)
		chk_found(check, SUPER_NONE, NULL, "%s", why);
	else
		check->info = qnx6_info(check->volume);
	return 0;
}

int qnx6_check(struct qnx6_source *source, const struct qnx6_check_options *options,
	       struct qnx6_check_result *result)
{
	struct check *check = calloc(1, sizeof(*check));
	int error;

	*result = (struct qnx6_check_result){0};
	if (!check)
		return -ENOMEM;
	check->source = source;
	check->options = options;
	check->result = result;
	chk_note(check, "Prelude: super blocks");
	error = open_volume(check);
	if (!error && check->volume)
		error = run(check);
	if (!error && check->is_stopped)
		error = -ECANCELED;
	free_all(check);
	qnx6_close(check->volume);
	free(check);
	return error;
}
