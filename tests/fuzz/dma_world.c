// SPDX-License-Identifier: BSD-2-Clause
#include <berth/port.h>

#include "../model/fdt.h"
#include "dma_world.h"
#include "model/internal.h"

struct device *dma_device;
struct world world;

void wrong(const char *file, int line, const char *what)
{
	char why[200];

	berth_error_text(NULL, why, sizeof(why));
	fprintf(stderr, "%s:%d: %s does not hold; last error: %s\n", file, line, what, why);
	abort();
}

dma_addr_t direct_address(phys_addr_t phys, size_t size, uint64_t mask)
{
	static const struct berth_dma_window all = { 0, 0, UINT64_MAX };
	const struct berth_dma_window *windows = world.nr_windows ? world.windows : &all;

	for (unsigned int i = 0; i < (world.nr_windows ? world.nr_windows : 1); i++) {
		const struct berth_dma_window *w = &windows[i];

		if (phys >= w->cpu && phys - w->cpu < w->size &&
		    size <= w->size - (phys - w->cpu) && phys - w->cpu + w->bus + size - 1 <= mask)
			return phys - w->cpu + w->bus;
	}
	return DMA_MAPPING_ERROR;
}

static const struct model_device_type type = { .compatible = "fuzz,device", .state_size = 8 };

/* Little RAM, on both sides of 4 GiB, and the device. */
const void *world_tree(void)
{
	static struct fdt fdt;

	model_add_type(&type);
	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, LOW_RAM, 0, RAM_BYTES, HIGH_RAM >> 32, 0, 0, RAM_BYTES);
	fdt_end(&fdt);
	fdt_begin(&fdt, "device@10000000");
	fdt_text(&fdt, "compatible", "fuzz,device");
	fdt_cells(&fdt, "reg", 0, 0x10000000, 0, 0x100);
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

/* It has the limits that the API was told. */
static struct model_device *model_device(void)
{
	struct model_device *device = model_find("/device@10000000");

	MUST(device);
	device->coherent = world.coherent;
	device->nr_windows = world.nr_windows;
	for (unsigned int i = 0; i < world.nr_windows; i++)
		device->windows[i] = (struct model_window){ .cpu = world.windows[i].cpu,
							    .bus = world.windows[i].bus,
							    .size = world.windows[i].size };
	return device;
}

void device_read(dma_addr_t addr, void *bytes, size_t size)
{
	MUST(addr + size - 1 <= world.mask || addr + size - 1 <= world.coherent_mask);
	model_lock();
	MUST(!model_dma_read(model_device(), addr, bytes, size));
	model_unlock();
}

void device_write(dma_addr_t addr, const void *bytes, size_t size)
{
	MUST(addr + size - 1 <= world.mask || addr + size - 1 <= world.coherent_mask);
	model_lock();
	MUST(!model_dma_write(model_device(), addr, bytes, size));
	model_unlock();
}

static size_t nr_chunks(const struct stream *s)
{
	return (s->size + CHUNK - 1) / CHUNK;
}

static size_t chunk_size(const struct stream *s, size_t chunk)
{
	return s->size - chunk * CHUNK < CHUNK ? s->size - chunk * CHUNK : CHUNK;
}

void stream_begin(struct stream *s, uint8_t *cpu, dma_addr_t addr, size_t size,
		  enum dma_data_direction dir)
{
	uint8_t seen[CHUNK];

	MUST(size && size <= MAX_BYTES);
	s->cpu = cpu;
	s->addr = addr;
	s->size = size;
	s->dir = dir;
	memset(s->is_cpus, 0, sizeof(s->is_cpus));
	/* What the device sees first is what the CPU saw last; nothing is promised to one that only writes. */
	for (size_t i = 0; dir != DMA_FROM_DEVICE && i < nr_chunks(s); i++) {
		device_read(addr + i * CHUNK, seen, chunk_size(s, i));
		MUST(!memcmp(seen, s->expected + i * CHUNK, chunk_size(s, i)));
	}
}

/* The owner looks, and perhaps changes something. */
static void touch_chunk(struct stream *s, size_t chunk)
{
	uint8_t *expected = s->expected + chunk * CHUNK, bytes[CHUNK], byte = take();
	size_t size = chunk_size(s, chunk), at = take_below((unsigned int)size);

	if (s->is_cpus[chunk]) {
		MUST(!memcmp(s->cpu + chunk * CHUNK, expected, size));
		if (s->dir == DMA_FROM_DEVICE)
			return;
		expected[at] = byte;
		s->cpu[chunk * CHUNK + at] = byte;
		return;
	}
	if (s->dir != DMA_FROM_DEVICE) {
		device_read(s->addr + chunk * CHUNK, bytes, size);
		MUST(!memcmp(bytes, expected, size));
	}
	if (s->dir != DMA_TO_DEVICE) {
		memset(expected + at, byte, size - at);
		device_write(s->addr + chunk * CHUNK + at, expected + at, size - at);
	}
}

void stream_touch(struct stream *s)
{
	touch_chunk(s, take_below((unsigned int)nr_chunks(s)));
}

bool stream_is_cpus(const struct stream *s, size_t from, size_t size)
{
	for (size_t i = from / CHUNK; i * CHUNK < from + size; i++)
		if (!s->is_cpus[i])
			return false;
	return true;
}

void stream_to_cpu(struct stream *s, size_t from, size_t size)
{
	for (size_t i = from / CHUNK; i * CHUNK < from + size; i++)
		s->is_cpus[i] = true;
}

void stream_to_device(struct stream *s, size_t from, size_t size)
{
	for (size_t i = from / CHUNK; i * CHUNK < from + size; i++)
		s->is_cpus[i] = false;
}

void stream_give(struct stream *s, size_t from, size_t size)
{
	for (size_t i = from / CHUNK; i * CHUNK < from + size; i++) {
		if (s->is_cpus[i] && s->dir != DMA_FROM_DEVICE)
			dma_sync_single_for_device(dma_device, s->addr + i * CHUNK,
						   chunk_size(s, i), s->dir);
		s->is_cpus[i] = false;
	}
}

void stream_end(struct stream *s)
{
	MUST(!memcmp(s->cpu, s->expected, s->size));
	s->size = 0;
}
