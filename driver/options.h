/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of devb-virtio, as QNX users know it:
 *
 *   devb-virtio [-f] [GROUP OPTION[,OPTION]...]...
 *   devb-virtio virtio smem=0x1c0d0000,irq=41 blk ro cam quiet
 *
 * The groups are virtio, blk, disk and cam, in any order, as often as wanted; a
 * later value replaces an earlier one. Each `virtio` group is a disk of its own.
 * One table (options_table.c) holds every option: the parser, the messages about
 * wrong lines and the help text all come from it.
 *
 *   struct devb_options options;
 *   struct vio_error err;
 *   int rc = devb_options_parse(argc, argv, &options, &err);
 *
 *   if (rc) {
 *           fprintf(stderr, "devb-virtio: %s\n", err.text);
 *           return rc == -EINVAL ? 2 : 1;
 *   }
 *   for (unsigned i = 0; i < options.note_count; i++)
 *           fprintf(stderr, "devb-virtio: %s\n", options.notes[i].text);
 *   ...
 *   devb_options_free(&options);
 *
 * Parsing prints nothing and touches nothing; it reads in two cases only, the file
 * of `blk automount=@file` and the users and groups for names in `cam user=`.
 * Thread: one, blocks only on those.
 */
#ifndef DEVB_OPTIONS_H
#define DEVB_OPTIONS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <vio/error.h>
#include <vio/spin.h>
#include <vio-transport/address.h>
#include <vio-transport/open.h>

#define DEVB_DISKS_MAX   16 /* chosen: `virtio` groups of one process */
#define DEVB_NOTES_MAX   96 /* chosen: more than there are options with a note */
#define DEVB_PREFIX_SIZE 16

/* What one `virtio` group says. */
struct devb_disk_options {
	struct viot_address address;
	uint16_t queues;     /* 1..64; 0: the smaller of the device's and the CPUs */
	uint16_t queue_size; /* entries, a power of two 4..32768; the device may allow less */
	enum viot_interrupts interrupts;
	bool takeover; /* unbind the kernel's driver first */
	uint64_t
		dma_size; /* bytes of memory for transfers, 4 MiB..1 GiB; 0: what the queues take */
	/* VIO_FEATURE bits to do without, and to do with or not at all */
	uint64_t refused_features, required_features;
	enum vio_poll poll; /* how to wait for the device */
	unsigned poll_us;   /* longest spin of VIO_POLL_AUTO, 0..VIO_POLL_US_MAX */
};

/* blk automount=[+]device[@ptype]:mountpoint[:fstype[:options]] */
struct devb_automount {
	const char *device;         /* a name in devdir ("hd0t179") or an absolute path */
	const char *partition_type; /* NULL, a decimal MBR type or a family ("dos"); see below */
	const char *mountpoint;     /* absolute */
	const char *fstype;         /* NULL: mount(8) finds out */
	const char *options;        /* NULL: none; for mount -o */
	char *text;                 /* owns the memory of all of the above */
};

/* commit=: what is done with the device's volatile write cache, where it can be switched */
enum devb_commit {
	DEVB_COMMIT_AS_FOUND,
	DEVB_COMMIT_BACK,    /* on: what is written is safe once it is synced */
	DEVB_COMMIT_THROUGH, /* off: what is written is safe */
};

/* Something the user should know although the line is right. */
struct devb_note {
	bool is_warning; /* the effect is not what was asked for */
	char text[200];  /* one sentence without a newline */
};

struct devb_options {
	/* switches; with --help or --version the other fields mean nothing */
	bool foreground;
	bool show_help;
	bool show_version;
	bool list_devices;

	/* virtio: in the order of the line; at least one, by default the first PCI device */
	struct devb_disk_options disks[DEVB_DISKS_MAX];
	unsigned disk_count;

	/* blk */
	bool show_partitions; /* auto=partition, the default */
	bool read_only;       /* ro */
	uint32_t io_max;      /* maxio, in bytes: 4096..DEVB_IO_MAX, a multiple of 512 */
	enum devb_commit commit;
	char devdir[PATH_MAX]; /* absolute, without a slash at the end unless it is "/" */
	struct devb_automount *automounts;
	unsigned automount_count;
	/* mntuid, mntgid, mntperms: owner and permissions of the volumes, where given */
	bool has_owner, has_group, has_mode;
	uid_t owner;
	gid_t group;
	mode_t mode;

	/* disk */
	char name_prefix[DEVB_PREFIX_SIZE]; /* "hd" */
	unsigned name_first;                /* the number to try first: 0 */
	unsigned timeout_s;                 /* deadline of a request, 1..3600 */

	/* cam */
	bool quiet;         /* no banner */
	bool plug_and_play; /* pnp: stay although no device is there */
	unsigned verbosity; /* verbose: 0..9 */
	/* user=uid:gid: whom the disks are served as, once all are there; 0:0 stays root */
	bool has_user;
	uid_t run_uid;
	gid_t run_gid;

	/* in the order of the line, no sentence twice */
	struct devb_note notes[DEVB_NOTES_MAX];
	unsigned note_count;
};

/**
 * devb_options_parse - read a command line
 * @argc, @argv: as main() gets them; argv[0] is skipped, nothing is kept or changed
 * @out: filled in; free with devb_options_free(). Holds nothing after a failure.
 *
 * Returns 0; -EINVAL when the line is wrong (exit status 2); -EIO when a file of
 * automounts cannot be read, -ENOMEM (both exit status 1). Then @err has the sentence.
 */
int devb_options_parse(int argc, char **argv, struct devb_options *out, struct vio_error *err);

/* Is somebody else than root to serve the disks? */
static inline bool devb_options_drop_root(const struct devb_options *options)
{
	return options->has_user && options->run_uid != 0;
}

/* Harmless to call twice. */
void devb_options_free(struct devb_options *options);

/* Every option by group, with examples, in at most 79 columns. */
void devb_options_print_help(FILE *out);

/**
 * devb_automount_takes_type - does `@ptype` mean partitions of this type?
 * @mbr_type: 1..255
 *
 * False for every type when the automount names no partition type.
 */
bool devb_automount_takes_type(const struct devb_automount *automount, unsigned mbr_type);

#endif
