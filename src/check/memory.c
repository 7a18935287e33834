// SPDX-License-Identifier: BSD-2-Clause
/* Memory of the checker's own, out of what it was started with: what it follows must not change by its records. */
#include <berth/spinlock.h>

#include "check/check.h"
#include "lib/printk.h"

struct link {
	struct link *next;
};

static spinlock_t lock;
static char *at, *end;
static bool is_short;
/* On purpose: pieces until the one that is missing, itself included; 0: none. */
static uint64_t countdown;
static bool are_all_missing;
static struct link *free_lists[CHECK_LISTS];

unsigned long check_lock(void)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	return flags;
}

void check_unlock(unsigned long flags)
{
	spin_unlock_irqrestore(&lock, flags);
}

void check_memory_set(void *memory, size_t size)
{
	at = memory;
	end = at + size;
	__atomic_store_n(&is_short, false, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < CHECK_LISTS; i++)
		free_lists[i] = NULL;
}

bool berth_check_is_short(void)
{
	return __atomic_load_n(&is_short, __ATOMIC_RELAXED);
}

void check_fail_nth(uint64_t nth, bool and_after)
{
	unsigned long flags = check_lock();

	countdown = nth;
	are_all_missing = and_after;
	check_unlock(flags);
}

static bool is_missing(void)
{
	if (countdown == 1 && are_all_missing)
		return true;
	return countdown && --countdown == 0;
}

void *check_take(size_t size)
{
	char *memory = (char *)(((uintptr_t)at + 15) & ~(uintptr_t)15);

	if (is_missing() || memory > end || size > (size_t)(end - memory)) {
		if (!is_short)
			berth_printk("check: its memory is full: from now on it sees less\n");
		__atomic_store_n(&is_short, true, __ATOMIC_RELAXED);
		return NULL;
	}
	at = memory + size;
	return memory;
}

void *check_alloc(size_t size)
{
	void *memory = check_take(size);

	if (memory)
		__builtin_memset(memory, 0, size);
	return memory;
}

void *check_get(unsigned int which, size_t size)
{
	struct link *link = free_lists[which];

	if (!link)
		return check_alloc(size);
	free_lists[which] = link->next;
	__builtin_memset(link, 0, size);
	return link;
}

void check_put(unsigned int which, void *memory)
{
	struct link *link = memory;

	link->next = free_lists[which];
	free_lists[which] = link;
}
