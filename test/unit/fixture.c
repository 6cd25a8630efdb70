/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <stdio.h>

struct sim *sim;
struct vio_blk *blk;
struct vio_blk_queue *queue;
struct vio_error err;
unsigned logged[4];
char last_line[512];

enum {
	REAP_LIMIT_MS = 5000,
	CHECK_EVERY_MS = 50,
};

static void note_line(void *context, enum vio_log_level level, const char *text)
{
	(void)context;
	logged[level]++;
	snprintf(last_line, sizeof(last_line), "%s", text);
}

uint64_t ring_features(int choice)
{
	static const uint64_t choices[RING_CHOICES] = {
		0,
		BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX),
		BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
			BIT(VIRTIO_RING_F_EVENT_IDX),
		BIT(VIRTIO_F_RING_PACKED) | BIT(NOTIFICATION_DATA),
		BIT(VIRTIO_F_IN_ORDER) | BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(NOTIFICATION_DATA),
		BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) |
			BIT(VIRTIO_RING_F_INDIRECT_DESC),
		BIT(VIRTIO_RING_F_INDIRECT_DESC),
		RING_FEATURES,
	};

	return choices[choice % RING_CHOICES];
}

struct sim_options options_of(int kind)
{
	static const struct {
		bool legacy, interrupts, sleepy;
		enum sim_flavour flavour;
	} kinds[KINDS] = {
		{false, false, false, SIM_PLAIN},   {false, true, false, SIM_TRACKED},
		{false, true, true, SIM_BOUNCING},  {false, false, true, SIM_TRACKED},
		{true, false, false, SIM_BOUNCING}, {true, true, true, SIM_PLAIN},
	};
	struct sim_options o = sim_defaults();

	/* so that 48 in a row have met everything with everything, and 7 every ring */
	o.features |= ring_features(kind + kind / KINDS);
	kind %= KINDS;
	o.legacy = kinds[kind].legacy;
	o.interrupts = kinds[kind].interrupts;
	o.sleepy = kinds[kind].sleepy;
	o.flavour = kinds[kind].flavour;
	if (o.legacy) {
		o.features &= UINT32_MAX;
	}
	return o;
}

void open_sim(const struct sim_options *options)
{
	memset(logged, 0, sizeof(logged));
	last_line[0] = '\0';
	err.text[0] = '\0';
	vio_log_install(note_line, NULL);
	sim = sim_open(options);
	fill(sim_disk(sim),
	     le64toh(options->config.capacity) > 2048
		     ? (size_t)2048 * SECTOR
		     : (size_t)le64toh(options->config.capacity) * 512,
	     1);
}

void open_disk(const struct sim_options *options, const struct vio_blk_options *blk_options)
{
	int rc;

	open_sim(options);
	rc = vio_blk_open(&blk, sim_transport(sim), blk_options, &err);
	ck_assert_msg(rc == 0, "%d: %s", rc, err.text);
	queue = vio_blk_queue(blk, 0);
}

int try_open_disk(const struct sim_options *options)
{
	int rc;

	open_sim(options);
	rc = vio_blk_open(&blk, sim_transport(sim), NULL, &err);
	if (rc < 0) {
		ck_assert_ptr_null(blk);
		ck_assert_msg(err.text[0] != '\0', "an error without a sentence");
	}
	return rc;
}

void close_disk(void)
{
	bool quarantined;

	vio_blk_close(blk);
	blk = NULL;
	vio_log_install(NULL, NULL);
	if (!sim) {
		return;
	}
	quarantined = sim_transport(sim)->dma->quarantined;
	vio_transport_close(sim_transport(sim));
	ck_assert_str_eq(sim_complaint(sim), "");
	ck_assert_uint_eq(sim_pool_shared(sim_pool(sim)), 0);
	ck_assert_msg(quarantined || sim_pool_pieces(sim_pool(sim)) == 0, "%u pieces are left",
		      sim_pool_pieces(sim_pool(sim)));
	sim_close(sim);
	sim = NULL;
}

void fill(void *buffer, size_t size, unsigned seed)
{
	uint8_t *bytes = buffer;
	uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i < size; i += sizeof(state)) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		memcpy(bytes + i, &state, size - i < sizeof(state) ? size - i : sizeof(state));
	}
}

unsigned pick(unsigned below)
{
	static uint32_t state = 1;

	state = state * 1664525u + 1013904223u;
	return (state >> 8) % below;
}

int submit(struct simple *simple, enum vio_blk_op op, uint64_t sector, void *buffer, size_t size)
{
	int rc;

	memset(simple, 0, sizeof(*simple));
	simple->iov = (struct iovec){buffer, size};
	simple->request.op = op;
	simple->request.start_sector = sector;
	simple->request.iov = &simple->iov;
	simple->request.iov_count = op == VIO_BLK_FLUSH ? 0 : 1;
	rc = vio_blk_submit(queue, &simple->request);
	vio_blk_kick(queue);
	return rc;
}

struct vio_blk_request *reap(unsigned count)
{
	uint64_t limit = now_ms() + REAP_LIMIT_MS;
	struct vio_blk_request *done = NULL;

	while (count) {
		must(now_ms() < limit);
		if (vio_blk_reap(queue, &done, 1) == 1) {
			count--;
		} else if (vio_blk_wait(queue, CHECK_EVERY_MS) < 0) {
			vio_blk_check(blk);
		}
	}
	return done;
}

int run_one(enum vio_blk_op op, uint64_t sector, void *buffer, size_t size)
{
	struct simple simple;
	int rc = submit(&simple, op, sector, buffer, size);

	if (rc < 0) {
		return rc;
	}
	ck_assert_ptr_eq(reap(1), &simple.request);
	return simple.request.result;
}

void assert_failed(enum vio_blk_health health)
{
	uint8_t sector[SECTOR];
	uint64_t start = now_ms();
	int rc = sim_knobs(sim)->gone ? -ENODEV : -EIO;

	ck_assert_int_eq(vio_blk_health(blk), health);
	ck_assert_int_eq(vio_blk_error(blk), rc);
	ck_assert_uint_eq(vio_blk_in_flight(queue), 0);
	ck_assert_uint_eq(sim_pool_shared(sim_pool(sim)), 0);
	ck_assert_int_eq(run_one(VIO_BLK_READ, 0, sector, SECTOR), rc);
	ck_assert_int_eq(vio_blk_write(blk, 0, sector, SECTOR), rc);
	ck_assert_int_eq(vio_blk_flush(blk), rc);
	ck_assert_msg(!vio_blk_wait_arm(queue), "a loop would spin on a broken queue");
	ck_assert_int_eq(vio_blk_wait(queue, 60000), rc);
	ck_assert_uint_eq(vio_blk_check(blk), 0);
	vio_blk_kick(queue);
	ck_assert_uint_lt(now_ms() - start, REAP_LIMIT_MS);
}

void assert_restarts(void)
{
	sim_faults_clear(sim);
	ck_assert_msg(vio_blk_restart(blk, &err) == 0, "%s", err.text);
	ck_assert_int_eq(vio_blk_health(blk), VIO_BLK_GOOD);
	assert_works();
}

void stop_resetting(void)
{
	sim_knobs(sim)->stuck_reset = true;
	sim_transport(sim)->reset_timeout_ms = 30;
}

void assert_works(void)
{
	uint8_t sectors[4096];
	int rc = vio_blk_read(blk, 8, sectors, sizeof(sectors));

	/* a busy machine may keep the simulation from answering within a short deadline */
	for (int i = 0; i < 5 && rc == -ETIMEDOUT; i++) {
		ck_assert_int_eq(vio_blk_restart(blk, &err), 0);
		rc = vio_blk_read(blk, 8, sectors, sizeof(sectors));
	}
	ck_assert_msg(rc == 0, "a read after all that: %d", rc);
	ck_assert_mem_eq(sectors, sim_disk(sim) + 8 * SECTOR, sizeof(sectors));
}
