/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Thousands of random requests at once against a model of the disk: whatever
 * order the device answers in, every byte is where it belongs.
 */
#include "fixture.h"

enum {
	SECTORS = 2048,
	DEPTH = 48, /* requests in flight */
	SPAN = 40,  /* largest request, sectors */
	PIECES = 4, /* largest list of buffers */
	BOUND_MS = 10000,
};

static const struct load {
	uint16_t queue_size;
	unsigned requests;
	enum sim_flavour flavour;
	bool legacy, interrupts, sleepy;
	uint32_t size_max, seg_max;
} loads[] = {
	{4, 1500, SIM_PLAIN, false, false, false, 0, 126},
	{4, 1500, SIM_TRACKED, false, true, true, 4096, 126},
	{8, 2000, SIM_BOUNCING, false, false, true, 0, 126},
	{8, 2000, SIM_TRACKED, true, true, false, 0, 2},
	{64, 3000, SIM_PLAIN, false, true, true, 0, 126},
	{256, 4000, SIM_PLAIN, false, false, false, 0, 126},
	{256, 4000, SIM_TRACKED, false, true, true, 0, 126},
	{256, 3000, SIM_BOUNCING, true, true, false, 2048, 7},
};

enum {
	LOADS = sizeof(loads) / sizeof(loads[0])
};

struct job {
	struct vio_blk_request request;
	struct iovec iov[PIECES];
	uint8_t *own; /* SPAN sectors that are never copied */
	uint8_t foreign[SPAN * SECTOR];
	uint8_t expected[SPAN * SECTOR]; /* of a read */
	unsigned sectors;
	bool busy;
};

static struct job jobs[DEPTH];
static uint8_t model[SECTORS * SECTOR];
static unsigned users[SECTORS]; /* requests on a sector; WRITING for the only one */

enum {
	WRITING = 1000,
};

static bool is_free(uint64_t sector, unsigned count, bool for_write)
{
	for (uint64_t s = sector; s < sector + count; s++) {
		if (for_write ? users[s] : users[s] >= WRITING) {
			return false;
		}
	}
	return true;
}

static void occupy(const struct job *job, bool on)
{
	unsigned by = job->request.op == VIO_BLK_WRITE ? WRITING : 1;

	for (unsigned i = 0; i < job->sectors; i++) {
		users[job->request.start_sector + i] += on ? by : -by;
	}
}

/* The buffers of a request: our own memory or foreign, in pieces of odd sizes. */
static void choose_buffers(struct job *job, size_t size)
{
	unsigned pieces = 1 + pick(PIECES);
	size_t at = 0;

	job->request.iov = job->iov;
	job->request.iov_count = pieces;
	for (unsigned i = 0; i < pieces; i++) {
		size_t left = size - at;
		size_t length = i == pieces - 1 ? left : pick((unsigned)left + 1);

		job->iov[i] = (struct iovec){(pick(2) ? job->own : job->foreign) + at, length};
		at += length;
	}
}

/* A pattern to write, or something that no read may leave. */
static void fill_buffers(struct job *job)
{
	for (unsigned i = 0; i < job->request.iov_count; i++) {
		fill(job->iov[i].iov_base, job->iov[i].iov_len, pick(1 << 20));
	}
}

/* Accepted: nobody else touches these sectors until it is finished. */
static void accept_job(struct job *job)
{
	uint8_t *at = model + job->request.start_sector * SECTOR;

	memcpy(job->expected, at, (size_t)job->sectors * SECTOR);
	if (job->request.op == VIO_BLK_WRITE) {
		for (unsigned i = 0; i < job->request.iov_count; at += job->iov[i++].iov_len) {
			memcpy(at, job->iov[i].iov_base, job->iov[i].iov_len);
		}
	}
	job->busy = true;
	occupy(job, true);
}

/* Chooses a request; false if it would race with one in flight. */
static bool prepare(struct job *job)
{
	static const enum vio_blk_op ops[] = {VIO_BLK_READ, VIO_BLK_READ, VIO_BLK_WRITE,
					      VIO_BLK_WRITE, VIO_BLK_FLUSH};

	memset(&job->request, 0, sizeof(job->request));
	job->request.op = ops[pick(5)];
	job->sectors = 0;
	if (job->request.op == VIO_BLK_FLUSH) {
		return true;
	}
	job->sectors = 1 + pick(pick(4) ? 8 : SPAN);
	job->request.start_sector = pick(SECTORS - job->sectors + 1);
	choose_buffers(job, (size_t)job->sectors * SECTOR);
	fill_buffers(job);
	return is_free(job->request.start_sector, job->sectors, job->request.op == VIO_BLK_WRITE);
}

/* Submits until @most are accepted, or the queue is full; returns how many were. */
static unsigned submit_some(unsigned most)
{
	unsigned n = 0;
	int rc = 0;

	for (unsigned i = 0; i < DEPTH && n < most && rc == 0; i++) {
		struct job *job = &jobs[i];

		if (job->busy || !prepare(job)) {
			continue;
		}
		rc = vio_blk_submit(queue, &job->request);
		must(rc == 0 || rc == -EAGAIN);
		if (rc == 0) {
			accept_job(job);
			n++;
		}
	}
	vio_blk_kick(queue);
	return n;
}

static void finish(struct vio_blk_request *request)
{
	struct job *job = (struct job *)(void *)request;
	size_t at = 0;

	must(job->busy);
	must(request->result == 0);
	if (request->op == VIO_BLK_READ) {
		for (unsigned i = 0; i < request->iov_count; at += job->iov[i++].iov_len) {
			must(memcmp(job->iov[i].iov_base, job->expected + at,
				    job->iov[i].iov_len) == 0);
		}
	}
	occupy(job, false);
	job->busy = false;
}

static unsigned reap_some(void)
{
	struct vio_blk_request *done[16];
	unsigned n = vio_blk_reap(queue, done, 1 + pick(16));

	for (unsigned i = 0; i < n; i++) {
		finish(done[i]);
	}
	return n;
}

static void open_load(const struct load *load, uint64_t features)
{
	struct sim_options o = sim_defaults();
	struct vio_blk_options wish = {.queue_size = load->queue_size};

	o.pool_size = (size_t)4 << 20;
	o.flavour = load->flavour;
	o.legacy = load->legacy;
	o.interrupts = load->interrupts;
	o.sleepy = load->sleepy;
	o.config.size_max = htole32(load->size_max);
	o.config.seg_max = htole32(load->seg_max);
	if (load->size_max) {
		o.features |= BIT(VIRTIO_BLK_F_SIZE_MAX);
	}
	o.features |= features;
	if (o.legacy) {
		o.features &= UINT32_MAX;
	}
	open_disk(&o, &wish);
	sim_knobs(sim)->shuffle = true;
	memcpy(model, sim_disk(sim), sizeof(model));
	for (unsigned i = 0; i < DEPTH; i++) {
		jobs[i].own = vio_blk_alloc(blk, SPAN * SECTOR);
		must(jobs[i].own != NULL);
	}
}

START_TEST(test_random_load)
{
	const struct load *load = &loads[_i % LOADS];
	unsigned submitted = 0, reaped = 0;
	uint64_t limit;

	open_load(load, ring_features(_i / LOADS));
	limit = now_ms() + BOUND_MS;
	while (reaped < load->requests) {
		unsigned n = 0;

		must(now_ms() < limit);
		if (submitted < load->requests) {
			n = submit_some(1 + pick(DEPTH));
			submitted += n;
		}
		n = reap_some();
		reaped += n;
		if (n == 0) {
			vio_blk_wait(queue, 100);
		}
	}
	while (vio_blk_in_flight(queue)) {
		must(now_ms() < limit);
		if (reap_some() == 0) {
			vio_blk_wait(queue, 100);
		}
	}
	ck_assert_mem_eq(sim_disk(sim), model, sizeof(model));
	if (load->queue_size >= 64 && !(sim_accepted_features(sim) & BIT(VIRTIO_F_IN_ORDER))) {
		ck_assert_uint_gt(sim_counts(sim).reordered, 100);
	}
	for (unsigned i = 0; i < DEPTH; i++) {
		vio_blk_free(blk, jobs[i].own, SPAN * SECTOR);
	}
}
END_TEST

Suite *load_suite(void)
{
	Suite *suite = suite_create("load");
	TCase *tcase = tcase_create("random");

	tcase_set_timeout(tcase, 20);
	tcase_add_checked_fixture(tcase, NULL, close_disk);
	tcase_add_loop_test(tcase, test_random_load, 0, LOADS * RING_CHOICES);
	suite_add_tcase(suite, tcase);
	return suite;
}
