/* SPDX-License-Identifier: BSD-3-Clause */
/* qnx6fs: a QNX6 volume in a file or on a device, mounted for reading. See qnx6fs.8. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "background.h"
#include "qnx6_mount.h"

enum {
	EXIT_USAGE = 2
};

static const char help[] =
	"usage: qnx6fs [-fsv] [-o OPTION[,OPTION]...] SPECIAL DIRECTORY\n"
	"       mount -t fuse.qnx6fs [-o OPTION[,OPTION]...] SPECIAL DIRECTORY\n"
	"\n"
	"Mounts the QNX6 power-safe volume in SPECIAL, a file or a device, on DIRECTORY, for\n"
	"reading. Returns when it can be used; 'umount DIRECTORY' or SIGTERM ends it.\n"
	"\n"
	"  -f             stay in the foreground, until it is unmounted\n"
	"  -s             ignore options that are not known, instead of refusing them\n"
	"  -v             say which volume was found\n"
	"  -o OPTION      allow_other          others than who mounts it may use it, as far as\n"
	"                                      the files' modes let them; root's default\n"
	"                 private              they may not\n"
	"                 default_permissions  the modes count for who mounts it, too\n"
	"                 uid=N, gid=N         owner and group of all files\n"
	"                 umask=OCTAL          permissions to take away from all files\n"
	"                 workers=N            threads that serve it, 1 to 64 (default: as\n"
	"                                      many as CPUs, but 2 at least and 8 at most)\n"
	"                 nosuid, nodev, noexec, dev, suid, ... as for mount(8)\n"
	"      --help     print this\n"
	"      --version  print the version\n";

/* What the command line says. */
struct request {
	const char *special, *dir;
	char *options; /* "a,b,c"; grows with each -o; NULL: none */
	bool foreground, is_sloppy, verbose, is_fake;
};

/* What there is of the mount, while it comes and goes. */
struct served {
	struct qnx6_source *source;
	struct qnx6_volume *volume;
	struct qnx6_mount *mount;
};

static int usage(const char *text, const char *what)
{
	fprintf(stderr, "qnx6fs: %s%s; 'qnx6fs --help' says how\n", text, what);
	return EXIT_USAGE;
}

static int add_options(struct request *request, const char *more)
{
	char *joined;
	int rc = request->options ? asprintf(&joined, "%s,%s", request->options, more)
				  : asprintf(&joined, "%s", more);

	if (rc < 0)
		return -ENOMEM;
	free(request->options);
	request->options = joined;
	return 0;
}

/* mount(8) runs us under this name, with options of its own. */
static bool is_helper_of_mount(const char *program)
{
	const char *slash = strrchr(program, '/');

	return strncmp(slash ? slash + 1 : program, "mount.", 6) == 0;
}

/* EXIT_SUCCESS to go on; -1: done already. */
static int take_option(struct request *request, int option, bool is_helper)
{
	switch (option) {
	case 'o':
		return add_options(request, optarg) < 0 ? usage("out of memory", "") : EXIT_SUCCESS;
	case 'f': /* of mount(8): all but the mount itself */
		*(is_helper ? &request->is_fake : &request->foreground) = true;
		return EXIT_SUCCESS;
	case 's':
		request->is_sloppy = true;
		return EXIT_SUCCESS;
	case 'v':
		request->verbose = true;
		return EXIT_SUCCESS;
	case 'h':
		fputs(help, stdout);
		return -1;
	case 'V':
		printf("qnx6fs %s\n", QNX6FS_VERSION);
		return -1;
	default: /* of mount(8), too: no mtab, "fuse.qnx6fs", the namespace that we are in */
		return EXIT_SUCCESS;
	}
}

static int parse(struct request *request, int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
	bool is_helper = is_helper_of_mount(argv[0]);
	const char *letters = is_helper ? ":o:fnsvt:N:" : ":o:fsv";
	int option, rc = EXIT_SUCCESS;

	opterr = 0;
	while (rc == EXIT_SUCCESS &&
	       (option = getopt_long(argc, argv, letters, options, NULL)) >= 0) {
		if (option == '?')
			return usage("there is no option ", argv[optind - 1]);
		if (option == ':')
			return usage("a value is missing behind ", argv[optind - 1]);
		rc = take_option(request, option, is_helper);
	}
	if (rc != EXIT_SUCCESS)
		return rc;
	if (argc - optind != 2)
		return usage("expected what to mount and a directory",
			     argc - optind < 2 ? ", found less" : ", found more");
	request->special = argv[optind];
	request->dir = argv[optind + 1];
	/* as with every file system that root mounts */
	if (geteuid() == 0 && add_options(request, "allow_other") < 0)
		return usage("out of memory", "");
	return EXIT_SUCCESS;
}

static void warn(void *context, const char *text)
{
	(void)context;
	background_say(LOG_WARNING, text);
}

/* Wakes wait_for_end(). */
static void ended(void *context)
{
	(void)context;
	kill(getpid(), SIGTERM);
}

static void stop_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

static void wait_for_end(void)
{
	sigset_t set;

	stop_set(&set);
	while (sigwaitinfo(&set, NULL) < 0) {
	}
}

static void report(const struct request *request, const struct qnx6_volume *volume)
{
	static const char *const layouts[] = {
		[QNX6_LAYOUT_BOOT] = "with boot area",
		[QNX6_LAYOUT_NO_BOOT] = "without boot area",
		[QNX6_LAYOUT_MMI] = "of an MMI unit",
	};
	const struct qnx6_info *info = qnx6_info(volume);
	char text[512];

	if (!request->verbose)
		return;
	snprintf(text, sizeof(text),
		 "%.200s: QNX6 %s, %s-endian, %u blocks of %u, %u free, super block %u counts, "
		 "serial %llu; mounted on %.200s for reading",
		 request->special, layouts[info->layout],
		 info->order == QNX6_BIG ? "big" : "little", info->num_blocks, info->block_size,
		 info->free_blocks, info->active,
		 (unsigned long long)info->serial[info->active - 1], request->dir);
	background_say(LOG_INFO, text);
}

static int open_all(struct served *served, const struct request *request, char *why,
		    size_t why_size)
{
	const struct qnx6_open_options volume_options = {.warn = warn};
	const struct qnx6_mount_options options = {
		.dir = request->dir,
		.name = request->special,
		.options = request->options,
		.is_sloppy = request->is_sloppy,
		.ended = ended,
		.warn = warn,
	};
	int rc = qnx6_file_open(&served->source, request->special, why, why_size);

	if (rc == 0)
		rc = qnx6_open(&served->volume, served->source, &volume_options, why, why_size);
	if (rc == 0)
		rc = qnx6_mount_open(&served->mount, served->volume, served->source, &options, why,
				     why_size);
	return rc;
}

static void close_all(struct served *served, const struct request *request)
{
	char text[512];

	if (qnx6_mount_close(served->mount, true) == -EBUSY) {
		snprintf(text, sizeof(text), "%.400s was still in use: it is detached",
			 request->dir);
		background_say(LOG_WARNING, text);
	}
	qnx6_close(served->volume);
	qnx6_source_close(served->source);
}

/* Signals are blocked before there are threads, and so in all of them. */
static int serve(const struct request *request)
{
	struct served served = {0};
	char why[512] = "";
	sigset_t set;
	int rc = request->foreground ? 0 : background_start();

	stop_set(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (rc < 0)
		snprintf(why, sizeof(why), "no process for the background: %s", strerror(-rc));
	else
		rc = open_all(&served, request, why, sizeof(why));
	if (rc < 0) {
		background_say(LOG_ERR, why);
	} else {
		report(request, served.volume);
		background_ready();
		wait_for_end();
	}
	close_all(&served, request);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct request request = {0};
	int rc = parse(&request, argc, argv);

	if (rc < 0)
		rc = EXIT_SUCCESS;
	else if (rc == EXIT_SUCCESS && !request.is_fake)
		rc = serve(&request);
	free(request.options);
	return rc;
}
