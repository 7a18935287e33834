/* SPDX-License-Identifier: BSD-2-Clause */
/* Who reads the fences of a reservation, locked or not. */
#include <berth/dma-fence-array.h>
#include <berth/dma-resv.h>
#include <berth/errno.h>
#include <berth/slab.h>

#include "dma-buf/dma-resv.h"
#include "lib/printk.h"

/* The next fence of the usage, with a reference, or NULL. With the list's lock, or the reservation's. */
static struct dma_fence *step(struct dma_resv_iter *cursor, const struct berth_dma_resv_list *list)
{
	while (list && cursor->index < list->num_fences) {
		const struct resv_entry *entry = &list->table[cursor->index++];

		if (entry->usage <= cursor->usage) {
			cursor->fence_usage = entry->usage;
			return entry->fence;
		}
	}
	return NULL;
}

struct dma_fence *dma_resv_iter_next_unlocked(struct dma_resv_iter *cursor)
{
	struct dma_resv *obj = cursor->obj;
	unsigned long flags;

	cursor->is_restarted = false;
	do {
		struct dma_fence *old = cursor->fence;

		spin_lock_irqsave(&obj->list_lock, flags);
		if (cursor->generation != obj->generation) {
			cursor->generation = obj->generation;
			cursor->index = 0;
			cursor->is_restarted = true;
		}
		cursor->fence = dma_fence_get(step(cursor, obj->fences));
		spin_unlock_irqrestore(&obj->list_lock, flags);
		dma_fence_put(old);
	} while (cursor->fence && dma_fence_is_signaled(cursor->fence));
	return cursor->fence;
}

struct dma_fence *dma_resv_iter_first_unlocked(struct dma_resv_iter *cursor)
{
	/* No list is that old: the first step begins anew. */
	cursor->generation = 0;
	return dma_resv_iter_next_unlocked(cursor);
}

struct dma_fence *dma_resv_iter_first(struct dma_resv_iter *cursor)
{
	struct dma_fence *fence;

	cursor->index = 0;
	fence = step(cursor, cursor->obj->fences);
	cursor->is_restarted = true;
	return fence;
}

struct dma_fence *dma_resv_iter_next(struct dma_resv_iter *cursor)
{
	cursor->is_restarted = false;
	return step(cursor, cursor->obj->fences);
}

static unsigned int nr_fences(struct dma_resv *obj)
{
	unsigned long flags;
	unsigned int nr;

	spin_lock_irqsave(&obj->list_lock, flags);
	nr = obj->fences ? obj->fences->num_fences : 0;
	spin_unlock_irqrestore(&obj->list_lock, flags);
	return nr;
}

/* Return: whether there was room for all. */
static bool copy(struct dma_resv *obj, enum dma_resv_usage usage, struct berth_dma_resv_list *to)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	unsigned long flags;
	bool has_room;

	dma_resv_iter_begin(&cursor, obj, usage);
	spin_lock_irqsave(&obj->list_lock, flags);
	has_room = !obj->fences || obj->fences->num_fences <= to->max_fences;
	while (has_room && (fence = step(&cursor, obj->fences)))
		to->table[to->num_fences++] =
			(struct resv_entry){ dma_fence_get(fence), cursor.fence_usage };
	spin_unlock_irqrestore(&obj->list_lock, flags);
	return has_room;
}

int berth_dma_resv_snapshot(struct dma_resv *obj, enum dma_resv_usage usage,
			    struct berth_dma_resv_list **list)
{
	struct berth_dma_resv_list *all;
	unsigned int max = nr_fences(obj), nr_kept = 0;
	bool is_complete;

	*list = NULL;
	if (!max)
		return 0;
	do {
		all = berth_dma_resv_list_alloc(max);
		if (!all)
			return -ENOMEM;
		is_complete = copy(obj, usage, all);
		if (!is_complete) {
			kfree(all);
			max = nr_fences(obj);
		}
	} while (!is_complete);
	for (unsigned int i = 0; i < all->num_fences; i++) {
		if (dma_fence_is_signaled(all->table[i].fence))
			dma_fence_put(all->table[i].fence);
		else
			all->table[nr_kept++] = all->table[i];
	}
	all->num_fences = nr_kept;
	*list = all;
	return 0;
}

int dma_resv_get_fences(struct dma_resv *obj, enum dma_resv_usage usage, unsigned int *num_fences,
			struct dma_fence ***fences)
{
	struct berth_dma_resv_list *list;
	int err = berth_dma_resv_snapshot(obj, usage, &list);

	*num_fences = 0;
	*fences = NULL;
	if (err || !list)
		return err;
	if (list->num_fences)
		*fences = kcalloc(list->num_fences, sizeof(struct dma_fence *), GFP_KERNEL);
	if (list->num_fences && !*fences) {
		berth_dma_resv_list_free(list);
		return -ENOMEM;
	}
	*num_fences = list->num_fences;
	for (unsigned int i = 0; i < list->num_fences; i++)
		(*fences)[i] = list->table[i].fence;
	kfree(list);
	return 0;
}

int dma_resv_get_singleton(struct dma_resv *obj, enum dma_resv_usage usage,
			   struct dma_fence **fence)
{
	struct dma_fence_array *array;
	struct dma_fence **fences;
	unsigned int nr;
	int err = dma_resv_get_fences(obj, usage, &nr, &fences);

	*fence = NULL;
	if (err || !nr)
		return err;
	if (nr == 1) {
		*fence = fences[0];
		kfree(fences);
		return 0;
	}
	array = dma_fence_array_create((int)nr, fences, dma_fence_context_alloc(1), 1, false);
	if (array) {
		*fence = &array->base;
		return 0;
	}
	while (nr--)
		dma_fence_put(fences[nr]);
	kfree(fences);
	return -ENOMEM;
}

long dma_resv_wait_timeout(struct dma_resv *obj, enum dma_resv_usage usage, bool intr,
			   unsigned long timeout)
{
	long left = timeout < LONG_MAX ? (long)timeout : LONG_MAX;
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	if (!left)
		return dma_resv_test_signaled(obj, usage) ? 1 : 0;
	dma_resv_iter_begin(&cursor, obj, usage);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		left = dma_fence_wait_timeout(fence, intr, left);
		if (left <= 0)
			break;
	}
	dma_resv_iter_end(&cursor);
	return left;
}

bool dma_resv_test_signaled(struct dma_resv *obj, enum dma_resv_usage usage)
{
	struct dma_resv_iter cursor;
	bool is_signaled;

	dma_resv_iter_begin(&cursor, obj, usage);
	is_signaled = !dma_resv_iter_first_unlocked(&cursor);
	dma_resv_iter_end(&cursor);
	return is_signaled;
}

size_t berth_dma_resv_describe(struct dma_resv *obj, char *text, size_t size)
{
	static const char *const usages[] = { "kernel", "write", "read", "bookkeep" };
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	size_t length = 0;
	char line[160];

	if (size)
		text[0] = '\0';
	dma_resv_iter_begin(&cursor, obj, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		size_t at;

		if (dma_resv_iter_is_restarted(&cursor))
			length = 0;
		at = length < size ? length : size;
		berth_dma_fence_describe(fence, line, sizeof(line));
		length += (size_t)berth_snprintf(text + at, size - at, "%s: %s\n",
						 usages[dma_resv_iter_usage(&cursor) & 3], line);
	}
	dma_resv_iter_end(&cursor);
	return length;
}
