// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <berth/anon.h>
#include <berth/file.h>
#include <berth/filecache.h>
#include <berth/migrate.h>

#include "tenants.h"

/* Of the memory that is free: in movable memory, and the size of the file. */
#define ANON_PERCENT 50
#define FILE_PERCENT 80
/* Pages that are used between two frames. */
#define USES 64

struct tenants {
	struct tenant_work *work;
	uint64_t random;
	uint8_t *anon;
	uint64_t anon_pages;
	uint32_t *anon_counts; /* what is in them, kept where no page moves */
	struct backing *backing;
	struct berth_file *file;
	uint8_t *mapped;
	uint64_t file_pages;
	uint32_t *file_counts;
	char path[64];
	uint8_t *kinds; /* of the pages of RAM, when they were remembered */
};

static uint64_t next_random(struct tenants *t, uint64_t below)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (t->random >> 11) % below;
}
