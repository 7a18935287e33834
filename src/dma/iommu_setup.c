/* SPDX-License-Identifier: BSD-2-Clause */
/* How the DMA API serves a device behind an IOMMU, by its protection. */
#include <berth/gfp.h>
#include <berth/port.h>
#include <berth/slab.h>

#include "dma/internal.h"
#include "dma/iommu.h"
#include "dma/swiotlb.h"
#include "iommu/pgtable.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/trace.h"
#include "lib/string.h"

#define SHADOW_SIZE (4u << 20)
#define MAX_SHADOW_SIZE (64u << 20)
/* The addresses of copies are as short as possible: first below this many bits. */
#define SHORTEST_BITS 24u

/* Copies (SHADOW). */

/* Where the copies are seen: low, so that masks that are set later reach them. */
static dma_addr_t low_iova(const struct iommu_dma *d, uint64_t size)
{
	dma_addr_t iova = DMA_MAPPING_ERROR;

	for (unsigned int bits = SHORTEST_BITS; bits < 64 && iova == DMA_MAPPING_ERROR; bits += 4) {
		uint64_t last = (1ull << (bits - d->shift)) - 1;

		if (size < 1ull << bits)
			iova = berth_iommu_dma_take_iova(d, size,
							 last < d->far_pfn ? last : d->far_pfn);
	}
	return iova;
}

static struct bounce_pool *new_pool(struct device *dev, struct iommu_dma *d, size_t size)
{
	unsigned long nr = (unsigned long)(size >> PAGE_SHIFT);
	unsigned int nr_areas = size >= 4 * SEGMENT_SIZE ? 4 : 1;
	struct bounce_pool *pool = NULL;
	struct page *page;
	void *records = kvmalloc(berth_pool_records(size, nr_areas), GFP_KERNEL);
	dma_addr_t bus;

	if (!records)
		return NULL;
	/* The device has the back end of an IOMMU just now: any memory will do. */
	page = berth_contiguous_alloc(dev, nr, GFP_KERNEL, UINT64_MAX, &bus);
	if (!page)
		goto free_records;
	memset(page_address(page), 0, size);
	berth_dma_clean(dev, page_to_phys(page), size);
	d->pool_iova = low_iova(d, size);
	if (d->pool_iova == DMA_MAPPING_ERROR)
		goto free_pages;
	if (iommu_map(d->domain, d->pool_iova, page_to_phys(page), size, d->prot[DMA_BIDIRECTIONAL],
		      GFP_KERNEL))
		goto free_iova;
	pool = berth_pool_init(records, page_to_phys(page), size, nr_areas);
	return pool;
free_iova:
	iommu_put_iova(d, d->pool_iova, size);
free_pages:
	berth_contiguous_free(dev, page, nr);
free_records:
	kvfree(records);
	return NULL;
}

/* The device sees copies only: of all else there is no window any more. */
static int shadow(struct device *dev, struct iommu_dma *d)
{
	uint64_t size = dev->p->shadow_size ? dev->p->shadow_size : SHADOW_SIZE;
	struct berth_dma_window window;

	size = (size + SEGMENT_SIZE - 1) & ~(uint64_t)(SEGMENT_SIZE - 1);
	if (size > MAX_SHADOW_SIZE)
		size = MAX_SHADOW_SIZE;
	dev->backend = BERTH_DMA_IOMMU;
	d->pool = new_pool(dev, d, (size_t)iova_align(d->iovad, size));
	dev->backend = BERTH_DMA_DIRECT;
	if (!d->pool)
		return berth_last_error()->code;
	window = (struct berth_dma_window){ d->pool->base, d->pool_iova, d->pool->size };
	d->nr_windows = dev->p->nr_windows;
	memcpy(d->windows, dev->p->windows, sizeof(d->windows));
	berth_device_set_windows(dev, &window, 1);
	berth_swiotlb_attach(dev, d->pool);
	return 0;
}

static void unshadow(struct device *dev, struct iommu_dma *d)
{
	struct bounce_pool *pool = d->pool;

	berth_bounce_gone(dev);
	dev->p->pool = NULL;
	if (berth_swiotlb_mode != BERTH_SWIOTLB_FORCE)
		dev->flags &= ~BERTH_DEVICE_BOUNCE;
	dev->p->nr_windows = d->nr_windows;
	memcpy(dev->p->windows, d->windows, sizeof(d->windows));
	berth_iommu_dma_unmap_range(dev, d, d->pool_iova, pool->size);
	berth_port_unpoison(pool->virt, pool->size);
	berth_contiguous_free(dev, phys_to_page(pool->base),
			      (unsigned long)(pool->size >> PAGE_SHIFT));
	kvfree(pool);
	d->pool = NULL;
}

/* Limits. */

static uint64_t last_pfn_under(const struct iommu_dma *d, uint64_t limit)
{
	if (limit > d->cookie->last)
		limit = d->cookie->last;
	return (limit >> d->shift) - ((limit & d->granule_mask) != d->granule_mask);
}

/* The largest bank that is not high memory. */
static void find_ram(struct iommu_dma *d)
{
	for (unsigned int b = 0; b < berth_nr_mem_maps; b++) {
		const struct berth_mem_map *bank = &berth_mem_map[b];

		if (PageHighMem(bank->pages) || bank->nr <= d->bank_nr)
			continue;
		d->ram = (uintptr_t)phys_to_virt(PFN_PHYS(bank->pfn));
		d->ram_bias = PFN_PHYS(bank->pfn) - d->ram;
		d->bank_pages = bank->pages;
		d->bank_nr = bank->nr;
		d->bank_phys = PFN_PHYS(bank->pfn);
	}
}

/* Whether all RAM of the bank can be mapped in pages without a look at what it is. */
static bool open_short_way(struct iommu_dma *d)
{
	if (!d->tables || d->tables->map_pages != berth_pgtable_map)
		return false;
	d->pt = container_of(d->tables, struct pgtable, ops);
	for (unsigned int dir = DMA_BIDIRECTIONAL; dir < DMA_NONE; dir++) {
		d->leaf[dir] = d->pt->leaf[d->prot[dir] & 63];
		if (!d->leaf[dir])
			return false;
	}
	/* A granule must not reach over the bank's ends. */
	return d->pt->is_simple && d->pt->shifts[0] == d->shift && d->bank_nr &&
	       !((d->bank_phys | d->bank_nr << PAGE_SHIFT) & d->granule_mask) &&
	       d->bank_phys + (d->bank_nr << PAGE_SHIFT) - 1 <= d->pt->last_phys;
}

void berth_iommu_dma_limits_changed(struct device *dev)
{
	struct iommu_dma *d = iommu_dma_of(dev);
	uint64_t limit = berth_dma_bus_limit(dev, dev->dma_mask);
	bool is_plain;

	if (!d)
		return;
	d->far_pfn = last_pfn_under(d, limit);
	d->limit_pfn = d->far_pfn;
	/* Functions of a PCI bus have peers; they are quicker with short addresses. */
	if (dev->p->nr_peers && !berth_iommu_dma_force_dac && limit > UINT32_MAX)
		d->limit_pfn = last_pfn_under(d, UINT32_MAX);
	d->prot[DMA_BIDIRECTIONAL] = IOMMU_READ | IOMMU_WRITE;
	d->prot[DMA_TO_DEVICE] = IOMMU_READ;
	d->prot[DMA_FROM_DEVICE] = IOMMU_WRITE;
	for (unsigned int i = 0; dev_is_dma_coherent(dev) && i < 3; i++)
		d->prot[i] |= IOMMU_CACHE;
	is_plain = dev->backend == BERTH_DMA_IOMMU && dev_is_dma_coherent(dev) &&
		   !d->is_untrusted && !d->domain->ops->iotlb_sync_map && dev->dma_mask &&
		   !berth_is_traced() && open_short_way(d);
	d->ram_size = is_plain ? d->bank_nr << PAGE_SHIFT : 0;
}

bool berth_iommu_dma_reaches(const struct device *dev, uint64_t mask)
{
	const struct iommu_dma *d = iommu_dma_of(dev);

	return last_pfn_under(d, berth_dma_bus_limit(dev, mask)) >= d->iovad->start_pfn &&
	       mask > d->granule_mask;
}

/* Setup. */

static struct iommu_dma *new_record(struct device *dev, struct iommu_group *group)
{
	struct iommu_domain *domain = group->default_domain;
	struct iommu_dma *d = kzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return NULL;
	d->cookie = berth_iommu_dma_cookie(domain);
	if (!d->cookie) {
		kfree(d);
		return NULL;
	}
	d->domain = domain;
	d->group = group;
	d->tables = domain->tables;
	d->iovad = &d->cookie->iovad;
	d->granule_mask = d->iovad->granule - 1;
	d->shift = iova_shift(d->iovad);
	d->is_untrusted = dev->p->is_untrusted;
	d->is_lazy = d->cookie->queues && !d->is_untrusted;
	find_ram(d);
	return d;
}

/* A device that is not trusted is not let off: what it asks for is at least STRICT. */
static int raise_protection(struct device *dev)
{
	struct dev_iommu *record = dev->p->iommu;

	if (!dev->p->is_untrusted || record->protection >= BERTH_PROTECT_STRICT)
		return 0;
	/* Of others in its group it cannot be told: they are held as they are. */
	if (record->group->first == record && !record->next &&
	    berth_iommu_set_default(dev, IOMMU_DOMAIN_DMA))
		return berth_last_error()->code;
	if (record->group->first == record && !record->next)
		record->protection = BERTH_PROTECT_STRICT;
	return 0;
}

static int begin(struct device *dev)
{
	struct dev_iommu *record = dev->p->iommu;
	struct iommu_dma *d;
	int err;

	d = new_record(dev, record->group);
	if (!d)
		return -ENOMEM;
	dev->p->iommu_dma = d;
	err = berth_iommu_dma_reserve(dev, d->cookie);
	if (!err) {
		berth_iommu_dma_limits_changed(dev);
		if (record->protection == BERTH_PROTECT_SHADOW)
			err = shadow(dev, d);
		else
			dev->backend = BERTH_DMA_IOMMU;
	}
	if (err) {
		dev->p->iommu_dma = NULL;
		kfree(d);
		return err;
	}
	berth_dma_limits_changed(dev);
	if (record->group->first == record)
		d->cookie->nr_reserved = berth_iommu_dma_count_ranges(d->cookie);
	return 0;
}

int berth_dma_iommu_setup(struct device *dev)
{
	struct dev_iommu *record = dev->p->iommu;
	int err;

	if (!record)
		return berth_fail(-ENODEV, BERTH_REASON_NO_IOMMU, dev_name(dev));
	err = raise_protection(dev);
	if (!err && dev->backend == BERTH_DMA_NONE)
		dev->backend = BERTH_DMA_DIRECT;
	if (!err && record->group->default_domain->type & __IOMMU_DOMAIN_DMA_API)
		err = begin(dev);
	if (err) {
		const struct berth_error why = *berth_last_error();

		berth_dma_forbid(dev);
		*berth_port_error() = why;
		return err;
	}
	berth_dma_limits_changed(dev);
	return 0;
}

void berth_dma_iommu_teardown(struct device *dev)
{
	struct iommu_dma *d = iommu_dma_of(dev);

	if (d && d->pool)
		unshadow(dev, d);
	/* Whatever it is behind then: without the domain of before there is nothing that it may see. */
	berth_dma_forbid(dev);
	dev->p->iommu_dma = NULL;
	kfree(d);
}

bool berth_dma_iommu_is_busy(struct device *dev)
{
	const struct iommu_dma *d = iommu_dma_of(dev);

	if (berth_buffers_any(dev))
		return true;
	if (!d)
		return false;
	if (d->pool) {
		berth_bounce_drain();
		if (berth_pool_free_slots(d->pool) != d->pool->size / SLOT_SIZE)
			return true;
	}
	return berth_iommu_dma_count_ranges(d->cookie) != d->cookie->nr_reserved;
}
