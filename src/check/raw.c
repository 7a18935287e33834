// SPDX-License-Identifier: BSD-2-Clause
/* Accesses to memory whose caches a driver works itself: see raw.h. */
#include <berth/port.h>

#include "check/raw.h"

#define PAGE 4096u

bool check_raw_is_on;
static bool is_cache_off; /* written with the lock */
static unsigned int line_size; /* 0: none of the calls has said another than the machine's */

static const char not_coherent[] = "machines whose caches are not coherent";
static const char fetching[] =
	"machines that fetch lines on their own and whose caches are not coherent";
static const char writing_back[] = "machines whose caches are not coherent and write back";

void check_raw_reset(bool is_on)
{
	check_raw_pages_reset();
	is_cache_off = false;
	line_size = 0;
	check_raw_is_on = is_on;
	check_front_reset();
	check_watch_cache(true);
}

static uintptr_t line_of_machine(void)
{
	return berth_port_line_size() ? berth_port_line_size() : 64;
}

/* With the lock, or where it does not matter. */
static uintptr_t line(void)
{
	return line_size ? line_size : line_of_machine();
}

static bool is_ram(uintptr_t at, uint64_t size)
{
	return at - berth_port_linear.virt < berth_port_linear.size &&
	       size <= berth_port_linear.size - (at - berth_port_linear.virt);
}

static bool is_followed(uintptr_t at, uint64_t size)
{
	return size && !__atomic_load_n(&is_cache_off, __ATOMIC_RELAXED) && is_ram(at, size) &&
	       !(check_shadow_any(at, size) & (SHADOW_MAPPED | SHADOW_COHERENT));
}

static uint8_t state_at(uintptr_t at)
{
	const struct raw_page *page = check_raw_page(at);

	return page ? check_raw_get(page, at) : 0;
}

/* Clears and sets bits of what is known already. */
static void change(uintptr_t at, uintptr_t end, uint8_t clear, uint8_t set)
{
	while (at < end) {
		struct raw_page *page = check_raw_page(at);
		const uintptr_t last = (at | (PAGE - 1)) + 1 < end ? (at | (PAGE - 1)) + 1 : end;

		for (; page && at < last; at++)
			check_raw_put(page, at,
				      (uint8_t)((check_raw_get(page, at) & ~clear) | set));
		at = last;
	}
}

/* The first run of bytes with one of @bits. Return: its length, 0: there is none. */
static uint64_t find(uintptr_t *at, uintptr_t end, uint8_t bits)
{
	uintptr_t last;

	while (*at < end && !(state_at(*at) & bits))
		++*at;
	for (last = *at; last < end && state_at(last) & bits;)
		last++;
	return last - *at;
}

/* The return address that was noted for a line. */
static uintptr_t who(uintptr_t at, bool has_stored)
{
	const struct raw_page *page = check_raw_page(at);
	const uintptr_t index = (at & (PAGE - 1)) / RAW_LINE;

	return page ? (has_stored ? page->stored[index] : page->done[index]) : 0;
}

static void tell(enum berth_check_rule rule, const char *device, uintptr_t at, uint64_t length,
		 bool is_store, uintptr_t caller, uintptr_t other, const char *breaks_on)
{
	const struct check_finding finding = {
		.rule = rule,
		.device = device,
		.at = at,
		.size = length,
		.is_store = is_store,
		.caller = caller,
		.other = other,
		.breaks_on = breaks_on,
	};

	check_report_finding(&finding);
}

static void cpu_load(uintptr_t at, uintptr_t end, uintptr_t caller)
{
	uintptr_t first = at;
	uint64_t length = find(&first, end, RAW_LOST);

	if (length)
		tell(BERTH_CHECK_RAW_LOST, NULL, first, length, false, caller, who(first, false),
		     not_coherent);
	first = at;
	length = find(&first, end, RAW_STALE);
	if (length)
		tell(BERTH_CHECK_RAW_INVALIDATE, NULL, first, length, false, caller, 0,
		     state_at(first) & RAW_FETCHED ? fetching : not_coherent);
}

static void cpu_store(uintptr_t at, uintptr_t end, uintptr_t caller)
{
	for (uintptr_t page = at & ~(uintptr_t)(PAGE - 1); page < end; page += PAGE)
		if (!check_raw_make(page))
			return;
	change(at, end, RAW_STALE | RAW_LOST | RAW_FETCHED, RAW_DIRTY);
	for (uintptr_t l = at & ~(uintptr_t)(RAW_LINE - 1); l < end; l += RAW_LINE)
		check_raw_page(l)->stored[(l & (PAGE - 1)) / RAW_LINE] = caller;
}

/* What needs no lock: bytes that the CPU has written before, and reads or writes again. */
static bool is_nothing_new(uintptr_t at, uintptr_t end, bool is_store)
{
	const struct raw_page *page = check_raw_page(at);

	if ((at ^ (end - 1)) & ~(uintptr_t)(PAGE - 1))
		return false;
	if (!page)
		return !is_store;
	for (; at < end; at++) {
		const uint8_t state = check_raw_get(page, at);

		if (is_store ? state != RAW_DIRTY : state & ~RAW_DIRTY)
			return false;
	}
	return true;
}

void check_raw_cpu(uintptr_t at, uint64_t size, bool is_store, uintptr_t caller)
{
	const uintptr_t end = at + (uintptr_t)size;
	unsigned long flags;

	if (!is_followed(at, size) || is_nothing_new(at, end, is_store))
		return;
	flags = check_lock();
	if (is_store)
		cpu_store(at, end, caller);
	else
		cpu_load(at, end, caller);
	change(at & ~(line() - 1), (end + line() - 1) & ~(line() - 1), RAW_ABSENT, 0);
	check_unlock(flags);
}

static void device_reads(const char *name, uintptr_t at, uintptr_t end)
{
	uintptr_t first = at;
	uint64_t length = find(&first, end, RAW_DIRTY);

	if (length)
		tell(BERTH_CHECK_RAW_CLEAN, name, first, length, false, 0, who(first, true),
		     not_coherent);
	first = at;
	length = find(&first, end, RAW_LOST);
	if (length)
		tell(BERTH_CHECK_RAW_LOST, name, first, length, false, 0, who(first, false),
		     not_coherent);
}

/* A line that is dirty may be written back at any time, over what the device writes now. */
static void device_writes(const char *name, uintptr_t at, uintptr_t end)
{
	const uintptr_t from = at & ~(line() - 1), to = (end + line() - 1) & ~(line() - 1);
	uintptr_t first = from;
	uint64_t length = find(&first, to, RAW_DIRTY);

	if (length)
		tell(BERTH_CHECK_RAW_DIRTY, name, first, length, true, 0, who(first, true),
		     writing_back);
	for (uintptr_t page = at & ~(uintptr_t)(PAGE - 1); page < end; page += PAGE)
		if (!check_raw_make(page))
			return;
	change(from, to, RAW_DIRTY, 0);
	for (; at < end; at++) {
		struct raw_page *page = check_raw_page(at);
		const uint8_t absent = check_raw_get(page, at) & RAW_ABSENT;

		check_raw_put(page, at, (uint8_t)(absent | RAW_STALE | (absent ? RAW_FETCHED : 0)));
	}
}

void check_raw_device(const char *name, uintptr_t at, uint64_t size, bool is_write,
		      bool is_coherent)
{
	const uintptr_t end = at + (uintptr_t)size;
	unsigned long flags;

	if (!is_followed(at, size))
		return;
	flags = check_lock();
	if (is_coherent && is_write)
		change(at, end, RAW_STALE | RAW_LOST | RAW_FETCHED, 0);
	else if (is_write)
		device_writes(name, at, end);
	else if (!is_coherent)
		device_reads(name, at, end);
	check_unlock(flags);
}

void check_raw_forget(uintptr_t at, uint64_t size)
{
	if (check_raw_is_on)
		change(at, at + (uintptr_t)size, 0xff, 0);
}

/* One line. What is dirty is written back whole, or dropped whole. */
static void op_line(enum raw_op op, uintptr_t at, uintptr_t caller)
{
	const uintptr_t end = at + line();
	uintptr_t first = at;
	const bool is_dirty = find(&first, end, RAW_DIRTY) != 0;
	const uint8_t lost = op == RAW_INVALIDATE ? RAW_DIRTY : RAW_STALE;

	for (uintptr_t byte = at; is_dirty && byte < end; byte++) {
		struct raw_page *page = check_raw_page(byte);
		const uint8_t state = check_raw_get(page, byte);

		if (!(state & lost))
			continue;
		check_raw_put(page, byte, (uint8_t)((state & ~(lost | RAW_FETCHED)) | RAW_LOST));
		page->done[(byte & (PAGE - 1)) / RAW_LINE] = caller;
	}
	change(at, end, RAW_DIRTY, 0);
	if (op != RAW_CLEAN)
		change(at, end, RAW_STALE | RAW_FETCHED, RAW_ABSENT);
}

static void op_lines(enum raw_op op, uintptr_t at, uintptr_t end, enum raw_part part,
		     uintptr_t caller)
{
	for (uintptr_t l = at & ~(line() - 1); l < end; l += line()) {
		const bool is_part = l < at || l + line() > end;

		if (check_raw_page(l))
			op_line(is_part && op == RAW_INVALIDATE && part == RAW_PART_FLUSHED
					? RAW_FLUSH
					: op,
				l, caller);
	}
}

static void do_op(enum raw_op op, phys_addr_t phys, uint64_t size)
{
	if (op == RAW_CLEAN)
		berth_port_cache_clean(phys, size);
	else if (op == RAW_INVALIDATE)
		berth_port_cache_invalidate(phys, size);
	else
		berth_port_cache_flush(phys, size);
}

void check_raw_op(enum raw_op op, uintptr_t at, uint64_t size, enum raw_part part,
		  unsigned int line_given, uintptr_t caller)
{
	const uintptr_t end = at + (uintptr_t)size;
	uintptr_t from = at, to = end;
	unsigned long flags;

	if (!size || !is_ram(at, size))
		return;
	flags = check_lock();
	line_size = line_given;
	if (check_raw_is_on && !is_cache_off)
		op_lines(op, at, end, part, caller);
	if (part == RAW_PART_DROPPED) {
		from = at & ~(line() - 1);
		to = (end + line() - 1) & ~(line() - 1);
	}
	check_unlock(flags);
	do_op(op, berth_port_linear.phys + (from - berth_port_linear.virt), to - from);
}

static enum raw_op op_of_all;
static uintptr_t caller_of_all;

static void op_page(struct raw_page *page)
{
	const uintptr_t at = page->key << 12;

	op_lines(op_of_all, at, at + PAGE, RAW_PART_DROPPED, caller_of_all);
}

/* Nothing of berth's own is dropped, and nothing of who is not instrumented: that is written back. */
void check_raw_op_all(enum raw_op op, uintptr_t caller)
{
	unsigned long flags = check_lock();

	op_of_all = op;
	caller_of_all = caller;
	if (check_raw_is_on && !is_cache_off)
		check_raw_each(op_page);
	check_unlock(flags);
	do_op(op == RAW_CLEAN ? RAW_CLEAN : RAW_FLUSH, berth_port_linear.phys,
	      berth_port_linear.size);
}

static void forget_page(struct raw_page *page)
{
	check_raw_forget(page->key << 12, PAGE);
}

void check_raw_switch(bool is_on)
{
	unsigned long flags;

	do_op(RAW_FLUSH, berth_port_linear.phys, berth_port_linear.size);
	flags = check_lock();
	if (is_cache_off == is_on) {
		__atomic_store_n(&is_cache_off, !is_on, __ATOMIC_RELAXED);
		check_raw_each(forget_page);
		check_watch_cache(is_on);
	}
	check_unlock(flags);
}
