/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line, QNX's and our own long options. */
#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "make.h"

enum {
	OPT_OFFSET = 256,
	OPT_SIZE,
	OPT_TIMESTAMP,
	OPT_NO_BOOT_BLOCK,
	OPT_SKIP_DEVICES,
	OPT_VERSION,
};

static const char short_options[] = ":b:Bd:e:Eg:hi:I:n:o:O:qr:R:T:u:v:x";

static const struct option long_options[] = {
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{"offset", required_argument, NULL, OPT_OFFSET},
	{"size", required_argument, NULL, OPT_SIZE},
	{"timestamp", required_argument, NULL, OPT_TIMESTAMP},
	{"no-boot-block", no_argument, NULL, OPT_NO_BOOT_BLOCK},
	{"skip-devices", no_argument, NULL, OPT_SKIP_DEVICES},
	{NULL, 0, NULL, 0},
};

/* QNX's options that ask for what only QNX has, or has never said how it looks on the disk. */
static const struct {
	int option;
	const char *reason;
} refused[] = {
	{'B', "-B writes QNX's boot loader alone, which is QNX's own; for a volume without the "
	      "boot area there is --no-boot-block"},
	{'E', "-E asks for encryption, which QNX6 volumes made here can't have"},
	{'I', "-I asks for sums in the inodes, and how QNX keeps them is not published"},
	{'x', "-x asks for a volume that can grow, and how QNX lays it out is not published"},
};

static int refuse(int option)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (refused[i].option == option)
			return mk_fail("%s", refused[i].reason);
	return mk_fail("there is no option -%c; see mkqnx6fs --help", option);
}

static int parse_count(const char *name, const char *text, uint64_t least, uint64_t most,
		       uint32_t *count)
{
	uint64_t value = 0;

	if (mk_parse_number(name, text, most, &value))
		return -1;
	if (value < least)
		return mk_fail("%s takes %ju to %ju, not %s", name, (uintmax_t)least,
			       (uintmax_t)most, text);
	*count = (uint32_t)value;
	return 0;
}

static int parse_time(const char *name, const char *text, struct mk_options *opt)
{
	opt->reproducible = true;
	return parse_count(name, text, 0, UINT32_MAX, &opt->time);
}

/* The convention of reproducible-builds.org. */
static int time_by_environment(struct mk_options *opt)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");

	opt->time = (uint32_t)time(NULL);
	return text ? parse_time("SOURCE_DATE_EPOCH", text, opt) : 0;
}

/* -T alone, in front of whatever the next word is. */
static void be_reproducible(struct mk_options *opt)
{
	if (!opt->reproducible)
		opt->time = 0;
	opt->reproducible = true;
}

/*
 * QNX's -T has a type behind it; ours may have a time instead, or nothing. @next is whether the
 * value is a word of its own, and so may be something else.
 */
static int parse_type(const char *text, bool next, struct mk_options *opt)
{
	static const char *const types[] = {"desktop", "runtime", "media"};

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(text, types[i])) {
			opt->type = (enum mk_type)i;
			return 0;
		}
	if (isdigit((unsigned char)*text))
		return parse_time("-T", text, opt);
	if (!next)
		return mk_fail("-T takes desktop, runtime, media, or a time in seconds since 1970, "
			       "not \"%s\"",
			       text);
	be_reproducible(opt);
	optind--;
	return 0;
}

/* What QNX does when nobody says anything is all that can be had. */
static int check_word(const char *text, const char *const *known, const char *refusal)
{
	for (; *known; known++)
		if (!strcmp(text, *known))
			return 0;
	return mk_fail("%s, not \"%s\"", refusal, text);
}

static int parse_format_options(const char *text)
{
	static const char *const known[] = {"+lfncksum", "lfncksum", NULL};

	return check_word(text, known, "-o can keep QNX's default alone, +lfncksum");
}

static int parse_boot_options(const char *text)
{
	static const char *const known[] = {"-quiet", "-cls", "-quiet,-cls", "-cls,-quiet", NULL};

	return check_word(text, known,
			  "-O is for QNX's boot loader, which is not written; it can only be "
			  "-quiet,-cls");
}

static int parse_reserve(const char *text)
{
	uint64_t percent = 0;

	if (mk_parse_number("-r", text, 100, &percent))
		return -1;
	return percent ? mk_fail("-r %s can't be kept: where QNX notes reserved blocks is not "
				 "published; use -r 0",
				 text)
		       : 0;
}

static int set_volume_id(struct mk_options *opt, int failed)
{
	if (!failed && opt->has_volume_id)
		return mk_fail("-u and -v are for the same place on the disk: give one, once");
	opt->has_volume_id = true;
	return failed;
}

static int parse_long_option(int option, struct mk_options *opt)
{
	switch (option) {
	case OPT_OFFSET:
		return mk_parse_number("--offset", optarg, INT64_MAX, &opt->offset);
	case OPT_SIZE:
		return mk_parse_number("--size", optarg, INT64_MAX, &opt->size);
	case OPT_TIMESTAMP:
		return parse_time("--timestamp", optarg, opt);
	case OPT_NO_BOOT_BLOCK:
		opt->no_boot_area = true;
		return 0;
	default:
		opt->skip_devices = true;
		return 0;
	}
}

static int parse_option(int option, bool next, struct mk_options *opt)
{
	switch (option) {
	case 'b':
		return mk_parse_block_size(optarg, &opt->block_size);
	case 'd':
		opt->dir = optarg;
		return 0;
	case 'e':
		return mk_parse_order(optarg, &opt->order);
	case 'g':
		return parse_count("-g", optarg, 1, 64, &opt->groups);
	case 'i':
		return parse_count("-i", optarg, 1, UINT32_MAX - 64, &opt->num_inodes);
	case 'n':
		return parse_count("-n", optarg, 1, QNX6_NO_BLOCK - 1, &opt->num_blocks);
	case 'o':
		return parse_format_options(optarg);
	case 'O':
		return parse_boot_options(optarg);
	case 'q':
		opt->quiet = true;
		return 0;
	case 'r':
		return parse_reserve(optarg);
	case 'R':
		return mk_parse_root(optarg, opt);
	case 'T':
		return parse_type(optarg, next, opt);
	case 'u':
		return set_volume_id(opt, mk_parse_uuid(optarg, opt->volume_id));
	case 'v':
		return set_volume_id(opt, mk_parse_volume_name(optarg, opt->volume_id));
	default:
		return option >= OPT_OFFSET ? parse_long_option(option, opt) : refuse(option);
	}
}

/* What getopt_long() couldn't make sense of: its word is the one before optind. */
static int explain(int option, char **argv, struct mk_options *opt)
{
	if (option == ':' && optopt == 'T') {
		be_reproducible(opt);
		return 0;
	}
	if (option == ':')
		return mk_fail("%s needs a value; see mkqnx6fs --help", argv[optind - 1]);
	if (optopt > 0 && optopt < OPT_OFFSET)
		return mk_fail("there is no option -%c; see mkqnx6fs --help", optopt);
	return mk_fail("%s is no option, or takes no value; see mkqnx6fs --help", argv[optind - 1]);
}

static int check_options(const struct mk_options *opt)
{
	if (opt->size && opt->num_blocks)
		return mk_fail("-n and --size both say how large the volume is: give one");
	if (opt->offset % 512)
		return mk_fail("--offset must be a multiple of 512 bytes");
	if (opt->size > INT64_MAX - opt->offset)
		return mk_fail("the volume would end beyond the largest file");
	return 0;
}

static int take_host(struct mk_options *opt, char *const *words)
{
	if (!words[0])
		return mk_fail("the file or device to make the volume in is missing; see mkqnx6fs "
			       "--help");
	if (words[1])
		return mk_fail("one file or device, but there is \"%s\" and also \"%s\"", words[0],
			       words[1]);
	opt->host = words[0];
	return check_options(opt);
}

enum mk_command mk_options_parse(struct mk_options *opt, int argc, char **argv)
{
	int option;

	*opt = (struct mk_options){.block_size = 4096, .groups = 1};
	if (time_by_environment(opt))
		return MK_USAGE_ERROR;
	while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		int failed;

		if (option == 'h')
			return MK_HELP;
		if (option == OPT_VERSION)
			return MK_VERSION;
		if (option == ':' || option == '?')
			failed = explain(option, argv, opt);
		else
			failed = parse_option(option, optarg == argv[optind - 1], opt);
		if (failed)
			return MK_USAGE_ERROR;
	}
	return take_host(opt, argv + optind) ? MK_USAGE_ERROR : MK_MAKE;
}
