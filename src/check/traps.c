// SPDX-License-Identifier: BSD-2-Clause
/* Code that is not instrumented: pages that a device has whole are closed to the program. */
#include <berth/port.h>

#include "check/check.h"

#define PAGE 4096u

/* What the program may do with a page follows from its bytes, whoever has them. */
static enum berth_port_access access_of(uintptr_t page)
{
	const uint8_t all = check_shadow_all(page, PAGE);

	if (all & SHADOW_DEV_WRITE)
		return BERTH_ACCESS_NONE;
	return all & SHADOW_DEV_READ ? BERTH_ACCESS_READ : BERTH_ACCESS_WRITE;
}

/*
 * To close a page and to open it takes system calls, longer than a short transfer. A place that maps has the pages of its
 * first mappings closed, and of one in so many from then on.
 */
#define PLACES 1024u
#define ALWAYS 64u
#define ONE_IN 64u

static uint32_t nr_of_place[PLACES];

bool check_traps_wanted(uintptr_t caller)
{
	const uint32_t nr = nr_of_place[(uint64_t)caller * 0x9e3779b97f4a7c15ull >> 54]++;

	return nr < ALWAYS || nr % ONE_IN == 0;
}

void check_traps_reset(void)
{
	__builtin_memset(nr_of_place, 0, sizeof(nr_of_place));
}

void check_traps_set(uintptr_t at, uint64_t size)
{
	const uintptr_t end = (at + (uintptr_t)size + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	uintptr_t page = at & ~(uintptr_t)(PAGE - 1);
	bool (*const trap)(uintptr_t at, uint64_t size, enum berth_port_access access) =
		__atomic_load_n(&berth_port_trap, __ATOMIC_ACQUIRE);

	if (!at || !size || !trap)
		return;
	while (page < end) {
		const enum berth_port_access access = access_of(page);
		uintptr_t next = page + PAGE;

		while (next < end && access_of(next) == access)
			next += PAGE;
		if (!trap(page, next - page, access))
			return;
		page = next;
	}
}

void berth_check_given(const struct check_call *call)
{
	unsigned long flags = check_lock();
	const struct check_record *record = check_record_around(call->dev, call->bus);

	if (record && record->call.virt && record->has_traps &&
	    call->size <= record->call.size - (call->bus - record->call.bus))
		check_traps_set(record->call.virt + (uintptr_t)(call->bus - record->call.bus),
				call->size);
	check_unlock(flags);
}

/* The page may have been given back since. */
void berth_check_trapped(uintptr_t at, bool is_write, uintptr_t pc, const char *system_call)
{
	const uint8_t wrong = is_write ? SHADOW_DEV_READ | SHADOW_DEV_WRITE : SHADOW_DEV_WRITE;
	struct check_finding finding = {
		.rule = is_write ? BERTH_CHECK_CPU_WRITE : BERTH_CHECK_CPU_READ,
		.at = at,
		.size = 1,
		.is_store = is_write,
		.caller = pc,
		.is_exact = !system_call,
		.system_call = system_call,
	};
	unsigned long flags = check_lock();

	if (check_shadow_any(at, 1) & wrong) {
		finding.record = check_record_at(at, 0);
		if (!finding.record || !finding.record->call.is_cpu)
			check_report_finding(&finding);
	}
	check_unlock(flags);
}
