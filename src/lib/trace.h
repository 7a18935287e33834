/* SPDX-License-Identifier: BSD-2-Clause */
/* Tracepoints; see berth/trace.h. */
#ifndef BERTH_LIB_TRACE_H
#define BERTH_LIB_TRACE_H

#include <berth/barrier.h>
#include <berth/trace.h>

#ifdef BERTH_NO_TRACE

static inline void berth_trace_tell(const struct berth_trace_event *event)
{
	(void)event;
}

/* The compiler leaves out what depends on it. */
static inline bool berth_is_traced(void)
{
	return false;
}

#else

extern berth_trace_fn berth_trace_hook;

void berth_trace_tell(const struct berth_trace_event *event);

/* Whether somebody listens: one load. */
static inline bool berth_is_traced(void)
{
	bool is_traced =
		__builtin_expect(__atomic_load_n(&berth_trace_hook, BERTH_SMP_ACQUIRE) != NULL, 0);

	berth_smp_order();
	return is_traced;
}

#endif

/*
 * berth_trace(.kind = ..., .dev = ...): the fields are worked out only if somebody listens. They
 * take room on the stack: where instructions are counted, in a function that is not inlined.
 */
#define berth_trace(...)                                                              \
	do {                                                                          \
		if (berth_is_traced())                                                \
			berth_trace_tell(&(struct berth_trace_event){ __VA_ARGS__ }); \
	} while (0)

/* Who has short ways without tracepoints is told when they must not be taken; NULL: nobody. */
void berth_trace_on_change(void (*function)(void));

#endif
