/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole stack on all CPUs at once: memory, DMA mappings, locks, completions, time. */
#include <berth/berth.h>
#include <berth/completion.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/mm.h>
#include <berth/riscv64.h>
#include <berth/slab.h>
#include <berth/spinlock.h>
#include <berth/timer.h>

#include "tap.h"

#define ROUNDS 400u
#define OBJECTS 16u

/* What one CPU does, and how often it went wrong. */
struct work {
	unsigned int cpu, nr_cpus;
	unsigned int wrong;
	struct completion turn;
};

static struct work works[BERTH_PORT_MAX_SLOTS];
static struct device dev;

static struct {
	spinlock_t lock;
	uint64_t one, two;
} shared;

static void fill(uint64_t *at, size_t words, uint64_t seed)
{
	for (size_t i = 0; i < words; i++)
		at[i] = seed + i;
}

static bool is_filled(const uint64_t *at, size_t words, uint64_t seed)
{
	for (size_t i = 0; i < words; i++)
		if (at[i] != seed + i)
			return false;
	return true;
}

/* Objects and pages, all of them held at once: no two CPUs have the same. */
static bool use_memory(uint64_t seed)
{
	uint64_t *objects[OBJECTS];
	struct page *page = alloc_pages(GFP_KERNEL, 2);
	bool good = page;

	if (page)
		fill(page_address(page), 2048, ~seed);
	for (unsigned int i = 0; i < OBJECTS; i++) {
		objects[i] = kmalloc(64u << i % 5, GFP_KERNEL);
		good = good && objects[i];
		if (objects[i])
			fill(objects[i], 8u << i % 5, seed ^ i << 8);
	}
	for (unsigned int i = 0; i < OBJECTS; i++) {
		good = good && is_filled(objects[i], 8u << i % 5, seed ^ i << 8);
		kfree(objects[i]);
	}
	good = good && is_filled(page_address(page), 2048, ~seed);
	if (page)
		__free_pages(page, 2);
	return good;
}

static bool use_dma(uint64_t seed)
{
	dma_addr_t addr, mapped;
	uint64_t *ring = dma_alloc_coherent(&dev, 3 * 4096, &addr, GFP_KERNEL);
	bool good = ring && !ring[5];

	if (!ring)
		return false;
	fill(ring, 1536, seed);
	mapped = dma_map_single(&dev, ring, 4096, DMA_BIDIRECTIONAL);
	good = good && !dma_mapping_error(&dev, mapped);
	if (good)
		dma_unmap_single(&dev, mapped, 4096, DMA_BIDIRECTIONAL);
	good = good && is_filled(ring, 1536, seed);
	dma_free_coherent(&dev, 3 * 4096, ring, addr);
	return good;
}

static void count_locked(void)
{
	unsigned long flags;

	spin_lock_irqsave(&shared.lock, flags);
	shared.one++;
	shared.two = shared.one;
	spin_unlock_irqrestore(&shared.lock, flags);
}

/* Each CPU in turn: whoever has done a round lets the next one go on, and sleeps. */
static void work(void *arg)
{
	struct work *it = arg;
	struct work *next = &works[(it->cpu + 1) % it->nr_cpus];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t seed = ((uint64_t)it->cpu << 32 | i) << 16;

		it->wrong += !use_memory(seed);
		it->wrong += !use_dma(seed);
		count_locked();
		if (i % 100 == it->cpu)
			usleep_range(200, 400);
		wait_for_completion(&it->turn);
		complete(&next->turn);
	}
}

static void run(unsigned int nr_cpus)
{
	unsigned int wrong = 0;

	shared.one = shared.two = 0;
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		works[cpu] = (struct work){ .cpu = cpu, .nr_cpus = nr_cpus };
		init_completion(&works[cpu].turn);
	}
	complete(&works[0].turn);
	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++)
		wrong += !!berth_cpu_start(cpu, work, &works[cpu]);
	work(&works[0]);
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		berth_cpu_join(cpu);
		wrong += works[cpu].wrong;
	}
	check(!wrong, "every CPU's memory is its own, and keeps what it holds");
	check(shared.one == (uint64_t)nr_cpus * ROUNDS && shared.two == shared.one,
	      "a lock keeps them apart");
	check(completion_done(&works[0].turn), "each has had its turns");
}

int main(void)
{
	unsigned int nr_cpus = berth_cpu_count();

	say("1..11\n");
	spin_lock_init(&shared.lock);
	check(nr_cpus == 4, "there are four CPUs");
	for (unsigned int round = 0; round < 2; round++) {
		if (berth_start(NULL, NULL, NULL)) {
			say("Bail out! berth_start\n");
			return 1;
		}
		dev = (struct device){ 0 };
		check(!device_register(&dev, "ring"), "a device that sees the caches");
		run(nr_cpus);
		device_unregister(&dev);
		check(!berth_stop(), "nothing is left");
	}
	return failures != 0;
}
