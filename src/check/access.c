// SPDX-License-Identifier: BSD-2-Clause
/* Accesses: who does one may it, as the bytes are now? */
#include <berth/port.h>

#include "check/raw.h"

/*
 * What a pool has just handed out, synced for the device, may as well be written by the CPU first: it is right if it is
 * synced again then.
 */
static bool take_fresh(struct check_record *record)
{
	if (!record || !record->is_fresh)
		return false;
	record->is_fresh = false;
	record->is_with_cpu = true;
	check_shadow_clear(record->call.virt, record->call.size,
			   SHADOW_DEV_READ | SHADOW_DEV_WRITE);
	return true;
}

static void hint(uintptr_t at)
{
	const struct check_record *record = check_record_at(at, 0);

	if (record && record->call.kind == CHECK_BUF_VIEW)
		check_hint(
			"It is the CPU's from dma_buf_begin_cpu_access() to dma_buf_end_cpu_access().");
}

/* Nearly all accesses are of memory that nobody has ever mapped. */
static bool is_plain(uintptr_t at, uint64_t size)
{
	return !check_shadow_may(at, size) &&
	       at >= __atomic_load_n(&check_null_reach, __ATOMIC_RELAXED) && !check_raw_is_on &&
	       !check_hostile;
}

void berth_check_cpu(uintptr_t at, uint64_t size, bool is_store, uintptr_t caller)
{
	const uint8_t wrong = is_store ? SHADOW_DEV_READ | SHADOW_DEV_WRITE | SHADOW_LINE
				       : SHADOW_DEV_WRITE;
	unsigned long flags;
	uintptr_t first;
	uint8_t any;

	if (is_plain(at, size))
		return;
	if (check_raw_is_on)
		check_raw_cpu(at, size, is_store, caller);
	if (at < __atomic_load_n(&check_null_reach, __ATOMIC_RELAXED)) {
		flags = check_lock();
		check_failure_used(at, size, is_store, caller);
		check_unlock(flags);
	}
	if (__builtin_expect(check_hostile != 0, 0))
		check_hostile_access(at, size, is_store, caller);
	any = check_shadow_any(at, size);
	if (any & SHADOW_COHERENT)
		check_order_cpu(at, size, is_store, caller);
	if (is_store && (any & (SHADOW_MAPPED | SHADOW_COHERENT)) == SHADOW_MAPPED) {
		flags = check_lock();
		check_shadow_written(at, size);
		check_unlock(flags);
	}
	if (!(any & (wrong | SHADOW_FAILED | SHADOW_BACK)))
		return;
	/* Nearly all of what was received and is looked at was written. */
	if (!is_store && !(any & (wrong | SHADOW_FAILED)) && !check_bytes_are_fresh(at, size))
		return;
	flags = check_lock();
	if (any & SHADOW_BACK && is_store)
		check_shadow_clear(at, size, SHADOW_BACK);
	else if (any & SHADOW_BACK)
		check_bytes_load(at, size, caller);
	if (any & SHADOW_FAILED)
		check_failure_touched(at, size);
	first = check_shadow_find(at, size, (uint8_t)(wrong & ~SHADOW_LINE));
	if (first < at + size && is_store && take_fresh(check_record_at(first, 0))) {
		check_shadow_written(at, size);
		check_unlock(flags);
		return;
	}
	if (first < at + size) {
		hint(first);
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
	const uint8_t any = check_shadow_any(at, size);
	unsigned long flags;
	uintptr_t first;

	if (check_raw_is_on) {
		flags = check_lock();
		check_raw_forget(at, size);
		check_unlock(flags);
	}
	if (!(any & (SHADOW_MAPPED | SHADOW_FAILED | SHADOW_BACK)))
		return;
	flags = check_lock();
	check_shadow_clear(at, size, SHADOW_BACK);
	if (any & SHADOW_FAILED)
		check_failure_touched(at, size);
	first = check_shadow_find(at, size, SHADOW_MAPPED);
	if (first < at + size && !(check_shadow_any(first, 1) & SHADOW_COHERENT))
		check_report(BERTH_CHECK_FREE_MAPPED, check_record_at(first, 0), NULL, first,
			     at + size - first, false, 0);
	/* Who gets it next does nothing wrong. */
	berth_port_open_pages(at, size);
	/* Whoever has it next is told of it no more. */
	check_shadow_clear(at, size, SHADOW_MAPPED);
	check_unlock(flags);
}
