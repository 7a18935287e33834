/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the n-th allocation fails on purpose; see berth/test.h. */
#ifndef BERTH_LIB_FAULT_H
#define BERTH_LIB_FAULT_H

#include <berth/types.h>

extern uint64_t berth_fault_countdown;

bool berth_should_fail_slow(void);

/* Who allocates inline is told when that must not be; NULL: nobody. Called at once, too. */
void berth_fault_on_change(void (*function)(bool is_armed));

/* True when the test asked for this allocation to fail. One load when no test runs. */
static inline bool berth_should_fail(void)
{
	return __builtin_expect(__atomic_load_n(&berth_fault_countdown, __ATOMIC_RELAXED) != 0,
				0) &&
	       berth_should_fail_slow();
}

#endif
