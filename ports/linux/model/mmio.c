// SPDX-License-Identifier: BSD-2-Clause
/* Registers. */
#include <errno.h>

#include "model/internal.h"

#define COOKIES_SIZE (1ull << 32)

int mmio_start(void)
{
	return berth_cookies_start(&soc.cookies, COOKIES_SIZE);
}

void mmio_stop(void)
{
	berth_cookies_stop(&soc.cookies);
}

struct model_device *mmio_device(phys_addr_t phys)
{
	for (struct model_device *dev = soc.devices; dev; dev = dev->next)
		if (phys >= dev->base && phys - dev->base < dev->size)
			return dev;
	return NULL;
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
		cookie = berth_cookies_add(&soc.cookies, phys, size);
	model_leave();
	if (!is_there)
		berth_port_fail(-ENODEV, BERTH_REASON_NO_DEVICE, "ioremap", phys, size);
	else if (!cookie)
		berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "ioremap", phys, size);
	return cookie;
}

void mmio_unmap(void *cookie)
{
	model_enter(500);
	berth_cookies_remove(&soc.cookies, cookie);
	model_leave();
}

/* The device behind a whole access; NULL: a bus error. */
static struct model_device *resolve(const volatile void *cookie, unsigned int bytes,
				    phys_addr_t *phys)
{
	struct model_device *dev;

	*phys = 0;
	if (!berth_cookies_find(&soc.cookies, cookie, bytes, phys))
		return NULL;
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
	uint64_t cause;

	model_enter(100);
	soc.stats.register_accesses++;
	dev = resolve(cookie, bytes, &phys);
	model_note(NOTE_WRITE, phys, value);
	if (!dev && !(phys && ram_access(phys, bytes, &value, true))) {
		bus_error(phys, bytes);
	} else if (dev && dev->type->write) {
		outer = soc.current;
		cause = soc.cause;
		soc.current = dev;
		watch_told(dev, true);
		dev->type->write(dev, phys - dev->base, bytes, value);
		soc.current = outer;
		soc.cause = cause;
	}
	model_leave();
}
