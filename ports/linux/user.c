// SPDX-License-Identifier: BSD-2-Clause
/* Memory that may move: the calls of port.h. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "user.h"

void (*berth_port_gate_hook)(enum gate_step step);
const struct gate *berth_port_gate;

/* Serialises reserve and release; taken before the dispatcher's. */
static pthread_mutex_t ranges_lock = PTHREAD_MUTEX_INITIALIZER;
static struct user_range *ranges;
static bool is_started;

static int begin(struct user_change *change)
{
	int ret = berth_port_user_begin(change);

	if (ret != -ENOMEM)
		return ret;
	berth_port_user_read_limit(false);
	return berth_port_user_begin(change);
}

static int fail(int code, const char *subject, uint64_t address, uint64_t size)
{
	static const char at_limit[] = "vm.max_map_count: mappings of the process";

	if (code == -EBUSY)
		return berth_port_fail(code, BERTH_REASON_STATE, "pages that are being changed",
				       address, size);
	if (code != -ENOMEM)
		return berth_port_fail(code, BERTH_REASON_MAPPING, subject, address, size);
	berth_port_fail(code, BERTH_REASON_MAPPING, at_limit, address, size);
	berth_port_error()->limit = berth_port_user_limit();
	return code;
}

/* Fills in a change of pages that lie in one range. */
static bool describe(struct user_change *change, const void *virt, uint64_t size, uint64_t state,
		     bool keeps_ram)
{
	uintptr_t at = (uintptr_t)virt;

	if (!size || (at | size) & (GATE_PAGE - 1))
		return false;
	pthread_mutex_lock(&ranges_lock);
	change->range = ranges;
	while (change->range && at - change->range->trap.start >= change->range->trap.size)
		change->range = change->range->next;
	pthread_mutex_unlock(&ranges_lock);
	if (!change->range || size > change->range->trap.size - (at - change->range->trap.start))
		return false;
	change->first = (at - change->range->trap.start) / GATE_PAGE;
	change->nr = size / GATE_PAGE;
	change->state = state;
	change->keeps_ram = keeps_ram;
	change->at = at;
	change->size = size;
	return true;
}

/* Where RAM is in the machine's file. A negative errno value if it is not. */
static int find_file(phys_addr_t phys, uint64_t size, uint64_t *offset)
{
	const struct berth_machine *machine = berth_port_machine();

	if (phys & (GATE_PAGE - 1) || !machine || !machine->ram_file)
		return -EINVAL;
	return machine->ram_file(phys, size, offset);
}

static RAW int map_between(const struct user_change *change, int fd, uint64_t offset,
			   enum berth_port_access access)
{
	int ret = berth_port_gate->show(change->at, change->size, fd, (off_t)offset, access);

	berth_port_user_finish(change, !ret);
	return ret;
}

int berth_port_user_map(void *virt, phys_addr_t phys, uint64_t size, enum berth_port_access access)
{
	struct user_change change;
	uint64_t offset;
	int ret, fd;

	if ((access != BERTH_ACCESS_READ && access != BERTH_ACCESS_WRITE) ||
	    !describe(&change, virt, size, phys | access, false))
		return fail(-EINVAL, "virt", (uintptr_t)virt, size);
	fd = find_file(phys, size, &offset);
	if (fd < 0)
		return fail(-EINVAL, "phys", phys, size);
	ret = begin(&change);
	if (!ret)
		ret = map_between(&change, fd, offset, access);
	return ret ? fail(ret, "berth_port_user_map", (uintptr_t)virt, size) : 0;
}

static RAW int protect_between(const struct user_change *change, enum berth_port_access access)
{
	int ret = access == BERTH_ACCESS_NONE
			  ? berth_port_gate->clear(change->at, change->size)
			  : berth_port_gate->protect(change->at, change->size, access);

	berth_port_user_finish(change, !ret);
	return ret;
}

int berth_port_user_protect(void *virt, uint64_t size, enum berth_port_access access)
{
	struct user_change change;
	int ret;

	if ((unsigned int)access > BERTH_ACCESS_WRITE ||
	    !describe(&change, virt, size, access, true))
		return fail(-EINVAL, "virt", (uintptr_t)virt, size);
	ret = begin(&change);
	if (!ret)
		ret = protect_between(&change, access);
	return ret ? fail(ret, "berth_port_user_protect", (uintptr_t)virt, size) : 0;
}

RAW void berth_port_raw_copy(void *to, const void *from, size_t size)
{
#if defined(__x86_64__)
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size)::"memory");
#else
	for (size_t i = 0; i < size / 8; i++)
		((volatile uint64_t *)to)[i] = ((const volatile uint64_t *)from)[i];
#endif
}

/* The part of a move during which writers sleep. */
struct move {
	struct user_change *changes;
	unsigned int nr;
	phys_addr_t from, to;
	size_t size;
	int fd;
	uint64_t from_offset, to_offset;
	void (*copy)(phys_addr_t to, phys_addr_t from, uint64_t size);
};

static RAW void step(enum gate_step step)
{
	void (*hook)(enum gate_step step) =
		__atomic_load_n(&berth_port_gate_hook, __ATOMIC_RELAXED);

	if (hook)
		hook(step);
}

static RAW void copy(const struct move *move)
{
	uintptr_t base = berth_port_linear.virt - (uintptr_t)berth_port_linear.phys;

	if (move->copy)
		move->copy(move->to, move->from, move->size);
	else
		berth_port_raw_copy((void *)(base + (uintptr_t)move->to),
				    (const void *)(base + (uintptr_t)move->from), move->size);
}

static RAW bool is_writable(const struct user_change *change)
{
	return (change->state & USER_ACCESS) == BERTH_ACCESS_WRITE;
}

static RAW int show(const struct move *move, unsigned int index, uint64_t offset)
{
	const struct user_change *change = &move->changes[index];

	return berth_port_gate->show(change->at, change->size, move->fd, (off_t)offset,
				     is_writable(change) ? BERTH_ACCESS_WRITE : BERTH_ACCESS_READ);
}

static RAW int move_between(const struct move *move)
{
	unsigned int shut = 0, shown = 0;
	int ret = 0;

	step(GATE_BEFORE);
	for (; shut < move->nr && !ret; shut += !ret)
		if (is_writable(&move->changes[shut]))
			ret = berth_port_gate->shut(move->changes[shut].at, move->size);
	step(GATE_SHUT);
	if (!ret)
		copy(move);
	step(GATE_COPIED);
	for (; shown < move->nr && !ret; shown += !ret)
		ret = show(move, shown, move->to_offset);
	if (ret) {
		/* One mapping in the place of one that is there: the host has no reason to refuse. */
		for (unsigned int i = 0; i < shown; i++)
			while (show(move, i, move->from_offset))
				syscall(SYS_sched_yield);
		for (unsigned int i = shown; i < shut; i++)
			if (is_writable(&move->changes[i]))
				berth_port_gate->open(move->changes[i].at, move->size);
	}
	step(GATE_SHOWN);
	for (unsigned int i = 0; i < move->nr; i++)
		berth_port_user_finish(&move->changes[i], !ret);
	return ret;
}

static RAW int try_all(const struct move *move)
{
	for (unsigned int i = 0; i < move->nr; i++) {
		int ret = berth_port_user_begin(&move->changes[i]);

		if (ret) {
			while (i--)
				berth_port_user_finish(&move->changes[i], false);
			return ret;
		}
	}
	return 0;
}

/* From a success on, pages are gated. */
static int begin_all(const struct move *move)
{
	int ret = try_all(move);

	if (ret != -ENOMEM)
		return ret;
	berth_port_user_read_limit(false);
	return try_all(move);
}

static int do_move(struct move *move, const struct berth_port_view *views)
{
	const struct berth_machine *machine = berth_port_machine();
	int ret;

	for (unsigned int i = 0; i < move->nr; i++)
		if ((views[i].access != BERTH_ACCESS_READ &&
		     views[i].access != BERTH_ACCESS_WRITE) ||
		    !describe(&move->changes[i], views[i].virt, move->size,
			      move->to | views[i].access, false))
			return fail(-EINVAL, "views", (uintptr_t)views[i].virt, move->size);
	if (find_file(move->from, move->size, &move->from_offset) < 0)
		return fail(-EINVAL, "from", move->from, move->size);
	move->fd = find_file(move->to, move->size, &move->to_offset);
	if (move->fd < 0)
		return fail(-EINVAL, "to", move->to, move->size);
	move->copy = machine->copy;
	ret = begin_all(move);
	if (!ret)
		ret = move_between(move);
	if (ret)
		return fail(ret, "berth_port_user_move", move->from, move->size);
	__atomic_fetch_add(&berth_port_gate_stats.moves, 1, __ATOMIC_RELAXED);
	return 0;
}

int berth_port_user_move(const struct berth_port_view *views, unsigned int nr, phys_addr_t from,
			 phys_addr_t to, uint64_t size)
{
	struct user_change few[4];
	struct move move = { .nr = nr, .from = from, .to = to, .size = size, .changes = few };
	int ret;

	if (!size || !nr)
		return fail(-EINVAL, "size", from, size);
	if (nr > ARRAY_SIZE(few))
		move.changes = calloc(nr, sizeof(few[0]));
	if (!move.changes)
		return berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "views", 0, nr);
	ret = do_move(&move, views);
	if (move.changes != few)
		free(move.changes);
	return ret;
}

/* A child sees RAM as it was and would go on to: it gets a fault instead. */
static void before_fork(void)
{
	pthread_mutex_lock(&ranges_lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&ranges_lock);
}

static void after_fork_in_child(void)
{
	for (const struct user_range *range = ranges; range; range = range->next)
		syscall(SYS_mmap, range->trap.start, range->trap.size, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	after_fork();
}

static void watch_forks(void)
{
	pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

/* With the lock. */
static int start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int ret;

	if (is_started)
		return 0;
	pthread_once(&once, watch_forks);
	berth_port_user_read_limit(true);
	ret = berth_port_trap_start();
	if (ret)
		return ret;
	ret = berth_port_gate->start();
	if (ret)
		berth_port_trap_stop();
	is_started = !ret;
	return ret;
}

static void unmap(struct user_range *range)
{
	if (range->trap.start)
		munmap((void *)range->trap.start, range->trap.size);
	if (range->states)
		munmap(range->states, range->nr * sizeof(range->states[0]));
	free(range);
}

static void *map_memory(uint64_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* A range that nobody knows of yet. */
static struct user_range *make_range(uint64_t size)
{
	struct user_range *range = calloc(1, sizeof(*range));

	if (!range)
		return NULL;
	range->nr = size / GATE_PAGE;
	range->states = map_memory(range->nr * sizeof(range->states[0]));
	range->trap.size = size;
	range->trap.start = (uintptr_t)map_memory(size);
	range->trap.look = berth_port_user_look;
	range->trap.ask = berth_fault_handle;
	if (range->states && range->trap.start &&
	    !berth_port_gate->prepare(range->trap.start, size))
		return range;
	unmap(range);
	return NULL;
}

/* With the lock. */
static struct user_range *reserve(uint64_t size)
{
	struct user_range *range = start() ? NULL : make_range(size);

	if (!range)
		return NULL;
	if (berth_port_user_count(range, true)) {
		if (!berth_port_trap_add(&range->trap)) {
			range->next = ranges;
			ranges = range;
			return range;
		}
		berth_port_user_count(range, false);
	}
	unmap(range);
	return NULL;
}

void *berth_port_user_reserve(uint64_t size)
{
	const struct berth_machine *machine = berth_port_machine();
	struct user_range *range;

	if (!size || size & (GATE_PAGE - 1) || size >> 46) {
		berth_port_fail(-EINVAL, BERTH_REASON_ARGUMENT, "size", size, 0);
		return NULL;
	}
	if (!berth_port_gate || !machine || !machine->ram_file) {
		berth_port_fail(-EOPNOTSUPP, BERTH_REASON_MAPPING, "memory that moves", 0, size);
		return NULL;
	}
	pthread_mutex_lock(&ranges_lock);
	range = reserve(size);
	pthread_mutex_unlock(&ranges_lock);
	if (!range) {
		fail(-ENOMEM, "", 0, size);
		return NULL;
	}
	return (void *)range->trap.start;
}

/* With the lock. */
static void release(struct user_range **link)
{
	struct user_range *range = *link;

	*link = range->next;
	berth_port_trap_remove(&range->trap);
	berth_port_user_count(range, false);
	unmap(range);
}

void berth_port_user_release(void *virt, uint64_t size)
{
	struct user_range **link = &ranges;

	pthread_mutex_lock(&ranges_lock);
	while (*link && (*link)->trap.start != (uintptr_t)virt)
		link = &(*link)->next;
	if (*link && (*link)->trap.size == size)
		release(link);
	pthread_mutex_unlock(&ranges_lock);
}

int berth_port_user_start(void)
{
	const char *wanted = secure_getenv("BERTH_GATE");

	berth_port_gate = NULL;
	if (wanted && *wanted && strcmp(wanted, "uffd") && strcmp(wanted, "signal"))
		return berth_port_fail(-EINVAL, BERTH_REASON_ARGUMENT, "BERTH_GATE", 0, 0);
	if ((!wanted || strcmp(wanted, "signal")) && berth_port_uffd_open())
		berth_port_gate = &berth_port_gate_uffd;
	else if (!wanted || strcmp(wanted, "uffd"))
		berth_port_gate = &berth_port_gate_signal;
	return 0;
}

void berth_port_user_stop(void)
{
	pthread_mutex_lock(&ranges_lock);
	while (ranges)
		release(&ranges);
	if (is_started) {
		berth_port_gate->stop();
		berth_port_trap_stop();
	}
	is_started = false;
	berth_port_gate = NULL;
	pthread_mutex_unlock(&ranges_lock);
	berth_port_uffd_close();
}

const char *berth_port_gate_name(void)
{
	return berth_port_gate ? berth_port_gate->name : "none";
}
