/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/virtio_ids.h>

#include <vio-transport/open.h>
#include <vio/blk.h>
#include <vio/log.h>

#include "disk.h"
#include "fsg.h"
#include "loop.h"
#include "names.h"
#include "partition.h"
#include "table.h"

enum {
	BOUNCE_SIZE = 64 * 1024,  /* the least: only the identity needs copies */
	MEMORY_STEP = 256 * 1024, /* how finely the size of the message memory is sought */
};

struct devb_unit {
	const struct devb_options *options;
	const struct devb_disk_options *disk_options;
	struct vio_transport *transport;
	struct vio_blk *blk;
	struct devb_disk *disk;
	struct fsg_tree *tree;
	struct fsg_channel *channel;
	struct devb_loop *loop;
	atomic_bool has_ended, has_resized;
	void (*news)(void *);
	void *context;
	struct devb_names names;
	bool has_mount_dir;
	void *memory; /* of the channel; the device reaches it */
	size_t memory_size;
	struct devb_table table;
	struct devb_partition partitions[DEVB_PARTITIONS_MAX];
	unsigned shown; /* partitions in the tree */
	unsigned shown_index[DEVB_PARTITIONS_MAX];
	char id[VIO_BLK_ID_SIZE + 1];
};

/* Without time for it there is no spinning; in vio_blk_options, 0 means the default. */
static enum vio_poll poll_of(const struct devb_disk_options *options)
{
	return options->poll == VIO_POLL_AUTO && options->poll_us == 0 ? VIO_POLL_NEVER
								       : options->poll;
}

static int open_device(struct devb_unit *unit, struct vio_error *err)
{
	const struct viot_options transport_options = {
		.dma_size = (size_t)unit->disk_options->dma_size,
		.device_type = VIRTIO_ID_BLOCK,
		.takeover = unit->disk_options->takeover,
		.interrupts = unit->disk_options->interrupts,
	};
	struct vio_blk_options blk_options = {
		.queue_size = unit->disk_options->queue_size,
		.timeout_ms = unit->options->timeout_s * 1000,
		.bounce_size = BOUNCE_SIZE,
		.read_only = unit->options->read_only,
		.poll = poll_of(unit->disk_options),
		.poll_us = unit->disk_options->poll_us,
	};
	int rc = viot_open(&unit->transport, &unit->disk_options->address, &transport_options, err);

	if (rc < 0) {
		return rc;
	}
	blk_options.replay = unit->transport->may_return;
	rc = vio_blk_open(&unit->blk, unit->transport, &blk_options, err);
	return rc < 0 ? rc : devb_disk_open(&unit->disk, unit->blk, err);
}

/* What a device says of itself may end up on a terminal. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if (!isprint((unsigned char)*text)) {
			*text = '?';
		}
	}
}

static void set_commit(struct devb_unit *unit)
{
	bool through = unit->options->commit == DEVB_COMMIT_THROUGH;

	if (unit->options->commit != DEVB_COMMIT_AS_FOUND &&
	    vio_blk_info(unit->blk)->writeback == through &&
	    vio_blk_set_writeback(unit->blk, !through) < 0) {
		vio_log(VIO_LOG_WARN,
			"%s: the device's write cache stays %s: commit= has no effect",
			unit->transport->name, through ? "on" : "off");
	}
}

static int note_what_was_found(struct devb_unit *unit, struct vio_error *err)
{
	const struct vio_blk_info *info = vio_blk_info(unit->blk);

	set_commit(unit);
	if (info->queue_size_clamped) {
		vio_log(VIO_LOG_WARN, "%s: qsize=%u is more than the device takes: %u is used",
			unit->transport->name, unit->disk_options->queue_size, info->queue_size);
	}
	if (info->queue_size > unit->disk_options->queue_size) {
		vio_log(VIO_LOG_INFO,
			"%s: the device has a fixed queue of %u entries: qsize=%u "
			"has no effect",
			unit->transport->name, info->queue_size, unit->disk_options->queue_size);
	}
	if (!info->can_flush && info->writeback) {
		vio_log(VIO_LOG_WARN,
			"%s: the device has a volatile write cache and no flush command: what is "
			"written may be lost with the power, and syncing fails",
			unit->transport->name);
	} else if (!info->can_flush && !info->read_only) {
		vio_log(VIO_LOG_INFO,
			"%s: the device has no flush command: writes count as safe "
			"once they are done",
			unit->transport->name);
	}
	/* a device without an identity is as good as any other, one that does not answer is not */
	if (vio_blk_get_id(unit->blk, unit->id) < 0) {
		unit->id[0] = '\0';
	}
	make_printable(unit->id);
	if (vio_blk_health(unit->blk) != VIO_BLK_GOOD) {
		return vio_fail(err, -EIO,
				"%s: the device did not answer its first request: see what the "
				"hypervisor says of it",
				unit->transport->name);
	}
	return 0;
}

/* All the DMA memory that rings and headers left over goes to messages and data. */
static int take_memory(struct devb_unit *unit, struct vio_error *err)
{
	size_t size = (size_t)unit->disk_options->dma_size;

	for (; size >= FSG_MEMORY_MIN; size -= MEMORY_STEP) {
		unit->memory = vio_blk_alloc(unit->blk, size);
		if (unit->memory) {
			unit->memory_size = size;
			return 0;
		}
	}
	return vio_fail(err, -ENOMEM,
			"dma=%llu is too small for a queue of %u entries: give more, or a smaller "
			"qsize=",
			(unsigned long long)unit->disk_options->dma_size,
			vio_blk_info(unit->blk)->queue_size);
}

static int claim_name(struct devb_unit *unit, struct vio_error *err)
{
	struct devb_names *names = &unit->names;

	snprintf(names->devdir, sizeof(names->devdir), "%s", unit->options->devdir);
	snprintf(names->key, sizeof(names->key), "%s", unit->transport->name);
	snprintf(names->target_dir, sizeof(names->target_dir), VIOT_RUN_DIR "/%s", names->key);
	return devb_names_claim_disk(names, unit->options->name_prefix, unit->options->name_first,
				     err);
}

/* What a killed process left mounted there goes first. */
static int make_mount_dir(struct devb_unit *unit, struct vio_error *err)
{
	const char *dir = unit->names.target_dir;

	while (umount2(dir, MNT_DETACH) == 0) {
		vio_log(VIO_LOG_INFO, "the mount %s of a killed process was removed", dir);
	}
	/* a device that takes no lock of this machine has not made the folder */
	(void)mkdir(VIOT_RUN_DIR, 0755);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST) {
		return vio_fail(err, -EACCES, "the directory %s cannot be made (%s)", dir,
				strerror(errno));
	}
	unit->has_mount_dir = true;
	return 0;
}

static struct fsg_access access_of(const struct devb_options *options)
{
	const uid_t uid = options->has_user ? options->run_uid : getuid();
	const gid_t gid = options->has_user ? options->run_gid : getgid();

	return (struct fsg_access){
		.uid = options->has_owner ? options->owner : uid,
		.gid = options->has_group ? options->group : gid,
		.mode = options->has_mode ? options->mode : 0600,
	};
}

static int open_volumes(struct devb_unit *unit, struct vio_error *err)
{
	const struct fsg_access access = access_of(unit->options);

	unit->tree = fsg_tree_open(&access);
	if (!unit->tree ||
	    fsg_tree_add(unit->tree, unit->names.disk, devb_disk_block(unit->disk)) < 0) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	return 0;
}

static int open_channel(struct devb_unit *unit, struct vio_error *err)
{
	const struct fsg_channel_options options = {
		.mount_dir = unit->names.target_dir,
		.source = "devb-virtio",
		.memory = unit->memory,
		.memory_size = unit->memory_size,
		.io_max = unit->options->io_max,
	};

	return fsg_channel_open(&unit->channel, unit->tree, &options, err->text, sizeof(err->text));
}

/* On the loop's thread. */
static void loop_ended(void *context)
{
	struct devb_unit *unit = context;

	atomic_store(&unit->has_ended, true);
	unit->news(unit->context);
}

/* On the loop's thread. */
static void disk_resized(void *context)
{
	struct devb_unit *unit = context;

	atomic_store(&unit->has_resized, true);
	unit->news(unit->context);
}

static int open_all(struct devb_unit *unit, struct vio_error *err)
{
	const struct devb_loop_listener listener = {loop_ended, disk_resized, unit};
	int rc = open_device(unit, err);

	if (rc < 0 || (rc = note_what_was_found(unit, err)) < 0 ||
	    (rc = take_memory(unit, err)) < 0 || (rc = claim_name(unit, err)) < 0 ||
	    (rc = make_mount_dir(unit, err)) < 0 || (rc = open_volumes(unit, err)) < 0 ||
	    (rc = open_channel(unit, err)) < 0) {
		return rc;
	}
	rc = devb_loop_open(&unit->loop, unit->disk, unit->channel, &listener, err);
	return rc < 0 ? rc : devb_loop_start(unit->loop, err);
}

int devb_unit_open(struct devb_unit **out, const struct devb_options *options, unsigned index,
		   void (*news)(void *), void *context, struct vio_error *err)
{
	struct devb_unit *unit = calloc(1, sizeof(*unit));
	int rc;

	*out = NULL;
	if (!unit) {
		return vio_fail(err, -ENOMEM, "out of memory");
	}
	unit->options = options;
	unit->disk_options = &options->disks[index];
	unit->news = news;
	unit->context = context;
	rc = open_all(unit, err);
	if (rc < 0) {
		devb_unit_close(unit);
		return rc;
	}
	*out = unit;
	return 0;
}

struct show_call {
	struct devb_unit *unit;
	unsigned entry;
	const char *name;
};

/* On the loop's thread, which owns the tree. */
static int show_partition(void *argument)
{
	const struct show_call *call = argument;
	struct devb_unit *unit = call->unit;
	const struct devb_table_entry *entry = &unit->table.entries[call->entry];
	struct devb_partition *partition = &unit->partitions[call->entry];

	devb_partition_init(partition, devb_disk_block(unit->disk), entry->start, entry->size);
	return fsg_tree_add(unit->tree, call->name, &partition->block);
}

/* A name that is taken costs this one partition, and nothing else. */
static void offer_partition(struct devb_unit *unit, unsigned entry)
{
	char name[80];
	struct show_call call = {unit, entry, name};
	struct vio_error err;
	int rc;

	devb_table_name(&unit->table, entry, unit->names.disk, name, sizeof(name));
	rc = devb_loop_call(unit->loop, show_partition, &call);
	if (rc < 0) {
		vio_log(VIO_LOG_WARN, "%s is not shown (%s)", name, strerror(-rc));
		return;
	}
	rc = devb_names_claim(&unit->names, name, &err);
	if (rc < 0) {
		vio_log(VIO_LOG_WARN, "%s; it can be reached as %s/%s", err.text,
			unit->names.target_dir, name);
		return;
	}
	unit->shown_index[unit->shown++] = entry;
}

int devb_unit_partitions(struct devb_unit *unit, struct vio_error *err)
{
	char path[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", unit->names.target_dir, unit->names.disk);
	rc = devb_table_read(path, devb_disk_block(unit->disk)->block_size, &unit->table, err);
	for (unsigned i = 0; rc == 0 && i < unit->table.count; i++) {
		offer_partition(unit, i);
	}
	return rc;
}

unsigned devb_unit_volume_count(const struct devb_unit *unit)
{
	return unit->names.count;
}

void devb_unit_volume(const struct devb_unit *unit, unsigned index, struct devb_volume *volume)
{
	const char *slash = strcmp(unit->names.devdir, "/") == 0 ? "" : "/";

	memset(volume, 0, sizeof(*volume));
	volume->name = unit->names.claimed[index];
	volume->disk = unit->names.disk;
	volume->read_only = devb_disk_block(unit->disk)->read_only;
	if (index > 0) {
		volume->mbr_type = unit->table.entries[unit->shown_index[index - 1]].mbr_type;
	}
	if (snprintf(volume->path, sizeof(volume->path), "%s%s%s", unit->names.devdir, slash,
		     volume->name) >= (int)sizeof(volume->path)) {
		volume->path[0] = '\0'; /* claiming such a name fails before it gets here */
	}
}

/* Whoever asked for nothing else should know what it takes not to be polled. */
static void print_hint(const struct devb_unit *unit, FILE *out)
{
	const struct viot_address *address = &unit->disk_options->address;

	if (unit->transport->interrupts || unit->disk_options->interrupts != VIOT_INTERRUPTS_AUTO) {
		return;
	}
	if (address->kind == VIOT_MMIO) {
		fprintf(out,
			"    for interrupt %u a UIO driver is needed, such as vio_uio: see "
			"devb-virtio(8)\n",
			address->irq);
	} else {
		fprintf(out, "    for interrupts bind it to vfio-pci or uio_pci_generic: see "
			     "devb-virtio(8)\n");
	}
}

void devb_unit_print_banner(const struct devb_unit *unit, FILE *out)
{
	const struct vio_blk_info *info = vio_blk_info(unit->blk);

	fprintf(out, "Path=%u - %s\n", (unsigned)(unit->disk_options - unit->options->disks),
		unit->transport->name);
	fprintf(out, "    target=0 lun=0     Direct-Access(0) - VIRTIO %s Rev: %s\n", unit->id,
		unit->transport->legacy ? "0.9" : "1.0");
	fprintf(out, "    %llu MiB, blocks of %u, %s, %s, queue of %u, %s\n",
		(unsigned long long)(info->capacity_sectors >> 11), info->block_size,
		info->read_only ? "read-only" : "read/write",
		!info->can_flush  ? "no flush"
		: info->writeback ? "write-back"
				  : "write-through",
		info->queue_size, unit->transport->wake_up);
	print_hint(unit, out);
	fprintf(out, "   ");
	for (unsigned i = 0; i < unit->names.count; i++) {
		struct devb_volume volume;

		devb_unit_volume(unit, i, &volume);
		fprintf(out, " %s", volume.path);
	}
	fprintf(out, "\n");
}

const char *devb_unit_name(const struct devb_unit *unit)
{
	return unit->transport->name;
}

int devb_unit_settle(struct devb_unit *unit, int (*function)(void *), void *argument)
{
	char path[PATH_MAX];
	struct stat attr;

	snprintf(path, sizeof(path), "%s/%s", unit->names.target_dir, unit->names.disk);
	if (stat(path, &attr) < 0) {
		return -errno;
	}
	return devb_loop_call(unit->loop, function, argument);
}

bool devb_unit_has_ended(const struct devb_unit *unit)
{
	return atomic_load(&unit->has_ended);
}

void devb_unit_refresh(struct devb_unit *unit)
{
	char path[PATH_MAX];
	struct statx attr;

	if (!atomic_exchange(&unit->has_resized, false)) {
		return;
	}
	snprintf(path, sizeof(path), "%s/%s", unit->names.target_dir, unit->names.disk);
	/* a failure means that the volumes end: nobody needs their size any more */
	(void)statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_SIZE, &attr);
}

/* The unit's loop is over: its queue is ours. */
static void log_stats(const struct devb_unit *unit)
{
	struct vio_blk_stats stats;

	vio_blk_stats(vio_blk_queue(unit->blk, 0), &stats);
	vio_log(VIO_LOG_DEBUG,
		"%s: %llu requests, %llu spins (%llu found something), %llu sleeps, %llu "
		"interrupts (%llu missed), %llu violations by the device, %llu resets",
		unit->transport->name, (unsigned long long)stats.requests,
		(unsigned long long)stats.spins, (unsigned long long)stats.spins_found,
		(unsigned long long)stats.sleeps, (unsigned long long)stats.interrupts,
		(unsigned long long)stats.interrupts_missed, (unsigned long long)stats.violations,
		(unsigned long long)stats.resets);
}

void devb_unit_hide(struct devb_unit *unit)
{
	devb_names_release(&unit->names);
}

int devb_unit_close(struct devb_unit *unit)
{
	int rc = 0;

	if (!unit) {
		return 0;
	}
	devb_unit_hide(unit);
	if (unit->loop) {
		rc = devb_loop_stop(unit->loop);
		if (fsg_channel_open_files(unit->channel)) {
			vio_log(VIO_LOG_WARN, "%s: %u files were still open", unit->names.disk,
				fsg_channel_open_files(unit->channel));
		}
		log_stats(unit);
	}
	devb_loop_close(unit->loop);
	fsg_channel_close(unit->channel);
	fsg_tree_close(unit->tree);
	if (unit->has_mount_dir) {
		rmdir(unit->names.target_dir);
		rmdir(VIOT_RUN_DIR); /* if this was the last */
	}
	devb_disk_close(unit->disk);
	if (unit->memory) {
		vio_blk_free(unit->blk, unit->memory, unit->memory_size);
	}
	vio_blk_close(unit->blk);
	vio_transport_close(unit->transport);
	free(unit);
	return rc;
}
