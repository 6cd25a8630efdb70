/* SPDX-License-Identifier: BSD-3-Clause */
/* The program once its command line is known: bring the units up, wait, bring them down. */
#ifndef DEVB_SERVER_H
#define DEVB_SERVER_H

#include <vio/error.h>

#include "options.h"

/* SIGTERM, SIGINT, SIGHUP are kept for devb_server_wait(). Before any thread. */
void devb_server_block_signals(void);

/**
 * devb_server_start - every disk, its partitions, the automounts; then no longer root
 *
 * Returns 0, or a negative errno with a sentence; everything is undone then.
 */
int devb_server_start(const struct devb_options *options, struct vio_error *err);

/* Until a signal: 0; or until the last unit ends by itself, or root is not to be left: negative. */
int devb_server_wait(void);

/* 0, or a negative errno if something that was written may not be safe. */
int devb_server_stop(void);

#endif
