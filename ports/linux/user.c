// SPDX-License-Identifier: BSD-2-Clause
/* Memory that may move: the calls of port.h. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "share.h"
#include "user.h"

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

int berth_port_user_fail(int code, const char *subject, uint64_t address, uint64_t size)
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

bool berth_port_user_describe(struct user_change *change, const void *virt, uint64_t size,
			      uint64_t state, bool keeps_ram)
{
	struct user_range *range;
	uintptr_t at = (uintptr_t)virt;

	*change = (struct user_change){
		.nr = size / GATE_PAGE,
		.state = state,
		.keeps_ram = keeps_ram,
		.at = at,
		.size = size,
	};
	if (!size || (at | size) & (GATE_PAGE - 1))
		return false;
	pthread_mutex_lock(&ranges_lock);
	range = ranges;
	while (range && at - range->trap.start >= range->trap.size)
		range = range->next;
	if (range && size <= range->trap.size - (at - range->trap.start)) {
		change->range = range;
		change->first = (at - range->trap.start) / GATE_PAGE;
		__atomic_fetch_add(&range->calls, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&ranges_lock);
	return change->range;
}

void berth_port_user_put(const struct user_change *change)
{
	if (change->range)
		__atomic_fetch_sub(&change->range->calls, 1, __ATOMIC_RELEASE);
}

int berth_port_user_file(phys_addr_t phys, uint64_t size, uint64_t *offset)
{
	const struct berth_machine *machine = berth_port_machine();

	if (phys & (GATE_PAGE - 1) || !machine || !machine->ram_file)
		return -EINVAL;
	if (berth_port_share_has(phys, size))
		return -EBUSY;
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
	int ret, fd = berth_port_user_file(phys, size, &offset);

	if (fd < 0)
		return berth_port_user_fail(fd, "phys", phys, size);
	if ((access != BERTH_ACCESS_READ && access != BERTH_ACCESS_WRITE) ||
	    !berth_port_user_describe(&change, virt, size, phys | access, false))
		return berth_port_user_fail(-EINVAL, "virt", (uintptr_t)virt, size);
	ret = begin(&change);
	if (!ret)
		ret = map_between(&change, fd, offset, access);
	berth_port_user_put(&change);
	return ret ? berth_port_user_fail(ret, "berth_port_user_map", (uintptr_t)virt, size) : 0;
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
	    !berth_port_user_describe(&change, virt, size, access, true))
		return berth_port_user_fail(-EINVAL, "virt", (uintptr_t)virt, size);
	ret = begin(&change);
	if (!ret)
		ret = protect_between(&change, access);
	berth_port_user_put(&change);
	return ret ? berth_port_user_fail(ret, "berth_port_user_protect", (uintptr_t)virt, size)
		   : 0;
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

/* The threads that would answer are not there either, and their pipe is the parent's. */
static void after_fork_in_child(void)
{
	for (const struct user_range *range = ranges; range; range = range->next)
		syscall(SYS_mmap, range->trap.start, range->trap.size, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	ranges = NULL;
	berth_port_trap_forget();
	berth_port_share_forget();
	berth_port_uffd_close();
	berth_port_gate = NULL;
	is_started = false;
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

	if (is_started) {
		berth_port_user_read_limit(false);
		return 0;
	}
	pthread_once(&once, watch_forks);
	berth_port_user_read_limit(true);
	if (!berth_port_user_count_pages())
		return -ENOMEM;
	ret = berth_port_trap_start();
	if (ret) {
		berth_port_user_count_no_pages();
		return ret;
	}
	ret = berth_port_gate->start();
	if (ret) {
		berth_port_trap_stop();
		berth_port_trap_close();
		berth_port_user_count_no_pages();
	}
	is_started = !ret;
	return ret;
}

int berth_port_user_open(void)
{
	int ret = 0;

	if (!berth_port_gate)
		return berth_port_fail(-EOPNOTSUPP, BERTH_REASON_MAPPING,
				       "userfaultfd, as BERTH_GATE says", 0, 0);
	pthread_mutex_lock(&ranges_lock);
	if (!is_started)
		ret = start();
	pthread_mutex_unlock(&ranges_lock);
	return ret ? berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "threads", 0, 0) : 0;
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
		berth_port_user_fail(-ENOMEM, "", 0, size);
		return NULL;
	}
	return (void *)range->trap.start;
}

/* With the lock, which it drops meanwhile. */
static void release(struct user_range **link)
{
	struct user_range *range = *link;

	*link = range->next;
	pthread_mutex_unlock(&ranges_lock);
	/* Who waited for a page may go on before the call that gave it has returned. */
	while (__atomic_load_n(&range->calls, __ATOMIC_ACQUIRE))
		sched_yield();
	berth_port_trap_remove(&range->trap);
	berth_port_user_count(range, false);
	unmap(range);
	pthread_mutex_lock(&ranges_lock);
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

/* A thread that has just given a page may still be on its way back: it needs the lock, and the gate. */
void berth_port_user_stop(void)
{
	if (is_started) {
		berth_port_trap_stop();
		berth_port_gate->stop();
		berth_port_trap_close();
	}
	pthread_mutex_lock(&ranges_lock);
	while (ranges)
		release(&ranges);
	berth_port_user_count_no_pages();
	is_started = false;
	berth_port_gate = NULL;
	pthread_mutex_unlock(&ranges_lock);
	berth_port_uffd_close();
}

const char *berth_port_gate_name(void)
{
	return berth_port_gate ? berth_port_gate->name : "none";
}
