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

static void read_piece(struct model_device *dev, phys_addr_t phys, bool is_mapped, uint8_t *buffer,
		       uint64_t size)
{
	uint64_t at = phys - soc.ram.base;

	if (is_mapped && dev->coherent) {
		cache_before_coherent_read(phys, size);
		raw_read(buffer, soc.ram.c + at, size);
	} else {
		if (is_mapped)
			cache_before_device_read(phys, size);
		raw_read(buffer, soc.ram.d + at, size);
	}
}

static void write_piece(struct model_device *dev, phys_addr_t phys, bool is_mapped,
			const uint8_t *buffer, uint64_t size)
{
	uint64_t at = phys - soc.ram.base;

	if (is_mapped && dev->coherent) {
		cache_before_coherent_write(phys, size);
		cache_coherent_write(phys, buffer, size);
	} else {
		raw_write(soc.ram.d + at, buffer, size);
		if (is_mapped)
			cache_after_device_write(phys, size);
	}
}

/*
 * The next piece of a transfer: all where C is, in the linear map or a cached view, or all outside.
 * Pages have one kind of mapping, so no piece crosses one; what is decided by page is decided for
 * the piece.
 */
static uint64_t next_piece(struct model_device *dev, uint64_t bus, uint64_t size, phys_addr_t *phys,
			   bool *is_mapped)
{
	uint64_t part = translate(dev, bus, size, phys);
	uint64_t page = MODEL_PAGE - (*phys & (MODEL_PAGE - 1));

	*is_mapped = ram_run(soc.ram.mapped, soc.ram.nr_mapped, *phys, 1) == 1 ||
		     (part && view_is_cached(*phys));
	return part < page ? part : page;
}

/* @to or @from is NULL. */
static int transfer(struct model_device *dev, enum note note, uint64_t bus, uint8_t *to,
		    const uint8_t *from, size_t size)
{
	if (!is_reachable(dev, bus, size))
		return -EFAULT;
	model_note(note, bus, size);
	while (size) {
		phys_addr_t phys;
		bool is_mapped;
		uint64_t part = next_piece(dev, bus, size, &phys, &is_mapped);

		if (to) {
			read_piece(dev, phys, is_mapped, to, part);
			model_note_data(to, part);
			to += part;
		} else {
			write_piece(dev, phys, is_mapped, from, part);
			model_note_data(from, part);
			from += part;
		}
		bus += part;
		size -= part;
	}
	return 0;
}

int model_dma_read(struct model_device *dev, uint64_t bus, void *buffer, size_t size)
{
	int ret = transfer(dev, NOTE_DMA_READ, bus, buffer, NULL, size);

	soc.stats.dma_read += ret ? 0 : size;
	return ret;
}

int model_dma_write(struct model_device *dev, uint64_t bus, const void *buffer, size_t size)
{
	int ret = transfer(dev, NOTE_DMA_WRITE, bus, NULL, buffer, size);

	soc.stats.dma_written += ret ? 0 : size;
	return ret;
}
