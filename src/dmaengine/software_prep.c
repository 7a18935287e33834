// SPDX-License-Identifier: BSD-2-Clause
/* Descriptors of the software engine. Capability, length and alignment were checked before. */
#include <berth/dma-mapping.h>
#include <berth/slab.h>

#include "dmaengine/software.h"
#include "lib/error.h"
#include "lib/string.h"

static __attribute__((noinline)) struct software_desc *find_desc(struct dma_chan *chan)
{
	struct virt_dma_desc *vd = berth_vchan_find_recycled(to_virt_chan(chan));
	struct software_desc *desc;

	if (vd)
		return to_software_desc(vd);
	desc = kmalloc(sizeof(*desc), GFP_NOWAIT);
	if (!desc)
		return NULL;
	memset(desc, 0, sizeof(*desc));
	desc->runs = desc->few_runs;
	desc->max_runs = SOFTWARE_RUNS;
	berth_vchan_add(to_virt_chan(chan), &desc->vd);
	return desc;
}

/* Mostly there is one, and it needs no call. */
static inline struct software_desc *new_desc(struct dma_chan *chan,
					     bool (*step)(struct software_desc *desc, size_t bytes),
					     size_t length)
{
	struct virt_dma_desc *vd = berth_vchan_spare(to_virt_chan(chan));
	struct software_desc *desc = vd ? to_software_desc(vd) : find_desc(chan);

	if (!desc)
		return NULL;
	desc->step = step;
	desc->finish = NULL;
	desc->length = length;
	desc->nr_runs = 0;
	return desc;
}

void berth_software_desc_destroy(struct software_desc *desc)
{
	if (desc->runs != desc->few_runs)
		kfree(desc->runs);
	kfree(desc);
}

static struct dma_async_tx_descriptor *prepared(struct software_desc *desc, unsigned long flags)
{
	return desc ? berth_vchan_prepared(&desc->vd, flags) : NULL;
}

static struct dma_async_tx_descriptor *prep_memcpy(struct dma_chan *chan, dma_addr_t dst,
						   dma_addr_t src, size_t len, unsigned long flags)
{
	struct software_desc *desc = new_desc(chan, berth_software_copy, len);

	if (desc) {
		desc->dst[0] = dst;
		desc->src[0] = src;
	}
	return prepared(desc, flags);
}

static struct dma_async_tx_descriptor *prep_memset(struct dma_chan *chan, dma_addr_t dest,
						   int value, size_t len, unsigned long flags)
{
	struct software_desc *desc = new_desc(chan, berth_software_fill, len);

	if (desc) {
		desc->dst[0] = dest;
		desc->value = (uint8_t)value;
	}
	return prepared(desc, flags);
}

static struct dma_async_tx_descriptor *prep_interrupt(struct dma_chan *chan, unsigned long flags)
{
	return prepared(new_desc(chan, berth_software_nothing, 0), flags);
}

/* A descriptor with sources. */
static struct software_desc *new_sum(struct dma_chan *chan,
				     bool (*step)(struct software_desc *desc, size_t bytes),
				     size_t length, const dma_addr_t *src, unsigned int nr)
{
	struct software_desc *desc = new_desc(chan, step, length);

	if (desc) {
		memcpy(desc->src, src, nr * sizeof(*src));
		desc->nr_src = nr;
	}
	return desc;
}

static struct dma_async_tx_descriptor *prep_xor(struct dma_chan *chan, dma_addr_t dst,
						dma_addr_t *src, unsigned int src_cnt, size_t len,
						unsigned long flags)
{
	struct software_desc *desc = new_sum(chan, berth_software_xor, len, src, src_cnt);

	if (desc)
		desc->dst[0] = dst;
	return prepared(desc, flags);
}

static struct dma_async_tx_descriptor *prep_xor_val(struct dma_chan *chan, dma_addr_t *src,
						    unsigned int src_cnt, size_t len,
						    enum sum_check_flags *result,
						    unsigned long flags)
{
	struct software_desc *desc = new_sum(chan, berth_software_xor_check, len, src, src_cnt);

	if (desc) {
		desc->check = result;
		desc->finish = berth_software_xor_result;
	}
	return prepared(desc, flags);
}

static struct dma_async_tx_descriptor *prep_pq(struct dma_chan *chan, dma_addr_t *dst,
					       dma_addr_t *src, unsigned int src_cnt,
					       const unsigned char *scf, size_t len,
					       unsigned long flags)
{
	struct software_desc *desc = new_sum(chan, berth_software_pq, len, src, src_cnt);

	if (desc) {
		memcpy(desc->coefficient, scf, src_cnt);
		desc->dst[0] = flags & DMA_PREP_PQ_DISABLE_P ? DMA_MAPPING_ERROR : dst[0];
		desc->dst[1] = flags & DMA_PREP_PQ_DISABLE_Q ? DMA_MAPPING_ERROR : dst[1];
	}
	return prepared(desc, flags);
}

/* Bytes of the whole pattern; 0 with the reason. */
static size_t pattern_length(struct dma_chan *chan, const struct dma_interleaved_template *xt)
{
	uint64_t frame = 0;

	for (size_t i = 0; i < xt->frame_size && frame <= UINT32_MAX; i++)
		frame = xt->sgl[i].size > UINT32_MAX ? UINT64_MAX : frame + xt->sgl[i].size;
	if (frame <= UINT32_MAX && xt->numf <= UINT32_MAX / frame)
		return (size_t)frame * xt->numf;
	berth_dma_fail(chan, -EINVAL, BERTH_REASON_SEGMENT, "interleaved", xt->src_start, frame,
		       UINT32_MAX);
	return 0;
}

static bool has_room(struct software_desc *desc, size_t runs)
{
	struct data_chunk *more;

	if (runs <= desc->max_runs)
		return true;
	more = runs <= SIZE_MAX / sizeof(*more) ? kmalloc(runs * sizeof(*more), GFP_NOWAIT) : NULL;
	if (!more)
		return false;
	if (desc->runs != desc->few_runs)
		kfree(desc->runs);
	desc->runs = more;
	desc->max_runs = runs;
	return true;
}

static struct dma_async_tx_descriptor *prep_interleaved(struct dma_chan *chan,
							const struct dma_interleaved_template *xt,
							unsigned long flags)
{
	size_t length = pattern_length(chan, xt);
	struct software_desc *desc = length ? new_desc(chan, berth_software_runs, length) : NULL;

	if (!desc)
		return NULL;
	if (!has_room(desc, xt->frame_size)) {
		berth_vchan_recycle(&desc->vd);
		return NULL;
	}
	desc->dst[0] = xt->dst_start;
	desc->src[0] = xt->src_start;
	desc->dst_inc = xt->dst_inc;
	desc->src_inc = xt->src_inc;
	desc->nr_runs = xt->frame_size;
	for (size_t i = 0; i < xt->frame_size; i++)
		desc->runs[i] = (struct data_chunk){
			.size = xt->sgl[i].size,
			.dst_icg = dmaengine_get_dst_icg(xt, &xt->sgl[i]),
			.src_icg = dmaengine_get_src_icg(xt, &xt->sgl[i]),
		};
	return prepared(desc, flags);
}

void berth_software_set_prep(struct dma_device *device)
{
	dma_cap_set(DMA_MEMCPY, device->cap_mask);
	dma_cap_set(DMA_MEMSET, device->cap_mask);
	dma_cap_set(DMA_XOR, device->cap_mask);
	dma_cap_set(DMA_XOR_VAL, device->cap_mask);
	dma_cap_set(DMA_PQ, device->cap_mask);
	dma_cap_set(DMA_INTERRUPT, device->cap_mask);
	dma_cap_set(DMA_INTERLEAVE, device->cap_mask);
	device->max_xor = SOFTWARE_MAX_SOURCES;
	device->max_pq = SOFTWARE_MAX_SOURCES;
	device->device_prep_dma_memcpy = prep_memcpy;
	device->device_prep_dma_memset = prep_memset;
	device->device_prep_dma_xor = prep_xor;
	device->device_prep_dma_xor_val = prep_xor_val;
	device->device_prep_dma_pq = prep_pq;
	device->device_prep_dma_interrupt = prep_interrupt;
	device->device_prep_interleaved_dma = prep_interleaved;
}
