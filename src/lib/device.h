/* SPDX-License-Identifier: BSD-2-Clause */
/* The device model from the inside: the list of devices, binding, managed resources. */
#ifndef BERTH_LIB_DEVICE_H
#define BERTH_LIB_DEVICE_H

#include <berth/device.h>
#include <berth/spinlock.h>

/* Something to undo when a driver is unbound, last one first. */
struct devres {
	struct devres *next;
	void (*action)(void *data);
	void *data;
};

struct bounce_pool;
struct bounce_device;

struct device_private {
	struct device *next; /* all devices, the newest first */
	char name[64];
	unsigned int nr_windows;
	struct berth_dma_window windows[BERTH_MAX_DMA_WINDOWS];
	/* Where other devices of its bus are: such an access never leaves the bus. */
	unsigned int nr_peers;
	struct berth_dma_window peers[BERTH_MAX_DMA_WINDOWS];
	struct cma *cma;
	struct coherent_pool *coherent_pool; /* all its coherent memory; NULL: from anywhere */
	/*
	 * Bounce buffers (dma/swiotlb.h): its own pool, or NULL; the runs it keeps, and the same where
	 * they are taken the short way; how many it had.
	 */
	struct bounce_pool *pool;
	struct bounce_device *bounce, *plain;
	uint32_t bounce_owner;
	uint64_t bounce_maps;
	/* What its IOMMU knows of it (iommu/internal.h); NULL: none is in its way. */
	struct dev_iommu *iommu;
	/* How the DMA API serves it there (dma/iommu.h); NULL: it does not. */
	struct iommu_dma *iommu_dma;
	/* What the board says of it: its driver may be wrong; bytes of its copies, 0: as many as usual. */
	bool is_cpu; /* what it moves, the CPU moves */
	bool is_untrusted;
	uint32_t shadow_size;
	const void *match_data;
	bool is_deferred; /* its driver waits for another device */
	struct devres *devres; /* the newest first */
	spinlock_t devres_lock; /* a leaf */
	void (*remove)(struct device *dev);
	struct device *next_bound; /* bound devices, the newest first */
};

/* Make @dev known under @name with @p as its private record; both stay the caller's. */
void berth_device_link(struct device *dev, struct device_private *p, const char *name);

/* Forget a device, unbinding its driver first. */
void berth_device_unlink(struct device *dev);

/* The devices there are: the newest first. */
struct device *berth_device_first(void);
struct device *berth_device_next(const struct device *dev);

/*
 * Bind a driver: calls @probe; on failure releases the managed resources and keeps the reason,
 * which is empty if @probe gave none.
 * @remove is called by berth_driver_unbind(); may be NULL.
 */
int berth_driver_bind(struct device *dev, const struct device_driver *driver,
		      int (*probe)(struct device *dev), void (*remove)(struct device *dev));
void berth_driver_unbind(struct device *dev);

/* Unbind every device, the one bound last first. */
void berth_driver_unbind_all(void);

/* Push a record; it is released at unbind. The record's memory is @action's business. */
void berth_devres_add(struct device *dev, struct devres *res);

/* The newest record for which @match(record, @data) holds, or NULL; and take one out, unreleased. */
struct devres *berth_devres_find(struct device *dev,
				 bool (*match)(const struct devres *res, const void *data),
				 const void *data);
void berth_devres_remove(struct device *dev, struct devres *res);

extern bool berth_verbose;

/* Told when a driver has gone, with all that was managed for it; NULL: nobody. */
extern void (*berth_driver_gone)(const struct device *dev);

#endif
