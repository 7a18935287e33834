// SPDX-License-Identifier: BSD-2-Clause
/* The modelled SoC: how fast its devices move data beside memcpy(), and what its cache costs. */
#include "bench.h"

#include <berth/gfp.h>

#include "model/model.h"

#define AREA (2ul << 20)
#define KIB (AREA / 1024)
#define CAMERA "/media-bus@10000000/camera@1000"

static struct page *pages;
static struct model_device *device;
static uint64_t bus;
static uint8_t *source, *target;

static void start(unsigned long arg)
{
	(void)arg;
	bench_start_machine(&berth_model);
	pages = alloc_pages(GFP_KERNEL, get_order(AREA));
	device = model_find(CAMERA);
	bench_must(pages && device, CAMERA);
	bus = page_to_phys(pages) - device->windows[0].cpu + device->windows[0].bus;
	memset(page_address(pages), 1, AREA);
	source = aligned_alloc(4096, AREA);
	target = aligned_alloc(4096, AREA);
	bench_must(source && target, "aligned_alloc");
	memset(source, 2, AREA);
	memset(target, 3, AREA);
}

static void start_coherent(unsigned long arg)
{
	start(arg);
	device->coherent = true;
}

static void stop(void)
{
	__free_pages(pages, get_order(AREA));
	free(source);
	free(target);
	bench_stop_machine();
}

static void copy(unsigned long size, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		memcpy(target, source, size);
		bench_use(target);
	}
}

static void device_reads(unsigned long size, uint64_t iterations)
{
	model_lock();
	for (uint64_t i = 0; i < iterations; i++)
		bench_must(!model_dma_read(device, bus, target, size), "model_dma_read");
	model_unlock();
}

static void device_writes(unsigned long size, uint64_t iterations)
{
	model_lock();
	for (uint64_t i = 0; i < iterations; i++)
		bench_must(!model_dma_write(device, bus, source, size), "model_dma_write");
	model_unlock();
}

enum { CLEAN, INVALIDATE };

static void operate(unsigned long op)
{
	if (op == CLEAN)
		berth_port_cache_clean(page_to_phys(pages), AREA);
	else
		berth_port_cache_invalidate(page_to_phys(pages), AREA);
}

/* Every line is stored to first; that does not count. */
static void dirty_lines(unsigned long op, uint64_t iterations)
{
	volatile uint64_t *virt = page_address(pages);

	for (uint64_t i = 0; i < iterations; i++) {
		bench_pause();
		for (unsigned int j = 0; j < AREA / 8; j += 8)
			virt[j]++;
		bench_resume();
		operate(op);
	}
}

static void clean_lines(unsigned long op, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++)
		operate(op);
}

static void start_stop(unsigned long arg, uint64_t iterations)
{
	(void)arg;
	for (uint64_t i = 0; i < iterations; i++) {
		bench_start_machine(&berth_model);
		bench_stop_machine();
	}
}

#define MODEL .start = start, .stop = stop
#define COHERENT .start = start_coherent, .stop = stop
#define SIZE(name, run, size, n, how)                         \
	{                                                     \
		name, run, copy, .arg = size, .count = n, how \
	}
#define PER_KIB(name, run, op)                                      \
	{                                                           \
		name, run, .arg = op, .per = KIB, .count = 4, MODEL \
	}

static const struct bench_case cases[] = {
	SIZE("model_read_4k", device_reads, 4096, 100, MODEL),
	SIZE("model_read_64k", device_reads, 65536, 20, MODEL),
	SIZE("model_read_2m", device_reads, AREA, 4, MODEL),
	SIZE("model_write_4k", device_writes, 4096, 100, MODEL),
	SIZE("model_write_64k", device_writes, 65536, 20, MODEL),
	SIZE("model_write_2m", device_writes, AREA, 4, MODEL),
	SIZE("model_read_64k_coherent", device_reads, 65536, 20, COHERENT),
	SIZE("model_write_64k_coherent", device_writes, 65536, 20, COHERENT),
	PER_KIB("model_clean_dirty_1k", dirty_lines, CLEAN),
	PER_KIB("model_clean_clean_1k", clean_lines, CLEAN),
	PER_KIB("model_invalidate_dirty_1k", dirty_lines, INVALIDATE),
	PER_KIB("model_invalidate_clean_1k", clean_lines, INVALIDATE),
	{ "model_start_stop", start_stop, .count = 4 },
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
