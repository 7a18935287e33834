/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of src/iommu/ share.
 *
 * Locks, in the order in which they may be taken; all with interrupts away:
 *
 *   io_pgtable->lock    which tables are linked, and the epochs of those that are not
 *   iova_caches->lock   full magazines that belong to no slot; a leaf
 *   iova_domain->lock   the tree of ranges; the locks of kmalloc() come after it
 *
 * A slot's word of an IOVA cache is a lock that nobody waits for, but who gives back all that the
 * caches hold, and that one gives up after a while. While a word is held both locks of the IOVA
 * domain may be taken, one after the other. No lock is held while a function of a driver's runs.
 */
#ifndef BERTH_IOMMU_INTERNAL_H
#define BERTH_IOMMU_INTERNAL_H

#include <berth/iova.h>

/* Give back a range by its first page. False, with the reason, if it is not one's. */
bool berth_iova_free_at(struct iova_domain *iovad, uint64_t pfn, const char *subject);

/* What the caches hold goes back to the tree; false if they hold nothing. */
bool berth_iova_flush(struct iova_domain *iovad);
/* The caches themselves go, and what they hold with the domain. */
void berth_iova_drop_caches(struct iova_domain *iovad);

#endif
