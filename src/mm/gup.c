// SPDX-License-Identifier: BSD-2-Clause
/* Pins by address: the pages behind memory that a program sees, wherever they are just now. */
#include <berth/migrate.h>
#include <berth/port.h>

#include "lib/error.h"
#include "mm/internal.h"
#include "mm/user.h"

/* A page may be caught in the middle of a move; not again and again, unless somebody sees to it. */
static int pin_one(void *virt, unsigned int gup_flags, struct page **page, const char *who)
{
	uint64_t start = berth_port_now();
	int err;

	for (unsigned int turn = 0;; turn++) {
		err = berth_user_page(virt, gup_flags & FOLL_WRITE, page);
		if (err)
			return err;
		err = pin_pages(page, 1, gup_flags, who);
		put_page(*page);
		if (err != -EAGAIN || berth_port_now() - start > BERTH_WAIT_NS)
			return err;
		berth_pause(turn);
	}
}

long berth_pin_user_memory(const void *start, unsigned long nr_pages, unsigned int gup_flags,
			   struct page **pages, const char *who)
{
	uintptr_t at = (uintptr_t)start & ~(PAGE_SIZE - 1);
	unsigned long nr;
	int err = 0;

	if (nr_pages > LONG_MAX)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "nr_pages", nr_pages);
	for (nr = 0; nr < nr_pages; nr++, at += PAGE_SIZE) {
		err = pin_one((void *)at, gup_flags, &pages[nr], who);
		if (err)
			break;
	}
	return nr ? (long)nr : err;
}
