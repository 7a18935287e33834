/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the file cache: filetree.c knows which page of a file is where, filepage.c is the tenant and
 * reads pages, writeback.c writes them, filemap.c shows them to programs, filecache.c is the calls.
 *
 * Locks, in the order in which they may be taken:
 *
 *   file->write_lock    who changes the size; sleeps
 *   slot->word          of a page that is not there: held while memory is allocated and the page is
 *                       read. Of several only the first is waited for.
 *   slot->word          of a page that is there: held while it is mapped, unmapped, moved, given up,
 *                       never while memory is allocated. The tenant's functions take it.
 *   file->resize_lock   backing->size; sleeps
 *   files_lock          list of files, their users
 *   file->lock          tree, mappings and kept error of a file
 *   those of internal.h
 *
 * A page in a slot keeps its place while SLOT_ISOLATED, and its slot while it is there. Its bytes are
 * changed by who holds a reference to it, or the lock of its slot, or through a mapping.
 */
#ifndef BERTH_MM_FILECACHE_H
#define BERTH_MM_FILECACHE_H

#include <berth/backing.h>
#include <berth/error.h>
#include <berth/filecache.h>
#include <berth/port.h>
#include <berth/spinlock.h>

#include "mm/user.h"

/* struct page::index: the file's number, and the page's place in it. */
#define FILE_SHIFT 44
#define FILE_PAGE_AT ((1ULL << FILE_SHIFT) - 1)
#define FILE_MAX_ID ((1u << (64 - FILE_SHIFT)) - 1)

/* Pages that are read or written at once. */
#define FILE_BATCH 32u

/* Bits of struct slot::word; all but the first two change with the lock held. */
#define SLOT_LOCKED 0x01u
#define SLOT_WAITERS 0x02u
#define SLOT_DIRTY 0x04u
#define SLOT_WRITEBACK 0x08u /* being written; has a reference */
#define SLOT_ISOLATED 0x10u /* between isolate_page() and what follows it */
#define SLOT_ACCESSED 0x20u /* used again since the clock went by */
#define SLOT_MAPPED 0x40u /* some mapping may show it */

/* struct slot - one page of a file; @frame: its page number + 1, or 0 */
struct slot {
	uint32_t word;
	uint32_t frame;
};

#define NODE_SHIFT 6
#define NODE_SLOTS (1u << NODE_SHIFT)

/* struct file_node - of the tree; @count: children, or pages and holders; @first: of its indexes */
struct file_node {
	struct file_node *parent;
	uint64_t first;
	uint32_t count;
	uint32_t shift; /* 0: a leaf */
	union {
		struct file_node *children[NODE_SLOTS];
		struct slot slots[NODE_SLOTS];
	};
};

struct file_mapping;

struct cached_file {
	struct backing *backing;
	struct cached_file *next;
	uint32_t id;
	uint32_t users; /* who found it in the list; under files_lock */
	uint64_t size; /* bytes; atomic. That of the backing follows when pages are written */
	uint32_t write_lock;
	uint32_t resize_lock;
	uint64_t fill_end; /* where the last pages that were read end; a hint */
	uint64_t hand; /* of the clock; a hint */
	uint64_t write_hand; /* where the next write-back of some pages begins; a hint */

	spinlock_t lock;
	struct file_node *root;
	struct file_mapping *mappings[BERTH_FILECACHE_MAX_MAPPINGS];
	struct berth_error error; /* of a write, not told yet */

	struct berth_filecache_stats stats; /* atomic */
};

/* Locks that sleep, and the flags beside them. */

bool berth_word_trylock(uint32_t *word);
void berth_word_lock(uint32_t *word);
void berth_word_unlock(uint32_t *word);
/* With the lock, which is given up meanwhile: until none of the bits is set. */
void berth_word_wait(uint32_t *word, uint32_t bits);

static inline uint32_t word_bits(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void word_set(uint32_t *word, uint32_t bits)
{
	__atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
}

static inline void word_clear(uint32_t *word, uint32_t bits)
{
	__atomic_fetch_and(word, ~bits, __ATOMIC_RELAXED);
}

static inline uint64_t file_size(const struct cached_file *file)
{
	return __atomic_load_n(&file->size, __ATOMIC_ACQUIRE);
}

/* Pages that @size bytes touch. */
static inline uint64_t file_pages(uint64_t size)
{
	return (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

static inline uint64_t backing_size(const struct backing *backing)
{
	return __atomic_load_n(&backing->size, __ATOMIC_ACQUIRE);
}

/* With the lock of the slot; NULL if there is none. */
static inline struct page *slot_page(const struct slot *slot)
{
	uint32_t frame = __atomic_load_n(&slot->frame, __ATOMIC_RELAXED);

	return frame ? pfn_to_page(frame - 1) : NULL;
}

/* Figures of a file, and of all. */
extern struct berth_filecache_stats berth_filecache_total;

#define FILE_COUNT(file, name, nr)                                                                 \
	do {                                                                                       \
		__atomic_fetch_add(&(file)->stats.name, (uint64_t)(nr), __ATOMIC_RELAXED);         \
		__atomic_fetch_add(&berth_filecache_total.name, (uint64_t)(nr), __ATOMIC_RELAXED); \
	} while (0)

/* The tree (filetree.c). A slot that was got stays until it is put. */

/* NULL: there is no memory for it, or without @create, it is not there. */
struct slot *berth_slot_get(struct cached_file *file, uint64_t index, bool create);
void berth_slot_put(struct cached_file *file, struct slot *slot, uint64_t index);
/* The first one from *@index on that has a page, or with @any that exists; NULL: there is none. */
struct slot *berth_slot_next(struct cached_file *file, uint64_t *index, bool any);
/* With the slot's lock. */
void berth_slot_fill(struct cached_file *file, struct slot *slot, uint64_t index,
		     struct page *page);
/* Likewise: the page is forgotten; the reference to it is the caller's. */
void berth_slot_empty(struct cached_file *file, struct slot *slot, uint64_t index);

/* Pages (filepage.c). */

extern const struct movable_operations berth_filecache_ops;

/* The file after number @after, kept until berth_cached_file_put(); NULL: there is none. */
struct cached_file *berth_cached_file_after(uint32_t after);
void berth_cached_file_put(struct cached_file *file);
int berth_cached_file_add(struct cached_file *file);
void berth_cached_file_remove(struct cached_file *file);

/*
 * The page at @index, read if it is not there, with a reference. @end: pages that there are, 0: as
 * the size says; @ahead: how many will be wanted. @is_write: not clean, so not in a guaranteed area.
 * Return: 0, -ENODATA (no record: behind the end), or with the reason another error.
 */
int berth_cached_page_get(struct cached_file *file, uint64_t index, uint64_t end,
			  unsigned int ahead, bool is_write, struct page **page);
/* Likewise, with the lock of the slot, which has no page. */
int berth_cached_page_read(struct cached_file *file, struct slot *slot, uint64_t index,
			   unsigned int ahead);
/* A page of which nothing is known yet. */
struct page *berth_cached_page_new(struct cached_file *file, uint64_t index, gfp_t flags);
/*
 * Move a page, of which the caller has a reference, out of a guaranteed area; the reference goes.
 * Return: -EAGAIN: look it up again; or an error with its reason.
 */
int berth_cached_page_evict(struct page *page);
/* With the lock of the slot. */
void berth_slot_dirty(struct cached_file *file, struct slot *slot);
void berth_slot_undirty(struct cached_file *file, struct slot *slot);
/* Give up clean pages; @all: also those that were used lately. Return: how many. */
uint64_t berth_cached_file_drop(struct cached_file *file, uint64_t max, bool all);
/* Forget all pages from @index on, dirty ones too; nobody can bring them back meanwhile. */
void berth_cached_file_forget(struct cached_file *file, uint64_t index);
/* Get memory back, from pages of the cache. False: there is none to be had. */
bool berth_filecache_make_room(void);

/* Writing (writeback.c). */

#define FILE_WAIT UINT64_MAX

/*
 * Write up to @max dirty pages in [@index, @end); FILE_WAIT: all of them, and wait for those that
 * somebody else writes. Return: 0 or the first error, which is then kept as well.
 */
int berth_cached_file_write(struct cached_file *file, uint64_t index, uint64_t end, uint64_t max);
/* Write the page of a slot, whose lock is held and which nobody can use. */
bool berth_slot_write(struct cached_file *file, struct slot *slot, uint64_t index);
/* Write some pages if too many are dirty. */
void berth_cached_file_balance(struct cached_file *file);
/* Write some pages of any file. Return: whether any was. */
bool berth_filecache_write_some(void);
/* The error that is kept, once. */
int berth_cached_file_error(struct cached_file *file);
/* Write all dirty pages in [@index, @end) for good. Return: 0 or the first error, or one kept. */
int berth_cached_file_sync(struct cached_file *file, uint64_t index, uint64_t end);

/* Mappings (filemap.c). With the lock of the slot: */

/* No mapping shows the page any more; with @only_writers, lets it be written to. */
int berth_slot_unmap(struct cached_file *file, struct slot *slot, uint64_t index,
		     bool only_writers);
/* The page moves, with its bytes. */
int berth_slot_move(struct cached_file *file, struct slot *slot, uint64_t index, struct page *dst,
		    struct page *src);

/* All mappings go. */
void berth_cached_file_unmap_all(struct cached_file *file);

#endif
