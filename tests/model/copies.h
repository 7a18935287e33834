/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of DMA controllers share: channels, and copies that are compared with the CPU's. */
#ifndef TESTS_MODEL_COPIES_H
#define TESTS_MODEL_COPIES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <berth/dma-mapping.h>
#include <berth/dmaengine.h>
#include <berth/gfp.h>
#include <berth/mm.h>
#include <berth/timer.h>

/* How long a transfer may take, in berth's time: only what hangs takes as long. */
#define COPY_TIMEOUT msecs_to_jiffies(600000)

static inline bool is_of_device(struct dma_chan *chan, void *dev)
{
	return dmaengine_get_dma_device(chan) == dev;
}

/* A channel of a device; NULL if none is free. */
static inline struct dma_chan *try_channel(struct device *dev)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	return dma_request_channel(mask, is_of_device, dev);
}

static inline struct dma_chan *must_channel(struct device *dev)
{
	struct dma_chan *chan = try_channel(dev);

	assert_non_null(chan);
	return chan;
}

/* A deterministic run of numbers. */
static inline uint32_t copies_random(uint32_t bound)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % bound;
}

/* Two buffers that the controller sees, and what the target has to look like. */
struct copies {
	struct dma_chan *chan;
	struct device *dev;
	struct page *pages; /* of both */
	uint8_t *src, *dst, *want;
	size_t size;
	unsigned int order;
	dma_addr_t src_dma, dst_dma;
};

static inline void copies_start(struct copies *c, struct dma_chan *chan, size_t size)
{
	c->chan = chan;
	c->dev = dmaengine_get_dma_device(chan);
	c->size = size;
	c->order = 0;
	while (PAGE_SIZE << c->order < 2 * size)
		c->order++;
	c->pages = alloc_pages(GFP_KERNEL, c->order);
	c->want = malloc(size);
	assert_true(c->pages && c->want);
	c->src = page_address(c->pages);
	c->dst = c->src + size;
}

static inline void copies_end(struct copies *c)
{
	__free_pages(c->pages, c->order);
	free(c->want);
}

/* Fresh bytes in both, which then are the controller's. */
static inline void copies_map(struct copies *c)
{
	uint32_t seed = copies_random(1000000);

	for (size_t i = 0; i < c->size; i++)
		c->src[i] = (uint8_t)((i + seed) * 2654435761u >> 13);
	memset(c->dst, 0xa5, c->size);
	memset(c->want, 0xa5, c->size);
	c->src_dma = dma_map_single(c->dev, c->src, c->size, DMA_TO_DEVICE);
	c->dst_dma = dma_map_single(c->dev, c->dst, c->size, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_mapping_error(c->dev, c->src_dma), 0);
	assert_int_equal(dma_mapping_error(c->dev, c->dst_dma), 0);
}

static inline void copies_unmap(struct copies *c)
{
	dma_unmap_single(c->dev, c->src_dma, c->size, DMA_TO_DEVICE);
	dma_unmap_single(c->dev, c->dst_dma, c->size, DMA_BIDIRECTIONAL);
}

static inline void copies_compare(struct copies *c)
{
	copies_unmap(c);
	assert_memory_equal(c->dst, c->want, c->size);
}

static inline void must_wait(struct dma_chan *chan, dma_cookie_t cookie)
{
	struct dma_tx_state state;
	char why[200];

	if (berth_dma_wait(chan, cookie, COPY_TIMEOUT)) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("transfer: %s", why);
	}
	assert_int_equal(dmaengine_tx_status(chan, cookie, &state), DMA_COMPLETE);
	assert_int_equal(state.residue, 0);
}

static inline void must_run(struct dma_async_tx_descriptor *tx)
{
	struct dma_chan *chan;
	dma_cookie_t cookie;
	char why[200];

	if (!tx) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("prepare: %s", why);
	}
	chan = tx->chan;
	cookie = dmaengine_submit(tx);
	assert_int_equal(dma_submit_error(cookie), 0);
	must_wait(chan, cookie);
}

/* A run of bytes from anywhere to anywhere, both on multiples of @align. */
static inline void copies_one(struct copies *c, uint32_t align)
{
	size_t size, src, dst;

	copies_map(c);
	size = (1 + copies_random((uint32_t)(c->size / 2 / align))) * align;
	src = copies_random((uint32_t)((c->size - size) / align + 1)) * align;
	dst = copies_random((uint32_t)((c->size - size) / align + 1)) * align;
	memcpy(c->want + dst, c->src + src, size);
	must_run(dmaengine_prep_dma_memcpy(c->chan, c->dst_dma + dst, c->src_dma + src, size,
					   DMA_PREP_INTERRUPT));
	copies_compare(c);
}

/*
 * A template of @nr runs of odd sizes with odd gaps, some of them none, on both sides. Its last byte is
 * inside of @c.
 */
static inline struct dma_interleaved_template *copies_list(struct copies *c, unsigned int nr,
							   uint32_t align)
{
	struct dma_interleaved_template *xt = calloc(1, sizeof(*xt) + nr * sizeof(xt->sgl[0]));
	size_t max = c->size / align / nr / 4, src = 0, dst = 0;

	assert_non_null(xt);
	assert_true(max);
	*xt = (struct dma_interleaved_template){
		.src_start = c->src_dma,
		.dst_start = c->dst_dma,
		.dir = DMA_MEM_TO_MEM,
		.src_inc = true,
		.dst_inc = true,
		.src_sgl = true,
		.dst_sgl = true,
		.numf = 1,
		.frame_size = nr,
	};
	for (unsigned int i = 0; i < nr; i++) {
		struct data_chunk *run = &xt->sgl[i];

		run->size = (1 + copies_random((uint32_t)max)) * align;
		run->src_icg = copies_random(3) ? (1 + copies_random((uint32_t)max)) * align : 0;
		run->dst_icg = copies_random(3) ? (1 + copies_random((uint32_t)max)) * align : 0;
		memcpy(c->want + dst, c->src + src, run->size);
		src += run->size + run->src_icg;
		dst += run->size + run->dst_icg;
		assert_true(src <= c->size && dst <= c->size);
	}
	return xt;
}

/* A list of @nr runs is as the memcpy() of the same. */
static inline void copies_many(struct copies *c, unsigned int nr, uint32_t align)
{
	struct dma_interleaved_template *xt;

	copies_map(c);
	xt = copies_list(c, nr, align);
	must_run(dmaengine_prep_interleaved_dma(c->chan, xt, DMA_PREP_INTERRUPT));
	free(xt);
	copies_compare(c);
}

/* Called back, how often and with what. */
struct called {
	uint32_t nr; /* atomic */
	uint32_t nr_max; /* terminate after so many; 0: never */
	struct dma_chan *chan;
	struct dmaengine_result result;
};

static inline void on_result(void *param, const struct dmaengine_result *result)
{
	struct called *called = param;

	called->result = *result;
	if (__atomic_add_fetch(&called->nr, 1, __ATOMIC_SEQ_CST) == called->nr_max)
		dmaengine_terminate_async(called->chan);
}

static inline void must_be_called(struct called *called, uint32_t nr)
{
	while (__atomic_load_n(&called->nr, __ATOMIC_SEQ_CST) < nr)
		msleep(1);
}

#endif
