/* SPDX-License-Identifier: BSD-3-Clause */
/* Pass 2, when all entries are known: what no name leads to, circles, and link counts. */
#include <sys/stat.h>

#include "internal.h"

static void report_orphan(struct check *check, uint32_t number, const struct inode_state *state)
{
	const struct place place = chk_at_inode(number);

	if (!state->links)
		chk_found(check, INODE_UNLINKED, &place,
			  "inode %u has no name and counts no links: it was removed while it was "
			  "open",
			  number);
	else
		chk_found(check, INODE_ORPHAN, &place,
			  "no name leads to inode %u, %s, which counts %u links", number,
			  state->flags & IS_DIR ? "a directory" : "a file", state->links);
}

/* A directory's own name, its ".", and ".." of each one in it. */
static void check_count(struct check *check, uint32_t number, const struct inode_state *state)
{
	bool is_dir = state->flags & IS_DIR;
	uint32_t expected = is_dir ? state->found + 2 : state->found;
	const struct place place = chk_at_inode(number);
	char path[PATH_TEXT];

	if (expected == state->links)
		return;
	if (!chk_is_reported(check, INODE_LINKS)) {
		chk_count(check, INODE_LINKS, 1);
		return;
	}
	chk_found(check, INODE_LINKS, &place, "%s (inode %u) counts %u links, but has %u",
		  chk_path_of(check, number, path), number, state->links, expected);
}

static void check_inode(struct check *check, uint32_t number)
{
	const struct inode_state *state = &check->inodes[number];

	if (!(state->flags & IS_LIVE))
		return;
	if (!state->parent && number != QNX6_ROOT_INODE)
		report_orphan(check, number, state);
	else if (state->parent) /* a root that is no directory has none */
		check_count(check, number, state);
}

/* Up from @number, until a way that was gone before, or its beginning. */
static void search_circle(struct check *check, uint32_t number)
{
	struct inode_state *inodes = check->inodes;
	uint32_t at = number;
	char path[PATH_TEXT];

	while (at && !(inodes[at].flags & (IS_REACHED | IS_ON_PATH))) {
		inodes[at].flags |= IS_ON_PATH;
		at = inodes[at].parent;
	}
	if (at && inodes[at].flags & IS_ON_PATH && !(inodes[at].flags & IS_REACHED)) {
		const struct place place = chk_at_inode(at);

		chk_found(check, DIR_LOOP, &place,
			  "directory %s (inode %u) is below itself, and not below the root",
			  chk_path_of(check, at, path), at);
	}
	/* whoever gets here later has nothing more to find */
	for (at = number; at && inodes[at].flags & IS_ON_PATH; at = inodes[at].parent)
		inodes[at].flags = (uint8_t)((inodes[at].flags & ~IS_ON_PATH) | IS_REACHED);
}

static void search_circles(struct check *check)
{
	for (uint32_t i = 1; i <= check->num_inodes && !check->is_stopped; i++)
		if ((check->inodes[i].flags & (IS_LIVE | IS_DIR | IS_REACHED)) ==
		    (IS_LIVE | IS_DIR))
			search_circle(check, i);
}

void chk_links(struct check *check)
{
	search_circles(check);
	if (check->unread)
		return;
	for (uint32_t i = 1; i <= check->num_inodes && !check->is_stopped; i++)
		check_inode(check, i);
}

void chk_tell_paths(struct check *check)
{
	unsigned left = QNX6_CHECK_REPORTS;
	char path[PATH_TEXT];

	for (uint32_t i = 1; i <= check->num_inodes && left && !check->is_stopped; i++)
		if (check->inodes[i].flags & IS_TOLD && check->inodes[i].parent) {
			chk_note(check, "inode %u is %s", i, chk_path_of(check, i, path));
			left--;
		}
}
