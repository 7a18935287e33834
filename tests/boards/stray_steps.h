/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device writes to memory that is not its any more: what comes of that in each protection. The same
 * on bare metal, in a process with QEMU's board, and on the model. Each step is true if all was as it
 * should be.
 */
#ifndef BERTH_TESTS_BOARDS_STRAY_STEPS_H
#define BERTH_TESTS_BOARDS_STRAY_STEPS_H

#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/iommu.h>
#include <berth/mm.h>
#include <berth/port.h>
#include <berth/spinlock.h>
#include <berth/timer.h>

#define STRAY_AT 128u /* in the page */
#define STRAY_BYTES 64u
#define STRAY_TRIES 500u /* of 10 ms */
#define STRAY_OLD 0x55u /* what is in the memory; the device writes zeros */

/*
 * @protect: choose how the device is held; nothing is mapped
 * @write: the device writes STRAY_BYTES zeros, and has done so on return, or was refused
 * @records: what the IOMMU says of one such write
 * @is_polled: @write needs no interrupts: the flush of unmapped ranges can be kept waiting
 * @is_told_all: the IOMMU says which direction it was
 * @is_cached: an unmapped range is reached until it is flushed
 */
static struct stray {
	struct device *dev;
	int (*protect)(enum berth_protection protection);
	void (*write)(dma_addr_t at);
	uint64_t records;
	bool is_polled;
	bool is_told_all;
	bool is_cached;
	uint64_t nr_told;
	struct berth_iommu_fault first;
} stray;

static inline void stray_listen(const struct berth_iommu_fault *fault, void *data)
{
	(void)data;
	if (!stray.nr_told)
		stray.first = *fault;
	__atomic_fetch_add(&stray.nr_told, fault->count, __ATOMIC_RELEASE);
}

static inline uint64_t stray_told(void)
{
	return __atomic_load_n(&stray.nr_told, __ATOMIC_ACQUIRE);
}

/* Interrupts come when they come. */
static inline bool stray_is_told(uint64_t records)
{
	for (unsigned int i = 0; i < STRAY_TRIES && stray_told() < records; i++)
		msleep(10);
	return stray_told() == records;
}

static inline void stray_fill(struct page *page)
{
	uint8_t *bytes = page_address(page);

	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		bytes[i] = STRAY_OLD;
}

/* A page that the device may write to; *@addr is for it. NULL: that could not be had. */
static inline struct page *stray_begin(enum berth_protection protection, dma_addr_t *addr)
{
	struct page *page;

	stray.nr_told = 0;
	berth_iommu_set_listener(stray_listen, NULL);
	if (stray.protect(protection) || berth_device_protection(stray.dev) != protection)
		return NULL;
	page = alloc_page(GFP_KERNEL);
	if (!page)
		return NULL;
	stray_fill(page);
	*addr = dma_map_page(stray.dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	if (!dma_mapping_error(stray.dev, *addr))
		return page;
	__free_page(page);
	return NULL;
}

/* What the memory is: STRAY_BYTES at STRAY_AT are @inside, the others as they were. */
static inline bool stray_is(const struct page *page, uint8_t inside)
{
	const uint8_t *bytes = page_address(page);
	bool right = true;

	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		right &= bytes[i] == (i - STRAY_AT < STRAY_BYTES ? inside : STRAY_OLD);
	return right;
}

static inline bool stray_first_is_right(dma_addr_t addr, uint32_t ended)
{
	const struct berth_iommu_fault *fault = &stray.first;

	return fault->dev == stray.dev && fault->address == addr + STRAY_AT &&
	       fault->reason == BERTH_IOMMU_FAULT_TRANSLATION &&
	       (fault->flags == IOMMU_FAULT_WRITE || !stray.is_told_all) &&
	       fault->last_start == addr && fault->last_size == PAGE_SIZE &&
	       fault->ended == ended && fault->count == stray.records;
}

/* Blocked, and reported with all that is known. */
static inline bool stray_strict(void)
{
	uint64_t faults = berth_iommu_faults(stray.dev);
	dma_addr_t addr;
	struct page *page = stray_begin(BERTH_PROTECT_STRICT, &addr);
	bool right;

	if (!page)
		return false;
	stray.write(addr + STRAY_AT);
	dma_sync_single_for_cpu(stray.dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	right = stray_is(page, 0) && !stray_told();
	dma_unmap_page(stray.dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	stray_fill(page);
	stray.write(addr + STRAY_AT);
	right = stray_is(page, STRAY_OLD) && stray_is_told(stray.records) &&
		stray_first_is_right(addr, 1) &&
		berth_iommu_faults(stray.dev) - faults == stray.records && right;
	__free_page(page);
	return right;
}

/* The flush is kept waiting: the access still comes through. */
static inline bool stray_comes_through(struct page *page, dma_addr_t addr)
{
	unsigned long flags = 0;
	bool right;

	if (stray.is_polled)
		local_irq_save(flags);
	dma_unmap_page(stray.dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	stray_fill(page);
	stray.write(addr + STRAY_AT);
	right = stray_is(page, 0);
	if (stray.is_polled)
		local_irq_restore(flags);
	return right;
}

/* Until the flush it lands, afterwards it is refused. */
static inline bool stray_lazy(void)
{
	dma_addr_t addr;
	struct page *page = stray_begin(BERTH_PROTECT_LAZY, &addr);
	bool right;

	if (!page)
		return false;
	stray.write(addr + STRAY_AT);
	if (stray.is_cached) {
		right = stray_comes_through(page, addr);
	} else {
		dma_unmap_page(stray.dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
		right = true;
	}
	for (unsigned int i = 0; i < STRAY_TRIES && !stray_told(); i++) {
		msleep(10);
		stray.write(addr + STRAY_AT);
	}
	right = stray_told() && stray_first_is_right(addr, 1) && right;
	stray_fill(page);
	stray.write(addr + STRAY_AT);
	right = stray_is(page, STRAY_OLD) && right;
	__free_page(page);
	return right;
}

/* It has a copy only, always the same memory: no faults, and no harm. */
static inline bool stray_shadow(void)
{
	dma_addr_t addr, next;
	struct page *page = stray_begin(BERTH_PROTECT_SHADOW, &addr);
	struct iommu_domain *domain = iommu_get_domain_for_dev(stray.dev);
	bool right;

	if (!page)
		return false;
	stray.write(addr + STRAY_AT);
	right = stray_is(page, STRAY_OLD) && iommu_iova_to_phys(domain, addr) != page_to_phys(page);
	dma_unmap_page(stray.dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	right = stray_is(page, 0) && right;
	stray_fill(page);
	stray.write(addr + STRAY_AT);
	right = stray_is(page, STRAY_OLD) && right;
	/* Nor does it come with the next one's data. */
	next = dma_map_page(stray.dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	right = !dma_mapping_error(stray.dev, next) && right;
	dma_unmap_page(stray.dev, next, PAGE_SIZE, DMA_FROM_DEVICE);
	right = stray_is(page, STRAY_OLD) && !stray_told() && right;
	__free_page(page);
	return right;
}

#endif
