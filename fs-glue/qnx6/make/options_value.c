/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands behind an option. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "make.h"

/* How far a suffix shifts; -1 if there is no such suffix. */
static int suffix_shift(const char *suffix)
{
	static const char names[] = "kmg";
	const char *found;

	if (!*suffix)
		return 0;
	found = strchr(names, tolower((unsigned char)*suffix));
	return found && !suffix[1] ? 10 * (int)(found - names + 1) : -1;
}

int mk_parse_number(const char *name, const char *text, uint64_t most, uint64_t *value)
{
	char *end = NULL;
	uint64_t number;
	int shift;

	errno = 0;
	number = strtoull(text, &end, 10);
	shift = suffix_shift(end);
	if (!isdigit((unsigned char)*text) || shift < 0)
		return mk_fail("%s needs a number, which may end in k, m or g, not \"%s\"", name,
			       text);
	if (errno || number > most >> shift)
		return mk_fail("%s %s is too large: %ju is the most", name, text, (uintmax_t)most);
	*value = number << shift;
	return 0;
}

int mk_parse_block_size(const char *text, uint32_t *block_size)
{
	uint64_t value = 0;

	if (mk_parse_number("-b", text, UINT32_MAX, &value))
		return -1;
	if (value == 8192 || value == 16384 || value == 32768)
		return mk_fail("-b %s: only QNX 7.1 and later know blocks of more than 4096 bytes, "
			       "and Linux can't mount them; 4096 is the most here",
			       text);
	if (value != 512 && value != 1024 && value != 2048 && value != 4096)
		return mk_fail("-b takes 512, 1024, 2048 or 4096, not \"%s\"", text);
	*block_size = (uint32_t)value;
	return 0;
}

int mk_parse_order(const char *text, enum qnx6_order *order)
{
	if (strcmp(text, "little") != 0 && strcmp(text, "big") != 0)
		return mk_fail("-e takes little or big, not \"%s\"", text);
	*order = *text == 'b' ? QNX6_BIG : QNX6_LITTLE;
	return 0;
}

static int hex_value(char digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = strchr(digits, tolower((unsigned char)digit));

	return digit && found ? (int)(found - digits) : -1;
}

int mk_parse_uuid(const char *text, uint8_t id[16])
{
	const char *c = text;
	unsigned digits = 0;

	for (; *c && digits < 32; c++) {
		int value = hex_value(*c);

		if (*c == '-' && digits % 2 == 0)
			continue;
		if (value < 0)
			break;
		id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | value);
		digits++;
	}
	if (digits != 32 || *c)
		return mk_fail("-u takes 32 hexadecimal digits, with or without dashes, not \"%s\"",
			       text);
	return 0;
}

int mk_parse_volume_name(const char *text, uint8_t id[16])
{
	size_t length = strnlen(text, 17);

	if (length < 1 || length > 16)
		return mk_fail("-v takes a name of 1 to 16 bytes, not \"%s\"", text);
	memset(id, 0, 16);
	memcpy(id, text, length);
	return 0;
}

/* One of the numbers between colons; moves @text behind it. */
static bool parse_field(const char **text, int base, unsigned long most, uint32_t *value)
{
	char *end = NULL;
	unsigned long number;

	if (!isdigit((unsigned char)**text))
		return false;
	number = strtoul(*text, &end, base);
	if (number > most || (*end && *end != ':'))
		return false;
	*value = (uint32_t)number;
	*text = *end ? end + 1 : end;
	return *end != ':' || end[1];
}

int mk_parse_root(const char *text, struct mk_options *opt)
{
	const char *rest = text;
	uint32_t mode = 0;

	opt->has_root_uid = opt->has_root_gid = false;
	opt->has_root_mode = parse_field(&rest, 8, 07777, &mode);
	opt->root_mode = mode;
	if (opt->has_root_mode && *rest)
		opt->has_root_uid = parse_field(&rest, 10, UINT32_MAX, &opt->root_uid);
	if (opt->has_root_uid && *rest)
		opt->has_root_gid = parse_field(&rest, 10, UINT32_MAX, &opt->root_gid);
	if (!opt->has_root_mode || *rest)
		return mk_fail("-R takes MODE[:UID[:GID]] with an octal mode, not \"%s\"", text);
	return 0;
}
