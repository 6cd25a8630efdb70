/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From root to somebody without any privilege, for good, and proof of it.
 *
 *   devb_privileges_bound_thread()   in every thread: nothing can be gained any more
 *   devb_privileges_drop()           the whole process is this user, as the kernel says itself
 *
 * Descriptors and mappings that are open stay what they are: they were asked for
 * as root, and the kernel judges by that.
 */
#ifndef DEVB_PRIVILEGES_H
#define DEVB_PRIVILEGES_H

#include <stdio.h>
#include <sys/types.h>

#include <vio/error.h>

/**
 * devb_privileges_bound_thread - no_new_privs, and empty bounding, ambient and inheritable sets
 * @unused: so that devb_loop_call() takes it
 *
 * These belong to a thread, so each one that exists has to come here. Returns 0 or
 * a negative errno.
 */
int devb_privileges_bound_thread(void *unused);

/**
 * devb_privileges_drop - become @uid and @gid, with no other group and no capability
 * @uid: not 0
 *
 * Also keeps others of that user from looking into this process, whose memory the
 * device reaches. Then asks the kernel what every thread is. Returns 0, or -EACCES
 * with a sentence; what the process is then, is not said: end it.
 */
int devb_privileges_drop(uid_t uid, gid_t gid, struct vio_error *err);

/**
 * devb_privileges_check - does the /proc/…/status of a thread tell of @uid, @gid and nothing else?
 * @found: receives the line that does not, or what is missing
 *
 * Returns 0 or -EACCES.
 */
int devb_privileges_check(FILE *status, uid_t uid, gid_t gid, char *found, size_t found_size);

#endif
