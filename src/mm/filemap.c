// SPDX-License-Identifier: BSD-2-Clause
/* Mapped files: pages of the cache that a program sees at addresses of its own. */
#include <berth/migrate.h>
#include <berth/slab.h>

#include "lib/error.h"
#include "mm/filecache.h"
#include "mm/internal.h"

/*
 * struct file_mapping - a part of a file at addresses of a program's
 * @chunks: an enum berth_port_access for each page, in pages that come with the first fault; an entry
 *	changes with the lock of the file's slot. BERTH_ACCESS_WRITE: the page is dirty.
 */
struct file_mapping {
	struct berth_user_range range;
	struct cached_file *file;
	struct file_mapping *next;
	uint64_t first; /* page of the file */
	uint64_t nr;
	enum berth_port_access access;
	uint8_t *chunks[];
};

#define STATES_PER_CHUNK PAGE_SIZE

/* Guards the list of all mappings; a leaf. */
static DEFINE_SPINLOCK(mappings_lock);
static struct file_mapping *mappings;

/* A mapping that shows a page. */
struct view {
	void *virt;
	uint8_t *access;
};

/* The entry of a page; NULL while there is no chunk. */
static uint8_t *access_of(struct file_mapping *mapping, uint64_t index)
{
	uint64_t at = index - mapping->first;
	uint8_t *chunk = __atomic_load_n(&mapping->chunks[at / STATES_PER_CHUNK], __ATOMIC_ACQUIRE);

	return chunk ? &chunk[at % STATES_PER_CHUNK] : NULL;
}

static void *virt_of(const struct file_mapping *mapping, uint64_t index)
{
	return (char *)mapping->range.virt + ((index - mapping->first) << PAGE_SHIFT);
}

/* With the lock of the slot. Mappings that show the page stay as long as it is held. */
static unsigned int find_views(struct cached_file *file, uint64_t index, struct view *views)
{
	unsigned int nr = 0;
	unsigned long flags;

	spin_lock_irqsave(&file->lock, flags);
	for (unsigned int i = 0; i < BERTH_FILECACHE_MAX_MAPPINGS; i++) {
		struct file_mapping *mapping = file->mappings[i];
		uint8_t *access;

		if (!mapping || index - mapping->first >= mapping->nr)
			continue;
		access = access_of(mapping, index);
		if (access && *access != BERTH_ACCESS_NONE)
			views[nr++] = (struct view){ virt_of(mapping, index), access };
	}
	spin_unlock_irqrestore(&file->lock, flags);
	return nr;
}

int berth_slot_unmap(struct cached_file *file, struct slot *slot, uint64_t index, bool only_writers)
{
	enum berth_port_access access = only_writers ? BERTH_ACCESS_READ : BERTH_ACCESS_NONE;
	struct view views[BERTH_FILECACHE_MAX_MAPPINGS];
	unsigned int nr;

	if (!(word_bits(&slot->word) & SLOT_MAPPED))
		return 0;
	nr = find_views(file, index, views);
	for (unsigned int i = 0; i < nr; i++) {
		int err = 0;

		if (*views[i].access > access)
			err = berth_port_user_protect(views[i].virt, PAGE_SIZE, access);
		if (err)
			return err;
		if (*views[i].access > access)
			*views[i].access = (uint8_t)access;
	}
	if (!only_writers)
		word_clear(&slot->word, SLOT_MAPPED);
	return 0;
}

int berth_slot_move(struct cached_file *file, struct slot *slot, uint64_t index, struct page *dst,
		    struct page *src)
{
	struct berth_port_view moving[BERTH_FILECACHE_MAX_MAPPINGS];
	struct view views[BERTH_FILECACHE_MAX_MAPPINGS];
	unsigned int nr = 0;

	if (word_bits(&slot->word) & SLOT_MAPPED)
		nr = find_views(file, index, views);
	if (!nr) {
		berth_copy_page(dst, src);
		return 0;
	}
	for (unsigned int i = 0; i < nr; i++)
		moving[i] = (struct berth_port_view){ views[i].virt,
						      (enum berth_port_access) * views[i].access };
	return berth_port_user_move(moving, nr, page_to_phys(src), page_to_phys(dst), PAGE_SIZE);
}

/* Faults. */

static int add_chunk(struct file_mapping *mapping, uint64_t index)
{
	uint8_t **chunk = &mapping->chunks[(index - mapping->first) / STATES_PER_CHUNK];
	uint8_t *none = NULL, *mine;

	if (__atomic_load_n(chunk, __ATOMIC_ACQUIRE))
		return 0;
	do {
		mine = (uint8_t *)get_zeroed_page(GFP_KERNEL);
	} while (!mine && berth_drop_clean_pages(1));
	if (!mine)
		return -ENOMEM;
	if (!__atomic_compare_exchange_n(chunk, &none, mine, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		free_pages((unsigned long)mine, 0);
	return 0;
}

/* With the lock of the slot, and a page in it, that may be written to if @is_write. */
static int show(struct file_mapping *mapping, struct slot *slot, uint64_t index, bool is_write)
{
	enum berth_port_access want = BERTH_ACCESS_READ;
	uint8_t *access = access_of(mapping, index);
	int err;

	if (is_write)
		berth_slot_dirty(mapping->file, slot);
	if (mapping->access == BERTH_ACCESS_WRITE && word_bits(&slot->word) & SLOT_DIRTY)
		want = BERTH_ACCESS_WRITE;
	if (*access >= want)
		return 0;
	word_set(&slot->word, SLOT_MAPPED);
	if (*access == BERTH_ACCESS_NONE)
		err = berth_port_user_map(virt_of(mapping, index), page_to_phys(slot_page(slot)),
					  PAGE_SIZE, want);
	else
		err = berth_port_user_protect(virt_of(mapping, index), PAGE_SIZE, want);
	if (!err)
		*access = (uint8_t)want;
	return err;
}

/* One try. -EAGAIN, with a reference to *@page: it is in a guaranteed area. */
static int try_to_show(struct file_mapping *mapping, struct slot *slot, uint64_t index,
		       bool is_write, struct page **page)
{
	struct cached_file *file = mapping->file;
	uint64_t end = file_pages(file_size(file));
	int err = 0;

	*page = NULL;
	if (index >= end)
		return -EFAULT;
	if (slot_page(slot)) {
		word_set(&slot->word, SLOT_ACCESSED);
		FILE_COUNT(file, hits, 1);
	} else {
		FILE_COUNT(file, misses, 1);
		err = berth_cached_page_read(file, slot, index, 1);
	}
	if (err)
		return err;
	if (is_write && !berth_set_page_clean(slot_page(slot), false)) {
		if (get_page_unless_zero(slot_page(slot)))
			*page = slot_page(slot);
		return -EAGAIN;
	}
	return show(mapping, slot, index, is_write);
}

static int on_fault(void *data, uint64_t offset, bool is_write)
{
	struct file_mapping *mapping = data;
	uint64_t index = mapping->first + (offset >> PAGE_SHIFT);
	const struct page *seen;
	struct page *page;
	struct slot *slot;
	int err;

	if (is_write && mapping->access != BERTH_ACCESS_WRITE)
		return -EACCES;
	if (is_write)
		berth_cached_file_balance(mapping->file);
	err = add_chunk(mapping, index);
	if (err)
		return err;
	slot = berth_slot_get(mapping->file, index, true);
	if (!slot)
		return -ENOMEM;
	do {
		berth_word_lock(&slot->word);
		err = try_to_show(mapping, slot, index, is_write, &page);
		seen = slot_page(slot);
		berth_word_unlock(&slot->word);
		if (err == -EAGAIN && page)
			err = berth_cached_page_evict(page);
		else if (err == -EAGAIN)
			berth_wait_on_page(seen);
	} while (err == -EAGAIN);
	berth_slot_put(mapping->file, slot, index);
	return err;
}

static int map_page(void *data, uint64_t offset, bool is_write, struct page **page)
{
	struct file_mapping *mapping = data;
	struct cached_file *file = mapping->file;
	uint64_t index = mapping->first + (offset >> PAGE_SHIFT);
	struct slot *slot;
	int err;

	if (is_write && mapping->access != BERTH_ACCESS_WRITE)
		return berth_fail_at(-EACCES, BERTH_REASON_ARGUMENT, "a mapping to read",
				     (uintptr_t)mapping->range.virt + offset);
	err = berth_cached_page_get(file, index, 0, 1, is_write, page);
	if (err == -ENODATA)
		return berth_fail_at(-EFAULT, BERTH_REASON_ARGUMENT, "behind the end of a file",
				     (uintptr_t)mapping->range.virt + offset);
	if (err || !is_write)
		return err;
	slot = berth_slot_get(file, index, false);
	if (!slot)
		return 0; /* the file has been cut off */
	berth_word_lock(&slot->word);
	if (slot_page(slot) == *page) {
		berth_slot_dirty(file, slot);
		berth_set_page_clean(*page, false);
	}
	berth_word_unlock(&slot->word);
	berth_slot_put(file, slot, index);
	return 0;
}

/* Mappings come and go. */

static int attach(struct cached_file *file, struct file_mapping *mapping)
{
	unsigned int i = 0;
	unsigned long flags;

	spin_lock_irqsave(&file->lock, flags);
	while (i < BERTH_FILECACHE_MAX_MAPPINGS && file->mappings[i])
		i++;
	if (i < BERTH_FILECACHE_MAX_MAPPINGS)
		file->mappings[i] = mapping;
	spin_unlock_irqrestore(&file->lock, flags);
	if (i == BERTH_FILECACHE_MAX_MAPPINGS)
		return berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL, "mappings of a file",
					i + 1, i);
	spin_lock_irqsave(&mappings_lock, flags);
	mapping->next = mappings;
	mappings = mapping;
	spin_unlock_irqrestore(&mappings_lock, flags);
	return 0;
}

static void detach(struct cached_file *file, const struct file_mapping *mapping)
{
	unsigned long flags;

	spin_lock_irqsave(&file->lock, flags);
	for (unsigned int i = 0; i < BERTH_FILECACHE_MAX_MAPPINGS; i++)
		if (file->mappings[i] == mapping)
			file->mappings[i] = NULL;
	spin_unlock_irqrestore(&file->lock, flags);
}

static int check(const struct cached_file *file, uint64_t offset, uint64_t size,
		 enum berth_port_access access)
{
	if (offset & (PAGE_SIZE - 1) || offset >= BERTH_FILECACHE_MAX_SIZE)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "offset", offset);
	if (access != BERTH_ACCESS_READ && access != BERTH_ACCESS_WRITE)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "access", access);
	if (access == BERTH_ACCESS_WRITE && !file->backing->ops->write_pages)
		return berth_fail(-EACCES, BERTH_REASON_ARGUMENT, file->backing->name);
	if (!size || size > BERTH_FILECACHE_MAX_SIZE - offset)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "size", size);
	return 0;
}

static struct file_mapping *new_mapping(struct cached_file *file, uint64_t offset, uint64_t size)
{
	uint64_t nr = file_pages(size);
	uint64_t chunks = (nr + STATES_PER_CHUNK - 1) / STATES_PER_CHUNK;
	struct file_mapping *mapping;

	if (chunks * sizeof(mapping->chunks[0]) > KMALLOC_MAX_SIZE / 2) {
		berth_fail_limit(-EINVAL, BERTH_REASON_MAPPING, "mapping of a file", size,
				 KMALLOC_MAX_SIZE / 2 / sizeof(mapping->chunks[0]) *
					 STATES_PER_CHUNK * PAGE_SIZE);
		return NULL;
	}
	do {
		mapping = kzalloc(sizeof(*mapping) + (size_t)chunks * sizeof(mapping->chunks[0]),
				  GFP_KERNEL);
	} while (!mapping && berth_drop_clean_pages(FILE_BATCH));
	if (!mapping)
		return NULL;
	mapping->file = file;
	mapping->first = offset >> PAGE_SHIFT;
	mapping->nr = nr;
	mapping->range.size = nr << PAGE_SHIFT;
	mapping->range.fault = on_fault;
	mapping->range.page = map_page;
	mapping->range.data = mapping;
	return mapping;
}

void *berth_filecache_map(struct cached_file *file, uint64_t offset, uint64_t size,
			  enum berth_port_access access)
{
	struct file_mapping *mapping;

	if (check(file, offset, size, access))
		return NULL;
	mapping = new_mapping(file, offset, size);
	if (!mapping)
		return NULL;
	mapping->access = access;
	mapping->range.virt = berth_port_user_reserve(mapping->range.size);
	if (!mapping->range.virt)
		goto free;
	if (berth_user_range_register(&mapping->range))
		goto release;
	if (attach(file, mapping))
		goto unregister;
	return mapping->range.virt;

unregister:
	berth_user_range_unregister(&mapping->range);
release:
	berth_port_user_release(mapping->range.virt, mapping->range.size);
free:
	kfree(mapping);
	return NULL;
}

/* No page of the file is seen through the mapping any more; nobody uses it. */
static void forget_views(struct file_mapping *mapping)
{
	uint64_t index = mapping->first;
	struct slot *slot;

	/* What is not in the cache is not seen. */
	for (; (slot = berth_slot_next(mapping->file, &index, false)); index++) {
		bool is_behind = index - mapping->first >= mapping->nr;
		uint8_t *access = is_behind ? NULL : access_of(mapping, index);

		if (access) {
			berth_word_lock(&slot->word);
			*access = BERTH_ACCESS_NONE;
			berth_word_unlock(&slot->word);
		}
		berth_slot_put(mapping->file, slot, index);
		if (is_behind)
			break;
	}
}

static void destroy(struct file_mapping *mapping)
{
	uint64_t chunks = (mapping->nr + STATES_PER_CHUNK - 1) / STATES_PER_CHUNK;

	berth_user_range_unregister(&mapping->range);
	forget_views(mapping);
	detach(mapping->file, mapping);
	berth_port_user_release(mapping->range.virt, mapping->range.size);
	for (uint64_t i = 0; i < chunks; i++)
		free_pages((unsigned long)mapping->chunks[i], 0);
	kfree(mapping);
}

/* The mapping at @virt, or around it; taken out of the list if @is_going. */
static struct file_mapping *find_mapping(const void *virt, bool is_going)
{
	struct file_mapping **at = &mappings, *mapping;
	unsigned long flags;

	spin_lock_irqsave(&mappings_lock, flags);
	for (; (mapping = *at); at = &mapping->next) {
		uint64_t in = (uintptr_t)virt - (uintptr_t)mapping->range.virt;

		if (is_going ? !in : in < mapping->range.size)
			break;
	}
	if (mapping && is_going)
		*at = mapping->next;
	spin_unlock_irqrestore(&mappings_lock, flags);
	if (!mapping)
		berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, "mapping of a file",
			      (uintptr_t)virt);
	return mapping;
}

void berth_filecache_unmap(void *virt)
{
	struct file_mapping *mapping = virt ? find_mapping(virt, true) : NULL;

	if (mapping)
		destroy(mapping);
}

int berth_filecache_msync(void *virt, uint64_t size)
{
	struct file_mapping *mapping = find_mapping(virt, false);
	uint64_t in, first;

	if (!mapping)
		return -EINVAL;
	in = (uintptr_t)virt - (uintptr_t)mapping->range.virt;
	if (size > mapping->range.size - in)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "size", size);
	first = mapping->first + (in >> PAGE_SHIFT);
	return berth_cached_file_sync(mapping->file, first, mapping->first + file_pages(in + size));
}

void berth_cached_file_unmap_all(struct cached_file *file)
{
	for (unsigned int i = 0; i < BERTH_FILECACHE_MAX_MAPPINGS; i++)
		if (file->mappings[i])
			berth_filecache_unmap(file->mappings[i]->range.virt);
}
