/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blk automount=[+]device[@ptype]:mountpoint[:fstype[:options]]
 * blk automount=@file
 *
 * A file holds such values, separated by newlines or commas; blank lines and lines
 * that start with '#' are skipped. "\," is a comma and "\:" a colon inside a field;
 * only the last field, the options, may hold bare colons.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options_internal.h"
#include "qnx6_mount.h"

#define FILE_SIZE_MAX 65536 /* chosen: hundreds of lines */
#define MBR_TYPE_MAX  255
#define FAMILY_TYPES  6
#define BLANKS        " \t\r"

/* Families of partition types, as QNX names them. Ends with a row without a name. */
static const struct family {
	const char *name;
	uint8_t mbr_types[FAMILY_TYPES]; /* 0 fills the rest */
} families[] = {
	{"dos", {1, 4, 6, 11, 12, 14}}, {"ext2", {131}},           {"mac", {175}}, {"nt", {7}},
	{"qnx4", {77, 78, 79}},         {"qnx6", {177, 178, 179}}, {.name = NULL},
};

static const struct family *find_family(const char *name)
{
	for (const struct family *family = families; family->name; family++)
		if (strcmp(family->name, name) == 0)
			return family;
	return NULL;
}

bool devb_automount_takes_type(const struct devb_automount *automount, unsigned mbr_type)
{
	const struct family *family;
	uint64_t number;

	if (!automount->partition_type || mbr_type == 0)
		return false;
	if (devb_number_parse(automount->partition_type, 1, MBR_TYPE_MAX, &number))
		return number == mbr_type;
	family = find_family(automount->partition_type);
	for (size_t i = 0; family && i < FAMILY_TYPES; i++)
		if (family->mbr_types[i] == mbr_type)
			return true;
	return false;
}

/* Ends the field at its colon, takes the backslash off "\:", and returns what follows or NULL. */
static char *cut_field(char *field)
{
	char *to = field, *rest;

	while (*field && *field != ':') {
		if (field[0] == '\\' && field[1] == ':')
			field++;
		*to++ = *field++;
	}
	rest = *field ? field + 1 : NULL;
	*to = '\0';
	return rest;
}

static const char *field_or_null(const char *field)
{
	return field && *field ? field : NULL;
}

/* Points the fields into automount->text. */
static void cut_fields(struct devb_automount *automount)
{
	char *device = automount->text + (automount->text[0] == '+');
	char *mountpoint = cut_field(device);
	char *fstype = mountpoint ? cut_field(mountpoint) : NULL;
	char *options = fstype ? cut_field(fstype) : NULL;

	automount->device = strsep(&device, "@");
	automount->partition_type = device;
	automount->mountpoint = field_or_null(mountpoint);
	automount->fstype = field_or_null(fstype);
	automount->options = field_or_null(options);
}

static bool is_device(const char *device)
{
	if (device[0] == '/')
		return device[1] != '\0';
	return device[0] && device[0] != '-' && !strchr(device, '/');
}

static bool is_partition_type(const char *type)
{
	uint64_t number;

	return find_family(type) || devb_number_parse(type, 1, MBR_TYPE_MAX, &number);
}

static int check_fields(struct devb_parse *parse, const struct devb_automount *automount,
			const char *value)
{
	const char *type = automount->partition_type;
	char why[200];

	if (!is_device(automount->device) || !automount->mountpoint)
		return devb_parse_bad_value(parse, value);
	if (type && !is_partition_type(type))
		return vio_fail(parse->err, -EINVAL,
				"blk automount=%.60s: expected a partition type behind '@', 1 to "
				"255 or dos, ext2, mac, nt, qnx4, qnx6, found '%.20s'",
				value, type);
	if (automount->mountpoint[0] != '/')
		return vio_fail(parse->err, -EINVAL,
				"blk automount=%.60s: expected an absolute path as the directory, "
				"found '%.60s'; write it from '/' on",
				value, automount->mountpoint);
	if (automount->fstype && strchr("-/", automount->fstype[0]))
		return vio_fail(parse->err, -EINVAL,
				"blk automount=%.60s: expected the name of a file system, such as "
				"ext4, found '%.20s'; leave it out to let mount(8) find it",
				value, automount->fstype);
	if (automount->fstype && strcmp(automount->fstype, "qnx6") == 0 &&
	    qnx6_mount_check(automount->options, why, sizeof(why)) < 0)
		return vio_fail(parse->err, -EINVAL, "blk automount=%.60s: %s", value, why);
	return 0;
}

static int fail_without_memory(struct devb_parse *parse)
{
	vio_fail(parse->err, -ENOMEM, "no memory left to read the command line");
	return -ENOMEM;
}

/* Takes automount->text over, unless it fails. */
static int append(struct devb_parse *parse, const struct devb_automount *automount)
{
	struct devb_options *options = parse->options;
	size_t count = options->automount_count + 1u;
	struct devb_automount *grown =
		reallocarray(options->automounts, count, sizeof(options->automounts[0]));

	if (!grown)
		return fail_without_memory(parse);
	grown[count - 1] = *automount;
	options->automounts = grown;
	options->automount_count = (unsigned)count;
	return 0;
}

static int add_value(struct devb_parse *parse, const char *value)
{
	struct devb_automount automount = {.text = strdup(value)};
	int rc;

	if (!automount.text)
		return fail_without_memory(parse);
	cut_fields(&automount);
	rc = check_fields(parse, &automount, value);
	if (!rc)
		rc = append(parse, &automount);
	if (rc) {
		free(automount.text);
		return rc;
	}
	if (value[0] == '+')
		devb_parse_note(parse, false,
				"blk automount=+: the '+' has no effect; several volumes of a disk "
				"can always be mounted");
	return 0;
}

static int fail_to_read(struct devb_parse *parse, const char *path, const char *why)
{
	return vio_fail(parse->err, -EIO,
			"blk automount=@%.80s: expected a readable text file of at most %d bytes: "
			"%s",
			path, FILE_SIZE_MAX, why);
}

static int read_file(struct devb_parse *parse, const char *path, char text[FILE_SIZE_MAX + 1])
{
	FILE *file = fopen(path, "re");
	size_t size;
	int rc = 0;

	if (!file)
		return fail_to_read(parse, path, strerror(errno));
	size = fread(text, 1, FILE_SIZE_MAX + 1, file);
	if (ferror(file))
		rc = fail_to_read(parse, path, strerror(errno));
	else if (size > FILE_SIZE_MAX)
		rc = fail_to_read(parse, path, "it is longer");
	else if (memchr(text, '\0', size))
		rc = fail_to_read(parse, path, "it holds zero bytes");
	else
		text[size] = '\0';
	fclose(file);
	return rc;
}

static int add_line(struct devb_parse *parse, char *line)
{
	const char *cursor = line;
	struct devb_span span;
	int rc = 0;

	while (!rc && devb_span_next(&cursor, &span)) {
		char *value = devb_span_copy(&span);

		if (!value)
			return fail_without_memory(parse);
		rc = add_value(parse, value);
		free(value);
	}
	return rc;
}

static char *trim(char *line)
{
	size_t size;

	line += strspn(line, BLANKS);
	size = strlen(line);
	while (size > 0 && strchr(BLANKS, line[size - 1]))
		line[--size] = '\0';
	return line;
}

static int add_lines(struct devb_parse *parse, const char *path, char *text)
{
	char *line;
	unsigned number = 0;
	int rc = 0;

	while (!rc && (line = strsep(&text, "\n"))) {
		number++;
		line = trim(line);
		if (*line && *line != '#')
			rc = add_line(parse, line);
	}
	if (rc) {
		struct vio_error why = *parse->err;

		vio_fail(parse->err, rc, "%.80s, line %u: %s", path, number, why.text);
	}
	return rc;
}

static int add_file(struct devb_parse *parse, const char *path)
{
	char *text = malloc(FILE_SIZE_MAX + 1);
	int rc;

	if (!text)
		return fail_without_memory(parse);
	rc = read_file(parse, path, text);
	if (!rc)
		rc = add_lines(parse, path, text);
	free(text);
	return rc;
}

int devb_automount_add(struct devb_parse *parse, const char *value)
{
	if (value[0] == '@' && value[1])
		return add_file(parse, value + 1);
	return add_value(parse, value);
}
