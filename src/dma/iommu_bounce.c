/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices that are not trusted: what they reach beside a mapping in its first and its last granule
 * is nobody's. Such a granule is a copy, filled up with zeroes; what lies between them is mapped as
 * it is. Addresses keep their low bits.
 */
#include <berth/highmem.h>
#include <berth/slab.h>

#include "dma/internal.h"
#include "dma/iommu.h"
#include "dma/swiotlb.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"

/*
 * struct iommu_bounced - a granule that is a copy
 * @next: of the same row
 * @iova: where
 * @page: the copy
 * @order: log2 of its pages
 * @orig: of the first byte that is mapped, which is at @from; @to is behind the last
 */
struct iommu_bounced {
	struct iommu_bounced *next;
	dma_addr_t iova;
	struct page *page;
	unsigned int order;
	phys_addr_t orig;
	uint32_t from;
	uint32_t to;
	enum dma_data_direction dir;
};

static struct iommu_bounced **row_of(struct iommu_dma_cookie *cookie, dma_addr_t iova)
{
	return &cookie->bounced[(iova / cookie->iovad.granule) % IOMMU_BOUNCED_ROWS];
}

/* With the lock. The link to it; that of NULL: it is not bounced. */
static struct iommu_bounced **find(struct iommu_dma_cookie *cookie, dma_addr_t iova)
{
	struct iommu_bounced **at = row_of(cookie, iova);

	while (*at && (*at)->iova != iova)
		at = &(*at)->next;
	return at;
}

/* The record of a granule, which its user keeps; false: it is not bounced. */
static bool look_up(struct iommu_dma_cookie *cookie, dma_addr_t iova, struct iommu_bounced *b)
{
	const struct iommu_bounced *found;
	unsigned long flags;

	spin_lock_irqsave(&cookie->lock, flags);
	found = *find(cookie, iova);
	if (found)
		*b = *found;
	spin_unlock_irqrestore(&cookie->lock, flags);
	return found;
}

static void free_bounced(struct iommu_bounced *b)
{
	__free_pages(b->page, b->order);
	kfree(b);
}

/* The copy of a granule, which nobody else knows yet. NULL with the reason. */
static struct iommu_bounced *copy_granule(const struct device *dev, const struct iommu_dma *d,
					  dma_addr_t iova, phys_addr_t phys, uint32_t from,
					  uint32_t to, enum dma_data_direction dir,
					  unsigned long attrs)
{
	struct iommu_bounced *b = kmalloc(sizeof(*b), GFP_ATOMIC);
	size_t granule = iommu_granule(d);

	if (!b)
		return NULL;
	*b = (struct iommu_bounced){ NULL, iova, NULL, get_order(granule), phys, from, to, dir };
	b->page = alloc_pages(GFP_ATOMIC | __GFP_ZERO, b->order);
	if (!b->page) {
		kfree(b);
		return NULL;
	}
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC) &&
	    !(attrs & BERTH_ATTR_OVERWRITE && dir == DMA_FROM_DEVICE) &&
	    berth_bounce_copy(phys, (char *)page_address(b->page) + from, to - from, true)) {
		free_bounced(b);
		return NULL;
	}
	berth_dma_clean(dev, page_to_phys(b->page), granule);
	return b;
}

static void insert(struct iommu_dma_cookie *cookie, struct iommu_bounced *b)
{
	struct iommu_bounced **row = row_of(cookie, b->iova);
	unsigned long flags;

	spin_lock_irqsave(&cookie->lock, flags);
	b->next = *row;
	*row = b;
	spin_unlock_irqrestore(&cookie->lock, flags);
}

/* A mapping, cut where its granules are no longer whole. */
struct cut {
	size_t granule;
	phys_addr_t phys, end;
	struct iommu_bounced *head, *tail;
	phys_addr_t middle;
	size_t middle_size;
};

/* The copies. False, with the reason, and none is left. */
static bool make_copies(const struct device *dev, const struct iommu_dma *d, dma_addr_t iova,
			enum dma_data_direction dir, unsigned long attrs, struct cut *cut)
{
	uint64_t mask = d->granule_mask, from = cut->phys & mask, to;
	phys_addr_t first = cut->phys - from, last = (cut->end - 1) & ~mask;

	cut->head = cut->tail = NULL;
	cut->middle = first;
	if (from || first == last) {
		to = first == last ? cut->end - first : cut->granule;
		cut->head = copy_granule(dev, d, iova, cut->phys, (uint32_t)from, (uint32_t)to, dir,
					 attrs);
		if (!cut->head)
			return false;
		cut->middle = first + cut->granule;
	}
	cut->middle_size = 0;
	if ((cut->end & ~mask) > cut->middle)
		cut->middle_size = (size_t)((cut->end & ~mask) - cut->middle);
	if (!(cut->end & mask) || (cut->head && first == last))
		return true;
	cut->tail = copy_granule(dev, d, iova + (last - first), last, 0,
				 (uint32_t)(cut->end - last), dir, attrs);
	if (!cut->tail && cut->head)
		free_bounced(cut->head);
	return cut->tail;
}

static int map_granule(const struct iommu_dma *d, const struct iommu_bounced *b)
{
	return b ? iommu_map(d->domain, b->iova, page_to_phys(b->page), iommu_granule(d),
			     d->prot[b->dir], GFP_ATOMIC)
		 : 0;
}

int berth_iommu_dma_bounce_map(struct device *dev, dma_addr_t iova, phys_addr_t phys, size_t size,
			       enum dma_data_direction dir, unsigned long attrs)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	struct cut cut = { .granule = iommu_granule(d), .phys = phys, .end = phys + size };
	dma_addr_t middle;
	struct berth_error why;
	int err;

	if (!make_copies(dev, d, iova, dir, attrs, &cut))
		return berth_last_error()->code;
	middle = iova + (cut.head ? cut.granule : 0);
	if (cut.middle_size && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		berth_dma_clean(dev, cut.middle, cut.middle_size);
	err = map_granule(d, cut.head);
	if (err)
		goto free;
	if (cut.middle_size)
		err = iommu_map(d->domain, middle, cut.middle, cut.middle_size, d->prot[dir],
				GFP_ATOMIC);
	if (err)
		goto unmap_head;
	err = map_granule(d, cut.tail);
	if (err)
		goto unmap_middle;
	if (cut.head)
		insert(d->cookie, cut.head);
	if (cut.tail)
		insert(d->cookie, cut.tail);
	return 0;
unmap_middle:
	why = *berth_last_error();
	if (cut.middle_size)
		iommu_unmap(d->domain, middle, cut.middle_size);
	*berth_port_error() = why;
unmap_head:
	why = *berth_last_error();
	if (cut.head)
		iommu_unmap(d->domain, iova, cut.granule);
	*berth_port_error() = why;
free:
	if (cut.head)
		free_bounced(cut.head);
	if (cut.tail)
		free_bounced(cut.tail);
	return err;
}

static void copy_back(const struct device *dev, const struct iommu_bounced *b, uint32_t from,
		      uint32_t to)
{
	size_t left = berth_bounce_copy(b->orig + (from - b->from),
					(char *)page_address(b->page) + from, to - from, false);

	if (left)
		dev_err(dev, "%zu bytes are lost: high memory without an address\n", left);
}

/* Both of its ends are as they were mapped; with the lock. */
static bool is_whole(struct iommu_dma_cookie *cookie, dma_addr_t addr, size_t size,
		     enum dma_data_direction dir)
{
	uint64_t mask = cookie->iovad.granule - 1;
	const struct iommu_bounced *head = *find(cookie, addr & ~mask);
	const struct iommu_bounced *tail = *find(cookie, (addr + (size - 1)) & ~mask);

	if (addr & mask && !head)
		return false;
	if ((addr + size) & mask && !tail)
		return false;
	if (head && (head->from != (addr & mask) || head->dir != dir))
		return false;
	if (tail && (tail->to != ((addr + (size - 1)) & mask) + 1 || tail->dir != dir))
		return false;
	return true;
}

static struct iommu_bounced *take(struct iommu_dma_cookie *cookie, dma_addr_t iova)
{
	struct iommu_bounced **at = find(cookie, iova), *b = *at;

	if (b)
		*at = b->next;
	return b;
}

bool berth_iommu_dma_bounce_unmap(struct device *dev, dma_addr_t addr, size_t size,
				  enum dma_data_direction dir, unsigned long attrs)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	uint64_t mask = d->granule_mask;
	struct iommu_bounced *b[2] = { NULL, NULL };
	struct berth_error *error;
	unsigned long flags;
	bool ok;

	if (!dev_is_dma_coherent(dev) && !(attrs & DMA_ATTR_SKIP_CPU_SYNC) &&
	    !berth_iommu_dma_sync_range(dev, addr, size, dir, true))
		return false;
	spin_lock_irqsave(&d->cookie->lock, flags);
	ok = is_whole(d->cookie, addr, size, dir);
	if (ok) {
		b[0] = take(d->cookie, addr & ~mask);
		b[1] = take(d->cookie, (addr + (size - 1)) & ~mask);
	}
	spin_unlock_irqrestore(&d->cookie->lock, flags);
	if (!ok) {
		error = berth_error_set(-EINVAL,
					iommu_iova_to_phys(d->domain, addr) == BERTH_PHYS_NONE
						? BERTH_REASON_NOT_OWNED
						: BERTH_REASON_UNMAP,
					dev_name(dev));
		error->address = addr;
		error->length = size;
		return false;
	}
	/* What is copied back the device does not write any more. */
	ok = berth_iommu_dma_unmap_range(dev, d, addr & ~mask,
					 ((addr & mask) + size + mask) & ~mask);
	for (unsigned int i = 0; i < 2; i++) {
		if (!b[i])
			continue;
		if (dir != DMA_TO_DEVICE && !(attrs & DMA_ATTR_SKIP_CPU_SYNC)) {
			berth_dma_invalidate(dev, page_to_phys(b[i]->page), iommu_granule(d), dir);
			copy_back(dev, b[i], b[i]->from, b[i]->to);
		}
		free_bounced(b[i]);
	}
	return ok;
}

/* What of [@addr, @addr + @size) is in the granule at @iova, if that is bounced. */
static void sync_granule(const struct device *dev, dma_addr_t iova, dma_addr_t addr, size_t size,
			 enum dma_data_direction dir, bool for_cpu)
{
	uint64_t from = addr > iova ? addr - iova : 0, to = addr + size - iova;
	struct iommu_bounced b;

	if (!look_up(iommu_dma_of(dev)->cookie, iova, &b))
		return;
	from = from < b.from ? b.from : from;
	to = to > b.to ? b.to : to;
	if (from >= to || (b.dir != DMA_BIDIRECTIONAL && b.dir != dir))
		return;
	if (for_cpu && dir != DMA_TO_DEVICE)
		copy_back(dev, &b, (uint32_t)from, (uint32_t)to);
	else if (!for_cpu && dir != DMA_FROM_DEVICE &&
		 berth_bounce_copy(b.orig + (from - b.from), (char *)page_address(b.page) + from,
				   (size_t)(to - from), true))
		dev_err(dev, "%llu bytes of high memory are not copied\n",
			(unsigned long long)(to - from));
}

void berth_iommu_dma_bounce_sync(struct device *dev, dma_addr_t addr, size_t size,
				 enum dma_data_direction dir, bool for_cpu)
{
	uint64_t mask = iommu_dma_of(dev)->granule_mask;
	dma_addr_t first = addr & ~mask, last = (addr + (size - 1)) & ~mask;

	sync_granule(dev, first, addr, size, dir, for_cpu);
	if (last != first)
		sync_granule(dev, last, addr, size, dir, for_cpu);
}

bool berth_iommu_dma_is_bounced(const struct device *dev, dma_addr_t addr)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	struct iommu_bounced b;

	return d->is_untrusted && look_up(d->cookie, addr & ~d->granule_mask, &b);
}

void berth_iommu_dma_bounce_clear(struct iommu_dma_cookie *cookie)
{
	for (unsigned int i = 0; i < IOMMU_BOUNCED_ROWS; i++)
		while (cookie->bounced[i]) {
			struct iommu_bounced *b = cookie->bounced[i];

			cookie->bounced[i] = b->next;
			free_bounced(b);
		}
}
