/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: filecache - files whose pages are in memory that a device may want later
 *
 * A cached file is a struct backing with pages in memory: read and written by copying, or through a
 * pointer (mapped). Both are the same bytes. Pages come out of contiguous areas as long as no
 * device wants those; when one does, clean pages are dropped, others are moved or written, and
 * nobody notices anything but time. docs/file-cache.md tells the whole.
 *
 * Context of all functions but berth_filecache_stats(): task context, they may sleep. Any number of
 * threads may use a file at once; opening and closing are up to one.
 */
#ifndef BERTH_FILECACHE_H
#define BERTH_FILECACHE_H

#include <berth/backing.h>
#include <berth/port.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct cached_file;

#define BERTH_FILECACHE_MAX_SIZE (1ULL << 56) /* bytes of a file */
#define BERTH_FILECACHE_MAX_MAPPINGS 16u /* of one file at once */

/**
 * berth_filecache_open() - begin to cache a backing
 * @backing: stays until berth_filecache_close(), and is used by nobody else
 *
 * Return: the file, or NULL (OUT_OF_MEMORY; STATE: it is in use already; TABLE_FULL; IO: it is
 * too large).
 */
struct cached_file *berth_filecache_open(struct backing *backing);

/**
 * berth_filecache_close() - write what is dirty, and forget the file
 * @file: used by nobody else; NULL is ignored
 *
 * Return: 0, or with nothing closed and nothing lost: -EBUSY (STATE) while it is mapped; an error
 * of berth_filecache_sync(), which may be repeated. berth_filecache_discard() closes in any case.
 */
int berth_filecache_close(struct cached_file *file);

/** berth_filecache_discard() - unmap and close a file; what cannot be written is lost. */
void berth_filecache_discard(struct cached_file *file);

/** berth_filecache_size() - bytes of a file. Any context. */
uint64_t berth_filecache_size(const struct cached_file *file);

/**
 * berth_filecache_read() - copy bytes out of a file
 * @buffer: any memory of the program's, mapped files included
 *
 * Pages that are not there are read, more of them at once when a file is read from one end to the
 * other. Return: how many bytes, fewer than @size at the end of the file or before an error; or if
 * none, the error: what the backing said, -ENOMEM (OUT_OF_MEMORY).
 */
int64_t berth_filecache_read(struct cached_file *file, void *buffer, uint64_t offset, size_t size);

/**
 * berth_filecache_write() - copy bytes into a file
 *
 * They are in the file for everyone at once, and in the backing after berth_filecache_sync() or when
 * the cache finds the time. Behind its end the file grows; what is left out reads as zeroes. Return:
 * how many bytes, fewer than @size before an error or at the end of a backing of fixed size; or if
 * none, the error: as berth_filecache_read(), -EACCES (the backing is for reading), -ENOSPC (its
 * size is fixed), -EFBIG (IO).
 */
int64_t berth_filecache_write(struct cached_file *file, const void *buffer, uint64_t offset,
			      size_t size);

/**
 * berth_filecache_truncate() - set the size of a file
 *
 * What is new reads as zeroes. Who accesses a mapping behind the end is refused. The backing is
 * changed before the call returns. Return: 0, or an error with nothing changed: the backing's,
 * -EACCES, -EFBIG, -EOPNOTSUPP (ARGUMENT: its size is fixed), -ENOMEM (MAPPING).
 */
int berth_filecache_truncate(struct cached_file *file, uint64_t size);

/**
 * berth_filecache_sync() - what was written before is in the backing, for good
 *
 * Return: 0, or the first error of a write since the last call that told one. The pages concerned
 * are dirty still, unless they were written in the meantime; the next call tries again.
 */
int berth_filecache_sync(struct cached_file *file);

/**
 * berth_filecache_drop() - give up clean pages that nobody uses
 * @file: whose; NULL: all files'
 *
 * Return: how many.
 */
uint64_t berth_filecache_drop(struct cached_file *file);

/**
 * berth_filecache_map() - a part of a file at addresses of the program's
 * @offset: where it begins: a multiple of PAGE_SIZE; may lie behind the end
 * @size: bytes, at least 1
 * @access: BERTH_ACCESS_READ, or BERTH_ACCESS_WRITE for both
 *
 * Pages are read when they are touched. A page becomes dirty with the first store, and again with
 * the first one after it was written. A program that touches a page which is behind the end or
 * cannot be read, or writes where it may only read, gets what it would get for a wild pointer. Stores
 * into the last page behind the end of the file are lost. Return: the address, until
 * berth_filecache_unmap(), or NULL (ARGUMENT, OUT_OF_MEMORY; TABLE_FULL; MAPPING: this port has
 * no such thing, or the limit).
 */
void *berth_filecache_map(struct cached_file *file, uint64_t offset, uint64_t size,
			  enum berth_port_access access);

/**
 * berth_filecache_unmap() - take a mapping away
 * @virt: what berth_filecache_map() returned, used by nobody; NULL is ignored; anything else is
 *	refused (NOT_OWNED)
 *
 * What was stored stays in the file.
 */
void berth_filecache_unmap(void *virt);

/**
 * berth_filecache_msync() - berth_filecache_sync() for the pages of a part of a mapping
 * @virt: an address in it
 * @size: bytes from there on
 *
 * Return: as berth_filecache_sync(); -EINVAL (NOT_OWNED, ARGUMENT).
 */
int berth_filecache_msync(void *virt, uint64_t size);

/**
 * struct berth_filecache_stats - figures of a file, or of all since berth_start()
 * @pages: in memory now
 * @dirty: of these, to be written
 * @hits: accesses to pages that were there: by berth_filecache_read() and write(), each page of a
 *	call, and the faults of mappings
 * @misses: accesses to pages that were not
 * @read: pages that were read, those ahead included
 * @written: pages that were written
 * @dropped: pages that were given up
 * @moved: pages that were moved
 */
struct berth_filecache_stats {
	uint64_t pages;
	uint64_t dirty;
	uint64_t hits;
	uint64_t misses;
	uint64_t read;
	uint64_t written;
	uint64_t dropped;
	uint64_t moved;
};

/** berth_filecache_stats() - fill @stats for @file; NULL: over all files. Any context. */
void berth_filecache_stats(const struct cached_file *file, struct berth_filecache_stats *stats);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
