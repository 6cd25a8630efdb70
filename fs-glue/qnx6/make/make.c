/* SPDX-License-Identifier: BSD-3-Clause */
#include "make.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "emit.h"
#include "image.h"
#include "layout.h"
#include "scan.h"
#include "stop.h"

/* What was asked for, or all the host has room for. */
static int choose_size(const struct mk_options *opt, const struct mk_image *image, uint64_t *size)
{
	*size = opt->size;
	if (opt->num_blocks)
		*size = mk_layout_size(opt);
	if (*size)
		return *size > INT64_MAX - opt->offset ? mk_fail("the volume would end beyond the "
								 "largest file")
						       : 0;
	if (image->fd < 0)
		return mk_fail(
			"there is no %s; to make it, say how large the volume is to be, with "
			"-n or --size",
			opt->host);
	if (image->old_size <= opt->offset)
		return mk_fail("%s ends at %ju, and so has no room for a volume at %ju", opt->host,
			       (uintmax_t)image->old_size, (uintmax_t)opt->offset);
	*size = image->old_size - opt->offset;
	return 0;
}

/* QNX's own words, for scripts that look for them. */
static int ask(const char *host)
{
	char answer[16] = "";

	printf("All files on %s will be lost!\nConfirm filesystem re-format (y) or (n): ", host);
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin)) {
		putchar('\n');
		return mk_fail("nobody answered, and so %s is as it was; with -q nobody is asked",
			       host);
	}
	if (*answer != 'y' && *answer != 'Y')
		return mk_fail("%s is as it was", host);
	return 0;
}

static int confirm(const struct mk_options *opt, const struct mk_image *image, uint64_t size)
{
	int holds_data = opt->quiet ? 0 : mk_image_holds_data(image, size);

	return holds_data > 0 ? ask(opt->host) : holds_data;
}

static void report(const struct mk_options *opt, const struct mk_layout *layout)
{
	if (!opt->quiet)
		printf("Format fs-qnx6: %u blocks, %u inodes, %u groups\n", layout->num_blocks,
		       layout->num_inodes, opt->groups);
}

static int fill_image(struct mk_image *image, const struct mk_options *opt,
		      const struct mk_scan *scan, const struct mk_layout *layout)
{
	if (confirm(opt, image, layout->size))
		return -1;
	mk_stop_catch();
	if (mk_image_begin(image, layout->size))
		return -1;
	return mk_emit_volume(image, opt, scan, layout);
}

static int plan_and_fill(struct mk_image *image, const struct mk_options *opt,
			 const struct mk_scan *scan, uint64_t size)
{
	struct mk_layout layout;
	int failed = mk_layout_make(&layout, opt, size, scan);

	if (!failed)
		failed = fill_image(image, opt, scan, &layout);
	if (!failed)
		report(opt, &layout);
	mk_layout_free(&layout);
	return failed;
}

static int make_in(struct mk_image *image, const struct mk_options *opt)
{
	struct mk_scan scan;
	uint64_t size;
	int failed;

	if (choose_size(opt, image, &size))
		return -1;
	failed = mk_scan_read(&scan, opt, image->fd < 0 ? NULL : &image->stat);
	if (!failed)
		failed = plan_and_fill(image, opt, &scan, size);
	mk_scan_free(&scan);
	return failed;
}

int mk_volume(const struct mk_options *opt)
{
	struct mk_image image;
	int failed = mk_image_open(&image, opt);

	if (!failed)
		failed = make_in(&image, opt);
	return mk_image_close(&image, !failed);
}
