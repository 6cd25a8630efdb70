/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `cam user=`: two processes. The worker opens the devices, becomes that user, and
 * serves. The keeper stays root, opens nothing, and waits for what only root can
 * do: when the worker ends, however it does, the keeper unmounts, removes names,
 * resets the devices and returns their memory, and ends with the worker's status.
 *
 *   starting process --fork-- keeper: the one that the user and systemd know
 *                               `--fork-- worker: goes on in main()
 *
 * The keeper is forked before anything is open, so there is nothing that it would
 * have to close. What it has to clean up, the worker tells it (see keeper_list.h)
 * over a socket; in return it hears one byte: "names and mounts are gone, stop".
 * Whichever of the two is told to stop, that is the order. A worker that sends
 * nonsense, or does not stop in time, is killed. When the keeper is killed, the
 * worker syncs and stops; what it may not remove then, the next start finds.
 *
 * Without a keeper each of these functions does nothing, and says so.
 */
#ifndef DEVB_KEEPER_H
#define DEVB_KEEPER_H

#include <stdbool.h>

#include <vio/error.h>

#include "keeper_list.h"
#include "options.h"

/**
 * devb_keeper_start - go on in a worker that has a keeper
 *
 * Returns in the worker alone: 0, or -ENOMEM with a sentence. Before any thread,
 * with the signals blocked that the server waits for.
 */
int devb_keeper_start(const struct devb_options *options, struct vio_error *err);

/* keeper_tell.c: the worker's side. Thread: main. */

/* The other end is @fd, the keeper @keeper. */
void devb_keeper_join(int fd, int keeper);
/* Stop when the keeper ends. Changing the user undoes it: call it again then. */
int devb_keeper_watch(struct vio_error *err);

void devb_keeper_has_disk(unsigned disk, const char *name);
void devb_keeper_has_mount(unsigned disk, unsigned automount, bool made_dir);
/* The disk is closed; the keeper does the rest, if the worker could not. */
void devb_keeper_lost_disk(unsigned disk);
/* From here on the worker is no longer root. */
void devb_keeper_drop(void);
/* False without a keeper: then nobody tells whoever waits for it. */
bool devb_keeper_ready(void);
/*
 * Returns when all that uses the volumes and their names are gone, true; false
 * when there is no keeper (any more) to do it.
 */
bool devb_keeper_stop(void);

/* keeper_clean.c: the keeper's side. @name: of the device */

/* The names in devdir. */
void devb_keeper_hide(const char *devdir, const char *name);
/*
 * After the worker let go of the device, and before anybody else has it: the
 * automounts that @name owns, names, mount, device, memory. False if another process
 * drives it: the worker still, or the next one, which cleans up by itself.
 */
bool devb_keeper_clean(const char *devdir, const char *name);

#endif
