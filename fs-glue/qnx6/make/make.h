/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mkqnx6fs: makes a QNX6 power-safe volume in a file or on a device, and fills it from a directory.
 *
 *   options   what was asked for
 *   scan      what the directory holds, each inode once
 *   layout    which block holds what: everything is planned before the first byte is written
 *   image     the file or device that the volume goes into
 *   emit      writes what was planned: from the first block to the last, the super blocks at the
 * end
 *
 * One thread. Every function returns 0, or -1 after mk_fail() said why.
 */
#ifndef MAKE_H
#define MAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "format.h"

/* What the volume is for: how many inodes it gets when nobody says. */
enum mk_type {
	MK_DESKTOP,
	MK_RUNTIME,
	MK_MEDIA,
};

struct mk_options {
	const char *host;    /* file or block device */
	const char *dir;     /* to be filled from; NULL: the volume stays empty */
	uint64_t offset;     /* of the volume in the host, bytes */
	uint64_t size;       /* of the volume, bytes; 0: up to the host's end */
	uint32_t num_blocks; /* instead of the size; 0: as many as fit in */
	uint32_t num_inodes; /* 0: as many as the type and size suggest */
	uint32_t block_size; /* 512, 1024, 2048 or 4096 */
	uint32_t groups;     /* of allocation, for QNX */
	uint32_t time;       /* of making; seconds since 1970 */
	enum mk_type type;
	enum qnx6_order order;
	bool no_boot_area;
	bool reproducible; /* nothing of the volume depends on this run, or on what can't be copied
			    */
	bool skip_devices; /* leave them out, instead of giving up */
	bool quiet;        /* nothing is asked, and nothing said but what went wrong */
	bool has_volume_id;
	bool has_root_mode, has_root_uid, has_root_gid;
	uint8_t volume_id[16];
	mode_t root_mode;
	uid_t root_uid;
	gid_t root_gid;
};

/* What main() does with the command line. */
enum mk_command {
	MK_MAKE,
	MK_HELP,
	MK_VERSION,
	MK_USAGE_ERROR, /* and mk_fail() said which */
};

/* The strings stay the caller's argv. */
enum mk_command mk_options_parse(struct mk_options *opt, int argc, char **argv);

/* Values of options; @name is the option as it was written. */
int mk_parse_number(const char *name, const char *text, uint64_t most, uint64_t *value);
int mk_parse_block_size(const char *text, uint32_t *block_size);
int mk_parse_order(const char *text, enum qnx6_order *order);
int mk_parse_uuid(const char *text, uint8_t id[16]);
int mk_parse_volume_name(const char *text, uint8_t id[16]);
int mk_parse_root(const char *text, struct mk_options *opt);

/*
 * Makes the volume. When the host holds something already, asks on standard input first, as QNX
 * does; not if opt->quiet. What can't be finished leaves no new file and no volume behind.
 */
int mk_volume(const struct mk_options *opt);

/* Says one sentence on standard error. Returns -1, for the caller to return in turn. */
int mk_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
