/* SPDX-License-Identifier: BSD-3-Clause */
#include "mkqnx6_source.h"

#include <errno.h>
#include <fts.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BOOT_NAME ".boot"

static bool is_long(const char *name)
{
	return strlen(name) > QNX6_SHORT_NAME;
}

static int make_room(struct source *source)
{
	uint32_t room = source->room ? source->room * 2 : 64;
	struct source_node **nodes;

	if (source->count < source->room)
		return 0;
	nodes = reallocarray(source->nodes, room, sizeof(struct source_node *));
	if (!nodes)
		return fail("out of memory after %u files", source->count);
	source->nodes = nodes;
	source->room = room;
	return 0;
}

/* A node without a name yet; NULL after fail(). */
static struct source_node *add_node(struct source *source, mode_t mode)
{
	struct source_node *node;

	if (make_room(source))
		return NULL;
	node = calloc(1, sizeof(*node));
	if (!node) {
		fail("out of memory after %u files", source->count);
		return NULL;
	}
	STAILQ_INIT(&node->names);
	node->mode = mode;
	source->nodes[source->count++] = node;
	node->number = source->count;
	return node;
}

/* Gives a node a name in a directory, and both their links. */
static int add_name(struct source *source, struct source_node *dir, struct source_node *node,
		    const char *text)
{
	size_t length = strlen(text);
	struct source_name *name = malloc(sizeof(*name) + length + 1);

	if (!name)
		return fail("out of memory after %u files", source->count);
	memcpy(name->text, text, length + 1);
	name->node = node;
	STAILQ_INSERT_TAIL(&dir->names, name, next);
	dir->num_names++;
	source->num_long_names += is_long(text);
	node->links++;
	if (S_ISDIR(node->mode)) {
		node->links++; /* its "." */
		node->parent = dir->number;
		dir->links++;
	}
	if (dir->links > UINT16_MAX || node->links > UINT16_MAX)
		return fail("\"%s\" makes more links than QNX6 can count", text);
	return 0;
}

/* What every volume has: the root directory and, in it, the directory of boot images. */
static int add_fixed_nodes(struct source *source, uint32_t now)
{
	struct source_node *root = add_node(source, S_IFDIR | 0775);
	struct source_node *boot = root ? add_node(source, S_IFDIR | 0700) : NULL;

	if (!boot)
		return -1;
	root->links = 2;
	root->parent = root->number;
	root->mtime = boot->mtime = now;
	return add_name(source, root, boot, BOOT_NAME);
}

/* QNX6 forbids control characters and 0xff. */
static int check_name(const FTSENT *file)
{
	const unsigned char *c;

	for (c = (const unsigned char *)file->fts_name; *c; c++)
		if (*c < 0x20 || *c == 0x7f || *c == 0xff)
			return fail("the name of %s has a byte 0x%02x, which QNX6 forbids",
				    file->fts_path, *c);
	if (file->fts_namelen > QNX6_LONG_NAME)
		return fail("the name of %s is longer than %d bytes", file->fts_path,
			    QNX6_LONG_NAME);
	return 0;
}

static int check_file(const struct source *source, const FTSENT *file)
{
	const struct stat *st = file->fts_statp;

	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		return fail("%s is a device, and QNX6 has none", file->fts_path);
	if (st->st_mtime < 0 || st->st_mtime > UINT32_MAX)
		return fail("%s was modified at a time outside 1970 to 2106", file->fts_path);
	if (S_ISREG(st->st_mode) && st->st_dev == source->image.st_dev &&
	    st->st_ino == source->image.st_ino)
		return fail("the image %s lies inside the tree it would be filled from",
			    file->fts_path);
	return file->fts_level > FTS_ROOTLEVEL ? check_name(file) : 0;
}

static int describe(struct source_node *node, const FTSENT *file)
{
	const struct stat *st = file->fts_statp;

	node->path = strdup(file->fts_path);
	if (!node->path)
		return fail("out of memory at %s", file->fts_path);
	node->mode = st->st_mode;
	node->uid = st->st_uid;
	node->gid = st->st_gid;
	node->mtime = (uint32_t)st->st_mtime;
	if (S_ISREG(st->st_mode) || S_ISLNK(st->st_mode))
		node->size = (uint64_t)st->st_size;
	node->host_device = st->st_dev;
	node->host_inode = st->st_ino;
	return 0;
}

static int compare_hosts(const void *a, const void *b)
{
	const struct source_node *x = a, *y = b;

	if (x->host_device != y->host_device)
		return x->host_device < y->host_device ? -1 : 1;
	if (x->host_inode != y->host_inode)
		return x->host_inode < y->host_inode ? -1 : 1;
	return 0;
}

static struct source_node *find_linked(const struct source *source, const struct stat *st)
{
	struct source_node key = {.host_device = st->st_dev, .host_inode = st->st_ino};
	struct source_node *const *found = tfind(&key, &source->linked, compare_hosts);

	return found ? *found : NULL;
}

static int add_file(struct source *source, const FTSENT *file)
{
	struct source_node *dir = file->fts_parent->fts_pointer;
	const struct stat *st = file->fts_statp;
	bool linked = !S_ISDIR(st->st_mode) && st->st_nlink > 1;
	struct source_node *node = linked ? find_linked(source, st) : NULL;

	if (!node) {
		node = add_node(source, st->st_mode);
		if (!node || describe(node, file))
			return -1;
		if (linked && !tsearch(node, &source->linked, compare_hosts))
			return fail("out of memory at %s", file->fts_path);
	}
	return add_name(source, dir, node, file->fts_name);
}

static struct source_node *fixed_node(const struct source *source, const FTSENT *file)
{
	if (file->fts_level == FTS_ROOTLEVEL)
		return source->nodes[QNX6_ROOT_INODE - 1];
	if (file->fts_level == FTS_ROOTLEVEL + 1 && !strcmp(file->fts_name, BOOT_NAME))
		return source->nodes[QNX6_BOOT_INODE - 1];
	return NULL;
}

static int visit(struct source *source, FTSENT *file)
{
	struct source_node *fixed = fixed_node(source, file);

	if (check_file(source, file))
		return -1;
	if (fixed && !S_ISDIR(file->fts_statp->st_mode))
		return fail("%s is not a directory", file->fts_path);
	if (fixed ? describe(fixed, file) : add_file(source, file))
		return -1;
	if (file->fts_info == FTS_D)
		file->fts_pointer = fixed ? fixed : source->nodes[source->count - 1];
	return 0;
}

static int visit_or_explain(struct source *source, FTSENT *file)
{
	switch (file->fts_info) {
	case FTS_DP:
		return 0;
	case FTS_D:
	case FTS_F:
	case FTS_SL:
	case FTS_SLNONE:
	case FTS_DEFAULT:
		return visit(source, file);
	case FTS_DC:
		return fail("the directory %s contains itself", file->fts_path);
	default:
		return fail("cannot read %s: %s", file->fts_path, strerror(file->fts_errno));
	}
}

static int compare_names(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int walk(struct source *source, char *dir)
{
	char *const roots[] = {dir, NULL};
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, compare_names);
	FTSENT *file;
	int failed = 0;

	if (!fts)
		return fail("cannot read %s: %s", dir, strerror(errno));
	while (!failed && (errno = 0, file = fts_read(fts)))
		failed = visit_or_explain(source, file);
	if (!failed && errno)
		failed = fail("cannot read %s: %s", dir, strerror(errno));
	fts_close(fts);
	return failed;
}

int source_read(struct source *source, const struct options *opt)
{
	*source = (struct source){0};
	if (stat(opt->image, &source->image) && errno != ENOENT)
		return fail("cannot use %s: %s", opt->image, strerror(errno));
	if (add_fixed_nodes(source, opt->time))
		return -1;
	return opt->dir ? walk(source, opt->dir) : 0;
}

static void free_node(struct source_node *node)
{
	struct source_name *name;

	while ((name = STAILQ_FIRST(&node->names))) {
		STAILQ_REMOVE_HEAD(&node->names, next);
		free(name);
	}
	free(node->path);
	free(node);
}

static void keep_node(void *node)
{
	(void)node;
}

void source_free(struct source *source)
{
	tdestroy(source->linked, keep_node);
	while (source->count)
		free_node(source->nodes[--source->count]);
	free(source->nodes);
}
