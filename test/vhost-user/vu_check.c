/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What vhost-user devices do that others do not, or that other tools do not show.
 *
 *   vu_check ADDRESS info       prints "SECTORS sectors, QUEUES queues"
 *   vu_check ADDRESS verify     writes all of the disk at random, and reads it back
 *   vu_check ADDRESS survive    does so again and again until its input ends, with
 *                               options.replay, and prints "pass" after each
 *   vu_check ADDRESS resize     prints its size, waits for news of another one, prints it
 *   vu_check ADDRESS return     prints "gone" when the back end goes, waits for it, "back"
 *
 * Every wait is bounded; a failure is a sentence and status 1.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include <vio-transport/open.h>
#include <vio/blk.h>
#include <vio/device.h>

enum {
	NEWS_MS = 20000,
	RETURN_TRIES = 400,
	RETURN_PAUSE_US = 50000,
	PIECE = 64 << 10,
};

static struct vio_error err;

static int fail(const char *what)
{
	fprintf(stderr, "vu_check: %s\n", what);
	return 1;
}

static uint64_t sectors(struct vio_blk *blk)
{
	return vio_blk_info(blk)->capacity_sectors;
}

static int info(struct vio_blk *blk)
{
	printf("%llu sectors, %u queues\n", (unsigned long long)sectors(blk),
	       vio_blk_info(blk)->queues_offered);
	return 0;
}

static void fill(uint64_t *words, uint64_t piece)
{
	uint64_t state = piece * 0x9e3779b97f4a7c15ULL + 1;

	for (size_t i = 0; i < PIECE / sizeof(*words); i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		words[i] = state;
	}
}

/* Every piece once, in an order that jumps about: 7 has no factor in common with a power of two. */
static int verify(struct vio_blk *blk)
{
	static uint64_t out[PIECE / 8], in[PIECE / 8];
	uint64_t per_piece = PIECE / VIO_BLK_SECTOR_SIZE, pieces = sectors(blk) / per_piece;

	for (uint64_t i = 0; i < pieces; i++) {
		uint64_t piece = i * 7 % pieces;

		fill(out, piece);
		if (vio_blk_write(blk, piece * per_piece, out, PIECE) < 0) {
			return fail("a write failed");
		}
	}
	if (vio_blk_flush(blk) < 0) {
		return fail("a flush failed");
	}
	for (uint64_t i = 0; i < pieces; i++) {
		fill(out, i);
		if (vio_blk_read(blk, i * per_piece, in, PIECE) < 0 || memcmp(in, out, PIECE)) {
			return fail("what was read is not what was written");
		}
	}
	printf("%llu pieces verified\n", (unsigned long long)pieces);
	return 0;
}

static int survive(struct vio_blk *blk)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	while (poll(&input, 1, 0) == 0) {
		if (verify(blk)) {
			return 1;
		}
		puts("pass");
		fflush(stdout);
	}
	return 0;
}

static int wait_for_news(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	return fd >= 0 && poll(&wait, 1, NEWS_MS) > 0 ? 0 : fail("no news of the device came");
}

static int resize(struct vio_blk *blk)
{
	uint64_t before = sectors(blk);

	printf("%llu\n", (unsigned long long)before);
	fflush(stdout);
	while (sectors(blk) == before) {
		if (wait_for_news(vio_blk_events_fd(blk))) {
			return 1;
		}
		if (!(vio_blk_events_ack(blk) & VIO_EVENT_CONFIG)) {
			return fail("the news is not of the configuration");
		}
		vio_blk_check(blk);
	}
	printf("%llu\n", (unsigned long long)sectors(blk));
	return 0;
}

static int come_back(struct vio_device *device)
{
	for (int i = 0; i < RETURN_TRIES; i++) {
		if (vio_device_restart(device, &err) == 0) {
			return 0;
		}
		usleep(RETURN_PAUSE_US); /* for want of a message from those who are not there */
	}
	return fail(err.text);
}

/* A process that ends closes its sockets one by one: the first news may be another one's end. */
static int wait_until_gone(struct vio_transport *t)
{
	unsigned news = 0;

	while (!(news & VIO_EVENT_GONE)) {
		if (wait_for_news(t->ops->wait_fd(t, VIO_WAIT_EVENTS))) {
			return 1;
		}
		news = t->ops->wait_ack(t, VIO_WAIT_EVENTS);
	}
	return 0;
}

static int see_return(struct vio_transport *t)
{
	const struct vio_device_wishes wishes = {.device_type = VIRTIO_ID_BLOCK,
						 .wanted = VIO_FEATURE(VIRTIO_BLK_F_FLUSH)};
	struct vio_device *device;

	if (vio_device_open(&device, t, &wishes, &err) < 0) {
		return fail(err.text);
	}
	puts("ready");
	fflush(stdout);
	if (wait_until_gone(t)) {
		return 1;
	}
	if (!(vio_device_events(device) & VIO_EVENT_GONE)) {
		return fail("the device does not count as gone");
	}
	if (vio_device_reset(device, &err) < 0 || t->dma->quarantined) {
		return fail("a lost connection does not confirm a reset");
	}
	if (vio_device_restart(device, &err) != -ENODEV) {
		return fail("a device that is not there was restarted");
	}
	puts("gone");
	fflush(stdout);
	if (come_back(device)) {
		return 1;
	}
	puts("back");
	vio_device_close(device);
	return 0;
}

static int run(struct vio_blk *blk, const char *what)
{
	if (strcmp(what, "info") == 0) {
		return info(blk);
	}
	if (strcmp(what, "verify") == 0) {
		return verify(blk);
	}
	if (strcmp(what, "survive") == 0) {
		return survive(blk);
	}
	return strcmp(what, "resize") == 0 ? resize(blk)
					   : fail("info, verify, survive, resize or return");
}

int main(int argc, char **argv)
{
	const struct viot_options options = {.device_type = VIRTIO_ID_BLOCK};
	struct vio_blk_options blk_options = {0};
	struct viot_address address;
	struct vio_transport *t = NULL;
	struct vio_blk *blk = NULL;
	int rc;

	if (argc != 3 || viot_address_parse(argv[1], &address, &err) < 0 ||
	    viot_open(&t, &address, &options, &err) < 0) {
		return fail(argc != 3 ? "usage: vu_check ADDRESS WHAT" : err.text);
	}
	if (strcmp(argv[2], "return") == 0) {
		rc = see_return(t);
	} else {
		blk_options.replay = strcmp(argv[2], "survive") == 0;
		rc = vio_blk_open(&blk, t, &blk_options, &err) < 0 ? fail(err.text) : run(blk, argv[2]);
	}
	vio_blk_close(blk);
	vio_transport_close(t);
	return rc;
}
