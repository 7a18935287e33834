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

static struct berth_port_watch watch = {
	.freed = freed,
	.device = device,
	.ram = ram,
	.trapped = trapped,
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
	check_records_reset();
	check_reports_reset(options);
	check_raw_reset(options->has_raw);
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

static bool is_streaming(enum check_kind kind)
{
	return kind == CHECK_SINGLE || kind == CHECK_LIST;
}

static bool device_writes(enum dma_data_direction dir)
{
	return dir != DMA_TO_DEVICE;
}

/* What a mapping lets the device do. */
static uint8_t rights(enum dma_data_direction dir)
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

static void mark(const struct check_call *call)
{
	if (!call->virt)
		return;
	check_raw_forget(call->virt, call->size);
	if (is_streaming(call->kind)) {
		check_shadow_set(call->virt, call->size,
				 (uint8_t)(rights(call->dir) | SHADOW_MAPPED));
		mark_lines(call, true);
		check_traps_set(call->virt, call->size);
	} else {
		check_shadow_set(call->virt, call->size, SHADOW_MAPPED | SHADOW_COHERENT);
	}
}

/* What others have of a page that a record has left. */
static void mark_again(uintptr_t page)
{
	for (const struct check_link *link = check_shadow_links(page); link; link = link->next) {
		const struct check_call *call = &link->record->call;
		const uintptr_t from = call->virt > page ? call->virt : page;
		const uintptr_t end = call->virt + (uintptr_t)call->size;
		const uintptr_t to = end < page + PAGE_SIZE ? end : page + PAGE_SIZE;
		uint8_t bits = SHADOW_MAPPED;

		if (!is_streaming(call->kind))
			bits |= SHADOW_COHERENT;
		else if (!link->record->is_with_cpu)
			bits |= rights(call->dir);
		check_shadow_set(from, to - from, bits);
		if (is_streaming(call->kind))
			mark_lines(call, true);
	}
}

/* A record goes: its bytes are the CPU's, as far as nobody else has them. */
static void drop(struct check_record *record)
{
	const struct check_call call = record->call;
	const uintptr_t page = call.virt & ~(uintptr_t)(PAGE_SIZE - 1);

	check_record_remove(record);
	if (!call.virt)
		return;
	check_shadow_clear(call.virt, call.size,
			   SHADOW_DEV_READ | SHADOW_DEV_WRITE | SHADOW_MAPPED | SHADOW_COHERENT);
	if (is_streaming(call.kind))
		mark_lines(&call, false);
	for (uintptr_t at = page; at < call.virt + call.size; at += PAGE_SIZE)
		mark_again(at);
	if (is_streaming(call.kind))
		check_traps_set(call.virt, call.size);
}

/* Two devices may read the same bytes; who writes has them alone. */
static void look_for_overlap(const struct check_call *call)
{
	const uint8_t bits = device_writes(call->dir) ? SHADOW_DEV_READ | SHADOW_DEV_WRITE
						      : SHADOW_DEV_WRITE;
	uintptr_t at;

	if (!is_streaming(call->kind) || !call->virt)
		return;
	at = check_shadow_find(call->virt, call->size, bits);
	if (at < call->virt + call->size)
		check_report(BERTH_CHECK_OVERLAP, check_record_at(at, 0), call->name, at,
			     call->virt + call->size - at, false, call->caller);
}

void berth_check_added(const struct check_call *call)
{
	unsigned long flags = check_lock();

	look_for_overlap(call);
	if (check_record_add(call))
		mark(call);
	check_unlock(flags);
}

void berth_check_refused(const struct check_call *call, enum berth_check_rule rule)
{
	unsigned long flags = check_lock();

	check_report(rule, NULL, call->name, call->virt, call->size, false, call->caller);
	check_unlock(flags);
}

static enum berth_check_rule unmap_problem(const struct check_record *record,
					   const struct check_call *call)
{
	const bool is_memory = !is_streaming(call->kind) && call->kind != CHECK_RESOURCE;

	if (record->call.kind != call->kind)
		return is_memory ? BERTH_CHECK_FREE_KIND : BERTH_CHECK_UNMAP_KIND;
	if (record->call.dev != call->dev)
		return BERTH_CHECK_UNMAP_DEVICE;
	if (is_memory && record->call.virt != call->virt)
		return BERTH_CHECK_FREE_ADDRESS;
	if (call->kind == CHECK_LIST && record->call.nents != call->nents)
		return BERTH_CHECK_UNMAP_NENTS;
	if (record->call.size != call->size)
		return is_memory ? BERTH_CHECK_FREE_SIZE : BERTH_CHECK_UNMAP_SIZE;
	if (!is_memory && record->call.dir != call->dir)
		return BERTH_CHECK_UNMAP_DIRECTION;
	if (!is_memory && call->kind != CHECK_LIST && !record->is_error_seen)
		return BERTH_CHECK_ERROR_UNCHECKED;
	return BERTH_CHECK_NOTHING;
}

/* There is no such thing: was there one? */
static void report_unknown(const struct check_call *call)
{
	const struct check_record *gone = check_record_gone(call);
	const bool is_memory = !is_streaming(call->kind) && call->kind != CHECK_RESOURCE;
	enum berth_check_rule rule = gone ? BERTH_CHECK_UNMAP_TWICE : BERTH_CHECK_UNMAP_UNKNOWN;

	if (call->bus == UINT64_MAX && !is_memory)
		rule = BERTH_CHECK_ERROR_USED;
	else if (is_memory)
		rule = BERTH_CHECK_FREE_UNKNOWN;
	check_report(rule, gone, call->name, call->virt, call->size, false, call->caller);
}

bool berth_check_removing(const struct check_call *call)
{
	unsigned long flags = check_lock();
	struct check_record *record = check_record_find(call);
	enum berth_check_rule rule;

	if (!record) {
		report_unknown(call);
	} else {
		rule = unmap_problem(record, call);
		if (rule != BERTH_CHECK_NOTHING)
			check_report(rule, record, call->name, 0, 0, false, call->caller);
		drop(record);
	}
	check_unlock(flags);
	return record != NULL;
}

static void sync_bytes(struct check_record *record, const struct check_call *call, bool for_cpu)
{
	const uintptr_t at = record->call.virt + (uintptr_t)(call->bus - record->call.bus);

	if (!record->call.virt)
		return;
	if (call->size == record->call.size)
		record->is_with_cpu = for_cpu;
	if (!for_cpu) {
		check_shadow_set(at, call->size, rights(record->call.dir));
		return;
	}
	check_shadow_clear(at, call->size, SHADOW_DEV_READ | SHADOW_DEV_WRITE);
	check_traps_set(at, call->size);
}

bool berth_check_syncing(const struct check_call *call, bool for_cpu)
{
	unsigned long flags = check_lock();
	struct check_record *record = check_record_around(call->dev, call->bus);
	enum berth_check_rule rule = BERTH_CHECK_NOTHING;

	if (!record)
		rule = call->bus == UINT64_MAX ? BERTH_CHECK_ERROR_USED : BERTH_CHECK_SYNC_UNKNOWN;
	else if (call->size > record->call.size - (call->bus - record->call.bus))
		rule = BERTH_CHECK_SYNC_RANGE;
	else if (record->call.dir != call->dir && record->call.dir != DMA_BIDIRECTIONAL)
		rule = BERTH_CHECK_SYNC_DIRECTION;
	else if (record->call.kind == CHECK_SINGLE && !record->is_error_seen)
		rule = BERTH_CHECK_ERROR_UNCHECKED;
	if (rule != BERTH_CHECK_NOTHING)
		check_report(rule, record, call->name, 0, 0, false, call->caller);
	if (record && rule != BERTH_CHECK_SYNC_RANGE)
		sync_bytes(record, call, for_cpu);
	check_unlock(flags);
	return record && rule != BERTH_CHECK_SYNC_RANGE;
}

unsigned int berth_check_list_entries(const struct check_call *call)
{
	unsigned long flags = check_lock();
	const struct check_record *record = check_record_find(call);
	unsigned int nents = record && record->call.kind == CHECK_LIST ? record->call.nents : 0;

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

	while ((record = check_record_first(dev))) {
		check_report(BERTH_CHECK_LEAK, record, name, 0, 0, false, 0);
		drop(record);
	}
	check_unlock(flags);
}
