// SPDX-License-Identifier: BSD-2-Clause
/* The calls of a driver, judged against what it has. */
#include <berth/errno.h>
#include <berth/port.h>

#include "check/raw.h"
#include "lib/device.h"
#include "lib/error.h"

bool berth_check_running;

static void driver_gone(const struct device *dev)
{
	if (berth_check_is_on())
		berth_check_driver_gone(dev, dev_name(dev));
}

static void freed(const void *addr, size_t size)
{
	if (berth_check_is_on())
		berth_check_freed((uintptr_t)addr, size);
}

static void device(const char *name, uint64_t bus, size_t size, bool is_write)
{
	if (berth_check_is_on())
		berth_check_device(name, bus, size, is_write);
}

static void reached(bool is_lost)
{
	if (berth_check_is_on())
		berth_check_reached(is_lost);
}

static void ordered(unsigned int what)
{
	if (berth_check_is_on())
		check_ordered(what);
}

static void told(const char *name, uint64_t cause)
{
	if (berth_check_is_on())
		check_told(name, cause);
}

static void ram(const char *name, uintptr_t at, size_t size, bool is_write, bool is_coherent)
{
	if (berth_check_is_on() && check_raw_is_on)
		check_raw_device(name, at, size, is_write, is_coherent);
}

static void trapped(uintptr_t at, bool is_write, uintptr_t pc, const char *call)
{
	if (berth_check_is_on())
		berth_check_trapped(at, is_write, pc, call);
}

static void data(const char *name, uint64_t bus, const void *bytes, size_t size, bool is_write)
{
	if (berth_check_is_on())
		berth_check_data(name, bus, bytes, size, is_write);
}

static struct berth_port_watch watch = {
	.freed = freed,
	.device = device,
	.reached = reached,
	.ordered = ordered,
	.told = told,
	.cause = check_order_cause,
	.ram = ram,
	.trapped = trapped,
	.data = data,
};

void check_watch_cache(bool is_on)
{
	__atomic_store_n(&watch.is_cache_off, !is_on, __ATOMIC_RELAXED);
}

int berth_check_start(const struct berth_check_options *options)
{
	if (berth_check_is_on())
		return berth_fail(-EBUSY, BERTH_REASON_STATE, "the checker runs already");
	if (!options->memory || options->size < BERTH_CHECK_MEMORY_LEAST)
		return berth_fail_limit(-EINVAL, BERTH_REASON_ARGUMENT, "memory of the checker",
					options->size, BERTH_CHECK_MEMORY_LEAST);
	check_memory_set(options->memory, options->size);
	check_shadow_reset();
	check_records_reset(options->size);
	check_order_reset(options->hostile);
	check_reports_reset(options);
	check_failures_reset();
	check_raw_reset(options->has_raw);
	check_transfers_reset();
	check_buffers_reset();
	check_traps_reset();
	watch.has_traps = !options->no_traps;
	berth_driver_gone = driver_gone;
	__atomic_store_n(&berth_port_watch, &watch, __ATOMIC_RELEASE);
	__atomic_store_n(&berth_check_running, true, __ATOMIC_RELEASE);
	return 0;
}

unsigned int berth_check_stop(void)
{
	unsigned int nr = berth_check_count();

	__atomic_store_n(&berth_check_running, false, __ATOMIC_RELEASE);
	berth_driver_gone = NULL;
	__atomic_store_n(&berth_port_watch, NULL, __ATOMIC_RELEASE);
	return nr;
}

static bool device_writes(enum dma_data_direction dir)
{
	return dir != DMA_TO_DEVICE;
}

/* What a mapping lets the device do. */
uint8_t check_rights(enum dma_data_direction dir)
{
	uint8_t bits = 0;

	if (dir != DMA_FROM_DEVICE)
		bits |= SHADOW_DEV_READ;
	if (device_writes(dir))
		bits |= SHADOW_DEV_WRITE;
	return bits;
}

/* The lines that a device may write in, beyond the bytes themselves. */
static void mark_lines(const struct check_call *call, bool set)
{
	const uintptr_t line = berth_port_line_size() ? berth_port_line_size() : 64;
	const uintptr_t end = call->virt + (uintptr_t)call->size;
	const uintptr_t first = call->virt & ~(line - 1), last = (end + line - 1) & ~(line - 1);

	if (!device_writes(call->dir))
		return;
	if (set) {
		check_shadow_set(first, call->virt - first, SHADOW_LINE);
		check_shadow_set(end, last - end, SHADOW_LINE);
	} else {
		check_shadow_clear(first, call->virt - first, SHADOW_LINE);
		check_shadow_clear(end, last - end, SHADOW_LINE);
	}
}

/* The states of a record's bytes, if they all have the same. */
static uint8_t bits_of(const struct check_record *record)
{
	if (check_is_coherent(record->call.kind))
		return SHADOW_MAPPED | SHADOW_COHERENT;
	if (record->call.kind == CHECK_BUF || record->call.kind == CHECK_BUF_VIEW)
		return 0;
	if (!check_has_owner(record->call.kind) || record->is_with_cpu)
		return SHADOW_MAPPED;
	return (uint8_t)(check_rights(record->call.dir) | SHADOW_MAPPED);
}

static bool has_lines(const struct check_record *record)
{
	return record->call.kind == CHECK_SINGLE || record->call.kind == CHECK_LIST;
}

static void mark(struct check_record *record)
{
	if (!record->call.virt)
		return;
	check_raw_forget(record->call.virt, record->call.size);
	check_shadow_change(record->call.virt, record->call.size, SHADOW_WRITTEN | SHADOW_BACK,
			    bits_of(record));
	if (has_lines(record) && !record->is_with_cpu)
		mark_lines(&record->call, true);
	record->has_traps = check_has_traps(record->call.kind) &&
			    check_traps_wanted(record->call.caller);
	if (record->has_traps)
		check_traps_set(record->call.virt, record->call.size);
}

struct range {
	uintptr_t first, end;
	const struct check_record *but;
};

/* What another one has of a range that a record has left, or of its lines. */
static void mark_again(struct check_record *record, void *data)
{
	const struct range *left = data;
	const struct check_call *call = &record->call;
	const uintptr_t end = call->virt + (uintptr_t)call->size;
	const uintptr_t from = call->virt > left->first ? call->virt : left->first;
	const uintptr_t to = end < left->end ? end : left->end;

	if (record == left->but)
		return;
	if (from < to)
		check_shadow_set(from, to - from, bits_of(record));
	if (has_lines(record) && !record->is_with_cpu)
		mark_lines(call, true);
}

/* A record goes: its bytes are the CPU's, as far as nobody else has them. */
void check_record_drop(struct check_record *record)
{
	const struct check_call call = record->call;
	const bool had_lines = has_lines(record), had_traps = record->has_traps;
	const bool was_written = record->is_written && record->call.dir == DMA_FROM_DEVICE;
	const uintptr_t reach = had_lines ? LINE_MOST : 0;
	struct range left = { call.virt, call.virt + (uintptr_t)call.size, NULL };

	if (call.virt && !check_has_owner(call.kind))
		check_order_forget(call.virt, call.size);
	check_record_remove(record);
	if (!call.virt)
		return;
	check_shadow_clear(call.virt, call.size,
			   SHADOW_DEV_READ | SHADOW_DEV_WRITE | SHADOW_MAPPED | SHADOW_COHERENT |
				   SHADOW_WRITTEN);
	if (had_lines)
		mark_lines(&call, false);
	check_record_overlaps(left.first - reach, left.end + reach, mark_again, &left);
	if (had_traps)
		check_traps_set(call.virt, call.size);
	if (had_lines && was_written)
		check_shadow_set(call.virt, call.size, SHADOW_BACK);
}

/* Two devices may read the same bytes; who writes has them alone. */
static void look_for_overlap(const struct check_call *call)
{
	const uint8_t bits = device_writes(call->dir) ? SHADOW_DEV_READ | SHADOW_DEV_WRITE
						      : SHADOW_DEV_WRITE;
	uintptr_t at;

	if (!check_has_owner(call->kind) || !call->virt || call->is_skipped)
		return;
	at = check_shadow_find(call->virt, call->size, bits);
	if (at < call->virt + call->size)
		check_report(BERTH_CHECK_OVERLAP, check_record_at(at, 0), call->name, at,
			     call->virt + call->size - at, false, call->caller);
}

void berth_check_added(const struct check_call *call)
{
	unsigned long flags = check_lock();
	struct check_record *record;
	/* Coherent memory that is mapped for one more device stays what it is. */
	const bool is_shared = check_has_owner(call->kind) && call->virt &&
			       check_shadow_any(call->virt, call->size) & SHADOW_COHERENT;

	check_failure_retried(call);
	look_for_overlap(call);
	record = check_record_add(call);
	if (record) {
		/* Allocated memory is the CPU's; so is what was mapped without a sync. */
		record->is_with_cpu = check_is_memory(call->kind) || call->is_skipped || is_shared;
		record->is_loose = call->is_skipped || is_shared;
		mark(record);
	}
	check_unlock(flags);
}

void berth_check_refused(const struct check_call *call, enum berth_check_rule rule)
{
	unsigned long flags = check_lock();

	check_report(rule, NULL, call->name, call->virt, call->size, false, call->caller);
	check_unlock(flags);
}

static enum berth_check_rule memory_problem(const struct check_record *record,
					    const struct check_call *call)
{
	if (record->call.kind != call->kind || record->call.is_managed != call->is_managed)
		return BERTH_CHECK_FREE_KIND;
	if (record->call.dev != call->dev)
		return BERTH_CHECK_UNMAP_DEVICE;
	if (call->kind != CHECK_TABLE && record->call.virt != call->virt)
		return BERTH_CHECK_FREE_ADDRESS;
	if (record->call.owner != call->owner)
		return BERTH_CHECK_FREE_POOL;
	if (call->kind != CHECK_POOL && record->call.size != call->size)
		return BERTH_CHECK_FREE_SIZE;
	return BERTH_CHECK_NOTHING;
}

static enum berth_check_rule unmap_problem(const struct check_record *record,
					   const struct check_call *call)
{
	if (check_is_memory(call->kind))
		return memory_problem(record, call);
	if (check_is_memory(record->call.kind) || record->call.kind == CHECK_PAGE_POOL)
		return BERTH_CHECK_UNMAP_ADDRESS;
	if (record->call.kind != call->kind)
		return BERTH_CHECK_UNMAP_KIND;
	if (record->call.dev != call->dev)
		return BERTH_CHECK_UNMAP_DEVICE;
	if (call->kind == CHECK_LIST && record->call.nents != call->nents)
		return BERTH_CHECK_UNMAP_NENTS;
	if (record->call.size != call->size)
		return BERTH_CHECK_UNMAP_SIZE;
	if (record->call.dir != call->dir)
		return BERTH_CHECK_UNMAP_DIRECTION;
	if ((call->kind == CHECK_SINGLE || call->kind == CHECK_RESOURCE) && !record->is_error_seen)
		return BERTH_CHECK_ERROR_UNCHECKED;
	return BERTH_CHECK_NOTHING;
}

static bool is_gone(const struct check_record *gone, const struct check_call *call)
{
	return gone && (!check_is_memory(call->kind) ||
			(gone->call.kind == call->kind && gone->call.virt == call->virt));
}

/* There is no such thing: was there one, or is it meant for what is around it? */
static void report_unknown(const struct check_call *call)
{
	const bool is_memory = check_is_memory(call->kind);
	const struct check_record *record = check_record_gone(call);
	enum berth_check_rule rule = is_memory ? BERTH_CHECK_FREE_UNKNOWN
					       : BERTH_CHECK_UNMAP_UNKNOWN;

	if (!is_gone(record, call))
		record = NULL;
	if (call->bus == UINT64_MAX && !is_memory) {
		rule = BERTH_CHECK_ERROR_USED;
	} else if (is_memory && call->virt && check_record_of_virt(call)) {
		rule = BERTH_CHECK_FREE_ADDRESS;
		record = check_record_of_virt(call);
	} else if (record) {
		rule = is_memory ? BERTH_CHECK_FREE_TWICE : BERTH_CHECK_UNMAP_TWICE;
	} else if (!is_memory && check_record_around(call->dev, call->bus)) {
		rule = BERTH_CHECK_UNMAP_ADDRESS;
		record = check_record_around(call->dev, call->bus);
		check_hint("It lies inside a mapping: are there flags in its low bits?");
	}
	check_report(rule, record, call->name, call->virt, call->size, false, call->caller);
}

/* Another device may have been given the same address; it is meant only if this one never was. */
static struct check_record *find_own(const struct check_call *call)
{
	struct check_record *record = check_record_find(call);

	return record && record->call.dev != call->dev && check_record_gone(call) ? NULL : record;
}

bool berth_check_removing(const struct check_call *call)
{
	unsigned long flags = check_lock();
	struct check_record *record = find_own(call);
	/* What is not known may have come when there was no memory for it. */
	bool is_to_end = record || berth_check_is_short();
	enum berth_check_rule rule;

	/* Nor is what does not fit known to be what is meant. */
	if (record && berth_check_is_short() && unmap_problem(record, call) != BERTH_CHECK_NOTHING)
		record = NULL;
	if (!record && !is_to_end) {
		report_unknown(call);
	} else if (record) {
		rule = unmap_problem(record, call);
		if (rule == BERTH_CHECK_UNMAP_ADDRESS)
			check_hint("It is the address of memory that was allocated, not mapped.");
		if (rule != BERTH_CHECK_NOTHING)
			check_report(rule, record, call->name, 0, 0, false, call->caller);
		is_to_end = rule != BERTH_CHECK_UNMAP_ADDRESS && rule != BERTH_CHECK_UNMAP_DEVICE;
		if (is_to_end && check_transfer_uses(call->dev, call->bus, record->call.size))
			check_report(BERTH_CHECK_TRANSFER_BUSY, record, call->name, 0, 0, false,
				     call->caller);
		if (is_to_end)
			check_record_drop(record);
	}
	check_unlock(flags);
	/* As it would have been refused. */
	if (!is_to_end)
		berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, call->name, call->bus);
	return is_to_end;
}

void berth_check_forget(const void *dev, dma_addr_t bus, uint64_t size)
{
	const struct check_call call = { .dev = dev, .bus = bus, .size = size };
	unsigned long flags = check_lock();
	struct check_record *record = check_record_find(&call);

	if (record && record->call.dev == dev)
		check_record_drop(record);
	check_unlock(flags);
}

static void sync_bytes(struct check_record *record, const struct check_call *call, bool for_cpu)
{
	const uintptr_t at = record->call.virt + (uintptr_t)(call->bus - record->call.bus);
	struct range left = { at, at + (uintptr_t)call->size, record };

	record->is_fresh = false;
	if (call->size == record->call.size)
		record->is_with_cpu = for_cpu;
	if (!for_cpu)
		record->is_loose = false;
	if (!record->call.virt || !call->size)
		return;
	if (!for_cpu)
		check_shadow_cleaned(at, call->size);
	else if (record->call.dir == DMA_FROM_DEVICE)
		check_shadow_clear(at, call->size, SHADOW_WRITTEN);
	if (for_cpu) {
		check_shadow_clear(at, call->size, SHADOW_DEV_READ | SHADOW_DEV_WRITE);
		check_record_overlaps(left.first, left.end - 1, mark_again, &left);
		if (record->has_traps)
			check_traps_set(at, call->size);
		check_bytes_back(record, at, call->size);
		return;
	}
	check_shadow_set(at, call->size, check_rights(record->call.dir));
	if (has_lines(record))
		mark_lines(&record->call, true);
}

static enum berth_check_rule sync_problem(const struct check_record *record,
					  const struct check_call *call)
{
	if (!record)
		return call->bus == UINT64_MAX ? BERTH_CHECK_ERROR_USED : BERTH_CHECK_SYNC_UNKNOWN;
	if (call->size > record->call.size - (call->bus - record->call.bus))
		return BERTH_CHECK_SYNC_RANGE;
	if (record->call.dir != call->dir && record->call.dir != DMA_BIDIRECTIONAL)
		return BERTH_CHECK_SYNC_DIRECTION;
	if (record->call.kind == CHECK_SINGLE && !record->is_error_seen)
		return BERTH_CHECK_ERROR_UNCHECKED;
	return BERTH_CHECK_NOTHING;
}

bool berth_check_syncing(const struct check_call *call, bool for_cpu)
{
	unsigned long flags = check_lock();
	struct check_record *record = check_record_around(call->dev, call->bus);
	enum berth_check_rule rule = sync_problem(record, call);
	bool is_to_do = record && rule != BERTH_CHECK_SYNC_RANGE;

	if (!record && berth_check_is_short())
		is_to_do = true;
	else if (rule != BERTH_CHECK_NOTHING)
		check_report(rule, record, call->name, 0, 0, false, call->caller);
	if (record && is_to_do)
		sync_bytes(record, call, for_cpu);
	check_unlock(flags);
	return is_to_do;
}

unsigned int berth_check_list_entries(const struct check_call *call)
{
	unsigned long flags = check_lock();
	const struct check_record *record = check_record_find(call);
	unsigned int nents = record && record->call.kind == CHECK_LIST ? record->call.nents : 0;

	if (!record && berth_check_is_short())
		nents = call->nents;
	check_unlock(flags);
	return nents;
}

void berth_check_error_seen(const void *dev, dma_addr_t bus)
{
	unsigned long flags = check_lock();

	check_record_error_seen(dev, bus);
	check_unlock(flags);
}

void berth_check_driver_gone(const void *dev, const char *name)
{
	unsigned long flags = check_lock();
	struct check_record *record;

	check_failures_forget(dev);
	check_transfers_forget(dev);
	while ((record = check_record_first(dev))) {
		if (check_record_has_gone_sibling(record))
			check_hint("Others that were mapped at the same place were unmapped.");
		/* Managed memory has gone with it; pages of a pool may come back later. */
		if (record->call.is_managed || record->call.kind == CHECK_PAGE_POOL)
			check_hint(NULL);
		else
			check_report(BERTH_CHECK_LEAK, record, name, 0, 0, false, 0);
		check_record_drop(record);
	}
	check_unlock(flags);
}
