/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers that go away. When the kernel removes a device it takes the mapping
 * of its registers back, and on some machines an address where nothing answers is
 * a bus error: either raises SIGBUS in whoever reads them next. The pages are then
 * replaced by memory that reads all ones, which is what a bus without a device
 * reads like, and the owner is told.
 */
#include "platform.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

enum {
	WINDOWS_MAX = 64 /* chosen: of all open devices */
};

/* Read by the signal handler: `base` is written last and cleared first. */
static struct window {
	_Atomic uintptr_t base;
	size_t size;
	atomic_bool *is_gone;
} windows[WINDOWS_MAX];

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct sigaction before;

/* A copy: the window may be given up at any time. */
static bool window_at(uintptr_t address, struct window *found)
{
	for (unsigned i = 0; i < WINDOWS_MAX; i++) {
		uintptr_t base = atomic_load(&windows[i].base);

		if (base && address - base < windows[i].size) {
			atomic_init(&found->base, base);
			found->size = windows[i].size;
			found->is_gone = windows[i].is_gone;
			return true;
		}
	}
	return false;
}

/*
 * In one step, or another thread sees the new pages before they read all ones.
 * mmap() and mremap() are no more than system calls, though no standard lists them
 * as safe here.
 */
static bool replace(const struct window *window)
{
	void *base = (void *)atomic_load(&window->base);
	int error = errno;
	void *ones = mmap(NULL, window->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	bool done = ones != MAP_FAILED;

	if (done) {
		atomic_store(window->is_gone, true);
		memset(ones, 0xff, window->size);
		done = mremap(ones, window->size, window->size, MREMAP_MAYMOVE | MREMAP_FIXED,
			      base) == base;
	}
	errno = error;
	return done;
}

/*
 * Somebody else's bus error is handed on. By default it ends the process: a fault
 * when it happens again, a signal that was sent when it is sent again.
 */
static void hand_on(int number, siginfo_t *info, void *context)
{
	if (before.sa_handler == SIG_IGN && info->si_code <= 0) {
		return;
	}
	if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) {
		signal(number, SIG_DFL);
		if (info->si_code <= 0) {
			raise(number);
		}
	} else if (before.sa_flags & SA_SIGINFO) {
		before.sa_sigaction(number, info, context);
	} else {
		before.sa_handler(number);
	}
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
	struct window window;

	if (info->si_code <= 0 || !window_at((uintptr_t)info->si_addr, &window) ||
	    !replace(&window)) {
		hand_on(number, info, context);
	}
}

/* For good: taking it away again could cut off whoever has come after us. */
static void install(void)
{
	struct sigaction ours = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigemptyset(&ours.sa_mask);
	sigaction(SIGBUS, &ours, &before);
}

static bool put(void *base, size_t size, atomic_bool *is_gone)
{
	for (unsigned i = 0; i < WINDOWS_MAX; i++) {
		if (atomic_load(&windows[i].base) == 0) {
			windows[i].size = size;
			windows[i].is_gone = is_gone;
			atomic_store(&windows[i].base, (uintptr_t)base);
			return true;
		}
	}
	return false;
}

bool viot_guard(void *base, size_t size, atomic_bool *is_gone)
{
	bool done;

	pthread_once(&once, install);
	pthread_mutex_lock(&mutex);
	done = put(base, size, is_gone);
	pthread_mutex_unlock(&mutex);
	return done;
}

void viot_unguard(void *base)
{
	pthread_mutex_lock(&mutex);
	for (unsigned i = 0; i < WINDOWS_MAX; i++) {
		if (base && atomic_load(&windows[i].base) == (uintptr_t)base) {
			atomic_store(&windows[i].base, 0);
		}
	}
	pthread_mutex_unlock(&mutex);
}
