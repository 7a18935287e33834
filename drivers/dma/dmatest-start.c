// SPDX-License-Identifier: BSD-2-Clause
/* What a channel can be tested for, and the memory for it. */
#include <berth/dma-mapping.h>
#include <berth/dmaengine-driver.h>
#include <berth/errno.h>
#include <berth/gfp.h>
#include <berth/slab.h>

#include "dmatest.h"

#define BUFFER_SIZE 16384u
#define ITERATIONS 100u
#define TIMEOUT_MS 3000u
#define SOURCES 3u

static void set_defaults(struct berth_dmatest_params *params)
{
	if (!params->buffer_size)
		params->buffer_size = BUFFER_SIZE;
	params->buffer_size = (params->buffer_size + 7) & ~(size_t)7;
	if (!params->iterations)
		params->iterations = ITERATIONS;
	if (!params->timeout_ms)
		params->timeout_ms = TIMEOUT_MS;
	if (!params->xor_sources)
		params->xor_sources = SOURCES;
	if (!params->pq_sources)
		params->pq_sources = SOURCES;
}

static int refuse(const struct dma_chan *chan, const char *what, uint64_t value)
{
	return berth_dma_fail(chan, -EINVAL, BERTH_REASON_ARGUMENT, what, value, 0, 0);
}

static unsigned int lesser(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

static int check_params(struct berth_dmatest_params *params, const struct dma_chan *chan)
{
	const struct dma_device *device = chan->device;
	size_t align = params->alignment ? params->alignment : 1;
	const unsigned int needs[] = { device->copy_align, device->xor_align, device->pq_align,
				       device->fill_align };

	if (align & (align - 1) || align > BERTH_DMATEST_GUARD)
		return refuse(chan, "alignment", align);
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
		if (align < (size_t)1 << needs[i])
			align = (size_t)1 << needs[i];
	params->alignment = align;
	if (params->buffer_size < align || params->buffer_size > UINT32_MAX / 2)
		return refuse(chan, "buffer size", params->buffer_size);
	if (params->transfer_size > params->buffer_size || params->transfer_size % align)
		return refuse(chan, "transfer size", params->transfer_size);
	params->xor_sources = lesser(params->xor_sources, BERTH_DMATEST_MAX_SOURCES);
	params->pq_sources = lesser(params->pq_sources, BERTH_DMATEST_MAX_SOURCES);
	if (device->max_xor)
		params->xor_sources = lesser(params->xor_sources, device->max_xor);
	if (device->max_pq)
		params->pq_sources = lesser(params->pq_sources, device->max_pq);
	return 0;
}

uint32_t berth_dmatest_kinds(const struct dma_chan *chan,
			     const struct berth_dmatest_peripheral *peripheral)
{
	static const uint8_t needs[] = {
		[BERTH_DMATEST_MEMCPY] = DMA_MEMCPY,
		[BERTH_DMATEST_MEMSET] = DMA_MEMSET,
		[BERTH_DMATEST_XOR] = DMA_XOR,
		[BERTH_DMATEST_XOR_VAL] = DMA_XOR_VAL,
		[BERTH_DMATEST_PQ] = DMA_PQ,
		[BERTH_DMATEST_INTERLEAVED] = DMA_INTERLEAVE,
		[BERTH_DMATEST_INTERRUPT] = DMA_INTERRUPT,
		[BERTH_DMATEST_SG] = DMA_MEMCPY,
		[BERTH_DMATEST_SLAVE_OUT] = DMA_SLAVE,
		[BERTH_DMATEST_SLAVE_IN] = DMA_SLAVE,
	};
	uint32_t kinds = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(needs); i++)
		if (__dma_has_cap((enum dma_transaction_type)needs[i], &chan->device->cap_mask))
			kinds |= 1u << i;
	if (!peripheral || !peripheral->take)
		kinds &= ~(1u << BERTH_DMATEST_SLAVE_OUT);
	if (!peripheral || !peripheral->give)
		kinds &= ~(1u << BERTH_DMATEST_SLAVE_IN);
	/* Memory to memory is not among the directions of some that interleave. */
	if (chan->device->directions && !(chan->device->directions >> DMA_MEM_TO_MEM & 1))
		kinds &= ~(1u << BERTH_DMATEST_INTERLEAVED);
	return kinds;
}

static bool has_kind(const struct berth_dmatest *test, enum berth_dmatest_kind kind)
{
	return test->kinds >> (unsigned int)kind & 1;
}

static unsigned int count_sources(const struct berth_dmatest *test)
{
	unsigned int nr = 1;

	if ((has_kind(test, BERTH_DMATEST_XOR) || has_kind(test, BERTH_DMATEST_XOR_VAL)) &&
	    nr < test->params.xor_sources)
		nr = test->params.xor_sources;
	if (has_kind(test, BERTH_DMATEST_PQ) && nr < test->params.pq_sources)
		nr = test->params.pq_sources;
	return nr;
}

static bool needs_second(const struct berth_dmatest *test)
{
	return has_kind(test, BERTH_DMATEST_PQ) || has_kind(test, BERTH_DMATEST_XOR_VAL);
}

/* Of whole pages: it begins where any alignment does, and may be large. */
static uint8_t *buffer(const struct berth_dmatest *test)
{
	return alloc_pages_exact(test->size, GFP_KERNEL);
}

static void give(const struct berth_dmatest *test, uint8_t *at)
{
	free_pages_exact(at, test->size);
}

static bool get_memory(struct berth_dmatest *test)
{
	bool has_all = true;

	test->max_src = count_sources(test);
	for (unsigned int i = 0; i < test->max_src && has_all; i++)
		has_all = (test->src[i].cpu = buffer(test)) != NULL;
	for (unsigned int i = 0; i < (has_kind(test, BERTH_DMATEST_PQ) ? 2u : 1u) && has_all; i++)
		has_all = (test->dst[i].cpu = buffer(test)) != NULL;
	for (unsigned int i = 0; i < (needs_second(test) ? 2u : 1u) && has_all; i++)
		has_all = (test->want[i] = buffer(test)) != NULL;
	if (has_all)
		test->pattern = kmalloc(sizeof(*test->pattern) + BERTH_DMATEST_MAX_PIECES *
									 sizeof(struct data_chunk),
					GFP_KERNEL);
	return has_all && test->pattern;
}

static void give_memory(struct berth_dmatest *test)
{
	for (unsigned int i = 0; i < BERTH_DMATEST_MAX_SOURCES; i++)
		give(test, test->is_lost ? NULL : test->src[i].cpu);
	for (unsigned int i = 0; i < 2; i++) {
		give(test, test->is_lost ? NULL : test->dst[i].cpu);
		give(test, test->want[i]);
	}
	kfree(test->pattern);
}

int berth_dmatest_init(struct berth_dmatest *test, struct dma_chan *chan,
		       const struct berth_dmatest_params *params)
{
	int err;

	memset(test, 0, sizeof(*test));
	test->chan = chan;
	test->dev = dmaengine_get_dma_device(chan);
	if (params)
		test->params = *params;
	set_defaults(&test->params);
	err = check_params(&test->params, chan);
	if (err)
		return err;
	test->align = test->params.alignment;
	test->size = test->params.buffer_size + 2 * BERTH_DMATEST_GUARD;
	test->random = test->params.seed;
	init_completion(&test->done);
	test->kinds = berth_dmatest_kinds(chan, test->params.peripheral);
	if (test->params.kinds)
		test->kinds &= test->params.kinds;
	if (!test->kinds)
		return berth_dma_fail(chan, -EINVAL, BERTH_REASON_CAPABILITY, "dmatest", 0, 0, 0);
	if (test->params.peripheral) {
		struct dma_slave_config config = test->params.peripheral->config;

		err = dmaengine_slave_config(chan, &config);
		if (err)
			return err;
	}
	if (get_memory(test))
		return 0;
	give_memory(test);
	return -ENOMEM;
}

void berth_dmatest_exit(struct berth_dmatest *test)
{
	if (test->is_busy) {
		test->stats.tests--;
		test->stats.kinds[test->kind]--;
		berth_dmatest_abandon(test);
	}
	give_memory(test);
}
