/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of a reservation. */
#ifndef BERTH_DMA_BUF_DMA_RESV_H
#define BERTH_DMA_BUF_DMA_RESV_H

#include <berth/dma-resv.h>

/* A fence, of which the list has a reference, and by whom it is. */
struct resv_entry {
	struct dma_fence *fence;
	enum dma_resv_usage usage;
};

struct berth_dma_resv_list {
	unsigned int num_fences;
	unsigned int max_fences;
	struct resv_entry table[];
};

/*
 * A list of the fences of a usage that are not signalled, with references, or NULL. May sleep.
 * Return: 0 or -ENOMEM.
 */
int berth_dma_resv_snapshot(struct dma_resv *obj, enum dma_resv_usage usage,
			    struct berth_dma_resv_list **list);

/* A list with room. With a reason when there is none. */
struct berth_dma_resv_list *berth_dma_resv_list_alloc(uint64_t max_fences);

/* Put its fences, and free it; NULL is ignored. With no spinlock held. */
void berth_dma_resv_list_free(struct berth_dma_resv_list *list);

#endif
