/* SPDX-License-Identifier: BSD-3-Clause */
/* SIGINT, SIGTERM and SIGHUP: what was begun is undone before the program ends. */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>

/* From now on these signals only set a mark, and interrupt system calls that wait. */
void mk_stop_catch(void);
bool mk_stop_requested(void);

#endif
