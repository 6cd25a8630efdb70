/* SPDX-License-Identifier: BSD-3-Clause */
/* A device tree from a file, or from the kernel's directories. */
#include "device_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int allocate(struct viot_tree *tree, const char *name, struct vio_error *err)
{
	snprintf(tree->name, sizeof(tree->name), "%s", name);
	tree->size = 0;
	/* one more byte than allowed, to see that a file is too large */
	tree->blob = malloc(VIOT_TREE_SIZE_MAX + 1);
	return tree->blob ? 0 : vio_fail(err, -ENOMEM, "out of memory");
}

void viot_tree_free(struct viot_tree *tree)
{
	free(tree->blob);
	tree->blob = NULL;
}

/* Up to @size bytes; how many, or a negative errno. */
static ssize_t read_fully(int fd, void *buffer, size_t size)
{
	size_t used = 0;
	ssize_t n;

	do {
		n = read(fd, (char *)buffer + used, size - used);
		used += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && used < size) || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : (ssize_t)used;
}

/* ---- a file ---- */

static int check_blob(const struct viot_tree *tree, struct vio_error *err)
{
	int rc;

	if (tree->size > VIOT_TREE_SIZE_MAX) {
		return vio_fail(err, -EINVAL, "%s is larger than %d MiB: that is no device tree",
				tree->name, VIOT_TREE_SIZE_MAX >> 20);
	}
	if (tree->size < sizeof(fdt32_t) || fdt_magic(tree->blob) != FDT_MAGIC) {
		return vio_fail(err, -EINVAL,
				"%s is no device tree blob (no 0x%08x at its beginning): compile "
				"a source with dtc -O dtb",
				tree->name, FDT_MAGIC);
	}
	rc = fdt_check_full(tree->blob, tree->size);
	if (rc < 0) {
		return vio_fail(err, -EINVAL,
				"%s is a malformed device tree blob (%s): compile or copy it again",
				tree->name, fdt_strerror(rc));
	}
	return 0;
}

static int refuse_file(const struct viot_tree *tree, int error, struct vio_error *err)
{
	return vio_fail(err, error == -ENOENT || error == -ENOTDIR ? -ENODEV : -EACCES,
			"the device tree %s cannot be read (%s): expected the path of a dtb file",
			tree->name, strerror(-error));
}

static int read_blob(struct viot_tree *tree, const char *path, struct vio_error *err)
{
	/* a pipe or a terminal would keep us waiting */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	ssize_t n;

	if (fd < 0) {
		return refuse_file(tree, -errno, err);
	}
	if (fstat(fd, &status) == 0 && !S_ISREG(status.st_mode)) {
		close(fd);
		return vio_fail(err, -EINVAL, "%s is no file: expected the path of a dtb file",
				tree->name);
	}
	n = read_fully(fd, tree->blob, VIOT_TREE_SIZE_MAX + 1);
	close(fd);
	if (n < 0) {
		return refuse_file(tree, (int)n, err);
	}
	tree->size = (size_t)n;
	return check_blob(tree, err);
}

int viot_tree_read_file(struct viot_tree *tree, const char *path, struct vio_error *err)
{
	int rc = allocate(tree, path, err);

	if (rc == 0) {
		rc = read_blob(tree, path, err);
	}
	if (rc < 0) {
		viot_tree_free(tree);
	}
	return rc;
}

/* ---- directories ---- */

/* All that the parser asks for. */
static const char *const wanted[] = {
	"#address-cells",
	"#interrupt-cells",
	"#size-cells",
	"compatible",
	"interrupt-parent",
	"interrupts",
	"phandle",
	"ranges",
	"reg",
	"interrupts-extended",
	"status",
	"linux,phandle",
	"interrupt-controller",
};

struct copy {
	void *blob;
	unsigned nodes;
	unsigned char value[4096]; /* longer properties than a page are not of a virtio node */
};

static bool is_wanted(const char *name)
{
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (strcmp(wanted[i], name) == 0) {
			return true;
		}
	}
	return false;
}

/* 0 or a negative number of libfdt's. */
static int copy_property(struct copy *copy, int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read_fully(fd, copy->value, sizeof(copy->value));

	if (fd >= 0) {
		close(fd);
	}
	/* one that is longer, or gone by now, is left out: the parser then says what it misses */
	if (n < 0 || n == (ssize_t)sizeof(copy->value)) {
		return 0;
	}
	return fdt_property(copy->blob, name, copy->value, (int)n);
}

static bool is_directory(int directory, const char *name)
{
	struct stat status;

	return name[0] != '.' && fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(status.st_mode);
}

static int copy_node(struct copy *copy, int directory, const char *name, unsigned depth);

static int copy_child(struct copy *copy, int directory, const char *name, unsigned depth)
{
	int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	/* removed meanwhile, by an overlay */
	return fd < 0 ? 0 : copy_node(copy, fd, name, depth);
}

/* The format wants all properties of a node before the first of its children. */
static int copy_entries(struct copy *copy, DIR *dir, unsigned depth)
{
	int directory = dirfd(dir), rc = 0;
	struct dirent *entry;

	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		if (is_wanted(entry->d_name)) {
			rc = copy_property(copy, directory, entry->d_name);
		}
	}
	rewinddir(dir);
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		if (is_directory(directory, entry->d_name)) {
			rc = copy_child(copy, directory, entry->d_name, depth + 1);
		}
	}
	return rc;
}

/* Closes @directory. The depth is bounded, and with it the recursion. */
static int copy_node(struct copy *copy, int directory, const char *name, unsigned depth)
{
	DIR *dir = fdopendir(directory);
	int rc;

	if (!dir) {
		close(directory);
		return 0;
	}
	if (depth >= VIOT_TREE_DEPTH_MAX || copy->nodes++ >= VIOT_TREE_NODES_MAX) {
		closedir(dir);
		return -FDT_ERR_NOSPACE;
	}
	rc = fdt_begin_node(copy->blob, name);
	if (rc == 0) {
		rc = copy_entries(copy, dir, depth);
	}
	closedir(dir);
	return rc < 0 ? rc : fdt_end_node(copy->blob);
}

static int copy_tree(struct viot_tree *tree, int directory)
{
	struct copy copy = {.blob = tree->blob};
	int rc = fdt_create(tree->blob, VIOT_TREE_SIZE_MAX);

	if (rc == 0) {
		rc = fdt_finish_reservemap(tree->blob);
	}
	if (rc < 0) {
		close(directory);
		return rc;
	}
	rc = copy_node(&copy, directory, "", 0);
	return rc < 0 ? rc : fdt_finish(tree->blob);
}

static int read_directory(struct viot_tree *tree, const char *path, struct vio_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		return vio_fail(err, -ENODEV, "this machine has no device tree (no %s)", path);
	}
	if (fd < 0) {
		return vio_fail(err, -EACCES, "the device tree %s cannot be read (%s): run as root",
				path, strerror(errno));
	}
	rc = copy_tree(tree, fd);
	if (rc < 0) {
		return vio_fail(err, -EINVAL,
				"the device tree %s has more than %d nodes, %d levels or %d MiB "
				"(%s): give the device itself with 'smem=…,irq=…'",
				path, VIOT_TREE_NODES_MAX, VIOT_TREE_DEPTH_MAX,
				VIOT_TREE_SIZE_MAX >> 20, fdt_strerror(rc));
	}
	tree->size = fdt_totalsize(tree->blob);
	return 0;
}

int viot_tree_read_directory(struct viot_tree *tree, const char *path, struct vio_error *err)
{
	int rc = allocate(tree, path, err);

	if (rc == 0) {
		rc = read_directory(tree, path, err);
	}
	if (rc < 0) {
		viot_tree_free(tree);
	}
	return rc;
}
