/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vio/log.h>

#include "qnx6_source.h"

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

/* Whole pages, one share for each channel. */
static size_t memory_share(const struct devb_unit *unit)
{
	size_t share = unit->memory_size / devb_disk_queues(unit->disk);

	return share - share % 4096;
}

static int open_first_channel(struct devb_unit *unit, struct vio_error *err)
{
	const struct fsg_channel_options options = {
		.mount_dir = unit->names.target_dir,
		.source = "devb-virtio",
		.memory = unit->memory,
		.memory_size = memory_share(unit),
		.io_max = unit->options->io_max,
	};

	return fsg_channel_open(&unit->channels[0], unit->tree, &options, err->text,
				sizeof(err->text));
}

static int open_channels(struct devb_unit *unit, struct vio_error *err)
{
	size_t share = memory_share(unit);
	int rc = open_first_channel(unit, err);

	unit->channel_count = rc == 0;
	for (unsigned i = 1; i < devb_disk_queues(unit->disk) && rc == 0; i++) {
		rc = fsg_channel_clone(&unit->channels[i], unit->channels[0],
				       (char *)unit->memory + i * share, share, err->text,
				       sizeof(err->text));
		unit->channel_count += rc == 0;
	}
	return rc;
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
	int rc = unit_open_device(unit, err);

	if (rc < 0 || (rc = unit_note_what_was_found(unit, err)) < 0 ||
	    (rc = unit_take_memory(unit, err)) < 0 || (rc = claim_name(unit, err)) < 0 ||
	    (rc = make_mount_dir(unit, err)) < 0 || (rc = open_volumes(unit, err)) < 0 ||
	    (rc = open_channels(unit, err)) < 0) {
		return rc;
	}
	rc = devb_loop_open(&unit->loop, unit->disk, unit->channels, &listener, err);
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

/* On the loop's thread: the tree and what it shows are there before a message asks for them. */
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
	volume->index = index;
	volume->read_only = devb_block_is_read_only(devb_disk_block(unit->disk));
	if (index > 0) {
		volume->mbr_type = unit->table.entries[unit->shown_index[index - 1]].mbr_type;
	}
	if (snprintf(volume->path, sizeof(volume->path), "%s%s%s", unit->names.devdir, slash,
		     volume->name) >= (int)sizeof(volume->path)) {
		volume->path[0] = '\0'; /* claiming such a name fails before it gets here */
	}
}

int devb_unit_source(struct devb_unit *unit, unsigned index, struct qnx6_source **source)
{
	struct devb_block *block = index == 0
					   ? devb_disk_block(unit->disk)
					   : &unit->partitions[unit->shown_index[index - 1]].block;

	return devb_qnx6_source_open(source, unit->loop, block, unit->blk);
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
	char queues[32];

	fprintf(out, "Path=%u - %s\n", (unsigned)(unit->disk_options - unit->options->disks),
		unit->transport->name);
	fprintf(out, "    target=0 lun=0     Direct-Access(0) - VIRTIO %s Rev: %s\n", unit->id,
		unit->transport->legacy ? "0.9" : "1.0");
	snprintf(queues, sizeof(queues), info->queues == 1 ? "queue" : "%u queues", info->queues);
	fprintf(out, "    %llu MiB, blocks of %u, %s, %s, %s of %u, %s\n",
		(unsigned long long)(info->capacity_sectors >> 11), info->block_size,
		info->read_only ? "read-only" : "read/write",
		!info->can_flush  ? "no flush"
		: info->writeback ? "write-back"
				  : "write-through",
		queues, info->queue_size, unit->transport->wake_up);
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
	return devb_loop_call_all(unit->loop, function, argument);
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

/* The unit's loop is over: its queues are ours. */
static void log_stats(const struct devb_unit *unit, unsigned queue)
{
	struct vio_blk_stats stats;

	vio_blk_stats(vio_blk_queue(unit->blk, queue), &stats);
	vio_log(VIO_LOG_DEBUG,
		"%s: queue %u: %llu requests, %llu spins (%llu found something), %llu sleeps, %llu "
		"interrupts (%llu missed), %llu violations by the device, %llu resets",
		unit->transport->name, queue, (unsigned long long)stats.requests,
		(unsigned long long)stats.spins, (unsigned long long)stats.spins_found,
		(unsigned long long)stats.sleeps, (unsigned long long)stats.interrupts,
		(unsigned long long)stats.interrupts_missed, (unsigned long long)stats.violations,
		(unsigned long long)stats.resets);
}

static void log_end(const struct devb_unit *unit)
{
	unsigned open_files = fsg_channel_open_files(unit->channels[0]);

	if (open_files) {
		vio_log(VIO_LOG_WARN, "%s: %u files were still open", unit->names.disk, open_files);
	}
	for (unsigned i = 0; i < devb_disk_queues(unit->disk); i++) {
		log_stats(unit, i);
	}
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
		log_end(unit);
	}
	devb_loop_close(unit->loop);
	while (unit->channel_count > 0) {
		fsg_channel_close(unit->channels[--unit->channel_count]);
	}
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
