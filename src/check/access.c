// SPDX-License-Identifier: BSD-2-Clause
/* Accesses: who does one may it, as the bytes are now? */
#include <berth/port.h>

#include "check/raw.h"

/* Bytes of the longest cache line. */
#define LINE_MOST 128u

void berth_check_cpu(uintptr_t at, uint64_t size, bool is_store, uintptr_t caller)
{
	const uint8_t wrong = is_store ? SHADOW_DEV_READ | SHADOW_DEV_WRITE | SHADOW_LINE
				       : SHADOW_DEV_WRITE;
	unsigned long flags;
	uintptr_t first;

	if (check_raw_is_on)
		check_raw_cpu(at, size, is_store, caller);
	if (!(check_shadow_any(at, size) & wrong))
		return;
	flags = check_lock();
	first = check_shadow_find(at, size, (uint8_t)(wrong & ~SHADOW_LINE));
	if (first < at + size) {
		check_report(is_store ? BERTH_CHECK_CPU_WRITE : BERTH_CHECK_CPU_READ,
			     check_record_at(first, 0), NULL, first, at + size - first, is_store,
			     caller);
		/* It is told of: the access itself is not to be told of once more. */
		berth_port_open_pages(at, size);
	} else if ((first = check_shadow_find(at, size, wrong)) < at + size) {
		check_report(BERTH_CHECK_LINE_SHARED, check_record_at(first, LINE_MOST), NULL,
			     first, at + size - first, is_store, caller);
	}
	check_unlock(flags);
}

void berth_check_freed(uintptr_t at, uint64_t size)
{
	unsigned long flags;
	uintptr_t first;

	if (check_raw_is_on) {
		flags = check_lock();
		check_raw_forget(at, size);
		check_unlock(flags);
	}
	if (!(check_shadow_any(at, size) & SHADOW_MAPPED))
		return;
	flags = check_lock();
	first = check_shadow_find(at, size, SHADOW_MAPPED);
	if (first < at + size && !(check_shadow_any(first, 1) & SHADOW_COHERENT))
		check_report(BERTH_CHECK_FREE_MAPPED, check_record_at(first, 0), NULL, first,
			     at + size - first, false, 0);
	/* Who gets it next does nothing wrong. */
	berth_port_open_pages(at, size);
	check_unlock(flags);
}

/*
 * Whether a device may do it: by what it was told, not by where that leads, as behind a bounce buffer or an IOMMU the bytes
 * are elsewhere. Of memory that the checker was never told of nothing is said.
 */
static enum berth_check_rule device_problem(const struct check_record *record, dma_addr_t bus,
					    uint64_t size, bool is_write)
{
	const uintptr_t at = record->call.virt + (uintptr_t)(bus - record->call.bus);
	const uint8_t may = is_write ? SHADOW_DEV_WRITE : SHADOW_DEV_READ | SHADOW_DEV_WRITE;
	const uint64_t left = record->call.size - (bus - record->call.bus);

	if (!record->call.virt ||
	    (record->call.kind != CHECK_SINGLE && record->call.kind != CHECK_LIST))
		return BERTH_CHECK_NOTHING;
	if (is_write && record->call.dir == DMA_TO_DEVICE)
		return BERTH_CHECK_DEVICE_DIRECTION;
	for (uint64_t i = 0; i < size && i < left; i++)
		if (!(check_shadow_any(at + i, 1) & may))
			return BERTH_CHECK_DEVICE_EARLY;
	return BERTH_CHECK_NOTHING;
}

void berth_check_device(const char *name, dma_addr_t bus, uint64_t size, bool is_write)
{
	unsigned long flags = check_lock();
	const void *dev = check_device_of(name);
	const struct check_record *record = dev ? check_record_around(dev, bus) : NULL;
	enum berth_check_rule rule = BERTH_CHECK_NOTHING;

	if (record) {
		rule = device_problem(record, bus, size, is_write);
	} else if (dev) {
		record = check_record_gone_around(dev, bus);
		rule = record ? BERTH_CHECK_DEVICE_UNMAPPED : BERTH_CHECK_NOTHING;
	}
	if (rule != BERTH_CHECK_NOTHING)
		check_report(rule, record, name,
			     record->call.virt
				     ? record->call.virt + (uintptr_t)(bus - record->call.bus)
				     : 0,
			     size, is_write, 0);
	check_unlock(flags);
}
