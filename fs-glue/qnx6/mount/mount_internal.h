/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mount inside.
 *
 *   mount.c        up and down
 *   options.c      mount -o
 *   serve.c        the threads
 *   operations.c   what answers the kernel's requests; list.c those for directories
 */
#ifndef QNX6_MOUNT_INTERNAL_H
#define QNX6_MOUNT_INTERNAL_H

#define FUSE_USE_VERSION 314

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include <fuse_lowlevel.h>

#include "mount_point.h"
#include "qnx6_mount.h"

/* What mount -o said of ourselves; the rest goes to the kernel. */
struct mount_settings {
	bool has_uid, has_gid, allow_other, is_private, default_permissions;
	uid_t uid;
	gid_t gid;
	mode_t umask;
	unsigned workers;
};

/* A thread, and what it alone uses. */
struct worker {
	struct qnx6_mount *mount;
	pthread_t thread;
	bool is_leader;
	struct fuse_buf message;
	/* QNX6_MOUNT_BUFFER bytes for what files hold: the device may still write to them */
	void *data;
	bool is_data_ours; /* the source had none */
	/* and so names go elsewhere */
	char names[64 * 1024];
};

struct qnx6_mount {
	struct qnx6_volume *volume;
	struct qnx6_source *source;
	struct mount_settings settings;
	void (*started)(void *context);
	void (*ended)(void *context);
	void (*warn)(void *context, const char *text);
	void *context;
	atomic_uint warnings;
	struct fuse_session *session;
	char *dir; /* absolute */
	struct fsg_mount_device device;
	bool is_mounted;
	bool is_greeted;
	atomic_bool has_ended; /* nothing comes from the kernel any more */
	atomic_bool is_closing;
	pthread_mutex_t leader; /* of who waits for the kernel; see serve.c */
	sem_t has_started;      /* each of them */
	unsigned worker_count;  /* threads that run */
	struct worker *workers;
};

/**
 * mount_parse_options - take @text apart
 * @args: what the kernel and libfuse are told is added to it; NULL: to nothing
 */
int mount_parse_options(const char *text, bool is_sloppy, struct mount_settings *settings,
			struct fuse_args *args, char *why, size_t why_size);

/* serve.c: 0, or a negative errno with a sentence; mount_end_workers() even then. */
int mount_start_workers(struct qnx6_mount *mount, char *why, size_t why_size);
void mount_end_workers(struct qnx6_mount *mount);
/* Of the thread that calls it. */
struct worker *mount_worker(void);

/* operations.c */
extern const struct fuse_lowlevel_ops mount_operations;
struct qnx6_mount *mount_of(fuse_req_t req);
/* One sentence about the volume. */
void mount_warn(struct qnx6_mount *mount, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* 0, with the kernel's view of inode @number; or a negative errno. */
int mount_entry(struct qnx6_mount *mount, uint32_t number, struct fuse_entry_param *entry);

/* list.c */
void mount_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		   struct fuse_file_info *file);
void mount_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *file);

#endif
