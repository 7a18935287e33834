/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: trace - what the stack does, told as it does it
 *
 * A hook of the program's is called for each mapping, sync, migration, fence and so on. Without one
 * a tracepoint is a load and a branch that is never taken; in a library built with BERTH_NO_TRACE
 * there are none. Nothing is allocated, and no call is made on the hook's behalf.
 */
#ifndef BERTH_TRACE_H
#define BERTH_TRACE_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct device;

/**
 * enum berth_trace_kind - what happened, and what the fields of struct berth_trace_event say of it
 *
 * Where nothing is said, @dev is the device concerned, @address and @length are a range, @detail is
 * an enum dma_data_direction, and what is not mentioned is 0.
 *
 * Streaming mappings; @address is the device's, @other is a physical address, or 0 where that is not
 * known. A list tells of each of its segments.
 * @BERTH_TRACE_DMA_MAP: the device has the range
 * @BERTH_TRACE_DMA_UNMAP: it is to have it no more
 * @BERTH_TRACE_SYNC_FOR_CPU: the CPU has it
 * @BERTH_TRACE_SYNC_FOR_DEVICE: the device has it back
 * @BERTH_TRACE_DMA_ALLOC: memory for DMA (dma_alloc_attrs() and its kin), which both may use
 * @BERTH_TRACE_DMA_FREE: it is back
 * @BERTH_TRACE_BOUNCE: a mapping goes through a bounce buffer: @address is the buffer's, @other the
 *	physical address of what is bounced
 *
 * Memory; @address is physical.
 * @BERTH_TRACE_CMA_ALLOC: a range of the area @name is given; @detail: 0, or a negative errno value:
 *	there was none, and @address is 0
 * @BERTH_TRACE_CMA_RELEASE: it is back
 * @BERTH_TRACE_MIGRATE: a page of the tenant @name is moved from @address to @other
 * @BERTH_TRACE_RECLAIM: a page of the tenant @name is dropped
 *
 * @BERTH_TRACE_IOMMU_FAULT: an access was refused; @detail: enum berth_iommu_fault_reason, @other: an
 *	id of the device, which may be NULL; @length: how often
 *
 * Engines; @object is the descriptor, @name the channel's.
 * @BERTH_TRACE_DMA_SUBMIT: it waits for its turn; @other: its cookie
 * @BERTH_TRACE_DMA_COMPLETE: it is done; @other: its cookie
 *
 * Fences; @object is the fence, @address its context, @other its number in it.
 * @BERTH_TRACE_FENCE_INIT: there is one more
 * @BERTH_TRACE_FENCE_SIGNAL: it is signalled; @detail: 0, or its error; may be told with its lock held
 * @BERTH_TRACE_FENCE_WAIT: somebody begins to wait for it; no device
 * @BERTH_TRACE_FENCE_WOKEN: and goes on; @detail: 0 if it is signalled
 *
 * Shared buffers; @object is the struct dma_buf, @name its exporter's or its own name.
 * @BERTH_TRACE_BUF_EXPORT: there is one more, of @length bytes
 * @BERTH_TRACE_BUF_RELEASE: it is gone
 * @BERTH_TRACE_BUF_ATTACH: @dev may map it
 * @BERTH_TRACE_BUF_DETACH: no more
 * @BERTH_TRACE_BUF_MAP: @dev has it; @address: of the first segment, @other: the segments
 * @BERTH_TRACE_BUF_UNMAP: @dev has it no more
 * @BERTH_TRACE_BUF_BEGIN_ACCESS: @dev, which keeps its mapping, has it again
 * @BERTH_TRACE_BUF_END_ACCESS: @dev does not have it now
 * @BERTH_TRACE_BUF_BEGIN_CPU: the CPU has the range of @length bytes at the offset @address
 * @BERTH_TRACE_BUF_END_CPU: no more
 * @BERTH_TRACE_BUF_MOVE: its memory is elsewhere: devices that had it map it again
 */
enum berth_trace_kind {
	BERTH_TRACE_DMA_MAP,
	BERTH_TRACE_DMA_UNMAP,
	BERTH_TRACE_SYNC_FOR_CPU,
	BERTH_TRACE_SYNC_FOR_DEVICE,
	BERTH_TRACE_DMA_ALLOC,
	BERTH_TRACE_DMA_FREE,
	BERTH_TRACE_BOUNCE,
	BERTH_TRACE_CMA_ALLOC,
	BERTH_TRACE_CMA_RELEASE,
	BERTH_TRACE_MIGRATE,
	BERTH_TRACE_RECLAIM,
	BERTH_TRACE_IOMMU_FAULT,
	BERTH_TRACE_DMA_SUBMIT,
	BERTH_TRACE_DMA_COMPLETE,
	BERTH_TRACE_FENCE_INIT,
	BERTH_TRACE_FENCE_SIGNAL,
	BERTH_TRACE_FENCE_WAIT,
	BERTH_TRACE_FENCE_WOKEN,
	BERTH_TRACE_BUF_EXPORT,
	BERTH_TRACE_BUF_RELEASE,
	BERTH_TRACE_BUF_ATTACH,
	BERTH_TRACE_BUF_DETACH,
	BERTH_TRACE_BUF_MAP,
	BERTH_TRACE_BUF_UNMAP,
	BERTH_TRACE_BUF_BEGIN_ACCESS,
	BERTH_TRACE_BUF_END_ACCESS,
	BERTH_TRACE_BUF_BEGIN_CPU,
	BERTH_TRACE_BUF_END_CPU,
	BERTH_TRACE_BUF_MOVE,
	BERTH_TRACE_KINDS
};

/**
 * struct berth_trace_event - one of them; see enum berth_trace_kind for what the fields mean
 * @kind: what happened
 * @detail: a direction, an error or a reason
 * @dev: the device concerned, or NULL: dev_name()
 * @name: of the area, tenant, channel or buffer, or NULL; good only during the call
 * @object: what @dev did it to; only a name for it, as it may be gone
 * @address: where a range begins
 * @length: its bytes
 * @other: a second address or number
 */
struct berth_trace_event {
	enum berth_trace_kind kind;
	int detail;
	const struct device *dev;
	const char *name;
	const void *object;
	uint64_t address;
	uint64_t length;
	uint64_t other;
};

/**
 * typedef berth_trace_fn - what a program is told with
 *
 * Called in whatever context the event happens in: several threads at once, interrupts away, locks
 * held. It must not sleep, and may call nothing of berth's but dev_name(), berth_trace_name(), and
 * what is for any context and takes no lock.
 */
typedef void (*berth_trace_fn)(const struct berth_trace_event *event, void *data);

/**
 * berth_trace_set() - begin to tell @hook, or nobody any more
 * @hook: called with @data; NULL: nobody
 * @data: the caller's own
 *
 * Not in parallel with any other call; before berth_start() it sees everything. With a hook no
 * mapping takes a short way, and all else is as it was. May sleep. Return: 0, or -EOPNOTSUPP if the
 * library was built with BERTH_NO_TRACE.
 */
int berth_trace_set(berth_trace_fn hook, void *data);

/* Not 0 while there is a hook: for inline functions of other headers. */
extern uint32_t berth_trace_is_on;

/** berth_trace_name() - "dma-map", "fence-signal" and so on; "?" if there is no such kind. */
const char *berth_trace_name(enum berth_trace_kind kind);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
