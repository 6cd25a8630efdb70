/* SPDX-License-Identifier: BSD-3-Clause */
/* Pure functions on text: numbers, sizes, and lists separated by commas. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options_internal.h"

/* "0x" and hexadecimal digits, or decimal ones (a leading 0 does not mean octal). */
static const char *read_digits(const char *text, uint64_t *value)
{
	bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	char *end;

	if (!isxdigit((unsigned char)text[is_hex ? 2 : 0]))
		return NULL; /* strtoull() would take signs and spaces */
	errno = 0;
	*value = strtoull(text, &end, is_hex ? 16 : 10);
	return end == text || errno ? NULL : end;
}

bool devb_number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	const char *end = read_digits(text, value);

	return end && !*end && *value >= min && *value <= max;
}

/* A number and one of b, k, m, g in either case; bytes without it. */
bool devb_size_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	static const char suffixes[] = "bkmg";
	const char *end = read_digits(text, value);
	const char *suffix;
	unsigned shift = 0;

	if (!end)
		return false;
	if (*end) {
		suffix = strchr(suffixes, tolower((unsigned char)*end));
		if (!suffix || end[1])
			return false;
		shift = 10 * (unsigned)(suffix - suffixes);
	}
	if (*value > UINT64_MAX >> shift)
		return false;
	*value <<= shift;
	return *value >= min && *value <= max;
}

/*
 * The next option of a word, or false at its end. A comma behind a backslash
 * belongs to the option. *cursor starts as the word and ends as NULL.
 */
bool devb_span_next(const char **cursor, struct devb_span *span)
{
	const char *end = *cursor;

	if (!end)
		return false;
	while (*end && *end != ',')
		end += end[0] == '\\' && end[1] == ',' ? 2 : 1;
	*span = (struct devb_span){*cursor, (size_t)(end - *cursor)};
	*cursor = *end ? end + 1 : NULL;
	return true;
}

/* A string to free(), with "\," as ","; NULL without memory. */
char *devb_span_copy(const struct devb_span *span)
{
	char *copy = malloc(span->size + 1);
	size_t used = 0;

	if (!copy)
		return NULL;
	for (size_t i = 0; i < span->size; i++) {
		if (span->text[i] == '\\' && i + 1 < span->size && span->text[i + 1] == ',')
			i++;
		copy[used++] = span->text[i];
	}
	copy[used] = '\0';
	return copy;
}
