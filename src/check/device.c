// SPDX-License-Identifier: BSD-2-Clause
/*
 * Accesses of devices, judged by what the device was told and not by where that leads: behind a bounce buffer or an
 * IOMMU the bytes are elsewhere.
 */
#include <berth/port.h>

#include "check/check.h"
#include "lib/string.h"

#define LINE 128u
/* Bytes of a bounce buffer that are one mapping's at least. */
#define SLOT 2048u

/*
 * An access outside of all that is known, and whether that is wrong is seen when it has led somewhere. The port holds
 * a lock from the one to the other.
 */
static struct {
	bool is_there;
	char name[64];
	dma_addr_t bus;
	uint64_t size;
	bool is_write;
} pending;

/*
 * What was synced for the CPU and is still as it was then may be left with a device: it reads the right bytes, and what it writes
 * nothing overwrites. From then on they are the device's. If the CPU has written, that may be in its cache still, and may fall
 * over a line of the device's later.
 */
static enum berth_check_rule owner_problem(const struct check_record *record, dma_addr_t bus,
					   uint64_t size, bool is_write)
{
	const uintptr_t first = record->call.virt, end = first + (uintptr_t)record->call.size;
	const uintptr_t line = berth_port_line_size() ? berth_port_line_size() : 64;
	uintptr_t at = first + (uintptr_t)(bus - record->call.bus), from = at,
		  to = at + (uintptr_t)size;

	if (is_write && record->call.dir == DMA_TO_DEVICE)
		return BERTH_CHECK_DEVICE_DIRECTION;
	/* With its memory full the states of some bytes are not known. */
	if (!record->call.virt || record->is_loose || record->call.kind == CHECK_BUF ||
	    berth_check_is_short())
		return BERTH_CHECK_NOTHING;
	if (is_write) {
		from &= ~(line - 1);
		to = (to + line - 1) & ~(line - 1);
		from = from < first ? first : from;
		to = to > end ? end : to;
	}
	if (check_shadow_find(from, to - from, SHADOW_WRITTEN) < to)
		return BERTH_CHECK_DEVICE_EARLY;
	if (is_write)
		check_shadow_set(at, size, check_rights(record->call.dir));
	return BERTH_CHECK_NOTHING;
}

static void tell(enum berth_check_rule rule, const struct check_record *record, const char *name,
		 dma_addr_t bus, uint64_t size, bool is_write)
{
	uintptr_t at = 0;

	if (record && record->call.virt)
		at = record->call.virt + (uintptr_t)(bus - record->call.bus);
	check_report(rule, record, name, at, size, is_write, 0);
}

/*
 * Behind the end of @record. What is read there and ends in its last line, or page of memory that comes in pages, is
 * fetched and not used.
 */
static bool is_beyond(const struct check_record *record, dma_addr_t end, bool is_write)
{
	const uint64_t unit = check_is_memory(record->call.kind) && record->call.kind != CHECK_POOL
				      ? PAGE_SIZE
				      : LINE;
	const dma_addr_t limit = record->call.bus + record->call.size;

	return end > (is_write ? limit : (limit + unit - 1) / unit * unit);
}

static void look_at_order(const struct check_record *record, dma_addr_t bus, uint64_t size,
			  bool is_write)
{
	const uintptr_t at = record->call.virt + (uintptr_t)(bus - record->call.bus);

	if (record->call.virt && check_shadow_any(at, 1) & SHADOW_COHERENT)
		check_order_device(record->call.dev, record, at, size, is_write);
}

/* The record's part of it. Return: how many bytes that is; 0: all is told. */
static uint64_t judge(struct check_record *record, const char *name, dma_addr_t bus, uint64_t size,
		      bool is_write)
{
	const uint64_t left = record->call.size - (bus - record->call.bus);
	const uint64_t part = size < left ? size : left;
	enum berth_check_rule rule = BERTH_CHECK_NOTHING;

	if (check_has_owner(record->call.kind) || record->call.kind == CHECK_BUF)
		rule = owner_problem(record, bus, part, is_write);
	record->is_fresh = false;
	if (rule == BERTH_CHECK_NOTHING) {
		look_at_order(record, bus, part, is_write);
		return part;
	}
	tell(rule, record, name, bus, size, is_write);
	return 0;
}

static bool is_behind(struct check_record *record, void *bus)
{
	return record->call.bus + record->call.size == *(const dma_addr_t *)bus;
}

/*
 * What ends where the access begins, inside a page: there is nothing else in the pages of a mapping behind an IOMMU, nor
 * in the slots of a bounce buffer.
 */
static struct check_record *find_behind(const char *name, dma_addr_t bus)
{
	return bus % SLOT ? check_record_each(name, is_behind, &bus) : NULL;
}

void berth_check_device(const char *name, dma_addr_t bus, uint64_t size, bool is_write)
{
	unsigned long flags = check_lock();
	const void *dev = check_device_of(name);
	struct check_record *record = dev ? check_record_around(dev, bus) : NULL, *last = NULL;
	const struct check_record *gone = NULL;
	uint64_t part = 1;

	pending.is_there = false;
	while (record && size && part) {
		last = record;
		part = judge(record, name, bus, size, is_write);
		bus += part;
		size -= part;
		record = size ? check_record_around(dev, bus) : NULL;
	}
	if (!dev || !size || !part || berth_check_is_short())
		goto out;
	if (last) {
		if (is_beyond(last, bus + size, is_write) && !check_device_is_foreign(name))
			tell(BERTH_CHECK_DEVICE_BEYOND, last, name, bus, size, is_write);
		goto out;
	}
	gone = check_record_gone_around(dev, bus);
	if (gone) {
		tell(BERTH_CHECK_DEVICE_UNMAPPED, gone, name, bus, size, is_write);
		goto out;
	}
	last = find_behind(name, bus);
	if (last && !check_device_is_foreign(name)) {
		tell(BERTH_CHECK_DEVICE_BEYOND, last, name, bus, size, is_write);
		goto out;
	}
	pending.is_there = true;
	berth_strlcpy(pending.name, name, sizeof(pending.name));
	pending.bus = bus;
	pending.size = size;
	pending.is_write = is_write;
out:
	check_unlock(flags);
}

/* What a device without some of its address lines, or a driver that gets them wrong, makes of an address. */

static bool contains(const struct check_record *record, dma_addr_t bus)
{
	return bus - record->call.bus < record->call.size;
}

static bool is_same(struct check_record *record, void *data)
{
	(void)data;
	return contains(record, pending.bus);
}

static bool is_truncated(struct check_record *record, void *data)
{
	(void)data;
	for (unsigned int bits = 24; bits < 64; bits++) {
		const dma_addr_t high = record->call.bus >> bits << bits;

		if (high && !(pending.bus >> bits) && contains(record, high | pending.bus))
			return true;
	}
	return false;
}

static bool is_swapped(struct check_record *record, void *data)
{
	(void)data;
	return pending.bus >> 32 != (pending.bus & UINT32_MAX) &&
	       contains(record, pending.bus >> 32 | pending.bus << 32);
}

/*
 * With the lock. Nothing is said of a device to which somebody else may give memory, or which is known by two
 * struct device.
 */
static void tell_outside(bool is_lost)
{
	static const struct {
		bool (*fits)(struct check_record *record, void *data);
		enum berth_check_rule rule;
		const char *hint;
	} causes[] = {
		{ is_same, BERTH_CHECK_NOTHING, NULL },
		{ is_swapped, BERTH_CHECK_DEVICE_WORDS, NULL },
		{ is_truncated, BERTH_CHECK_DEVICE_MASK,
		  "The low bits are those of an address that it was given." },
		{ is_behind, BERTH_CHECK_DEVICE_BEYOND, NULL },
	};
	struct check_record nobody = { .is_error_seen = true };
	const struct check_record *record;

	for (unsigned int i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		record = check_record_each(pending.name, causes[i].fits, &pending.bus);
		if (!record)
			continue;
		check_hint(causes[i].hint);
		if (causes[i].rule != BERTH_CHECK_NOTHING)
			check_report(causes[i].rule, record, pending.name, 0, pending.size,
				     pending.is_write, 0);
		return;
	}
	if (is_lost)
		check_hint("There is no memory at that address for it.");
	/* Nobody has mapped it: there is no place, but an address. */
	nobody.call.bus = pending.bus;
	nobody.call.size = pending.size;
	nobody.call.dir = DMA_NONE;
	check_report(BERTH_CHECK_DEVICE_OUTSIDE, &nobody, pending.name, 0, pending.size,
		     pending.is_write, 0);
}

void berth_check_reached(bool is_lost)
{
	unsigned long flags = check_lock();

	if (pending.is_there && !check_device_is_foreign(pending.name) && !berth_check_is_short())
		tell_outside(is_lost);
	check_hint(NULL);
	pending.is_there = false;
	check_unlock(flags);
}
