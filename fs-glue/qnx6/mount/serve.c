/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The threads. One of them, the leader, waits for what the kernel asks, and answers itself what
 * takes no time; before it waits for the disk it lets another lead. So as long as there are
 * names and attributes to tell, one thread tells them all: they come one after the other, and
 * to wake a different thread for each takes longer than the answer.
 */
#include "mount_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct worker *this_worker;

struct worker *mount_worker(void)
{
	return this_worker;
}

static void lead(struct worker *worker)
{
	if (!worker->is_leader)
		pthread_mutex_lock(&worker->mount->leader);
	worker->is_leader = true;
}

static void let_lead(struct worker *worker)
{
	if (!worker->is_leader)
		return;
	worker->is_leader = false;
	pthread_mutex_unlock(&worker->mount->leader);
}

static void was_ended(void *worker)
{
	let_lead(worker);
}

/* On any thread that reads the volume, who mounts it too. */
static void is_going_to_wait(void)
{
	if (this_worker)
		let_lead(this_worker);
}

/*
 * The only place where a thread can be told to end, so that nothing is half done. Returns the
 * size of the message, 0 when the mount is gone, or a negative errno.
 */
static int receive(struct worker *worker)
{
	int size;

	lead(worker);
	pthread_cleanup_push(was_ended, worker);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	size = fuse_session_receive_buf(worker->mount->session, &worker->message);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_cleanup_pop(0);
	return size;
}

static void note_end(struct qnx6_mount *mount)
{
	if (!atomic_exchange(&mount->has_ended, true) && mount->ended &&
	    !atomic_load(&mount->is_closing))
		mount->ended(mount->context);
}

static void *serve(void *argument)
{
	struct worker *worker = argument;
	struct qnx6_mount *mount = worker->mount;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	this_worker = worker;
	if (mount->started)
		mount->started(mount->context);
	sem_post(&mount->has_started);
	for (;;) {
		int size = receive(worker);

		if (size == -EINTR || size == -EAGAIN)
			continue;
		if (size <= 0) /* any other error would only come again */
			break;
		fuse_session_process_buf(mount->session, &worker->message);
	}
	let_lead(worker);
	note_end(mount);
	return NULL;
}

static int take_memory(struct worker *worker)
{
	struct qnx6_source *source = worker->mount->source;

	if (source->ops->alloc)
		worker->data = source->ops->alloc(source, QNX6_MOUNT_BUFFER);
	if (!worker->data) {
		worker->data = aligned_alloc(4096, QNX6_MOUNT_BUFFER);
		worker->is_data_ours = true;
	}
	return worker->data ? 0 : -ENOMEM;
}

static void give_memory(struct worker *worker)
{
	struct qnx6_source *source = worker->mount->source;

	if (worker->is_data_ours)
		free(worker->data);
	else if (worker->data && source->ops->free)
		source->ops->free(source, worker->data, QNX6_MOUNT_BUFFER);
	free(worker->message.mem);
}

static int start_worker(struct qnx6_mount *mount, struct worker *worker)
{
	int rc;

	worker->mount = mount;
	rc = take_memory(worker);
	if (rc == 0)
		rc = -pthread_create(&worker->thread, NULL, serve, worker);
	if (rc < 0)
		give_memory(worker);
	else
		mount->worker_count++;
	return rc;
}

int mount_start_workers(struct qnx6_mount *mount, char *why, size_t why_size)
{
	unsigned wanted = mount->settings.workers;
	int rc = 0;

	mount->workers = calloc(wanted, sizeof(mount->workers[0]));
	if (!mount->workers)
		rc = -ENOMEM;
	mount->source->waits = is_going_to_wait;
	for (unsigned i = 0; i < wanted && rc == 0; i++)
		rc = start_worker(mount, &mount->workers[i]);
	/* what it does first may need rights that the program gives up soon */
	for (unsigned i = 0; i < mount->worker_count; i++)
		while (sem_wait(&mount->has_started) < 0) {
		}
	if (rc < 0)
		snprintf(why, why_size, "the mount's %u threads cannot be started: %s", wanted,
			 strerror(-rc));
	return rc;
}

void mount_end_workers(struct qnx6_mount *mount)
{
	for (unsigned i = 0; i < mount->worker_count; i++)
		pthread_cancel(mount->workers[i].thread);
	for (unsigned i = 0; i < mount->worker_count; i++) {
		pthread_join(mount->workers[i].thread, NULL);
		give_memory(&mount->workers[i]);
	}
	mount->worker_count = 0;
	mount->source->waits = NULL;
	free(mount->workers);
	mount->workers = NULL;
}
