/* SPDX-License-Identifier: BSD-3-Clause */
/* What other threads ask of those of a loop. */
#include "loop_internal.h"

#include <errno.h>

static void answer_call(struct loop_thread *thread)
{
	pthread_mutex_lock(&thread->mutex);
	if (thread->is_called) {
		thread->result = thread->function(thread->argument);
		thread->is_called = false;
		pthread_cond_broadcast(&thread->answered);
	}
	pthread_mutex_unlock(&thread->mutex);
}

static struct devb_loop_task *take_tasks(struct loop_thread *thread)
{
	struct devb_loop_task *tasks;

	pthread_mutex_lock(&thread->mutex);
	tasks = thread->first_task;
	thread->first_task = thread->last_task = NULL;
	pthread_mutex_unlock(&thread->mutex);
	return tasks;
}

static void run_tasks(struct loop_thread *thread, int result)
{
	struct devb_loop_task *task = take_tasks(thread);

	while (task) {
		struct devb_loop_task *next = task->next;

		task->run(task, result);
		task = next;
	}
}

/* A thread that stops finishes what it has: with more and more it never would. */
void loop_answer(struct loop_thread *thread)
{
	answer_call(thread);
	run_tasks(thread, thread->is_stopping ? -ENODEV : 0);
}

void loop_end_calls(struct loop_thread *thread)
{
	pthread_mutex_lock(&thread->mutex);
	thread->has_ended = true;
	pthread_cond_broadcast(&thread->answered);
	pthread_mutex_unlock(&thread->mutex);
	run_tasks(thread, -ENODEV);
}

static int call(struct loop_thread *thread, int (*function)(void *), void *argument)
{
	int result = -ENODEV;

	pthread_mutex_lock(&thread->mutex);
	if (!thread->has_ended) {
		thread->function = function;
		thread->argument = argument;
		thread->is_called = true;
		loop_wake(thread);
	}
	while (thread->is_called && !thread->has_ended) {
		pthread_cond_wait(&thread->answered, &thread->mutex);
	}
	if (!thread->is_called && !thread->has_ended) {
		result = thread->result;
	}
	pthread_mutex_unlock(&thread->mutex);
	return result;
}

int devb_loop_call(struct devb_loop *loop, int (*function)(void *), void *argument)
{
	return call(loop->threads[0], function, argument);
}

int devb_loop_call_all(struct devb_loop *loop, int (*function)(void *), void *argument)
{
	int rc = 0;

	for (unsigned i = 0; i < loop->thread_count && rc == 0; i++) {
		rc = call(loop->threads[i], function, argument);
	}
	return rc;
}

unsigned devb_loop_threads(const struct devb_loop *loop)
{
	return loop->thread_count;
}

/* The first of several wakes the thread, which then takes them all. */
int devb_loop_post(struct devb_loop *loop, unsigned index, struct devb_loop_task *task)
{
	struct loop_thread *thread = loop->threads[index];
	bool is_first = false;
	int rc = 0;

	task->next = NULL;
	pthread_mutex_lock(&thread->mutex);
	if (thread->has_ended) {
		rc = -ENODEV;
	} else if (thread->last_task) {
		thread->last_task->next = task;
		thread->last_task = task;
	} else {
		is_first = true;
		thread->first_task = thread->last_task = task;
	}
	pthread_mutex_unlock(&thread->mutex);
	if (is_first) {
		loop_wake(thread);
	}
	return rc;
}
