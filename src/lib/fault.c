/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/port.h>
#include <berth/test.h>

#include "lib/fault.h"

/* Allocations left until the one that fails, itself included; 0: none is to fail. */
uint64_t berth_fault_countdown;

static bool failed;
static void (*changed)(bool is_armed);

bool berth_should_fail_slow(void)
{
	uint64_t left = __atomic_load_n(&berth_fault_countdown, __ATOMIC_RELAXED);

	while (left && !__atomic_compare_exchange_n(&berth_fault_countdown, &left, left - 1, true,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	if (left != 1)
		return false;
	__atomic_store_n(&failed, true, __ATOMIC_RELAXED);
	return true;
}

void berth_fault_on_change(void (*function)(bool is_armed))
{
	changed = function;
	if (changed)
		changed(__atomic_load_n(&berth_fault_countdown, __ATOMIC_RELAXED));
}

void berth_test_fail_nth(uint64_t nth)
{
	__atomic_store_n(&failed, false, __ATOMIC_RELAXED);
	__atomic_store_n(&berth_fault_countdown, nth, __ATOMIC_RELAXED);
	if (changed)
		changed(nth);
}

bool berth_test_failed(void)
{
	return __atomic_load_n(&failed, __ATOMIC_RELAXED);
}

const struct berth_port_watch *berth_port_watch;
bool (*berth_port_fresh)(uintptr_t at, uint64_t *word);
bool (*berth_port_trap)(uintptr_t at, uint64_t size, enum berth_port_access access);
