/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names that are not in the table: what the user probably meant.
 *
 *   blk smem=1,irq=2      another group's option      -> write 'virtio smem=1,irq=2'
 *   virtio smem=1 irq=2   a word without a group      -> write 'virtio smem=1,irq=2'
 *   virtio qsiz=128       a slip of the finger        -> did you mean 'qsize'?
 */
#include <errno.h>
#include <string.h>

#include "options_internal.h"

#define NAME_SIZE  32  /* longer words resemble no option */
#define WORDS_SIZE 112 /* a longer correction is not worth reading */

/* ---- slips of the finger ---- */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Letters to insert, drop, change or swap with their neighbour to get from a to b. */
static unsigned distance(const char *a, const char *b)
{
	unsigned d[NAME_SIZE][NAME_SIZE];
	size_t rows = strlen(a) + 1, columns = strlen(b) + 1;

	if (rows > NAME_SIZE || columns > NAME_SIZE)
		return NAME_SIZE;
	for (size_t i = 0; i < rows; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j < columns; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i < rows; i++)
		for (size_t j = 1; j < columns; j++) {
			d[i][j] = least(d[i - 1][j] + 1, d[i][j - 1] + 1,
					d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1, NAME_SIZE);
		}
	return d[rows - 1][columns - 1];
}

/* Short names differ by one letter from too many others to allow two. */
static bool is_near(const char *typed, const char *name, unsigned letters)
{
	return letters <= (strlen(typed) < 4 || strlen(name) < 4 ? 1 : 2);
}

/* The nearest option, of this group if one is as near as those of others; or NULL. */
static const struct devb_option *nearest_option(enum devb_group group, const char *typed)
{
	const struct devb_option *best = NULL;
	unsigned best_score = UINT_MAX;

	for (const struct devb_option *option = devb_option_table; option->name; option++) {
		unsigned letters = distance(typed, option->name);
		unsigned elsewhere = option->group != group;
		unsigned no_effect = option->kind == DEVB_OPTION_NO_EFFECT;
		unsigned score = 4 * letters + 2 * elsewhere + no_effect;
		bool is_comparable =
			(option->group == DEVB_GROUP_SWITCH) == (group == DEVB_GROUP_SWITCH);

		if (is_comparable && is_near(typed, option->name, letters) && score < best_score) {
			best = option;
			best_score = score;
		}
	}
	return best;
}

static const char *nearest_group(const char *typed)
{
	for (unsigned group = 0; group < DEVB_GROUPS; group++)
		if (is_near(typed, devb_group_names[group],
			    distance(typed, devb_group_names[group])))
			return devb_group_names[group];
	return NULL;
}

/* ---- options in the wrong place ---- */

static size_t name_size(const struct devb_span *span)
{
	size_t size = 0;

	while (size < span->size && span->text[size] != '=')
		size++;
	return size;
}

static bool belongs(enum devb_group group, const struct devb_span *span)
{
	return devb_option_find(group, span->text, name_size(span)) != NULL;
}

/* The group that knows an option, one where it has an effect if there is one. */
static const struct devb_option *find_anywhere(const char *name, size_t size)
{
	const struct devb_option *found = NULL;

	for (unsigned group = 0; group < DEVB_GROUPS; group++) {
		const struct devb_option *option =
			devb_option_find((enum devb_group)group, name, size);

		if (option && (!found || found->kind == DEVB_OPTION_NO_EFFECT))
			found = option;
	}
	return found;
}

/* Appends an option to "group option,option"; false when it does not fit. */
static bool add_words(char words[WORDS_SIZE], enum devb_group group, const struct devb_span *span)
{
	size_t used = strlen(words);
	int size = snprintf(words + used, WORDS_SIZE - used, "%s%s%.*s",
			    used ? "," : devb_group_names[group], used ? "" : " ", (int)span->size,
			    span->text);

	return (size_t)size < WORDS_SIZE - used;
}

/*
 * Sorts the options of a word into those that stay in the group and those that only
 * the other group knows; false when the result is too long.
 */
static bool sort_words(const char *words, enum devb_group group, enum devb_group other,
		       char stay[WORDS_SIZE], char move[WORDS_SIZE])
{
	struct devb_span span;
	bool fits = true;

	stay[0] = move[0] = '\0';
	while (fits && devb_span_next(&words, &span)) {
		bool is_moving = belongs(other, &span) && !belongs(group, &span);

		fits = add_words(is_moving ? move : stay, is_moving ? other : group, &span);
	}
	return fits;
}

static int explain_wrong_group(struct devb_parse *parse, const struct devb_option *option)
{
	const char *right = devb_group_names[option->group];
	const char *equals = option->kind == DEVB_OPTION_VALUE ? "=" : "";
	char stay[WORDS_SIZE], move[WORDS_SIZE];

	if (!sort_words(parse->words, parse->group, option->group, stay, move))
		return vio_fail(parse->err, -EINVAL,
				"'%s%s' is an option of the '%s' group, found in '%s': write it "
				"behind '%s'",
				option->name, equals, right, devb_group_names[parse->group], right);
	return vio_fail(parse->err, -EINVAL,
			"'%s%s' is an option of the '%s' group, found in '%s': write '%s%s%s'",
			option->name, equals, right, devb_group_names[parse->group], stay,
			*stay ? " " : "", move);
}

static int explain_near(struct devb_parse *parse, const char *name, const struct devb_option *near)
{
	bool is_here = near->group == parse->group;
	const char *equals = near->kind == DEVB_OPTION_VALUE ? "=" : "";

	return vio_fail(
		parse->err, -EINVAL, "unknown option '%.40s' in '%s': did you mean '%s%s%s%s'?",
		name, devb_group_names[parse->group], is_here ? "" : devb_group_names[near->group],
		is_here ? "" : " ", near->name, equals);
}

/* "auto, automount, devdir": those of the group that have an effect */
static void list_options(enum devb_group group, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (const struct devb_option *option = devb_option_table; option->name; option++)
		if (option->group == group && option->kind != DEVB_OPTION_NO_EFFECT && used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
						 option->name);
}

int devb_explain_option(struct devb_parse *parse, const char *name)
{
	const struct devb_option *other = find_anywhere(name, strlen(name));
	const struct devb_option *near = nearest_option(parse->group, name);
	char names[WORDS_SIZE];

	if (other)
		return explain_wrong_group(parse, other);
	if (near)
		return explain_near(parse, name, near);
	list_options(parse->group, names, sizeof(names));
	return vio_fail(
		parse->err, -EINVAL,
		"unknown option '%.40s' in '%s': expected one of %s; see devb-virtio --help", name,
		devb_group_names[parse->group], names);
}

int devb_explain_switch(struct devb_parse *parse, const char *word)
{
	const struct devb_option *near = nearest_option(DEVB_GROUP_SWITCH, word);
	char names[WORDS_SIZE];

	if (near && strlen(word) > 2) /* every "-x" resembles "-f" */
		return vio_fail(parse->err, -EINVAL, "unknown switch '%.40s': did you mean '%s'?",
				word, near->name);
	list_options(DEVB_GROUP_SWITCH, names, sizeof(names));
	return vio_fail(parse->err, -EINVAL,
			"unknown switch '%.40s': expected one of %s; see devb-virtio --help", word,
			names);
}

/* A word of options without its keyword: "smem=1" or, behind a group, "irq=2". */
static int explain_loose_options(struct devb_parse *parse, const char *word,
				 const struct devb_option *option)
{
	const char *group = devb_group_names[option->group];
	const char *before = parse->words && parse->group == option->group ? parse->words : "";
	const char *comma = *before ? "," : "";

	if (strlen(before) + strlen(word) >= WORDS_SIZE)
		return vio_fail(parse->err, -EINVAL,
				"'%.60s' stands alone: write all options of '%s' as one word "
				"behind it, separated by commas without spaces",
				word, group);
	return vio_fail(parse->err, -EINVAL,
			"'%s' stands alone: expected the options of '%s' as one word behind it; "
			"write '%s %s%s%s'",
			word, group, group, before, comma, word);
}

int devb_explain_word(struct devb_parse *parse, const char *word)
{
	const char *cursor = word;
	const struct devb_option *option = NULL;
	struct devb_span first;
	const char *group = nearest_group(word);

	if (devb_span_next(&cursor, &first))
		option = find_anywhere(first.text, name_size(&first));
	if (option)
		return explain_loose_options(parse, word, option);
	if (group)
		return vio_fail(parse->err, -EINVAL, "unknown word '%.40s': did you mean '%s'?",
				word, group);
	return vio_fail(parse->err, -EINVAL,
			"unknown word '%.40s': expected a group (virtio, blk, disk, cam) and its "
			"options, or a switch; see devb-virtio --help",
			word);
}
