/* SPDX-License-Identifier: BSD-2-Clause */
/* What the three drivers of a device for programs share. */
#ifndef DRIVERS_UIO_GENIRQ_H
#define DRIVERS_UIO_GENIRQ_H

#include <berth/kref.h>
#include <berth/platform_device.h>
#include <berth/spinlock.h>
#include <berth/uio.h>

#include <berth/drivers/uio.h>

enum uio_kind { UIO_GENERIC, UIO_PDRV, UIO_DMEM, UIO_PMEM };

/* How the device is stopped: a write, and the value that tells that it has. */
struct uio_quiesce {
	bool is_known;
	volatile uint32_t *memory; /* the registers, where they are RAM; else */
	void __iomem *regs;
	void *base; /* of @memory as it was mapped */
	uint32_t offset, value;
	bool has_status;
	uint32_t status, mask, expected, timeout_ms;
};

/* Memory of a map that is there while the device is open. */
struct uio_region {
	size_t size;
	dma_addr_t dma;
	struct page *page; /* cached */
	void *virt; /* not cached */
};

/*
 * struct uio_genirq - a device
 * @kref: the driver, and the core until uio_info::gone
 * @lock: of @is_irq_off, a leaf
 * @nr_maps: all maps; of them the first @nr_static have registers
 * @users: open files; the core calls open() and release() one at a time
 * @is_cached: the memory is mapped cached
 * @is_kept: it could not be stopped, and its memory stays
 */
struct uio_genirq {
	struct kref kref;
	struct uio_info info;
	struct platform_device *pdev;
	enum uio_kind kind;
	spinlock_t lock;
	bool is_irq_off;
	unsigned int nr_maps, nr_static;
	unsigned int users;
	bool is_cached, is_kept, has_memory;
	struct uio_region regions[MAX_UIO_MAPS];
	struct uio_quiesce quiesce;
	char name[64];
};

/* The tree is wrong: -EINVAL with the property as the reason, and a line that names the node. */
int berth_uio_bad_tree(const struct uio_genirq *g, const char *property, uint64_t value);

/* One more map, filled in by the caller; NULL with the reason if there is no room. */
struct uio_mem *berth_uio_add_map(struct uio_genirq *g);

/* Of uio_dmem_genirq and uio_pmem_genirq: read their properties, add their maps. 0, or with the reason. */
int berth_uio_dmem_init(struct uio_genirq *g);
int berth_uio_pmem_init(struct uio_genirq *g);
void berth_uio_pmem_exit(struct uio_genirq *g);

/* The functions of a device with dynamic memory. */
int berth_uio_dmem_open(struct uio_info *info, struct inode *inode);
int berth_uio_dmem_release(struct uio_info *info, struct inode *inode);
/* Nobody opens it any more, and its registers go: stop it. */
void berth_uio_dmem_end(struct uio_genirq *g);
/* Nobody has it open or mapped any more, after that. */
void berth_uio_dmem_free(struct uio_genirq *g);

long berth_uio_sync_ioctl(struct uio_info *info, unsigned int request, unsigned long arg);

/* The property "berth,quiesce", and what it says. */
int berth_uio_quiesce_init(struct uio_genirq *g);
void berth_uio_quiesce_exit(struct uio_genirq *g);
/* 0 if the device does no DMA any more, or is not known to; -ETIMEDOUT (TIMEOUT). */
int berth_uio_quiesce(struct uio_genirq *g);

#endif
