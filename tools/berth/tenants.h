/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that needs all the memory that the devices leave: it counts in movable memory, and reads
 * and changes a file that is larger than what is left, through the file cache and through a mapping.
 */
#ifndef TOOL_TENANTS_H
#define TOOL_TENANTS_H

#include <stddef.h>
#include <stdint.h>

#include <berth/berth.h>
#include <berth/mm.h>

/* Who held a page. */
enum tenant_kind { TENANT_NONE, TENANT_FILE, TENANT_ANON, TENANT_KINDS };

struct tenant_work {
	struct berth_memory_info memory; /* when they were all there */
	uint64_t pages[TENANT_KINDS]; /* then */
	uint64_t moved, dropped, written; /* pages, while devices took memory */
	uint64_t hits, misses; /* of the file cache */
	uint64_t checks; /* pages looked at */
	uint64_t wrong; /* of those, with a byte that is not what was written last */
};

struct tenants;

/* Fill memory. NULL with a line in @error. */
struct tenants *tenants_start(uint64_t seed, struct tenant_work *work, char *error, size_t size);

/* What the program does between two frames: it goes on using its memory. */
void tenants_use(struct tenants *tenants);

/* Look at every byte once more, and give all back. */
void tenants_end(struct tenants *tenants);

/* Remember who holds which page, and count for a range who held it. */
void tenants_remember(struct tenants *tenants);
void tenants_held(const struct tenants *tenants, uint64_t pfn, uint64_t pages,
		  uint64_t held[TENANT_KINDS]);

/* Whose page it is now. */
enum tenant_kind tenant_kind(uint64_t pfn);

#endif
