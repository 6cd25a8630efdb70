/* SPDX-License-Identifier: BSD-3-Clause */
#include "scan.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* What every volume has: the root directory and, in it, the directory of boot images. */
static int add_fixed_nodes(struct mk_scan *scan)
{
	struct mk_node *root = mk_scan_add_node(scan, S_IFDIR | 0775);
	struct mk_node *boot = root ? mk_scan_add_node(scan, S_IFDIR | 0700) : NULL;
	char *name;

	if (!boot)
		return -1;
	name = strdup(".boot");
	if (!name)
		return mk_fail("out of memory");
	root->links = 2;
	root->parent = root->number;
	return mk_scan_add_name(scan, root, boot, name);
}

static int describe_root(const struct mk_scan *scan)
{
	const char *dir = scan->opt->dir;
	struct stat st;

	if (stat(dir, &st))
		return mk_fail("cannot read %s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return mk_fail("%s is not a directory to fill a volume from", dir);
	mk_scan_describe(scan, scan->nodes[QNX6_ROOT_INODE - 1], &st);
	return 0;
}

/* Each directory is read when its turn comes, and so the list grows while it is gone through. */
static int read_dirs(struct mk_scan *scan)
{
	for (uint32_t i = 0; i < scan->count; i++) {
		struct mk_node *node = scan->nodes[i];

		if (S_ISDIR(node->mode) && node->in_dir && mk_scan_dir(scan, node))
			return -1;
	}
	return 0;
}

static void apply_root_options(const struct mk_scan *scan)
{
	const struct mk_options *opt = scan->opt;
	struct mk_node *root = scan->nodes[QNX6_ROOT_INODE - 1];

	if (opt->has_root_mode)
		root->mode = S_IFDIR | opt->root_mode;
	if (opt->has_root_uid)
		root->uid = opt->root_uid;
	if (opt->has_root_gid)
		root->gid = opt->root_gid;
}

int mk_scan_read(struct mk_scan *scan, const struct mk_options *opt, const struct stat *host)
{
	*scan = (struct mk_scan){.opt = opt, .host = host};
	if (add_fixed_nodes(scan))
		return -1;
	if (opt->dir && (describe_root(scan) || read_dirs(scan)))
		return -1;
	apply_root_options(scan);
	return 0;
}

static void free_node(struct mk_node *node)
{
	for (uint32_t i = 0; i < node->num_names; i++)
		free(node->names[i].text);
	free(node->names);
	free(node->extents);
	free(node);
}

static void keep_node(void *node)
{
	(void)node;
}

void mk_scan_free(struct mk_scan *scan)
{
	tdestroy(scan->linked, keep_node);
	while (scan->count)
		free_node(scan->nodes[--scan->count]);
	free(scan->nodes);
}
