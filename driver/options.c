/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads the command line:
 *
 *   line    = { switch | keyword options }
 *   keyword = "virtio" | "blk" | "disk" | "cam" | the name of a QNX file system
 *   options = option { "," option }             (one word, no spaces)
 *   option  = name [ "=" value ]                ("\," is a comma inside a value)
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"
#include "options_internal.h"

#define QUEUE_SIZE_DEFAULT 256 /* as QNX's driver */
#define TIMEOUT_S_DEFAULT  30  /* as the kernel's SCSI disks */

const char *const devb_group_names[DEVB_GROUPS] = {
	[DEVB_GROUP_VIRTIO] = "virtio",
	[DEVB_GROUP_BLK] = "blk",
	[DEVB_GROUP_DISK] = "disk",
	[DEVB_GROUP_CAM] = "cam",
};

/* Modules that QNX's driver loads; their options belong to mount(8) here. */
static const char *const file_systems[] = {
	"qnx6", "qnx4", "dos", "ext2", "cd", "udf", "nt", "mac", "qtd", "squash", NULL,
};

static bool is_file_system(const char *word)
{
	for (const char *const *name = file_systems; *name; name++)
		if (strcmp(*name, word) == 0)
			return true;
	return false;
}

/* DEVB_GROUPS when the word is none. */
static enum devb_group find_group(const char *word)
{
	unsigned group = 0;

	while (group < DEVB_GROUPS && strcmp(devb_group_names[group], word) != 0)
		group++;
	return (enum devb_group)group;
}

const struct devb_option *devb_option_find(enum devb_group group, const char *name, size_t size)
{
	for (const struct devb_option *option = devb_option_table; option->name; option++)
		if (option->group == group && strlen(option->name) == size &&
		    memcmp(option->name, name, size) == 0)
			return option;
	return NULL;
}

int devb_parse_bad_value(struct devb_parse *parse, const char *value)
{
	const struct devb_option *option = parse->option;

	if (!value || !*value)
		return vio_fail(parse->err, -EINVAL, "%s %s: found no value, expected %s",
				devb_group_names[option->group], option->name, option->expected);
	return vio_fail(parse->err, -EINVAL, "%s %s=%.60s: expected %s",
			devb_group_names[option->group], option->name, value, option->expected);
}

static bool has_note(const struct devb_options *options, const char *text)
{
	for (unsigned i = 0; i < options->note_count; i++)
		if (strcmp(options->notes[i].text, text) == 0)
			return true;
	return false;
}

void devb_parse_note(struct devb_parse *parse, bool is_warning, const char *format, ...)
{
	struct devb_options *options = parse->options;
	struct devb_note note = {.is_warning = is_warning};
	va_list args;

	va_start(args, format);
	vsnprintf(note.text, sizeof(note.text), format, args);
	va_end(args);
	if (options->note_count < DEVB_NOTES_MAX && !has_note(options, note.text))
		options->notes[options->note_count++] = note;
}

static int set_option(struct devb_parse *parse, const char *value)
{
	const struct devb_option *option = parse->option;
	const char *group = devb_group_names[option->group];

	if (option->kind == DEVB_OPTION_NO_EFFECT) {
		devb_parse_note(parse, false, "%s %s: accepted without effect; %s", group,
				option->name, option->help);
		return 0;
	}
	if (value && option->kind == DEVB_OPTION_FLAG)
		return vio_fail(parse->err, -EINVAL,
				"%s %s=%.60s: expected no value; write '%s %s' alone", group,
				option->name, value, group, option->name);
	if ((value && !*value) || (!value && option->kind == DEVB_OPTION_VALUE))
		return devb_parse_bad_value(parse, value);
	return option->set(parse, value);
}

static int parse_option(struct devb_parse *parse, const struct devb_span *span)
{
	char *name = devb_span_copy(span);
	char *value;
	int rc;

	if (!name)
		return vio_fail(parse->err, -ENOMEM, "no memory left to read the command line");
	value = strchr(name, '=');
	if (value)
		*value++ = '\0';
	parse->option = devb_option_find(parse->group, name, strlen(name));
	rc = parse->option ? set_option(parse, value) : devb_explain_option(parse, name);
	free(name);
	return rc;
}

static int parse_options(struct devb_parse *parse)
{
	const char *cursor = parse->words;
	struct devb_span span;
	int rc = 0;

	while (!rc && devb_span_next(&cursor, &span)) {
		if (span.size == 0)
			return vio_fail(parse->err, -EINVAL,
					"%s %.80s: found an empty option; separate the options "
					"by one comma each, without spaces",
					devb_group_names[parse->group], parse->words);
		rc = parse_option(parse, &span);
	}
	return rc;
}

static void add_disk(struct devb_options *options)
{
	options->disks[options->disk_count++] = (struct devb_disk_options){
		.address = {.kind = VIOT_PCI_INDEX},
		.queue_size = QUEUE_SIZE_DEFAULT,
		.poll = VIO_POLL_AUTO,
		.poll_us = VIO_POLL_US_DEFAULT,
	};
}

static int parse_disk(struct devb_parse *parse)
{
	struct devb_options *options = parse->options;

	if (options->disk_count == DEVB_DISKS_MAX)
		return vio_fail(parse->err, -EINVAL,
				"virtio %.60s: expected at most %d 'virtio' groups; start another "
				"devb-virtio for this disk",
				parse->words, DEVB_DISKS_MAX);
	add_disk(options);
	return parse_options(parse);
}

/* The word of options behind a keyword. */
static int take_options(struct devb_parse *parse, const char *keyword, const char **words)
{
	const char *word = parse->next < parse->argc ? parse->argv[parse->next] : NULL;

	if (!word)
		return vio_fail(parse->err, -EINVAL,
				"'%s' is the last word: expected its options behind it; add them "
				"or remove '%s'",
				keyword, keyword);
	if (word[0] == '-' || find_group(word) != DEVB_GROUPS || is_file_system(word))
		return vio_fail(parse->err, -EINVAL,
				"'%s': expected its options, found '%.60s'; add them or remove "
				"'%s'",
				keyword, word, keyword);
	parse->next++;
	*words = word;
	return 0;
}

static int parse_group(struct devb_parse *parse, enum devb_group group)
{
	int rc = take_options(parse, devb_group_names[group], &parse->words);

	if (rc)
		return rc;
	parse->group = group;
	return group == DEVB_GROUP_VIRTIO ? parse_disk(parse) : parse_options(parse);
}

static int skip_file_system(struct devb_parse *parse, const char *name)
{
	const char *words;
	int rc = take_options(parse, name, &words);

	if (!rc)
		devb_parse_note(parse, false,
				"%s: accepted without effect; give the options of a file system to "
				"mount(8) or to 'blk automount='",
				name);
	return rc;
}

static int parse_switch(struct devb_parse *parse, const char *word)
{
	parse->option = devb_option_find(DEVB_GROUP_SWITCH, word, strlen(word));
	if (!parse->option)
		return devb_explain_switch(parse, word);
	return parse->option->set(parse, NULL);
}

static int parse_word(struct devb_parse *parse, const char *word)
{
	enum devb_group group = find_group(word);

	if (group != DEVB_GROUPS)
		return parse_group(parse, group);
	if (is_file_system(word))
		return skip_file_system(parse, word);
	if (word[0] == '-')
		return parse_switch(parse, word);
	return devb_explain_word(parse, word);
}

static bool is_same_address(const struct viot_address *a, const struct viot_address *b)
{
	return a->kind == b->kind && a->pci_index == b->pci_index &&
	       a->pci_domain == b->pci_domain && a->pci_bus == b->pci_bus &&
	       a->pci_device == b->pci_device && a->pci_function == b->pci_function &&
	       a->smem == b->smem && a->fdt_index == b->fdt_index &&
	       strcmp(a->fdt_file, b->fdt_file) == 0 && strcmp(a->vhost_user, b->vhost_user) == 0;
}

static int resolve_addresses(struct devb_parse *parse)
{
	struct devb_options *options = parse->options;
	int rc = 0;

	for (unsigned i = 0; !rc && i < options->disk_count; i++)
		rc = viot_address_parse(parse->addresses[i], &options->disks[i].address,
					parse->err);
	return rc;
}

static int check_disks(const struct devb_options *options, struct vio_error *err)
{
	for (unsigned i = 0; i < options->disk_count; i++)
		for (unsigned j = 0; j < i; j++)
			if (is_same_address(&options->disks[i].address, &options->disks[j].address))
				return vio_fail(
					err, -EINVAL,
					"the 'virtio' groups %u and %u name the same device: "
					"expected one group for each disk; give each its own "
					"'pci=', 'smem=', 'fdt=' or 'vhost-user=' (no address "
					"means 'pci=0')",
					j + 1, i + 1);
	return 0;
}

static void set_defaults(struct devb_options *options)
{
	*options = (struct devb_options){
		.show_partitions = true,
		.io_max = DEVB_IO_MAX,
		.devdir = "/dev",
		.name_prefix = "hd",
		.timeout_s = TIMEOUT_S_DEFAULT,
	};
}

static int parse_line(struct devb_parse *parse)
{
	struct devb_options *options = parse->options;
	int rc;

	while (parse->next < parse->argc) {
		rc = parse_word(parse, parse->argv[parse->next++]);
		if (rc || options->show_help || options->show_version)
			return rc;
	}
	if (options->disk_count == 0)
		add_disk(options);
	rc = resolve_addresses(parse);
	return rc ? rc : check_disks(options, parse->err);
}

int devb_options_parse(int argc, char **argv, struct devb_options *out, struct vio_error *err)
{
	struct vio_error unread;
	struct devb_parse parse = {
		.options = out,
		.err = err ? err : &unread,
		.argv = argv,
		.argc = argc,
		.next = 1,
	};
	int rc;

	set_defaults(out);
	rc = parse_line(&parse);
	if (rc)
		devb_options_free(out);
	return rc;
}

void devb_options_free(struct devb_options *options)
{
	for (unsigned i = 0; i < options->automount_count; i++)
		free(options->automounts[i].text);
	free(options->automounts);
	options->automounts = NULL;
	options->automount_count = 0;
}
