/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cookies for registers that are reached by calls: addresses in a range that nobody may touch.
 * Arithmetic on them works, and a stray dereference faults at once. Each mapping has a part of the
 * range for itself, so that an access through a stale cookie is noticed. The caller has a lock.
 */
#ifndef PORTS_LINUX_COOKIES_H
#define PORTS_LINUX_COOKIES_H

#include <berth/types.h>

struct berth_region {
	uint64_t start; /* offset in the range */
	uint64_t size;
	phys_addr_t phys;
};

struct berth_cookies {
	uint8_t *base;
	uint64_t size;
	struct berth_region *regions; /* sorted */
	unsigned int nr_regions, max_regions;
};

/* 0, or -ENOMEM with the reason. */
int berth_cookies_start(struct berth_cookies *cookies, uint64_t size);
void berth_cookies_stop(struct berth_cookies *cookies);
/* NULL: no room. */
void *berth_cookies_add(struct berth_cookies *cookies, phys_addr_t phys, uint64_t size);
void berth_cookies_remove(struct berth_cookies *cookies, const void *cookie);
/* Where a whole access goes; false: to nothing that is mapped. */
bool berth_cookies_find(const struct berth_cookies *cookies, const volatile void *cookie,
			unsigned int bytes, phys_addr_t *phys);

#endif
