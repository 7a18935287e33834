// SPDX-License-Identifier: BSD-2-Clause
/* Accesses of devices to memory. */
#include <errno.h>

#include "model/internal.h"

/* One piece that is behind one window and in one bank. Returns its length, 0: nothing is there. */
static uint64_t translate(const struct model_device *dev, uint64_t bus, uint64_t size,
			  phys_addr_t *phys)
{
	if (!dev->nr_windows) {
		*phys = bus;
		return ram_run(soc.ram.banks, soc.ram.nr_banks, bus, size);
	}
	*phys = 0;
	for (unsigned int i = 0; i < dev->nr_windows; i++) {
		const struct model_window *window = &dev->windows[i];
		uint64_t inside = bus - window->bus;

		if (bus < window->bus || inside >= window->size)
			continue;
		if (window->size - inside < size)
			size = window->size - inside;
		*phys = window->cpu + inside;
		return ram_run(soc.ram.banks, soc.ram.nr_banks, *phys, size);
	}
	return 0;
}

static bool is_reachable(struct model_device *dev, uint64_t bus, uint64_t size)
{
	while (size) {
		phys_addr_t phys;
		uint64_t part = translate(dev, bus, size, &phys);

		if (!part || (part < size && bus + part < bus)) {
			soc.stats.bus_errors++;
			model_note(NOTE_BUS_ERROR, bus, size);
			return false;
		}
		bus += part;
		size -= part;
	}
	return true;
}

static void read_piece(struct model_device *dev, phys_addr_t phys, uint8_t *buffer, uint64_t size)
{
	uint64_t at = phys - soc.ram.base;

	if (dev->coherent) {
		cache_before_coherent(phys, size);
		raw_read(buffer, soc.ram.c + at, size);
	} else {
		cache_before_device_read(phys, size);
		raw_read(buffer, soc.ram.d + at, size);
	}
}

static void write_piece(struct model_device *dev, phys_addr_t phys, const uint8_t *buffer,
			uint64_t size)
{
	uint64_t at = phys - soc.ram.base;

	if (dev->coherent) {
		cache_before_coherent(phys, size);
		cache_coherent_write(phys, buffer, size);
	} else {
		raw_write(soc.ram.d + at, buffer, size);
		cache_after_device_write(phys, size);
	}
}

/*
 * The next piece of a transfer: all in the linear map, where C is, or all outside. Pages have one
 * kind of mapping, so no piece crosses one; what is decided by page is decided for the piece.
 */
static uint64_t next_piece(struct model_device *dev, uint64_t bus, uint64_t size, phys_addr_t *phys,
			   bool *is_mapped)
{
	uint64_t part = translate(dev, bus, size, phys);
	uint64_t page = MODEL_PAGE - (*phys & (MODEL_PAGE - 1));

	*is_mapped = ram_run(soc.ram.mapped, soc.ram.nr_mapped, *phys, 1) == 1;
	return part < page ? part : page;
}

int model_dma_read(struct model_device *dev, uint64_t bus, void *buffer, size_t size)
{
	uint8_t *to = buffer;
	size_t left = size;

	if (!is_reachable(dev, bus, size))
		return -EFAULT;
	while (left) {
		phys_addr_t phys;
		bool is_mapped;
		uint64_t part = next_piece(dev, bus, left, &phys, &is_mapped);

		if (is_mapped)
			read_piece(dev, phys, to, part);
		else
			raw_read(to, soc.ram.d + (phys - soc.ram.base), part);
		bus += part;
		to += part;
		left -= part;
	}
	soc.stats.dma_read += size;
	model_note(NOTE_DMA_READ, bus, size);
	model_note_data(buffer, size);
	return 0;
}

int model_dma_write(struct model_device *dev, uint64_t bus, const void *buffer, size_t size)
{
	const uint8_t *from = buffer;
	size_t left = size;

	if (!is_reachable(dev, bus, size))
		return -EFAULT;
	while (left) {
		phys_addr_t phys;
		bool is_mapped;
		uint64_t part = next_piece(dev, bus, left, &phys, &is_mapped);

		if (is_mapped)
			write_piece(dev, phys, from, part);
		else
			raw_write(soc.ram.d + (phys - soc.ram.base), from, part);
		bus += part;
		from += part;
		left -= part;
	}
	soc.stats.dma_written += size;
	model_note(NOTE_DMA_WRITE, bus, size);
	model_note_data(buffer, size);
	return 0;
}
