/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: Xilinx - the cache calls of its standalone library, for a driver under the checker
 *
 * A driver is compiled with ``-I .../berth/front/xilinx`` and linked with libberth-check; docs/check-raw.md is the
 * guide. As on Cortex-A9 and A53, a line that an invalidate covers in part is written back before it is dropped.
 */
#ifndef BERTH_FRONT_XIL_CACHE_H
#define BERTH_FRONT_XIL_CACHE_H

#include <berth/types.h>

#include <berth/front/xilinx/xil_types.h>

BERTH_BEGIN_DECLS

/** Xil_DCacheEnable() - on, with nothing in it, if it was off. It is on after berth_start(). Any context. */
void Xil_DCacheEnable(void) __asm__("berth_xil_dcache_enable");
/** Xil_DCacheDisable() - all is written back, and it is off: devices see what the CPU sees. Any context. */
void Xil_DCacheDisable(void) __asm__("berth_xil_dcache_disable");
/** Xil_DCacheInvalidate() - what is dirty is lost. Any context. */
void Xil_DCacheInvalidate(void) __asm__("berth_xil_dcache_invalidate");
/** Xil_DCacheInvalidateRange() - drop the lines of a range; those only partly inside are flushed. Any context. */
void Xil_DCacheInvalidateRange(INTPTR adr, INTPTR len) __asm__("berth_xil_dcache_invalidate_range");
/** Xil_DCacheInvalidateLine() - drop the line that @adr is in. Any context. */
void Xil_DCacheInvalidateLine(INTPTR adr) __asm__("berth_xil_dcache_invalidate_line");
/** Xil_DCacheFlush() - all is written back and dropped. Any context. */
void Xil_DCacheFlush(void) __asm__("berth_xil_dcache_flush");
/** Xil_DCacheFlushRange() - write the lines of a range back, and drop them. Any context. */
void Xil_DCacheFlushRange(INTPTR adr, INTPTR len) __asm__("berth_xil_dcache_flush_range");
/** Xil_DCacheFlushLine() - write the line that @adr is in back, and drop it. Any context. */
void Xil_DCacheFlushLine(INTPTR adr) __asm__("berth_xil_dcache_flush_line");
/** Xil_DCacheStoreLine() - write the line that @adr is in back; it stays valid. Any context. */
void Xil_DCacheStoreLine(INTPTR adr) __asm__("berth_xil_dcache_store_line");

/** Xil_ICacheEnable() - nothing here runs out of berth's RAM: this and its like do nothing. Any context. */
void Xil_ICacheEnable(void) __asm__("berth_xil_icache_enable");
void Xil_ICacheDisable(void) __asm__("berth_xil_icache_disable");
void Xil_ICacheInvalidate(void) __asm__("berth_xil_icache_invalidate");
void Xil_ICacheInvalidateRange(INTPTR adr, INTPTR len) __asm__("berth_xil_icache_invalidate_range");

BERTH_END_DECLS

#endif
