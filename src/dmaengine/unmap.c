/* SPDX-License-Identifier: BSD-2-Clause */
/* What is unmapped when a transfer is done: counted, and kept for the next one. */
#include <berth/dma-mapping.h>
#include <berth/errno.h>
#include <berth/slab.h>
#include <berth/spinlock.h>

#include "dmaengine/internal.h"
#include "lib/error.h"

#define MAX_KEPT 32

/* Guards the lists. Taken with interrupts away; a leaf. */
static DEFINE_SPINLOCK(kept_lock);
static struct kept {
	uint16_t room;
	uint16_t nr;
	struct dmaengine_unmap_data *first; /* linked through @dev */
} kept[] = { { 2, 0, NULL }, { 16, 0, NULL }, { 128, 0, NULL }, { 256, 0, NULL } };

static struct kept *class_of(int nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (nr <= kept[i].room)
			return &kept[i];
	return NULL;
}

static struct dmaengine_unmap_data *take(struct kept *class)
{
	struct dmaengine_unmap_data *unmap;
	unsigned long flags;

	spin_lock_irqsave(&kept_lock, flags);
	unmap = class->first;
	if (unmap) {
		class->first = (struct dmaengine_unmap_data *)(void *)unmap->dev;
		class->nr--;
	}
	spin_unlock_irqrestore(&kept_lock, flags);
	return unmap;
}

struct dmaengine_unmap_data *dmaengine_get_unmap_data(struct device *dev, int nr, gfp_t flags)
{
	struct kept *class = nr > 0 ? class_of(nr) : NULL;
	struct dmaengine_unmap_data *unmap;

	if (!class) {
		berth_fail_limit(-EINVAL, BERTH_REASON_TOO_LARGE, "dmaengine_get_unmap_data",
				 (uint64_t)nr, kept[ARRAY_SIZE(kept) - 1].room);
		return NULL;
	}
	unmap = take(class);
	if (!unmap)
		unmap = kmalloc(sizeof(*unmap) + class->room * sizeof(dma_addr_t), flags);
	if (!unmap)
		return NULL;
	*unmap = (struct dmaengine_unmap_data){ .map_cnt = class->room, .dev = dev, .refs = 1 };
	unmap->addr = (dma_addr_t *)(void *)(unmap + 1);
	return unmap;
}

void (*berth_dma_unmapping)(const struct dmaengine_unmap_data *unmap);

static void unmap_all(const struct dmaengine_unmap_data *unmap)
{
	void (*tell)(const struct dmaengine_unmap_data *) =
		__atomic_load_n(&berth_dma_unmapping, __ATOMIC_ACQUIRE);
	unsigned int from = unmap->to_cnt, bidi = from + unmap->from_cnt;

	if (tell)
		tell(unmap);
	for (unsigned int i = 0; i < bidi + unmap->bidi_cnt; i++)
		dma_unmap_page(unmap->dev, unmap->addr[i], unmap->len,
			       i < from	  ? DMA_TO_DEVICE
			       : i < bidi ? DMA_FROM_DEVICE
					  : DMA_BIDIRECTIONAL);
}

void dmaengine_unmap_put(struct dmaengine_unmap_data *unmap)
{
	struct kept *class;
	unsigned long flags;
	bool is_kept;

	if (!unmap || __atomic_sub_fetch(&unmap->refs, 1, __ATOMIC_ACQ_REL))
		return;
	unmap_all(unmap);
	class = class_of(unmap->map_cnt);
	spin_lock_irqsave(&kept_lock, flags);
	is_kept = class->nr < MAX_KEPT;
	if (is_kept) {
		unmap->dev = (struct device *)(void *)class->first;
		class->first = unmap;
		class->nr++;
	}
	spin_unlock_irqrestore(&kept_lock, flags);
	if (!is_kept)
		kfree(unmap);
}

void dma_set_unmap(struct dma_async_tx_descriptor *tx, struct dmaengine_unmap_data *unmap)
{
	__atomic_fetch_add(&unmap->refs, 1, __ATOMIC_RELAXED);
	tx->unmap = unmap;
}

void dma_descriptor_unmap(struct dma_async_tx_descriptor *tx)
{
	struct dmaengine_unmap_data *unmap = tx->unmap;

	tx->unmap = NULL;
	dmaengine_unmap_put(unmap);
}

void berth_dma_unmap_stop(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		struct dmaengine_unmap_data *unmap;

		while ((unmap = take(&kept[i])))
			kfree(unmap);
	}
}
