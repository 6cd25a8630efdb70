/* SPDX-License-Identifier: BSD-3-Clause */
#include "qnx6_automount.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vio/log.h>

#include "privileges.h"
#include "qnx6_mount.h"
#include "qnx6_source.h"

enum {
	/* chosen: so many have memory of the device's; more work, with copies on the way */
	WORKERS_MAX = 64,
};

struct served {
	struct served *next;
	const struct devb_unit *unit;
	const struct devb_options *options;
	const struct devb_automount *automount;
	struct qnx6_source *source;
	struct qnx6_volume *volume;
	struct qnx6_mount *mount;
};

static struct served *all_served;

static bool is_said(const struct devb_automount *automount)
{
	return automount->fstype && strcmp(automount->fstype, "qnx6") == 0;
}

/* One that says no type may have options of another, and be no mount of ours. */
static unsigned workers_of(const struct devb_automount *automount)
{
	char why[200];
	int workers = qnx6_mount_check(automount->options, why, sizeof(why));

	return (unsigned)(workers > 0 ? workers : qnx6_mount_check(NULL, why, sizeof(why)));
}

size_t devb_qnx6_memory(const struct devb_options *options)
{
	unsigned workers = 0;

	for (unsigned i = 0; i < options->automount_count; i++) {
		const struct devb_automount *automount = &options->automounts[i];

		workers += is_said(automount) || !automount->fstype ? workers_of(automount) : 0;
	}
	return (size_t)(workers < WORKERS_MAX ? workers : WORKERS_MAX) * QNX6_MOUNT_BUFFER;
}

/* On a thread of the mount: what the others give up when root is left, it never has. */
static void thread_started(void *context)
{
	const struct served *served = context;

	/* one that kept something is found out when root is left */
	if (devb_options_drop_root(served->options)) {
		(void)devb_privileges_bound_thread(NULL);
	}
}

static void was_unmounted(void *context)
{
	const struct served *served = context;

	vio_log(VIO_LOG_DEBUG, "%s was unmounted", served->automount->mountpoint);
}

static void warn(void *context, const char *text)
{
	const struct served *served = context;

	vio_log(VIO_LOG_WARN, "%s: %s", served->automount->mountpoint, text);
}

static void close_one(struct served *served)
{
	/* nobody is to wait for a disk that does not answer, request after request */
	devb_qnx6_source_end(served->source);
	qnx6_mount_close(served->mount, false);
	qnx6_close(served->volume);
	qnx6_source_close(served->source);
	free(served);
}

static int open_volume(struct served *served, struct devb_unit *unit,
		       const struct devb_volume *volume, char *why, size_t why_size)
{
	const struct qnx6_open_options options = {.warn = warn, .context = served};
	int rc = devb_unit_source(unit, volume->index, &served->source);

	if (rc < 0) {
		snprintf(why, why_size, "out of memory");
		return rc;
	}
	return qnx6_open(&served->volume, served->source, &options, why, why_size);
}

/* For everybody whom the files' modes let in, as any file system that root mounts. */
static int mount_volume(struct served *served, const struct devb_volume *volume, char *why,
			size_t why_size)
{
	const char *more = served->automount->options;
	char text[512];
	struct qnx6_mount_options options = {
		.dir = served->automount->mountpoint,
		.name = volume->path,
		.options = text,
		.started = thread_started,
		.ended = was_unmounted,
		.warn = warn,
		.context = served,
	};

	if (snprintf(text, sizeof(text), "allow_other%s%s", more ? "," : "", more ? more : "") >=
	    (int)sizeof(text)) {
		snprintf(why, why_size, "the options are longer than %zu bytes", sizeof(text));
		return -EINVAL;
	}
	return qnx6_mount_open(&served->mount, served->volume, served->source, &options, why,
			       why_size);
}

/* Who says nothing of a type lets us look; where the partition's says it, it is a fault if not. */
static bool may_be_another(const struct devb_automount *automount, const struct devb_volume *volume)
{
	return !is_said(automount) && (volume->mbr_type < 177 || volume->mbr_type > 179);
}

int devb_qnx6_mount(struct devb_unit *unit, const struct devb_volume *volume,
		    const struct devb_automount *automount, const struct devb_options *options,
		    struct vio_error *err)
{
	struct served *served;
	char why[400] = "";
	int rc;

	if (automount->fstype && !is_said(automount)) {
		return 1;
	}
	served = calloc(1, sizeof(*served));
	if (!served) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	*served = (struct served){.unit = unit, .automount = automount, .options = options};
	rc = open_volume(served, unit, volume, why, sizeof(why));
	if (rc < 0 && may_be_another(automount, volume)) {
		close_one(served);
		return 1;
	}
	if (rc == 0) {
		rc = mount_volume(served, volume, why, sizeof(why));
	}
	if (rc < 0) {
		close_one(served);
		return vio_fail(err, rc, "automount: %s cannot be mounted on %s: %s", volume->path,
				automount->mountpoint, why);
	}
	served->next = all_served;
	all_served = served;
	return 0;
}

void devb_qnx6_close(const struct devb_unit *unit)
{
	for (struct served **link = &all_served; *link;) {
		struct served *served = *link;

		if (served->unit == unit) {
			*link = served->next;
			close_one(served);
		} else {
			link = &served->next;
		}
	}
}
