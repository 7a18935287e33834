// SPDX-License-Identifier: BSD-2-Clause
/* Lists of checked programs: a record for each entry, whose device address lies in the segment that it is part of. */
#include <berth/errno.h>

#include "dma/checked.h"

#include "lib/device.h"

/* Walks the entries of a mapped list together with its segments. */
struct walk {
	struct scatterlist *entry, *segment;
	dma_addr_t at; /* of the entry */
	uint64_t left; /* of the segment */
};

static void begin(struct walk *walk, struct scatterlist *sgl)
{
	walk->entry = walk->segment = sgl;
	walk->at = sg_dma_address(sgl);
	walk->left = sg_dma_len(sgl);
}

static void next(struct walk *walk)
{
	const uint64_t length = walk->entry->length;

	walk->entry = sg_next(walk->entry);
	walk->at += length;
	walk->left -= length < walk->left ? length : walk->left;
	if (walk->left || !walk->entry)
		return;
	walk->segment = sg_next(walk->segment);
	if (!walk->segment)
		return;
	walk->at = sg_dma_address(walk->segment);
	walk->left = sg_dma_len(walk->segment);
}

static struct check_call call_of(struct device *dev, const struct walk *walk, int nents,
				 enum dma_data_direction dir, void *caller)
{
	struct check_call call =
		berth_checked_call(dev, CHECK_LIST, walk->at, walk->entry->length, dir, caller);
	struct page *page = sg_page(walk->entry);

	call.nents = (unsigned int)nents;
	if (page && !PageHighMem(page))
		call.virt = (uintptr_t)page_address(page) + walk->entry->offset;
	return call;
}

static void note_list(struct device *dev, struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir, unsigned long attrs, void *caller)
{
	struct berth_check_place place;
	struct walk walk;

	check_place_here(&place, (uintptr_t)caller);
	begin(&walk, sgl);
	for (int i = 0; i < nents && walk.entry; i++) {
		struct check_call call = call_of(dev, &walk, nents, dir, caller);

		call.place = &place;
		call.is_skipped = (attrs & DMA_ATTR_SKIP_CPU_SYNC) != 0;
		if (berth_port_is_stack(call.virt)) {
			berth_check_refused(&call, BERTH_CHECK_STACK);
			call.virt = 0;
		}
		berth_check_added(&call);
		next(&walk);
	}
}

static void note_refusal(struct device *dev, struct scatterlist *sgl, enum dma_data_direction dir,
			 void *caller)
{
	struct walk walk = { .entry = sgl, .segment = sgl };
	struct check_call call = call_of(dev, &walk, 0, dir, caller);

	if (berth_last_error()->reason == BERTH_REASON_SEGMENT)
		berth_check_refused(&call, BERTH_CHECK_SEGMENT);
	else if (berth_last_error()->reason == BERTH_REASON_NOT_LINEAR)
		berth_check_refused(&call, BERTH_CHECK_NOT_DMA_MEMORY);
	berth_check_failed(&call, false);
}

unsigned int berth_checked_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
				  enum dma_data_direction dir, unsigned long attrs)
{
	unsigned int mapped =
		berth_checked_fails(dev) ? 0 : dma_map_sg_attrs(dev, sgl, nents, dir, attrs);

	if (!berth_check_is_on() || nents <= 0)
		return mapped;
	if (mapped)
		note_list(dev, sgl, nents, dir, attrs, __builtin_return_address(0));
	else
		note_refusal(dev, sgl, dir, __builtin_return_address(0));
	return mapped;
}

int berth_checked_map_sgtable(struct device *dev, struct sg_table *sgt, enum dma_data_direction dir,
			      unsigned long attrs)
{
	int err = berth_checked_fails(dev) ? -ENOMEM : dma_map_sgtable(dev, sgt, dir, attrs);

	if (!berth_check_is_on() || !sgt->orig_nents)
		return err;
	if (!err)
		note_list(dev, sgt->sgl, (int)sgt->orig_nents, dir, attrs,
			  __builtin_return_address(0));
	else
		note_refusal(dev, sgt->sgl, dir, __builtin_return_address(0));
	return err;
}

/* All its records go, also if the number is wrong. Return: the number that is right, or 0. */
static unsigned int forget_list(struct device *dev, struct scatterlist *sgl, int nents,
				enum dma_data_direction dir, void *caller)
{
	struct walk walk;
	struct check_call call;
	unsigned int right;

	begin(&walk, sgl);
	call = call_of(dev, &walk, nents, dir, caller);
	right = berth_check_list_entries(&call);
	for (unsigned int i = 0; walk.entry && i < (right ? right : 1); i++) {
		call = call_of(dev, &walk, nents, dir, caller);
		berth_check_removing(&call);
		next(&walk);
	}
	return right;
}

void berth_checked_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			    enum dma_data_direction dir, unsigned long attrs)
{
	if (berth_check_is_on() && nents > 0) {
		nents = (int)forget_list(dev, sgl, nents, dir, __builtin_return_address(0));
		if (!nents)
			return;
	}
	dma_unmap_sg_attrs(dev, sgl, nents, dir, attrs);
}

static void sync_list(struct device *dev, struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir, bool for_cpu, void *caller)
{
	struct walk walk;

	if (!berth_check_is_on() || nents <= 0)
		return;
	begin(&walk, sgl);
	for (int i = 0; i < nents && walk.entry; i++) {
		struct check_call call = call_of(dev, &walk, nents, dir, caller);

		berth_check_syncing(&call, for_cpu);
		next(&walk);
	}
}

/* After it: see berth_check_given(). */
static void give_list(struct device *dev, struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir)
{
	struct walk walk;

	if (!berth_check_is_on() || nents <= 0)
		return;
	begin(&walk, sgl);
	for (int i = 0; i < nents && walk.entry; i++) {
		struct check_call call = call_of(dev, &walk, nents, dir, NULL);

		berth_check_given(&call);
		next(&walk);
	}
}

void berth_checked_sync_sg_for_cpu(struct device *dev, struct scatterlist *sgl, int nents,
				   enum dma_data_direction dir)
{
	sync_list(dev, sgl, nents, dir, true, __builtin_return_address(0));
	dma_sync_sg_for_cpu(dev, sgl, nents, dir);
}

void berth_checked_sync_sg_for_device(struct device *dev, struct scatterlist *sgl, int nents,
				      enum dma_data_direction dir)
{
	sync_list(dev, sgl, nents, dir, false, __builtin_return_address(0));
	dma_sync_sg_for_device(dev, sgl, nents, dir);
	give_list(dev, sgl, nents, dir);
}

void berth_checked_unmap_sgtable(struct device *dev, struct sg_table *sgt,
				 enum dma_data_direction dir, unsigned long attrs)
{
	int nents = (int)sgt->orig_nents;

	if (berth_check_is_on() && nents > 0) {
		nents = (int)forget_list(dev, sgt->sgl, nents, dir, __builtin_return_address(0));
		if (!nents)
			return;
	}
	dma_unmap_sg_attrs(dev, sgt->sgl, nents, dir, attrs);
}

void berth_checked_sync_sgtable_for_cpu(struct device *dev, struct sg_table *sgt,
					enum dma_data_direction dir)
{
	sync_list(dev, sgt->sgl, (int)sgt->orig_nents, dir, true, __builtin_return_address(0));
	dma_sync_sgtable_for_cpu(dev, sgt, dir);
}

void berth_checked_sync_sgtable_for_device(struct device *dev, struct sg_table *sgt,
					   enum dma_data_direction dir)
{
	sync_list(dev, sgt->sgl, (int)sgt->orig_nents, dir, false, __builtin_return_address(0));
	dma_sync_sgtable_for_device(dev, sgt, dir);
	give_list(dev, sgt->sgl, (int)sgt->orig_nents, dir);
}
