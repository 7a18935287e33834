/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions of a DMA engine's transfer of 4 KiB on bare metal: preparing, submitting, issuing, its end, and the
 * way to the callback, in the steady state; the end found by polling, or told by an interrupt, or 16 transfers
 * that are issued at once. Each channel of each of the board's engines in turn; without any, the software engine.
 * QEMU's engines move the bytes while their register is written: no time passes, and the interrupt follows at once.
 */
#include <berth/berth.h>
#include <berth/dma-mapping.h>
#include <berth/dma-software.h>
#include <berth/dmaengine.h>
#include <berth/gfp.h>
#include <berth/platform_device.h>
#include <berth/test.h>

#include <berth/drivers/dma.h>

#include "counter.h"
#include "say.h"

#define BYTES 4096u
#define TRANSFERS 256u
#define ROUNDS 5u
#define BUDGET 400u
#define MAX_CHANNELS 32u
#define PATIENCE 1000000u
#define NAME_WIDTH 15u
#define WAY_WIDTH 13u
#define BATCH 16u

enum way { POLLED, INTERRUPT, IN_BATCHES, NR_WAYS };

static const char *const names[NR_WAYS] = { "polled", "interrupt", "batches of 16" };

struct figures {
	uint32_t medians[MAX_CHANNELS]; /* of each channel's rounds */
	unsigned int nr;
	uint32_t lowest, highest; /* of all rounds */
};

/* All channels of the engines that one driver drives. */
struct engine {
	const char *name;
	unsigned int nr;
	struct figures ways[NR_WAYS];
};

static struct dma_chan *channels[MAX_CHANNELS];
static unsigned int nr_channels;
static uint8_t *source, *target;
static volatile uint32_t nr_called;

static void called(void *param)
{
	(void)param;
	nr_called = nr_called + 1;
}

static inline bool prepare_and_submit(struct dma_chan *chan, dma_addr_t to, dma_addr_t from)
{
	struct dma_async_tx_descriptor *tx =
		dmaengine_prep_dma_memcpy(chan, to, from, BYTES, DMA_PREP_INTERRUPT);

	if (!tx)
		return fail("dmaengine_prep_dma_memcpy");
	tx->callback = called;
	return !dma_submit_error(dmaengine_submit(tx)) || fail("dmaengine_submit");
}

/* @nr callbacks more than @before. */
static inline bool wait(struct dma_chan *chan, uint32_t before, uint32_t nr, bool is_polled)
{
	for (unsigned int i = 0; i < PATIENCE; i++) {
		if (is_polled)
			berth_dma_poll(chan);
		if (nr_called - before == nr)
			return true;
	}
	return complain("no callback");
}

static inline bool copy(struct dma_chan *chan, dma_addr_t to, dma_addr_t from, unsigned int nr,
			bool is_polled)
{
	uint32_t before = nr_called;

	for (unsigned int i = 0; i < nr; i++)
		if (!prepare_and_submit(chan, to, from))
			return false;
	dma_async_issue_pending(chan);
	return wait(chan, before, nr, is_polled);
}

static bool copies(struct dma_chan *chan, dma_addr_t to, dma_addr_t from, enum way way)
{
	bool is_good = true;

	if (way == IN_BATCHES)
		for (unsigned int i = 0; i < TRANSFERS && is_good; i += BATCH)
			is_good = copy(chan, to, from, BATCH, false);
	else if (way == POLLED)
		for (unsigned int i = 0; i < TRANSFERS && is_good; i++)
			is_good = copy(chan, to, from, 1, true);
	else
		for (unsigned int i = 0; i < TRANSFERS && is_good; i++)
			is_good = copy(chan, to, from, 1, false);
	return is_good;
}

/* The first allocation would fail, and the transfer with it. */
static bool allocates_nothing(struct dma_chan *chan, dma_addr_t to, dma_addr_t from, enum way way)
{
	bool is_good;

	berth_test_fail_nth(1);
	is_good = copies(chan, to, from, way);
	berth_test_fail_nth(0);
	if (berth_test_failed())
		return complain("memory was allocated in the steady state");
	return is_good;
}

static void sort(uint32_t *values, unsigned int nr)
{
	for (unsigned int i = 1; i < nr; i++)
		for (unsigned int j = i; j && values[j - 1] > values[j]; j--) {
			uint32_t value = values[j];

			values[j] = values[j - 1];
			values[j - 1] = value;
		}
}

static bool measure_rounds(struct figures *figures, struct dma_chan *chan, dma_addr_t to,
			   dma_addr_t from, enum way way)
{
	uint32_t rounds[ROUNDS];

	/* The first ones make descriptors. */
	if (!copies(chan, to, from, way))
		return false;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint32_t start = instructions();

		if (!copies(chan, to, from, way))
			return false;
		rounds[i] = instructions() - start;
	}
	sort(rounds, ROUNDS);
	if (!figures->nr || rounds[0] < figures->lowest)
		figures->lowest = rounds[0];
	if (rounds[ROUNDS - 1] > figures->highest)
		figures->highest = rounds[ROUNDS - 1];
	figures->medians[figures->nr++] = rounds[ROUNDS / 2];
	return allocates_nothing(chan, to, from, way);
}

/* An engine that cannot be polled is not. */
static bool measure_ways(struct engine *engine, struct dma_chan *chan, dma_addr_t to,
			 dma_addr_t from)
{
	bool is_good = true;

	engine->nr++;
	for (enum way way = 0; way < NR_WAYS && is_good; way++) {
		if (way == POLLED && berth_dma_set_polled(chan, true))
			continue;
		is_good = measure_rounds(&engine->ways[way], chan, to, from, way);
		if (way == POLLED && berth_dma_set_polled(chan, false))
			is_good = fail("berth_dma_set_polled");
	}
	return is_good;
}

static bool measure_channel(struct engine *engine, struct dma_chan *chan)
{
	struct device *dev = dmaengine_get_dma_device(chan);
	dma_addr_t from, to;
	bool is_good;

	for (unsigned int i = 0; i < BYTES; i++) {
		source[i] = (uint8_t)((i + engine->nr) * 2654435761u >> 13);
		target[i] = 0;
	}
	from = dma_map_single(dev, source, BYTES, DMA_TO_DEVICE);
	to = dma_map_single(dev, target, BYTES, DMA_FROM_DEVICE);
	if (dma_mapping_error(dev, from) || dma_mapping_error(dev, to))
		return fail("dma_map_single");
	is_good = measure_ways(engine, chan, to, from);
	dma_unmap_single(dev, from, BYTES, DMA_TO_DEVICE);
	dma_unmap_single(dev, to, BYTES, DMA_FROM_DEVICE);
	for (unsigned int i = 0; i < BYTES && is_good; i++)
		if (source[i] != target[i])
			is_good = complain("the engine has moved other bytes");
	return is_good;
}

/* What the software engine does on behalf of the hardware. */
static uint32_t instructions_of_memmove(void)
{
	uint32_t start = instructions();

	for (unsigned int i = 0; i < TRANSFERS; i++) {
		__builtin_memmove(target, source, BYTES);
		__asm__ volatile("" ::: "memory");
	}
	return instructions() - start;
}

static void say_transfer(uint64_t total)
{
	say_fixed((total * 10 + TRANSFERS / 2) / TRANSFERS, 1, 10);
}

/* Whether the worst round of the worst channel is within the budget. */
static bool report_way(struct engine *engine, enum way way, uint64_t budget)
{
	struct figures *figures = &engine->ways[way];

	if (!figures->nr)
		return true;
	sort(figures->medians, figures->nr);
	say_left(engine->name, NAME_WIDTH);
	say_left(names[way], WAY_WIDTH);
	say_fixed(engine->nr, 0, 8);
	say_transfer(figures->medians[figures->nr / 2]);
	say_transfer(figures->lowest);
	say_transfer(figures->highest);
	say_transfer(budget);
	say_fixed((figures->highest * 100ull + budget / 2) / budget, 2, 8);
	say(figures->highest > budget ? "  over\n" : "\n");
	return figures->highest <= budget;
}

static bool report(struct engine *engine, bool is_software)
{
	uint64_t budget = (uint64_t)BUDGET * TRANSFERS;
	bool is_within = true;

	if (is_software)
		budget += instructions_of_memmove();
	for (enum way way = 0; way < NR_WAYS; way++)
		is_within &= report_way(engine, way, budget);
	return is_within;
}

static const char *name_of(struct dma_chan *chan)
{
	const struct device *dev = dmaengine_get_dma_device(chan);

	return dev->driver ? dev->driver->name : "software";
}

/* All channels of the same driver, from the first one that is left on. */
static bool measure_engine(bool *is_over)
{
	bool is_software = !dmaengine_get_dma_device(channels[0])->driver;
	static struct engine engine;
	unsigned int left = 0;

	engine = (struct engine){ .name = name_of(channels[0]) };
	for (unsigned int i = 0; i < nr_channels; i++) {
		if (name_of(channels[i]) != engine.name) {
			channels[left++] = channels[i];
			continue;
		}
		if (!measure_channel(&engine, channels[i]))
			return false;
		dma_release_channel(channels[i]);
	}
	nr_channels = left;
	*is_over |= !report(&engine, is_software);
	return true;
}

static void take_channels(void)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	while (nr_channels < MAX_CHANNELS &&
	       (channels[nr_channels] = dma_request_channel(mask, NULL, NULL)) != NULL)
		nr_channels++;
}

static bool start(void)
{
	if (berth_start(NULL, berth_dma_drivers, NULL))
		return fail("berth_start");
	source = alloc_pages_exact(BYTES, GFP_KERNEL);
	target = alloc_pages_exact(BYTES, GFP_KERNEL);
	if (!source || !target)
		return fail("alloc_pages_exact");
	take_channels();
	if (!nr_channels && berth_dma_software_start(1, 0))
		return fail("berth_dma_software_start");
	if (!nr_channels)
		take_channels();
	return nr_channels ? true : fail("dma_request_channel");
}

int main(void)
{
	bool is_over = false;

	if (!start_counter()) {
		complain("instructions are not counted here: QEMU wants -icount shift=0,sleep=off");
		return 1;
	}
	if (!start())
		return 1;
	say("engine         end          channels        Ir    lowest   highest    budget   ratio\n");
	while (nr_channels)
		if (!measure_engine(&is_over))
			return 1;
	free_pages_exact(source, BYTES);
	free_pages_exact(target, BYTES);
	if (berth_stop())
		is_over = !fail("berth_stop");
	return is_over;
}
