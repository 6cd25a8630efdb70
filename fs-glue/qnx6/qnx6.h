/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reader of QNX6 power-safe volumes over any source of bytes. It knows no FUSE and no device.
 *
 *   qnx6_open()         finds the super block that counts
 *   qnx6_node()         an inode: attributes, and where its data is
 *   qnx6_lookup()       a name in a directory
 *   qnx6_list()         all names in a directory
 *   qnx6_read()         data of a file, a symbolic link, a directory
 *   qnx6_close()
 *
 *   struct qnx6_volume *volume;
 *   struct qnx6_node root, file;
 *   char why[256];
 *
 *   if (qnx6_open(&volume, source, NULL, why, sizeof(why)) == 0 &&
 *       qnx6_node(volume, QNX6_ROOT_INODE, &root) == 0 &&
 *       qnx6_lookup(volume, &root, "readme", &number) == 0 &&
 *       qnx6_node(volume, number, &file) == 0)
 *           size = qnx6_read(volume, &file, 0, buffer, sizeof(buffer));
 *
 * The volume is not trusted: every number in it is checked before it is used, what does not fit
 * is -EIO for who asked, and the rest stays readable. No call takes longer, or more memory, than
 * what it was asked for justifies, whatever the volume says.
 *
 * Threads: any, several at once; all but open and close.
 *
 * Errors: 0, or a count, or a negative errno: -EIO for a damaged structure or a source that
 * cannot be read, -ENOENT, -ENOTDIR, -EISDIR, -EINVAL, -ENOMEM.
 */
#ifndef QNX6_H
#define QNX6_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "format.h"
#include "source.h"

struct qnx6_volume;

/* How the volume is laid out. */
enum qnx6_layout {
	QNX6_LAYOUT_BOOT,    /* with boot area: what QNX makes */
	QNX6_LAYOUT_NO_BOOT, /* super block 1 at the start */
	QNX6_LAYOUT_MMI,     /* the same, with the super block of Audi's MMI units */
};

struct qnx6_open_options {
	/*
	 * bytes of metadata that are kept at most; 0: 8 MiB. They come in pieces of 64 KiB: less
	 * keeps nothing, and each request is one of the source. The names of large directories
	 * that are looked into take up to 16 MiB more.
	 */
	size_t cache_size;
	/*
	 * Told what was found that is not as it should be, one sentence without a newline, at
	 * most 100 times; NULL: nobody. Any thread, several at once.
	 */
	void (*warn)(void *context, const char *text);
	void *context;
};

/**
 * qnx6_open - look for a volume in @source
 * @source: not owned; outlives the volume
 * @options: copied; NULL: the defaults
 *
 * One valid super block is enough; of two the one with the higher serial counts, and the first
 * of equals. When only the second one is, found near the end, what is there may be the remains of
 * a volume in whose place something else was made: who only guesses looks at is_valid[]. Returns 0;
 * -EINVAL when this is no QNX6 volume, or one that is not understood; -EIO, -ENOMEM; with one
 * sentence in @why.
 */
int qnx6_open(struct qnx6_volume **out, struct qnx6_source *source,
	      const struct qnx6_open_options *options, char *why, size_t why_size);
/* NULL is allowed. */
void qnx6_close(struct qnx6_volume *volume);

/* A root node or an inode's tree of blocks, as the volume says: unchecked. */
struct qnx6_tree {
	uint64_t size; /* bytes */
	uint32_t ptr[QNX6_POINTERS];
	unsigned levels;
};

/* What the super block that counts says; checked where a comment says so. */
struct qnx6_info {
	enum qnx6_layout layout;
	enum qnx6_order order;
	unsigned active;          /* 1 or 2: the super block that counts */
	bool is_valid[2];         /* both of them: magic, sum, and numbers that make sense */
	uint64_t super_offset[2]; /* bytes from the start of the source */
	uint64_t serial[2];       /* of the valid ones */
	uint64_t data_offset;     /* bytes from the start of the source: block 0 */
	uint32_t block_size;      /* a power of two, QNX6_BLOCK_MIN to QNX6_BLOCK_MAX */
	uint32_t num_blocks;      /* all of them lie within the source */
	uint32_t free_blocks;     /* at most num_blocks */
	uint32_t num_inodes;      /* at most as many as the inode table holds */
	uint32_t free_inodes;     /* at most num_inodes */
	uint32_t flags, alloc_groups, time; /* 0 for QNX6_LAYOUT_MMI, and the version too */
	uint16_t version_major, version_minor;
	uint8_t volume_id[16];
	struct qnx6_tree inodes, bitmap, long_names;
};

/* Lives as long as the volume. */
const struct qnx6_info *qnx6_info(const struct qnx6_volume *volume);

/* An inode. Plain data: the caller's own, to be copied and dropped at will. */
struct qnx6_node {
	uint32_t number;
	uint16_t mode;  /* as in struct stat */
	uint16_t links; /* as in the volume; 0 is possible in a damaged one */
	uint32_t uid, gid;
	uint32_t ftime, mtime, atime, ctime; /* seconds since 1970; ftime: creation */
	uint8_t status;
	struct qnx6_tree
		tree; /* levels at most QNX6_MAX_LEVELS; the size may be more than it holds */
};

/**
 * qnx6_node - read inode @number
 *
 * -ENOENT for a number that no inode has, or a free one; -EIO when the inode makes no sense: its
 * type, its levels, a size that struct stat cannot hold.
 */
int qnx6_node(struct qnx6_volume *volume, uint32_t number, struct qnx6_node *node);

/* The bytes that @node has blocks for, in units of 512 as in struct stat; an upper bound. */
uint64_t qnx6_node_blocks(const struct qnx6_volume *volume, const struct qnx6_node *node);

/* bytes; files of no more are read a good many at a time, and kept as metadata is */
#define QNX6_SMALL_FILE 16384u

/**
 * qnx6_read - up to @size bytes from @offset on
 *
 * Returns how many, less than @size at the end of the file only, 0 behind it. Holes read as
 * zeroes. -EIO when any of it cannot be read. Of a directory: its records.
 */
ssize_t qnx6_read(struct qnx6_volume *volume, const struct qnx6_node *node, uint64_t offset,
		  void *buffer, size_t size);

/* A name in a directory. */
struct qnx6_name {
	uint32_t inode;
	uint16_t length; /* 1..QNX6_LONG_NAME */
	char text[QNX6_LONG_NAME + 1];
};

/**
 * qnx6_list - names of directory @dir, "." and ".." among them
 * @position: 0, or what @each got with the last name that was taken; means nothing else
 * @each: returns false when it does not take the name, and no more are wanted. Not called for
 *        records that are free or damaged, which a warning is told of.
 *
 * Returns 0, when @each refused too; -ENOTDIR; -EIO when a block of the directory or a long name
 * cannot be read, after the names that can be, whatever call met it.
 *
 * "." and ".." are left out where the volume lacks them. A directory is believed to have no more
 * blocks than the volume, and no more than 1 GiB: the rest of a larger one counts as unreadable.
 */
int qnx6_list(struct qnx6_volume *volume, const struct qnx6_node *dir, uint64_t position,
	      bool (*each)(void *context, const struct qnx6_name *name, uint64_t next),
	      void *context);

/**
 * qnx6_lookup - the inode number of @name in @dir
 *
 * The first of equal ones, as qnx6_list() has them. A directory that lacks "." is its own, and so
 * is the root's "..". -ENOENT; -EIO when it is not among what can be read of the directory, which
 * is not all; -ENAMETOOLONG beyond QNX6_LONG_NAME; -ENOTDIR.
 */
int qnx6_lookup(struct qnx6_volume *volume, const struct qnx6_node *dir, const char *name,
		uint32_t *number);

/**
 * qnx6_map - which block of the volume holds block @index of @tree
 *
 * Returns 0 with a number below num_blocks, or QNX6_NO_BLOCK for a hole; -EIO when the volume
 * names a block that it does not have, or has no place for @index.
 */
int qnx6_map(struct qnx6_volume *volume, const struct qnx6_tree *tree, uint64_t index,
	     uint32_t *block);

/* Of one block of the volume; past the cache. @block below num_blocks. */
int qnx6_read_block(struct qnx6_volume *volume, uint32_t block, void *buffer);

#endif
