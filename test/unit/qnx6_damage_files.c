/* SPDX-License-Identifier: BSD-3-Clause */
/* Damage to inodes and directories. */
#include <string.h>
#include <sys/stat.h>

#include "qnx6_damage.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct qnx6_entry *fifo_entry(const struct sample *s)
{
	return sample_entry(s, SAMPLE_ROOT, SAMPLE_RECORD_FIFO);
}

static void add_entry(const struct sample *s, uint32_t dir, unsigned record, const char *name,
		      uint32_t number)
{
	struct qnx6_entry *entry = sample_entry(s, dir, record);

	SET(s, entry->inode, number);
	entry->length = (uint8_t)strlen(name);
	memcpy(entry->name, name, entry->length);
}

static void status_without_mode(const struct sample *s)
{
	sample_inode(s, SAMPLE_FREE)->status = QNX6_STATUS_LIVE;
}

static void unknown_status(const struct sample *s)
{
	sample_inode(s, SAMPLE_FILE)->status = 0x83;
}

static void type(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_FIFO)->mode, 0x3000 | 0600);
}

static void device(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_FIFO)->mode, S_IFCHR | 0600);
}

static void spare_of_inode(const struct sample *s)
{
	sample_inode(s, SAMPLE_FILE)->spare[25] = 1;
}

static void empty_link(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_LINK)->size, 0);
}

static void directory_size(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_DIR)->size, s->block_size - 32);
}

static void fifo_size(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_FIFO)->size, 1);
}

static void root_is_file(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_ROOT)->mode, S_IFREG | 0755);
}

static void root_is_free(const struct sample *s)
{
	sample_inode(s, SAMPLE_ROOT)->status = 0;
}

static void free_fifo(const struct sample *s)
{
	sample_inode(s, SAMPLE_FIFO)->status = 2;
}

static void free_file(const struct sample *s)
{
	sample_inode(s, SAMPLE_FILE)->status = 0;
}

static void orphan(const struct sample *s)
{
	SET(s, fifo_entry(s)->inode, 0);
}

static void orphan_directory(const struct sample *s)
{
	SET(s, sample_entry(s, SAMPLE_ROOT, SAMPLE_RECORD_DIR)->inode, 0);
}

static void unlinked(const struct sample *s)
{
	orphan(s);
	SET(s, sample_inode(s, SAMPLE_FIFO)->links, 0);
}

static void links_of_file(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_HARD)->links, 1);
}

static void links_of_directory(const struct sample *s)
{
	SET(s, sample_inode(s, SAMPLE_DIR)->links, 2);
}

static void dot_leads_astray(const struct sample *s)
{
	SET(s, sample_entry(s, SAMPLE_SUB, 0)->inode, SAMPLE_DIR);
}

static void no_dot(const struct sample *s)
{
	SET(s, sample_entry(s, SAMPLE_DIR, 0)->inode, 0);
}

static void dotdot_leads_astray(const struct sample *s)
{
	SET(s, sample_entry(s, SAMPLE_SUB, 1)->inode, SAMPLE_ROOT);
}

static void dotdot_of_root(const struct sample *s)
{
	SET(s, sample_entry(s, SAMPLE_ROOT, 1)->inode, SAMPLE_DIR);
}

static void no_dotdot(const struct sample *s)
{
	SET(s, sample_entry(s, SAMPLE_ROOT, 1)->inode, 0);
}

static void dots_in_wrong_order(const struct sample *s)
{
	struct qnx6_entry *entries = sample_entry(s, SAMPLE_DIR, 0), first = entries[0];

	entries[0] = entries[1];
	entries[1] = first;
}

static void directory_twice(const struct sample *s)
{
	add_entry(s, SAMPLE_SUB, 2, "again", SAMPLE_BOOT);
}

static void way_to_root(const struct sample *s)
{
	add_entry(s, SAMPLE_SUB, 2, "root", SAMPLE_ROOT);
}

static void detached_circle(const struct sample *s)
{
	orphan_directory(s);
	add_entry(s, SAMPLE_SUB, 2, "up", SAMPLE_DIR);
}

static void entry_length(const struct sample *s)
{
	fifo_entry(s)->length = QNX6_SHORT_NAME + 1;
}

static void entry_length_254(const struct sample *s)
{
	fifo_entry(s)->length = QNX6_LONG_MARK - 1;
}

static void entry_empty(const struct sample *s)
{
	fifo_entry(s)->length = 0;
}

static void entry_range(const struct sample *s)
{
	SET(s, fifo_entry(s)->inode, s->num_inodes + 1);
}

static void slash(const struct sample *s)
{
	fifo_entry(s)->name[1] = '/';
}

static void zero_in_name(const struct sample *s)
{
	fifo_entry(s)->name[3] = '\0';
}

static void delete_in_name(const struct sample *s)
{
	fifo_entry(s)->name[0] = 0x7f;
}

static void long_name_bytes(const struct sample *s)
{
	struct qnx6_long_name *name = sample_long(s, 1);
	struct qnx6_long_entry *entry = (void *)sample_entry(s, SAMPLE_ROOT, SAMPLE_RECORD_LONG2);

	name->name[5] = '\n';
	SET(s, entry->checksum, qnx6_name_checksum(name->name, SAMPLE_LONG));
}

static void name_twice(const struct sample *s)
{
	add_entry(s, SAMPLE_ROOT, SAMPLE_RECORD_FREE, "file", SAMPLE_FILE);
	SET(s, sample_inode(s, SAMPLE_FILE)->links, 2);
}

static void dot_twice(const struct sample *s)
{
	add_entry(s, SAMPLE_ROOT, SAMPLE_RECORD_FREE, ".", SAMPLE_ROOT);
}

static struct qnx6_long_entry *long_entry(const struct sample *s)
{
	return (void *)sample_entry(s, SAMPLE_ROOT, SAMPLE_RECORD_LONG2);
}

static void long_index(const struct sample *s)
{
	SET(s, long_entry(s)->index, 2);
}

static void long_index_huge(const struct sample *s)
{
	SET(s, long_entry(s)->index, UINT32_MAX);
}

static void long_hole(const struct sample *s)
{
	struct qnx6_super *super = sample_super(s, 0);

	SET(s, super->long_names.ptr[1], QNX6_NO_BLOCK);
	sample_sign(s, 0);
}

static void long_too_short(const struct sample *s)
{
	SET(s, sample_long(s, 1)->length, QNX6_SHORT_NAME);
}

static void long_too_long(const struct sample *s)
{
	SET(s, sample_long(s, 1)->length, QNX6_LONG_NAME + 1);
}

static void long_sum(const struct sample *s)
{
	sample_long(s, 1)->name[7] = 'x';
}

static void long_shared(const struct sample *s)
{
	SET(s, long_entry(s)->index, 0);
	SET(s, long_entry(s)->checksum, qnx6_name_checksum(sample_long(s, 0)->name, SAMPLE_LONG));
}

const struct damage damage_of_files[] = {
	{"in use without a mode", "inode-status", status_without_mode, NULL},
	{"unknown status", "inode-status", unknown_status, NULL},
	{"no kind of file", "inode-type", type, NULL},
	{"device", "inode-device", device, NULL},
	{"spare bytes of an inode", "inode-spare", spare_of_inode, NULL},
	{"empty link", "inode-symlink tree-beyond", empty_link, NULL},
	{"size of a directory", "inode-dir-size", directory_size, NULL},
	{"fifo with a size", "inode-special", fifo_size, NULL},
	{"root is a file", "inode-root inode-orphan inode-links", root_is_file, NULL},
	{"root is free", "inode-root inode-orphan inode-links block-lost count-inodes",
	 root_is_free, NULL},
	{"free fifo", "entry-free count-inodes", free_fifo, NULL},
	{"free file", "entry-free count-inodes block-lost", free_file, NULL},
	{"orphan", "inode-orphan", orphan, NULL},
	{"orphaned directory", "inode-orphan inode-links", orphan_directory, NULL},
	{"unlinked", "inode-unlinked", unlinked, NULL},
	{"links of a file", "inode-links", links_of_file, NULL},
	{"links of a directory", "inode-links", links_of_directory, NULL},
	{"\".\" leads astray", "dir-dot", dot_leads_astray, NULL},
	{"no \".\"", "dir-dot", no_dot, NULL},
	{"\"..\" leads astray", "dir-dotdot", dotdot_leads_astray, NULL},
	{"\"..\" of the root", "dir-dotdot", dotdot_of_root, NULL},
	{"no \"..\"", "dir-dotdot", no_dotdot, NULL},
	{"dots in the wrong order", "dir-dot dir-dotdot", dots_in_wrong_order, NULL},
	{"directory with two names", "dir-linked", directory_twice, NULL},
	{"way back to the root", "dir-linked", way_to_root, NULL},
	{"circle", "dir-loop inode-links", detached_circle, NULL},
	{"entry of 28 bytes", "entry-length", entry_length, NULL},
	{"entry of 254 bytes", "entry-length", entry_length_254, NULL},
	{"entry without a name", "entry-empty inode-orphan", entry_empty, NULL},
	{"entry to no inode", "entry-range inode-orphan", entry_range, NULL},
	{"slash in a name", "name-bytes", slash, NULL},
	{"zero in a name", "name-bytes", zero_in_name, NULL},
	{"delete in a name", "name-bytes", delete_in_name, NULL},
	{"newline in a long name", "name-bytes", long_name_bytes, NULL},
	{"name twice", "name-twice", name_twice, NULL},
	{"\".\" twice", "name-twice", dot_twice, NULL},
	{"no such long name", "long-index", long_index, NULL},
	{"no such long name at all", "long-index", long_index_huge, NULL},
	{"long name in a hole", "long-index block-lost", long_hole, NULL},
	{"long name of 27 bytes", "long-length", long_too_short, NULL},
	{"long name of 511 bytes", "long-length", long_too_long, NULL},
	{"sum of a long name", "long-sum", long_sum, NULL},
	{"long name shared", "long-shared", long_shared, NULL},
};
const unsigned num_damage_of_files = COUNT(damage_of_files);
