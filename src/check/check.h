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

enum check_kind {
	CHECK_SINGLE, /* dma_map_single(), dma_map_page() */
	CHECK_LIST, /* dma_map_sg() */
	CHECK_RESOURCE,
	CHECK_COHERENT,
	CHECK_PAGES, /* dma_alloc_noncoherent() */
};

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
/* The program has asked whether @bus is an error. */
void berth_check_error_seen(const void *dev, dma_addr_t bus);
/* What the device had is all to be back: its driver has gone. */
void berth_check_driver_gone(const void *dev, const char *name);

/* Accesses (access.c). */

void berth_check_cpu(uintptr_t at, uint64_t size, bool is_store, uintptr_t caller);
/* Code that is not instrumented: by the instruction at @pc, or the call. */
void berth_check_trapped(uintptr_t at, bool is_write, uintptr_t pc, const char *system_call);
/* Memory of the allocators is free. */
void berth_check_freed(uintptr_t at, uint64_t size);
/* A device of that name reads or writes. */
void berth_check_device(const char *name, dma_addr_t bus, uint64_t size, bool is_write);

/* Whether accesses are cached at all (calls.c). */
void check_watch_cache(bool is_on);

/* Memory of the checker's own (memory.c). All with the lock. */

void *check_alloc(size_t size);
/* Of one of the sizes that are given back. */
void *check_get(unsigned int which, size_t size);
void check_put(unsigned int which, void *memory);
enum { CHECK_OF_RECORDS, CHECK_OF_LINKS, CHECK_LISTS };
void check_memory_set(void *memory, size_t size);

/* The lock (memory.c). */
unsigned long check_lock(void);
void check_unlock(unsigned long flags);

/* Records (record.c). All with the lock. */

struct check_record {
	struct check_record *next; /* in its row */
	struct check_call call;
	char name[64];
	struct berth_check_place place;
	bool is_error_seen;
	bool is_with_cpu; /* all of it was synced for the CPU */
	uint64_t order; /* in which they came */
};

struct check_record *check_record_add(const struct check_call *call);
void check_record_remove(struct check_record *record);
/* The one that fits best of those that begin at @bus: of its device and kind, then length and direction. NULL. */
struct check_record *check_record_find(const struct check_call *call);
/* One that contains @bus, of the device; NULL. */
struct check_record *check_record_around(const void *dev, dma_addr_t bus);
/* The newest one that the CPU sees at @at, or within @near bytes of it; NULL. */
struct check_record *check_record_at(uintptr_t at, uintptr_t near);
/* The device that has had records under a name; NULL. */
const void *check_device_of(const char *name);
/* One that was removed not long ago and contained @bus; NULL. */
const struct check_record *check_record_gone_around(const void *dev, dma_addr_t bus);
struct check_record *check_record_first(const void *dev);
/* Of all that begin at @bus: which one was meant cannot be told. */
void check_record_error_seen(const void *dev, dma_addr_t bus);
void check_records_reset(void);
/* One that was removed not long ago; NULL. */
const struct check_record *check_record_gone(const struct check_call *call);

/* States of bytes (shadow.c). */

enum {
	SHADOW_DEV_READ = 1, /* a device may read it */
	SHADOW_DEV_WRITE = 2, /* a device may write it */
	SHADOW_MAPPED = 4,
	SHADOW_LINE = 8, /* in a line in which a device may write */
	SHADOW_COHERENT = 16,
};

/* The states of @size bytes from @at, or-ed. Any context, no lock. */
uint8_t check_shadow_any(uintptr_t at, uint64_t size);
/* The first byte with one of @bits; @at + @size if there is none. No lock. */
uintptr_t check_shadow_find(uintptr_t at, uint64_t size, uint8_t bits);
/* The states that all of them have. No lock. */
uint8_t check_shadow_all(uintptr_t at, uint64_t size);
/* With the lock. False: no memory for it. */
bool check_shadow_set(uintptr_t at, uint64_t size, uint8_t bits);
void check_shadow_clear(uintptr_t at, uint64_t size, uint8_t bits);
/* Who has bytes of a page. With the lock. */
struct check_link {
	struct check_link *next;
	struct check_record *record;
};
bool check_shadow_link(struct check_record *record);
void check_shadow_unlink(struct check_record *record);
const struct check_link *check_shadow_links(uintptr_t at);
void check_shadow_reset(void);

/* Traps (traps.c). With the lock: the pages that the bytes are in are open or closed as their bytes are. */
void check_traps_set(uintptr_t at, uint64_t size);

/* Reports (report.c). With the lock. */

/*
 * Something is wrong: @touched by the return address @caller. @record: who mapped it, or NULL.
 * @at, @size: the bytes, of the CPU's address space; 0 if it is not about bytes.
 */
void check_report(enum berth_check_rule rule, const struct check_record *record, const char *device,
		  uintptr_t at, uint64_t size, bool is_store, uintptr_t caller);
/*
 * struct check_finding - a report in full
 * @caller: a return address of the program; with @is_exact the instruction itself
 * @other: a return address that has to do with it, if nobody has mapped it; 0: none
 * @system_call: which one has done it, NULL: none
 */
struct check_finding {
	enum berth_check_rule rule;
	const char *device;
	uintptr_t at;
	uint64_t size;
	bool is_store, is_exact;
	uintptr_t caller, other;
	const char *breaks_on; /* NULL: as is usual for the rule */
	const char *system_call;
};

/* @record: who has mapped it, or NULL. */
void check_report_finding(const struct check_finding *finding, const struct check_record *record);
void check_reports_reset(const struct berth_check_options *options);
void check_place_here(struct berth_check_place *place, uintptr_t caller);

#endif
