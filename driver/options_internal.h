/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the option parser share.
 *
 *   options.c            words -> groups -> options
 *   options_table.c      the table, and one small function per option
 *   options_virtio.c     the options of a virtio group
 *   options_value.c      numbers, sizes, and options separated by commas
 *   options_automount.c  blk automount=
 *   options_explain.c    the sentences for names that are not in the table
 *   help.c               the table as help text
 */
#ifndef DEVB_OPTIONS_INTERNAL_H
#define DEVB_OPTIONS_INTERNAL_H

#include "options.h"

enum devb_group {
	DEVB_GROUP_VIRTIO,
	DEVB_GROUP_BLK,
	DEVB_GROUP_DISK,
	DEVB_GROUP_CAM,
	DEVB_GROUPS,                     /* the number of keywords */
	DEVB_GROUP_SWITCH = DEVB_GROUPS, /* -f, --help: words of their own */
};

enum devb_option_kind {
	DEVB_OPTION_FLAG,        /* name */
	DEVB_OPTION_VALUE,       /* name=value */
	DEVB_OPTION_MAYBE_VALUE, /* name or name=value */
	DEVB_OPTION_NO_EFFECT,   /* QNX's, without a meaning here: any value, one note */
};

/* The command line while it is read. */
struct devb_parse {
	struct devb_options *options;
	struct vio_error *err;
	char **argv;
	int argc, next;

	enum devb_group group; /* of the words in hand */
	const char *words;     /* "smem=0x1c0d0000,irq=41"; NULL before the first group */
	const struct devb_option *option; /* in hand */
	/* what each virtio group says, for viot_address_parse() at the end of the line */
	char addresses[DEVB_DISKS_MAX][160];
};

struct devb_option {
	enum devb_group group;
	enum devb_option_kind kind;
	const char *name;
	/* Returns 0 or a negative errno with a sentence; @value is NULL without "=". */
	int (*set)(struct devb_parse *parse, const char *value);
	const char *value_name; /* for the help text */
	const char *expected;   /* completes "expected …" when the value is wrong */
	const char *help;       /* DEVB_OPTION_NO_EFFECT: why */
};

/* A piece of a longer text. */
struct devb_span {
	const char *text;
	size_t size;
};

/* options.c */
extern const char *const devb_group_names[DEVB_GROUPS];
const struct devb_option *devb_option_find(enum devb_group group, const char *name, size_t size);
int devb_parse_bad_value(struct devb_parse *parse, const char *value);
void devb_parse_note(struct devb_parse *parse, bool is_warning, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* options_table.c; ends with a row without a name */
extern const struct devb_option devb_option_table[];

/* options_virtio.c: for the table */
int devb_virtio_add_address(struct devb_parse *parse, const char *value);
int devb_virtio_set_queue_size(struct devb_parse *parse, const char *value);
int devb_virtio_set_queues(struct devb_parse *parse, const char *value);
int devb_virtio_set_feature(struct devb_parse *parse, const char *value);
int devb_virtio_set_dma_size(struct devb_parse *parse, const char *value);
int devb_virtio_set_interrupts(struct devb_parse *parse, const char *value);
int devb_virtio_set_poll(struct devb_parse *parse, const char *value);
int devb_virtio_set_poll_us(struct devb_parse *parse, const char *value);
int devb_virtio_set_takeover(struct devb_parse *parse, const char *value);

/* options_value.c */
bool devb_number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value);
bool devb_size_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value);
bool devb_span_next(const char **cursor, struct devb_span *span);
char *devb_span_copy(const struct devb_span *span);

/* options_automount.c */
int devb_automount_add(struct devb_parse *parse, const char *value);

/* options_explain.c: always fail with -EINVAL */
int devb_explain_switch(struct devb_parse *parse, const char *word);
int devb_explain_option(struct devb_parse *parse, const char *name);
int devb_explain_word(struct devb_parse *parse, const char *word);

#endif
