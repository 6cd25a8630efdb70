/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The channel inside: what its files share.
 *
 *   channel.c     opens, receives, closes
 *   mount.c       /dev/fuse and the mount
 *   session.c     libfuse's decoder: set-up, and the one place that replies leave by
 *   operations.c  which function answers which message
 *   files.c       names and attributes: answered at once
 *   requests.c    read, write, fsync: answered when the block is done
 */
#ifndef FSG_INTERNAL_H
#define FSG_INTERNAL_H

#define FUSE_USE_VERSION 314

#include <stdint.h>

#include <fuse_lowlevel.h>
#include <linux/fuse.h>

#include "arena.h"
#include "fsg.h"
#include "tree.h"

/* In flight at once. The kernel's queue takes the rest. */
#define FSG_REQUESTS 256u

/* What stands in front of a write's data, and is the longest of all headers. */
#define FSG_HEADER_SIZE (sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))

struct fsg_request {
	struct devb_io io;
	fuse_req_t fuse;
	struct fsg_channel *channel;
	struct fsg_node *node;
	struct fsg_piece *piece; /* of io.buffer; NULL for a flush */
	struct fsg_request *next;
};

struct fsg_mount {
	char *dir; /* absolute; NULL when not mounted */
	uint32_t major;
	uint32_t minor;
};

struct fsg_channel {
	struct fsg_tree *tree;
	struct fuse_session *session; /* owns fd */
	int fd;
	struct fsg_mount mount;
	size_t io_max;
	struct fsg_arena arena;
	/*
	 * Where the next message is received; the newest piece of the arena.
	 * NULL when not chosen yet. Its layout:
	 *
	 *   page 0: ............[fuse_in_header, fuse_write_in]
	 *   page 1: a write's data, up to io_max
	 */
	struct fsg_piece *incoming;
	struct fsg_request *free_requests;
	unsigned in_flight;
	unsigned open_files;
	bool greeted; /* the kernel's first message, FUSE_INIT, is answered */
	bool ended;
	struct fsg_request requests[FSG_REQUESTS];
};

/* Where a write's data is in the incoming message: on a page boundary. */
unsigned char *fsg_channel_data(const struct fsg_channel *channel);

/* mount.c. @why gets a sentence with every error. */
int fsg_device_open(char *why, size_t why_size);
int fsg_mount_open(struct fsg_mount *mount, int fd, const struct fsg_channel_options *options,
		   char *why, size_t why_size);
void fsg_mount_close(struct fsg_mount *mount);
/* How much the kernel reads at once for a program that reads in order. */
void fsg_mount_set_read_ahead(const struct fsg_mount *mount, size_t size);

/* session.c. NULL when memory ran out; takes over channel->fd. */
struct fuse_session *fsg_session_open(struct fsg_channel *channel);

/* operations.c */
extern const struct fuse_lowlevel_ops fsg_operations;

/* files.c */
void fsg_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void fsg_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file);
void fsg_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		 struct fuse_file_info *file);
void fsg_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file);
void fsg_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file);
void fsg_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		 struct fuse_file_info *file);
void fsg_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		     struct fuse_file_info *file);
void fsg_statfs(fuse_req_t req, fuse_ino_t ino);

/* requests.c */
void fsg_requests_init(struct fsg_channel *channel);
void fsg_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
	      struct fuse_file_info *file);
void fsg_write(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in, off_t offset,
	       struct fuse_file_info *file);
void fsg_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *file);

#endif
