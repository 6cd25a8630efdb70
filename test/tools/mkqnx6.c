/* SPDX-License-Identifier: BSD-3-Clause */
/* mkqnx6: makes a QNX6 power-safe volume, filled from a directory tree. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mkqnx6.h"
#include "mkqnx6_emit.h"
#include "mkqnx6_image.h"
#include "mkqnx6_layout.h"
#include "mkqnx6_source.h"

enum {
	EXIT_USAGE = 2
};

static const char usage[] =
	"usage: mkqnx6 [-b BLOCKSIZE] [-e] [-t SECONDS] [-o OFFSET] -s SIZE IMAGE [DIR]\n"
	"Makes a QNX6 volume of SIZE bytes in IMAGE, filled from the tree DIR.\n"
	"  -b BLOCKSIZE  512, 1024 (default), 2048 or 4096\n"
	"  -e            big endian\n"
	"  -t SECONDS    the time of making, since 1970; the same input gives the same bytes\n"
	"  -o OFFSET     where in IMAGE the volume begins; all else in IMAGE stays\n"
	"  -s SIZE       of the volume; SIZE and OFFSET may end in K, M or G\n";

int fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("mkqnx6: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return -1;
}

/* How far a suffix shifts; -1 if there is no such suffix. */
static int suffix_shift(const char *suffix)
{
	static const char names[] = "KMG";
	const char *found;

	if (!*suffix)
		return 0;
	found = strchr(names, *suffix);
	return found && !suffix[1] ? 10 * (int)(found - names + 1) : -1;
}

static int parse_number(char option, const char *text, uint64_t most, uint64_t *value)
{
	char *end = NULL;
	uint64_t number;
	int shift;

	errno = 0;
	number = strtoull(text, &end, 10);
	shift = suffix_shift(end);
	if (!isdigit((unsigned char)*text) || shift < 0)
		return fail("-%c needs a number, not \"%s\"", option, text);
	if (errno || number > most >> shift)
		return fail("-%c %s is too large", option, text);
	*value = number << shift;
	return 0;
}

static int parse_block_size(const char *text, uint32_t *block_size)
{
	uint64_t value = 0;

	if (parse_number('b', text, UINT32_MAX, &value))
		return -1;
	if (value != 512 && value != 1024 && value != 2048 && value != 4096)
		return fail("-b takes 512, 1024, 2048 or 4096, not \"%s\"", text);
	*block_size = (uint32_t)value;
	return 0;
}

static int parse_time(const char *text, struct options *opt)
{
	uint64_t value = 0;

	if (parse_number('t', text, UINT32_MAX, &value))
		return -1;
	opt->time = (uint32_t)value;
	opt->reproducible = true;
	return 0;
}

static int parse_option(int option, struct options *opt)
{
	switch (option) {
	case 'b':
		return parse_block_size(optarg, &opt->block_size);
	case 'e':
		opt->order = QNX6_BIG;
		return 0;
	case 't':
		return parse_time(optarg, opt);
	case 'o':
		return parse_number('o', optarg, INT64_MAX, &opt->offset);
	case 's':
		return parse_number('s', optarg, INT64_MAX, &opt->size);
	case 'h':
		fputs(usage, stdout);
		exit(EXIT_SUCCESS);
	case ':':
		return fail("-%c needs a value; see mkqnx6 -h", optopt);
	default:
		return fail("there is no option -%c; see mkqnx6 -h", optopt);
	}
}

static int check_options(const struct options *opt)
{
	if (!opt->size)
		return fail("the size of the volume is missing: -s SIZE");
	if (opt->size > INT64_MAX - opt->offset)
		return fail("the volume would end beyond the largest file");
	if (opt->offset % 512)
		return fail("-o must be a multiple of 512 bytes");
	return 0;
}

static int parse_options(int argc, char **argv, struct options *opt)
{
	int option;

	*opt = (struct options){.block_size = 1024, .time = (uint32_t)time(NULL)};
	while ((option = getopt(argc, argv, ":b:et:o:s:h")) != -1)
		if (parse_option(option, opt))
			return -1;
	if (optind == argc)
		return fail("the name of the image is missing; see mkqnx6 -h");
	if (argc - optind > 2)
		return fail("one IMAGE and one DIR at most, but there is also \"%s\"",
			    argv[optind + 2]);
	opt->image = argv[optind];
	opt->dir = argv[optind + 1];
	return check_options(opt);
}

static int write_volume(const struct options *opt, const struct source *source,
			const struct layout *layout)
{
	struct image image;
	int failed;

	if (image_open(&image, opt))
		return -1;
	failed = emit_volume(&image, opt, source, layout);
	return image_close(&image, !failed);
}

static int make_volume(const struct options *opt)
{
	struct source source;
	struct layout layout;
	int failed;

	failed = source_read(&source, opt);
	if (!failed) {
		failed = layout_make(&layout, opt, &source);
		if (!failed)
			failed = write_volume(opt, &source, &layout);
		layout_free(&layout);
	}
	source_free(&source);
	return failed;
}

int main(int argc, char **argv)
{
	struct options opt;

	if (parse_options(argc, argv, &opt))
		return EXIT_USAGE;
	return make_volume(&opt) ? EXIT_FAILURE : EXIT_SUCCESS;
}
