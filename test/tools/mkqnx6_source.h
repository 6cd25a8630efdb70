/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the volume is to hold, as the source tree shows it: every file system object once, in the
 * order of its inode number, and every directory's list of names. File contents are not read here.
 * Nothing of the disk format is known here except which names and kinds of file it can hold.
 */
#ifndef MKQNX6_SOURCE_H
#define MKQNX6_SOURCE_H

#include <stdint.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "mkqnx6.h"

struct source_node;

struct source_name {
	STAILQ_ENTRY(source_name) next;
	const struct source_node *node;
	char text[];
};

STAILQ_HEAD(source_names, source_name);

struct source_node {
	char *path; /* to read the contents from; NULL: a directory that DIR does not have */
	uint32_t number;
	uint32_t links;
	mode_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t mtime;
	uint64_t size; /* not for directories: their layout decides */
	dev_t host_device;
	ino_t host_inode;
	struct source_names names; /* the rest is for directories; without "." and ".." */
	uint32_t num_names;
	uint32_t parent;
};

struct source {
	struct source_node **nodes; /* inode N is nodes[N - 1] */
	uint32_t count;
	uint32_t room;
	uint32_t num_long_names;
	void *linked; /* nodes with more than one name, by host inode */
	struct stat image;
};

/*
 * Reads the tree opt->dir, sorted by name; without one, the source is an empty root directory.
 * Returns 0, or -1 after fail(). Either way the source is to be freed.
 */
int source_read(struct source *source, const struct options *opt);
void source_free(struct source *source);

#endif
