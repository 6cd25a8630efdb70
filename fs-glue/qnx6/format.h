/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The QNX6 power-safe format, version 4.3, as it lies on the disk. Constants, structures, sums
 * and byte order; no input or output. Everything is thread-safe: there is no state.
 *
 *	0		boot area, of QNX6_BOOT_AREA bytes; a volume may be made without it
 *	behind it	super block 1, in an area of QNX6_SUPER_AREA bytes
 *	behind it	data area; block numbers count from here
 *	behind it	super block 2, in an area of QNX6_SUPER_AREA bytes
 *
 * With blocks of more than 4096 bytes the data area begins at a whole block, and the areas of
 * the super blocks are rounded up to one. Audi's MMI units have no boot area and a super block
 * with fewer fields, struct qnx6_mmi_super.
 *
 * A volume is little- or big-endian as a whole. Its numbers are types of their own, so that one
 * cannot be mistaken for a number of this machine.
 */
#ifndef QNX6_FORMAT_H
#define QNX6_FORMAT_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>

#define QNX6_BOOT_AREA  0x2000u
#define QNX6_SUPER_AREA 0x1000u
/* of a volume with boot area, and blocks of at most 4096 bytes */
#define QNX6_SUPER1 QNX6_BOOT_AREA
#define QNX6_DATA   (QNX6_SUPER1 + QNX6_SUPER_AREA)

#define QNX6_MAGIC               0x68191122u
#define QNX6_VERSION_MAJOR       4
#define QNX6_VERSION_MINOR       3
#define QNX6_FLAG_LONG_NAME_SUMS 0x100u /* what QNX's own maker sets */

#define QNX6_NO_BLOCK   UINT32_MAX
#define QNX6_POINTERS   16
#define QNX6_MAX_LEVELS 5 /* of what a reader takes; a maker never needs more than 3 */

#define QNX6_BLOCK_MIN 512u
#define QNX6_BLOCK_MAX 32768u

#define QNX6_ROOT_INODE 1u
#define QNX6_BOOT_INODE 2u

#define QNX6_SHORT_NAME 27
#define QNX6_LONG_NAME  510
#define QNX6_LONG_MARK  0xff /* instead of a short name's length */

enum qnx6_order {
	QNX6_LITTLE,
	QNX6_BIG
};

typedef struct {
	uint16_t raw;
} qnx6_u16;

typedef struct {
	uint32_t raw;
} qnx6_u32;

typedef struct {
	uint64_t raw;
} qnx6_u64;

static inline qnx6_u16 qnx6_put16(enum qnx6_order order, uint16_t value)
{
	return (qnx6_u16){order == QNX6_BIG ? htobe16(value) : htole16(value)};
}

static inline qnx6_u32 qnx6_put32(enum qnx6_order order, uint32_t value)
{
	return (qnx6_u32){order == QNX6_BIG ? htobe32(value) : htole32(value)};
}

static inline qnx6_u64 qnx6_put64(enum qnx6_order order, uint64_t value)
{
	return (qnx6_u64){order == QNX6_BIG ? htobe64(value) : htole64(value)};
}

static inline uint16_t qnx6_get16(enum qnx6_order order, qnx6_u16 value)
{
	return order == QNX6_BIG ? be16toh(value.raw) : le16toh(value.raw);
}

static inline uint32_t qnx6_get32(enum qnx6_order order, qnx6_u32 value)
{
	return order == QNX6_BIG ? be32toh(value.raw) : le32toh(value.raw);
}

static inline uint64_t qnx6_get64(enum qnx6_order order, qnx6_u64 value)
{
	return order == QNX6_BIG ? be64toh(value.raw) : le64toh(value.raw);
}

/* Where a file of the file system itself begins: the super block has five of them. */
struct qnx6_root {
	qnx6_u64 size;
	qnx6_u32 ptr[QNX6_POINTERS];
	uint8_t levels;
	uint8_t mode;
	uint8_t spare[6];
};

struct qnx6_super {
	qnx6_u32 magic;
	qnx6_u32 checksum; /* of everything behind it */
	qnx6_u64 serial;   /* the valid super block with the higher one counts */
	qnx6_u32 ctime;
	qnx6_u32 atime;
	qnx6_u32 flags;
	qnx6_u16 version_major;
	qnx6_u16 version_minor;
	uint8_t volume_id[16];
	qnx6_u32 block_size;
	qnx6_u32 num_inodes;
	qnx6_u32 free_inodes;
	qnx6_u32 num_blocks;
	qnx6_u32 free_blocks;
	qnx6_u32 alloc_groups;
	struct qnx6_root inodes;
	struct qnx6_root bitmap;
	struct qnx6_root long_names;
	struct qnx6_root unused4; /* empty, with pointers to no block */
	struct qnx6_root unused5; /* all zero */
	uint8_t spare[40];
};

/* The same of Audi's MMI units. */
struct qnx6_mmi_super {
	qnx6_u32 magic;
	qnx6_u32 checksum;
	qnx6_u64 serial;
	uint8_t spare[12];
	uint8_t volume_id[12];
	qnx6_u32 block_size;
	qnx6_u32 num_inodes;
	qnx6_u32 free_inodes;
	qnx6_u32 num_blocks;
	qnx6_u32 free_blocks;
	uint8_t spare2[4];
	struct qnx6_root inodes;
	struct qnx6_root bitmap;
	struct qnx6_root long_names;
	struct qnx6_root unused4;
	uint8_t spare3[128];
};

struct qnx6_inode {
	qnx6_u64 size;
	qnx6_u32 uid;
	qnx6_u32 gid;
	qnx6_u32 ftime; /* creation */
	qnx6_u32 mtime;
	qnx6_u32 atime;
	qnx6_u32 ctime;
	qnx6_u16 mode;
	qnx6_u16 links;
	qnx6_u32 ptr[QNX6_POINTERS];
	uint8_t levels;
	uint8_t status;
	uint8_t spare[26];
};

enum {
	QNX6_STATUS_OF_MKFS = 1,
	QNX6_STATUS_LIVE = 3
};

struct qnx6_entry {
	qnx6_u32 inode;
	uint8_t length;
	char name[QNX6_SHORT_NAME]; /* zero padded; no NUL at full length */
};

/* The directory's record of a name longer than QNX6_SHORT_NAME. */
struct qnx6_long_entry {
	qnx6_u32 inode;
	uint8_t length; /* QNX6_LONG_MARK */
	uint8_t zero[3];
	qnx6_u32 index; /* block of the long names' file */
	qnx6_u32 checksum;
	uint8_t spare[16];
};

struct qnx6_long_name {
	qnx6_u16 length;
	char name[QNX6_LONG_NAME];
};

_Static_assert(sizeof(struct qnx6_root) == 80, "root node");
_Static_assert(sizeof(struct qnx6_super) == 512, "super block");
_Static_assert(offsetof(struct qnx6_super, inodes) == 72, "root nodes");
_Static_assert(sizeof(struct qnx6_mmi_super) == 512, "super block of an MMI unit");
_Static_assert(offsetof(struct qnx6_mmi_super, inodes) == 64, "root nodes of an MMI unit");
_Static_assert(sizeof(struct qnx6_inode) == 128, "inode");
_Static_assert(offsetof(struct qnx6_inode, levels) == 100, "indirection");
_Static_assert(sizeof(struct qnx6_entry) == 32, "directory entry");
_Static_assert(sizeof(struct qnx6_long_entry) == 32, "directory entry of a long name");
_Static_assert(sizeof(struct qnx6_long_name) == 512, "long name");

/* CRC-32 with the high bit first, unlike zlib's; begins with 0 and ends as it is. */
uint32_t qnx6_checksum(const void *data, size_t size);
/* Of a super block, either kind: everything behind the field itself. */
uint32_t qnx6_super_checksum(const void *super);
/* Bytes from 0x80 on count as positive, as in Linux since 6.2; before, they did not. */
uint32_t qnx6_name_checksum(const char *name, size_t length);

#endif
