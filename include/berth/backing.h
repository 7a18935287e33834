/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: backing - where the pages of tenants come from and go to
 *
 * A file, a disk, a swap space: a number of bytes that are read and written by whole pages. Whoever
 * implements one (a port over its files, a driver over its disk) fills in struct backing_ops and
 * puts a struct backing at the front of what it keeps; whoever uses one (the file cache, swap)
 * calls it for different pages from several threads at once.
 *
 * Context of all functions: task context, they may sleep; no lock of berth's is held but that of
 * the pages concerned. They are called when memory is short, to get memory back: they must not
 * wait for a thread that may be allocating memory, and allocate with GFP_ATOMIC at most. They
 * touch the pages through the linear map, or by DMA, never through an address at which a program
 * sees them. The pages stay where they are meanwhile.
 */
#ifndef BERTH_BACKING_H
#define BERTH_BACKING_H

#include <berth/mm.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct backing;

/**
 * struct backing_ops - how bytes get from a backing into pages, and back
 * @read_pages: fill @nr pages with the bytes from page @index on; what is behind the end reads as
 *	zeroes. Return: 0 or a negative errno value with its reason; then the pages' bytes are
 *	undefined.
 * @write_pages: the reverse; bytes that are behind the end are not written. Return: 0 or a negative
 *	errno value with its reason; then some of the bytes may have been written. NULL if it is for
 *	reading only.
 * @flush: what was written is there after a loss of power. NULL if that is always so.
 * @resize: make it @size bytes long; what is new reads as zeroes. NULL if its size is fixed. It
 *	sets backing->size. Two calls never run at once, but others do.
 */
struct backing_ops {
	int (*read_pages)(struct backing *backing, uint64_t index, struct page *const *pages,
			  unsigned int nr);
	int (*write_pages)(struct backing *backing, uint64_t index, struct page *const *pages,
			   unsigned int nr);
	int (*flush)(struct backing *backing);
	int (*resize)(struct backing *backing, uint64_t size);
};

/**
 * struct backing - a file, a disk, a swap space
 * @ops: its functions
 * @name: for reports; it stays readable as long as @backing is used
 * @size: in bytes; changed by ops->resize() only, and read meanwhile: both are atomic accesses
 *
 * Owned by who implements it. It stays as it is until the last user (a file of the cache, swap) has
 * let go of it.
 */
struct backing {
	const struct backing_ops *ops;
	const char *name;
	uint64_t size;
};

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
