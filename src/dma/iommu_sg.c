/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists. A list has one range of addresses, in which its entries follow each other: each begins in a
 * granule of its own, and at a segment boundary where it would cross it. The range is aligned to its
 * size, so what crosses a boundary in it crosses one on the bus. What is skipped is not mapped.
 */
#include "dma/iommu.h"

#include "dma/internal.h"
#include "iommu/pgtable.h"
#include "lib/device.h"
#include "lib/error.h"

/* Entries of a list that the short way takes. */
#define MAX_SHORT 32

/*
 * struct layout - where the next entry goes, in a range that begins at 0
 * @at: its end so far, a multiple of the granule
 */
struct layout {
	const struct device *dev;
	const struct iommu_dma *d;
	uint64_t at;
};

/* Where an entry begins in its granule, which may be of several pages. */
static inline uint64_t offset_of(const struct iommu_dma *d, const struct scatterlist *sg)
{
	if (__builtin_expect(d->granule_mask >= PAGE_SIZE, 0))
		return (page_to_phys(sg_page(sg)) + sg->offset) & d->granule_mask;
	return sg->offset & d->granule_mask;
}

/* The place of an entry's first granule. False, with the reason, if it can be in no segment. */
static bool place(struct layout *layout, const struct scatterlist *sg, uint64_t *start)
{
	uint64_t mask = layout->d->granule_mask, boundary = layout->dev->segment_boundary_mask;
	uint64_t offset = offset_of(layout->d, sg), at = layout->at;

	if (sg->length <= layout->dev->max_segment_size &&
	    ((at + offset) ^ (at + offset + (sg->length - 1))) & ~boundary)
		at = ((at | boundary | mask) + 1);
	if (sg->length > layout->dev->max_segment_size ||
	    ((at + offset) ^ (at + offset + (sg->length - 1))) & ~boundary) {
		uint64_t most = layout->dev->max_segment_size;

		if (boundary - (offset & boundary) < most)
			most = boundary - (offset & boundary) + 1;
		berth_dma_refuse_segment(layout->dev, page_to_phys(sg_page(sg)) + sg->offset,
					 sg->length, most);
		return false;
	}
	*start = at;
	layout->at = (at + offset + sg->length + mask) & ~mask;
	return true;
}

static bool is_entry_legal(const struct device *dev, const struct scatterlist *sg)
{
	struct page *page = sg ? sg_page(sg) : NULL;

	if (!sg || !sg->length) {
		berth_fail_at(-EINVAL, BERTH_REASON_ARGUMENT, "entries of a scatterlist", 0);
		return false;
	}
	if (page && berth_dma_is_ram(page_to_phys(page) + sg->offset, sg->length))
		return true;
	berth_dma_refuse_memory(dev, page ? page_to_phys(page) + sg->offset : 0);
	return false;
}

/* Bytes of addresses for a list, as many as the CPU can count; 0 with the reason. */
static uint64_t measure(const struct device *dev, const struct iommu_dma *d, struct scatterlist *sg,
			int nents)
{
	struct layout layout = { dev, d, 0 };
	uint64_t start;

	for (; nents; nents--, sg = sg_next(sg))
		if (!is_entry_legal(dev, sg) || !place(&layout, sg, &start))
			return 0;
	if ((size_t)layout.at != layout.at) {
		berth_fail_limit(-EINVAL, BERTH_REASON_TOO_LARGE, dev_name(dev), layout.at,
				 SIZE_MAX);
		return 0;
	}
	return layout.at;
}

/*
 * struct run - pages in a row, on both sides, that are still to be mapped
 * @size: 0: none
 */
struct run {
	dma_addr_t iova;
	phys_addr_t phys;
	size_t size;
};

static int map_run(const struct iommu_dma *d, const struct run *run, enum dma_data_direction dir)
{
	return run->size ? iommu_map(d->domain, run->iova, run->phys, run->size, d->prot[dir],
				     GFP_ATOMIC)
			 : 0;
}

/* What was mapped below @end, but for the gaps, is unmapped; the range stays taken. */
static void unmap_runs(const struct device *dev, const struct iommu_dma *d, struct scatterlist *sg,
		       int nents, dma_addr_t base, dma_addr_t end,
		       struct iommu_iotlb_gather *gather)
{
	struct layout layout = { dev, d, 0 };
	struct run run = { base, 0, 0 };
	uint64_t start;

	for (; nents; nents--, sg = sg_next(sg)) {
		if (!place(&layout, sg, &start) || base + start >= end)
			break;
		if (run.iova + run.size != base + start) {
			iommu_unmap_fast(d->domain, run.iova, run.size, gather);
			run = (struct run){ base + start, 0, 0 };
		}
		run.size = (size_t)(base + layout.at - run.iova);
	}
	if (run.iova + run.size > end)
		run.size = (size_t)(end - run.iova);
	if (run.size)
		iommu_unmap_fast(d->domain, run.iova, run.size, gather);
}

/* All entries at @base. False, with the reason and nothing mapped. */
static bool map_all(const struct device *dev, const struct iommu_dma *d, struct scatterlist *sgl,
		    int nents, dma_addr_t base, enum dma_data_direction dir)
{
	struct layout layout = { dev, d, 0 };
	struct run run = { base, 0, 0 };
	struct scatterlist *sg = sgl;
	struct iommu_iotlb_gather gather;
	struct berth_error why;
	uint64_t start;
	int err = 0;

	for (int i = 0; i < nents && !err; i++, sg = sg_next(sg)) {
		phys_addr_t phys = (page_to_phys(sg_page(sg)) + sg->offset) & ~d->granule_mask;

		place(&layout, sg, &start);
		if (!run.size || run.iova + run.size != base + start ||
		    run.phys + run.size != phys) {
			err = map_run(d, &run, dir);
			if (err)
				break;
			run = (struct run){ base + start, phys, 0 };
		}
		run.size = (size_t)(base + layout.at - run.iova);
	}
	if (!err)
		err = map_run(d, &run, dir);
	if (!err)
		return true;
	why = *berth_last_error();
	iommu_iotlb_gather_init(&gather);
	/* Of the run that failed nothing is mapped. */
	unmap_runs(dev, d, sgl, nents, base, run.iova, &gather);
	iommu_iotlb_sync(d->domain, &gather);
	*berth_port_error() = why;
	return false;
}

static void forget(struct scatterlist *sg, int nents)
{
	for (; nents && sg; nents--, sg = sg_next(sg)) {
		sg->dma_address = DMA_MAPPING_ERROR;
		sg->dma_length = 0;
	}
}

/* Items 4 and 5: the DMA side of a list that is mapped at @base. Return: how many segments. */
static int finish(const struct device *dev, const struct iommu_dma *d, struct scatterlist *sgl,
		  int nents, dma_addr_t base)
{
	uint64_t boundary = dev->segment_boundary_mask, start, end = 0;
	struct scatterlist *sg = sgl, *segment = NULL;
	struct layout layout = { dev, d, 0 };
	int nr = 0;

	for (int i = 0; i < nents; i++, sg = sg_next(sg)) {
		uint64_t offset = offset_of(d, sg);

		place(&layout, sg, &start);
		/* The DMA side of an entry that was looked at already may be written. */
		if (segment && !offset && start == end && start & boundary &&
		    sg->length <= dev->max_segment_size - segment->dma_length) {
			segment->dma_length += sg->length;
		} else {
			segment = segment ? sg_next(segment) : sgl;
			segment->dma_address = base + start + offset;
			segment->dma_length = sg->length;
			segment->dma_flags = 0;
			nr++;
		}
		end = start + offset + sg->length;
	}
	forget(sg_next(segment), nents - nr);
	return nr;
}

static void sync_entries(const struct device *dev, struct scatterlist *sg, int nents,
			 enum dma_data_direction dir, bool for_cpu)
{
	if (dev_is_dma_coherent(dev))
		return;
	for (; nents && sg; nents--, sg = sg_next(sg)) {
		phys_addr_t phys = page_to_phys(sg_page(sg)) + sg->offset;

		if (for_cpu)
			berth_dma_invalidate(dev, phys, sg->length, dir);
		else
			berth_dma_clean(dev, phys, sg->length);
	}
}

/* Each entry on its own: pieces of granules are bounced. */
static int map_each(struct device *dev, const struct iommu_dma *d, struct scatterlist *sgl,
		    int nents, enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg = sgl;
	int done = 0;

	for (; done < nents; done++, sg = sg_next(sg)) {
		struct layout layout = { dev, d, 0 };
		uint64_t start;

		/* Ranges are aligned to their size: an entry fits into a segment or never does. */
		if (!is_entry_legal(dev, sg) || !place(&layout, sg, &start))
			break;
		if (start) {
			berth_dma_refuse_segment(dev, page_to_phys(sg_page(sg)) + sg->offset,
						 sg->length, dev->segment_boundary_mask + 1);
			break;
		}
		sg->dma_address = berth_iommu_dma_map_phys(
			dev, page_to_phys(sg_page(sg)) + sg->offset, sg->length, dir, attrs);
		if (sg->dma_address == DMA_MAPPING_ERROR)
			break;
		sg->dma_length = sg->length;
		sg->dma_flags = 0;
	}
	if (done < nents) {
		struct berth_error why = *berth_last_error();

		sg = sgl;
		for (int i = 0; i < done; i++, sg = sg_next(sg))
			berth_iommu_dma_unmap(dev, sg->dma_address, sg->dma_length, dir,
					      attrs | DMA_ATTR_SKIP_CPU_SYNC);
		forget(sgl, nents);
		*berth_port_error() = why;
		return why.code;
	}
	return nents;
}

static int map_long(struct device *dev, struct scatterlist *sgl, int nents,
		    enum dma_data_direction dir, unsigned long attrs)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	uint64_t size;
	dma_addr_t base;

	if (!berth_dma_legal(dev, 1, dir))
		return berth_last_error()->code;
	if (!iommu_dma_serves(d))
		return berth_fail(-EBUSY, BERTH_REASON_OWNED, dev_name(dev));
	if (d->is_untrusted)
		return map_each(dev, d, sgl, nents, dir, attrs);
	size = measure(dev, d, sgl, nents);
	if (!size)
		goto fail;
	base = berth_iommu_dma_take_iova(d, size, d->far_pfn);
	if (base == DMA_MAPPING_ERROR)
		goto fail;
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		sync_entries(dev, sgl, nents, dir, false);
	if (map_all(dev, d, sgl, nents, base, dir))
		return finish(dev, d, sgl, nents, base);
	iommu_put_iova(d, base, size);
fail:
	forget(sgl, nents);
	return berth_last_error()->code;
}

/*
 * The entries of a table for the short way: whole granules of the largest bank, as page caches and
 * pools have them. False: not all were such; some are written.
 */
static inline bool write_one(struct scatterlist *sg, uintptr_t link, uint64_t *entry,
			     uintptr_t pages, uint64_t nr_pages, uint64_t bits)
{
	const uint32_t whole[2] = { 0, (uint32_t)PAGE_SIZE };
	uintptr_t n = link - pages;
	uint64_t piece, wanted;

	_Static_assert(offsetof(struct scatterlist, length) ==
			       offsetof(struct scatterlist, offset) + sizeof(uint32_t),
		       "both are read at once");
	__builtin_memcpy(&wanted, whole, sizeof(wanted));
	__builtin_memcpy(&piece, &sg->offset, sizeof(piece));
	sg->dma_address = DMA_MAPPING_ERROR;
	sg->dma_length = 0;
	/* The low bits, of a link to another chunk or of an early end, make it too large. */
	n = n / sizeof(struct page) |
	    n << (8 * sizeof(n) - (unsigned int)__builtin_ctzl(sizeof(struct page)));
	if (__builtin_expect(n >= nr_pages, 0) || __builtin_expect(piece != wanted, 0))
		return false;
	write_entry(entry, bits + ((uint64_t)n << PAGE_SHIFT));
	return true;
}

static __attribute__((noinline)) bool write_entries(struct scatterlist *sg, uint64_t *entry,
						    const uint64_t *end, uintptr_t pages,
						    uint64_t nr_pages, uint64_t bits)
{
	for (; entry + 2 < end; entry += 2, sg += 2)
		if (!write_one(&sg[0], sg[0].page_link, &entry[0], pages, nr_pages, bits) ||
		    !write_one(&sg[1], sg[1].page_link, &entry[1], pages, nr_pages, bits))
			return false;
	for (; entry + 1 < end; entry++, sg++)
		if (!write_one(sg, sg->page_link, entry, pages, nr_pages, bits))
			return false;
	return write_one(sg, sg->page_link & ~(uintptr_t)SG_END, entry, pages, nr_pages, bits);
}

/* All in one segment. False, and nothing is mapped, where that does not lead. */
static bool map_short(const struct iommu_dma *d, struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir)
{
	unsigned int nr = (unsigned int)nents;
	struct pgtable_window w;
	dma_addr_t iova;

	/* Most lists that are not such begin so, or end so, which costs more. */
	if (sgl->offset || sgl->length != d->granule_mask + 1 ||
	    (!sg_is_last(sgl) && nr > 1 && !sg_is_chain(sgl + 1) &&
	     (sgl[1].offset || sgl[1].length != d->granule_mask + 1)))
		return false;
	iova = alloc_iova_fast(d->iovad, nr, d->limit_pfn, false) << d->shift;
	if (__builtin_expect(!iova, 0))
		return false;
	if (__builtin_expect(!pgtable_open(d->pt, iova, nr, &w), 0))
		goto free;
	if (__builtin_expect(!write_entries(sgl, w.entry, w.entry + nr, (uintptr_t)d->bank_pages,
					    d->bank_nr, d->bank_phys + d->leaf[dir]),
			     0))
		goto clear;
	walker_leave(w.inside);
	sgl->dma_address = iova;
	sgl->dma_length = (uint32_t)(nr << d->shift);
	sgl->dma_flags = 0;
	return true;
clear:
	/* The device may have looked already, though nobody has told it to. */
	for (unsigned int i = 0; i < nr; i++)
		write_entry(&w.entry[i], 0);
	pgtable_cancel(&w, nr);
	iommu_flush_iotlb_all(d->domain);
free:
	free_iova_fast(d->iovad, iova >> d->shift, nr);
	return false;
}

/* That the short way may have met a full cache is nobody's business. */
static __attribute__((noinline)) int map_full(struct device *dev, struct scatterlist *sgl,
					      int nents, enum dma_data_direction dir,
					      unsigned long attrs)
{
	int ret = map_long(dev, sgl, nents, dir, attrs);

	if (ret > 0 && berth_last_error()->reason == BERTH_REASON_AREA_FULL)
		berth_clear_error();
	return ret;
}

int berth_iommu_dma_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
			   enum dma_data_direction dir, unsigned long attrs)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	uint64_t size = (uint64_t)(unsigned int)nents << d->shift;

	/* A range that is aligned to its size ends in the table that it begins in. */
	if (__builtin_expect(d->ram_size && nents <= MAX_SHORT && valid_dma_direction(dir) &&
				     iommu_dma_serves(d) && size <= dev->max_segment_size &&
				     size <= dev->segment_boundary_mask && d->shift == PAGE_SHIFT &&
				     map_short(d, sgl, nents, dir),
			     1))
		return 1;
	return map_full(dev, sgl, nents, dir, attrs);
}

/* The addresses of a list's segments, with the gaps between them, which are not mapped. */
static void unmap_segments(const struct device *dev, const struct iommu_dma *d,
			   struct scatterlist *sg, int nents)
{
	dma_addr_t base = sg->dma_address & ~d->granule_mask;
	struct run run = { base, 0, 0 };
	struct iommu_iotlb_gather gather;
	uint64_t size, missing = 0;

	iommu_iotlb_gather_init(&gather);
	gather.queued = d->is_lazy;
	for (; nents && sg && sg->dma_length; nents--, sg = sg_next(sg)) {
		dma_addr_t first = sg->dma_address & ~d->granule_mask;
		dma_addr_t end = (sg->dma_address + sg->dma_length + d->granule_mask) &
				 ~d->granule_mask;

		if (run.iova + run.size != first) {
			missing +=
				run.size - iommu_unmap_fast(d->domain, run.iova, run.size, &gather);
			run = (struct run){ first, 0, 0 };
		}
		run.size = (size_t)(end - run.iova);
	}
	missing += run.size - iommu_unmap_fast(d->domain, run.iova, run.size, &gather);
	size = run.iova + run.size - base;
	berth_iommu_dma_unmapped(dev, d, base, size, size - missing, &gather);
}

static __attribute__((noinline)) void unmap_sg_long(struct device *dev, struct scatterlist *sgl,
						    int nents, enum dma_data_direction dir,
						    unsigned long attrs)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	struct scatterlist *sg = sgl;

	if (nents < 1 || !berth_dma_legal(dev, 1, dir))
		return;
	if (d->is_untrusted) {
		for (int i = 0; i < nents && sg && sg->dma_length; i++, sg = sg_next(sg))
			berth_iommu_dma_unmap(dev, sg->dma_address, sg->dma_length, dir, attrs);
		return;
	}
	if (!sgl->dma_length) {
		berth_fail_at(-EINVAL, BERTH_REASON_NOT_OWNED, dev_name(dev), sgl->dma_address);
		return;
	}
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		sync_entries(dev, sgl, nents, dir, true);
	unmap_segments(dev, d, sgl, nents);
}

static bool crosses_table(const struct iommu_dma *d, dma_addr_t iova, uint32_t size)
{
	return (iova ^ (iova + (size - 1))) >> d->pt->shifts[1];
}

void berth_iommu_dma_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			      enum dma_data_direction dir, unsigned long attrs)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	struct iommu_iotlb_gather gather;
	uint64_t size;

	/* One segment of whole granules, in a table. */
	if (!d->ram_size || d->is_lazy || nents < 2 || !valid_dma_direction(dir) ||
	    sg_is_last(sgl) || sg_is_chain(sgl + 1) || sgl[1].dma_length ||
	    (sgl->dma_address | sgl->dma_length) & d->granule_mask ||
	    sgl->dma_length > (uint64_t)MAX_SHORT << d->shift || !sgl->dma_length ||
	    crosses_table(d, sgl->dma_address, sgl->dma_length)) {
		unmap_sg_long(dev, sgl, nents, dir, attrs);
		return;
	}
	size = sgl->dma_length;
	iommu_iotlb_gather_init(&gather);
	berth_iommu_ended(d->domain, sgl->dma_address, size);
	if (__builtin_expect(!pgtable_clear(d->pt, sgl->dma_address,
					    (unsigned int)(size >> d->shift), &gather),
			     0)) {
		unmap_sg_long(dev, sgl, nents, dir, attrs);
		return;
	}
	d->domain->ops->iotlb_sync(d->domain, &gather);
	iommu_put_iova(d, sgl->dma_address, size);
}

void berth_iommu_dma_sync_sg(struct device *dev, struct scatterlist *sgl, int nents,
			     enum dma_data_direction dir, bool for_cpu)
{
	const struct iommu_dma *d = iommu_dma_of(dev);
	struct scatterlist *sg = sgl;

	if (!berth_dma_legal(dev, 1, dir))
		return;
	if (!d->is_untrusted) {
		sync_entries(dev, sgl, nents, dir, for_cpu);
		return;
	}
	for (int i = 0; i < nents && sg && sg->dma_length; i++, sg = sg_next(sg)) {
		if (for_cpu)
			berth_iommu_dma_sync_for_cpu(dev, sg->dma_address, sg->dma_length, dir);
		else
			berth_iommu_dma_sync_for_device(dev, sg->dma_address, sg->dma_length, dir);
	}
}
