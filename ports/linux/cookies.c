// SPDX-License-Identifier: BSD-2-Clause
/* Cookies for registers that are reached by calls. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cookies.h"
#include "host.h"

#define PAGE 4096ull

int berth_cookies_start(struct berth_cookies *cookies, uint64_t size)
{
	void *base =
		mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "cookies", 0, size);
	*cookies = (struct berth_cookies){ .base = base, .size = size };
	return 0;
}

void berth_cookies_stop(struct berth_cookies *cookies)
{
	if (cookies->base)
		munmap(cookies->base, cookies->size);
	free(cookies->regions);
	*cookies = (struct berth_cookies){ 0 };
}

static uint64_t offset_of(const struct berth_cookies *cookies, const volatile void *cookie)
{
	return (uint64_t)((uintptr_t)cookie - (uintptr_t)cookies->base);
}

/* The first region that ends behind @offset. */
static unsigned int region_behind(const struct berth_cookies *cookies, uint64_t offset)
{
	unsigned int low = 0, high = cookies->nr_regions;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (cookies->regions[middle].start + cookies->regions[middle].size > offset)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* The same place in its page as the register; a page is left free between regions. */
void *berth_cookies_add(struct berth_cookies *cookies, phys_addr_t phys, uint64_t size)
{
	uint64_t start = PAGE + (phys & (PAGE - 1));
	unsigned int at = 0;

	if (size >= cookies->size)
		return NULL;
	if (cookies->nr_regions == cookies->max_regions) {
		unsigned int max = cookies->max_regions ? 2 * cookies->max_regions : 16;
		struct berth_region *regions = realloc(cookies->regions, max * sizeof(*regions));

		if (!regions)
			return NULL;
		cookies->regions = regions;
		cookies->max_regions = max;
	}
	for (; at < cookies->nr_regions; at++) {
		const struct berth_region *region = &cookies->regions[at];

		if (start + size + PAGE <= region->start)
			break;
		start = region->start + region->size + PAGE;
		start = ((start + PAGE - 1) & ~(PAGE - 1)) + (phys & (PAGE - 1));
	}
	if (start + size + PAGE > cookies->size)
		return NULL;
	memmove(&cookies->regions[at + 1], &cookies->regions[at],
		(cookies->nr_regions - at) * sizeof(cookies->regions[0]));
	cookies->regions[at] = (struct berth_region){ .start = start, .size = size, .phys = phys };
	cookies->nr_regions++;
	return cookies->base + start;
}

void berth_cookies_remove(struct berth_cookies *cookies, const void *cookie)
{
	uint64_t offset = offset_of(cookies, cookie);
	unsigned int at = region_behind(cookies, offset);

	if (at == cookies->nr_regions || cookies->regions[at].start != offset)
		return;
	cookies->nr_regions--;
	memmove(&cookies->regions[at], &cookies->regions[at + 1],
		(cookies->nr_regions - at) * sizeof(cookies->regions[0]));
}

bool berth_cookies_find(const struct berth_cookies *cookies, const volatile void *cookie,
			unsigned int bytes, phys_addr_t *phys)
{
	uint64_t offset = offset_of(cookies, cookie);
	unsigned int at = region_behind(cookies, offset);
	const struct berth_region *region = &cookies->regions[at];

	if (at == cookies->nr_regions || offset < region->start ||
	    offset - region->start + bytes > region->size)
		return false;
	*phys = region->phys + (offset - region->start);
	return true;
}
