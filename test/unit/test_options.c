/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line: lines and what they mean, lines and what is said about them,
 * and rules that every row of the option table keeps.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

#include "../../driver/options_internal.h"
#include "options_lines.h"

Suite *options_suite(void);

#define WORDS_MAX     64
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static struct devb_options options;
static struct vio_error err;
static char line_copy[4096];

/* Parses a line whose words are separated by single spaces. */
static int parse(const char *line)
{
	char *argv[WORDS_MAX] = {(char[]){"devb-virtio"}};
	int argc = 1;
	char *rest = line_copy;

	ck_assert_uint_lt(strlen(line), sizeof(line_copy));
	memcpy(line_copy, line, strlen(line) + 1);
	while (*line && rest && argc < WORDS_MAX)
		argv[argc++] = strsep(&rest, " ");
	err.text[0] = '\0';
	return devb_options_parse(argc, argv, &options, &err);
}

static void free_options(void)
{
	devb_options_free(&options);
}

/* ---- good lines ---- */

START_TEST(test_good_line)
{
	const struct good *row = &good[_i];
	int rc = parse(row->line);

	ck_assert_msg(rc == 0, "'%s': %s", row->line, err.text);
	describe_options(&options);
	ck_assert_msg(strcmp(described, row->meaning) == 0, "'%s'\n is: '%s'\nnot: '%s'", row->line,
		      described, row->meaning);
}
END_TEST

START_TEST(test_help_and_version_end_the_line)
{
	ck_assert_int_eq(parse("virtio smem=1 --help nonsense"), 0);
	ck_assert(options.show_help && !options.show_version);
	ck_assert_int_eq(parse("-f --version --help"), 0);
	ck_assert(options.show_version && !options.show_help && options.foreground);
	ck_assert_int_eq(parse("nonsense --help"), -EINVAL);
}
END_TEST

START_TEST(test_null)
{
	char name[] = "devb-virtio", word[] = "nonsense";
	char *argv[] = {name, word, NULL};

	ck_assert_int_eq(devb_options_parse(2, argv, &options, NULL), -EINVAL);
	ck_assert_int_eq(devb_options_parse(0, NULL, &options, NULL), 0);
	ck_assert_uint_eq(options.disk_count, 1);
}
END_TEST

START_TEST(test_warnings)
{
	ck_assert_int_eq(parse("cam user=20:21 blk maxio=4096,cache=1"), 0);
	ck_assert_uint_eq(options.note_count, 2);
	ck_assert(options.notes[0].is_warning && !options.notes[1].is_warning);
	ck_assert_ptr_nonnull(strstr(options.notes[0].text, "maxio=4096: lowered to 2048"));
	ck_assert_ptr_nonnull(strstr(options.notes[1].text, "blk cache: accepted without effect"));
}
END_TEST

/* ---- bad lines ---- */

/* Failed as it should: a whole sentence, and nothing left to free. */
static void check_failure(const char *line, int rc, int expected)
{
	ck_assert_msg(rc == expected, "'%s': %d %s", line, rc, err.text);
	ck_assert_msg(err.text[0] && strlen(err.text) < sizeof(err.text) - 1, "'%s': '%s'", line,
		      err.text);
	ck_assert_msg(!strchr(err.text, '\n'), "'%s': '%s'", line, err.text);
	ck_assert_uint_eq(options.automount_count, 0);
	ck_assert_ptr_null(options.automounts);
}

static void check_said(const char *line, const char *said)
{
	ck_assert_msg(strstr(err.text, said) != NULL, "'%s': '%s' does not say '%s'", line,
		      err.text, said);
}

START_TEST(test_bad_line)
{
	const struct bad *row = &bad[_i];

	check_failure(row->line, parse(row->line), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(row->said) && row->said[i]; i++)
		check_said(row->line, row->said[i]);
}
END_TEST

START_TEST(test_failure_frees_automounts)
{
	check_failure("automount", parse("blk automount=hd0:/a,automount=hd1:/b,auto=x"), -EINVAL);
}
END_TEST

START_TEST(test_too_many_disks)
{
	char line[1024] = "virtio pci=0";

	for (unsigned i = 1; i < DEVB_DISKS_MAX; i++)
		sprintf(line + strlen(line), " virtio pci=%u", i);
	ck_assert_int_eq(parse(line), 0);
	ck_assert_uint_eq(options.disk_count, DEVB_DISKS_MAX);
	sprintf(line + strlen(line), " virtio pci=99");
	check_failure(line, parse(line), -EINVAL);
	check_said(line, "at most 16");
}
END_TEST

static const struct {
	const char *start, *said; /* a thousand digits follow the start */
} long_lines[] = {
	{"blk x", "unknown option"},
	{"virtio pci=0 smem=", "as one word"},
	{"blk smem=", "write it behind 'virtio'"},
	{"virtio smem=", "guest-physical"},
	{"virtio fdt=", "dtb file"},
	{"blk automount=hd0:", "absolute path"},
};

START_TEST(test_long_word)
{
	char line[2048];

	snprintf(line, sizeof(line), "%s%01000d", long_lines[_i].start, 1);
	check_failure(line, parse(line), -EINVAL);
	check_said(line, long_lines[_i].said);
}
END_TEST

/* ---- automount=@file ---- */

static int parse_list(const void *text, size_t size)
{
	char line[128];
	char path[] = "/tmp/devb-options-XXXXXX";
	int fd, rc;

	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, size), (ssize_t)size);
	close(fd);
	snprintf(line, sizeof(line), "blk ro,automount=@%s", path);
	rc = parse(line);
	unlink(path);
	return rc;
}

START_TEST(test_list)
{
	const char text[] = "# comment, with a comma\n\nhd0:/a\n  hd1:/b:ext4:ro\\,nosuid \r\n"
			    "hd2:/c,hd3:/d";

	ck_assert_msg(parse_list(text, strlen(text)) == 0, "%s", err.text);
	describe_options(&options);
	ck_assert_str_eq(described,
			 "pci 0; ro; mount hd0@- on /a as - with -;"
			 " mount hd1@- on /b as ext4 with ro,nosuid;"
			 " mount hd2@- on /c as - with -; mount hd3@- on /d as - with -;");
}
END_TEST

START_TEST(test_list_wrong_line)
{
	const char text[] = "hd0:/a\n\nhd1\n";
	const char nested[] = "@/etc/passwd";

	check_failure(text, parse_list(text, strlen(text)), -EINVAL);
	check_said(text, "line 3: blk automount=hd1");
	check_failure(nested, parse_list(nested, strlen(nested)), -EINVAL);
}
END_TEST

START_TEST(test_list_unreadable)
{
	static char large[70000];

	check_failure("missing", parse("blk automount=@/nonexistent/list"), -EIO);
	check_said("missing", "/nonexistent/list");
	check_said("missing", "No such file");
	check_failure("directory", parse("blk automount=@/"), -EIO);
	check_failure("zero bytes", parse_list("hd0:/a\0b", 8), -EIO);
	memset(large, '\n', sizeof(large));
	check_failure("large", parse_list(large, sizeof(large)), -EIO);
	ck_assert_int_eq(parse_list(large, 65536), 0);
	ck_assert_int_eq(parse_list("", 0), 0);
	ck_assert_uint_eq(options.automount_count, 0);
}
END_TEST

START_TEST(test_partition_types)
{
	const struct devb_automount dos = {.partition_type = "dos"}, any = {0};
	const struct devb_automount number = {.partition_type = "179"};

	ck_assert(devb_automount_takes_type(&dos, 12));
	ck_assert(!devb_automount_takes_type(&dos, 131));
	ck_assert(!devb_automount_takes_type(&dos, 0));
	ck_assert(devb_automount_takes_type(&number, 179));
	ck_assert(!devb_automount_takes_type(&number, 178));
	ck_assert(!devb_automount_takes_type(&any, 131));
}
END_TEST

/* ---- every row of the table ---- */

START_TEST(test_no_effect_means_one_note)
{
	unsigned count = 0;

	for (const struct devb_option *row = devb_option_table; row->name; row++) {
		char line[128];

		if (row->kind != DEVB_OPTION_NO_EFFECT)
			continue;
		snprintf(line, sizeof(line), "%s %s,%s=1:2", devb_group_names[row->group],
			 row->name, row->name);
		ck_assert_msg(parse(line) == 0, "%s", err.text);
		describe_options(&options);
		ck_assert_msg(strcmp(described, "pci 0; note;") == 0, "'%s': '%s'", line,
			      described);
		ck_assert_ptr_nonnull(strstr(options.notes[0].text, row->name));
		ck_assert_uint_lt(strlen(options.notes[0].text), sizeof(options.notes[0].text) - 1);
		count++;
	}
	ck_assert_uint_lt(count + 20, DEVB_NOTES_MAX); /* the file systems and the warnings */
}
END_TEST

/* An option that only another group knows is refused with that group's name. */
START_TEST(test_wrong_group_names_the_right_one)
{
	for (const struct devb_option *row = devb_option_table; row->name; row++)
		for (unsigned group = 0; group < DEVB_GROUPS; group++) {
			char line[128], right[64];

			if (row->group == DEVB_GROUP_SWITCH ||
			    devb_option_find((enum devb_group)group, row->name, strlen(row->name)))
				continue;
			snprintf(line, sizeof(line), "%s %s=1", devb_group_names[group], row->name);
			check_failure(line, parse(line), -EINVAL);
			snprintf(right, sizeof(right), "found in '%s'", devb_group_names[group]);
			check_said(line, right);
		}
}
END_TEST

/* The example in "expected …" is itself a right line. */
START_TEST(test_examples_are_right)
{
	for (const struct devb_option *row = devb_option_table; row->name; row++) {
		const char *partner = strcmp(row->name, "smem") == 0  ? ",irq=1"
				      : strcmp(row->name, "irq") == 0 ? ",smem=4096"
								      : "";
		char mark[32], line[128];
		const char *example;

		if (!row->expected || strcmp(row->name, "auto") == 0)
			continue;
		snprintf(mark, sizeof(mark), "'%s=", row->name);
		example = strstr(row->expected, mark);
		ck_assert_msg(example != NULL, "%s: '%s'", row->name, row->expected);
		snprintf(line, sizeof(line), "%s %.*s%s", devb_group_names[row->group],
			 (int)strcspn(example + 1, "'"), example + 1, partner);
		ck_assert_msg(parse(line) == 0, "'%s': %s", line, err.text);
		devb_options_free(&options);
	}
}
END_TEST

static char *help_text(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	devb_options_print_help(out);
	fclose(out);
	return text;
}

START_TEST(test_help_has_every_option)
{
	char *text = help_text();

	for (const struct devb_option *row = devb_option_table; row->name; row++) {
		char entry[64];

		ck_assert_msg(row->help != NULL, "%s", row->name);
		snprintf(entry, sizeof(entry), "\n  %s", row->name);
		if (row->kind != DEVB_OPTION_NO_EFFECT)
			ck_assert_msg(strstr(text, entry) != NULL, "%s", row->name);
	}
	free(text);
}
END_TEST

START_TEST(test_help_fits_a_terminal)
{
	char *text = help_text();
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		size_t size = strlen(line);

		ck_assert_msg(size < 80, "'%s'", line);
		ck_assert_msg(size == 0 || line[size - 1] != ' ', "'%s'", line);
	}
	free(text);
}
END_TEST

#ifdef DEVB_MAN_PAGE
START_TEST(test_man_page_has_every_option)
{
	static char text[65536];
	FILE *page = fopen(DEVB_MAN_PAGE, "re");
	const char *found;

	ck_assert_ptr_nonnull(page);
	text[fread(text, 1, sizeof(text) - 1, page)] = '\0';
	fclose(page);
	for (const struct devb_option *row = devb_option_table; row->name; row++) {
		bool has_effect = row->kind != DEVB_OPTION_NO_EFFECT;
		bool is_switch = row->group == DEVB_GROUP_SWITCH;
		char entry[64];

		snprintf(entry, sizeof(entry), ".%s%s %s", has_effect ? "It " : "",
			 is_switch ? "Fl" : "Cm", row->name + is_switch);
		found = strstr(text, entry);
		ck_assert_msg(found && isspace((unsigned char)found[strlen(entry)]), "%s", entry);
	}
}
END_TEST
#endif

/* ---- robustness ---- */

/* Cuts, doubles and changes bytes of known lines: any answer is right, a crash is not. */
START_TEST(test_mangled_lines)
{
	static const char letters[] = "0x,=:@\\ -+.aghkmZ/\t";
	uint32_t random = 12345;

	for (unsigned round = 0; round < 20000; round++) {
		char line[1024];

		snprintf(line, sizeof(line), "%s %s", good[(random >> 8) % ARRAY_SIZE(good)].line,
			 bad[(random >> 20) % ARRAY_SIZE(bad)].line);
		for (unsigned change = 0; change < 3; change++) {
			random = random * 1664525 + 1013904223;
			line[(random >> 8) % strlen(line)] =
				letters[(random >> 24) % (sizeof(letters) - 1)];
		}
		if (parse(line + (random >> 8) % 32 % strlen(line)) != 0)
			check_failure(line, -EINVAL, -EINVAL);
		devb_options_free(&options);
	}
}
END_TEST

static TCase *lines_case(void)
{
	TCase *lines = tcase_create("lines");

	tcase_add_checked_fixture(lines, NULL, free_options);
	tcase_add_loop_test(lines, test_good_line, 0, (int)ARRAY_SIZE(good));
	tcase_add_loop_test(lines, test_bad_line, 0, (int)ARRAY_SIZE(bad));
	tcase_add_test(lines, test_help_and_version_end_the_line);
	tcase_add_test(lines, test_null);
	tcase_add_test(lines, test_warnings);
	tcase_add_test(lines, test_failure_frees_automounts);
	tcase_add_test(lines, test_too_many_disks);
	tcase_add_loop_test(lines, test_long_word, 0, (int)ARRAY_SIZE(long_lines));
	tcase_add_test(lines, test_mangled_lines);
	return lines;
}

static TCase *automount_case(void)
{
	TCase *automount = tcase_create("automount");

	tcase_add_checked_fixture(automount, NULL, free_options);
	tcase_add_test(automount, test_list);
	tcase_add_test(automount, test_list_wrong_line);
	tcase_add_test(automount, test_list_unreadable);
	tcase_add_test(automount, test_partition_types);
	return automount;
}

static TCase *table_case(void)
{
	TCase *table = tcase_create("table");

	tcase_add_test(table, test_no_effect_means_one_note);
	tcase_add_test(table, test_wrong_group_names_the_right_one);
	tcase_add_test(table, test_examples_are_right);
	tcase_add_test(table, test_help_has_every_option);
	tcase_add_test(table, test_help_fits_a_terminal);
#ifdef DEVB_MAN_PAGE
	tcase_add_test(table, test_man_page_has_every_option);
#endif
	return table;
}

Suite *options_suite(void)
{
	Suite *suite = suite_create("options");

	suite_add_tcase(suite, lines_case());
	suite_add_tcase(suite, automount_case());
	suite_add_tcase(suite, table_case());
	return suite;
}
