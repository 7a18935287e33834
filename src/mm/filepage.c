// SPDX-License-Identifier: BSD-2-Clause
/* The pages of cached files: how they come, move and go. */
#include <berth/migrate.h>

#include "lib/error.h"
#include "lib/string.h"
#include "mm/filecache.h"
#include "mm/internal.h"

struct berth_filecache_stats berth_filecache_total;

/* Guards the list of files, by number, and their users. */
static DEFINE_SPINLOCK(files_lock);
static struct cached_file *files;

/* The list. */

static struct cached_file *get_file(uint32_t id)
{
	struct cached_file *file;
	unsigned long flags;

	spin_lock_irqsave(&files_lock, flags);
	for (file = files; file && file->id != id; file = file->next)
		;
	if (file)
		file->users++;
	spin_unlock_irqrestore(&files_lock, flags);
	return file;
}

struct cached_file *berth_cached_file_after(uint32_t after)
{
	struct cached_file *file;
	unsigned long flags;

	spin_lock_irqsave(&files_lock, flags);
	for (file = files; file && file->id <= after; file = file->next)
		;
	if (file)
		file->users++;
	spin_unlock_irqrestore(&files_lock, flags);
	return file;
}

void berth_cached_file_put(struct cached_file *file)
{
	unsigned long flags;

	/* Under the lock: after it, the file may be gone. */
	spin_lock_irqsave(&files_lock, flags);
	__atomic_sub_fetch(&file->users, 1, __ATOMIC_RELEASE);
	berth_port_wake(&file->users);
	spin_unlock_irqrestore(&files_lock, flags);
}

int berth_cached_file_add(struct cached_file *file)
{
	struct cached_file **at = &files;
	const struct cached_file *other;
	uint32_t id = 1;
	int err = 0;
	unsigned long flags;

	spin_lock_irqsave(&files_lock, flags);
	for (other = files; other; other = other->next)
		if (other->backing == file->backing)
			err = -EBUSY;
	for (; *at && (*at)->id == id; at = &(*at)->next)
		id++;
	if (id > FILE_MAX_ID)
		err = -ENOSPC;
	if (!err) {
		file->id = id;
		file->next = *at;
		*at = file;
	}
	spin_unlock_irqrestore(&files_lock, flags);
	if (err == -EBUSY)
		return berth_fail(err, BERTH_REASON_STATE, "a backing that is in use");
	return err ? berth_fail_limit(err, BERTH_REASON_TABLE_FULL, "cached files", 1, FILE_MAX_ID)
		   : 0;
}

void berth_cached_file_remove(struct cached_file *file)
{
	struct cached_file **at = &files;
	unsigned long flags;
	uint32_t users;

	spin_lock_irqsave(&files_lock, flags);
	while (*at != file)
		at = &(*at)->next;
	*at = file->next;
	spin_unlock_irqrestore(&files_lock, flags);
	while ((users = __atomic_load_n(&file->users, __ATOMIC_ACQUIRE)) != 0)
		berth_port_wait(&file->users, users, UINT64_MAX);
	/* The last one may still be in put(). */
	spin_lock_irqsave(&files_lock, flags);
	spin_unlock_irqrestore(&files_lock, flags);
}

/* Of a slot with its lock. */

void berth_slot_dirty(struct cached_file *file, struct slot *slot)
{
	if (word_bits(&slot->word) & SLOT_DIRTY)
		return;
	word_set(&slot->word, SLOT_DIRTY);
	FILE_COUNT(file, dirty, 1);
}

void berth_slot_undirty(struct cached_file *file, struct slot *slot)
{
	if (!(word_bits(&slot->word) & SLOT_DIRTY))
		return;
	word_clear(&slot->word, SLOT_DIRTY);
	FILE_COUNT(file, dirty, -1);
}

/* The tenant. */

/* The file and slot of a page; both are kept. */
static struct slot *find_slot(const struct page *page, struct cached_file **file, uint64_t *index)
{
	struct slot *slot;

	*index = page->index & FILE_PAGE_AT;
	*file = get_file((uint32_t)(page->index >> FILE_SHIFT));
	if (!*file)
		return NULL;
	slot = berth_slot_get(*file, *index, false);
	if (!slot)
		berth_cached_file_put(*file);
	return slot;
}

static void put_slot(struct cached_file *file, struct slot *slot, uint64_t index)
{
	berth_slot_put(file, slot, index);
	berth_cached_file_put(file);
}

static bool isolate_page(struct page *page, unsigned int mode)
{
	struct cached_file *file;
	uint64_t index;
	struct slot *slot = find_slot(page, &file, &index);
	bool is_ours = false;

	(void)mode;
	if (!slot)
		return false;
	/* Who holds the lock of a page that is just coming may be allocating memory: no waiting. */
	if (berth_word_trylock(&slot->word)) {
		is_ours = slot_page(slot) == page && !(word_bits(&slot->word) & SLOT_WRITEBACK);
		if (is_ours)
			word_set(&slot->word, SLOT_ISOLATED);
		berth_word_unlock(&slot->word);
	}
	put_slot(file, slot, index);
	return is_ours;
}

static void putback_page(struct page *page)
{
	struct cached_file *file;
	uint64_t index;
	struct slot *slot = find_slot(page, &file, &index);

	berth_word_lock(&slot->word);
	word_clear(&slot->word, SLOT_ISOLATED);
	berth_word_unlock(&slot->word);
	put_slot(file, slot, index);
}

static int migrate_page(struct page *dst, struct page *src, enum migrate_mode mode)
{
	struct cached_file *file;
	uint64_t index;
	struct slot *slot = find_slot(src, &file, &index);
	int err;

	(void)mode;
	berth_word_lock(&slot->word);
	err = berth_slot_move(file, slot, index, dst, src);
	if (!err) {
		__atomic_store_n(&slot->frame, (uint32_t)page_to_pfn(dst) + 1, __ATOMIC_RELAXED);
		berth_set_page_clean(dst, !(word_bits(&slot->word) & SLOT_DIRTY));
		word_clear(&slot->word, SLOT_ISOLATED);
		FILE_COUNT(file, moved, 1);
	}
	berth_word_unlock(&slot->word);
	put_slot(file, slot, index);
	return err ? -EAGAIN : 0;
}

static bool reclaim_page(struct page *page)
{
	struct cached_file *file;
	uint64_t index;
	struct slot *slot = find_slot(page, &file, &index);
	bool is_gone;

	berth_word_lock(&slot->word);
	is_gone = !berth_slot_unmap(file, slot, index, false) &&
		  berth_slot_write(file, slot, index);
	if (is_gone) {
		berth_slot_empty(file, slot, index);
		FILE_COUNT(file, dropped, 1);
	}
	berth_word_unlock(&slot->word);
	put_slot(file, slot, index);
	return is_gone;
}

static uint64_t room(void)
{
	return __atomic_load_n(&berth_filecache_total.dirty, __ATOMIC_RELAXED);
}

const struct movable_operations berth_filecache_ops = {
	.isolate_page = isolate_page,
	.migrate_page = migrate_page,
	.putback_page = putback_page,
	.reclaim_page = reclaim_page,
	.room = room,
	.name = "file cache",
};

/* Coming. */

struct page *berth_cached_page_new(struct cached_file *file, uint64_t index, gfp_t flags)
{
	uint64_t number = (uint64_t)file->id << FILE_SHIFT | index;
	struct page *page;

	do {
		page = berth_alloc_movable(&berth_filecache_ops, GFP_KERNEL | flags, number);
	} while (!page && berth_filecache_make_room());
	return page;
}

/* Pages that are read at once; the slots are locked. */
struct fill {
	struct slot *slots[FILE_BATCH];
	struct page *pages[FILE_BATCH];
	unsigned int nr;
};

static bool add_to_fill(struct fill *fill, struct cached_file *file, uint64_t index)
{
	struct slot *slot = berth_slot_get(file, index, true);
	struct page *page = NULL;

	if (!slot)
		return false;
	if (berth_word_trylock(&slot->word)) {
		/* Who cuts the file off comes by for the lock after the size has changed. */
		if (!slot_page(slot) && index < file_pages(file_size(file)))
			page = berth_alloc_movable(&berth_filecache_ops,
						   GFP_KERNEL | BERTH_GFP_CLEAN,
						   (uint64_t)file->id << FILE_SHIFT | index);
		if (page) {
			fill->slots[fill->nr] = slot;
			fill->pages[fill->nr++] = page;
			return true;
		}
		berth_word_unlock(&slot->word);
	}
	berth_slot_put(file, slot, index);
	return false;
}

/* The pages from number @from on go into their slots, or with an error, away. */
static void end_fill(struct fill *fill, struct cached_file *file, uint64_t index, unsigned int from,
		     int err)
{
	while (fill->nr > from) {
		struct slot *slot = fill->slots[--fill->nr];

		if (err)
			put_page(fill->pages[fill->nr]);
		else
			berth_slot_fill(file, slot, index + fill->nr, fill->pages[fill->nr]);
		if (fill->nr) { /* the first is the caller's */
			berth_word_unlock(&slot->word);
			berth_slot_put(file, slot, index + fill->nr);
		}
	}
}

static int read_pages(struct cached_file *file, uint64_t index, struct page *const *pages,
		      unsigned int nr)
{
	struct backing *backing = file->backing;
	int err = 0;

	if (index < file_pages(backing_size(backing)))
		err = backing->ops->read_pages(backing, index, pages, nr);
	else
		for (unsigned int i = 0; i < nr; i++)
			memset(page_address(pages[i]), 0, PAGE_SIZE);
	if (!err)
		FILE_COUNT(file, read, nr);
	return err;
}

int berth_cached_page_read(struct cached_file *file, struct slot *slot, uint64_t index,
			   unsigned int ahead)
{
	struct fill fill = { .nr = 1 };
	int err;

	fill.slots[0] = slot;
	fill.pages[0] = berth_cached_page_new(file, index, BERTH_GFP_CLEAN);
	if (!fill.pages[0])
		return -ENOMEM;
	if (__atomic_load_n(&file->fill_end, __ATOMIC_RELAXED) == index || ahead > FILE_BATCH)
		ahead = FILE_BATCH;
	while (fill.nr < ahead && add_to_fill(&fill, file, index + fill.nr))
		;
	__atomic_store_n(&file->fill_end, index + fill.nr, __ATOMIC_RELAXED);
	err = read_pages(file, index, fill.pages, fill.nr);
	if (err && fill.nr > 1) {
		/* What was not asked for does not matter. */
		end_fill(&fill, file, index, 1, err);
		err = read_pages(file, index, fill.pages, 1);
	}
	end_fill(&fill, file, index, 0, err);
	return err;
}

int berth_cached_page_evict(struct page *page)
{
	int err = berth_move_page(&page);

	put_page(page);
	if (err == -ENOMEM && berth_filecache_make_room())
		return -EAGAIN;
	return !err || err == -EBUSY ? -EAGAIN : err;
}

/* One try: -EAGAIN with *@busy: it is being moved; without, it was in a guaranteed area. */
static int try_to_get(struct cached_file *file, struct slot *slot, uint64_t index, uint64_t end,
		      unsigned int ahead, bool is_write, struct page **page)
{
	bool was_there = slot_page(slot);
	int err = 0;

	if (!end)
		end = file_pages(file_size(file));
	if (index >= end)
		return -ENODATA;
	if (!was_there)
		err = berth_cached_page_read(file, slot, index, ahead);
	if (err)
		return err;
	if (was_there) {
		word_set(&slot->word, SLOT_ACCESSED);
		FILE_COUNT(file, hits, 1);
	} else {
		FILE_COUNT(file, misses, 1);
	}
	*page = slot_page(slot);
	if (!get_page_unless_zero(*page))
		return -EAGAIN;
	return is_write && !berth_set_page_clean(*page, false) ? -EBUSY : 0;
}

int berth_cached_page_get(struct cached_file *file, uint64_t index, uint64_t end,
			  unsigned int ahead, bool is_write, struct page **page)
{
	struct slot *slot = berth_slot_get(file, index, true);
	int err;

	if (!slot)
		return -ENOMEM;
	for (;;) {
		berth_word_lock(&slot->word);
		err = try_to_get(file, slot, index, end, ahead, is_write, page);
		berth_word_unlock(&slot->word);
		if (err == -EAGAIN)
			berth_wait_on_page(*page);
		else if (err == -EBUSY)
			err = berth_cached_page_evict(*page);
		if (err != -EAGAIN)
			break;
	}
	berth_slot_put(file, slot, index);
	return err;
}

/* Going. */

/* With the lock: nobody else has the page, and nothing is lost with it. */
static bool may_drop(const struct slot *slot, bool all)
{
	uint32_t bits = word_bits(&slot->word);
	const struct page *page = slot_page(slot);

	return page && !(bits & (SLOT_DIRTY | SLOT_WRITEBACK | SLOT_ISOLATED)) &&
	       (all || !(bits & SLOT_ACCESSED)) && page_count(page) == 1;
}

/* With the lock, and the reference of the tenant's. */
static void drop_page(struct cached_file *file, struct slot *slot, uint64_t index)
{
	struct page *page = slot_page(slot);

	berth_slot_empty(file, slot, index);
	put_page(page);
	FILE_COUNT(file, dropped, 1);
}

uint64_t berth_cached_file_drop(struct cached_file *file, uint64_t max, bool all)
{
	uint64_t index = all ? 0 : __atomic_load_n(&file->hand, __ATOMIC_RELAXED);
	uint64_t nr = 0;
	struct slot *slot;

	for (; nr < max && (slot = berth_slot_next(file, &index, false)); index++) {
		if (berth_word_trylock(&slot->word)) {
			if (may_drop(slot, all) && !berth_slot_unmap(file, slot, index, false)) {
				drop_page(file, slot, index);
				nr++;
			} else {
				word_clear(&slot->word, SLOT_ACCESSED);
			}
			berth_word_unlock(&slot->word);
		}
		berth_slot_put(file, slot, index);
	}
	if (!all)
		__atomic_store_n(&file->hand, nr < max ? 0 : index, __ATOMIC_RELAXED);
	return nr;
}

void berth_cached_file_forget(struct cached_file *file, uint64_t index)
{
	struct slot *slot;

	for (; (slot = berth_slot_next(file, &index, true)); index++) {
		berth_word_lock(&slot->word);
		berth_word_wait(&slot->word, SLOT_WRITEBACK | SLOT_ISOLATED);
		if (slot_page(slot))
			drop_page(file, slot, index);
		berth_word_unlock(&slot->word);
		berth_slot_put(file, slot, index);
	}
}

/* The clock goes over one file after the other, until @nr pages are gone or it was round twice. */
static uint64_t drop_some(uint64_t nr)
{
	static uint32_t last_id;
	uint32_t id = __atomic_load_n(&last_id, __ATOMIC_RELAXED);
	uint64_t dropped = 0;

	for (unsigned int rounds = 0; dropped < nr && rounds < 3;) {
		struct cached_file *file = berth_cached_file_after(id);

		if (!file) {
			id = 0;
			rounds++;
			continue;
		}
		dropped += berth_cached_file_drop(file, nr - dropped, false);
		if (dropped < nr)
			id = file->id;
		berth_cached_file_put(file);
	}
	__atomic_store_n(&last_id, id, __ATOMIC_RELAXED);
	return dropped;
}

bool berth_filecache_make_room(void)
{
	if (drop_some(FILE_BATCH))
		return true;
	return berth_filecache_write_some() && drop_some(FILE_BATCH);
}

uint64_t berth_filecache_drop(struct cached_file *file)
{
	uint64_t nr = 0;
	uint32_t id = 0;

	if (file)
		return berth_cached_file_drop(file, UINT64_MAX, true);
	while ((file = berth_cached_file_after(id))) {
		id = file->id;
		nr += berth_cached_file_drop(file, UINT64_MAX, true);
		berth_cached_file_put(file);
	}
	return nr;
}
