/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chains: lists of odd sizes at odd places, moved by a DMA controller and by memcpy(). For any
 * controller that copies memory; the engine's own test says which.
 */
#ifndef TESTS_MODEL_DMA_CHAIN_H
#define TESTS_MODEL_DMA_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include <berth/dma-mapping.h>
#include <berth/dmaengine.h>
#include <berth/gfp.h>
#include <berth/mm.h>
#include <berth/slab.h>

#define CHAIN_MAX 4096u

/* Runs of a source and of a target of their own, with gaps between them that stay as they are. */
struct dma_chain {
	unsigned int nr;
	size_t align; /* of every length and gap; a power of two */
	size_t room; /* bytes of either side */
	unsigned int order;
	uint8_t *src, *dst, *wanted;
	size_t src_at[CHAIN_MAX], dst_at[CHAIN_MAX], len[CHAIN_MAX];
	size_t bytes;
};

/* So many runs, of at most @longest bytes. False: no memory. dma_chain_free() in any case. */
static inline bool dma_chain_make(struct dma_chain *chain, unsigned int nr, size_t longest,
				  size_t align, uint32_t (*below)(uint32_t bound))
{
	size_t from = 0, to = 0;

	*chain = (struct dma_chain){ .nr = nr, .align = align };
	for (unsigned int i = 0; i < nr; i++) {
		from += below(24) / align * align;
		to += below(24) / align * align;
		chain->src_at[i] = from;
		chain->dst_at[i] = to;
		chain->len[i] = (1 + below((uint32_t)longest) + align - 1) / align * align;
		chain->bytes += chain->len[i];
		from += chain->len[i];
		to += chain->len[i];
	}
	chain->room = (from > to ? from : to) + 64;
	chain->order = (unsigned int)get_order(chain->room);
	chain->src = (uint8_t *)__get_free_pages(GFP_KERNEL, chain->order);
	chain->dst = (uint8_t *)__get_free_pages(GFP_KERNEL, chain->order);
	chain->wanted = (uint8_t *)__get_free_pages(GFP_KERNEL, chain->order);
	if (!chain->src || !chain->dst || !chain->wanted)
		return false;
	for (size_t i = 0; i < chain->room; i++) {
		chain->src[i] = (uint8_t)below(256);
		chain->dst[i] = chain->wanted[i] = (uint8_t)(i * 31);
	}
	for (unsigned int i = 0; i < nr; i++)
		memcpy(chain->wanted + chain->dst_at[i], chain->src + chain->src_at[i],
		       chain->len[i]);
	return true;
}

static inline void dma_chain_free(struct dma_chain *chain)
{
	free_pages((unsigned long)chain->src, chain->order);
	free_pages((unsigned long)chain->dst, chain->order);
	free_pages((unsigned long)chain->wanted, chain->order);
}

/* Whether the target is what memcpy() would have made of it, the gaps included. */
static inline bool dma_chain_is_right(const struct dma_chain *chain)
{
	return !memcmp(chain->dst, chain->wanted, chain->room);
}

/* The template of the chain as one interleaved transfer, for kvfree(); NULL: no memory. */
static inline struct dma_interleaved_template *dma_chain_template(const struct dma_chain *chain,
								  dma_addr_t src, dma_addr_t dst)
{
	struct dma_interleaved_template *xt =
		kvzalloc(sizeof(*xt) + chain->nr * sizeof(xt->sgl[0]), GFP_KERNEL);

	if (!xt)
		return NULL;
	xt->src_start = src + chain->src_at[0];
	xt->dst_start = dst + chain->dst_at[0];
	xt->dir = DMA_MEM_TO_MEM;
	xt->src_inc = xt->dst_inc = xt->src_sgl = xt->dst_sgl = true;
	xt->numf = 1;
	xt->frame_size = chain->nr;
	for (unsigned int i = 0; i < chain->nr; i++) {
		xt->sgl[i].size = chain->len[i];
		if (i + 1 == chain->nr)
			break;
		xt->sgl[i].src_icg = chain->src_at[i + 1] - chain->src_at[i] - chain->len[i];
		xt->sgl[i].dst_icg = chain->dst_at[i + 1] - chain->dst_at[i] - chain->len[i];
	}
	return xt;
}

/*
 * Move it by one copy for each run, all submitted before the first is issued, and wait for the last.
 * 0, or a negative errno value; then nothing is under way.
 */
static inline int dma_chain_copies(const struct dma_chain *chain, struct dma_chan *chan,
				   dma_addr_t src, dma_addr_t dst)
{
	dma_cookie_t cookie = 0;
	int err = 0;

	for (unsigned int i = 0; i < chain->nr && !err; i++) {
		struct dma_async_tx_descriptor *tx = dmaengine_prep_dma_memcpy(
			chan, dst + chain->dst_at[i], src + chain->src_at[i], chain->len[i],
			DMA_CTRL_ACK);

		cookie = tx ? dmaengine_submit(tx) : -ENOMEM;
		err = dma_submit_error(cookie);
	}
	if (!err)
		err = berth_dma_wait(chan, cookie, 10000);
	if (err)
		dmaengine_terminate_sync(chan);
	return err;
}

/* Move it by one interleaved transfer. */
static inline int dma_chain_interleaved(const struct dma_chain *chain, struct dma_chan *chan,
					dma_addr_t src, dma_addr_t dst)
{
	struct dma_interleaved_template *xt = dma_chain_template(chain, src, dst);
	struct dma_async_tx_descriptor *tx;
	int err = -ENOMEM;

	if (!xt)
		return -ENOMEM;
	tx = dmaengine_prep_interleaved_dma(chan, xt, DMA_CTRL_ACK);
	kvfree(xt);
	if (tx)
		err = berth_dma_wait(chan, dmaengine_submit(tx), 10000);
	if (err)
		dmaengine_terminate_sync(chan);
	return err;
}

/* The whole of it, mapped and unmapped. 0 if the bytes are right. */
static inline int dma_chain_run(struct dma_chain *chain, struct dma_chan *chan,
				int (*move)(const struct dma_chain *chain, struct dma_chan *chan,
					    dma_addr_t src, dma_addr_t dst))
{
	struct device *dev = dmaengine_get_dma_device(chan);
	dma_addr_t src = dma_map_single(dev, chain->src, chain->room, DMA_TO_DEVICE);
	/* What lies between the runs goes there and back. */
	dma_addr_t dst = dma_map_single(dev, chain->dst, chain->room, DMA_BIDIRECTIONAL);
	int err = -ENOMEM;

	if (!dma_mapping_error(dev, src) && !dma_mapping_error(dev, dst))
		err = move(chain, chan, src, dst);
	if (!dma_mapping_error(dev, dst))
		dma_unmap_single(dev, dst, chain->room, DMA_BIDIRECTIONAL);
	if (!dma_mapping_error(dev, src))
		dma_unmap_single(dev, src, chain->room, DMA_TO_DEVICE);
	if (err)
		return err;
	return dma_chain_is_right(chain) ? 0 : -EILSEQ;
}

#endif
