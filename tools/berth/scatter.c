// SPDX-License-Identifier: BSD-2-Clause
/* Frames in scattered pages. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <berth/dma-mapping.h>
#include <berth/dmaengine.h>
#include <berth/gfp.h>

#include "scatter.h"

#define WAIT_MS 10000

struct scatter {
	struct device *engine;
	struct dma_chan *chan;
	size_t bytes; /* of a picture */
	struct page **pages;
	unsigned int nr;
	struct sg_table table; /* for the display */
	struct sg_table target; /* the same for the engine */
	bool is_mapped;
};

/* Every other page of those that come: what lies between them is given back at once. */
static bool take_pages(struct scatter *scatter)
{
	struct page **between = calloc(scatter->nr, sizeof(struct page *));
	bool ok = between;

	for (unsigned int i = 0; i < scatter->nr && ok; i++) {
		scatter->pages[i] = alloc_page(GFP_KERNEL);
		between[i] = alloc_page(GFP_KERNEL);
		ok = scatter->pages[i] && between[i];
	}
	for (unsigned int i = 0; between && i < scatter->nr; i++)
		if (between[i])
			__free_page(between[i]);
	free(between);
	return ok;
}

/* From here on the CPU does not write to them; what it wrote before must not fall over a picture. */
static bool describe(struct scatter *scatter)
{
	for (unsigned int i = 0; i < scatter->nr; i++)
		memset(page_address(scatter->pages[i]), 0x5a, PAGE_SIZE);
	if (sg_alloc_table_from_pages(&scatter->table, scatter->pages, scatter->nr, 0,
				      scatter->bytes, GFP_KERNEL) ||
	    sg_alloc_table_from_pages(&scatter->target, scatter->pages, scatter->nr, 0,
				      scatter->bytes, GFP_KERNEL))
		return false;
	scatter->is_mapped =
		!dma_map_sgtable(scatter->engine, &scatter->target, DMA_FROM_DEVICE, 0);
	return scatter->is_mapped;
}

static bool is_of_engine(struct dma_chan *chan, void *engine)
{
	return dmaengine_get_dma_device(chan) == engine;
}

static struct dma_chan *take_channel(struct device *engine)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	return dma_request_channel(mask, is_of_engine, engine);
}

struct scatter *scatter_start(struct device *engine, size_t bytes)
{
	struct scatter *scatter = calloc(1, sizeof(*scatter));

	if (!scatter)
		return NULL;
	scatter->engine = engine;
	scatter->bytes = bytes;
	scatter->nr = (unsigned int)PFN_UP(bytes);
	scatter->pages = calloc(scatter->nr, sizeof(struct page *));
	scatter->chan = take_channel(engine);
	if (scatter->pages && scatter->chan && take_pages(scatter) && describe(scatter))
		return scatter;
	scatter_end(scatter);
	return NULL;
}

void scatter_end(struct scatter *scatter)
{
	if (!scatter)
		return;
	if (scatter->is_mapped)
		dma_unmap_sgtable(scatter->engine, &scatter->target, DMA_FROM_DEVICE,
				  DMA_ATTR_SKIP_CPU_SYNC);
	if (scatter->chan)
		dma_release_channel(scatter->chan);
	sg_free_table(&scatter->target);
	sg_free_table(&scatter->table);
	for (unsigned int i = 0; scatter->pages && i < scatter->nr; i++)
		if (scatter->pages[i])
			__free_page(scatter->pages[i]);
	free(scatter->pages);
	free(scatter);
}

struct sg_table *scatter_table(struct scatter *scatter)
{
	return &scatter->table;
}

size_t scatter_pages(const struct scatter *scatter)
{
	return scatter->nr;
}

/* What fails is over when this returns: memory may be unmapped. */
static int copy(struct dma_chan *chan, dma_addr_t to, dma_addr_t from, size_t bytes)
{
	struct dma_async_tx_descriptor *tx =
		dmaengine_prep_dma_memcpy(chan, to, from, bytes, DMA_CTRL_ACK);
	int err = -ENOMEM;

	if (tx)
		err = berth_dma_wait(chan, dmaengine_submit(tx), WAIT_MS);
	if (tx && err)
		dmaengine_terminate_sync(chan);
	return err;
}

int scatter_fill(struct scatter *scatter, void *picture)
{
	/* The camera wrote it, and the CPU has only read it: memory is up to date. */
	dma_addr_t from = dma_map_single_attrs(scatter->engine, picture, scatter->bytes,
					       DMA_TO_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
	struct scatterlist *sg;
	size_t done = 0;
	unsigned int i;
	int ret = 0;

	if (dma_mapping_error(scatter->engine, from))
		return -ENOMEM;
	for_each_sgtable_dma_sg(&scatter->target, sg, i) {
		if (!ret)
			ret = copy(scatter->chan, sg_dma_address(sg), from + done, sg_dma_len(sg));
		done += sg_dma_len(sg);
	}
	dma_unmap_single_attrs(scatter->engine, from, scatter->bytes, DMA_TO_DEVICE,
			       DMA_ATTR_SKIP_CPU_SYNC);
	return ret;
}
