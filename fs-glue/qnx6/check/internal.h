/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the check share. One thread, one struct check. */
#ifndef QNX6_CHECK_INTERNAL_H
#define QNX6_CHECK_INTERNAL_H

#include "qnx6_check.h"
#include "super.h"

#define NO_OFFSET UINT64_MAX
#define PATH_TEXT 512 /* bytes */

enum kind {
	SUPER_NONE,
	SUPER_MAGIC,
	SUPER_SUM,
	SUPER_NUMBERS,
	SUPER_DIFFER,
	SUPER_ID,
	SUPER_SERIAL,
	SUPER_FLAGS,
	SUPER_VERSION,
	SUPER_SPARE,
	SUPER_TREES,
	ROOT_SIZE,
	READ_ERROR,
	TREE_LEVELS,
	TREE_SIZE,
	TREE_POINTER,
	TREE_HOLE,
	TREE_BEYOND,
	BLOCK_TWICE,
	BLOCK_FREE,
	BLOCK_LOST,
	BITMAP_PADDING,
	SYSTEM_FREE,
	SYSTEM_OUTSIDE,
	SYSTEM_INSIDE,
	COUNT_BLOCKS,
	COUNT_INODES,
	INODE_STATUS,
	INODE_TYPE,
	INODE_DEVICE,
	INODE_SPARE,
	INODE_SYMLINK,
	INODE_DIR_SIZE,
	INODE_SPECIAL,
	INODE_ROOT,
	INODE_ORPHAN,
	INODE_UNLINKED,
	INODE_LINKS,
	DIR_DOT,
	DIR_DOTDOT,
	DIR_LINKED,
	DIR_LOOP,
	ENTRY_LENGTH,
	ENTRY_EMPTY,
	ENTRY_RANGE,
	ENTRY_FREE,
	NAME_BYTES,
	NAME_TWICE,
	LONG_INDEX,
	LONG_LENGTH,
	LONG_SUM,
	LONG_SHARED,
	NUM_KINDS
};

struct place {
	uint32_t inode;
	uint32_t block;
	uint64_t offset;
};

enum {
	IS_LIVE = 1, /* in use, as its inode says */
	IS_READ = 2, /* its inode could be read */
	IS_DIR = 4,
	IS_SCANNED = 8,  /* a directory: its entries were looked at */
	IS_REACHED = 16, /* a directory: from the root */
	IS_ON_PATH = 32, /* of the search for loops */
	IS_TOLD = 64,    /* a finding names it by number alone */
};

/* What is remembered of an inode. */
struct inode_state {
	uint32_t parent; /* the first directory that names it; 0: none yet */
	uint32_t record; /* its entry in there */
	uint32_t next;   /* directory that waits for its scan behind this one; 0: none */
	uint32_t found;  /* entries that name it; of a directory: directories in it */
	uint16_t links;  /* as its inode says */
	uint8_t flags;
};

/* A block that a second tree claims; who has the first is found out later. */
struct owner {
	uint32_t inode;   /* 0: one of the volume's own files */
	const char *root; /* its name, then */
};

struct twice {
	uint32_t block;
	struct owner first, second;
};

struct check {
	struct qnx6_source *source;
	const struct qnx6_check_options *options;
	struct qnx6_check_result *result;
	struct qnx6_volume *volume;
	const struct qnx6_info *info;
	bool is_stopped;
	bool is_out_of_memory;
	bool has_paths;  /* the directories are known */
	uint64_t unread; /* pieces of metadata that could not be read */
	uint64_t count[NUM_KINDS];

	struct qnx6_super_view supers[2];
	const struct qnx6_super_view *super; /* the one that counts */
	struct qnx6_tree unused4, unused5;
	uint32_t num_inodes;    /* no more than the volume has room for */
	unsigned pointer_bits;  /* log2 of the pointers in a block */
	uint32_t system_blocks; /* the first ones, with which the volume's own files alternate */
	bool has_system_rules;  /* and nothing else may use them */

	/* one bit each, the lowest of a byte first, as in the volume's bitmap */
	uint8_t *used;   /* by pass 1: some tree has this block */
	uint8_t *again;  /* walked already, in a later walk */
	uint8_t *table;  /* the same of the inode table, which others are nested in */
	size_t map_size; /* bytes of each */
	uint8_t *marked; /* pass 1: in check->twice; pass 2: a long name that some entry has */
	struct inode_state *inodes; /* of inode N: inodes[N] */
	struct twice twice[QNX6_CHECK_REPORTS];
	uint64_t num_twice;

	/* blocks of pointers, QNX6_MAX_LEVELS for each of two nested walks; and one of contents */
	uint8_t *pointers[2];
	uint8_t *records, *contents;

	uint32_t first_waiting, last_waiting; /* directories */
	char owner_buffer[64];
	char entry_buffer[3 * PATH_TEXT];
};

/* report.c */
void chk_found(struct check *check, enum kind kind, const struct place *place, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));
void chk_note(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Findings that are only counted. */
void chk_count(struct check *check, enum kind kind, uint64_t more);
/* Whether one more would be reported, and not only counted. */
bool chk_is_reported(const struct check *check, enum kind kind);
/* Says how many findings were not reported. */
void chk_report_rest(struct check *check);
struct place chk_at_inode(uint32_t inode);
/* @byte of @block. */
struct place chk_at_block(const struct check *check, uint32_t inode, uint32_t block, size_t byte);
/* Reads, and reports when that fails; @block below num_blocks. */
bool chk_read_block(struct check *check, uint32_t inode, uint32_t block, void *buffer);

/* super.c: false when there is nothing to go on with */
bool chk_supers(struct check *check);

/* walk.c */
static inline bool has_bit(const uint8_t *map, uint32_t bit)
{
	return map[bit / 8] >> bit % 8 & 1;
}

static inline void set_bit(uint8_t *map, uint32_t bit)
{
	map[bit / 8] = (uint8_t)(map[bit / 8] | 1u << bit % 8);
}

/*
 * A walk over the blocks of one tree. A block that @seen has is not walked again, so that no
 * damage makes it longer than the volume.
 */
struct walk {
	struct check *check;
	const struct qnx6_tree *tree;
	struct owner owner;
	uint8_t *seen;
	bool is_first; /* the one that reports what is wrong with the tree */
	bool takes_holes;
	bool is_system;   /* of the files that the system area is for */
	unsigned nesting; /* which of check->pointers */
	/* each block of contents once; NULL: nobody cares */
	void (*leaf)(struct walk *walk, uint64_t index, uint32_t block);
	/* a block that @seen has, or has now; NULL: nobody cares */
	void (*visit)(struct walk *walk, uint32_t block, bool is_new);
	void *context;

	/* the walk's own */
	uint64_t needed; /* blocks of contents that the size asks for */
	uint64_t holes, beyond, misplaced;
	uint32_t first_beyond, first_misplaced;
	uint32_t from; /* block of pointers; QNX6_NO_BLOCK: in the inode or the super block */
};

void chk_walk_tree(struct walk *walk);
/* Bitmap and inode table with their second places. */
uint32_t chk_system_area(const struct check *check);
const char *chk_owner_text(const struct owner *owner, char *buffer, size_t size);

/* blocks.c */
void chk_claim_roots(struct check *check);
void chk_claim_inode(struct check *check, uint32_t number, const struct qnx6_tree *tree,
		     bool takes_holes);
void chk_report_twice(struct check *check);
void chk_bitmap(struct check *check);

/* inodes.c */
struct qnx6_tree chk_tree_of(const struct check *check, const struct qnx6_inode *inode);
void chk_inodes(struct check *check);
void chk_each_inode(struct check *check, void (*each)(struct check *check, uint32_t number,
						      const struct qnx6_inode *inode));

/* directories.c */
void chk_directories(struct check *check);

/* names.c */
struct name {
	uint16_t length;
	char text[QNX6_LONG_NAME];
};

/* The names of one directory, to find those that are there twice. */
struct name_set {
	struct name_key {
		uint64_t hash;
		uint64_t record;
	} * keys;
	size_t count, room;
	uint64_t seed[2]; /* the second is odd */
};

/* What an entry is called; false when that cannot be told, which is reported if @is_first. */
bool chk_read_name(struct check *check, const struct place *place, const struct qnx6_entry *entry,
		   bool is_first, struct name *name);
bool chk_name_set_add(struct name_set *set, const struct name *name, uint64_t record);
/* Reports each name that is there before, and empties the set. */
void chk_name_set_check(struct check *check, struct name_set *set, uint32_t dir);
void chk_name_set_free(struct name_set *set);

/* paths.c */
/* "/a/b", as far as the entries could be read, else "inode 7"; in @buffer of PATH_TEXT. */
const char *chk_path_of(struct check *check, uint32_t inode, char *buffer);
/* A name as a line can show it. */
const char *chk_name_text(const struct name *name, char *buffer, size_t size);
bool chk_read_record(struct check *check, uint32_t dir, uint64_t record, struct name *name);

/* links.c */
void chk_links(struct check *check);
void chk_tell_paths(struct check *check);

#endif
