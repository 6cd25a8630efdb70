/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * This process's reach into the machine, private to transports/: locks, memory
 * for DMA, physical mappings, kernel drivers, and pauses for polling.
 */
#ifndef VIOT_PLATFORM_H
#define VIOT_PLATFORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vio-transport/open.h>
#include <vio/dma.h>
#include <vio/error.h>
#include <vio/transport.h>

#include "interrupt.h"

/* lock.c: one process per device */

/*
 * The lock file lives as long as a device is held, with the holder's pid for others
 * to see. A second one remembers across a kill how many huge pages were reserved.
 */
struct viot_lock {
	int fd;
	char key[64]; /* "pci-0000:00:04.0", "mmio-0x1c0d0000" */
	char path[128];
	unsigned reserved_pages; /* found in the second file, and kept up to date there */
};

/* -EBUSY with the pid of the holder. */
int viot_lock_take(struct viot_lock *lock, const char *key, struct vio_error *err);
/* Writes reserved_pages down. */
void viot_lock_note(struct viot_lock *lock);
/* @keep: leave the file, because huge pages of ours are still reserved or in quarantine. */
void viot_lock_drop(struct viot_lock *lock, bool keep);
/*
 * An exclusive lock on a file made for it, in a directory that is there: a
 * descriptor, -EBUSY after @wait_ms, or another negative errno.
 */
int viot_lock_file(const char *path, unsigned wait_ms);
/* mkdir -p with mode 0755, whatever the umask; 0 or a negative errno with a sentence. */
int viot_make_dir(const char *path, struct vio_error *err);

/* pool.c: DMA memory, whatever it is made of; NULL is allowed */
void viot_dma_close(struct vio_dma *dma);

/* hugepages.c: DMA memory with physical addresses */
int viot_hugepages_open(struct vio_dma **dma, struct viot_lock *lock, size_t size,
			struct vio_error *err);

/* What a process left of a device that reaches no memory any more. */
int viot_hugepages_forget(struct viot_lock *lock, struct vio_error *err);

/* reserve.c: the kernel's pool of huge pages; @lock notes what we added to it */
size_t viot_hugepage_size(void); /* bytes; 0 where the kernel has none */
/*
 * From counting the free pages until they are mapped, or another process counts
 * them too; and from unmapping ours until the pool is smaller again. A descriptor,
 * or a negative errno with a sentence. Everything below needs this lock.
 */
int viot_hugepool_lock(struct vio_error *err);
void viot_hugepool_unlock(int lock);
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
/*
 * Where perhaps nothing answers: false if the machine has only a bus error to say,
 * and then the mapping is of no more use.
 */
bool viot_physical_read32(const struct viot_mapping *mapping, const volatile void *address,
			  uint32_t *value);

/*
 * guard.c: from here on a bus error in these pages makes them read all ones and
 * sets @is_gone. @base is page aligned. False if there are too many already.
 */
bool viot_guard(void *base, size_t size, atomic_bool *is_gone);
/* Before the pages are unmapped. NULL, or pages that are not guarded, are allowed. */
void viot_unguard(void *base);

struct viot_holder;

/* uio.c: a device that the kernel offers as /dev/uioN */
struct viot_uio {
	char name[32];    /* "uio0" */
	char driver[32];  /* what it calls itself: "uio_pci_generic", "vio_uio" */
	char version[32]; /* as its driver says; vio_uio: the interrupt number */
	unsigned map;     /* which of its mappings has the registers */
	uint64_t offset;  /* of the registers in it */
	uint64_t size;    /* of the mapping, bytes; 0: it has none */
};

/* False if there is none. */
bool viot_uio_find_pci(struct viot_uio *uio, const char *function);
bool viot_uio_find_memory(struct viot_uio *uio, uint64_t address, size_t size);
/* What the driver that holds a device made of it; no mapping is looked for. */
bool viot_uio_find_held(struct viot_uio *uio, const struct viot_holder *holder);
/* A descriptor, or a negative errno with a sentence. */
int viot_uio_open(const struct viot_uio *uio, struct vio_error *err);
/* Asked right after opening it. */
bool viot_uio_has_interrupt(int fd);
/* The registers through it; NULL with a sentence. Undone by viot_physical_unmap(). */
volatile void *viot_uio_map(const struct viot_uio *uio, int fd, struct viot_mapping *mapping,
			    struct vio_error *err);
/*
 * A page that /dev/mem refuses because a UIO driver claims a device in it, through
 * that driver: slots share pages. Only drivers that are known not to mind somebody
 * else's open. Like mmap(); MAP_FAILED if none of them has that page.
 */
void *viot_uio_map_page(uint64_t start, size_t size, int protection);
/* For line_enable: ask for the next interrupt; @interrupt->line is the descriptor. */
int viot_uio_enable(struct viot_interrupt *interrupt);

/* holder.c: which kernel driver holds a device */
struct viot_holder {
	char device[80]; /* its name in sysfs: "0000:00:04.0", "LNRO0005:00" */
	char bus[16];    /* "pci", "platform" */
	char driver[40]; /* empty: nobody holds it */
	bool taken;      /* from this driver, by us */
};

/* The driver of a device in sysfs. */
void viot_holder_of(struct viot_holder *holder, const char *bus, const char *device);
/* Who has the physical address, by /proc/iomem; -EINVAL if it is RAM. */
int viot_holder_at(struct viot_holder *holder, uint64_t address, struct vio_error *err);
/* Any driver with registers in that range; false if there is none. */
bool viot_holder_near(struct viot_holder *holder, uint64_t start, size_t size);

/* takeover.c */
/*
 * 0 if nobody holds the device (any more); otherwise a sentence that says how to
 * free it. A takeover is for VirtIO's own drivers, the class of device that was
 * asked for, and disks that nobody uses.
 */
int viot_holder_free(struct viot_holder *holder, const struct viot_options *options,
		     struct vio_error *err);
/* Undoes a takeover. */
void viot_holder_give_back(struct viot_holder *holder);

/* base.c: what every transport has beside its registers */
struct viot_base {
	struct vio_transport t; /* first; name and ops are set by the transport */
	struct viot_lock lock;
	struct viot_holder holder; /* of the device before us */
	struct viot_interrupt interrupt;
	/* LINE only: the interrupt status, which is 0 afterwards */
	uint8_t (*take_isr)(struct viot_base *base);
	bool lost; /* it did not confirm a reset */
	/*
	 * It reaches no memory of ours any more, whatever it confirms: it was stopped
	 * before it went, or an IOMMU ends its reach together with us.
	 */
	bool is_harmless;
	atomic_bool is_gone; /* unplugged, or about to be: it answers all ones from here on */
};

void viot_base_init(struct viot_base *base);
/* Takes the lock named t.name. */
int viot_base_claim(struct viot_base *base, struct vio_error *err);
/* Before there is DMA memory: see open.h. */
int viot_base_reset(struct viot_base *base, struct vio_error *err);
/* Huge pages for t.dma; the device has been reset. */
int viot_base_hugepages(struct viot_base *base, const struct viot_options *options,
			struct vio_error *err);
size_t viot_dma_size(const struct viot_options *options);
/* The device is open: closing it no longer returns it to its kernel driver. */
void viot_base_keep(struct viot_base *base);
/* While the registers are still there: makes sure that the device has let go of memory. */
void viot_base_quiesce(struct viot_base *base);
/* Frees all but @base. */
void viot_base_release(struct viot_base *base);

/* What a register says: all ones of a device that is gone. */
static inline uint8_t viot_base_status(struct viot_base *base, uint8_t status)
{
	return atomic_load_explicit(&base->is_gone, memory_order_relaxed) ? 0xff : status;
}

/* wait.c: the wait_ operations, by base->interrupt */
int viot_base_wait_fd(struct vio_transport *t, uint16_t index);
void viot_base_wait_arm(struct vio_transport *t, uint16_t index, unsigned fruitless);
unsigned viot_base_wait_ack(struct vio_transport *t, uint16_t index);
void viot_base_wait_by_timer(struct vio_transport *t, uint16_t index);

int viot_check_type(const char *name, uint32_t found, const struct viot_options *options,
		    struct vio_error *err);

/* One opener per kind of address. */
int viot_mmio_open(struct vio_transport **t, const struct viot_address *address,
		   const struct viot_options *options, struct vio_error *err);
int viot_pci_open(struct vio_transport **t, const struct viot_address *address,
		  const struct viot_options *options, struct vio_error *err);
int viot_vhost_user_open(struct vio_transport **t, const struct viot_address *address,
			 const struct viot_options *options, struct vio_error *err);
int viot_fdt_open(struct vio_transport **t, const struct viot_address *address,
		  const struct viot_options *options, struct vio_error *err);

#endif
