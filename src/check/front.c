// SPDX-License-Identifier: BSD-2-Clause
/* The cache calls of other systems, as include/berth/front/ names them: all end in check_raw_op(). */
#include <berth/port.h>

#include "check/raw.h"

#include <berth/front/cmsis/cachel1_armv7.h>
#include <berth/front/xilinx/xil_cache.h>
#include <berth/front/zephyr/zephyr/cache.h>

#define HERE ((uintptr_t)__builtin_return_address(0))

struct berth_scb berth_scb = { .CCR = SCB_CCR_DC_Msk | SCB_CCR_IC_Msk };

void check_front_reset(void)
{
	berth_scb.CCR = SCB_CCR_DC_Msk | SCB_CCR_IC_Msk;
}

/* Interrupt handlers do not switch caches. */
static void set_ccr(uint32_t mask, bool is_on)
{
	berth_scb.CCR = is_on ? berth_scb.CCR | mask : berth_scb.CCR & ~mask;
}

void SCB_EnableICache(void)
{
	set_ccr((uint32_t)SCB_CCR_IC_Msk, true);
}

void SCB_DisableICache(void)
{
	set_ccr((uint32_t)SCB_CCR_IC_Msk, false);
}

void SCB_InvalidateICache(void)
{
}

void SCB_InvalidateICache_by_Addr(volatile void *addr, int32_t isize)
{
	(void)addr, (void)isize;
}

void SCB_EnableDCache(void)
{
	if (berth_scb.CCR & SCB_CCR_DC_Msk)
		return;
	check_raw_switch(true);
	set_ccr((uint32_t)SCB_CCR_DC_Msk, true);
}

void SCB_DisableDCache(void)
{
	check_raw_switch(false);
	set_ccr((uint32_t)SCB_CCR_DC_Msk, false);
}

void SCB_InvalidateDCache(void)
{
	check_raw_op_all(RAW_INVALIDATE, HERE);
}

void SCB_CleanDCache(void)
{
	check_raw_op_all(RAW_CLEAN, HERE);
}

void SCB_CleanInvalidateDCache(void)
{
	check_raw_op_all(RAW_FLUSH, HERE);
}

static void by_addr(enum raw_op op, volatile void *addr, int32_t size, uintptr_t caller)
{
	if (size > 0)
		check_raw_op(op, (uintptr_t)addr, (uint64_t)size, RAW_PART_DROPPED,
			     __SCB_DCACHE_LINE_SIZE, caller);
}

void SCB_InvalidateDCache_by_Addr(volatile void *addr, int32_t dsize)
{
	by_addr(RAW_INVALIDATE, addr, dsize, HERE);
}

void SCB_CleanDCache_by_Addr(volatile void *addr, int32_t dsize)
{
	by_addr(RAW_CLEAN, addr, dsize, HERE);
}

void SCB_CleanInvalidateDCache_by_Addr(volatile void *addr, int32_t dsize)
{
	by_addr(RAW_FLUSH, addr, dsize, HERE);
}

static void xil_range(enum raw_op op, INTPTR adr, INTPTR len, uintptr_t caller)
{
	if (len > 0)
		check_raw_op(op, (uintptr_t)adr, (uint64_t)len, RAW_PART_FLUSHED, 0, caller);
}

static void xil_line(enum raw_op op, INTPTR adr, uintptr_t caller)
{
	check_raw_op(op, (uintptr_t)adr, 1, RAW_PART_DROPPED, 0, caller);
}

void Xil_DCacheEnable(void)
{
	check_raw_switch(true);
}

void Xil_DCacheDisable(void)
{
	check_raw_switch(false);
}

void Xil_DCacheInvalidate(void)
{
	check_raw_op_all(RAW_INVALIDATE, HERE);
}

void Xil_DCacheInvalidateRange(INTPTR adr, INTPTR len)
{
	xil_range(RAW_INVALIDATE, adr, len, HERE);
}

void Xil_DCacheInvalidateLine(INTPTR adr)
{
	xil_line(RAW_INVALIDATE, adr, HERE);
}

void Xil_DCacheFlush(void)
{
	check_raw_op_all(RAW_FLUSH, HERE);
}

void Xil_DCacheFlushRange(INTPTR adr, INTPTR len)
{
	xil_range(RAW_FLUSH, adr, len, HERE);
}

void Xil_DCacheFlushLine(INTPTR adr)
{
	xil_line(RAW_FLUSH, adr, HERE);
}

void Xil_DCacheStoreLine(INTPTR adr)
{
	xil_line(RAW_CLEAN, adr, HERE);
}

void Xil_ICacheEnable(void)
{
}

void Xil_ICacheDisable(void)
{
}

void Xil_ICacheInvalidate(void)
{
}

void Xil_ICacheInvalidateRange(INTPTR adr, INTPTR len)
{
	(void)adr, (void)len;
}

void sys_cache_data_enable(void)
{
	check_raw_switch(true);
}

void sys_cache_data_disable(void)
{
	check_raw_switch(false);
}

int sys_cache_data_flush_all(void)
{
	check_raw_op_all(RAW_CLEAN, HERE);
	return 0;
}

int sys_cache_data_invd_all(void)
{
	check_raw_op_all(RAW_INVALIDATE, HERE);
	return 0;
}

int sys_cache_data_flush_and_invd_all(void)
{
	check_raw_op_all(RAW_FLUSH, HERE);
	return 0;
}

int sys_cache_data_flush_range(void *addr, size_t size)
{
	check_raw_op(RAW_CLEAN, (uintptr_t)addr, size, RAW_PART_DROPPED, 0, HERE);
	return 0;
}

int sys_cache_data_invd_range(void *addr, size_t size)
{
	check_raw_op(RAW_INVALIDATE, (uintptr_t)addr, size, RAW_PART_DROPPED, 0, HERE);
	return 0;
}

int sys_cache_data_flush_and_invd_range(void *addr, size_t size)
{
	check_raw_op(RAW_FLUSH, (uintptr_t)addr, size, RAW_PART_DROPPED, 0, HERE);
	return 0;
}

size_t sys_cache_data_line_size_get(void)
{
	return berth_port_line_size();
}
