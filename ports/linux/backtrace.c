// SPDX-License-Identifier: BSD-2-Clause
/*
 * The call stack. To unwind it takes the C library microseconds, and who asks often asks at the same few places. So each
 * thread keeps the last stacks with the words on its stack where their return addresses lie: as long as those are
 * the same, for the same caller in the same frame, so is the rest.
 */
#include <pthread.h>
#include <string.h>
#include <unwind.h>

#include "host.h"

#define KEPT 32u
#define DEPTH 40u

struct stack {
	uintptr_t here, caller;
	unsigned int nr, max;
	const uintptr_t *slot[DEPTH];
	uintptr_t frame[DEPTH];
};

struct walk {
	struct stack *stack;
	bool is_first, is_odd;
};

/*
 * Of one thread each, which gives it back when it goes. Not thread-local: a library that is loaded into a running
 * program has little room for that. Who comes too late keeps nothing.
 */
static struct table {
	uint32_t is_taken;
	struct stack kept[KEPT];
} tables[BERTH_PORT_MAX_SLOTS];

static __thread struct table *table;
static __thread bool has_looked;
static __thread uintptr_t low, high;

#ifdef __x86_64__
#define SLOT_BELOW 1 /* the return address lies below the frame that it leads to */
#else
#define SLOT_BELOW 0 /* where it lies is not known */
#endif

/* The thread's own stack, as far as it is known: what lies there can be read while the thread runs on it. */
static bool is_own(uintptr_t at)
{
	pthread_attr_t attr;
	size_t size;
	void *start;

	if (!high) {
		high = 1;
		if (!pthread_getattr_np(pthread_self(), &attr)) {
			if (!pthread_attr_getstack(&attr, &start, &size)) {
				low = (uintptr_t)start;
				high = low + size;
			}
			pthread_attr_destroy(&attr);
		}
	}
	return at >= low && at < high;
}

__attribute__((no_sanitize("address", "thread", "undefined"))) static _Unwind_Reason_Code
take(struct _Unwind_Context *context, void *data)
{
	struct walk *walk = data;
	struct stack *stack = walk->stack;
	const uintptr_t ip = _Unwind_GetIP(context);
	const uintptr_t *slot = (const uintptr_t *)_Unwind_GetCFA(context) - SLOT_BELOW;

	/* The first is berth_port_backtrace() itself. */
	if (walk->is_first) {
		walk->is_first = false;
		return _URC_NO_REASON;
	}
	if (!ip || stack->nr == stack->max)
		return _URC_END_OF_STACK;
	if (!SLOT_BELOW || !is_own((uintptr_t)slot) || *slot != ip)
		walk->is_odd = true;
	stack->slot[stack->nr] = slot;
	stack->frame[stack->nr++] = ip;
	return _URC_NO_REASON;
}

__attribute__((no_sanitize("address", "thread", "undefined"))) static bool
is_same(const struct stack *stack, uintptr_t here, uintptr_t caller, unsigned int max)
{
	if (stack->here != here || stack->caller != caller || stack->max != max || !stack->nr)
		return false;
	for (unsigned int i = 0; i < stack->nr; i++)
		if (*(const volatile uintptr_t *)stack->slot[i] != stack->frame[i])
			return false;
	return true;
}

static struct table *find_table(void)
{
	if (has_looked)
		return table;
	has_looked = true;
	for (unsigned int i = 0; i < BERTH_PORT_MAX_SLOTS && !table; i++)
		if (!__atomic_exchange_n(&tables[i].is_taken, 1, __ATOMIC_ACQUIRE))
			table = &tables[i];
	/* Another thread's stack may be gone. */
	for (unsigned int i = 0; table && i < KEPT; i++)
		table->kept[i].nr = 0;
	return table;
}

void berth_port_backtrace_leave(void)
{
	if (table)
		__atomic_store_n(&table->is_taken, 0, __ATOMIC_RELEASE);
	table = NULL;
	has_looked = false;
}

__attribute__((noinline)) unsigned int berth_port_backtrace(uintptr_t *frames, unsigned int max)
{
	const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	const uintptr_t caller = (uintptr_t)__builtin_return_address(0);
	struct table *own = find_table();
	struct stack once = { .nr = 0 };
	struct stack *stack = own ? &own->kept[(here >> 4 ^ caller) % KEPT] : &once;
	struct walk walk = { stack, true, false };
	unsigned int nr;

	max = max < DEPTH ? max : DEPTH;
	if (!is_same(stack, here, caller, max)) {
		*stack = (struct stack){ .here = here, .caller = caller, .max = max };
		_Unwind_Backtrace(take, &walk);
	}
	nr = stack->nr;
	memcpy(frames, stack->frame, nr * sizeof(*frames));
	if (walk.is_odd)
		stack->nr = 0;
	return nr;
}

/* Threads have theirs from the system. */
bool berth_port_is_stack(uintptr_t at)
{
	(void)at;
	return false;
}
