/* SPDX-License-Identifier: BSD-2-Clause */
/* The addresses of a domain: which may be given, and to whom. */
#include <berth/slab.h>

#include "dma/internal.h"
#include "dma/iommu.h"
#include "lib/device.h"
#include "lib/error.h"

/* A doorbell's granule. */
struct iommu_msi {
	struct iommu_msi *next;
	phys_addr_t phys;
	dma_addr_t iova;
};

bool berth_iommu_dma_force_dac;

static void release(struct iommu_domain *domain)
{
	struct iommu_dma_cookie *cookie = domain->p->cookie;

	domain->p->cookie = NULL;
	berth_iommu_dma_queues_free(cookie->queues);
	berth_iommu_dma_bounce_clear(cookie);
	while (cookie->msis) {
		struct iommu_msi *msi = cookie->msis;

		cookie->msis = msi->next;
		kfree(msi);
	}
	put_iova_domain(&cookie->iovad);
	kfree(cookie);
}

struct iommu_dma_cookie *berth_iommu_dma_cookie(struct iommu_domain *domain)
{
	uint64_t granule = domain->pgsize_bitmap & (0 - domain->pgsize_bitmap);
	uint64_t start = (domain->geometry.aperture_start + granule - 1) / granule;
	struct iommu_dma_cookie *cookie = domain->p->cookie;

	if (cookie)
		return cookie;
	cookie = kzalloc(sizeof(*cookie), GFP_KERNEL);
	if (!cookie)
		return NULL;
	cookie->domain = domain;
	cookie->last = domain->geometry.aperture_end;
	/* No address is 0. */
	init_iova_domain(&cookie->iovad, granule, start ? start : 1);
	if (iova_domain_init_rcaches(&cookie->iovad))
		goto fail;
	if (domain->type & __IOMMU_DOMAIN_DMA_FQ) {
		cookie->queues = berth_iommu_dma_queues(cookie);
		if (!cookie->queues)
			goto fail;
	}
	domain->p->cookie = cookie;
	domain->p->release_cookie = release;
	return cookie;
fail:
	put_iova_domain(&cookie->iovad);
	kfree(cookie);
	return NULL;
}

/* @start to @last are not given; what lies where nothing is given anyway does not matter. */
static int reserve(struct iommu_dma_cookie *cookie, dma_addr_t start, dma_addr_t last)
{
	struct iova_domain *iovad = &cookie->iovad;
	uint64_t first = start / iovad->granule;

	if (last > cookie->last)
		last = cookie->last;
	if (start > last || last / iovad->granule < iovad->start_pfn)
		return 0;
	if (first < iovad->start_pfn)
		first = iovad->start_pfn;
	return reserve_iova(iovad, first, last / iovad->granule) ? 0 : -ENOMEM;
}

/* One to one, but where another device of the group has it already. */
static int map_direct(struct iommu_dma_cookie *cookie, const struct iommu_resv_region *region)
{
	const size_t granule = (size_t)1 << iova_shift(&cookie->iovad);
	const uint64_t mask = iova_mask(&cookie->iovad);
	dma_addr_t at = region->start & ~mask, last = region->start + (region->length - 1);
	int err = 0;

	for (; !err && at <= last; at += granule) {
		if (iommu_iova_to_phys(cookie->domain, at) == BERTH_PHYS_NONE)
			err = iommu_map(cookie->domain, at, at, granule, region->prot, GFP_KERNEL);
		if (at > at + granule)
			break;
	}
	return err;
}

static int reserve_regions(struct device *dev, struct iommu_dma_cookie *cookie)
{
	unsigned int nr = iommu_get_resv_regions(dev, NULL, 0);
	struct iommu_resv_region *regions;
	int err = 0;

	if (!nr)
		return 0;
	regions = kmalloc(nr * sizeof(*regions), GFP_KERNEL);
	if (!regions)
		return -ENOMEM;
	nr = iommu_get_resv_regions(dev, regions, nr);
	for (unsigned int i = 0; !err && i < nr; i++) {
		/* Where software maps doorbells is where berth likes. */
		if (regions[i].type == IOMMU_RESV_SW_MSI || !regions[i].length)
			continue;
		err = reserve(cookie, regions[i].start, regions[i].start + (regions[i].length - 1));
		if (!err && (regions[i].type == IOMMU_RESV_DIRECT ||
			     regions[i].type == IOMMU_RESV_DIRECT_RELAXABLE))
			err = map_direct(cookie, &regions[i]);
	}
	kfree(regions);
	return err;
}

/* The window that begins lowest at or above @from; NULL: none. */
static const struct berth_dma_window *lowest_window(const struct device *dev, dma_addr_t from)
{
	const struct berth_dma_window *lowest = NULL;

	for (unsigned int w = 0; w < dev->p->nr_windows; w++) {
		const struct berth_dma_window *window = &dev->p->windows[w];

		if (window->bus + (window->size - 1) >= from &&
		    (!lowest || window->bus < lowest->bus))
			lowest = window;
	}
	return lowest;
}

/* What no window of the device's bus leads to. */
static int reserve_gaps(struct device *dev, struct iommu_dma_cookie *cookie)
{
	const struct berth_dma_window *window = lowest_window(dev, 0);
	dma_addr_t from = 0;
	int err = 0;

	while (!err && window) {
		if (window->bus > from)
			err = reserve(cookie, from, window->bus - 1);
		from = window->bus + window->size;
		if (!from)
			return err;
		window = lowest_window(dev, from);
	}
	return err || !from ? err : reserve(cookie, from, cookie->last);
}

int berth_iommu_dma_reserve(struct device *dev, struct iommu_dma_cookie *cookie)
{
	int err = reserve_regions(dev, cookie);

	if (!err)
		err = reserve_gaps(dev, cookie);
	/* Where functions of its bus are no IOMMU is asked. */
	for (unsigned int i = 0; !err && i < dev->p->nr_peers; i++)
		err = reserve(cookie, dev->p->peers[i].bus,
			      dev->p->peers[i].bus + (dev->p->peers[i].size - 1));
	return err;
}

static uint64_t count_nodes(const struct iova *iova)
{
	uint64_t nr = 0;

	for (; iova; iova = iova->right)
		nr += 1 + count_nodes(iova->left);
	return nr;
}

uint64_t berth_iommu_dma_count_ranges(struct iommu_dma_cookie *cookie)
{
	unsigned long flags;
	uint64_t nr;

	if (cookie->queues)
		berth_iommu_dma_queue_flush(cookie->queues);
	berth_iova_flush(&cookie->iovad);
	spin_lock_irqsave(&cookie->iovad.lock, flags);
	nr = count_nodes(cookie->iovad.root);
	spin_unlock_irqrestore(&cookie->iovad.lock, flags);
	return nr;
}

dma_addr_t berth_iommu_dma_take_iova(const struct iommu_dma *d, uint64_t size, uint64_t last_pfn)
{
	const struct berth_error before = *berth_last_error();
	uint64_t nr = size >> d->shift, pfn = 0;

	/* Short addresses first, as long as there are some. */
	if (d->limit_pfn < last_pfn)
		pfn = alloc_iova_fast(d->iovad, nr, d->limit_pfn, false);
	if (!pfn)
		pfn = alloc_iova_fast(d->iovad, nr, last_pfn, true);
	if (!pfn && d->cookie->queues) {
		berth_iommu_dma_queue_flush(d->cookie->queues);
		pfn = alloc_iova_fast(d->iovad, nr, last_pfn, true);
	}
	if (!pfn)
		return DMA_MAPPING_ERROR;
	*berth_port_error() = before;
	return pfn << d->shift;
}

/* With the lock. */
static struct iommu_msi *find_msi(const struct iommu_dma_cookie *cookie, phys_addr_t phys)
{
	struct iommu_msi *msi = cookie->msis;

	while (msi && msi->phys != phys)
		msi = msi->next;
	return msi;
}

static bool is_hardware_doorbell(struct device *dev, phys_addr_t doorbell, bool *failed)
{
	unsigned int nr = iommu_get_resv_regions(dev, NULL, 0);
	struct iommu_resv_region *regions;
	bool found = false;

	if (!nr)
		return false;
	regions = kmalloc(nr * sizeof(*regions), GFP_KERNEL);
	*failed = !regions;
	if (!regions)
		return false;
	nr = iommu_get_resv_regions(dev, regions, nr);
	for (unsigned int i = 0; i < nr; i++)
		found = found || (regions[i].type == IOMMU_RESV_MSI &&
				  doorbell - regions[i].start < regions[i].length);
	kfree(regions);
	return found;
}

/* Another one for @phys, unless somebody was quicker. NULL with the reason. */
static struct iommu_msi *add_msi(const struct iommu_dma *d, phys_addr_t phys)
{
	struct iommu_dma_cookie *cookie = d->cookie;
	struct iommu_msi *msi = kmalloc(sizeof(*msi), GFP_KERNEL), *other;
	size_t granule = iommu_granule(d);
	unsigned long flags;

	if (!msi)
		return NULL;
	msi->phys = phys;
	msi->iova = berth_iommu_dma_take_iova(d, granule, d->far_pfn);
	if (msi->iova == DMA_MAPPING_ERROR)
		goto free;
	if (iommu_map(d->domain, msi->iova, phys, granule, IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO,
		      GFP_KERNEL)) {
		iommu_put_iova(d, msi->iova, granule);
		goto free;
	}
	spin_lock_irqsave(&cookie->lock, flags);
	other = find_msi(cookie, phys);
	if (!other) {
		msi->next = cookie->msis;
		cookie->msis = msi;
		cookie->nr_reserved++;
	}
	spin_unlock_irqrestore(&cookie->lock, flags);
	if (!other)
		return msi;
	iommu_unmap(d->domain, msi->iova, granule);
	iommu_put_iova(d, msi->iova, granule);
	kfree(msi);
	return other;
free:
	kfree(msi);
	return NULL;
}

int berth_dma_map_msi(struct device *dev, phys_addr_t doorbell, dma_addr_t *addr)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	struct iommu_msi *msi;
	bool failed = false;
	unsigned long flags;

	*addr = doorbell;
	if (!d || is_hardware_doorbell(dev, doorbell, &failed))
		return 0;
	if (failed)
		return -ENOMEM;
	spin_lock_irqsave(&d->cookie->lock, flags);
	msi = find_msi(d->cookie, doorbell & ~d->granule_mask);
	spin_unlock_irqrestore(&d->cookie->lock, flags);
	if (!msi)
		msi = add_msi(d, doorbell & ~d->granule_mask);
	if (!msi)
		return berth_last_error()->code;
	*addr = msi->iova | (doorbell & d->granule_mask);
	return 0;
}
