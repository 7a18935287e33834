// SPDX-License-Identifier: BSD-2-Clause
/*
 * Views of RAM beside the linear map. A cached view shows the file of C, any other that of D. Of
 * RAM outside the linear map C, as the model sees it, is there only while a cached view is: so
 * long a line of it may be in the cache.
 */
#include <errno.h>
#include <sys/mman.h>

#include "model/internal.h"
#include "trap.h"

static uint16_t *views_of(phys_addr_t phys)
{
	return &soc.ram.views[(phys - soc.ram.base) / MODEL_PAGE];
}

/* The cache has read nothing of the page: the three copies are what memory is. */
static int appear(phys_addr_t page)
{
	const struct model_ram *ram = &soc.ram;
	uint64_t at = page - ram->base;

	if (mmap(ram->c + at, MODEL_PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED | MAP_NORESERVE, ram->fd[0],
		 (off_t)ram_offset(page)) == MAP_FAILED)
		return -ENOMEM;
	ram_set_direct(page, MODEL_PAGE, true);
	raw_write(ram->c + at, ram->d + at, MODEL_PAGE);
	raw_write(ram->s + at, ram->d + at, MODEL_PAGE);
	soc.ram.nr_viewed++;
	return 0;
}

static void vanish(phys_addr_t page)
{
	uint8_t *c = soc.ram.c + (page - soc.ram.base);

	cache_flush_lines(page, MODEL_PAGE);
	*views_of(page) = 0;
	soc.ram.nr_viewed--;
	if (mmap(c, MODEL_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
		 -1, 0) == MAP_FAILED)
		mprotect(c, MODEL_PAGE, PROT_NONE);
}

static void remove_views(phys_addr_t phys, phys_addr_t end)
{
	for (; phys < end; phys += MODEL_PAGE) {
		uint16_t *views = views_of(phys);

		if (*views == 1)
			vanish(phys);
		else if (*views)
			(*views)--;
	}
}

static int add_views(phys_addr_t phys, uint64_t size)
{
	for (phys_addr_t at = phys; at < phys + size; at += MODEL_PAGE) {
		uint16_t *views = views_of(at);

		if (*views == UINT16_MAX || (!*views && appear(at))) {
			remove_views(phys, at);
			return -ENOMEM;
		}
		(*views)++;
	}
	return 0;
}

/* Whether all of it is in the linear map: 1, or nothing: 0, or neither: negative. */
static int is_linear(phys_addr_t phys, uint64_t size)
{
	const struct model_ram *ram = &soc.ram;

	if (ram_run(ram->mapped, ram->nr_mapped, phys, size) == size)
		return 1;
	for (unsigned int i = 0; i < ram->nr_mapped; i++)
		if (phys < ram->mapped[i].base + ram->mapped[i].size &&
		    phys + size > ram->mapped[i].base)
			return -EINVAL;
	return 0;
}

/* Whether all of it, in the linear map, is seen uncached, or nothing of it. */
static bool is_all(phys_addr_t phys, uint64_t size, bool uncached)
{
	for (phys_addr_t at = phys; at < phys + size; at += MODEL_PAGE)
		if (ram_is_uncached(at) != uncached)
			return false;
	return true;
}

/* With the lock. */
static int begin_view(phys_addr_t phys, uint64_t size, enum berth_memory_type type,
		      uint64_t *offset)
{
	const struct model_ram *ram = &soc.ram;
	int linear, ret = -EINVAL;

	*offset = 0;
	if (!size || (phys | size) & (MODEL_PAGE - 1) ||
	    ram_run(ram->banks, ram->nr_banks, phys, size) != size)
		return -EINVAL;
	linear = is_linear(phys, size);
	if (type == BERTH_MEMORY_CACHED && linear > 0 && !is_all(phys, size, false))
		ret = -EINVAL;
	else if (type == BERTH_MEMORY_CACHED && linear >= 0)
		ret = linear ? 0 : add_views(phys, size);
	else if ((type == BERTH_MEMORY_UNCACHED || type == BERTH_MEMORY_WRITE_COMBINE) &&
		 (!linear || (linear > 0 && is_all(phys, size, true))))
		ret = 0;
	if (ret)
		return ret;
	*offset = ram_offset(phys);
	return ram->fd[type != BERTH_MEMORY_CACHED];
}

static void end_view(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	if (soc.ram.size && type == BERTH_MEMORY_CACHED && !is_linear(phys, size))
		remove_views(phys, phys + size);
}

int view_show(phys_addr_t phys, uint64_t size, enum berth_memory_type type, uint64_t *offset)
{
	int ret;

	model_enter(1000);
	ret = begin_view(phys, size, type, offset);
	model_leave();
	return ret;
}

void view_hide(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	model_enter(1000);
	end_view(phys, size, type);
	model_leave();
}

/* What other processes see is nothing that a run could tell: no time passes, nothing is noted. */
int view_share(phys_addr_t phys, uint64_t size, enum berth_memory_type type, uint64_t *offset)
{
	int ret;

	pthread_mutex_lock(&soc.lock);
	ret = begin_view(phys, size, type, offset);
	if (ret >= 0 && type == BERTH_MEMORY_CACHED && is_linear(phys, size)) {
		berth_port_traps_refuse(phys, size);
		ram_set_direct(phys, size, true);
	}
	pthread_mutex_unlock(&soc.lock);
	if (ret < 0)
		berth_port_fail(ret, BERTH_REASON_MAPPING, "RAM for another process", phys, size);
	return ret;
}

void view_unshare(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	pthread_mutex_lock(&soc.lock);
	if (soc.ram.size && type == BERTH_MEMORY_CACHED && is_linear(phys, size)) {
		ram_set_direct(phys, size, false);
		berth_port_traps_allow(phys, size);
	}
	end_view(phys, size, type);
	pthread_mutex_unlock(&soc.lock);
}

void *view_area(enum berth_memory_type type, phys_addr_t *base, uint64_t *size)
{
	*base = soc.ram.base;
	*size = soc.ram.size;
	return type == BERTH_MEMORY_CACHED ? soc.ram.c : soc.ram.d;
}
