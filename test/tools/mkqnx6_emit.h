/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes a planned volume: whatever the super blocks lead to first, the super blocks last. */
#ifndef MKQNX6_EMIT_H
#define MKQNX6_EMIT_H

#include "mkqnx6.h"
#include "mkqnx6_image.h"
#include "mkqnx6_layout.h"
#include "mkqnx6_source.h"

struct emit {
	struct image *image;
	const struct options *opt;
	const struct source *source;
	const struct layout *layout;
	uint32_t next_long_name; /* index */
};

/* Returns 0, or -1 after fail(). */
int emit_volume(struct image *image, const struct options *opt, const struct source *source,
		const struct layout *layout);

/* The contents of one directory or file, and the pointers to them. For emit_volume. */
int emit_directory(struct emit *emit, const struct source_node *node, const struct tree *tree);
int emit_file(struct emit *emit, const struct source_node *node, const struct tree *tree);
int emit_pointers(struct emit *emit, const struct tree *tree);

#endif
