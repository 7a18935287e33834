// SPDX-License-Identifier: BSD-2-Clause
/* Calls that failed, on purpose or not, and what a driver does then. */
#include <berth/errno.h>
#include <berth/port.h>

#include "check/check.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"

#define FAILURES 32u

/* The last ones. @thread is the caller's record of errors, of which each has its own. */
struct failure {
	bool is_there;
	bool is_alloc;
	const void *dev;
	const void *thread;
	uintptr_t virt;
	uint64_t size;
	char name[64];
	struct berth_check_place place;
};

static struct failure failures[FAILURES];
static unsigned int next;
static uint64_t countdown;
static bool has_failed;

uintptr_t check_null_reach;

/* Who looks has no lock. */
static void reach(uint64_t size)
{
	const uintptr_t most = size > 4096 ? (uintptr_t)size : 4096;

	if (check_null_reach < most)
		__atomic_store_n(&check_null_reach, most, __ATOMIC_RELAXED);
}

void berth_check_failed(const struct check_call *call, bool is_alloc)
{
	/* A port may have to make out which thread it is: not with the lock. */
	const void *thread = berth_port_error();
	unsigned long flags = check_lock();
	struct failure *f = &failures[next++ % FAILURES];

	if (f->is_there && f->virt)
		check_shadow_clear(f->virt, f->size, SHADOW_FAILED);
	*f = (struct failure){
		.is_there = true,
		.is_alloc = is_alloc,
		.dev = call->dev,
		.thread = thread,
		.virt = call->virt,
		.size = call->size,
	};
	berth_strlcpy(f->name, call->name ? call->name : "", sizeof(f->name));
	check_place_here(&f->place, call->caller);
	/* Whether it is done without can be told where the CPU can be seen at it. */
	if (!is_alloc && (!f->virt || !check_shadow_set(f->virt, f->size, SHADOW_FAILED)))
		f->is_there = false;
	if (is_alloc)
		reach(call->size);
	check_unlock(flags);
}

static void forget(struct failure *f)
{
	f->is_there = false;
	if (f->virt)
		check_shadow_clear(f->virt, f->size, SHADOW_FAILED);
}

/* An address that RAM of the linear map has is no NULL. */
static bool is_ram(uintptr_t at)
{
	return at - berth_port_linear.virt < berth_port_linear.size;
}

void check_failure_used(uintptr_t at, uint64_t size, bool is_store, uintptr_t caller)
{
	for (unsigned int i = 0; i < FAILURES; i++) {
		const struct failure *f = &failures[(next - 1 - i) % FAILURES];
		struct check_record record = { .call = { .size = f->size } };

		if (!f->is_there || !f->is_alloc || is_ram(at) ||
		    at >= (f->size > 4096 ? f->size : 4096))
			continue;
		berth_strlcpy(record.name, f->name, sizeof(record.name));
		record.place = f->place;
		check_report(BERTH_CHECK_ALLOC_UNCHECKED, &record, f->name, at, size, is_store,
			     caller);
		return;
	}
}

void berth_check_null_used(const char *name, uintptr_t caller)
{
	unsigned long flags = check_lock();
	struct check_record record = { .call = { .size = 0 } };

	for (unsigned int i = 0; i < FAILURES && !record.place.nr; i++)
		if (failures[(next - 1 - i) % FAILURES].is_there &&
		    failures[(next - 1 - i) % FAILURES].is_alloc)
			record.place = failures[(next - 1 - i) % FAILURES].place;
	check_report(BERTH_CHECK_ALLOC_UNCHECKED, &record, name, 0, 0, false, caller);
	check_unlock(flags);
}

/* Done without a mapping, or given up. */
void check_failure_touched(uintptr_t at, uint64_t size)
{
	for (unsigned int i = 0; i < FAILURES; i++) {
		struct failure *f = &failures[i];

		if (f->is_there && f->virt && at < f->virt + f->size && f->virt < at + size)
			forget(f);
	}
}

void check_failure_retried(const struct check_call *call)
{
	for (unsigned int i = 0; i < FAILURES; i++) {
		struct failure *f = &failures[i];

		if (f->is_there && !f->is_alloc && f->dev == call->dev &&
		    (f->size <= call->size || call->virt - f->virt < f->size))
			forget(f);
	}
}

void check_failures_forget(const void *dev)
{
	for (unsigned int i = 0; i < FAILURES; i++)
		if (failures[i].is_there && failures[i].dev == dev)
			forget(&failures[i]);
}

void check_failures_reset(void)
{
	__builtin_memset(failures, 0, sizeof(failures));
	next = 0;
	check_null_reach = 0;
	berth_check_fail_map_nth(0);
}

void berth_check_returned(struct device *dev, int ret)
{
	const void *thread = berth_port_error();
	unsigned long flags;

	if (!berth_check_is_on())
		return;
	flags = check_lock();
	for (unsigned int i = 0; i < FAILURES; i++) {
		struct failure *f = &failures[i];

		if (!f->is_there || f->dev != dev || f->thread != thread)
			continue;
		if (!ret && !f->is_alloc)
			check_report_at(BERTH_CHECK_ERROR_LOST, &f->place, f->name, f->virt,
					f->size);
		forget(f);
	}
	check_unlock(flags);
}

void berth_check_fail_map_nth(uint64_t nth)
{
	__atomic_store_n(&has_failed, false, __ATOMIC_RELAXED);
	__atomic_store_n(&countdown, nth, __ATOMIC_RELAXED);
}

bool berth_check_map_failed(void)
{
	return __atomic_load_n(&has_failed, __ATOMIC_RELAXED);
}

bool berth_check_should_fail(const char *subject)
{
	uint64_t left = __atomic_load_n(&countdown, __ATOMIC_RELAXED);

	while (left && !__atomic_compare_exchange_n(&countdown, &left, left - 1, true,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	if (left != 1)
		return false;
	__atomic_store_n(&has_failed, true, __ATOMIC_RELAXED);
	berth_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, subject);
	return true;
}
