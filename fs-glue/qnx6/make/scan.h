/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the volume is to hold, as the directory shows it: every inode once, in the order of its
 * number, and every directory's sorted names. Contents are not read here, but where the holes of
 * sparse files are. Of the format nothing is known here but what it can hold.
 *
 * Inodes are numbered directory by directory, so that the contents too can be read directory by
 * directory, and each is opened relative to its own.
 */
#ifndef SCAN_H
#define SCAN_H

#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "make.h"

struct mk_node;

struct mk_name {
	const struct mk_node *node;
	char *text; /* owned */
};

/* Bytes of a sparse file that are not a hole. */
struct mk_extent {
	uint64_t start;
	uint64_t end;
};

struct mk_node {
	uint32_t number;
	uint32_t parent; /* the directory with its first name */
	uint32_t depth;  /* below the root directory */
	uint32_t links;
	uint32_t uid, gid, ftime, mtime, atime, ctime;
	mode_t mode;
	uint64_t size;             /* not of directories: their layout decides */
	const char *name;          /* the first one, to open it by; NULL: the root */
	bool in_dir;               /* the source directory has it */
	bool sparse;               /* and so it has extents */
	uint32_t num_names;        /* of a directory; without "." and ".." */
	uint32_t num_extents;      /* of a sparse file */
	struct mk_name *names;     /* owned */
	struct mk_extent *extents; /* owned */
	dev_t host_device;
	ino_t host_inode;
	struct timespec host_mtime, host_ctime;
};

struct mk_scan {
	const struct mk_options *opt;
	struct mk_node **nodes; /* inode N is nodes[N - 1] */
	uint32_t count;
	uint32_t room;
	uint32_t num_long_names;
	void *linked;            /* nodes with more than one name, by host inode */
	const struct stat *host; /* NULL: there is no file yet */
};

/*
 * Reads the tree opt->dir; without one, there is an empty root directory. @host, if there is one,
 * must not be found in the tree. Either way the scan is to be freed.
 */
int mk_scan_read(struct mk_scan *scan, const struct mk_options *opt, const struct stat *host);
void mk_scan_free(struct mk_scan *scan);

/* The source directory itself, or one below it. Returns a file descriptor, or -1 after mk_fail().
 */
int mk_scan_open_dir(const struct mk_scan *scan, const struct mk_node *dir);

/* For messages; valid until the next call. */
const char *mk_scan_path(const struct mk_scan *scan, const struct mk_node *dir, const char *name);
const char *mk_scan_node_path(const struct mk_scan *scan, const struct mk_node *node);

/* The parts of the scan. */

/* Appends a node without a name. NULL after mk_fail(). */
struct mk_node *mk_scan_add_node(struct mk_scan *scan, mode_t mode);
/* Makes @node what the source shows. */
void mk_scan_describe(const struct mk_scan *scan, struct mk_node *node, const struct stat *st);
/* Takes @text in any case. Gives both their links. */
int mk_scan_add_name(struct mk_scan *scan, struct mk_node *dir, struct mk_node *node, char *text);
/* Reads the names in @dir, and adds what they stand for. */
int mk_scan_dir(struct mk_scan *scan, struct mk_node *dir);

#endif
