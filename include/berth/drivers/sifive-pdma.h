/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: sifive-pdma - driver of the SiFive PDMA, the memory-to-memory engine of the FU540-C000
 *
 * Four channels copy independently of each other, without scatter-gather.
 */
#ifndef BERTH_DRIVERS_SIFIVE_PDMA_H
#define BERTH_DRIVERS_SIFIVE_PDMA_H

#include <berth/device.h>
#include <berth/platform_device.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define BERTH_PDMA_CHANNELS 4

extern const struct platform_driver berth_pdma_driver;

/**
 * berth_pdma_start() - begin to copy
 * @dev: the engine
 * @dst: device address of the target, mapped by the caller
 * @src: device address of the source, mapped by the caller
 * @len: bytes, at least 1
 *
 * Any context. Return: the channel, for berth_pdma_wait(), which is the caller's until then;
 * -EBUSY (no channel is free), -EINVAL (@len is 0), -ENODEV.
 */
int berth_pdma_start(struct device *dev, dma_addr_t dst, dma_addr_t src, size_t len);

/**
 * berth_pdma_wait() - wait until a copy has ended, and give its channel back
 * @dev: the engine
 * @channel: what berth_pdma_start() returned
 * @timeout: in jiffies
 *
 * Sleeps. On return the engine does not touch the buffers any more. Return: 0; -EIO (a bus error;
 * a part may have been copied); -ETIMEDOUT (stopped); -EINVAL (no such copy); -ENODEV.
 */
int berth_pdma_wait(struct device *dev, int channel, unsigned long timeout);

/** berth_pdma_residue() - bytes that a running copy has still to do; 0 if there is none. */
size_t berth_pdma_residue(struct device *dev, int channel);

/**
 * berth_pdma_copy() - copy, and wait for the end
 *
 * Sleeps, also until a channel is free. Return: as berth_pdma_start() without -EBUSY, and as
 * berth_pdma_wait(), 0 on success.
 */
int berth_pdma_copy(struct device *dev, dma_addr_t dst, dma_addr_t src, size_t len);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
