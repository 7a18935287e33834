// SPDX-License-Identifier: BSD-2-Clause
/* Dirty pages of cached files on their way to the backing. */
#include <berth/migrate.h>

#include "lib/error.h"
#include "lib/string.h"
#include "mm/filecache.h"
#include "mm/internal.h"

/* Of all memory, one part in so many may be dirty pages of files. */
#define DIRTY_SHARE 8

/* Errors. */

static int keep_error(struct cached_file *file, int err)
{
	unsigned long flags;

	spin_lock_irqsave(&file->lock, flags);
	if (!file->error.code) {
		file->error = *berth_last_error();
		file->error.code = err;
	}
	spin_unlock_irqrestore(&file->lock, flags);
	return err;
}

int berth_cached_file_error(struct cached_file *file)
{
	unsigned long flags;
	int err;

	spin_lock_irqsave(&file->lock, flags);
	err = file->error.code;
	if (err)
		*berth_port_error() = file->error;
	file->error.code = 0;
	spin_unlock_irqrestore(&file->lock, flags);
	return err;
}

/* The backing becomes as long as the file. */
static int grow_backing(struct cached_file *file)
{
	struct backing *backing = file->backing;
	int err = 0;

	if (backing_size(backing) >= file_size(file))
		return 0;
	berth_word_lock(&file->resize_lock);
	if (backing_size(backing) < file_size(file))
		err = backing->ops->resize(backing, file_size(file));
	berth_word_unlock(&file->resize_lock);
	return err;
}

static int write_pages(struct cached_file *file, uint64_t index, struct page *const *pages,
		       unsigned int nr)
{
	int err = grow_backing(file);

	if (!err)
		err = file->backing->ops->write_pages(file->backing, index, pages, nr);
	if (err)
		return keep_error(file, err);
	FILE_COUNT(file, written, nr);
	return 0;
}

bool berth_slot_write(struct cached_file *file, struct slot *slot, uint64_t index)
{
	struct page *page = slot_page(slot);

	if (!(word_bits(&slot->word) & SLOT_DIRTY))
		return true;
	/* What a file that is just cut off will lose is not lost yet. */
	if (index >= file_pages(file_size(file)) || write_pages(file, index, &page, 1))
		return false;
	berth_slot_undirty(file, slot);
	return true;
}

/* Pages that are written at once; each is SLOT_WRITEBACK, with a reference. */
struct batch {
	struct slot *slots[FILE_BATCH];
	struct page *pages[FILE_BATCH];
	uint64_t index;
	unsigned int nr;
};

/* With the lock. -EAGAIN: the page is being moved. 0 and the slot not in the batch: nothing to do. */
static int add_to_batch(struct batch *batch, struct cached_file *file, struct slot *slot,
			uint64_t index)
{
	struct page *page = slot_page(slot);
	int err;

	if (!page || !(word_bits(&slot->word) & SLOT_DIRTY) || index >= file_pages(file_size(file)))
		return 0;
	if (!get_page_unless_zero(page))
		return -EAGAIN;
	err = berth_slot_unmap(file, slot, index, true);
	if (err) {
		put_page(page);
		return keep_error(file, err);
	}
	berth_slot_undirty(file, slot);
	word_set(&slot->word, SLOT_WRITEBACK);
	if (!batch->nr)
		batch->index = index;
	batch->slots[batch->nr] = slot;
	batch->pages[batch->nr++] = page;
	return 0;
}

static void end_page(struct cached_file *file, struct slot *slot, uint64_t index, struct page *page,
		     int err)
{
	berth_word_lock(&slot->word);
	word_clear(&slot->word, SLOT_WRITEBACK);
	/* Who has pinned a page may write to it at any time. */
	if (err || page_maybe_dma_pinned(page))
		berth_slot_dirty(file, slot);
	if (!(word_bits(&slot->word) & SLOT_DIRTY))
		berth_set_page_clean(page, true);
	put_page(page);
	berth_word_unlock(&slot->word);
	berth_slot_put(file, slot, index);
}

static int end_batch(struct batch *batch, struct cached_file *file)
{
	int first = 0, err = 0;

	if (batch->nr)
		err = first = write_pages(file, batch->index, batch->pages, batch->nr);
	for (unsigned int i = 0; i < batch->nr; i++) {
		/* One page that cannot be written keeps no other from it. */
		if (first && batch->nr > 1)
			err = write_pages(file, batch->index + i, &batch->pages[i], 1);
		end_page(file, batch->slots[i], batch->index + i, batch->pages[i], err);
	}
	batch->nr = 0;
	return first;
}

/* -EAGAIN, without @wait: somebody else is at work on the page. */
static int write_slot(struct batch *batch, struct cached_file *file, struct slot *slot,
		      uint64_t index, bool wait)
{
	for (;;) {
		const struct page *page;
		int err = -EAGAIN;

		if (wait)
			berth_word_lock(&slot->word);
		else if (!berth_word_trylock(&slot->word))
			return -EAGAIN;
		if (wait)
			berth_word_wait(&slot->word, SLOT_WRITEBACK);
		page = slot_page(slot);
		if (!(word_bits(&slot->word) & SLOT_WRITEBACK))
			err = add_to_batch(batch, file, slot, index);
		berth_word_unlock(&slot->word);
		if (err != -EAGAIN || !wait)
			return err;
		berth_wait_on_page(page);
	}
}

int berth_cached_file_write(struct cached_file *file, uint64_t index, uint64_t end, uint64_t max)
{
	bool is_sync = max == FILE_WAIT;
	struct batch batch = { .nr = 0 };
	uint64_t nr = 0;
	struct slot *slot;
	int ret = 0, err;

	for (; nr < max && (slot = berth_slot_next(file, &index, false)); index++) {
		if (index >= end) {
			berth_slot_put(file, slot, index);
			break;
		}
		err = 0;
		if (batch.nr == FILE_BATCH || index != batch.index + batch.nr)
			err = end_batch(&batch, file);
		ret = ret ? ret : err;
		err = write_slot(&batch, file, slot, index, false);
		if (err == -EAGAIN && is_sync) {
			/* Who waits for what another one writes has nothing under way himself. */
			err = end_batch(&batch, file);
			ret = ret ? ret : err;
			err = write_slot(&batch, file, slot, index, true);
		}
		if (err != -EAGAIN && !ret)
			ret = err;
		if (batch.nr && batch.slots[batch.nr - 1] == slot)
			nr++;
		else
			berth_slot_put(file, slot, index);
	}
	if (!is_sync)
		__atomic_store_n(&file->write_hand, nr < max ? 0 : index, __ATOMIC_RELAXED);
	err = end_batch(&batch, file);
	return ret ? ret : err;
}

/* When. */

/* Some pages, all having their turn. */
static void write_some(struct cached_file *file, uint64_t max)
{
	uint64_t hand = __atomic_load_n(&file->write_hand, __ATOMIC_RELAXED);
	uint64_t before = __atomic_load_n(&file->stats.written, __ATOMIC_RELAXED);

	berth_cached_file_write(file, hand, UINT64_MAX, max);
	if (hand && __atomic_load_n(&file->stats.written, __ATOMIC_RELAXED) == before)
		berth_cached_file_write(file, 0, UINT64_MAX, max);
}

static uint64_t max_dirty(void)
{
	struct berth_memory_info info;

	berth_memory_info(&info);
	return (info.total - info.reserved) / DIRTY_SHARE >> PAGE_SHIFT;
}

static bool is_too_dirty(void)
{
	return __atomic_load_n(&berth_filecache_total.dirty, __ATOMIC_RELAXED) > max_dirty();
}

bool berth_filecache_write_some(void)
{
	uint64_t before = __atomic_load_n(&berth_filecache_total.written, __ATOMIC_RELAXED);
	struct cached_file *file;
	uint32_t id = 0;

	while ((file = berth_cached_file_after(id))) {
		id = file->id;
		if (__atomic_load_n(&file->stats.dirty, __ATOMIC_RELAXED))
			write_some(file, FILE_BATCH);
		berth_cached_file_put(file);
		if (__atomic_load_n(&berth_filecache_total.written, __ATOMIC_RELAXED) != before)
			return true;
	}
	return false;
}

void berth_cached_file_balance(struct cached_file *file)
{
	if (!is_too_dirty())
		return;
	if (__atomic_load_n(&file->stats.dirty, __ATOMIC_RELAXED))
		write_some(file, 4 * FILE_BATCH);
	else
		berth_filecache_write_some();
}
