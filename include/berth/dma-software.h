/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: dma-software - a DMA controller that is software, so that every client runs everywhere
 *
 * Its channels copy, fill, XOR, compute P and Q, move patterns of runs, and do nothing in turn
 * (DMA_INTERRUPT). They take part in dma_request_chan_by_mask() and dma_find_channel() as any other.
 * The controller sees what the CPU sees: it is coherent, one to one, and reaches 64 bits.
 *
 * There is no clock behind it. By threads, a channel works beside the program. Without, it works inside
 * dma_async_issue_pending(), and callbacks come before that call returns, if interrupts are not away.
 * A channel that is polled works inside berth_dma_poll(), one transfer or BERTH_DMA_SOFTWARE_CHUNK of it at a
 * time, and inside dmaengine_tx_status() and dma_sync_wait(): what is copied stays near the caller's CPU.
 *
 * The boot argument dma.software=N starts it with N channels, dma.software=N,threads with threads.
 */
#ifndef BERTH_DMA_SOFTWARE_H
#define BERTH_DMA_SOFTWARE_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define BERTH_DMA_SOFTWARE_MAX_CHANNELS 32u

/* Bytes in one go: so many may still be copied after a pause, and before the end of a synchronize. */
#define BERTH_DMA_SOFTWARE_CHUNK 262144u

/* A thread for each channel, where the port has threads. On the model a run is no longer repeatable. */
#define BERTH_DMA_SOFTWARE_THREADS 0x1u

/**
 * berth_dma_software_start() - register the controller
 * @channels: how many, 1 to BERTH_DMA_SOFTWARE_MAX_CHANNELS
 * @flags: 0 or BERTH_DMA_SOFTWARE_THREADS
 *
 * While berth runs; there is one such controller. May sleep. Return: 0, -EINVAL (ARGUMENT, STATE), -EBUSY
 * (STATE: it is registered already), -ENOMEM.
 */
int berth_dma_software_start(unsigned int channels, unsigned int flags);

/**
 * berth_dma_software_stop() - undo berth_dma_software_start(), if there was one
 *
 * As with any controller that goes, transfers under way are terminated; a client that still holds a channel
 * can do nothing but release it. berth_stop() does this as well. May sleep.
 */
void berth_dma_software_stop(void);

/** berth_dma_software_has_threads() - whether the channels have threads of their own. Any context. */
bool berth_dma_software_has_threads(void);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
