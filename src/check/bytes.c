// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bytes that nobody has written. A port that fills memory with a pattern when it is handed out can tell: eight bytes that
 * are still what that put there were written by nobody, seen or unseen. Fewer are not looked at.
 */
#include <berth/port.h>

#include "check/check.h"

#define WORD 8u
/* As far as one load of the program reaches; what copies more may copy what nobody looks at. */
#define LOAD_MOST 16u

/* @bytes: as a device has read them, or NULL. What it has read may be old: the CPU has written since, and not cleaned. */
static bool is_fresh(uintptr_t at, const void *bytes)
{
	bool (*const ask)(uintptr_t at, uint64_t * word) =
		__atomic_load_n(&berth_port_fresh, __ATOMIC_ACQUIRE);
	uint64_t fresh, word;

	if (!ask || !ask(at, &fresh))
		return false;
	if (bytes)
		__builtin_memcpy(&word, bytes, sizeof(word));
	return !bytes || fresh == word;
}

/* A device has read @bytes at @at: the first run of words in them that nobody has written. */
static void look_at_read(const struct check_record *record, const char *name, uintptr_t at,
			 const uint8_t *bytes, uint64_t size)
{
	uint64_t first = (WORD - (at & (WORD - 1))) & (WORD - 1), last;

	while (first + WORD <= size && !is_fresh(at + (uintptr_t)first, bytes + first))
		first += WORD;
	if (first + WORD > size)
		return;
	for (last = first; last + WORD <= size && is_fresh(at + (uintptr_t)last, bytes + last);)
		last += WORD;
	check_report(BERTH_CHECK_UNINITIALISED, record, name, at + (uintptr_t)first, last - first,
		     false, 0);
}

void berth_check_data(const char *name, dma_addr_t bus, const void *bytes, uint64_t size,
		      bool is_write)
{
	const uint8_t *at = bytes;
	unsigned long flags;
	const void *dev;

	if (!__atomic_load_n(&berth_port_fresh, __ATOMIC_RELAXED))
		return;
	flags = check_lock();
	dev = check_device_of(name);
	while (dev && size) {
		struct check_record *record = check_record_around(dev, bus);
		uint64_t inside, part;

		if (!record)
			break;
		inside = bus - record->call.bus;
		part = record->call.size - inside < size ? record->call.size - inside : size;
		if (record->call.virt && check_has_traps(record->call.kind)) {
			if (is_write)
				record->is_written = true;
			else if (record->call.dir != DMA_FROM_DEVICE)
				look_at_read(record, name, record->call.virt + (uintptr_t)inside,
					     at, part);
		}
		bus += part;
		at += part;
		size -= part;
	}
	check_unlock(flags);
}

/* The CPU has it back. Of a device that has written nothing it is not known whether its writes are seen at all. */
void check_bytes_back(const struct check_record *record, uintptr_t at, uint64_t size)
{
	if (record->is_written && record->call.dir == DMA_FROM_DEVICE &&
	    check_has_traps(record->call.kind))
		check_shadow_set(at, size, SHADOW_BACK);
}

bool check_bytes_are_fresh(uintptr_t at, uint64_t size)
{
	const uintptr_t end = at + (uintptr_t)size;
	uintptr_t word = at & ~(uintptr_t)(WORD - 1);

	while (size <= LOAD_MOST && word < end && is_fresh(word, NULL))
		word += WORD;
	return word >= end;
}

void check_bytes_load(uintptr_t at, uint64_t size, uintptr_t caller)
{
	const uintptr_t end = at + (uintptr_t)size;

	if (!check_bytes_are_fresh(at, size))
		return;
	for (uintptr_t word = at & ~(uintptr_t)(WORD - 1); word < end; word += WORD)
		if (!(check_shadow_all(word, WORD) & SHADOW_BACK))
			return;
	check_report(BERTH_CHECK_UNWRITTEN, NULL, NULL, at, size, false, caller);
}
