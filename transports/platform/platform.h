/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * This process's reach into the machine, private to transports/: locks, memory
 * for DMA, physical mappings, kernel drivers, and pauses for polling.
 */
#ifndef VIOT_PLATFORM_H
#define VIOT_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vio-transport/open.h>
#include <vio/dma.h>
#include <vio/error.h>
#include <vio/transport.h>

/* lock.c: one process per device */

/*
 * The lock file lives exactly as long as a device is held, and remembers across
 * a kill how many huge pages were reserved for it.
 */
struct viot_lock {
	int fd;
	char key[64]; /* "pci-0000:00:04.0", "mmio-0x1c0d0000" */
	char path[128];
	unsigned reserved_pages; /* found in the file, and kept up to date there */
};

/* -EBUSY with the pid of the holder. */
int viot_lock_take(struct viot_lock *lock, const char *key, struct vio_error *err);
/* Writes reserved_pages down. */
void viot_lock_note(struct viot_lock *lock);
/* @keep: leave the file, because memory is in quarantine. */
void viot_lock_drop(struct viot_lock *lock, bool keep);
/* An exclusive lock on a file made for it: a descriptor, or -EBUSY and the file in @holder. */
int viot_lock_file(const char *path, bool wait, int *holder);
/* mkdir -p with mode 0755; 0 or a negative errno with a sentence. */
int viot_make_dir(const char *path, struct vio_error *err);

/* hugepages.c: DMA memory with physical addresses */
int viot_hugepages_open(struct vio_dma **dma, struct viot_lock *lock, size_t size,
			struct vio_error *err);
void viot_hugepages_close(struct vio_dma *dma);

/* reserve.c: the kernel's pool of huge pages; @lock notes what we added to it */
size_t viot_hugepage_size(void); /* bytes; 0 where the kernel has none */
int viot_hugepages_reserve(struct viot_lock *lock, unsigned pages, struct vio_error *err);
void viot_hugepages_give_back(struct viot_lock *lock);
/*
 * A file named @key in a hugetlbfs of ours, mounted if need be; an existing one
 * is opened as it is. Returns a file descriptor or a negative errno.
 */
int viot_hugetlbfs_open(const char *key, char *path, size_t path_size, struct vio_error *err);
/* Unmounts it if nothing is left in it. */
void viot_hugetlbfs_release(void);

/* physical.c: registers at a physical address through /dev/mem */
struct viot_mapping {
	void *base; /* page aligned */
	size_t size;
};

volatile void *viot_physical_map(struct viot_mapping *mapping, uint64_t address, size_t size,
				 struct vio_error *err);
void viot_physical_unmap(struct viot_mapping *mapping);

/* holder.c: kernel drivers that hold a device */
struct viot_holder {
	char device[80]; /* its name in sysfs: "0000:00:04.0", "LNRO0005:00" */
	char bus[16];    /* "pci", "platform" */
	char driver[40]; /* empty: nobody holds it */
};

/* The driver of a device in sysfs. */
void viot_holder_of(struct viot_holder *holder, const char *bus, const char *device);
/* Who has the physical address, by /proc/iomem; -EINVAL if it is RAM. */
int viot_holder_at(struct viot_holder *holder, uint64_t address, struct vio_error *err);
/* 0 if nobody holds it (any more); otherwise a sentence with the command that frees it. */
int viot_holder_check(const struct viot_holder *holder, bool takeover, struct vio_error *err);

/* platform.c: what every transport needs beside its registers */
struct viot_platform {
	struct viot_lock lock;
	struct vio_dma *dma;
	int timer; /* wait_fd of a polled transport */
};

int viot_platform_claim(struct viot_platform *platform, const char *key, struct vio_error *err);
/* Resets the device, then makes the DMA memory: in this order, see open.h. */
int viot_platform_start(struct viot_platform *platform, struct vio_transport *t,
			const struct viot_options *options, struct vio_error *err);
void viot_platform_release(struct viot_platform *platform);
void viot_platform_arm(const struct viot_platform *platform, unsigned fruitless);
void viot_platform_ack(const struct viot_platform *platform);

int viot_check_type(const char *name, uint32_t found, const struct viot_options *options,
		    struct vio_error *err);

/* One opener per kind of address. */
int viot_mmio_open(struct vio_transport **t, const struct viot_address *address,
		   const struct viot_options *options, struct vio_error *err);
int viot_pci_open(struct vio_transport **t, const struct viot_address *address,
		  const struct viot_options *options, struct vio_error *err);

#endif
