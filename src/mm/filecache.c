// SPDX-License-Identifier: BSD-2-Clause
/* The calls of a cached file that copy bytes, and its size. */
#include <berth/migrate.h>
#include <berth/slab.h>

#include "lib/error.h"
#include "lib/string.h"
#include "mm/filecache.h"
#include "mm/internal.h"

struct cached_file *berth_filecache_open(struct backing *backing)
{
	struct cached_file *file;

	if (backing_size(backing) > BERTH_FILECACHE_MAX_SIZE) {
		berth_error_set(-EFBIG, BERTH_REASON_IO, backing->name)->length =
			backing_size(backing);
		return NULL;
	}
	if (berth_tenant_register(&berth_filecache_ops))
		return NULL;
	do {
		file = kzalloc(sizeof(*file), GFP_KERNEL);
	} while (!file && berth_drop_clean_pages(FILE_BATCH));
	if (!file)
		return NULL;
	file->backing = backing;
	file->size = backing_size(backing);
	if (berth_cached_file_add(file)) {
		kfree(file);
		return NULL;
	}
	return file;
}

static void forget(struct cached_file *file)
{
	berth_cached_file_forget(file, 0);
	berth_cached_file_remove(file);
	kfree(file);
}

int berth_filecache_close(struct cached_file *file)
{
	int err;

	if (!file)
		return 0;
	for (unsigned int i = 0; i < BERTH_FILECACHE_MAX_MAPPINGS; i++)
		if (file->mappings[i])
			return berth_fail(-EBUSY, BERTH_REASON_STATE, "a file that is mapped");
	err = berth_filecache_sync(file);
	if (!err)
		forget(file);
	return err;
}

void berth_filecache_discard(struct cached_file *file)
{
	if (!file)
		return;
	berth_cached_file_unmap_all(file);
	berth_filecache_sync(file);
	forget(file);
}

void berth_filecache_reset(void)
{
	struct cached_file *file;

	while ((file = berth_cached_file_after(0))) {
		berth_cached_file_put(file);
		berth_filecache_discard(file);
	}
	memset(&berth_filecache_total, 0, sizeof(berth_filecache_total));
}

uint64_t berth_filecache_size(const struct cached_file *file)
{
	return file_size(file);
}

/* What of @size bytes at @offset lies in one page. */
static size_t part_of_page(uint64_t offset, uint64_t size)
{
	uint64_t rest = PAGE_SIZE - offset % PAGE_SIZE;

	return (size_t)(size < rest ? size : rest);
}

/* Reading. */

static int read_part(struct cached_file *file, char *buffer, uint64_t offset, uint64_t size)
{
	uint64_t ahead = file_pages(offset % PAGE_SIZE + size);
	struct page *page;
	int err;

	err = berth_cached_page_get(file, offset >> PAGE_SHIFT, 0,
				    ahead < FILE_BATCH ? (unsigned int)ahead : FILE_BATCH, false,
				    &page);
	if (err)
		return err;
	memcpy(buffer, (char *)page_address(page) + offset % PAGE_SIZE, part_of_page(offset, size));
	put_page(page);
	return 0;
}

int64_t berth_filecache_read(struct cached_file *file, void *buffer, uint64_t offset, size_t size)
{
	uint64_t end = file_size(file);
	size_t done = 0;
	int err = 0;

	if (offset >= end)
		return 0;
	if (size > end - offset)
		size = (size_t)(end - offset);
	while (done < size && !err) {
		err = read_part(file, (char *)buffer + done, offset + done, size - done);
		if (!err)
			done += part_of_page(offset + done, size - done);
	}
	/* No data: somebody has just cut the file off. */
	return done || err == -ENODATA ? (int64_t)done : err;
}

/* Writing; with the file's write_lock. */

static void set_size(struct cached_file *file, uint64_t size)
{
	__atomic_store_n(&file->size, size, __ATOMIC_RELEASE);
}

/* With the lock of the slot. */
static void written_to(struct cached_file *file, struct slot *slot, uint64_t end)
{
	if (end > file_size(file))
		set_size(file, end);
	berth_slot_dirty(file, slot);
	berth_set_page_clean(slot_page(slot), false);
}

/* The last page of a file of @size bytes, locked and not being written; NULL: there is none. */
static struct slot *lock_last(struct cached_file *file, uint64_t size)
{
	struct slot *slot = NULL;

	if (size % PAGE_SIZE)
		slot = berth_slot_get(file, size >> PAGE_SHIFT, false);
	if (slot) {
		berth_word_lock(&slot->word);
		berth_word_wait(&slot->word, SLOT_WRITEBACK);
	}
	return slot;
}

static void unlock_last(struct cached_file *file, struct slot *slot, uint64_t size)
{
	if (!slot)
		return;
	berth_word_unlock(&slot->word);
	berth_slot_put(file, slot, size >> PAGE_SHIFT);
}

/* It holds nothing but zeroes behind the end. */
static void zero_tail(struct slot *slot, uint64_t size)
{
	/* Moved or given up with the lock only: no reference is needed. */
	if (slot && slot_page(slot))
		memset((char *)page_address(slot_page(slot)) + size % PAGE_SIZE, 0,
		       PAGE_SIZE - size % PAGE_SIZE);
}

static void zero_last(struct cached_file *file)
{
	uint64_t size = file_size(file);
	struct slot *slot = lock_last(file, size);

	zero_tail(slot, size);
	unlock_last(file, slot, size);
}

/*
 * A whole page that is not there need not be read. The bytes are copied before it is anybody's: the
 * program's may have to be asked for. Return: 0; -EEXIST: it is there; -ENOMEM.
 */
static int write_new_page(struct cached_file *file, struct slot *slot, const char *buffer,
			  uint64_t index)
{
	struct page *page;
	bool is_there;

	berth_word_lock(&slot->word);
	is_there = slot_page(slot);
	berth_word_unlock(&slot->word);
	if (is_there)
		return -EEXIST;
	page = berth_cached_page_new(file, index, 0);
	if (!page)
		return -ENOMEM;
	memcpy(page_address(page), buffer, PAGE_SIZE);
	berth_word_lock(&slot->word);
	is_there = slot_page(slot);
	if (!is_there) {
		berth_slot_fill(file, slot, index, page);
		written_to(file, slot, (index + 1) << PAGE_SHIFT);
	}
	berth_word_unlock(&slot->word);
	if (!is_there)
		return 0;
	put_page(page);
	return -EEXIST;
}

static int write_old_page(struct cached_file *file, struct slot *slot, const char *buffer,
			  uint64_t offset, size_t size)
{
	struct page *page;
	int err;

	err = berth_cached_page_get(file, offset >> PAGE_SHIFT, UINT64_MAX, 1, true, &page);
	if (err)
		return err;
	memcpy((char *)page_address(page) + offset % PAGE_SIZE, buffer, size);
	berth_word_lock(&slot->word);
	written_to(file, slot, offset + size);
	berth_word_unlock(&slot->word);
	put_page(page);
	return 0;
}

static int write_part(struct cached_file *file, const char *buffer, uint64_t offset, size_t size)
{
	uint64_t index = offset >> PAGE_SHIFT;
	struct slot *slot;
	int err = -EEXIST;

	berth_cached_file_balance(file);
	slot = berth_slot_get(file, index, true);
	if (!slot)
		return -ENOMEM;
	if (size == PAGE_SIZE)
		err = write_new_page(file, slot, buffer, index);
	if (!err)
		FILE_COUNT(file, misses, 1);
	if (err == -EEXIST)
		err = write_old_page(file, slot, buffer, offset, size);
	berth_slot_put(file, slot, index);
	return err;
}

static int io_error(int code, const struct cached_file *file, uint64_t offset, uint64_t size)
{
	struct berth_error *error = berth_error_set(code, BERTH_REASON_IO, file->backing->name);

	error->address = offset;
	error->length = size;
	return code;
}

/* How many of the bytes may be written; a negative error. */
static int64_t check_write(const struct cached_file *file, uint64_t offset, size_t size)
{
	const struct backing *backing = file->backing;

	if (!backing->ops->write_pages)
		return berth_fail(-EACCES, BERTH_REASON_ARGUMENT, backing->name);
	if (offset > BERTH_FILECACHE_MAX_SIZE || size > BERTH_FILECACHE_MAX_SIZE - offset)
		return io_error(-EFBIG, file, offset, size);
	if (backing->ops->resize || offset + size <= backing_size(backing))
		return (int64_t)size;
	if (offset < backing_size(backing))
		return (int64_t)(backing_size(backing) - offset);
	return io_error(-ENOSPC, file, offset, size);
}

int64_t berth_filecache_write(struct cached_file *file, const void *buffer, uint64_t offset,
			      size_t size)
{
	int64_t allowed = size ? check_write(file, offset, size) : 0;
	size_t done = 0;
	int err = 0;

	if (allowed <= 0)
		return allowed;
	size = (size_t)allowed;
	berth_word_lock(&file->write_lock);
	if (offset + size > file_size(file))
		zero_last(file);
	while (done < size && !err) {
		size_t part = part_of_page(offset + done, size - done);

		err = write_part(file, (const char *)buffer + done, offset + done, part);
		if (!err)
			done += part;
	}
	berth_word_unlock(&file->write_lock);
	return done ? (int64_t)done : err;
}

int berth_cached_file_sync(struct cached_file *file, uint64_t index, uint64_t end)
{
	struct backing *backing = file->backing;
	int err = berth_cached_file_write(file, index, end, FILE_WAIT);
	int kept;

	if (!err && backing->ops->write_pages && backing->ops->flush)
		err = backing->ops->flush(backing);
	kept = berth_cached_file_error(file);
	return kept ? kept : err;
}

int berth_filecache_sync(struct cached_file *file)
{
	return berth_cached_file_sync(file, 0, UINT64_MAX);
}

/* The size. */

static int resize_backing(struct cached_file *file, uint64_t size)
{
	int err = 0;

	berth_word_lock(&file->resize_lock);
	if (backing_size(file->backing) != size)
		err = file->backing->ops->resize(file->backing, size);
	berth_word_unlock(&file->resize_lock);
	return err;
}

/* No mapping shows a page from @index on, and none of them is being written. */
static int unmap_from(struct cached_file *file, uint64_t index)
{
	struct slot *slot;
	int err = 0;

	for (; !err && (slot = berth_slot_next(file, &index, true)); index++) {
		berth_word_lock(&slot->word);
		berth_word_wait(&slot->word, SLOT_WRITEBACK);
		if (slot_page(slot))
			err = berth_slot_unmap(file, slot, index, false);
		berth_word_unlock(&slot->word);
		berth_slot_put(file, slot, index);
	}
	return err;
}

/*
 * From the new size on nothing comes into the cache; what is there goes when the backing has shrunk.
 * The last page is not written meanwhile: that would make the backing longer again.
 */
static int cut_off(struct cached_file *file, uint64_t size)
{
	uint64_t old = file_size(file);
	struct slot *last;
	int err;

	set_size(file, size);
	err = unmap_from(file, file_pages(size));
	if (!err) {
		last = lock_last(file, size);
		err = resize_backing(file, size);
		if (!err)
			zero_tail(last, size);
		unlock_last(file, last, size);
	}
	if (err) {
		set_size(file, old);
		return err;
	}
	berth_cached_file_forget(file, file_pages(size));
	return 0;
}

static int make_longer(struct cached_file *file, uint64_t size)
{
	int err = resize_backing(file, size);

	if (err)
		return err;
	zero_last(file);
	set_size(file, size);
	return 0;
}

int berth_filecache_truncate(struct cached_file *file, uint64_t size)
{
	const struct backing *backing = file->backing;
	int err = 0;

	if (!backing->ops->write_pages)
		return berth_fail(-EACCES, BERTH_REASON_ARGUMENT, backing->name);
	if (!backing->ops->resize)
		return berth_fail(-EOPNOTSUPP, BERTH_REASON_ARGUMENT, backing->name);
	if (size > BERTH_FILECACHE_MAX_SIZE)
		return io_error(-EFBIG, file, size, 0);
	berth_word_lock(&file->write_lock);
	if (size < file_size(file))
		err = cut_off(file, size);
	else if (size > file_size(file))
		err = make_longer(file, size);
	berth_word_unlock(&file->write_lock);
	return err;
}

void berth_filecache_stats(const struct cached_file *file, struct berth_filecache_stats *stats)
{
	const struct berth_filecache_stats *from = file ? &file->stats : &berth_filecache_total;

	stats->pages = __atomic_load_n(&from->pages, __ATOMIC_RELAXED);
	stats->dirty = __atomic_load_n(&from->dirty, __ATOMIC_RELAXED);
	stats->hits = __atomic_load_n(&from->hits, __ATOMIC_RELAXED);
	stats->misses = __atomic_load_n(&from->misses, __ATOMIC_RELAXED);
	stats->read = __atomic_load_n(&from->read, __ATOMIC_RELAXED);
	stats->written = __atomic_load_n(&from->written, __ATOMIC_RELAXED);
	stats->dropped = __atomic_load_n(&from->dropped, __ATOMIC_RELAXED);
	stats->moved = __atomic_load_n(&from->moved, __ATOMIC_RELAXED);
}
