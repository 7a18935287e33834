/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: anon - memory of the program's that may move, and be written to swap
 *
 * A program uses it as it uses malloc() memory, from any thread and in system calls, at addresses that
 * stay. The pages behind it come out of contiguous areas as long as no device wants those; when one
 * does, they are moved, or written to swap, and the program notices nothing but time.
 * docs/moving-pages.md says what that needs of a Linux host.
 */
#ifndef BERTH_ANON_H
#define BERTH_ANON_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * berth_anon_alloc() - zeroed memory that may move
 * @size: bytes, at least 1; rounded up to pages
 *
 * Pages are allocated when they are first touched, and are read again when they are touched in swap; a
 * program that touches one for which there is no memory, or that swap cannot read, gets what it
 * would get for a wild pointer. May sleep. Return: the memory, until
 * berth_anon_free(), or NULL (OUT_OF_MEMORY; MAPPING: this port has no such thing).
 */
void *berth_anon_alloc(size_t size);

/**
 * berth_anon_free() - give memory back
 * @virt: what berth_anon_alloc() returned; NULL is ignored; anything else is refused (NOT_OWNED)
 *
 * Nobody uses it any more, and no page of it is pinned: such a page lives until it is unpinned. May
 * sleep.
 */
void berth_anon_free(void *virt);

/**
 * berth_anon_populate() - have a part of it in memory, as touching every page would
 * @virt: inside memory of berth_anon_alloc()
 * @size: bytes
 *
 * May sleep. Return: 0, -ENOMEM (OUT_OF_MEMORY) with a part of it populated, -EINVAL (NOT_OWNED).
 */
int berth_anon_populate(void *virt, size_t size);

/**
 * struct berth_anon_stats - figures over all such memory
 * @pages: in memory now
 * @swapped: in swap now
 * @moved: pages that were moved since berth_start()
 * @swap_outs: pages that were written to swap
 * @swap_ins: pages that were read from there
 */
struct berth_anon_stats {
	uint64_t pages;
	uint64_t swapped;
	uint64_t moved;
	uint64_t swap_outs;
	uint64_t swap_ins;
};

/** berth_anon_stats() - fill @stats. Any context. */
void berth_anon_stats(struct berth_anon_stats *stats);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
