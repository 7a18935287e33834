/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: swap - where movable memory goes when there is no memory left for it
 *
 * A swap area is a struct backing of fixed size. Pages of berth_anon_alloc()'s memory are written there
 * when an allocation finds nothing else to give up, or when a device takes an area and they have
 * nowhere to move; they are read again when the program touches them. Task context; the functions
 * may sleep.
 */
#ifndef BERTH_SWAP_H
#define BERTH_SWAP_H

#include <berth/backing.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define BERTH_MAX_SWAPS 8u
#define BERTH_SWAP_MAX_PAGES (1u << 28) /* of an area; more of a backing is not used */

/**
 * berth_swapon() - use a backing for swap
 * @backing: at least a page, writable; stays until berth_swapoff(), and is used by nobody else
 *
 * What is in it is overwritten. Return: 0, -EINVAL (ARGUMENT: it is smaller than a page, or for reading
 * only), -EBUSY (STATE: it is in use), -ENOSPC (TABLE_FULL), -ENOMEM (OUT_OF_MEMORY).
 */
int berth_swapon(struct backing *backing);

/**
 * berth_swapoff() - read everything in again, and let go of a backing
 * @backing: what berth_swapon() was given
 *
 * Return: 0; or the area is in use as before, with nothing lost: -ENOMEM, the backing's error, -EINVAL
 * (NOT_OWNED: it is no swap area), -EBUSY (STATE: somebody else is doing the same).
 */
int berth_swapoff(struct backing *backing);

/**
 * struct berth_swap_stats - figures over all areas
 * @pages: places
 * @used: of these, those with a page
 */
struct berth_swap_stats {
	uint64_t pages;
	uint64_t used;
};

/** berth_swap_stats() - fill @stats. Any context. */
void berth_swap_stats(struct berth_swap_stats *stats);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
