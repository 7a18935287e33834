// SPDX-License-Identifier: BSD-2-Clause
/* Which page of movable memory shows what, and how many mappings that takes of the host. */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "share.h"
#include "user.h"

#define NONE ((uint64_t)BERTH_ACCESS_NONE)
#define READ ((uint64_t)BERTH_ACCESS_READ)
#define WRITE ((uint64_t)BERTH_ACCESS_WRITE)

/* Mappings left to the process itself, and to what a change needs for a moment. */
#define HEADROOM 2000

struct gate_stats berth_port_gate_stats;
uint64_t berth_port_gate_limit;

/* Not a lock that a sanitizer knows. A leaf; never held over a system call. */
static uint32_t states_lock;
static uint64_t nr_mappings, nr_reserved, nr_others, limit, nr_own;

/* Per page of the linear map: how many pages of ranges show it. Under the lock. */
static uint32_t *shown;
static uint64_t nr_shown;

static RAW void lock_states(void)
{
	while (__atomic_exchange_n(&states_lock, 1, __ATOMIC_ACQUIRE))
		syscall(SYS_sched_yield);
}

static RAW void unlock_states(void)
{
	__atomic_store_n(&states_lock, 0, __ATOMIC_RELEASE);
}

static RAW uint64_t load_state(const struct user_range *range, uint64_t page)
{
	return __atomic_load_n(&range->states[page], __ATOMIC_SEQ_CST);
}

RAW enum trap_answer berth_port_user_look(const struct trap_range *trap, uintptr_t at,
					  bool is_write)
{
	const struct user_range *range = (const struct user_range *)(const void *)trap;
	uint64_t state = load_state(range, (at - trap->start) / GATE_PAGE);

	if (state & USER_GATED)
		return TRAP_WAIT;
	if ((state & USER_ACCESS) == WRITE || ((state & USER_ACCESS) == READ && !is_write))
		return TRAP_RETRY;
	return TRAP_ASK;
}

/* What a page will be when the change is done, or is now if @change is NULL or not about it. */
static RAW uint64_t state_after(const struct user_range *range, uint64_t page,
				const struct user_change *change)
{
	uint64_t state = load_state(range, page) & ~USER_GATED;

	if (!change || page - change->first >= change->nr)
		return state;
	if (!change->keeps_ram)
		return change->state + (page - change->first) * GATE_PAGE;
	return (change->state & USER_ACCESS) == NONE ? NONE
						     : (state & ~USER_ACCESS) | change->state;
}

/* The host needs one mapping for neighbours that show neighbouring RAM in the same way, or none. */
static RAW bool is_seam(uint64_t left, uint64_t right)
{
	if ((left & USER_ACCESS) != (right & USER_ACCESS))
		return true;
	return (left & USER_ACCESS) != NONE && right != left + GATE_PAGE;
}

static RAW uint64_t seams(const struct user_change *change, bool is_after)
{
	const struct user_range *range = change->range;
	uint64_t page = change->first ? change->first : 1;
	uint64_t end = change->first + change->nr, nr = 0;

	end = end < range->nr ? end : range->nr - 1;
	for (; page <= end; page++)
		nr += is_seam(state_after(range, page - 1, is_after ? change : NULL),
			      state_after(range, page, is_after ? change : NULL));
	return nr;
}

static RAW void mark(const struct user_change *change, uint64_t gated)
{
	for (uint64_t i = change->first; i < change->first + change->nr; i++)
		__atomic_store_n(&change->range->states[i],
				 (load_state(change->range, i) & ~USER_GATED) | gated,
				 __ATOMIC_SEQ_CST);
}

RAW int berth_port_user_begin(struct user_change *change)
{
	uint64_t before, after;
	int ret = 0;

	lock_states();
	before = seams(change, false);
	after = seams(change, true);
	change->reserved = after > before ? after - before : 0;
	for (uint64_t i = change->first; i < change->first + change->nr && !ret; i++) {
		uint64_t state = load_state(change->range, i);

		if (state & USER_GATED)
			ret = -EBUSY;
		else if (change->keeps_ram && state < GATE_PAGE && change->state != NONE &&
			 change->state != USER_SHUT)
			ret = -EINVAL;
	}
	if (!ret && change->reserved && change->state != USER_SHUT &&
	    nr_mappings + nr_reserved + nr_others + change->reserved > limit)
		ret = -ENOMEM;
	if (!ret) {
		nr_reserved += change->reserved;
		mark(change, USER_GATED);
	}
	unlock_states();
	return ret;
}

static RAW void count_page(uint64_t state, uint32_t by)
{
	uint64_t page = (state - berth_port_linear.phys) / GATE_PAGE;

	if (state >= GATE_PAGE && page < nr_shown)
		__atomic_store_n(&shown[page], shown[page] + by, __ATOMIC_RELAXED);
}

bool berth_port_user_shows(phys_addr_t phys, uint64_t size)
{
	uint64_t page = (phys - berth_port_linear.phys) / GATE_PAGE;

	for (uint64_t i = 0; i < size / GATE_PAGE && page + i < nr_shown; i++)
		if (__atomic_load_n(&shown[page + i], __ATOMIC_RELAXED))
			return true;
	return false;
}

bool berth_port_user_count_pages(void)
{
	uint64_t nr = berth_port_linear.size / GATE_PAGE;
	void *table = mmap(NULL, (nr + 1) * sizeof(shown[0]), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (table == MAP_FAILED)
		return false;
	shown = table;
	nr_shown = nr;
	return true;
}

void berth_port_user_count_no_pages(void)
{
	if (shown)
		munmap(shown, (nr_shown + 1) * sizeof(shown[0]));
	shown = NULL;
	nr_shown = 0;
}

RAW void berth_port_user_finish(const struct user_change *change, bool is_done)
{
	lock_states();
	nr_reserved -= change->reserved;
	if (is_done) {
		nr_mappings += seams(change, true) - seams(change, false);
		for (uint64_t i = change->first; i < change->first + change->nr; i++) {
			uint64_t after = state_after(change->range, i, change);

			count_page(load_state(change->range, i), UINT32_MAX);
			count_page(after, 1);
			__atomic_store_n(&change->range->states[i], after, __ATOMIC_SEQ_CST);
		}
	} else {
		mark(change, 0);
	}
	unlock_states();
	berth_port_gate->wake(change->at, change->size);
}

/* Lines of a file of /proc, or the number in it. */
static uint64_t read_proc(const char *path, bool is_number)
{
	FILE *file = fopen(path, "re");
	unsigned long long number = 0;
	int c;

	if (!file)
		return 0;
	if (is_number && fscanf(file, "%llu", &number) != 1)
		number = 0;
	while (!is_number && (c = getc(file)) != EOF)
		number += c == '\n';
	fclose(file);
	return number;
}

/* The host's limit may have been raised since. */
void berth_port_user_read_limit(bool is_first)
{
	uint64_t host = read_proc("/proc/sys/vm/max_map_count", true);
	uint64_t test = __atomic_load_n(&berth_port_gate_limit, __ATOMIC_RELAXED);

	if (is_first)
		nr_own = read_proc("/proc/self/maps", false);
	host = host ? host : 65530;
	host = host > HEADROOM + nr_own ? host - HEADROOM - nr_own : 0;
	lock_states();
	__atomic_store_n(&limit, test && test < host ? test : host, __ATOMIC_RELAXED);
	unlock_states();
}

uint64_t berth_port_user_limit(void)
{
	return __atomic_load_n(&limit, __ATOMIC_RELAXED);
}

static RAW bool count(const struct user_change *all, bool is_coming)
{
	bool is_within = true;

	lock_states();
	for (uint64_t i = 0; i < all->nr && !is_coming; i++)
		count_page(load_state(all->range, i), UINT32_MAX);
	if (!is_coming)
		nr_mappings -= 1 + seams(all, false);
	else if (nr_mappings + nr_reserved + nr_others >= limit)
		is_within = false;
	else
		nr_mappings++;
	unlock_states();
	return is_within;
}

bool berth_port_user_count(const struct user_range *range, bool is_coming)
{
	const struct user_change all = {
		.range = (struct user_range *)(uintptr_t)range,
		.nr = range->nr,
	};

	return count(&all, is_coming);
}

static RAW bool set_aside(uint64_t nr)
{
	bool is_within;

	lock_states();
	is_within = nr_mappings + nr_reserved + nr_others + nr <= limit;
	nr_others += is_within ? nr : 0;
	unlock_states();
	return is_within;
}

bool berth_port_user_set_aside(uint64_t nr)
{
	if (set_aside(nr))
		return true;
	berth_port_user_read_limit(false);
	return set_aside(nr);
}

RAW void berth_port_user_give_back(uint64_t nr)
{
	lock_states();
	nr_others -= nr;
	unlock_states();
}

RAW uint64_t berth_port_gate_mappings(void)
{
	uint64_t nr;

	lock_states();
	nr = nr_mappings;
	unlock_states();
	return nr;
}

/*
 * A thread waits in the range, so it stays. The page is shut for all: for reading too, if nobody may
 * read it.
 */
RAW void berth_port_user_refuse(uintptr_t at, bool is_write)
{
	const struct trap_range *trap = berth_port_trap_find(at);
	struct user_change change;
	bool is_wanted;
	long ret = -1;

	if (!trap)
		return;
	change.range = (struct user_range *)(uintptr_t)trap;
	change.first = (at - trap->start) / GATE_PAGE;
	change.nr = 1;
	change.state = USER_SHUT;
	change.keeps_ram = true;
	change.at = at & ~(GATE_PAGE - 1);
	change.size = GATE_PAGE;
	/* Somebody may have changed the page since the answer was given. */
	if (berth_port_user_begin(&change))
		return;
	at = load_state(change.range, change.first) & USER_ACCESS;
	is_wanted = at == NONE || (at == READ && is_write);
	if (is_wanted && at == READ)
		ret = syscall(SYS_mprotect, change.at, GATE_PAGE, PROT_READ);
	else if (is_wanted)
		ret = syscall(SYS_mmap, change.at, GATE_PAGE, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	berth_port_user_finish(&change, ret != -1);
}
