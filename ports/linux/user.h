/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What user.c, user-move.c and user-state.c share: which page shows what.
 *
 * A change of pages is done in three steps: under the lock they are marked as gated, and the
 * mappings that the change may cost are set aside; the mechanism makes its system calls with no
 * lock held; under the lock the pages get their new state. Who faults on a gated page waits.
 */
#ifndef PORTS_LINUX_USER_H
#define PORTS_LINUX_USER_H

#include "gate.h"

struct user_range {
	struct trap_range trap; /* first */
	uint64_t nr;
	uint64_t *states;
	uint32_t calls; /* about it that are under way: release waits for them */
	struct user_range *next;
};

/* The state of a page: the RAM that it shows, and in the bits below what may be done with it. */
#define USER_ACCESS 0x3ull
/* Instead of an access: the program has been refused here, and the host's protection says so. */
#define USER_SHUT 0x3ull
#define USER_GATED 0x4ull

/* Pages [@first, @first + @nr) of a range become @state, a page of RAM further for each. */
struct user_change {
	struct user_range *range;
	uint64_t first, nr;
	uint64_t state;
	bool keeps_ram; /* only the access changes */
	uint64_t reserved; /* mappings that were set aside */
	uintptr_t at;
	size_t size;
};

static inline enum berth_port_access user_access(const struct user_change *change)
{
	return (enum berth_port_access)(change->state & USER_ACCESS);
}

/*
 * RAW. Gate the pages: 0, -EBUSY, -EINVAL, or -ENOMEM at the limit of mappings. On 0, finish is owed:
 * they become what the change says, or stay what they were, and whoever waits for them is woken.
 */
int berth_port_user_begin(struct user_change *change);
void berth_port_user_finish(const struct user_change *change, bool is_done);

/* user.c */

/*
 * Fills in a change of pages, all of one range. False: they are not. Otherwise the range stays until
 * berth_port_user_put().
 */
bool berth_port_user_describe(struct user_change *change, const void *virt, uint64_t size,
			      uint64_t state, bool keeps_ram);
void berth_port_user_put(const struct user_change *change);
/* The file in which a part of the linear map lies, and where; a negative errno value if it is none. */
int berth_port_user_file(phys_addr_t phys, uint64_t size, uint64_t *offset);
/* The reason of a failed call. Returns @code. */
int berth_port_user_fail(int code, const char *subject, uint64_t address, uint64_t size);

/* Of struct trap_range. */
enum trap_answer berth_port_user_look(const struct trap_range *trap, uintptr_t at, bool is_write);

/*
 * The limit of mappings: read what the host allows (again); at the first reserve also count what
 * the process has of its own. Not while a page is gated.
 */
void berth_port_user_read_limit(bool is_first);
uint64_t berth_port_user_limit(void);
/* Have it known what ranges show, from the start on. False: no memory. */
bool berth_port_user_count_pages(void);
void berth_port_user_count_no_pages(void);
/* A whole range comes or goes. False: the limit. */
bool berth_port_user_count(const struct user_range *range, bool is_coming);

/* The mechanism in use; NULL while the port is stopped, or where there is none. */
extern const struct gate *berth_port_gate;

#endif
