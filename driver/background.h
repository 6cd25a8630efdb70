/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the foreground into the background: the parent waits until the child is
 * ready, and ends with its verdict.
 */
#ifndef DEVB_BACKGROUND_H
#define DEVB_BACKGROUND_H

#include <stdbool.h>

#include <vio/error.h>

/**
 * devb_background_start - go on in a child process
 *
 * Returns in the child only. The parent ends with 0 after
 * devb_background_ready(), with the child's status if that ends before. Before
 * any thread.
 */
int devb_background_start(struct vio_error *err);

/* The volumes can be opened: let the parent go, and leave the terminal alone. */
void devb_background_ready(void);

/*
 * In a child of this process: it is the parent who will tell that all is ready.
 * devb_background_ready() here leaves the terminal alone, and nothing else.
 */
void devb_background_leave_to_parent(void);

/* Messages: standard error until ready in the background, then syslog. */
void devb_log_start(bool quiet, unsigned verbosity);

#endif
