/* SPDX-License-Identifier: BSD-2-Clause */
/* Who changes the fences of a reservation. */
#include <berth/dma-resv.h>
#include <berth/errno.h>
#include <berth/slab.h>

#include "dma-buf/dma-resv.h"
#include "lib/error.h"

DEFINE_WW_CLASS(reservation_ww_class);

void dma_resv_init(struct dma_resv *obj)
{
	*obj = (struct dma_resv){ .generation = 1 };
	ww_mutex_init(&obj->lock, &reservation_ww_class);
}

void dma_resv_fini(struct dma_resv *obj)
{
	berth_dma_resv_list_free(obj->fences);
	obj->fences = NULL;
}

struct berth_dma_resv_list *berth_dma_resv_list_alloc(uint64_t max_fences)
{
	struct berth_dma_resv_list *list;
	uint64_t size = sizeof(*list) + max_fences * sizeof(list->table[0]);

	list = kmalloc(size < SIZE_MAX ? (size_t)size : SIZE_MAX, GFP_KERNEL);
	if (!list)
		return NULL;
	list->num_fences = 0;
	list->max_fences = (unsigned int)max_fences;
	return list;
}

void berth_dma_resv_list_free(struct berth_dma_resv_list *list)
{
	if (!list)
		return;
	for (unsigned int i = 0; i < list->num_fences; i++)
		dma_fence_put(list->table[i].fence);
	kfree(list);
}

/* Return: the list before. */
static struct berth_dma_resv_list *swap_list(struct dma_resv *obj, struct berth_dma_resv_list *list)
{
	struct berth_dma_resv_list *old;
	unsigned long flags;

	spin_lock_irqsave(&obj->list_lock, flags);
	old = obj->fences;
	obj->fences = list;
	obj->generation++;
	spin_unlock_irqrestore(&obj->list_lock, flags);
	return old;
}

/* @fence takes the place of entry @index, or becomes one more. */
static void set_entry(struct dma_resv *obj, unsigned int index, struct dma_fence *fence,
		      enum dma_resv_usage usage)
{
	struct berth_dma_resv_list *list = obj->fences;
	struct dma_fence *old = NULL;
	unsigned long flags;

	dma_fence_get(fence);
	spin_lock_irqsave(&obj->list_lock, flags);
	if (index < list->num_fences)
		old = list->table[index].fence;
	else
		list->num_fences++;
	list->table[index] = (struct resv_entry){ fence, usage };
	spin_unlock_irqrestore(&obj->list_lock, flags);
	dma_fence_put(old);
}

static int not_locked(void)
{
	return berth_fail(-EPERM, BERTH_REASON_STATE, "a reservation that nobody has locked");
}

/* What is signalled goes behind the end of the new list. Return: how many do. */
static unsigned int sort_out(const struct berth_dma_resv_list *old,
			     struct berth_dma_resv_list *list)
{
	unsigned int nr_signaled = 0;

	for (unsigned int i = 0; i < old->num_fences; i++) {
		if (dma_fence_is_signaled(old->table[i].fence))
			list->table[list->max_fences - ++nr_signaled] = old->table[i];
		else
			list->table[list->num_fences++] = old->table[i];
	}
	return nr_signaled;
}

/* Twice as many as before, as far as an array may grow. */
static uint64_t grown(uint64_t wanted, unsigned int max)
{
	const uint64_t most =
		(KMALLOC_MAX_SIZE - sizeof(struct berth_dma_resv_list)) / sizeof(struct resv_entry);
	uint64_t twice = 2ull * max < 4 ? 4 : 2ull * max;

	twice = twice < most ? twice : most;
	return wanted < twice ? twice : wanted;
}

int dma_resv_reserve_fences(struct dma_resv *obj, unsigned int num_fences)
{
	struct berth_dma_resv_list *old = obj->fences, *list;
	unsigned int num = old ? old->num_fences : 0, max = old ? old->max_fences : 0;
	uint64_t wanted = (uint64_t)num + num_fences;
	unsigned int nr_signaled = 0;

	if (!num_fences)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "number of fences");
	if (!dma_resv_is_locked(obj))
		return not_locked();
	if (wanted <= max)
		return 0;
	list = berth_dma_resv_list_alloc(grown(wanted, max));
	if (!list)
		return -ENOMEM;
	if (old)
		nr_signaled = sort_out(old, list);
	swap_list(obj, list);
	kfree(old);
	for (unsigned int i = 1; i <= nr_signaled; i++)
		dma_fence_put(list->table[list->max_fences - i].fence);
	return 0;
}

/* Whether nobody needs to wait for @old once @fence is there. */
static bool is_covered(const struct resv_entry *old, const struct dma_fence *fence,
		       enum dma_resv_usage usage)
{
	return (old->fence->context == fence->context && old->usage >= usage &&
		dma_fence_is_later_or_same(fence, old->fence)) ||
	       dma_fence_is_signaled(old->fence);
}

int dma_resv_add_fence(struct dma_resv *obj, struct dma_fence *fence, enum dma_resv_usage usage)
{
	struct berth_dma_resv_list *list = obj->fences;
	unsigned int i = 0;

	if (!fence)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "fence");
	if (!dma_resv_is_locked(obj))
		return not_locked();
	while (list && i < list->num_fences && !is_covered(&list->table[i], fence, usage))
		i++;
	if (!list || i == list->max_fences)
		return berth_fail(-ENOSPC, BERTH_REASON_STATE,
				  "a reservation without room for the fence");
	set_entry(obj, i, fence, usage);
	return 0;
}

void dma_resv_replace_fences(struct dma_resv *obj, uint64_t context, struct dma_fence *fence,
			     enum dma_resv_usage usage)
{
	struct berth_dma_resv_list *list = obj->fences;

	for (unsigned int i = 0; list && i < list->num_fences; i++)
		if (list->table[i].fence->context == context)
			set_entry(obj, i, fence, usage);
}

int dma_resv_copy_fences(struct dma_resv *dst, struct dma_resv *src)
{
	struct berth_dma_resv_list *list;
	int err;

	if (!dma_resv_is_locked(dst))
		return not_locked();
	err = berth_dma_resv_snapshot(src, DMA_RESV_USAGE_BOOKKEEP, &list);
	if (err)
		return err;
	berth_dma_resv_list_free(swap_list(dst, list));
	return 0;
}
