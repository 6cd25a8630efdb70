/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "make.h"

enum {
	EXIT_USAGE = 2
};

static const char help[] =
	"usage: mkqnx6fs [options] HOST\n"
	"Makes a QNX6 (power-safe) file system in HOST, a block device or a file.\n"
	"\n"
	"As on QNX:\n"
	"  -b SIZE    of a block: 512, 1024 (1k), 2048 or 4096 bytes (default)\n"
	"  -e ORDER   of the bytes: little (default) or big\n"
	"  -g GROUPS  of allocation, 1 (default) to 64\n"
	"  -i INODES  how many; default: by the volume's size and -T, enough for -d\n"
	"  -n BLOCKS  how many; default: what HOST has room for\n"
	"  -q         don't ask before HOST is overwritten, and print nothing\n"
	"  -R MODE[:UID[:GID]]  of the root directory\n"
	"  -T TYPE    desktop, runtime, or media: few large files, so fewer inodes\n"
	"  -u UUID, -v NAME     the volume's id; default: a random UUID\n"
	"\n"
	"Beyond QNX:\n"
	"  -d DIR     fill the volume from this directory\n"
	"  -T [SECONDS], --timestamp=SECONDS\n"
	"             the time of making, since 1970 (or SOURCE_DATE_EPOCH; without either 0):\n"
	"             the same files and options then give the same bytes\n"
	"  --size=BYTES         of the volume; HOST is made, or lengthened, to hold it\n"
	"  --offset=BYTES       where in HOST the volume begins; the rest of HOST stays\n"
	"  --no-boot-block      no boot area in front of the first super block\n"
	"  --skip-devices       leave device files out, instead of giving up\n"
	"  --help, --version\n"
	"\n"
	"Numbers may end in k, m or g. See mkqnx6fs(8).\n";

int mk_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("mkqnx6fs: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return -1;
}

/* What was printed but never arrived is an error too. */
static int say(const char *text)
{
	fputs(text, stdout);
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct mk_options opt;

	switch (mk_options_parse(&opt, argc, argv)) {
	case MK_MAKE:
		return mk_volume(&opt) ? EXIT_FAILURE : EXIT_SUCCESS;
	case MK_HELP:
		return say(help);
	case MK_VERSION:
		return say("mkqnx6fs " DEVB_VERSION "\n");
	default:
		return EXIT_USAGE;
	}
}
