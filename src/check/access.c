// SPDX-License-Identifier: BSD-2-Clause
/* Accesses: who does one may it, as the bytes are now? */
#include "check/check.h"

void berth_check_cpu(uintptr_t at, uint64_t size, bool is_store, uintptr_t caller)
{
	const uint8_t wrong = is_store ? SHADOW_DEV_READ | SHADOW_DEV_WRITE | SHADOW_LINE
				       : SHADOW_DEV_WRITE;
	unsigned long flags;
	uintptr_t first;
	uint8_t bits;

	if (!(check_shadow_any(at, size) & wrong))
		return;
	flags = check_lock();
	first = check_shadow_find(at, size, (uint8_t)(wrong & ~SHADOW_LINE));
	if (first < at + size) {
		bits = check_shadow_any(first, 1);
		check_report(is_store ? BERTH_CHECK_CPU_WRITE : BERTH_CHECK_CPU_READ,
			     check_record_at(first), NULL, first, at + size - first, is_store,
			     caller);
		(void)bits;
	} else if ((first = check_shadow_find(at, size, wrong)) < at + size) {
		check_report(BERTH_CHECK_LINE_SHARED, check_record_at(first), NULL, first,
			     at + size - first, is_store, caller);
	}
	check_unlock(flags);
}

void berth_check_freed(uintptr_t at, uint64_t size)
{
	unsigned long flags;
	uintptr_t first;

	if (!(check_shadow_any(at, size) & SHADOW_MAPPED))
		return;
	flags = check_lock();
	first = check_shadow_find(at, size, SHADOW_MAPPED);
	if (first < at + size && !(check_shadow_any(first, 1) & SHADOW_COHERENT))
		check_report(BERTH_CHECK_FREE_MAPPED, check_record_at(first), NULL, first,
			     at + size - first, false, 0);
	check_unlock(flags);
}

void berth_check_device(const char *name, uintptr_t virt, dma_addr_t bus, uint64_t size,
			bool is_write)
{
	(void)name, (void)virt, (void)bus, (void)size, (void)is_write;
}
