/* SPDX-License-Identifier: BSD-3-Clause */
/* Directories. The kernel is told of each name with its attributes, so that it need not ask. */
#include "mount_internal.h"

#include <errno.h>
#include <string.h>

struct listing {
	fuse_req_t req;
	bool with_attributes;
	char *names;
	size_t size, used;
	bool is_failing; /* and may take long for each: the rest comes without attributes */
};

/* One name that is none would have the kernel refuse all. */
static bool is_name(const struct qnx6_name *name)
{
	return !memchr(name->text, '/', name->length) && !memchr(name->text, '\0', name->length);
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static size_t add(struct listing *listing, const char *name, struct fuse_entry_param *entry,
		  uint64_t next)
{
	char *to = listing->names + listing->used;
	size_t room = listing->size - listing->used;

	return listing->with_attributes
		       ? fuse_add_direntry_plus(listing->req, to, room, name, entry, (off_t)next)
		       : fuse_add_direntry(listing->req, to, room, name, &entry->attr, (off_t)next);
}

static bool take(void *context, const struct qnx6_name *name, uint64_t next)
{
	struct listing *listing = context;
	struct qnx6_mount *mount = mount_of(listing->req);
	struct fuse_entry_param entry;
	size_t size;
	int rc;

	if (!is_name(name)) {
		mount_warn(mount,
			   "a directory has a name with a '/' or a zero byte for inode %u: "
			   "it is left out",
			   name->inode);
		return true;
	}
	/* one that cannot be read, the kernel asks for when somebody else does, and hears why */
	rc = listing->is_failing ? -EIO : mount_entry(mount, name->inode, &entry);
	if (rc < 0)
		entry = (struct fuse_entry_param){.attr.st_ino = name->inode};
	listing->is_failing |= rc < 0 && rc != -ENOENT;
	/* these are never looked up, and so never forgotten */
	if (is_dots(name->text))
		entry.ino = 0;
	size = add(listing, name->text, &entry, next);
	if (size > listing->size - listing->used)
		return false;
	listing->used += size;
	return true;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool with_attributes)
{
	struct qnx6_mount *mount = mount_of(req);
	struct worker *worker = mount_worker();
	struct listing listing = {
		.req = req,
		.with_attributes = with_attributes,
		.names = worker->names,
		.size = size < sizeof(worker->names) ? size : sizeof(worker->names),
	};
	struct qnx6_node dir;
	int rc = ino <= UINT32_MAX ? qnx6_node(mount->volume, (uint32_t)ino, &dir) : -ENOENT;

	if (rc == 0)
		rc = qnx6_list(mount->volume, &dir, (uint64_t)offset, take, &listing);
	/* first what can be read, then, when asked to go on, why that is not all */
	if (rc < 0 && listing.used == 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_buf(req, listing.names, listing.used);
}

void mount_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		   struct fuse_file_info *file)
{
	(void)file;
	list(req, ino, size, offset, false);
}

void mount_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *file)
{
	(void)file;
	list(req, ino, size, offset, true);
}
