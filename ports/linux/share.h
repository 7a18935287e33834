/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RAM that other processes see: what range.c, share.c and share-swap.c have in common.
 *
 * All RAM lies in files of the machine's: one that cached mappings show, one that the others do. Where a
 * machine has but one cache-coherent memory the two are the same. Pages that are shared have a file of their
 * own in the place of one of them, which is put under every mapping of the pages: the machine's own (see
 * @area in berth/machine.h), and those of berth_port_range_map(), of which a list is kept.
 */
#ifndef PORTS_LINUX_SHARE_H
#define PORTS_LINUX_SHARE_H

#include "gate.h"

/* Which of the machine's files a type shows; with the address of the page, and never 0. */
static inline uint64_t share_key(enum berth_memory_type type)
{
	return type == BERTH_MEMORY_CACHED ? 1 : 2;
}

/*
 * Of what shows what, and of what is shared: taken inside any lock of a driver's, with interrupts away,
 * outside the machine's and those of user.c and fault.c. Returns what unlock wants.
 */
unsigned long berth_port_share_lock(void);
void berth_port_share_unlock(unsigned long flags);

/* range.c. With the lock. */

/* A page of a range. A range's lie one behind the other, with one that shows nothing at both ends. */
struct range_page {
	uint64_t shows; /* address of the RAM + key; 0: nothing */
	uintptr_t virt;
	struct range_page *next; /* with the same hash */
};

/* All runs of pages in ranges that show some of [phys, phys + size). */
struct range_cursor {
	phys_addr_t phys;
	uint64_t size, key;
	/* The run that was found: its address, its bytes, and how far into @phys .. it begins. */
	uintptr_t virt;
	uint64_t length, inside;
	const struct range_page *page;
};

/* RAW. The order is the same as long as nothing is mapped or unmapped. */
void berth_port_range_first(struct range_cursor *cursor, phys_addr_t phys, uint64_t size,
			    uint64_t key);
bool berth_port_range_next(struct range_cursor *cursor);
/* Have faults in the range of an address decided by share-swap.c. 0 or -ENOMEM. */
int berth_port_range_trap(uintptr_t virt);

/* share.c. With the lock. */

/*
 * Where the first page of [phys, phys + size) is, and how many bytes from there on lie one behind the other:
 * *@fd is negative if they are where the machine says.
 */
uint64_t berth_port_share_find(phys_addr_t phys, uint64_t size, uint64_t key, int *fd,
			       uint64_t *offset);
/* Whether anything is shared; without the lock it may be out of date. */
bool berth_port_share_is_any(void);
/* Takes the lock. Whether some of it is shared. */
bool berth_port_share_has(phys_addr_t phys, uint64_t size);
/* RAW. With the lock. Gives mappings back to the host, that were kept for this. False: there are none. */
bool berth_port_share_room(void);
/* At stop of the port, before the machine's, and in the child of a fork: what is shared is forgotten. */
void berth_port_share_stop(void);
void berth_port_share_forget(void);

/* share-swap.c */

/* Pages, at most SHARE_PIECE bytes of them, from one file to another. */
#define SHARE_PIECE (64 * GATE_PAGE)

struct share_swap {
	phys_addr_t phys;
	uint64_t size, key;
	uintptr_t place; /* in the machine's area */
	int from_fd, to_fd;
	uint64_t from, to;
};

/*
 * RAW. With the lock. 0; or a negative errno value with nothing changed. What is left in @from_fd is given
 * back to the host.
 */
int berth_port_share_swap(const struct share_swap *swap);
/* RAW: of struct trap_range, for all addresses at which such pages are seen. */
enum trap_answer berth_port_share_look(const struct trap_range *trap, uintptr_t at, bool is_write);

/* user.c and user-state.c */

/* The mechanism is ready: 0, or a negative errno value if it cannot be. */
int berth_port_user_open(void);
/* Whether a range of memory that may move shows some of it. */
bool berth_port_user_shows(phys_addr_t phys, uint64_t size);
/* Mappings for others than memory that moves. False: the limit. */
bool berth_port_user_set_aside(uint64_t nr);
void berth_port_user_give_back(uint64_t nr);

/*
 * For tests: not 0: the n-th call of the host from now on fails, and so many more behind it. Counts
 * down, and stays at 0.
 */
extern uint64_t berth_port_share_fail, berth_port_share_fail_more;
/* RAW */
bool berth_port_share_fails(void);

#endif
