/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers to the kernel. The volume never changes, so it may remember each of them for as long
 * as it likes. Numbers of inodes are the volume's own, whose root is 1 like FUSE's.
 */
#include "mount_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

_Static_assert(QNX6_ROOT_INODE == FUSE_ROOT_ID, "the root's number");

enum {
	WARNINGS_MAX = 100,
	/* chosen: of 1 MiB each, more than there are threads; the kernel keeps the rest */
	BACKGROUND_MAX = 64,
};

#define FOREVER (365.0 * 24 * 3600)

struct qnx6_mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

void mount_warn(struct qnx6_mount *mount, const char *format, ...)
{
	char text[512];
	va_list args;

	if (!mount->warn || atomic_fetch_add(&mount->warnings, 1) >= WARNINGS_MAX)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	mount->warn(mount->context, text);
}

static void want(struct fuse_conn_info *conn, unsigned capability)
{
	conn->want |= conn->capable & capability;
}

static void init(void *userdata, struct fuse_conn_info *conn)
{
	struct qnx6_mount *mount = userdata;

	mount->is_greeted = true;
	conn->max_read = QNX6_MOUNT_BUFFER;
	conn->max_background = BACKGROUND_MAX;
	want(conn, FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_CACHE_SYMLINKS |
			   FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_READDIRPLUS);
	/*
	 * Names always come with their attributes: an inode costs the volume less than asking for
	 * it costs the kernel. What is cached stays valid whatever a time says.
	 */
	conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_AUTO_INVAL_DATA |
				  FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE | FUSE_CAP_ATOMIC_O_TRUNC);
}

static void fill(const struct qnx6_mount *mount, const struct qnx6_node *node, struct stat *attr)
{
	const struct mount_settings *settings = &mount->settings;

	*attr = (struct stat){
		.st_ino = node->number,
		.st_mode = node->mode & ~settings->umask,
		.st_nlink = node->links,
		.st_uid = settings->has_uid ? settings->uid : node->uid,
		.st_gid = settings->has_gid ? settings->gid : node->gid,
		.st_size = (off_t)node->tree.size,
		.st_blocks = (blkcnt_t)qnx6_node_blocks(mount->volume, node),
		.st_blksize = (blksize_t)qnx6_info(mount->volume)->block_size,
		.st_atim.tv_sec = node->atime,
		.st_mtim.tv_sec = node->mtime,
		.st_ctim.tv_sec = node->ctime,
	};
}

/* More than a file may have here is more than the volume can hold. */
static int read_node(struct qnx6_mount *mount, uint64_t number, struct qnx6_node *node)
{
	int rc = number <= UINT32_MAX ? qnx6_node(mount->volume, (uint32_t)number, node) : -ENOENT;

	return rc == 0 && node->tree.size > INT64_MAX ? -EIO : rc;
}

int mount_entry(struct qnx6_mount *mount, uint32_t number, struct fuse_entry_param *entry)
{
	struct qnx6_node node;
	int rc = read_node(mount, number, &node);

	*entry = (struct fuse_entry_param){
		.ino = number,
		.attr_timeout = FOREVER,
		.entry_timeout = FOREVER,
	};
	if (rc == 0)
		fill(mount, &node, &entry->attr);
	return rc;
}

/* An inode that a name leads to is there, or the volume is damaged. */
static int damaged(struct qnx6_mount *mount, uint32_t number, int error)
{
	if (error == -ENOENT)
		mount_warn(mount, "a directory names inode %u, which is free: it reads as EIO",
			   number);
	return error == -ENOENT ? -EIO : error;
}

static int find(struct qnx6_mount *mount, fuse_ino_t parent, const char *name, uint32_t *number)
{
	struct qnx6_node dir;
	int rc = read_node(mount, parent, &dir);

	if (rc < 0)
		return rc;
	/* what NFS asks for; ".." the directory itself knows */
	if (strcmp(name, ".") == 0) {
		*number = dir.number;
		return 0;
	}
	return qnx6_lookup(mount->volume, &dir, name, number);
}

static void lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct qnx6_mount *mount = mount_of(req);
	struct fuse_entry_param entry = {.entry_timeout = FOREVER};
	uint32_t number;
	int rc = find(mount, parent, name, &number);

	if (rc == 0)
		rc = damaged(mount, number, mount_entry(mount, number, &entry));
	/* inode 0: the kernel remembers that there is none */
	if (rc == 0 || rc == -ENOENT)
		fuse_reply_entry(req, &entry);
	else
		fuse_reply_err(req, -rc);
}

static void forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	(void)ino;
	(void)count;
	fuse_reply_none(req);
}

static void forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	(void)count;
	(void)forgets;
	fuse_reply_none(req);
}

static void getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct qnx6_mount *mount = mount_of(req);
	struct qnx6_node node;
	struct stat attr;
	int rc = read_node(mount, ino, &node);

	(void)file;
	if (rc < 0) {
		fuse_reply_err(req, -rc);
		return;
	}
	fill(mount, &node, &attr);
	fuse_reply_attr(req, &attr, FOREVER);
}

static void read_link(fuse_req_t req, fuse_ino_t ino)
{
	struct qnx6_mount *mount = mount_of(req);
	char target[PATH_MAX];
	struct qnx6_node node;
	ssize_t size = read_node(mount, ino, &node);

	if (size == 0 && !S_ISLNK(node.mode))
		size = -EINVAL;
	else if (size == 0 && node.tree.size >= sizeof(target))
		size = -ENAMETOOLONG;
	else if (size == 0)
		size = qnx6_read(mount->volume, &node, 0, target, sizeof(target) - 1);
	if (size < 0) {
		fuse_reply_err(req, (int)-size);
		return;
	}
	target[size] = '\0';
	fuse_reply_readlink(req, target);
}

static void read_file(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		      struct fuse_file_info *file)
{
	struct qnx6_mount *mount = mount_of(req);
	struct worker *worker = mount_worker();
	struct qnx6_node node;
	ssize_t rc = read_node(mount, ino, &node);

	(void)file;
	if (size > QNX6_MOUNT_BUFFER)
		size = QNX6_MOUNT_BUFFER;
	if (rc == 0)
		rc = qnx6_read(mount->volume, &node, (uint64_t)offset, worker->data, size);
	if (rc < 0)
		fuse_reply_err(req, (int)-rc);
	else
		fuse_reply_buf(req, worker->data, (size_t)rc);
}

/* Once: from then on the kernel opens by itself, and keeps what it has read from one to the next.
 */
static void open_without_asking(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	(void)file;
	fuse_reply_err(req, ENOSYS);
}

static void stat_volume(fuse_req_t req, fuse_ino_t ino)
{
	const struct qnx6_info *info = qnx6_info(mount_of(req)->volume);
	const struct statvfs attr = {
		.f_bsize = info->block_size,
		.f_frsize = info->block_size,
		.f_blocks = info->num_blocks,
		.f_bfree = info->free_blocks,
		.f_bavail = info->free_blocks,
		.f_files = info->num_inodes,
		.f_ffree = info->free_inodes,
		.f_favail = info->free_inodes,
		.f_namemax = QNX6_LONG_NAME,
	};

	(void)ino;
	fuse_reply_statfs(req, &attr);
}

/* What is not here libfuse answers with ENOSYS, after which the kernel does without: xattrs. */
const struct fuse_lowlevel_ops mount_operations = {
	.init = init,
	.lookup = lookup,
	.forget = forget,
	.forget_multi = forget_multi,
	.getattr = getattr,
	.readlink = read_link,
	.open = open_without_asking,
	.read = read_file,
	.opendir = open_without_asking,
	.readdir = mount_readdir,
	.readdirplus = mount_readdirplus,
	.statfs = stat_volume,
};
