/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qnx6fs from the terminal into the background: the first process waits until the volume can be
 * used, and ends with that as its status. Thread: main.
 */
#ifndef QNX6FS_BACKGROUND_H
#define QNX6FS_BACKGROUND_H

/* Goes on in a child; or returns a negative errno. Before any thread. */
int background_start(void);
/* The volume can be used: the first process ends, and the terminal is left alone. */
void background_ready(void);
/* One sentence: on standard error until ready in the background, then to syslog. Any thread. */
void background_say(int priority, const char *text);

#endif
