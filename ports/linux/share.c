// SPDX-License-Identifier: BSD-2-Clause
/* RAM that other processes see: the calls of port.h, and what is shared. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "share.h"
#include "user.h"

/* What another process could do to make us fault is sealed away: it cannot make the file shorter. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct share_run {
	phys_addr_t phys;
	uint64_t size;
	uint64_t at; /* in the file of its own */
	uint64_t home; /* in the machine's */
	int home_fd;
};

struct share {
	int fd;
	enum berth_memory_type type;
	uint64_t mappings; /* set aside */
	struct share *next;
	unsigned int nr;
	struct share_run runs[];
};

/* Per page of RAM: the file in which it is, and which page of that. */
struct shared_page {
	uint32_t fd; /* + 1; 0: it is not shared */
	uint32_t page;
};

/* The machine's own mappings: of what is cached, and of what is not. */
struct area {
	struct trap_range trap;
	struct shared_page *pages;
	phys_addr_t base;
	bool is_ready;
};

/*
 * Mappings that nobody needs. A program that has used up all that the host gives gets these: the way back
 * takes one or two, for a moment.
 */
#define SPARE_PAGES 17
static char *spare;

static pthread_mutex_t share_lock = PTHREAD_MUTEX_INITIALIZER;
static struct area areas[2];
static struct share *shares;
static uint32_t nr_shares;

unsigned long berth_port_share_lock(void)
{
	unsigned long flags = berth_port_irq_save();

	pthread_mutex_lock(&share_lock);
	return flags;
}

void berth_port_share_unlock(unsigned long flags)
{
	pthread_mutex_unlock(&share_lock);
	berth_port_irq_restore(flags);
}

bool berth_port_share_is_any(void)
{
	return __atomic_load_n(&nr_shares, __ATOMIC_RELAXED);
}

static struct shared_page *page_of(struct area *area, phys_addr_t phys)
{
	return &area->pages[(phys - area->base) / GATE_PAGE];
}

uint64_t berth_port_share_find(phys_addr_t phys, uint64_t size, uint64_t key, int *fd,
			       uint64_t *offset)
{
	struct area *area = &areas[key - 1];
	struct shared_page *first;
	uint64_t length = GATE_PAGE;

	*fd = -1;
	*offset = 0;
	if (!area->is_ready || phys - area->base >= area->trap.size)
		return size;
	first = page_of(area, phys);
	if (first->fd) {
		*fd = (int)first->fd - 1;
		*offset = (uint64_t)first->page * GATE_PAGE;
	}
	for (uint32_t i = 1; length < size && first[i].fd == first->fd &&
			     (!first->fd || first[i].page == first->page + i);
	     i++)
		length += GATE_PAGE;
	return length;
}

bool berth_port_share_has(phys_addr_t phys, uint64_t size)
{
	unsigned long flags;
	uint64_t offset;
	bool has = false;
	int fd;

	if (!berth_port_share_is_any())
		return false;
	flags = berth_port_share_lock();
	for (uint64_t key = 1; key <= 2 && !has; key++)
		has = berth_port_share_find(phys, size, key, &fd, &offset) < size || fd >= 0;
	berth_port_share_unlock(flags);
	return has;
}

/* Every second page is another mapping than its neighbours. */
static int keep_spare(void)
{
	void *at = MAP_FAILED;
	int ret = 0;

	if (spare)
		return 0;
	if (!berth_port_share_fails())
		at = mmap(NULL, SPARE_PAGES * GATE_PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return -ENOMEM;
	spare = at;
	for (unsigned int i = 1; i < SPARE_PAGES && !ret; i += 2)
		ret = mprotect(spare + i * GATE_PAGE, GATE_PAGE, PROT_READ);
	if (ret)
		berth_port_share_room();
	return ret ? -ENOMEM : 0;
}

/* What has to be split to go away goes last. */
RAW bool berth_port_share_room(void)
{
	char *at = spare;

	if (!at)
		return false;
	spare = NULL;
	syscall(SYS_munmap, at + GATE_PAGE, (SPARE_PAGES - 2) * GATE_PAGE);
	syscall(SYS_munmap, at, SPARE_PAGES * GATE_PAGE);
	return true;
}

/* With the lock. The table is as sparse as RAM is. */
static int prepare_area(const struct berth_machine *machine, enum berth_memory_type type)
{
	struct area *area = &areas[share_key(type) - 1];
	void *pages;

	if (area->is_ready)
		return 0;
	area->trap.start = (uintptr_t)machine->area(type, &area->base, &area->trap.size);
	area->trap.look = berth_port_share_look;
	pages = berth_port_share_fails()
			? MAP_FAILED
			: mmap(NULL, area->trap.size / GATE_PAGE * sizeof(area->pages[0]),
			       PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			       -1, 0);
	if (pages == MAP_FAILED)
		return -ENOMEM;
	if (berth_port_trap_add(&area->trap)) {
		munmap(pages, area->trap.size / GATE_PAGE * sizeof(area->pages[0]));
		return -ENOMEM;
	}
	area->pages = pages;
	area->is_ready = true;
	return 0;
}

/* With the lock. A page is in one file at most, whatever it is seen as. */
static bool is_free(const struct share_run *run)
{
	uint64_t offset;
	bool is = true;
	int fd;

	for (uint64_t key = 1; key <= 2; key++)
		is = is &&
		     berth_port_share_find(run->phys, run->size, key, &fd, &offset) == run->size &&
		     fd < 0;
	return is;
}

static void mark(const struct share *share, const struct share_run *run, bool is_in)
{
	struct shared_page *page = page_of(&areas[share_key(share->type) - 1], run->phys);

	for (uint64_t i = 0; i < run->size / GATE_PAGE; i++) {
		page[i].fd = is_in ? (uint32_t)share->fd + 1 : 0;
		page[i].page = is_in ? (uint32_t)(run->at / GATE_PAGE + i) : 0;
	}
}

/* With the lock: the first runs are as if they had never been shared. */
static void end_runs(const struct berth_machine *machine, const struct share *share,
		     unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		mark(share, &share->runs[i], false);
		machine->unshare(share->runs[i].phys, share->runs[i].size, share->type);
	}
}

static int no_memory(uint64_t size)
{
	return berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "memory that is shared", 0,
			       size);
}

/* With the lock. */
static int begin_run(const struct berth_machine *machine, const struct share *share,
		     struct share_run *run)
{
	int ret = machine->share(run->phys, run->size, share->type, &run->home);

	if (ret < 0)
		return ret;
	run->home_fd = ret;
	ret = prepare_area(machine, share->type) || keep_spare() ? no_memory(run->size) : 0;
	if (!ret && !is_free(run))
		ret = berth_port_fail(-EBUSY, BERTH_REASON_STATE, "memory that is shared",
				      run->phys, run->size);
	else if (!ret && berth_port_user_shows(run->phys, run->size))
		ret = berth_port_fail(-EBUSY, BERTH_REASON_STATE, "memory that may move", run->phys,
				      run->size);
	if (ret)
		machine->unshare(run->phys, run->size, share->type);
	else
		mark(share, run, true);
	return ret;
}

static int begin_runs(const struct berth_machine *machine, struct share *share)
{
	uint64_t at = 0;
	int ret = 0;

	for (unsigned int i = 0; i < share->nr && !ret; i++) {
		share->runs[i].at = at;
		at += share->runs[i].size;
		ret = begin_run(machine, share, &share->runs[i]);
		if (ret)
			end_runs(machine, share, i);
	}
	return ret;
}

/* Each mapping may cost itself, and the other half of the one that it splits. */
static int set_aside(struct share *share)
{
	struct range_cursor cursor;
	int ret = 0;

	share->mappings = 0;
	for (unsigned int i = 0; i < share->nr && !ret; i++) {
		share->mappings += 2;
		berth_port_range_first(&cursor, share->runs[i].phys, share->runs[i].size,
				       share_key(share->type));
		while (!ret && berth_port_range_next(&cursor)) {
			share->mappings += 2;
			ret = berth_port_range_trap(cursor.virt);
		}
	}
	if (ret)
		return no_memory(0);
	if (berth_port_user_set_aside(share->mappings))
		return 0;
	return berth_port_user_fail(-ENOMEM, "", share->runs[0].phys, share->runs[0].size);
}

static int size_file(const struct share *share)
{
	const struct share_run *last = &share->runs[share->nr - 1];
	uint64_t size = last->at + last->size;

	if (berth_port_share_fails() || ftruncate(share->fd, (off_t)size) ||
	    berth_port_share_fails() || fcntl(share->fd, F_ADD_SEALS, SEALS))
		return no_memory(size);
	return 0;
}

/*
 * The first @bytes, from the machine's file to that of their own, or back, a piece at a time. Returns how
 * many; on the way back it is all of them, as soon as the host has memory for a piece.
 */
static uint64_t swap_bytes(const struct share *share, uint64_t bytes, bool is_in)
{
	const struct area *area = &areas[share_key(share->type) - 1];
	const struct share_run *run = share->runs;
	uint64_t done = 0;
	int ret = 0;

	while (done < bytes && (!ret || !is_in)) {
		uint64_t inside = done - run->at, left = run->size - inside;
		struct share_swap swap = {
			.phys = run->phys + inside,
			.size = left < SHARE_PIECE ? left : SHARE_PIECE,
			.key = share_key(share->type),
			.from_fd = is_in ? run->home_fd : share->fd,
			.to_fd = is_in ? share->fd : run->home_fd,
			.from = is_in ? run->home + inside : done,
			.to = is_in ? done : run->home + inside,
		};

		swap.place = area->trap.start + (uintptr_t)(swap.phys - area->base);
		ret = berth_port_share_swap(&swap);
		done += ret ? 0 : swap.size;
		if (!ret && swap.size == left)
			run++;
		else if (ret && !is_in && !berth_port_share_room())
			usleep(1000);
	}
	return done;
}

/* With the lock, the pages marked. */
static int swap_in(struct share *share)
{
	uint64_t size = share->runs[share->nr - 1].at + share->runs[share->nr - 1].size, done;
	int ret;

	ret = size_file(share);
	if (!ret)
		ret = set_aside(share);
	if (ret)
		return ret;
	done = swap_bytes(share, size, true);
	if (done == size)
		return 0;
	swap_bytes(share, done, false);
	berth_port_user_give_back(share->mappings);
	return berth_port_fail(-ENOMEM, BERTH_REASON_MAPPING, "memory, or vm.max_map_count",
			       share->runs[0].phys, size);
}

/* With the lock. */
static int begin_share(const struct berth_machine *machine, struct share *share)
{
	int ret = begin_runs(machine, share);

	if (ret)
		return ret;
	ret = swap_in(share);
	if (ret) {
		end_runs(machine, share, share->nr);
		return ret;
	}
	share->next = shares;
	shares = share;
	__atomic_fetch_add(&nr_shares, 1, __ATOMIC_RELAXED);
	return 0;
}

static struct share *make_share(const struct berth_range *runs, unsigned int nr,
				enum berth_memory_type type)
{
	struct share *share = NULL;

	if (!berth_port_share_fails())
		share = calloc(1, sizeof(*share) + nr * sizeof(share->runs[0]));
	if (!share)
		return NULL;
	share->type = type;
	share->nr = nr;
	for (unsigned int i = 0; i < nr; i++)
		share->runs[i] = (struct share_run){ .phys = runs[i].base, .size = runs[i].size };
	share->fd = berth_port_share_fails()
			    ? -1
			    : memfd_create("berth-shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (share->fd >= 0)
		return share;
	free(share);
	return NULL;
}

/* Who still has the file keeps none of our memory by it. */
static void free_share(struct share *share)
{
	const struct share_run *last = &share->runs[share->nr - 1];

	fallocate(share->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		  (off_t)(last->at + last->size));
	close(share->fd);
	free(share);
}

int berth_port_share(const struct berth_range *runs, unsigned int nr, enum berth_memory_type type)
{
	const struct berth_machine *machine = berth_port_machine();
	struct share *share;
	unsigned long flags;
	uint64_t offset;
	int ret;

	if (!nr || (unsigned int)type > BERTH_MEMORY_UNCACHED)
		return berth_port_fail(-EINVAL, BERTH_REASON_ARGUMENT, nr ? "type" : "nr",
				       nr ? (uint64_t)type : nr, 0);
	if (!machine || !machine->share)
		return berth_port_fail(-EOPNOTSUPP, BERTH_REASON_MAPPING,
				       "other processes: not on this machine", runs[0].base, 0);
	if (!machine->area)
		return machine->share(runs[0].base, runs[0].size, type, &offset);
	ret = berth_port_user_open();
	if (ret)
		return ret;
	share = make_share(runs, nr, type);
	if (!share)
		return no_memory(0);
	flags = berth_port_share_lock();
	ret = begin_share(machine, share);
	berth_port_share_unlock(flags);
	if (!ret)
		return share->fd;
	free_share(share);
	return ret;
}

void berth_port_unshare(int handle)
{
	const struct berth_machine *machine = berth_port_machine();
	struct share **link = &shares, *share;
	unsigned long flags = berth_port_share_lock();

	while (*link && (*link)->fd != handle)
		link = &(*link)->next;
	share = *link;
	if (share) {
		const struct share_run *last = &share->runs[share->nr - 1];

		*link = share->next;
		swap_bytes(share, last->at + last->size, false);
		end_runs(machine, share, share->nr);
		berth_port_user_give_back(share->mappings);
		__atomic_fetch_sub(&nr_shares, 1, __ATOMIC_RELAXED);
		/* For the others, if they have been used. */
		if (shares)
			keep_spare();
	}
	berth_port_share_unlock(flags);
	if (share)
		free_share(share);
}

void berth_port_share_forget(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(areas); i++)
		areas[i].is_ready = false;
	shares = NULL;
	spare = NULL;
	__atomic_store_n(&nr_shares, 0, __ATOMIC_RELAXED);
}

void berth_port_share_stop(void)
{
	unsigned long flags = berth_port_share_lock();
	struct share *share;

	while ((share = shares)) {
		shares = share->next;
		berth_port_user_give_back(share->mappings);
		free_share(share);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(areas); i++)
		if (areas[i].is_ready) {
			berth_port_trap_remove(&areas[i].trap);
			munmap(areas[i].pages,
			       areas[i].trap.size / GATE_PAGE * sizeof(areas[i].pages[0]));
		}
	berth_port_share_room();
	berth_port_share_forget();
	berth_port_share_unlock(flags);
}
