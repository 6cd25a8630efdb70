/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The channel inside: what its files share.
 *
 *   channel.c     hands completions to those that they belong to
 *   open.c        opens and closes channels, and the connection that they share
 *   device.c      messages from /dev/fuse and answers to it
 *   uring.c       the same through io_uring, where the kernel has that
 *   mount.c       /dev/fuse and the mount; mount_point.c where it is
 *   session.c     libfuse's decoder: set-up, and the one place that replies leave by
 *   operations.c  which function answers which message
 *   files.c       names and attributes: answered at once
 *   requests.c    read, write, fsync, fallocate: decoded here, answered when the block is done
 */
#ifndef FSG_INTERNAL_H
#define FSG_INTERNAL_H

#define FUSE_USE_VERSION 314

#include <stdatomic.h>
#include <stdint.h>
#include <sys/uio.h>

#include <fuse_lowlevel.h>
#include <liburing.h>

#include "arena.h"
#include "fsg.h"
#include "mount_point.h"
#include "tree.h"
#include "wire.h"

/* In flight at once. The kernel's queue takes the rest. */
#define FSG_REQUESTS 256u
/* What stands in front of a write's data, and is the longest of all headers. */
#define FSG_HEADER_SIZE (sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))

/* A message in its parts, wherever they are. Nothing in it is trusted. */
struct fsg_message {
	const struct fuse_in_header *header;
	const void *body; /* what follows the header, of a fixed size for each opcode */
	size_t body_size;
	unsigned char *data; /* of a write; page aligned */
	size_t data_size;
	unsigned char *room; /* io_max bytes for a read's data; may be where the message is */
};

struct fsg_request {
	struct devb_io io;
	struct fsg_channel *channel;
	const struct fsg_way *way;
	struct fsg_node *node;
	uint64_t unique; /* the kernel's name for it */
	struct fsg_request *next;
	struct fsg_piece *piece; /* of io.buffer; NULL without one */
	/* the answer, until it is sent */
	struct fuse_out_header head;
	struct fuse_write_out written;
	struct iovec iov[2];
};

/* A place for one message of the uring way: one request at a time, in memory of its own. */
struct fsg_entry {
	struct fsg_request request; /* first */
	struct fuse_uring_req_header *header;
	unsigned char *payload; /* io_max bytes of the channel's memory */
	struct iovec iov[2];
	uint64_t commit_id;
	uint16_t qid;
};

/* How messages come and answers go: device.c or uring.c. */
struct fsg_way {
	/* request->head and @data, which stay until the request is given back */
	void (*answer)(struct fsg_request *request, const void *data, size_t size);
};

struct fsg_mount {
	char *dir; /* absolute; NULL when not mounted */
	struct fsg_mount_device device;
};

/* The longest that the kernel's greeting may be; today's has 104 bytes. */
#define FSG_GREETING_MAX 256u

/* What the channels of a mount have in common. */
struct fsg_connection {
	struct fsg_tree *tree;
	struct fsg_mount mount;
	size_t io_max;
	bool no_uring;
	bool uring_offered; /* by the kernel */
	atomic_uint open_files;
	unsigned channel_count;
	struct fsg_channel *channels[FSG_CHANNELS_MAX];
	/*
	 * The kernel's first message, FUSE_INIT, is answered: by the first channel, which
	 * leaves it here for the decoders of the others.
	 */
	atomic_bool greeted;
	size_t greeting_size;
	_Alignas(8) unsigned char greeting[FSG_GREETING_MAX];
};

struct fsg_channel {
	struct fsg_connection *connection;
	unsigned index;               /* of the thread, and among the connection's channels */
	struct fuse_session *session; /* owns fd */
	int fd;
	size_t io_max;
	struct io_uring *ring; /* the loop's */
	struct fsg_arena arena;
	unsigned in_flight;
	bool has_learned; /* the decoder knows the greeting */
	bool is_learning; /* its answer goes nowhere */
	bool ended;
	bool stopping;

	/* device.c */
	struct fsg_piece *incoming; /* the next message's; NULL when not chosen yet */
	bool reading, cancelling;
	unsigned answers; /* on their way */
	struct fsg_request *free_requests;
	struct fsg_request requests[FSG_REQUESTS];

	/* uring.c */
	bool uses_uring; /* a message has come that way */
	struct fsg_entry *entries;
	unsigned entry_count;
	unsigned registered; /* so many of them are known to the kernel */
	struct fuse_uring_req_header *headers;
	unsigned char *entry_memory;
	unsigned char *scratch;      /* a message in one piece, for libfuse */
	struct fsg_entry *answering; /* libfuse's answer goes there */
};

/* What a completion belongs to, in the low bits of a pointer. */
enum fsg_tag {
	FSG_TAG_ANSWER, /* a struct fsg_request */
	FSG_TAG_READ,   /* a struct fsg_channel */
	FSG_TAG_CANCEL, /* a struct fsg_channel */
	FSG_TAG_ENTRY,  /* a struct fsg_entry */
	FSG_TAG_MASK = 7,
};

/* channel.c: a free place in the ring, at the price of a system call when it is full; or NULL. */
struct io_uring_sqe *fsg_channel_sqe(struct fsg_channel *channel);
/* The connection is over. */
void fsg_channel_end(struct fsg_channel *channel);

/* device.c: the plain way. */
extern const struct fsg_way fsg_device_way;
void fsg_device_init(struct fsg_channel *channel);
void fsg_device_prepare(struct fsg_channel *channel);
void fsg_device_cancel(struct fsg_channel *channel);
void fsg_device_received(struct fsg_channel *channel, ssize_t result);
void fsg_device_answered(struct fsg_request *request);

/* uring.c: FUSE over io_uring. */
extern const struct fsg_way fsg_uring_way;
/* For all channels, before the kernel is told that we want it; false when one of them can't. */
bool fsg_uring_open(struct fsg_connection *connection);
void fsg_uring_close(struct fsg_channel *channel);
void fsg_uring_prepare(struct fsg_channel *channel);
void fsg_uring_fetched(struct fsg_entry *entry, int result);
/* libfuse's answer to the message that is being decoded. */
void fsg_uring_answer(struct fsg_entry *entry, const struct iovec *iov, int count);

/* mount.c. @why gets a sentence with every error. */
int fsg_device_open(char *why, size_t why_size);
/* Another one of the same connection. */
int fsg_device_clone(int fd, char *why, size_t why_size);
int fsg_mount_open(struct fsg_mount *mount, int fd, const struct fsg_channel_options *options,
		   char *why, size_t why_size);
void fsg_mount_close(struct fsg_mount *mount);

/* session.c. NULL when memory ran out; takes over channel->fd. */
struct fuse_session *fsg_session_open(struct fsg_channel *channel);
/* For a channel that isn't the first: what the kernel said to that one. */
void fsg_session_learn(struct fsg_channel *channel);
/* A message in one piece; it is answered when this returns. */
void fsg_session_decode(struct fsg_channel *channel, const void *message, size_t size);

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

/* requests.c: false leaves the message to libfuse, and @request as it was. */
bool fsg_request_take(struct fsg_request *request, const struct fsg_message *message);

#endif
