/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: sifive-pdma - driver of the SiFive PDMA, the memory-to-memory engine of the FU540-C000
 *
 * Four channels (dma-channels says another number), for anybody, with <berth/dmaengine.h>; in a device
 * tree dmas has one cell, the channel. Chapter 12 of the FU540-C000's manual.
 *
 * Memory: copies, lists between memory and a peripheral, rings, interleaved patterns of memory, in any
 * length and at any address. The engine has no lists: the interrupt handler starts each run, and each
 * period of a ring. So none is lost or done twice, however late the handler is, and between two of them
 * the channel rests for as long as the handler takes. Without interrupts in the tree a channel goes on
 * when dmaengine_tx_status() is called.
 *
 * Peripherals: both addresses count up, always. A peripheral needs a window of registers
 * (src_port_window_size, dst_port_window_size, in accesses), which is gone through again and again;
 * one whose address stays is refused with CAPABILITY, but for a single access. It has to hold the
 * engine up by itself: there are no request lines. A list or a period is a multiple of the access'
 * width.
 *
 * A channel can be paused in the middle of a run. Residues are exact to a transaction. A bus error
 * is a WRITE_FAILED if the registers tell that the data was read, else a READ_FAILED: the engine does
 * not say more.
 */
#ifndef BERTH_DRIVERS_SIFIVE_PDMA_H
#define BERTH_DRIVERS_SIFIVE_PDMA_H

#include <berth/platform_device.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/* Channels of the FU540-C000's. */
#define BERTH_PDMA_CHANNELS 4

extern const struct platform_driver berth_pdma_driver;

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
