/* SPDX-License-Identifier: BSD-2-Clause */
/* The DMA API of devices behind an IOMMU: what they reach, and what they do not, by protection. */
#include "dma_iommu.h"

#include <berth/swiotlb.h>
#include <berth/timer.h>
#include <berth/vm_area.h>

#include "dma/internal.h"
#include "dma/iommu.h"

enum { STRICT = 1, LAZY, PASS, SHADOW, UNTRUSTED, PLAIN };

static struct device *strict, *lazy, *pass, *shadow, *untrusted;

static int start(void **state)
{
	(void)state;
	begin_tree();
	add_client("strict", STRICT, NULL);
	add_client("lazy", LAZY, "lazy");
	add_client("pass", PASS, "passthrough");
	begin_client("shadow", SHADOW, "shadow");
	fdt_flag(&fdt, "dma-coherent");
	fdt_cells(&fdt, "berth,shadow-size", 1 * MIB);
	fdt_end(&fdt);
	begin_client("untrusted", UNTRUSTED, "lazy");
	fdt_flag(&fdt, "dma-coherent");
	fdt_flag(&fdt, "berth,untrusted");
	fdt_end(&fdt);
	must_start(fdt_finish(&fdt), test_drivers, NULL);
	strict = device_at("/strict");
	lazy = device_at("/lazy");
	pass = device_at("/pass");
	shadow = device_at("/shadow");
	untrusted = device_at("/untrusted");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	must_stop();
	return 0;
}

static void each_device_is_served_as_its_protection_says(void **state)
{
	(void)state;
	assert_int_equal(strict->backend, BERTH_DMA_IOMMU);
	assert_int_equal(lazy->backend, BERTH_DMA_IOMMU);
	assert_int_equal(pass->backend, BERTH_DMA_DIRECT);
	assert_int_equal(shadow->backend, BERTH_DMA_DIRECT);
	assert_int_equal(untrusted->backend, BERTH_DMA_IOMMU);
	/* A device that is not trusted is held strictly, whatever it asks for. */
	assert_int_equal(berth_device_protection(untrusted), BERTH_PROTECT_STRICT);
	assert_int_equal(iommu_domain_type(iommu_get_domain_for_dev(untrusted)), IOMMU_DOMAIN_DMA);
	assert_int_equal(iommu_domain_type(iommu_get_domain_for_dev(lazy)), IOMMU_DOMAIN_DMA_FQ);
}

/* Maps, moves and unmaps in every direction and at odd places, for any device. */
static void move_data(struct device *dev, uint32_t id)
{
	static const size_t sizes[] = { 1, 63, 4096, 5000, 100000 };
	uint8_t *block = kmalloc(128 * KIB, GFP_KERNEL);

	assert_non_null(block);
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes) * 3; i++) {
		size_t size = sizes[i / 3], at = i % 3 * 1717;
		dma_addr_t addr;

		memset(block, 0x11, 128 * KIB);
		memset(block + at, 0x22, size);
		addr = dma_map_single(dev, block + at, size, DMA_TO_DEVICE);
		assert_int_equal(dma_mapping_error(dev, addr), 0);
		assert_int_not_equal(addr, 0);
		assert_true(device_reads(id, addr, 0x22, size));
		dma_unmap_single(dev, addr, size, DMA_TO_DEVICE);
		addr = dma_map_single(dev, block + at, size, DMA_FROM_DEVICE);
		assert_true(device_write(id, addr, 0x33, size));
		dma_sync_single_for_cpu(dev, addr, size, DMA_FROM_DEVICE);
		assert_true(are(block + at, 0x33, size));
		dma_sync_single_for_device(dev, addr, size, DMA_FROM_DEVICE);
		assert_true(device_write(id, addr, 0x44, size));
		dma_unmap_single(dev, addr, size, DMA_FROM_DEVICE);
		assert_true(are(block + at, 0x44, size));
		addr = dma_map_page(dev, virt_to_page(block), at, size, DMA_BIDIRECTIONAL);
		assert_true(device_reads(id, addr, 0x44, size));
		block[at] = 0x55;
		dma_sync_single_for_device(dev, addr, 1, DMA_TO_DEVICE);
		assert_true(device_reads(id, addr, 0x55, 1));
		assert_true(device_write(id, addr, 0x66, size));
		dma_unmap_page(dev, addr, size, DMA_BIDIRECTIONAL);
		assert_true(are(block + at, 0x66, size));
		assert_true(are(block, 0x11, at));
		assert_true(are(block + at + size, 0x11, 128 * KIB - at - size));
	}
	kfree(block);
}

static void data_moves_both_ways(void **state)
{
	(void)state;
	move_data(strict, STRICT);
	move_data(lazy, LAZY);
	move_data(pass, PASS);
	move_data(shadow, SHADOW);
	move_data(untrusted, UNTRUSTED);
}

/* 31, and the window that LAZY has. */
static void item_31_after_an_unmap(void **state)
{
	uint8_t *page = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	dma_addr_t addr;

	(void)state;
	msleep(11); /* what was mapped before */
	memset(page, 1, PAGE_SIZE);
	addr = dma_map_single(strict, page, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_true(device_reaches(STRICT, addr));
	assert_false(device_reaches(LAZY, addr));
	dma_unmap_single(strict, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_false(device_reaches(STRICT, addr));

	addr = dma_map_single(lazy, page, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_true(device_reaches(LAZY, addr));
	dma_unmap_single(lazy, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_true(device_reaches(LAZY, addr));
	msleep(11);
	assert_false(device_reaches(LAZY, addr));

	addr = dma_map_single(shadow, page, PAGE_SIZE, DMA_BIDIRECTIONAL);
	dma_unmap_single(shadow, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	/* It still reaches what it had, which is nobody's. */
	assert_true(device_write(SHADOW, addr, 9, PAGE_SIZE));
	assert_true(are(page, 1, PAGE_SIZE));
	assert_false(device_reaches(SHADOW, virt_to_phys(page)));
	free_pages((unsigned long)page, 0);
}

/* A direction is what the tables allow. */
static void what_is_for_the_device_it_cannot_write(void **state)
{
	uint8_t *page = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	dma_addr_t addr = dma_map_single(strict, page, 100, DMA_TO_DEVICE);

	(void)state;
	assert_true(device_reaches(STRICT, addr));
	assert_false(device_write(STRICT, addr, 1, 1));
	dma_unmap_single(strict, addr, 100, DMA_TO_DEVICE);
	free_pages((unsigned long)page, 0);
}

/* While the IOTLB may hold an address nobody else gets it. */
static void lazy_addresses_wait(void **state)
{
	enum { NR = 700 };
	uint8_t *page = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	static dma_addr_t had[NR];
	struct test_domain *domain = domain_of(lazy);
	unsigned int flushes = domain->nr_flushes, syncs = domain->nr_syncs;

	(void)state;
	for (unsigned int i = 0; i < NR; i++) {
		had[i] = dma_map_single(lazy, page, PAGE_SIZE, DMA_BIDIRECTIONAL);
		assert_true(device_reaches(LAZY, had[i]));
		for (unsigned int j = 0; domain->nr_flushes == flushes && j < i; j++)
			assert_int_not_equal(had[i], had[j]);
		dma_unmap_single(lazy, had[i], PAGE_SIZE, DMA_BIDIRECTIONAL);
	}
	/* A queue has 256 places: it was full twice. */
	assert_int_equal(domain->nr_flushes, flushes + 2);
	assert_int_equal(domain->nr_syncs, syncs);
	msleep(11);
	assert_int_equal(domain->nr_flushes, flushes + 3);
	msleep(50);
	assert_int_equal(domain->nr_flushes, flushes + 3);
	assert_int_equal(berth_iommu_dma_count_ranges(iommu_dma_of(lazy)->cookie),
			 iommu_dma_of(lazy)->cookie->nr_reserved);
	free_pages((unsigned long)page, 0);
}

/* 30: an address under the mask; where there is none, what waits is flushed before it fails. */
static void small_masks_do(void **state)
{
	uint8_t *page = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	dma_addr_t addr[8];

	(void)state;
	/* RAM begins above. */
	assert_int_equal(dma_set_mask(strict, DMA_BIT_MASK(28)), 0);
	assert_false(dma_addressing_limited(strict));
	addr[0] = dma_map_single(strict, page, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_true(addr[0] <= DMA_BIT_MASK(28));
	dma_unmap_single(strict, addr[0], PAGE_SIZE, DMA_BIDIRECTIONAL);
	/* 19: not so small; and the mask stays. */
	assert_int_equal(dma_set_mask(strict, DMA_BIT_MASK(12)), -EIO);
	assert_reason(BERTH_REASON_MASK);
	assert_int_equal(dma_get_mask(strict), DMA_BIT_MASK(28));
	assert_int_equal(dma_set_mask(strict, DMA_BIT_MASK(13)), 0);
	addr[0] = dma_map_single(strict, page, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_int_equal(addr[0], 4096);
	addr[1] = dma_map_single(strict, page, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_int_equal(addr[1], DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_AREA_FULL);
	dma_unmap_single(strict, addr[0], PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_set_mask(strict, DMA_BIT_MASK(32)), 0);

	assert_int_equal(dma_set_mask(lazy, DMA_BIT_MASK(15)), 0);
	berth_clear_error();
	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int i = 0; i < 7; i++) {
			addr[i] = dma_map_single(lazy, page, PAGE_SIZE, DMA_BIDIRECTIONAL);
			assert_true(addr[i] && addr[i] <= DMA_BIT_MASK(15));
		}
		for (unsigned int i = 0; i < 7; i++)
			dma_unmap_single(lazy, addr[i], PAGE_SIZE, DMA_BIDIRECTIONAL);
	}
	assert_int_equal(berth_last_error()->code, 0);
	assert_int_equal(dma_set_mask(lazy, DMA_BIT_MASK(32)), 0);

	/* The copies are seen low. */
	assert_int_equal(dma_set_mask(shadow, DMA_BIT_MASK(24)), 0);
	addr[0] = dma_map_single(shadow, page, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_true(addr[0] <= DMA_BIT_MASK(24));
	dma_unmap_single(shadow, addr[0], PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_set_mask(shadow, DMA_BIT_MASK(32)), 0);
	free_pages((unsigned long)page, 0);
}

static void items_16_to_18_limits(void **state)
{
	uint8_t *page = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	dma_addr_t addr;

	(void)state;
	assert_int_equal(dma_get_merge_boundary(strict), 4095);
	assert_int_equal(dma_get_merge_boundary(pass), 0);
	assert_int_equal(dma_max_mapping_size(strict), SIZE_MAX);
	assert_int_equal(dma_opt_mapping_size(strict), 128 * KIB);
	assert_int_equal(dma_get_required_mask(strict), DMA_BIT_MASK(32));
	assert_true(dma_max_mapping_size(shadow) <= 256 * KIB);
	addr = dma_map_single(strict, page, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_false(dma_need_sync(strict, addr));
	dma_unmap_single(strict, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	addr = dma_map_single(untrusted, page + 5, 7, DMA_BIDIRECTIONAL);
	assert_true(dma_need_sync(untrusted, addr));
	dma_unmap_single(untrusted, addr, 7, DMA_BIDIRECTIONAL);
	free_pages((unsigned long)page, 0);
}

/* 12 */
static void item_12_wrong_unmaps(void **state)
{
	uint8_t *pages = (uint8_t *)__get_free_pages(GFP_KERNEL, 2);
	dma_addr_t addr = dma_map_single(strict, pages, PAGE_SIZE, DMA_BIDIRECTIONAL), other;

	(void)state;
	berth_clear_error();
	dma_unmap_single(strict, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_int_equal(berth_last_error()->code, 0);
	dma_unmap_single(strict, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_reason(BERTH_REASON_NOT_OWNED);
	dma_unmap_single(strict, addr, 3 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_reason(BERTH_REASON_NOT_OWNED);
	dma_unmap_single(strict, DMA_MAPPING_ERROR, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_reason(BERTH_REASON_NOT_OWNED);
	dma_unmap_single(strict, addr, 0, DMA_BIDIRECTIONAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	dma_unmap_single(strict, addr, 1, DMA_NONE);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(dma_map_single(strict, pages, 0, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
	assert_int_equal(dma_map_single(strict, pages, 1, DMA_NONE), DMA_MAPPING_ERROR);
	/* 11: the stack is no memory for devices. */
	assert_int_equal(dma_map_single(strict, &addr, 1, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_NOT_LINEAR);

	/* Longer than it was: told, and what the range really was is free again. */
	addr = dma_map_single(strict, pages, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	dma_unmap_single(strict, addr, 3 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_reason(BERTH_REASON_UNMAP);
	assert_int_equal(berth_last_error()->limit, 2 * PAGE_SIZE);
	assert_false(device_reaches(STRICT, addr));
	other = dma_map_single(strict, pages, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_true(device_reaches(STRICT, other));
	dma_unmap_single(strict, other, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_int_equal(berth_iommu_dma_count_ranges(iommu_dma_of(strict)->cookie),
			 iommu_dma_of(strict)->cookie->nr_reserved);
	free_pages((unsigned long)pages, 2);
}

/* Lists. */

static unsigned int seed = 1;

static unsigned int next(unsigned int below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

#define MAX_ENTRIES 64

struct list {
	struct scatterlist sg[MAX_ENTRIES];
	struct page *page[MAX_ENTRIES];
	unsigned int order[MAX_ENTRIES], nents;
	uint8_t byte[MAX_ENTRIES];
};

/* Entries of random or whole pages, each with a byte of its own. */
static void make_list(struct list *list, unsigned int nents, bool whole)
{
	list->nents = nents;
	sg_init_table(list->sg, nents);
	for (unsigned int i = 0; i < nents; i++) {
		unsigned int length = whole ? 4096 : 1 + next(3 * 4096);
		unsigned int offset = whole ? 0 : next(4096);

		if (!whole && !next(3))
			offset = 0;
		if (!whole && !next(3))
			length = 4096 * (1 + next(3)) - offset;
		list->order[i] = whole ? 0 : 2;
		list->page[i] = alloc_pages(GFP_KERNEL, list->order[i]);
		assert_non_null(list->page[i]);
		list->byte[i] = (uint8_t)(1 + next(255));
		memset(page_address(list->page[i]), 0, PAGE_SIZE << list->order[i]);
		memset((uint8_t *)page_address(list->page[i]) + offset, list->byte[i], length);
		sg_set_page(&list->sg[i], list->page[i], length, offset);
	}
}

static void free_list(struct list *list)
{
	for (unsigned int i = 0; i < list->nents; i++)
		__free_pages(list->page[i], list->order[i]);
}

/* Items 2, 4 and 5; and the device sees the entries one after the other. */
static void check_segments(struct device *dev, uint32_t id, const struct list *list,
			   unsigned int count)
{
	unsigned int entry = 0, done = 0;

	assert_in_range(count, 1, list->nents);
	for (unsigned int s = 0; s < count; s++) {
		dma_addr_t at = list->sg[s].dma_address;
		uint32_t left = list->sg[s].dma_length;

		assert_in_range(left, 1, dma_get_max_seg_size(dev));
		assert_false((at ^ (at + left - 1)) & ~dma_get_seg_boundary(dev));
		while (left) {
			uint32_t piece = list->sg[entry].length - done;

			assert_true(piece <= left);
			assert_true(device_reads(id, at, list->byte[entry], piece));
			at += piece;
			left -= piece;
			entry++;
			done = 0;
		}
	}
	assert_int_equal(entry, list->nents);
	for (unsigned int s = count; s < list->nents; s++)
		assert_int_equal(list->sg[s].dma_length, 0);
}

static void map_lists(struct device *dev, uint32_t id, bool whole)
{
	static const uint64_t boundaries[] = { UINT64_MAX, 0xffff, 0x7fff };

	for (unsigned int round = 0; round < 120; round++) {
		struct list list;
		unsigned int count;
		struct scatterlist before[MAX_ENTRIES];

		dma_set_seg_boundary(dev, boundaries[round % 3]);
		dma_set_max_seg_size(dev, round % 2 ? 65536 : 20000);
		make_list(&list, 1 + next(MAX_ENTRIES), whole);
		memcpy(before, list.sg, sizeof(before));
		count = dma_map_sg(dev, list.sg, (int)list.nents, DMA_TO_DEVICE);
		if (!count) {
			/* Behind no IOMMU, or bounced piece by piece, a boundary may be in the way. */
			assert_int_equal(berth_last_error()->reason, BERTH_REASON_SEGMENT);
			assert_int_not_equal(dma_get_seg_boundary(dev), UINT64_MAX);
		} else {
			dma_addr_t first = list.sg[0].dma_address;

			check_segments(dev, id, &list, count);
			dma_sync_sg_for_cpu(dev, list.sg, (int)list.nents, DMA_TO_DEVICE);
			dma_sync_sg_for_device(dev, list.sg, (int)list.nents, DMA_TO_DEVICE);
			dma_unmap_sg(dev, list.sg, (int)list.nents, DMA_TO_DEVICE);
			assert_false(device_reaches(id, first));
		}
		for (unsigned int i = 0; i < list.nents; i++) {
			assert_int_equal(list.sg[i].page_link, before[i].page_link);
			assert_int_equal(list.sg[i].offset, before[i].offset);
			assert_int_equal(list.sg[i].length, before[i].length);
		}
		free_list(&list);
	}
	dma_set_seg_boundary(dev, UINT64_MAX);
	dma_set_max_seg_size(dev, 65536);
	assert_int_equal(berth_iommu_dma_count_ranges(iommu_dma_of(dev)->cookie),
			 iommu_dma_of(dev)->cookie->nr_reserved);
}

static void items_2_4_5_lists(void **state)
{
	(void)state;
	map_lists(strict, STRICT, false);
	map_lists(strict, STRICT, true);
	map_lists(untrusted, UNTRUSTED, false);
}

static void pages_become_one_segment(void **state)
{
	struct list list;
	struct sg_table table;
	unsigned int syncs = domain_of(strict)->nr_syncs;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		make_list(&list, 16, true);
		table = (struct sg_table){ list.sg, 0, list.nents };
		/* 3 */
		assert_int_equal(dma_map_sgtable(strict, &table, DMA_BIDIRECTIONAL, 0), 0);
		assert_int_equal(table.nents, 1);
		assert_int_equal(table.orig_nents, 16);
		assert_int_equal(list.sg[0].dma_length, 64 * KIB);
		check_segments(strict, STRICT, &list, 1);
		dma_unmap_sgtable(strict, &table, DMA_BIDIRECTIONAL, 0);
		assert_false(device_reaches(STRICT, list.sg[0].dma_address));
		free_list(&list);
	}
	/* One unmap, one synchronisation. */
	assert_int_equal(domain_of(strict)->nr_syncs, syncs + 3);
	make_list(&list, 3, true);
	dma_set_max_seg_size(strict, 4095);
	table = (struct sg_table){ list.sg, 0, list.nents };
	assert_int_equal(dma_map_sgtable(strict, &table, DMA_BIDIRECTIONAL, 0), -EINVAL);
	assert_reason(BERTH_REASON_SEGMENT);
	assert_int_equal(list.sg[0].dma_address, DMA_MAPPING_ERROR);
	assert_int_equal(list.sg[2].dma_length, 0);
	dma_set_max_seg_size(strict, 65536);
	free_list(&list);
}

/* Devices that are not trusted. */

static void pieces_of_pages_are_bounced(void **state)
{
	uint8_t *block = (uint8_t *)__get_free_pages(GFP_KERNEL, 2);
	dma_addr_t addr;

	(void)state;
	memset(block, 0x77, 4 * PAGE_SIZE);
	addr = dma_map_single(untrusted, block + 100, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	/* The low bits stay, and what is beside it is nobody's. */
	assert_int_equal(addr % PAGE_SIZE, 100);
	assert_true(device_reads(UNTRUSTED, addr - 100, 0, 100));
	assert_true(device_reads(UNTRUSTED, addr, 0x77, 2 * PAGE_SIZE));
	assert_true(device_reads(UNTRUSTED, addr + 2 * PAGE_SIZE, 0, PAGE_SIZE - 100));
	assert_true(device_write(UNTRUSTED, addr - 100, 0x88, 3 * PAGE_SIZE));
	/* 10: a part of it */
	dma_sync_single_for_cpu(untrusted, addr + 10, 20, DMA_BIDIRECTIONAL);
	assert_true(are(block + 110, 0x88, 20));
	assert_int_equal(block[109], 0x77);
	assert_int_equal(block[130], 0x77);
	/* As it was not mapped. */
	dma_unmap_single(untrusted, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_reason(BERTH_REASON_UNMAP);
	dma_unmap_single(untrusted, addr, 2 * PAGE_SIZE, DMA_TO_DEVICE);
	assert_reason(BERTH_REASON_UNMAP);
	dma_unmap_single(untrusted, addr + 1, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_reason(BERTH_REASON_UNMAP);
	dma_unmap_single(untrusted, addr, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_true(are(block, 0x77, 100));
	assert_true(are(block + 100, 0x88, 2 * PAGE_SIZE));
	assert_true(are(block + 100 + 2 * PAGE_SIZE, 0x77, 2 * PAGE_SIZE - 100));
	dma_unmap_single(untrusted, addr, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_reason(BERTH_REASON_NOT_OWNED);
	/* What a short write leaves alone stays; a whole page is not copied. */
	memset(block, 0x55, PAGE_SIZE);
	addr = dma_map_single(untrusted, block + 8, 64, DMA_FROM_DEVICE);
	assert_true(device_write(UNTRUSTED, addr, 0x99, 10));
	dma_unmap_single(untrusted, addr, 64, DMA_FROM_DEVICE);
	assert_true(are(block + 8, 0x99, 10));
	assert_true(are(block + 18, 0x55, 54));
	addr = dma_map_single(untrusted, block, PAGE_SIZE, DMA_FROM_DEVICE);
	assert_true(device_write(UNTRUSTED, addr, 0xaa, 1));
	assert_int_equal(block[0], 0xaa);
	dma_unmap_single(untrusted, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	/* 8 */
	addr = dma_map_single(untrusted, block + 8, 64, DMA_FROM_DEVICE);
	assert_true(device_write(UNTRUSTED, addr, 0x11, 64));
	dma_unmap_single_attrs(untrusted, addr, 64, DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
	assert_int_equal(block[8], 0x99);
	free_pages((unsigned long)block, 2);
}

/* Memory that is allocated. */

static void item_20_coherent_memory(void **state)
{
	struct device *devs[] = { strict, lazy, shadow, untrusted };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(devs); i++) {
		uint32_t id = i == 0 ? STRICT : i == 1 ? LAZY : i == 2 ? SHADOW : UNTRUSTED;
		dma_addr_t addr, page_addr;
		uint8_t *virt;
		struct page *page;

		assert_int_equal(dma_set_coherent_mask(devs[i], DMA_BIT_MASK(28)), 0);
		virt = dma_alloc_coherent(devs[i], 3 * PAGE_SIZE, &addr, GFP_KERNEL);
		assert_non_null(virt);
		assert_true(addr + 3 * PAGE_SIZE - 1 <= DMA_BIT_MASK(28));
		assert_true(device_reads(id, addr, 0, 3 * PAGE_SIZE));
		virt[5000] = 1;
		assert_true(device_reads(id, addr + 5000, 1, 1));
		assert_true(device_write(id, addr, 2, 3 * PAGE_SIZE));
		assert_true(are(virt, 2, 3 * PAGE_SIZE));
		/* 23 */
		dma_free_coherent(devs[i], 2 * PAGE_SIZE, virt, addr);
		assert_reason(BERTH_REASON_NOT_OWNED);
		dma_free_coherent(devs[i], 3 * PAGE_SIZE, virt, addr);
		if (devs[i] == strict)
			assert_false(device_reaches(id, addr));
		page = dma_alloc_pages(devs[i], PAGE_SIZE, &page_addr, DMA_FROM_DEVICE, GFP_KERNEL);
		assert_true(device_write(id, page_addr, 7, PAGE_SIZE));
		assert_true(are(page_address(page), 7, PAGE_SIZE));
		dma_free_pages(devs[i], PAGE_SIZE, page, page_addr, DMA_FROM_DEVICE);
		assert_int_equal(dma_set_coherent_mask(devs[i], DMA_BIT_MASK(32)), 0);
		virt = dma_alloc_coherent(devs[i], 100, &addr, GFP_ATOMIC);
		assert_non_null(virt);
		dma_free_coherent(devs[i], 100, virt, addr);
	}
}

/* Every second page is taken: no run of two is free. */
static struct page **fragment(unsigned int *nr)
{
	struct page **pages = malloc(sizeof(*pages) * (RAM_SIZE >> PAGE_SHIFT)), *page;
	unsigned int kept = 0;

	*nr = 0;
	while ((page = alloc_pages(GFP_KERNEL | __GFP_NOWARN, 0)))
		pages[(*nr)++] = page;
	for (unsigned int i = 0; i < *nr; i++) {
		if (page_to_pfn(pages[i]) % 2)
			pages[kept++] = pages[i];
		else
			__free_page(pages[i]);
	}
	*nr = kept;
	return pages;
}

static void scattered_memory_is_one_piece(void **state)
{
	uint64_t size = 40 * PAGE_SIZE;
	struct vm_area_struct vma;
	struct sg_table *sgt, copy;
	struct page **pages;
	unsigned int nr;
	dma_addr_t addr;
	uint8_t *virt;

	(void)state;
	pages = fragment(&nr);
	assert_null(alloc_pages(GFP_KERNEL | __GFP_NOWARN, 1));
	berth_clear_error();
	virt = dma_alloc_coherent(strict, size, &addr, GFP_KERNEL);
	assert_non_null(virt);
	assert_int_equal(berth_last_error()->code, 0);
	for (unsigned int i = 0; i < 40; i++)
		memset(virt + i * PAGE_SIZE, (int)i, PAGE_SIZE);
	for (unsigned int i = 0; i < 40; i++)
		assert_true(device_reads(STRICT, addr + i * PAGE_SIZE, (uint8_t)i, PAGE_SIZE));
	assert_int_equal(berth_vma_reserve(&vma, size, 0), 0);
	assert_int_equal(dma_mmap_coherent(strict, &vma, virt, addr, size), 0);
	for (unsigned int i = 0; i < 40; i++)
		assert_true(are((void *)(vma.vm_start + i * PAGE_SIZE), (uint8_t)i, PAGE_SIZE));
	dma_free_coherent(strict, size, virt, addr);
	assert_reason(BERTH_REASON_PAGE_BUSY);
	berth_vma_release(&vma);
	assert_int_equal(dma_get_sgtable(strict, &copy, virt, addr, size), 0);
	assert_true(copy.orig_nents >= 40);
	sg_free_table(&copy);
	dma_free_coherent(strict, size, virt, addr);
	assert_null(dma_alloc_attrs(strict, size, &addr, GFP_KERNEL, DMA_ATTR_FORCE_CONTIGUOUS));

	/* 24 */
	sgt = dma_alloc_noncontiguous(strict, size, DMA_BIDIRECTIONAL, GFP_KERNEL, 0);
	assert_non_null(sgt);
	assert_int_equal(sgt->nents, 1);
	assert_true(sgt->orig_nents > 1);
	addr = sg_dma_address(sgt->sgl);
	assert_int_equal(sg_dma_len(sgt->sgl), size);
	assert_true(device_reads(STRICT, addr, 0, size));
	virt = dma_vmap_noncontiguous(strict, size, sgt);
	assert_non_null(virt);
	assert_true(device_write(STRICT, addr, 0x3c, size));
	dma_sync_sgtable_for_cpu(strict, sgt, DMA_BIDIRECTIONAL);
	assert_true(are(virt, 0x3c, size));
	dma_vunmap_noncontiguous(strict, virt);
	assert_int_equal(berth_vma_reserve(&vma, size, 0), 0);
	assert_int_equal(dma_mmap_noncontiguous(strict, &vma, size, sgt), 0);
	assert_true(are((void *)vma.vm_start, 0x3c, size));
	berth_vma_release(&vma);
	dma_free_noncontiguous(strict, size, sgt, DMA_BIDIRECTIONAL);
	assert_false(device_reaches(STRICT, addr));
	while (nr)
		__free_page(pages[--nr]);
	free(pages);
}

/* Changes. */

static void protection_can_be_changed(void **state)
{
	uint8_t *page = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	dma_addr_t addr, coherent;
	void *virt;

	(void)state;
	for (unsigned int from = 0; from < 4; from++) {
		for (unsigned int to = 0; to < 4; to++) {
			assert_int_equal(berth_device_set_protection(strict, from), 0);
			assert_int_equal(berth_device_protection(strict), from);
			assert_int_equal(berth_device_set_protection(strict, to), 0);
			move_data(strict, STRICT);
		}
	}
	assert_int_equal(strict->p->nr_windows, 1);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(berth_device_set_protection(strict, i), 0);
		virt = dma_alloc_coherent(strict, 100, &coherent, GFP_KERNEL);
		assert_non_null(virt);
		assert_int_equal(berth_device_set_protection(strict, (i + 1) % 4), -EBUSY);
		dma_free_coherent(strict, 100, virt, coherent);
		if (i == BERTH_PROTECT_PASSTHROUGH)
			continue;
		addr = dma_map_single(strict, page, 100, DMA_TO_DEVICE);
		assert_int_equal(berth_device_set_protection(strict, (i + 1) % 4), -EBUSY);
		assert_true(device_reaches(STRICT, addr));
		dma_unmap_single(strict, addr, 100, DMA_TO_DEVICE);
	}
	assert_int_equal(berth_device_set_protection(strict, BERTH_PROTECT_STRICT), 0);
	assert_int_equal(strict->p->nr_windows, 0);
	assert_int_equal(berth_device_set_protection(strict, 7), -EINVAL);
	assert_int_equal(berth_device_set_protection(untrusted, BERTH_PROTECT_LAZY), -EINVAL);
	free_pages((unsigned long)page, 0);
}

static void somebody_else_decides(void **state)
{
	uint8_t *page = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	struct iommu_domain *domain = iommu_domain_alloc(strict);
	struct scatterlist sg;

	(void)state;
	sg_init_one(&sg, page, PAGE_SIZE);
	assert_int_equal(iommu_attach_device(domain, strict), 0);
	assert_int_equal(dma_map_single(strict, page, 1, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_OWNED);
	assert_int_equal(dma_map_sg(strict, &sg, 1, DMA_TO_DEVICE), 0);
	assert_int_equal(berth_device_set_protection(strict, BERTH_PROTECT_LAZY), -EBUSY);
	iommu_detach_device(domain, strict);
	iommu_domain_free(domain);
	move_data(strict, STRICT);
	free_pages((unsigned long)page, 0);
}

/* 15, and doorbells. */
static void item_15_resources(void **state)
{
	dma_addr_t addr, other;
	unsigned int shift;

	(void)state;
	addr = dma_map_resource(strict, 0x10000123, 0x2000, DMA_BIDIRECTIONAL, 0);
	assert_int_not_equal(addr, DMA_MAPPING_ERROR);
	assert_int_equal(addr & 0xfff, 0x123);
	assert_int_equal(translate(STRICT, addr, true), 0x10000123);
	assert_int_equal(translate(STRICT, addr + 0x1fff, true), 0x10002122);
	assert_true(walk(domain_of(strict), addr, &shift));
	dma_unmap_resource(strict, addr, 0x2000, DMA_BIDIRECTIONAL, 0);
	assert_int_equal(translate(STRICT, addr, true), UINT64_MAX);
	assert_int_equal(dma_map_resource(strict, RAM, 1, DMA_TO_DEVICE, 0), DMA_MAPPING_ERROR);
	addr = dma_map_resource(shadow, 0x10000000, 0x1000, DMA_BIDIRECTIONAL, 0);
	assert_int_equal(translate(SHADOW, addr, true), 0x10000000);
	dma_unmap_resource(shadow, addr, 0x1000, DMA_BIDIRECTIONAL, 0);

	assert_int_equal(berth_dma_map_msi(strict, 0x8020040, &addr), 0);
	assert_int_equal(translate(STRICT, addr, true), 0x8020040);
	assert_int_equal(berth_dma_map_msi(strict, 0x8020080, &other), 0);
	assert_int_equal(other, addr + 0x40);
	assert_int_equal(berth_dma_map_msi(pass, 0x8020040, &addr), 0);
	assert_int_equal(addr, 0x8020040);
	/* They are no mapping of the driver's. */
	assert_int_equal(berth_device_set_protection(strict, BERTH_PROTECT_SHADOW), 0);
	assert_int_equal(berth_dma_map_msi(strict, 0x8020040, &addr), 0);
	assert_int_equal(translate(STRICT, addr, true), 0x8020040);
	assert_int_equal(berth_device_set_protection(strict, BERTH_PROTECT_STRICT), 0);
}

/* What the last mapping at an address was a report can tell. */
static void ends_are_remembered(void **state)
{
	uint8_t *page = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	dma_addr_t addr = dma_map_single(strict, page, PAGE_SIZE, DMA_TO_DEVICE);
	struct berth_iommu_fault fault;

	(void)state;
	dma_unmap_single(strict, addr, PAGE_SIZE, DMA_TO_DEVICE);
	berth_iommu_report_fault(&the_iommu->iommu, STRICT, addr, IOMMU_FAULT_READ,
				 BERTH_IOMMU_FAULT_TRANSLATION);
	berth_iommu_report_end(&the_iommu->iommu);
	assert_true(berth_iommu_last_fault(strict, &fault));
	assert_int_equal(fault.last_start, addr);
	assert_int_equal(fault.last_size, PAGE_SIZE);
	assert_int_equal(fault.ended, 1);
	free_pages((unsigned long)page, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_device_is_served_as_its_protection_says),
		cmocka_unit_test(data_moves_both_ways),
		cmocka_unit_test(item_31_after_an_unmap),
		cmocka_unit_test(what_is_for_the_device_it_cannot_write),
		cmocka_unit_test(lazy_addresses_wait),
		cmocka_unit_test(small_masks_do),
		cmocka_unit_test(items_16_to_18_limits),
		cmocka_unit_test(item_12_wrong_unmaps),
		cmocka_unit_test(items_2_4_5_lists),
		cmocka_unit_test(pages_become_one_segment),
		cmocka_unit_test(pieces_of_pages_are_bounced),
		cmocka_unit_test(item_20_coherent_memory),
		cmocka_unit_test(scattered_memory_is_one_piece),
		cmocka_unit_test(protection_can_be_changed),
		cmocka_unit_test(somebody_else_decides),
		cmocka_unit_test(item_15_resources),
		cmocka_unit_test(ends_are_remembered),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
