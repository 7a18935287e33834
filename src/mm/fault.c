// SPDX-License-Identifier: BSD-2-Clause
/* A fault in memory that may move: who owns the range. */
#include <berth/port.h>
#include <berth/spinlock.h>

#include "lib/error.h"
#include "mm/user.h"

/*
 * A leaf, taken with interrupts away and held for the search only. Nothing in berth touches memory of
 * berth_port_user_reserve() while it holds any lock: what resolves the fault may need that lock.
 */
static struct {
	spinlock_t lock;
	struct berth_user_range *first; /* by address */
	struct berth_user_range *last_hit;
} ranges;

static bool is_in(const struct berth_user_range *range, uintptr_t at)
{
	return at - (uintptr_t)range->virt < range->size;
}

/* With the lock. */
static struct berth_user_range *find(uintptr_t at)
{
	struct berth_user_range *range = ranges.last_hit;

	if (range && is_in(range, at))
		return range;
	for (range = ranges.first; range; range = range->next)
		if (is_in(range, at)) {
			ranges.last_hit = range;
			return range;
		}
	return NULL;
}

static void put(struct berth_user_range *range)
{
	unsigned long flags;

	/* Under the lock: after it, the range may be gone. */
	spin_lock_irqsave(&ranges.lock, flags);
	if (!__atomic_sub_fetch(&range->calls, 1, __ATOMIC_RELEASE))
		berth_port_wake(&range->calls);
	spin_unlock_irqrestore(&ranges.lock, flags);
}

/* The range of an address, kept until put(). */
static struct berth_user_range *get(void *virt)
{
	struct berth_user_range *range;
	unsigned long flags;

	spin_lock_irqsave(&ranges.lock, flags);
	range = find((uintptr_t)virt);
	if (range)
		__atomic_add_fetch(&range->calls, 1, __ATOMIC_RELAXED);
	spin_unlock_irqrestore(&ranges.lock, flags);
	return range;
}

int berth_fault_handle(void *virt, bool is_write)
{
	struct berth_user_range *range = get(virt);
	int ret;

	if (!range)
		return -EFAULT;
	ret = range->fault(range->data, (uintptr_t)virt - (uintptr_t)range->virt, is_write);
	put(range);
	return ret;
}

int berth_user_page(void *virt, bool is_write, struct page **page)
{
	struct berth_user_range *range = get(virt);
	int ret = -EFAULT;

	if (range && range->page)
		ret = range->page(range->data, (uintptr_t)virt - (uintptr_t)range->virt, is_write,
				  page);
	else
		berth_fail_at(ret, BERTH_REASON_NOT_OWNED, "pin_user_pages", (uintptr_t)virt);
	if (range)
		put(range);
	return ret;
}

/* With the lock. */
static int insert(struct berth_user_range *range)
{
	struct berth_user_range *prev = NULL, *next = ranges.first;
	uintptr_t start = (uintptr_t)range->virt;

	while (next && (uintptr_t)next->virt < start) {
		prev = next;
		next = next->next;
	}
	if ((prev && is_in(prev, start)) || (next && is_in(range, (uintptr_t)next->virt)))
		return -EEXIST;
	range->calls = 0;
	range->prev = prev;
	range->next = next;
	if (next)
		next->prev = range;
	if (prev)
		prev->next = range;
	else
		ranges.first = range;
	return 0;
}

int berth_user_range_register(struct berth_user_range *range)
{
	uintptr_t start = (uintptr_t)range->virt;
	unsigned long flags;
	int ret;

	if (!range->fault || !range->size || range->size - 1 > UINTPTR_MAX - start)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "range", start);
	spin_lock_irqsave(&ranges.lock, flags);
	ret = insert(range);
	spin_unlock_irqrestore(&ranges.lock, flags);
	return ret ? berth_fail_at(ret, BERTH_REASON_ARGUMENT, "range", start) : 0;
}

void berth_user_range_unregister(struct berth_user_range *range)
{
	unsigned long flags;
	uint32_t calls;

	spin_lock_irqsave(&ranges.lock, flags);
	if (range->prev)
		range->prev->next = range->next;
	else
		ranges.first = range->next;
	if (range->next)
		range->next->prev = range->prev;
	if (ranges.last_hit == range)
		ranges.last_hit = NULL;
	calls = range->calls;
	spin_unlock_irqrestore(&ranges.lock, flags);
	while (calls) {
		berth_port_wait(&range->calls, calls, UINT64_MAX);
		calls = __atomic_load_n(&range->calls, __ATOMIC_ACQUIRE);
	}
	/* The last call may still be in put(). */
	spin_lock_irqsave(&ranges.lock, flags);
	spin_unlock_irqrestore(&ranges.lock, flags);
}
