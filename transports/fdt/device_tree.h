/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device trees, private to transports/: a tree comes from a file or from the
 * kernel, as a blob in either case, and one parser reads it. Opens no device.
 *
 * A blob may be anybody's work: it is checked as a whole, and size, depth, nodes
 * and devices are bounded.
 */
#ifndef VIOT_DEVICE_TREE_H
#define VIOT_DEVICE_TREE_H

#include <stddef.h>

#include <vio-transport/mmio.h>

enum {
	VIOT_TREE_SIZE_MAX = 2 << 20, /* as the kernel's own limit on Arm */
	VIOT_TREE_DEPTH_MAX = 64,     /* as the kernel's */
	VIOT_TREE_NODES_MAX = 16384,  /* chosen: some ten times a large board's */
};

struct viot_tree {
	void *blob; /* of malloc */
	size_t size;
	char name[128]; /* for sentences */
};

/* A dtb. 0 or a negative errno with a sentence. */
int viot_tree_read_file(struct viot_tree *tree, const char *path, struct vio_error *err);

/*
 * The kernel's tree, a directory for each node and a file for each property, of
 * which those that viot_tree_list() needs are taken. -ENODEV: there is none.
 */
int viot_tree_read_directory(struct viot_tree *tree, const char *path, struct vio_error *err);

void viot_tree_free(struct viot_tree *tree);

/*
 * The nodes "virtio,mmio" that are not disabled, in the order of the tree: where,
 * smem, size, irq, trigger; what cannot be made out is left 0 and `why` says it.
 * Returns how many there are (the first @max are stored) or -EINVAL with a sentence.
 */
int viot_tree_list(const struct viot_tree *tree, struct viot_mmio_device *devices, unsigned max,
		   struct vio_error *err);

#endif
