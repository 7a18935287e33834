// SPDX-License-Identifier: BSD-2-Clause
/* Accesses of devices to memory, and to each other. */
#include <errno.h>
#include <string.h>

#include "model/internal.h"

/*
 * The device with the lock acts at once on what another one writes into it: then it does not reach
 * others in turn, who may be in the middle of something.
 */
static bool is_at_peer;

/* The bytes from @phys on that are in one bank, or in the registers of one other device: @peer. */
static uint64_t run_at(const struct model_device *dev, phys_addr_t phys, uint64_t size,
		       struct model_device **peer)
{
	uint64_t run = ram_run(soc.ram.banks, soc.ram.nr_banks, phys, size), left;

	*peer = run || is_at_peer ? NULL : mmio_device(phys);
	if (!*peer || *peer == dev) {
		*peer = NULL;
		return run;
	}
	left = (*peer)->size - (phys - (*peer)->base);
	return left < size ? left : size;
}

/* How a device means an address. */
enum space { BUS, PHYSICAL };

/* One piece that is behind one window, and one run. Returns its length, 0: nothing is there. */
static uint64_t translate(const struct model_device *dev, enum space space, uint64_t bus,
			  uint64_t size, phys_addr_t *phys, struct model_device **peer)
{
	if (space == PHYSICAL || !dev->nr_windows) {
		*phys = bus;
		return run_at(dev, bus, size, peer);
	}
	*phys = 0;
	*peer = NULL;
	for (unsigned int i = 0; i < dev->nr_windows; i++) {
		const struct model_window *window = &dev->windows[i];
		uint64_t inside = bus - window->bus;

		if (bus < window->bus || inside >= window->size)
			continue;
		if (window->size - inside < size)
			size = window->size - inside;
		*phys = window->cpu + inside;
		return run_at(dev, *phys, size, peer);
	}
	return 0;
}

static int bus_error(uint64_t bus, uint64_t size)
{
	soc.stats.bus_errors++;
	model_note(NOTE_BUS_ERROR, bus, size);
	return -EFAULT;
}

static bool is_reachable(struct model_device *dev, enum space space, uint64_t bus, uint64_t size)
{
	while (size) {
		struct model_device *peer;
		phys_addr_t phys;
		uint64_t part = translate(dev, space, bus, size, &phys, &peer);

		if (!part || (part < size && bus + part < bus))
			return false;
		bus += part;
		size -= part;
	}
	return true;
}

/* By the name that its node gives it. */
static const char *name_of(const struct model_device *dev)
{
	const char *name = strrchr(dev->path, '/');

	return name ? name + 1 : dev->path;
}

/* Return: whether the device sees what is in the caches. */
static bool tell_ram(const struct model_device *dev, phys_addr_t phys, uint64_t size, bool is_write)
{
	const struct berth_port_watch *watch = __atomic_load_n(&berth_port_watch, __ATOMIC_ACQUIRE);
	bool is_coherent = dev->coherent;

	if (!watch || ram_is_uncached(phys) ||
	    ram_run(soc.ram.mapped, soc.ram.nr_mapped, phys, size) != size)
		return is_coherent;
	if (__atomic_load_n(&watch->is_cache_off, __ATOMIC_RELAXED))
		is_coherent = true;
	if (watch->ram)
		watch->ram(name_of(dev), (uintptr_t)soc.ram.c + (uintptr_t)(phys - soc.ram.base),
			   size, is_write, is_coherent);
	return is_coherent;
}

static void read_piece(struct model_device *dev, phys_addr_t phys, bool is_mapped, uint8_t *buffer,
		       uint64_t size)
{
	uint64_t at = phys - soc.ram.base;

	if (is_mapped && tell_ram(dev, phys, size, false)) {
		cache_before_coherent_read(phys, size);
		raw_read(buffer, c_at(at), size);
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

	if (is_mapped && tell_ram(dev, phys, size, true)) {
		cache_before_coherent_write(phys, size);
		cache_coherent_write(phys, buffer, size);
	} else {
		raw_write(soc.ram.d + at, buffer, size);
		if (is_mapped)
			cache_after_device_write(phys, size);
	}
}

/* The largest access of a register's size that is aligned. */
static unsigned int access_size(uint64_t offset, uint64_t size)
{
	unsigned int bytes = 8;

	while (bytes > size || offset % bytes)
		bytes /= 2;
	return bytes;
}

static void read_peer(struct model_device *peer, uint64_t offset, uint8_t *buffer, uint64_t size)
{
	struct model_device *outer = soc.current;

	is_at_peer = true;
	soc.current = peer;
	while (size) {
		unsigned int bytes = access_size(offset, size);
		uint64_t value = peer->type->read ? peer->type->read(peer, offset, bytes)
						  : UINT64_MAX;

		memcpy(buffer, &value, bytes);
		buffer += bytes;
		offset += bytes;
		size -= bytes;
	}
	soc.current = outer;
	is_at_peer = false;
}

static void write_peer(struct model_device *peer, uint64_t offset, const uint8_t *buffer,
		       uint64_t size)
{
	struct model_device *outer = soc.current;

	is_at_peer = true;
	soc.current = peer;
	while (size) {
		unsigned int bytes = access_size(offset, size);
		uint64_t value = 0;

		memcpy(&value, buffer, bytes);
		watch_told(peer, false);
		if (peer->type->write)
			peer->type->write(peer, offset, bytes, value);
		buffer += bytes;
		offset += bytes;
		size -= bytes;
	}
	soc.current = outer;
	is_at_peer = false;
}

/*
 * The next piece of a transfer: all where C is, in the linear map or a cached view, or all outside,
 * or all another device's. Pages have one kind of mapping, so no piece crosses one; what is decided
 * by page is decided for the piece.
 */
struct piece {
	phys_addr_t phys;
	uint64_t size;
	struct model_device *peer;
	bool is_mapped;
};

static struct piece next_piece(struct model_device *dev, enum space space, uint64_t bus,
			       uint64_t size)
{
	struct piece piece = { 0 };
	uint64_t page;

	piece.size = translate(dev, space, bus, size, &piece.phys, &piece.peer);
	if (piece.peer)
		return piece;
	page = MODEL_PAGE - (piece.phys & (MODEL_PAGE - 1));
	piece.is_mapped = ram_run(soc.ram.mapped, soc.ram.nr_mapped, piece.phys, 1) == 1 ||
			  (piece.size && view_is_cached(piece.phys));
	piece.size = piece.size < page ? piece.size : page;
	return piece;
}

static void tell_where(bool is_lost)
{
	const struct berth_port_watch *watch = __atomic_load_n(&berth_port_watch, __ATOMIC_ACQUIRE);

	if (!watch || !watch->reached)
		return;
	watch->reached(is_lost);
}

/* @to or @from is NULL. */
static int transfer(struct model_device *dev, enum space space, uint64_t bus, uint8_t *to,
		    const uint8_t *from, size_t size)
{
	if (!is_reachable(dev, space, bus, size))
		return bus_error(bus, size);
	model_note(to ? NOTE_DMA_READ : NOTE_DMA_WRITE, bus, size);
	while (size) {
		struct piece piece = next_piece(dev, space, bus, size);

		/* Behind an IOMMU what leads somewhere was mapped by somebody. */
		if (space == BUS && !piece.peer && piece.is_mapped)
			tell_where(false);
		if (to) {
			if (piece.peer)
				read_peer(piece.peer, piece.phys - piece.peer->base, to,
					  piece.size);
			else
				read_piece(dev, piece.phys, piece.is_mapped, to, piece.size);
			model_note_data(to, piece.size);
			to += piece.size;
		} else {
			if (piece.peer)
				write_peer(piece.peer, piece.phys - piece.peer->base, from,
					   piece.size);
			else
				write_piece(dev, piece.phys, piece.is_mapped, from, piece.size);
			model_note_data(from, piece.size);
			from += piece.size;
		}
		bus += piece.size;
		size -= piece.size;
	}
	return 0;
}

/* Whether the device's bus carries the address at all; where to, the IOMMU says. */
static bool is_carried(const struct model_device *dev, uint64_t bus, uint64_t size)
{
	for (unsigned int i = 0; i < dev->nr_windows; i++) {
		const struct model_window *window = &dev->windows[i];

		if (bus >= window->bus && bus - window->bus < window->size &&
		    window->size - (bus - window->bus) >= size)
			return true;
	}
	return !dev->nr_windows;
}

/* Within a page of 4 KiB: one transaction. */
static int transfer_page(struct model_device *dev, uint64_t bus, uint8_t *to, const uint8_t *from,
			 size_t size)
{
	struct model_device *iommu = dev->iommu;
	phys_addr_t phys;
	int how;

	if (!iommu)
		return transfer(dev, BUS, bus, to, from, size);
	if (!is_carried(dev, bus, size))
		return bus_error(bus, size);
	how = iommu->type->translate(iommu, dev->stream, bus, !to, &phys);
	if (how < 0) {
		model_note(NOTE_FAULT, bus, dev->stream);
		return how;
	}
	return how == MODEL_BYPASSED ? transfer(dev, BUS, bus, to, from, size)
				     : transfer(dev, PHYSICAL, phys, to, from, size);
}

/* A page that fails does not keep the others from being transferred. */
static int access_memory(struct model_device *dev, uint64_t bus, uint8_t *to, const uint8_t *from,
			 size_t size)
{
	uint64_t *moved = to ? &soc.stats.dma_read : &soc.stats.dma_written;
	int ret = 0;

	while (size) {
		uint64_t page = MODEL_PAGE - (bus & (MODEL_PAGE - 1));
		size_t part = dev->iommu && page < size ? (size_t)page : size;
		int err = transfer_page(dev, bus, to, from, part);

		*moved += err ? 0 : part;
		ret = ret ? ret : err;
		bus += part;
		to = to ? to + part : NULL;
		from = from ? from + part : NULL;
		size -= part;
		if (size && !bus)
			return bus_error(bus, size);
	}
	return ret;
}

static void tell_data(const struct model_device *dev, uint64_t bus, const void *bytes, size_t size,
		      bool is_write)
{
	const struct berth_port_watch *watch = __atomic_load_n(&berth_port_watch, __ATOMIC_ACQUIRE);

	if (watch && watch->data)
		watch->data(name_of(dev), bus, bytes, size, is_write);
}

/* In the middle of what a device does no interrupt comes, though the checker is told and releases its lock. */

int model_dma_read(struct model_device *dev, uint64_t bus, void *buffer, size_t size)
{
	int err;

	berth_port_thread.irq_depth++;
	watch_device(dev, bus, size, false);
	err = access_memory(dev, bus, buffer, NULL, size);
	if (err)
		tell_where(true);
	else
		tell_data(dev, bus, buffer, size, false);
	berth_port_thread.irq_depth--;
	return err;
}

int model_dma_write(struct model_device *dev, uint64_t bus, const void *buffer, size_t size)
{
	int err;

	berth_port_thread.irq_depth++;
	watch_device(dev, bus, size, true);
	err = access_memory(dev, bus, NULL, buffer, size);
	if (err)
		tell_where(true);
	else
		tell_data(dev, bus, buffer, size, true);
	berth_port_thread.irq_depth--;
	return err;
}

int dma_read_physical(struct model_device *dev, phys_addr_t phys, void *buffer, size_t size)
{
	if (ram_run(soc.ram.banks, soc.ram.nr_banks, phys, size) != size)
		return -EFAULT;
	return transfer(dev, PHYSICAL, phys, buffer, NULL, size);
}

int dma_write_physical(struct model_device *dev, phys_addr_t phys, const void *buffer, size_t size)
{
	return transfer(dev, PHYSICAL, phys, NULL, buffer, size);
}

int dma_peek(const struct model_device *dev, phys_addr_t phys, void *buffer, size_t size)
{
	uint64_t at = phys - soc.ram.base;
	bool is_mapped;

	if (ram_run(soc.ram.banks, soc.ram.nr_banks, phys, size) != size)
		return -EFAULT;
	is_mapped = ram_run(soc.ram.mapped, soc.ram.nr_mapped, phys, size) == size ||
		    view_is_cached(phys);
	raw_read(buffer, is_mapped && dev->coherent ? c_at(at) : soc.ram.d + at, size);
	return 0;
}
