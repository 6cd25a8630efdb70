/* SPDX-License-Identifier: BSD-3-Clause */
/* chkqnx6fs: checks a QNX6 volume, with the options of QNX's command. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qnx6_check.h"
#include "show.h"

enum {
	EXIT_DAMAGED = 1,
	EXIT_CANNOT_RUN = 2,
	TEXT_SIZE = 512,
};

struct options {
	const char *host;
	bool takes_one_super; /* -p */
	bool shows;           /* -s, -S */
	unsigned which;       /* super block to show */
	unsigned verbosity;
	bool stops_at_warning; /* -W */
	bool hides_warnings;   /* -w */
};

static const char usage[] =
	"usage: chkqnx6fs [-psvWw] [-S 0|1] HOST\n"
	"Checks the QNX6 volume in HOST, a file or a block device. Nothing is written.\n"
	"  -p, --proceed          go on when only one super block is valid\n"
	"  -s, --show             show the super block that counts, and check nothing\n"
	"  -S, --super-block=0|1  show this one in full, and check nothing\n"
	"  -v, --verbose          also where it is; twice: all of a super block\n"
	"  -W, --strict           stop at the first warning, as an error\n"
	"  -w, --no-warnings      do not show warnings\n"
	"      --help, --version\n"
	"Exit status: 0 consistent, 1 damaged, 2 the check could not be made.\n"
	"QNX's -f (fix) and -x (expand) are refused: nothing is repaired here.\n";

static const struct option long_options[] = {
	{"proceed", no_argument, NULL, 'p'},
	{"show", no_argument, NULL, 's'},
	{"super-block", required_argument, NULL, 'S'},
	{"verbose", no_argument, NULL, 'v'},
	{"strict", no_argument, NULL, 'W'},
	{"no-warnings", no_argument, NULL, 'w'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says one sentence. Returns -1, for the caller to return in turn. */
static int fail(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, format);
	fputs("chkqnx6fs: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return -1;
}

static int parse_super(const char *text, struct options *opt)
{
	if (strcmp(text, "0") && strcmp(text, "1"))
		return fail("-S takes 0 or 1, the number of a super block, not \"%s\"", text);
	opt->shows = true;
	opt->which = (unsigned)(*text - '0');
	opt->verbosity += 2;
	return 0;
}

static int print_and_exit(const char *text)
{
	fputs(text, stdout);
	exit(fflush(stdout) ? EXIT_CANNOT_RUN : EXIT_SUCCESS);
}

static int refuse(int option, char **argv)
{
	if (option == ':')
		return fail("%s needs a value; see chkqnx6fs --help", argv[optind - 1]);
	if (optopt)
		return fail("there is no option -%c; see chkqnx6fs --help", optopt);
	return fail("there is no option %s; see chkqnx6fs --help", argv[optind - 1]);
}

static int parse_option(int option, char **argv, struct options *opt)
{
	switch (option) {
	case 'p':
		opt->takes_one_super = true;
		return 0;
	case 's':
		opt->shows = true;
		return 0;
	case 'S':
		return parse_super(optarg, opt);
	case 'v':
		opt->verbosity++;
		return 0;
	case 'W':
		opt->stops_at_warning = true;
		return 0;
	case 'w':
		opt->hides_warnings = true;
		return 0;
	case 'f':
		return fail("-f cannot be had: this chkqnx6fs checks only and repairs nothing");
	case 'x':
		return fail("-x cannot be had: this chkqnx6fs does not expand volumes");
	case 'h':
		return print_and_exit(usage);
	case 'V':
		return print_and_exit("chkqnx6fs " CHKQNX6FS_VERSION "\n");
	default:
		return refuse(option, argv);
	}
}

static int parse_options(int argc, char **argv, struct options *opt)
{
	int option;

	*opt = (struct options){.which = SHOW_ACTIVE};
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":fpsvWwxS:", long_options, NULL)) != -1)
		if (parse_option(option, argv, opt))
			return -1;
	if (optind == argc)
		return fail(
			"the volume is missing: a file or a block device; see chkqnx6fs --help");
	if (argc - optind > 1)
		return fail("one volume at a time, but there is also \"%s\"", argv[optind + 1]);
	opt->host = argv[optind];
	return 0;
}

static void print_place(const struct qnx6_finding *finding)
{
	if (finding->inode)
		printf(" [inode %u]", finding->inode);
	if (finding->block != QNX6_NO_BLOCK)
		printf(" [block %u]", finding->block);
	if (finding->offset != UINT64_MAX)
		printf(" [byte %ju]", (uintmax_t)finding->offset);
}

static bool print_finding(void *context, const struct qnx6_finding *finding)
{
	const struct options *opt = context;
	bool is_warning = finding->severity == QNX6_WARNING;

	if (is_warning && opt->hides_warnings && !opt->stops_at_warning)
		return true;
	printf("%s: %s: %s", is_warning ? "warning" : "error", finding->code, finding->text);
	if (opt->verbosity)
		print_place(finding);
	putchar('\n');
	return !(is_warning && opt->stops_at_warning);
}

static void print_note(void *context, const char *text)
{
	(void)context;
	puts(text);
}

static int print_summary(const struct qnx6_check_result *result)
{
	if (!result->is_finished)
		printf("Summary: not all was checked; ");
	else
		printf("Summary: %u of %u blocks and %u of %u inodes in use; ", result->used_blocks,
		       result->num_blocks, result->used_inodes, result->num_inodes);
	printf("%ju %s, %ju %s\n", (uintmax_t)result->errors,
	       result->errors == 1 ? "error" : "errors", (uintmax_t)result->warnings,
	       result->warnings == 1 ? "warning" : "warnings");
	return result->is_finished && !result->errors ? EXIT_SUCCESS : EXIT_DAMAGED;
}

static int check(struct qnx6_source *source, struct options *opt)
{
	const struct qnx6_check_options options = {
		.takes_one_super = opt->takes_one_super,
		.report = print_finding,
		.note = print_note,
		.context = opt,
	};
	struct qnx6_check_result result;
	int error = qnx6_check(source, &options, &result);

	if (error && error != -ECANCELED) {
		fail("the check of %s could not be made: %s", opt->host, strerror(-error));
		return EXIT_CANNOT_RUN;
	}
	return print_summary(&result);
}

static int show(struct qnx6_source *source, const struct options *opt)
{
	char why[TEXT_SIZE];

	if (!show_super(source, opt->which, opt->verbosity, why, sizeof(why)))
		return EXIT_SUCCESS;
	fail("%s: %s", opt->host, why);
	return EXIT_DAMAGED;
}

/* What the kernel writes meanwhile would look like damage. */
static int refuse_mounted(const char *host)
{
	struct stat st;
	int fd;

	if (stat(host, &st) || !S_ISBLK(st.st_mode))
		return 0;
	fd = open(host, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd < 0 && errno == EBUSY)
		return fail("%s is in use, perhaps mounted: unmount it first", host);
	if (fd >= 0)
		close(fd);
	return 0;
}

static int open_source(struct qnx6_source **source, const struct options *opt)
{
	char why[TEXT_SIZE];

	if (refuse_mounted(opt->host))
		return -1;
	return qnx6_file_open(source, opt->host, why, sizeof(why)) ? fail("%s", why) : 0;
}

int main(int argc, char **argv)
{
	struct qnx6_source *source;
	struct options opt;
	int status;

	if (parse_options(argc, argv, &opt) || open_source(&source, &opt))
		return EXIT_CANNOT_RUN;
	status = opt.shows ? show(source, &opt) : check(source, &opt);
	qnx6_source_close(source);
	if (fflush(stdout) || ferror(stdout)) {
		fail("cannot write what was found: %s", strerror(errno));
		return EXIT_CANNOT_RUN;
	}
	return status;
}
