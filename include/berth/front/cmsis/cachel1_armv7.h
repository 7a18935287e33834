/* SPDX-License-Identifier: BSD-2-Clause */
/* The cache calls of CMSIS: names and meanings of its public documentation. Their symbols are berth's. */
#ifndef BERTH_FRONT_CACHEL1_ARMV7_H
#define BERTH_FRONT_CACHEL1_ARMV7_H

#include <stdint.h>

#include <berth/types.h>

BERTH_BEGIN_DECLS

#define __SCB_DCACHE_LINE_SIZE 32U
#define __SCB_ICACHE_LINE_SIZE 32U

/**
 * struct berth_scb - of the System Control Block, what says whether the caches are on
 * @CCR: SCB_CCR_DC_Msk, SCB_CCR_IC_Msk
 */
struct berth_scb {
	volatile uint32_t CCR;
};

extern struct berth_scb berth_scb;

#define SCB (&berth_scb)
#define SCB_CCR_DC_Pos 16U
#define SCB_CCR_DC_Msk (1UL << SCB_CCR_DC_Pos)
#define SCB_CCR_IC_Pos 17U
#define SCB_CCR_IC_Msk (1UL << SCB_CCR_IC_Pos)

/** SCB_EnableICache() - nothing here runs out of berth's RAM: SCB->CCR only. Any context. */
void SCB_EnableICache(void) __asm__("berth_scb_enable_icache");
void SCB_DisableICache(void) __asm__("berth_scb_disable_icache");
void SCB_InvalidateICache(void) __asm__("berth_scb_invalidate_icache");
void SCB_InvalidateICache_by_Addr(volatile void *addr,
				  int32_t isize) __asm__("berth_scb_invalidate_icache_by_addr");

/** SCB_EnableDCache() - on, with nothing in it, if it was off. It is on after berth_start(). Any context. */
void SCB_EnableDCache(void) __asm__("berth_scb_enable_dcache");
/** SCB_DisableDCache() - all is written back, and it is off: devices see what the CPU sees. Any context. */
void SCB_DisableDCache(void) __asm__("berth_scb_disable_dcache");
/** SCB_InvalidateDCache() - what is dirty is lost: for the start of a system only. Any context. */
void SCB_InvalidateDCache(void) __asm__("berth_scb_invalidate_dcache");
/** SCB_CleanDCache() - all is written back. Any context. */
void SCB_CleanDCache(void) __asm__("berth_scb_clean_dcache");
/** SCB_CleanInvalidateDCache() - all is written back and dropped. Any context. */
void SCB_CleanInvalidateDCache(void) __asm__("berth_scb_clean_invalidate_dcache");

/** SCB_InvalidateDCache_by_Addr() - drop each line that the range touches, dirty or not. Any context. */
void SCB_InvalidateDCache_by_Addr(volatile void *addr,
				  int32_t dsize) __asm__("berth_scb_invalidate_dcache_by_addr");
/** SCB_CleanDCache_by_Addr() - write back each dirty line that the range touches. Any context. */
void SCB_CleanDCache_by_Addr(volatile void *addr,
			     int32_t dsize) __asm__("berth_scb_clean_dcache_by_addr");
/** SCB_CleanInvalidateDCache_by_Addr() - write back, and drop. Any context. */
void SCB_CleanInvalidateDCache_by_Addr(volatile void *addr, int32_t dsize) __asm__(
	"berth_scb_clean_invalidate_dcache_by_addr");

BERTH_END_DECLS

#endif
