/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/errno.h>

#include "lib/error.h"
#include "lib/trace.h"

static const char *const names[BERTH_TRACE_KINDS] = {
	[BERTH_TRACE_DMA_MAP] = "dma-map",
	[BERTH_TRACE_DMA_UNMAP] = "dma-unmap",
	[BERTH_TRACE_SYNC_FOR_CPU] = "sync-for-cpu",
	[BERTH_TRACE_SYNC_FOR_DEVICE] = "sync-for-device",
	[BERTH_TRACE_DMA_ALLOC] = "dma-alloc",
	[BERTH_TRACE_DMA_FREE] = "dma-free",
	[BERTH_TRACE_BOUNCE] = "bounce",
	[BERTH_TRACE_CMA_ALLOC] = "cma-alloc",
	[BERTH_TRACE_CMA_RELEASE] = "cma-release",
	[BERTH_TRACE_MIGRATE] = "migrate",
	[BERTH_TRACE_RECLAIM] = "reclaim",
	[BERTH_TRACE_IOMMU_FAULT] = "iommu-fault",
	[BERTH_TRACE_DMA_SUBMIT] = "dma-submit",
	[BERTH_TRACE_DMA_COMPLETE] = "dma-complete",
	[BERTH_TRACE_FENCE_INIT] = "fence-init",
	[BERTH_TRACE_FENCE_SIGNAL] = "fence-signal",
	[BERTH_TRACE_FENCE_WAIT] = "fence-wait",
	[BERTH_TRACE_FENCE_WOKEN] = "fence-woken",
	[BERTH_TRACE_BUF_EXPORT] = "buf-export",
	[BERTH_TRACE_BUF_RELEASE] = "buf-release",
	[BERTH_TRACE_BUF_ATTACH] = "buf-attach",
	[BERTH_TRACE_BUF_DETACH] = "buf-detach",
	[BERTH_TRACE_BUF_MAP] = "buf-map",
	[BERTH_TRACE_BUF_UNMAP] = "buf-unmap",
	[BERTH_TRACE_BUF_BEGIN_ACCESS] = "buf-begin-access",
	[BERTH_TRACE_BUF_END_ACCESS] = "buf-end-access",
	[BERTH_TRACE_BUF_BEGIN_CPU] = "buf-begin-cpu",
	[BERTH_TRACE_BUF_END_CPU] = "buf-end-cpu",
	[BERTH_TRACE_BUF_MOVE] = "buf-move",
};

const char *berth_trace_name(enum berth_trace_kind kind)
{
	return (unsigned int)kind < BERTH_TRACE_KINDS ? names[kind] : "?";
}

uint32_t berth_trace_is_on;

#ifdef BERTH_NO_TRACE

int berth_trace_set(berth_trace_fn hook, void *data)
{
	(void)data;
	return hook ? berth_fail(-EOPNOTSUPP, BERTH_REASON_ARGUMENT, "hook, with BERTH_NO_TRACE")
		    : 0;
}

void berth_trace_on_change(void (*function)(void))
{
	(void)function;
}

#else

berth_trace_fn berth_trace_hook;

static void *hook_data;
static void (*changed)(void);

int berth_trace_set(berth_trace_fn hook, void *data)
{
	/* Whoever is told late is told with what belongs to its hook. */
	__atomic_store_n(&berth_trace_hook, NULL, __ATOMIC_SEQ_CST);
	__atomic_store_n(&hook_data, data, __ATOMIC_RELAXED);
	__atomic_store_n(&berth_trace_hook, hook, __ATOMIC_RELEASE);
	__atomic_store_n(&berth_trace_is_on, hook != NULL, __ATOMIC_RELEASE);
	if (changed)
		changed();
	return 0;
}

void berth_trace_on_change(void (*function)(void))
{
	changed = function;
}

void berth_trace_tell(const struct berth_trace_event *event)
{
	berth_trace_fn hook = __atomic_load_n(&berth_trace_hook, __ATOMIC_ACQUIRE);

	if (hook)
		hook(event, __atomic_load_n(&hook_data, __ATOMIC_RELAXED));
}

#endif
