/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prints the frequency in kHz of the time-stamp counter that QEMU's TCG gives its guests: on x86 the host's own
 * counter, elsewhere a clock of nanoseconds.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

struct moment {
	int64_t ns;
	int64_t ticks;
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int64_t now_ticks(void)
{
#ifdef __x86_64__
	return (int64_t)__builtin_ia32_rdtsc();
#else
	return now_ns();
#endif
}

/* Both clocks at one time: of many pairs of readings the one least disturbed by other work on this machine. */
static struct moment now(void)
{
	struct moment best = { 0 };
	int64_t best_width = INT64_MAX;

	for (int i = 0; i < 1000; i++) {
		int64_t before = now_ns();
		int64_t ticks = now_ticks();
		int64_t width = now_ns() - before;

		if (width < best_width) {
			best_width = width;
			best = (struct moment){ before + width / 2, ticks };
		}
	}
	return best;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
	struct moment start = now();

	nanosleep(&pause, NULL);

	struct moment end = now();

	printf("%lld\n", (long long)((end.ticks - start.ticks) * 1000000 / (end.ns - start.ns)));
	return 0;
}
