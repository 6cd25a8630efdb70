/* SPDX-License-Identifier: BSD-3-Clause */
/* Which function answers which message, and what the answer is when none does. */
#include "internal.h"

#include <errno.h>

static void init(void *userdata, struct fuse_conn_info *conn)
{
	const struct fsg_channel *channel = userdata;
	unsigned io_max = (unsigned)channel->io_max;

	if (conn->max_write > io_max)
		conn->max_write = io_max;
	conn->max_read = io_max;
	if (conn->max_readahead > io_max)
		conn->max_readahead = io_max;
	/* what all channels hold; the kernel calls three quarters of it congested */
	conn->max_background = FSG_REQUESTS * channel->connection->channel_count;
	/*
	 * ATOMIC_O_TRUNC: the kernel would believe in a size of 0 after open(O_TRUNC)
	 * until it asks again; without it, it asks by setattr and is told the real size.
	 * AUTO_INVAL_DATA: the page cache would be dropped for every new time of
	 * modification, but all modifications come through this very cache.
	 */
	conn->want &= ~(unsigned)(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_AUTO_INVAL_DATA);
}

/* The names are the machine's disks: nobody makes, moves or removes one here. */
static void refuse_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
			 dev_t device)
{
	(void)parent;
	(void)name;
	(void)mode;
	(void)device;
	fuse_reply_err(req, EPERM);
}

static void refuse_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	(void)parent;
	(void)name;
	(void)mode;
	fuse_reply_err(req, EPERM);
}

static void refuse_remove(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent;
	(void)name;
	fuse_reply_err(req, EPERM);
}

static void refuse_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	(void)target;
	(void)parent;
	(void)name;
	fuse_reply_err(req, EPERM);
}

static void refuse_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
			  fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	(void)parent;
	(void)name;
	(void)new_parent;
	(void)new_name;
	(void)flags;
	fuse_reply_err(req, EPERM);
}

static void refuse_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
	(void)ino;
	(void)new_parent;
	(void)new_name;
	fuse_reply_err(req, EPERM);
}

/*
 * libfuse answers what has no function with ENOSYS, which makes the kernel do
 * without and never ask again. Left to that on purpose: create (the kernel goes
 * on with mknod), flush (nothing is held back at close), opendir, fsyncdir, access
 * (the mount has default_permissions), the xattrs, lseek, locks, ioctl, poll. forget
 * needs no function: inode numbers are for ever. Read, write, fsync and fallocate
 * never get here (requests.c).
 */
const struct fuse_lowlevel_ops fsg_operations = {
	.init = init,
	.lookup = fsg_lookup,
	.getattr = fsg_getattr,
	.setattr = fsg_setattr,
	.open = fsg_open,
	.release = fsg_release,
	.readdir = fsg_readdir,
	.readdirplus = fsg_readdirplus,
	.statfs = fsg_statfs,
	.mknod = refuse_mknod,
	.mkdir = refuse_mkdir,
	.unlink = refuse_remove,
	.rmdir = refuse_remove,
	.symlink = refuse_symlink,
	.rename = refuse_rename,
	.link = refuse_link,
};
