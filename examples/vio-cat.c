/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vio-cat: copy a VirtIO disk to standard output.
 *
 *   vio-cat                            the first VirtIO disk on the PCI bus
 *   vio-cat pci=1 > disk.img
 *   vio-cat fdt=0 > disk.img           the first one that the device tree declares
 *   vio-cat vhost-user=/run/disk.sock  what another process serves
 *   vio-cat smem=0x1c0d0000,irq=41 | sha256sum
 *
 * Keeps several large reads in flight, straight into memory that the device
 * reaches, and writes them out in order.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_ids.h>

#include <vio-transport/open.h>
#include <vio/blk.h>

enum {
	DEPTH = 4,
	PIECE = 1 << 20,
	TICK_MS = 1000,
};

struct piece {
	struct vio_blk_request request;
	struct iovec iov;
	void *buffer;
	bool done;
};

static struct piece pieces[DEPTH];

static int fail(const char *what, int error)
{
	fprintf(stderr, "vio-cat: %s: %s\n", what, strerror(-error));
	return error;
}

/* Asks for the piece at @offset, if the disk has one there. */
static int start(struct vio_blk *blk, struct piece *piece, uint64_t offset)
{
	uint64_t size = vio_blk_info(blk)->capacity_sectors * VIO_BLK_SECTOR_SIZE;

	if (offset >= size) {
		return 0;
	}
	piece->done = false;
	piece->iov.iov_base = piece->buffer;
	piece->iov.iov_len = size - offset < PIECE ? size - offset : PIECE;
	piece->request = (struct vio_blk_request){
		.op = VIO_BLK_READ,
		.start_sector = offset / VIO_BLK_SECTOR_SIZE,
		.iov = &piece->iov,
		.iov_count = 1,
		.user_data = piece,
	};
	return vio_blk_submit(vio_blk_queue(blk, 0), &piece->request);
}

static int wait_for(struct vio_blk *blk, const struct piece *piece)
{
	struct vio_blk_queue *queue = vio_blk_queue(blk, 0);
	struct vio_blk_request *done[DEPTH];

	vio_blk_kick(queue);
	while (!piece->done) {
		unsigned n = vio_blk_reap(queue, done, DEPTH);

		for (unsigned i = 0; i < n; i++) {
			((struct piece *)done[i]->user_data)->done = true;
		}
		if (n == 0 && vio_blk_wait(queue, TICK_MS) < 0) {
			vio_blk_check(blk); /* ends what is overdue */
		}
	}
	return piece->request.result;
}

static int write_out(const struct piece *piece)
{
	size_t written = 0;

	while (written < piece->iov.iov_len) {
		ssize_t n = write(STDOUT_FILENO, (char *)piece->buffer + written,
				  piece->iov.iov_len - written);
		if (n < 0 && errno != EINTR) {
			return fail("standard output", -errno);
		}
		written += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int copy(struct vio_blk *blk)
{
	uint64_t size = vio_blk_info(blk)->capacity_sectors * VIO_BLK_SECTOR_SIZE;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < DEPTH; i++) {
		pieces[i].buffer = vio_blk_alloc(blk, PIECE);
		rc = pieces[i].buffer ? start(blk, &pieces[i], (uint64_t)i * PIECE) : -ENOMEM;
	}
	for (uint64_t offset = 0; rc == 0 && offset < size; offset += PIECE) {
		struct piece *piece = &pieces[offset / PIECE % DEPTH];

		rc = wait_for(blk, piece);
		if (rc == 0) {
			rc = write_out(piece);
		}
		if (rc == 0) {
			rc = start(blk, piece, offset + (uint64_t)DEPTH * PIECE);
		}
	}
	return rc < 0 ? fail("copying", rc) : 0;
}

int main(int argc, char **argv)
{
	const struct viot_options options = {.device_type = VIRTIO_ID_BLOCK};
	struct viot_address address;
	struct vio_transport *transport = NULL;
	struct vio_blk *blk = NULL;
	struct vio_error err;
	int rc = viot_address_parse(argc > 1 ? argv[1] : "", &address, &err);

	/* a reader that goes away is an error like others, after which we clean up */
	signal(SIGPIPE, SIG_IGN);
	if (rc == 0) {
		rc = viot_open(&transport, &address, &options, &err);
	}
	if (rc == 0) {
		rc = vio_blk_open(&blk, transport, NULL, &err);
	}
	if (rc < 0) {
		fprintf(stderr, "vio-cat: %s\n", err.text);
	} else {
		rc = copy(blk);
	}
	vio_blk_close(blk);
	vio_transport_close(transport);
	return rc < 0 ? 1 : 0;
}
