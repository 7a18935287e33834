// SPDX-License-Identifier: BSD-2-Clause
/*
 * Registers. A cookie is an address in a range that nobody may touch: arithmetic on it works, and
 * a stray dereference faults at once. Each ioremap() has a part of the range for itself, so that an
 * access through a stale cookie is noticed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "model/internal.h"

#define COOKIES_SIZE (1ull << 32)

int mmio_start(void)
{
	void *cookies = mmap(NULL, COOKIES_SIZE, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (cookies == MAP_FAILED)
		return berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "cookies", 0,
				       COOKIES_SIZE);
	soc.cookies = cookies;
	return 0;
}

void mmio_stop(void)
{
	if (soc.cookies)
		munmap(soc.cookies, COOKIES_SIZE);
	free(soc.regions);
	soc.cookies = NULL;
	soc.regions = NULL;
	soc.nr_regions = soc.max_regions = 0;
}

struct model_device *mmio_device(phys_addr_t phys)
{
	for (struct model_device *dev = soc.devices; dev; dev = dev->next)
		if (phys >= dev->base && phys - dev->base < dev->size)
			return dev;
	return NULL;
}

/* The first region that ends behind @offset: regions are sorted. */
static unsigned int region_behind(uint64_t offset)
{
	unsigned int low = 0, high = soc.nr_regions;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (soc.regions[middle].start + soc.regions[middle].size > offset)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* The same place in its page as the register; a page is left free between regions. */
static void *add_region(phys_addr_t phys, uint64_t size)
{
	uint64_t start = MODEL_PAGE + (phys & (MODEL_PAGE - 1));
	unsigned int at = 0;

	if (soc.nr_regions == soc.max_regions) {
		unsigned int max = soc.max_regions ? 2 * soc.max_regions : 16;
		struct region *regions = realloc(soc.regions, max * sizeof(*regions));

		if (!regions)
			return NULL;
		soc.regions = regions;
		soc.max_regions = max;
	}
	for (; at < soc.nr_regions; at++) {
		const struct region *region = &soc.regions[at];

		if (start + size + MODEL_PAGE <= region->start)
			break;
		start = region->start + region->size + MODEL_PAGE;
		start = ((start + MODEL_PAGE - 1) & ~(MODEL_PAGE - 1)) + (phys & (MODEL_PAGE - 1));
	}
	if (start + size + MODEL_PAGE > COOKIES_SIZE)
		return NULL;
	memmove(&soc.regions[at + 1], &soc.regions[at],
		(soc.nr_regions - at) * sizeof(soc.regions[0]));
	soc.regions[at] = (struct region){ .start = start, .size = size, .phys = phys };
	soc.nr_regions++;
	return soc.cookies + start;
}

/* RAM outside the linear map can be reached like registers. */
static bool is_spare_ram(phys_addr_t phys, uint64_t size)
{
	const struct model_ram *ram = &soc.ram;

	if (ram_run(ram->banks, ram->nr_banks, phys, size) != size)
		return false;
	for (unsigned int i = 0; i < ram->nr_mapped; i++)
		if (phys < ram->mapped[i].base + ram->mapped[i].size &&
		    phys + size > ram->mapped[i].base)
			return false;
	return true;
}

void *mmio_map(phys_addr_t phys, uint64_t size)
{
	void *cookie = NULL;
	bool is_there;

	model_enter(500);
	is_there = size && phys + size >= phys && size < COOKIES_SIZE &&
		   (mmio_device(phys) || is_spare_ram(phys, size));
	if (is_there)
		cookie = add_region(phys, size);
	model_leave();
	if (!is_there)
		berth_port_fail(-ENODEV, BERTH_REASON_NO_DEVICE, "ioremap", phys, size);
	else if (!cookie)
		berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "ioremap", phys, size);
	return cookie;
}

void mmio_unmap(void *cookie)
{
	uint64_t offset = (uint64_t)((uintptr_t)cookie - (uintptr_t)soc.cookies);
	unsigned int at;

	model_enter(500);
	at = region_behind(offset);
	if (at < soc.nr_regions && soc.regions[at].start == offset) {
		soc.nr_regions--;
		memmove(&soc.regions[at], &soc.regions[at + 1],
			(soc.nr_regions - at) * sizeof(soc.regions[0]));
	}
	model_leave();
}

/* The device behind a whole access; NULL: a bus error. */
static struct model_device *resolve(const volatile void *cookie, unsigned int bytes,
				    phys_addr_t *phys)
{
	uint64_t offset = (uint64_t)((uintptr_t)cookie - (uintptr_t)soc.cookies);
	unsigned int at = region_behind(offset);
	const struct region *region = &soc.regions[at];
	struct model_device *dev;

	*phys = 0;
	if (at == soc.nr_regions || offset < region->start ||
	    offset - region->start + bytes > region->size)
		return NULL;
	*phys = region->phys + (offset - region->start);
	dev = mmio_device(*phys);
	if (!dev || *phys % bytes || *phys - dev->base + bytes > dev->size)
		return NULL;
	return dev;
}

/* As on many SoCs: reads give all ones, writes go nowhere. The reason is the thread's last error. */
static void bus_error(phys_addr_t phys, unsigned int bytes)
{
	soc.stats.bus_errors++;
	model_note(NOTE_BUS_ERROR, phys, bytes);
	berth_port_fail(-EFAULT, BERTH_REASON_NO_DEVICE, "register access", phys, bytes);
}

uint64_t mmio_read(const volatile void *cookie, unsigned int bytes)
{
	uint64_t value = UINT64_MAX >> (64 - 8 * bytes);
	struct model_device *dev, *outer;
	phys_addr_t phys;

	model_enter(100);
	soc.stats.register_accesses++;
	dev = resolve(cookie, bytes, &phys);
	if (!dev && !(phys && ram_access(phys, bytes, &value, false))) {
		bus_error(phys, bytes);
	} else if (dev && dev->type->read) {
		outer = soc.current;
		soc.current = dev;
		value &= dev->type->read(dev, phys - dev->base, bytes);
		soc.current = outer;
	}
	model_note(NOTE_READ, phys, value);
	model_leave();
	return value;
}

void mmio_write(volatile void *cookie, unsigned int bytes, uint64_t value)
{
	struct model_device *dev, *outer;
	phys_addr_t phys;

	model_enter(100);
	soc.stats.register_accesses++;
	dev = resolve(cookie, bytes, &phys);
	model_note(NOTE_WRITE, phys, value);
	if (!dev && !(phys && ram_access(phys, bytes, &value, true))) {
		bus_error(phys, bytes);
	} else if (dev && dev->type->write) {
		outer = soc.current;
		soc.current = dev;
		dev->type->write(dev, phys - dev->base, bytes, value);
		soc.current = outer;
	}
	model_leave();
}
