/* SPDX-License-Identifier: BSD-2-Clause */
/* Address spaces: what is mapped in them, in the largest pages that fit. */
#include <berth/errno.h>
#include <berth/slab.h>

#include "iommu/internal.h"
#include "lib/device.h"
#include "lib/error.h"

static const char *name_of(const struct iommu_domain *domain)
{
	return domain->iommu && domain->iommu->dev ? dev_name(domain->iommu->dev) : "IOMMU domain";
}

static bool has_pages(const struct iommu_domain *domain)
{
	return (domain->type & __IOMMU_DOMAIN_PAGING) != 0;
}

struct iommu_domain *berth_iommu_domain_new(struct iommu_device *iommu, unsigned int type)
{
	struct iommu_domain_private *p = NULL;
	struct iommu_domain *domain;
	bool is_paging = type & __IOMMU_DOMAIN_PAGING;

	if (is_paging) {
		p = kzalloc(sizeof(*p), GFP_KERNEL);
		if (!p)
			return NULL;
	}
	domain = iommu->ops->domain_alloc(iommu, is_paging ? IOMMU_DOMAIN_UNMANAGED : type);
	if (!domain) {
		kfree(p);
		return NULL;
	}
	domain->type = type;
	domain->iommu = iommu;
	domain->p = p;
	return domain;
}

void berth_iommu_domain_drop(struct iommu_domain *domain)
{
	struct iommu_domain_private *p;

	if (!domain)
		return;
	p = domain->p;
	if (p && p->cookie && p->release_cookie)
		p->release_cookie(domain);
	if (p)
		domain->p = NULL;
	domain->ops->free(domain);
	kfree(p);
}

struct iommu_domain *iommu_domain_alloc(struct device *dev)
{
	if (!dev || !dev->p || !dev->p->iommu) {
		berth_fail(-ENODEV, BERTH_REASON_NO_IOMMU,
			   dev ? dev_name(dev) : "iommu_domain_alloc");
		return NULL;
	}
	return berth_iommu_domain_new(dev->p->iommu->iommu, IOMMU_DOMAIN_UNMANAGED);
}

void iommu_domain_free(struct iommu_domain *domain)
{
	if (!domain)
		return;
	if (domain->type != IOMMU_DOMAIN_UNMANAGED ||
	    __atomic_load_n(&domain->p->nr_attached, __ATOMIC_ACQUIRE)) {
		berth_fail(-EBUSY, BERTH_REASON_STATE, name_of(domain));
		return;
	}
	berth_iommu_domain_drop(domain);
}

const struct iommu_domain_geometry *iommu_domain_geometry(const struct iommu_domain *domain)
{
	return &domain->geometry;
}

uint64_t iommu_domain_pgsizes(const struct iommu_domain *domain)
{
	return domain->pgsize_bitmap;
}

unsigned int iommu_domain_type(const struct iommu_domain *domain)
{
	return domain->type;
}

void iommu_set_fault_handler(struct iommu_domain *domain, iommu_fault_handler_t handler,
			     void *token)
{
	if (!has_pages(domain))
		return;
	/* Whoever sees the handler sees its token. */
	__atomic_store_n(&domain->p->token, token, __ATOMIC_RELAXED);
	__atomic_store_n(&domain->p->handler, handler, __ATOMIC_RELEASE);
}

/* All ones up to a bit, itself counted. */
static uint64_t up_to(unsigned int bit)
{
	return ~UINT64_C(0) >> (63 - bit);
}

/*
 * The largest page for @size bytes at @iova and @paddr, and in *@count how many of them in a row,
 * before a larger one can take over.
 */
static size_t page_size(const struct iommu_domain *domain, dma_addr_t iova, phys_addr_t paddr,
			size_t size, size_t *count)
{
	uint64_t both = iova | paddr, sizes = domain->pgsize_bitmap, larger, next;
	size_t pgsize;

	sizes &= up_to(63u - (unsigned int)__builtin_clzll(size));
	if (both)
		sizes &= up_to((unsigned int)__builtin_ctzll(both));
	pgsize = (size_t)1 << (63 - __builtin_clzll(sizes));
	larger = domain->pgsize_bitmap & ~up_to((unsigned int)__builtin_ctzll(pgsize));
	if (larger) {
		uint64_t to_next;

		next = larger & (0 - larger);
		to_next = next - (both & (next - 1));
		if (!((iova ^ paddr) & (next - 1)) && to_next < size && next <= size - to_next)
			size = (size_t)to_next;
	}
	*count = size >> __builtin_ctzll(pgsize);
	return pgsize;
}

static int map_pages(struct iommu_domain *domain, dma_addr_t iova, phys_addr_t paddr, size_t pgsize,
		     size_t count, int prot, gfp_t gfp, size_t *mapped)
{
	if (domain->tables)
		return domain->tables->map_pages(domain->tables, iova, paddr, pgsize, count, prot,
						 gfp, mapped);
	return domain->ops->map_pages(domain, iova, paddr, pgsize, count, prot, gfp, mapped);
}

static size_t unmap_pages(struct iommu_domain *domain, dma_addr_t iova, size_t pgsize, size_t count,
			  struct iommu_iotlb_gather *gather)
{
	if (domain->tables)
		return domain->tables->unmap_pages(domain->tables, iova, pgsize, count, gather);
	return domain->ops->unmap_pages(domain, iova, pgsize, count, gather);
}

/* Whether a domain can map or unmap this at all; else with the reason. */
static int check(const struct iommu_domain *domain, dma_addr_t iova, phys_addr_t paddr, size_t size)
{
	uint64_t smallest = domain->pgsize_bitmap & (0 - domain->pgsize_bitmap);
	struct berth_error *error;

	if (!has_pages(domain))
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, name_of(domain));
	if (!size || (iova | paddr | size) & (smallest - 1))
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, name_of(domain),
				     !size || size & (smallest - 1) ? size : iova | paddr);
	if (iova + (size - 1) >= iova && paddr + (size - 1) >= paddr &&
	    iova >= domain->geometry.aperture_start &&
	    iova + (size - 1) <= domain->geometry.aperture_end)
		return 0;
	error = berth_error_set(-ERANGE, BERTH_REASON_MASK, name_of(domain));
	error->address = iova + (size - 1);
	error->length = size;
	error->limit = domain->geometry.aperture_end;
	return -ERANGE;
}

/* A run of memory; *@mapped grows also on failure. */
static int map_run(struct iommu_domain *domain, dma_addr_t iova, phys_addr_t paddr, size_t size,
		   int prot, gfp_t gfp, size_t *mapped)
{
	while (size) {
		size_t count, done = 0;
		size_t pgsize = page_size(domain, iova, paddr, size, &count);
		int err = map_pages(domain, iova, paddr, pgsize, count, prot, gfp, &done);

		*mapped += done;
		if (err)
			return err;
		iova += done;
		paddr += done;
		size -= done;
	}
	return 0;
}

/* What a request has mapped becomes visible; or, after @err, goes again. */
static int finish(struct iommu_domain *domain, dma_addr_t iova, size_t mapped, int err)
{
	struct berth_error why;

	if (!err && domain->ops->iotlb_sync_map)
		err = domain->ops->iotlb_sync_map(domain, iova, mapped);
	if (!err)
		return 0;
	why = *berth_last_error();
	if (mapped)
		iommu_unmap(domain, iova, mapped);
	*berth_port_error() = why;
	return err;
}

int iommu_map(struct iommu_domain *domain, dma_addr_t iova, phys_addr_t paddr, size_t size,
	      int prot, gfp_t gfp)
{
	size_t mapped = 0;
	int err = check(domain, iova, paddr, size);

	if (err)
		return err;
	err = map_run(domain, iova, paddr, size, prot, gfp, &mapped);
	return finish(domain, iova, mapped, err);
}

ptrdiff_t iommu_map_sg(struct iommu_domain *domain, dma_addr_t iova, struct scatterlist *sg,
		       unsigned int nents, int prot, gfp_t gfp)
{
	size_t mapped = 0;
	int err = 0;

	if (!nents)
		return berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "entries of a scatterlist", 0);
	while (!err && sg && nents) {
		phys_addr_t start = sg_phys(sg);
		size_t length = sg->length;

		/* Entries that continue each other may share a block. */
		for (sg = sg_next(sg), nents--; sg && nents && sg_phys(sg) == start + length;
		     sg = sg_next(sg), nents--)
			length += sg->length;
		err = check(domain, iova + mapped, start, length);
		if (!err)
			err = map_run(domain, iova + mapped, start, length, prot, gfp, &mapped);
	}
	if (!err && nents)
		err = berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "entries of a scatterlist",
				    nents);
	err = finish(domain, iova, mapped, err);
	return err ? err : (ptrdiff_t)mapped;
}

size_t iommu_unmap_fast(struct iommu_domain *domain, dma_addr_t iova, size_t size,
			struct iommu_iotlb_gather *gather)
{
	size_t unmapped = 0;

	if (check(domain, iova, 0, size))
		return 0;
	berth_iommu_ended(domain, iova, size);
	while (unmapped < size) {
		size_t count;
		size_t pgsize = page_size(domain, iova + unmapped, iova + unmapped, size - unmapped,
					  &count);
		size_t done = unmap_pages(domain, iova + unmapped, pgsize, count, gather);

		if (!done)
			break;
		unmapped += done;
	}
	return unmapped;
}

void iommu_iotlb_sync(struct iommu_domain *domain, struct iommu_iotlb_gather *gather)
{
	/* One without pages has nothing to forget. */
	if (domain->ops->iotlb_sync)
		domain->ops->iotlb_sync(domain, gather);
	iommu_iotlb_gather_init(gather);
}

size_t iommu_unmap(struct iommu_domain *domain, dma_addr_t iova, size_t size)
{
	struct iommu_iotlb_gather gather;
	size_t unmapped;

	iommu_iotlb_gather_init(&gather);
	unmapped = iommu_unmap_fast(domain, iova, size, &gather);
	if (unmapped)
		iommu_iotlb_sync(domain, &gather);
	return unmapped;
}

void iommu_flush_iotlb_all(struct iommu_domain *domain)
{
	if (has_pages(domain))
		domain->ops->flush_iotlb_all(domain);
}

phys_addr_t iommu_iova_to_phys(struct iommu_domain *domain, dma_addr_t iova)
{
	if (domain->type == IOMMU_DOMAIN_IDENTITY)
		return iova;
	if (!has_pages(domain))
		return BERTH_PHYS_NONE;
	if (domain->tables)
		return domain->tables->iova_to_phys(domain->tables, iova);
	return domain->ops->iova_to_phys(domain, iova);
}
