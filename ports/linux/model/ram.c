// SPDX-License-Identifier: BSD-2-Clause
/* RAM in three copies. Nothing is touched before somebody uses it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "model/internal.h"

/* Of the reservations: the page size of the address sanitizer's shadow, and of large pages. */
#define ALIGNMENT (1ull << 21)

#define RESERVE (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

static uint8_t *reserve(unsigned int copy, int protection)
{
	struct model_ram *ram = &soc.ram;
	void *area = mmap(NULL, ram->area_size, protection, RESERVE, -1, 0);

	if (area == MAP_FAILED)
		return NULL;
	ram->area[copy] = area;
	return (uint8_t *)(((uintptr_t)area + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
}

uint64_t ram_offset(phys_addr_t phys)
{
	const struct model_ram *ram = &soc.ram;
	uint64_t file = 0;

	for (unsigned int i = 0; i < ram->nr_banks; i++) {
		if (phys - ram->banks[i].base < ram->banks[i].size)
			return file + (phys - ram->banks[i].base);
		file += ram->banks[i].size;
	}
	return UINT64_MAX;
}

/* Put the ranges of the list, which lie in the banks, where they belong in the reservation. */
static int map_file(int fd, uint8_t *copy, const struct berth_range *list, unsigned int nr)
{
	const struct model_ram *ram = &soc.ram;

	for (unsigned int i = 0; i < nr; i++) {
		uint64_t file = ram_offset(list[i].base);

		if (file == UINT64_MAX)
			return -EINVAL;
		if (mmap(copy + (list[i].base - ram->base), list[i].size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, (off_t)file) == MAP_FAILED)
			return -ENOMEM;
	}
	return 0;
}

static struct berth_range *copy_list(const struct berth_range *list, unsigned int nr)
{
	struct berth_range *copy = calloc(nr + 1, sizeof(*copy));

	if (copy && nr)
		memcpy(copy, list, nr * sizeof(*copy));
	return copy;
}

/* The same file a second time. */
static int map_alias(void)
{
	const struct berth_port_watch *watch = __atomic_load_n(&berth_port_watch, __ATOMIC_ACQUIRE);
	struct model_ram *ram = &soc.ram;

	if (!watch || !watch->has_traps)
		return 0;
	ram->direct = mmap(NULL, ram->size / MODEL_PAGE, PROT_READ | PROT_WRITE, RESERVE, -1, 0);
	if (ram->direct == MAP_FAILED)
		return -ENOMEM;
	ram->alias = reserve(3, PROT_NONE);
	return ram->alias ? map_file(ram->fd[0], ram->alias, ram->mapped, ram->nr_mapped) : -ENOMEM;
}

bool ram_can_trap(void)
{
	return soc.ram.alias != NULL;
}

void ram_set_direct(phys_addr_t phys, uint64_t size, bool is_direct)
{
	const struct model_ram *ram = &soc.ram;

	for (uint64_t at = phys - ram->base; ram->alias && size; at += MODEL_PAGE) {
		__atomic_store_n(&ram->direct[at / MODEL_PAGE], is_direct, __ATOMIC_RELAXED);
		size -= MODEL_PAGE;
	}
}

static int create(const struct berth_port_ram *given)
{
	struct model_ram *ram = &soc.ram;
	static const char *const names[2] = { "berth-cpu", "berth-memory" };
	uint64_t total = 0, extent;

	for (unsigned int i = 0; i < given->nr_banks; i++)
		total += given->banks[i].size;
	ram->banks = copy_list(given->banks, given->nr_banks);
	ram->mapped = copy_list(given->mapped, given->nr_mapped);
	if (!ram->banks || !ram->mapped)
		return -ENOMEM;
	ram->nr_banks = given->nr_banks;
	ram->nr_mapped = given->nr_mapped;
	ram->base = given->banks[0].base;
	extent = given->banks[given->nr_banks - 1].base + given->banks[given->nr_banks - 1].size -
		 ram->base;
	if (extent >> 46)
		return -ENOMEM;
	ram->area_size = extent + ALIGNMENT;

	ram->c = reserve(0, PROT_NONE);
	ram->d = reserve(1, PROT_NONE);
	ram->s = reserve(2, PROT_READ | PROT_WRITE);
	ram->uncached =
		mmap(NULL, extent / MODEL_PAGE / 8 + 1, PROT_READ | PROT_WRITE, RESERVE, -1, 0);
	ram->views = mmap(NULL, extent / MODEL_PAGE * sizeof(*ram->views), PROT_READ | PROT_WRITE,
			  RESERVE, -1, 0);
	if (!ram->c || !ram->d || !ram->s || ram->uncached == MAP_FAILED ||
	    ram->views == MAP_FAILED)
		return -ENOMEM;
	for (unsigned int i = 0; i < 2; i++) {
		ram->fd[i] = memfd_create(names[i], MFD_CLOEXEC);
		if (ram->fd[i] < 0 || ftruncate(ram->fd[i], (off_t)total))
			return -ENOMEM;
	}
	ram->size = extent;
	if (map_file(ram->fd[0], ram->c, ram->mapped, ram->nr_mapped) || map_alias())
		return -ENOMEM;
	return map_file(ram->fd[1], ram->d, ram->banks, ram->nr_banks);
}

int ram_start(const struct berth_port_ram *given, struct berth_port_linear *linear)
{
	const struct berth_range *first = given->mapped, *last = first + given->nr_mapped - 1;
	int ret;

	if (!given->nr_banks || !given->nr_mapped)
		return berth_port_fail(-EINVAL, BERTH_REASON_ARGUMENT, "ram", 0, 0);
	pthread_mutex_lock(&soc.lock);
	ret = soc.ram.size ? -EBUSY : create(given);
	if (ret) {
		if (ret != -EBUSY)
			ram_stop();
		berth_port_fail(ret, BERTH_REASON_OUT_OF_MEMORY, "model RAM", 0,
				last->base + last->size - first->base);
	} else {
		linear->phys = first->base;
		linear->size = last->base + last->size - first->base;
		linear->virt = (uintptr_t)(soc.ram.c + (first->base - soc.ram.base));
	}
	pthread_mutex_unlock(&soc.lock);
	return ret;
}

void ram_stop(void)
{
	struct model_ram *ram = &soc.ram;

	for (unsigned int i = 0; i < 4; i++)
		if (ram->area[i])
			munmap(ram->area[i], ram->area_size);
	if (ram->uncached && ram->uncached != MAP_FAILED)
		munmap(ram->uncached, (ram->area_size - ALIGNMENT) / MODEL_PAGE / 8 + 1);
	if (ram->direct && ram->direct != MAP_FAILED)
		munmap(ram->direct, ram->size / MODEL_PAGE);
	if (ram->views && ram->views != MAP_FAILED)
		munmap(ram->views, (ram->area_size - ALIGNMENT) / MODEL_PAGE * sizeof(*ram->views));
	for (unsigned int i = 0; i < 2; i++)
		if (ram->fd[i] > 0)
			close(ram->fd[i]);
	free(ram->banks);
	free(ram->mapped);
	*ram = (struct model_ram){ 0 };
}

uint64_t ram_run(const struct berth_range *list, unsigned int nr, phys_addr_t phys, uint64_t size)
{
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t inside = phys - list[i].base;

		if (phys < list[i].base || inside >= list[i].size)
			continue;
		return list[i].size - inside < size ? list[i].size - inside : size;
	}
	return 0;
}

bool ram_is_uncached(phys_addr_t phys)
{
	uint64_t page = (phys - soc.ram.base) / MODEL_PAGE;

	return soc.ram.uncached[page / 8] >> page % 8 & 1;
}

static void mark(phys_addr_t phys, uint64_t size, bool is_uncached)
{
	uint64_t page = (phys - soc.ram.base) / MODEL_PAGE;

	for (uint64_t last = page + size / MODEL_PAGE; page < last; page++) {
		uint8_t bit = (uint8_t)(1u << page % 8);

		if (is_uncached)
			soc.ram.uncached[page / 8] |= bit;
		else
			soc.ram.uncached[page / 8] &= (uint8_t)~bit;
	}
}

void *ram_remap(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	const struct model_ram *ram = &soc.ram;
	void *virt = NULL;

	model_enter(1000);
	if ((type == BERTH_MEMORY_UNCACHED || type == BERTH_MEMORY_WRITE_COMBINE) && size &&
	    !((phys | size) & (MODEL_PAGE - 1)) &&
	    ram_run(ram->banks, ram->nr_banks, phys, size) == size) {
		cache_flush_lines(phys, size);
		mark(phys, size, true);
		virt = ram->d + (phys - ram->base);
	}
	model_leave();
	if (!virt)
		berth_port_fail(-EINVAL, BERTH_REASON_MAPPING, "remap", phys, size);
	return virt;
}

void ram_unremap(void *virt, phys_addr_t phys, uint64_t size)
{
	model_enter(1000);
	if (soc.ram.size && virt == soc.ram.d + (phys - soc.ram.base) &&
	    ram_run(soc.ram.banks, soc.ram.nr_banks, phys, size) == size) {
		cache_drop_lines(phys, size);
		mark(phys, size, false);
	}
	model_leave();
}

int ram_locate(phys_addr_t phys, uint64_t size, uint64_t *offset)
{
	const struct model_ram *ram = &soc.ram;

	if (!size || ram_run(ram->mapped, ram->nr_mapped, phys, size) != size)
		return -EINVAL;
	*offset = ram_offset(phys);
	return ram->fd[0];
}

/*
 * The lines become dirty whatever they held: first what they were when they were clean is made to
 * differ from what they will be. Should the cache be at work on one of them in between, what it
 * leaves is either that, or a line that memory agrees with.
 */
RAW void ram_copy(phys_addr_t to, phys_addr_t from, uint64_t size)
{
	const struct model_ram *ram = &soc.ram;

	for (uint64_t done = 0; done < size; done += MODEL_PAGE) {
		const uint64_t there = to - ram->base + done, here = from - ram->base + done;

		raw_invert(ram->s + there, c_at(here), MODEL_PAGE);
		raw_write(c_at(there), c_at(here), MODEL_PAGE);
	}
}

bool ram_access(phys_addr_t phys, unsigned int bytes, uint64_t *value, bool is_write)
{
	const struct model_ram *ram = &soc.ram;
	uint8_t *at;

	if (phys % bytes || ram_run(ram->banks, ram->nr_banks, phys, bytes) != bytes ||
	    ram_run(ram->mapped, ram->nr_mapped, phys, 1))
		return false;
	at = ram->d + (phys - ram->base);
	if (is_write) {
		raw_write(at, value, bytes);
	} else {
		*value = 0;
		raw_read(value, at, bytes);
	}
	return true;
}

void *berth_model_memory(phys_addr_t phys)
{
	if (!ram_run(soc.ram.banks, soc.ram.nr_banks, phys, 1))
		return NULL;
	return soc.ram.d + (phys - soc.ram.base);
}
