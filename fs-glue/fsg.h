/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Volumes as files: a directory tree of block devices behind one FUSE mount.
 *
 *   fsg_tree_open()       an empty tree
 *   fsg_tree_add()        "hd0", "hd0t179", … each one a devb_block
 *   fsg_channel_open()    mount it; messages arrive on a file descriptor
 *   fsg_channel_clone()   another channel of the same mount, for another thread
 *
 * The channel is passive: it puts its requests into the io_uring of the program's
 * event loop, which submits them and hands back what completes:
 *
 *   fsg_channel_attach(channel, ring);
 *   for (;;) {
 *           fsg_channel_prepare(channel);
 *           submit, and wait
 *           for each completion that isn't the program's own:
 *                   fsg_channel_completed(channel, its user data, its result);
 *   }
 *
 * Messages are received straight into the memory given to fsg_channel_open(),
 * and a write's data goes from there to the block without a copy, as a read's
 * data goes from the block to the reply. When that memory is full of requests in
 * flight, nothing is received until some are done: that is the back-pressure.
 *
 * Where the kernel offers FUSE over io_uring (6.14 and newer, when the fuse module's
 * enable_uring says so), the ring has entries of 128 bytes and memory_size is enough
 * (FSG_MEMORY_URING), messages come and answers go by that; else by /dev/fuse. The
 * mount behaves alike.
 *
 * Threads: all of a channel on the thread that its ring belongs to, which submits to
 * the blocks as number index of devb_io.queue: 0 for the first channel, and so on. Any
 * of them may be given any message: between two channels there is no order. They share
 * nothing on the way of data but the tree's times. The tree: any thread.
 */
#ifndef FSG_H
#define FSG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "block.h"

struct io_uring;
struct fsg_tree;
struct fsg_channel;

/*
 * Owner and permission bits that volumes start with; chmod and chown change them
 * until the tree is closed. A read-only block never shows write bits.
 */
struct fsg_access {
	uid_t uid;
	gid_t gid;
	mode_t mode; /* 0000..0777 */
};

/* NULL when memory ran out. @access is copied. */
struct fsg_tree *fsg_tree_open(const struct fsg_access *access);
/* After the channels that show it. NULL is allowed. */
void fsg_tree_close(struct fsg_tree *tree);

/**
 * fsg_tree_add - show @block under @name
 *
 * @block is not owned and must outlive the tree. Returns 0, -EEXIST, -EINVAL for
 * a name that is no file name, -ENOSPC for the 1025th, -ENOMEM. May be called while the
 * tree is mounted.
 */
int fsg_tree_add(struct fsg_tree *tree, const char *name, struct devb_block *block);

struct fsg_channel_options {
	const char *mount_dir; /* an existing directory */
	const char *source;    /* first field of /proc/mounts: the program's name */
	/*
	 * Where messages and data live: @memory_size bytes, page aligned, at least
	 * FSG_MEMORY_MIN; not owned, free after close.
	 */
	void *memory;
	size_t memory_size;
	size_t io_max; /* largest read or write asked of a block; 4096..DEVB_IO_MAX; 0 = DEVB_IO_MAX
			*/
	bool no_uring; /* /dev/fuse alone, whatever the kernel offers */
};

/* Room for one message of the largest size and one reply of the largest size. */
#define FSG_MEMORY_MIN (2 * ((size_t)DEVB_IO_MAX + 8192))
/* For so many requests at once of each CPU, where the kernel has FUSE over io_uring. */
#define FSG_MEMORY_URING(cpus, depth) (FSG_MEMORY_MIN + (size_t)(cpus) * (depth)*DEVB_IO_MAX)

/**
 * fsg_channel_open - mount @tree
 *
 * Returns 0, or a negative errno with one sentence in @why: no FUSE in this
 * kernel, no privileges, no such directory. A dead mount that a killed process
 * left at mount_dir is detached first.
 *
 * Who opens a volume waits until the loop runs. So the loop's own thread must
 * never touch a path in mount_dir: it would wait for itself.
 */
int fsg_channel_open(struct fsg_channel **channel, struct fsg_tree *tree,
		     const struct fsg_channel_options *options, char *why, size_t why_size);

#define FSG_CHANNELS_MAX 64u

/**
 * fsg_channel_clone - one more channel of the mount of @first
 * @memory: as in fsg_channel_options, its own
 *
 * Before any of them is used. Returns 0, or a negative errno with one sentence in @why;
 * -ENOSPC after FSG_CHANNELS_MAX. It receives nothing until the first channel is greeted.
 */
int fsg_channel_clone(struct fsg_channel **channel, struct fsg_channel *first, void *memory,
		      size_t memory_size, char *why, size_t why_size);

/**
 * fsg_channel_attach - name the ring that everything goes through
 *
 * Once, before all that follows, for all channels of a mount before one of them is
 * used. The ring outlives the channel's use, and has at least FSG_RING_ENTRIES places.
 */
void fsg_channel_attach(struct fsg_channel *channel, struct io_uring *ring);

#define FSG_RING_ENTRIES 256u
/* No user data of the channel's is smaller: those below are the program's own. */
#define FSG_DATA_MIN 4096u

/**
 * fsg_channel_prepare - put into the ring what is to be asked of the kernel
 *
 * Before each wait. Asks for messages, unless there is no room until a request in
 * flight is done, or after the end.
 */
void fsg_channel_prepare(struct fsg_channel *channel);

/**
 * fsg_channel_completed - a completion's user data and result
 *
 * Decodes messages, submits to the blocks, answers. The end shows in
 * fsg_channel_ended(): unmounted, as is every error that would only come again.
 */
void fsg_channel_completed(struct fsg_channel *channel, uint64_t data, int result);

/**
 * fsg_channel_stop - no more messages
 *
 * Again after each completion, until it returns true: then every message that was
 * received is answered, provided that nothing is in flight, and the answers are
 * in the ring at least, to be submitted once more.
 */
bool fsg_channel_stop(struct fsg_channel *channel);

/*
 * The kernel has greeted the mount, of which the first channel learns: the others' threads
 * have to be woken then, to prepare.
 */
bool fsg_channel_is_greeted(const struct fsg_channel *channel);

/* The mount is gone: unmounted by somebody, or aborted. */
bool fsg_channel_ended(const struct fsg_channel *channel);

/* Requests handed to blocks and not yet answered. */
unsigned fsg_channel_in_flight(const struct fsg_channel *channel);

/* Messages come through io_uring; false before the first one has. */
bool fsg_channel_uses_uring(const struct fsg_channel *channel);

/* How many times the mount's files are open. A close shows a moment later; 0 after the end. */
unsigned fsg_channel_open_files(const struct fsg_channel *channel);

/**
 * fsg_channel_abort - unmount at once; whoever uses a volume gets an error from now on
 *
 * For a mount that nobody will serve any more: its users must not wait for ever. Of the
 * first channel, once. The others find out by themselves.
 */
void fsg_channel_abort(struct fsg_channel *channel);

/**
 * fsg_channel_close - unmount and free; nothing may be in flight. NULL is allowed
 *
 * Detaches even when files are open: their users see ENOTCONN from then on. Never
 * waits for them, nor for messages that were not received. fsg_channel_stop() must
 * have returned true, or the ring be closed. The first channel of a mount last: that
 * one unmounts.
 */
void fsg_channel_close(struct fsg_channel *channel);

#endif
