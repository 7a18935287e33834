/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the core of dmaengine. */
#ifndef BERTH_DMAENGINE_INTERNAL_H
#define BERTH_DMAENGINE_INTERNAL_H

#include <berth/dmaengine-driver.h>
#include <berth/mutex.h>

/*
 * Guards the controllers, their channels' counts of clients, and who is public. Held while drivers'
 * device_alloc_chan_resources(), device_free_chan_resources() and filters run. Inside it any lock of
 * a driver; outside it that of the controllers of the tree.
 */
extern struct mutex berth_dma_list_lock;
extern struct list_head berth_dma_devices;

/* A client more, or less, of a channel. With the lock. */
int berth_dma_chan_get(struct dma_chan *chan);
void berth_dma_chan_put(struct dma_chan *chan);

/* One that takes a channel for itself. With the lock. */
int berth_dma_chan_take(struct dma_chan *chan);

/* The controller has one user less; the last one releases it. */
void berth_dma_device_put(struct dma_device *device);

/* Work out anew which channels dma_find_channel() gives. With the lock. */
void berth_dma_rebalance(void);

/* Public clients' hold on a controller that comes, and on a channel that goes. With the lock. */
void berth_dma_publish(struct dma_device *device);
void berth_dma_withdraw(struct dma_chan *chan);

/* A controller that was unregistered: public clients keep their hold until they put it. With the lock. */
void berth_dma_leave(struct dma_device *device);

/* How the device tree's channels are found: the floor above says. NULL: there is no tree. */
/* Told of what is unmapped when a transfer is done; NULL: nobody is. */
extern void (*berth_dma_unmapping)(const struct dmaengine_unmap_data *unmap);

typedef struct dma_chan *(*berth_dma_lookup)(struct device *dev, const char *name);
void berth_dmaengine_set_lookup(berth_dma_lookup lookup);

/* The end: controllers that nobody unregistered go, and what was kept for later is freed. */
void berth_dmaengine_stop(void);
void berth_dma_unmap_stop(void);
void berth_dma_public_reset(void);

/* software.c: what the boot argument dma.software= says. */
void berth_dma_software_boot(const char *arg);

#endif
