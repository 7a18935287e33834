/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker from the inside. The floors above tell it of mappings, memory and accesses (the calls below); it knows
 * nothing of them but addresses. All of it is under one lock, a leaf that is taken with interrupts away; the
 * fast path of an access, in which nobody is at fault, takes none.
 */
#ifndef BERTH_CHECK_CHECK_H
#define BERTH_CHECK_CHECK_H

#include <berth/check.h>
#include <berth/mm.h>

#include "check/tree.h"

/* Bytes of the longest cache line. */
#define LINE_MOST 256u

enum check_kind {
	CHECK_SINGLE, /* dma_map_single(), dma_map_page() */
	CHECK_LIST, /* dma_map_sg() */
	CHECK_RESOURCE,
	CHECK_COHERENT,
	CHECK_PAGES, /* dma_alloc_noncoherent(), dma_alloc_pages() */
	CHECK_POOL, /* a block of a dma_pool */
	CHECK_TABLE, /* dma_alloc_noncontiguous() */
	CHECK_PAGE_POOL, /* a page of a page_pool that is out */
	CHECK_BUF, /* a dma-buf that is mapped for a device */
	CHECK_BUF_VIEW, /* where the CPU sees a dma-buf; of no device */
};

/* Both see it as it is: no syncs. */
static inline bool check_is_coherent(enum check_kind kind)
{
	return kind == CHECK_COHERENT || kind == CHECK_POOL;
}

/* It is freed, not unmapped. */
static inline bool check_is_memory(enum check_kind kind)
{
	return check_is_coherent(kind) || kind == CHECK_PAGES || kind == CHECK_TABLE;
}

/* It belongs to the CPU or to the device, in turn. */
static inline bool check_has_owner(enum check_kind kind)
{
	return kind == CHECK_SINGLE || kind == CHECK_LIST || kind == CHECK_PAGES ||
	       kind == CHECK_TABLE || kind == CHECK_PAGE_POOL;
}

/*
 * struct check_call - a call as it was made
 * @dev, @name: the device; its name, which is copied
 * @kind: by which function
 * @dir: DMA_BIDIRECTIONAL for memory that is coherent
 * @virt: the CPU's address of the first byte; 0: it has none
 * @bus: what the device was told
 * @size: bytes
 * @nents: entries of a list
 * @caller: the return address into the program
 * @place: the stack there, if it is known already: of a list it is the same for all; NULL
 * @owner, @part_of: the pool, or what else it belongs to
 * @is_managed: it goes with the driver
 * @is_cpu: the device's transfers are the CPU's, as those of the software engine
 * @is_skipped: it has not changed its owner (DMA_ATTR_SKIP_CPU_SYNC)
 */
struct check_call {
	const void *dev;
	const char *name;
	enum check_kind kind;
	enum dma_data_direction dir;
	uintptr_t virt;
	dma_addr_t bus;
	uint64_t size;
	unsigned int nents;
	uintptr_t caller;
	const struct berth_check_place *place;
	const void *owner, *part_of;
	bool is_managed;
	bool is_skipped;
	bool is_cpu;
};

/* Is anybody to be told? One load. */
extern bool berth_check_running;

static inline bool berth_check_is_on(void)
{
	return __builtin_expect(__atomic_load_n(&berth_check_running, __ATOMIC_ACQUIRE), 0);
}

/* Calls (calls.c). */

/* A mapping or memory has been had. Pieces of a list are added one by one, with the @nents of all of it. */
void berth_check_added(const struct check_call *call);
/* The call is about to fail, or was refused, for a reason that is the program's fault. */
void berth_check_refused(const struct check_call *call, enum berth_check_rule rule);
/* Before it is given back. False: something is wrong, and giving it back would do harm. */
bool berth_check_removing(const struct check_call *call);
/* How many entries the list has that begins with this one; 0: it is not mapped. */
unsigned int berth_check_list_entries(const struct check_call *call);
/* Before a part of it changes hands. False: there is no such part. */
bool berth_check_syncing(const struct check_call *call, bool for_cpu);
/* After a part of it has been handed to the device: the bytes are where they are to be. */
void berth_check_given(const struct check_call *call);
/* The states of bytes with which a mapping lets the device do what it is for. */
uint8_t check_rights(enum dma_data_direction dir);
/* The program has asked whether @bus is an error. */
void berth_check_error_seen(const void *dev, dma_addr_t bus);
/* What the device had is all to be back: its driver has gone. */
void berth_check_driver_gone(const void *dev, const char *name);

/* The device is given memory that is not recorded, too. */
void berth_check_unseen(struct device *dev);

/* Pools (pool.c). */

/* A page of a page_pool, in which @len bytes @from were synced for the device. */
void berth_check_handed_out(const struct check_call *call, unsigned int from, unsigned int len);
void berth_check_handed_back(const struct check_call *call);
/* What has handed out memory is about to go: @rule is broken if some of it is out. */
void berth_check_owner_going(const void *dev, const char *name, const void *owner,
			     enum berth_check_rule rule, uintptr_t caller);

/* Buffers that devices share (buffer.c). */

/* There is an object, that was made where another one may have been; it goes; it is used: false, if it has gone. */
void berth_check_object_made(const void *object);
void berth_check_object_gone(const void *object, const char *name, uintptr_t caller);
bool berth_check_object_used(const void *object, uintptr_t caller);
/* The CPU sees the buffer (@owner) somewhere; no more. */
void berth_check_viewed(const struct check_call *call);
void berth_check_unviewed(const void *buf);
/* It says when it looks. */
void berth_check_cpu_access(const void *buf, bool begin, bool writes);
/* Devices that use it, after one more or less. */
unsigned int berth_check_attached(const void *buf, int change);
/* A segment is mapped for an attachment (@owner), in a table (@part_of). @buf: whose bytes are followed, or NULL. */
void berth_check_buf_mapped(const struct check_call *call, const void *buf);
/* That table, or with DMA_NONE all, is unmapped. */
void berth_check_buf_unmapped(const struct check_call *call);
void berth_check_buf_problem(enum berth_check_rule rule, const struct check_call *call);
void check_buffers_reset(void);

/* Transfers of DMA controllers (transfer.c). */

/*
 * struct check_transfer - memory of a transfer
 * @desc, @chan: its descriptor and channel
 * @dev: the controller
 * @bus, @size: the memory, or a part of it
 * @is_done: whether that of a cookie is done, or (-1) nothing of the channel can go on. Any context
 */
struct check_transfer {
	const void *desc, *chan, *dev;
	dma_addr_t bus;
	uint64_t size;
	bool (*is_done)(const void *chan, int32_t cookie);
};

/* A descriptor is new (@is_first), or has one more part. */
void berth_check_prepared(const struct check_transfer *transfer, const char *name, bool is_first,
			  uintptr_t caller);
/* False: it is under way already. */
bool berth_check_submitting(const void *desc, uintptr_t caller);
void berth_check_submitted(const void *desc, int32_t cookie);
void berth_check_descriptor_freed(const void *desc);
void berth_check_terminated(const void *chan);
/* Around the wait. */
void berth_check_synchronizing(const void *chan);
void berth_check_synchronized(const void *chan);
void berth_check_channel_going(const void *chan, uintptr_t caller);
/* The library unmaps what the program has mapped. */
void berth_check_forget(const void *dev, dma_addr_t bus, uint64_t size);
/* Whether a transfer uses such memory, with a hint if that is going to end. With the lock. */
bool check_transfer_uses(const void *dev, dma_addr_t bus, uint64_t size);
/* The controller goes. With the lock. */
void check_transfers_forget(const void *dev);
void check_transfers_reset(void);

/* The CPU sees memory that is scattered there, until it is freed. */
void berth_check_seen_at(const void *dev, dma_addr_t bus, uintptr_t virt);
/* No more. */
void berth_check_unseen_at(const void *dev, uintptr_t virt);

/* Failures (failure.c). */

/* The mapping or allocation has failed. */
void berth_check_failed(const struct check_call *call, bool is_alloc);
/* Whether this call is to fail, with its reason set (berth_check_fail_map_nth()). */
bool berth_check_should_fail(const char *subject);
/* An allocation that failed is used, by a call. */
void berth_check_null_used(const char *name, uintptr_t caller);
/* Below it an address may be that of an allocation that failed. */
extern uintptr_t check_null_reach;
/* With the lock. */
void check_failure_used(uintptr_t at, uint64_t size, bool is_store, uintptr_t caller);
void check_failure_touched(uintptr_t at, uint64_t size);
void check_failure_retried(const struct check_call *call);
void check_failures_forget(const void *dev);
void check_failures_reset(void);

/* Accesses (access.c, device.c). */

void berth_check_cpu(uintptr_t at, uint64_t size, bool is_store, uintptr_t caller);
/* Code that is not instrumented: by the instruction at @pc, or the call. */
void berth_check_trapped(uintptr_t at, bool is_write, uintptr_t pc, const char *system_call);
/* Memory of the allocators is free. */
void berth_check_freed(uintptr_t at, uint64_t size);
/* A device has read @bytes, or written them. */
void berth_check_data(const char *name, dma_addr_t bus, const void *bytes, uint64_t size,
		      bool is_write);
/* A device of that name reads or writes. */
void berth_check_device(const char *name, dma_addr_t bus, uint64_t size, bool is_write);
/* That access has led to RAM, or (@is_lost) nowhere. */
void berth_check_reached(bool is_lost);

/* The order of accesses to coherent memory (order.c). */

/* Without the lock. */
void check_order_cpu(uintptr_t at, uint64_t size, bool is_store, uintptr_t caller);
void check_ordered(unsigned int what);
void check_told(const char *name, uint64_t number);
void check_order_cause(uint64_t of);
/* With devices that are not trusted: hostile.c. */
extern uint64_t check_hostile;
void check_hostile_access(uintptr_t at, uint64_t size, bool is_store, uintptr_t caller);
/* ksize(), as soon as it is known; NULL. */
extern size_t (*check_object_size)(const void *object);
/* With it. */
struct check_record;
void check_order_device(const void *dev, const struct check_record *record, uintptr_t at,
			uint64_t size, bool is_write);
void check_order_forget(uintptr_t at, uint64_t size);
void check_order_reset(uint64_t hostile);

/* Whether accesses are cached at all (calls.c). */
void check_watch_cache(bool is_on);

/* Memory of the checker's own (memory.c). All with the lock. */

void *check_alloc(size_t size);
/* Not cleared: a large table that may never be used costs nothing. */
void *check_take(size_t size);
/* Of one of the sizes that are given back. */
void *check_get(unsigned int which, size_t size);
void check_put(unsigned int which, void *memory);
enum { CHECK_OF_RECORDS, CHECK_OF_PARTS, CHECK_OF_BUFFERS, CHECK_LISTS };
void check_memory_set(void *memory, size_t size);
/* Let the @nth piece from now on be missing, as if the memory were full, and all @and_after it; 0: none. Without the lock. */
void check_fail_nth(uint64_t nth, bool and_after);

/* The lock (memory.c). */
unsigned long check_lock(void);
void check_unlock(unsigned long flags);

/* Records (record.c). All with the lock. */

struct check_record {
	struct check_node by_bus, by_virt;
	struct check_call call;
	char name[64];
	struct berth_check_place place;
	bool is_error_seen;
	bool is_with_cpu; /* all of it was synced for the CPU */
	bool is_loose; /* it has not been given to the device yet, which may not matter */
	bool is_written; /* a device has written some of it since it was given to it */
	bool is_fresh; /* handed out by a pool, and nobody has used it */
	bool has_traps; /* its pages are closed while a device has them */
	unsigned int users; /* parts of a page of a pool that are out */
	uint64_t order; /* in which they came */
};

struct check_record *check_record_add(const struct check_call *call);
void check_record_remove(struct check_record *record);
/* The CPU sees it at @virt from now on, or (0) nowhere. */
void check_record_move(struct check_record *record, uintptr_t virt);
/* Remove it, and its bytes are the CPU's, as far as nobody else has them (calls.c). */
void check_record_drop(struct check_record *record);
/* The newest one of an owner's, of the device, that has come before @before; NULL. */
struct check_record *check_record_owned(const void *dev, const void *owner, uint64_t before);
/* The one that fits best of those that begin at @bus: of its device and kind, then length and direction. NULL. */
struct check_record *check_record_find(const struct check_call *call);
/* One that contains @bus, of the device; NULL. */
struct check_record *check_record_around(const void *dev, dma_addr_t bus);
/* The newest one that the CPU sees at @at, or within @near bytes of it; NULL. */
struct check_record *check_record_at(uintptr_t at, uintptr_t near);
/* Those with a byte that the CPU sees from @first to @last. */
void check_record_overlaps(uintptr_t first, uintptr_t last,
			   void (*visit)(struct check_record *record, void *data), void *data);
/* The device that has had records under a name; NULL. */
const void *check_device_of(const char *name);
/* One that was removed not long ago and contained @bus; NULL. */
const struct check_record *check_record_gone_around(const void *dev, dma_addr_t bus);
struct check_record *check_record_first(const void *dev);
/* The memory that begins there for the CPU; NULL. */
struct check_record *check_record_of_virt(const struct check_call *call);
/* Visits what is recorded for devices of that name until a visit says true; that one, or NULL. */
struct check_record *check_record_each(const char *name,
				       bool (*visit)(struct check_record *record, void *data),
				       void *data);
/* Whether something that was mapped at the same place has been unmapped not long ago. */
bool check_record_has_gone_sibling(const struct check_record *record);
bool check_device_is_foreign(const char *name);
/* Of all that begin at @bus: which one was meant cannot be told. */
void check_record_error_seen(const void *dev, dma_addr_t bus);
/* @size: of the checker's memory. */
void check_records_reset(size_t size);
/* One that was removed not long ago; NULL. */
const struct check_record *check_record_gone(const struct check_call *call);

/* States of bytes (shadow.c). */

enum {
	SHADOW_DEV_READ = 1, /* a device may read it */
	SHADOW_DEV_WRITE = 2, /* a device may write it */
	SHADOW_MAPPED = 4,
	SHADOW_LINE = 8, /* in a line in which a device may write */
	SHADOW_COHERENT = 16,
	SHADOW_WRITTEN = 32, /* the CPU has written it since it was synced for it */
	SHADOW_BACK =
		64, /* a device was to write it and has written beside it; nobody has since, that was seen */
	SHADOW_FAILED = 128, /* it was to be mapped, and that failed */
};

/* The states of @size bytes from @at, or-ed. Any context, no lock. */
uint8_t check_shadow_any(uintptr_t at, uint64_t size);
/* The first byte with one of @bits; @at + @size if there is none. No lock. */
uintptr_t check_shadow_find(uintptr_t at, uint64_t size, uint8_t bits);
/* The states that all of them have. No lock. */
uint8_t check_shadow_all(uintptr_t at, uint64_t size);
/* The CPU writes: what is streaming and the CPU's was written. With the lock. */
void check_shadow_written(uintptr_t at, uint64_t size);
/* With the lock. False: no memory for it. */
bool check_shadow_set(uintptr_t at, uint64_t size, uint8_t bits);
/* What the CPU wrote in these lines is in memory. */
void check_shadow_cleaned(uintptr_t at, uint64_t size);
void check_shadow_clear(uintptr_t at, uint64_t size, uint8_t bits);
/* Both at once. */
bool check_shadow_change(uintptr_t at, uint64_t size, uint8_t clear, uint8_t set);
/* No byte below the one has a state, and none from the other on. */
extern uintptr_t check_low, check_high;

static inline bool check_shadow_may(uintptr_t at, uint64_t size)
{
	return at < __atomic_load_n(&check_high, __ATOMIC_RELAXED) &&
	       at + size > __atomic_load_n(&check_low, __ATOMIC_RELAXED);
}
void check_shadow_reset(void);

/* Traps (traps.c). With the lock: the pages that the bytes are in are open or closed as their bytes are. */
void check_traps_set(uintptr_t at, uint64_t size);
/* Whether the pages of a mapping that was made there are to be closed. With the lock. */
bool check_traps_wanted(uintptr_t caller);
void check_traps_reset(void);
/* What is handed out before it is used, as by a pool, may still be written. */
static inline bool check_has_traps(enum check_kind kind)
{
	return kind == CHECK_SINGLE || kind == CHECK_LIST;
}

/* Bytes that nobody has written (bytes.c). With the lock. */
void check_bytes_back(const struct check_record *record, uintptr_t at, uint64_t size);
/* Without the lock: whether they may be as they were handed out. */
bool check_bytes_are_fresh(uintptr_t at, uint64_t size);
void check_bytes_load(uintptr_t at, uint64_t size, uintptr_t caller);

/* Reports (report.c). With the lock. */

/*
 * Something is wrong: @touched by the return address @caller. @record: who mapped it, or NULL.
 * @at, @size: the bytes, of the CPU's address space; 0 if it is not about bytes.
 */
void check_report(enum berth_check_rule rule, const struct check_record *record, const char *device,
		  uintptr_t at, uint64_t size, bool is_store, uintptr_t caller);
/* Goes with the next report. A literal. */
void check_hint(const char *hint);
/* By the place of @record, which is not who mapped it but who did wrong. */
void check_report_at(enum berth_check_rule rule, const struct berth_check_place *place,
		     const char *device, uintptr_t at, uint64_t size);
/*
 * struct check_finding - the same, and what only some have
 * @touched: who did it, if that was not just now
 * @other: the return address of the other access that it is about; without @record it counts as who had the memory
 * @breaks_on: where, if that depends on more than the rule; NULL
 * @is_exact: @caller is the instruction itself
 * @system_call: which one has done it; NULL
 */
struct check_finding {
	enum berth_check_rule rule;
	const struct check_record *record;
	const char *device;
	uintptr_t at;
	uint64_t size;
	bool is_store, is_exact;
	uintptr_t caller, other;
	const struct berth_check_place *touched;
	const char *breaks_on;
	const char *system_call;
};

void check_report_finding(const struct check_finding *finding);
void check_reports_reset(const struct berth_check_options *options);
bool check_is_same_place(const struct berth_check_place *a, const struct berth_check_place *b);
void check_place_here(struct berth_check_place *place, uintptr_t caller);

#endif
