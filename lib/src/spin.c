/* SPDX-License-Identifier: BSD-3-Clause */
#include <vio/spin.h>

enum {
	SHORTEST_NS = 1000, /* a shorter spin is none: sleeping and waking cost more */
	PROBE_EVERY = 64,   /* see the header for what this bounds */
};

void vio_spin_init(struct vio_spin *spin, enum vio_poll poll, unsigned poll_us)
{
	*spin = (struct vio_spin){.poll = poll};
	if (poll == VIO_POLL_AUTO) {
		spin->max_ns =
			(poll_us < VIO_POLL_US_MAX ? poll_us : VIO_POLL_US_MAX) * UINT64_C(1000);
		spin->now_ns = spin->max_ns;
	}
}

/* Waking up takes longer than the answer took, so sleeping alone would never find out. */
static bool is_time_to_probe(struct vio_spin *spin)
{
	if (spin->max_ns == 0 || ++spin->waits_without < PROBE_EVERY) {
		return false;
	}
	spin->waits_without = 0;
	return true;
}

uint64_t vio_spin_allowance(struct vio_spin *spin)
{
	if (spin->poll == VIO_POLL_ALWAYS) {
		return UINT64_MAX;
	}
	if (spin->now_ns > 0) {
		return spin->now_ns;
	}
	return is_time_to_probe(spin) ? spin->max_ns : 0;
}

void vio_spin_ended(struct vio_spin *spin, bool found)
{
	spin->spins++;
	spin->spins_found += found;
	if (found && spin->now_ns == 0) {
		spin->now_ns = spin->max_ns;
	}
}

static void shrink(struct vio_spin *spin)
{
	spin->now_ns /= 2;
	if (spin->now_ns < SHORTEST_NS) {
		spin->now_ns = 0;
	}
}

static void grow(struct vio_spin *spin)
{
	spin->now_ns = spin->now_ns ? 2 * spin->now_ns : spin->max_ns / 8;
	if (spin->now_ns > spin->max_ns) {
		spin->now_ns = spin->max_ns;
	}
}

void vio_spin_slept(struct vio_spin *spin, uint64_t waited_ns)
{
	if (waited_ns > spin->max_ns) {
		shrink(spin);
	} else {
		grow(spin);
	}
}
