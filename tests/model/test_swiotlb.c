/* SPDX-License-Identifier: BSD-2-Clause */
/* Bounce buffers; numbers are those of the items in docs/semantics.md. */
#include "machine.h"

#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/slab.h>
#include <berth/swiotlb.h>
#include <berth/test.h>

#include "boards.h"

#define KIB 1024u
#define FOUR_GIB (1ull << 32)

static struct device dev, other;

/* RAM on both sides of 4 GiB; what lies above is out of a 32-bit device's reach. */
static void start(bool coherent, const char *bootargs)
{
	must_start(board_network, NULL, bootargs);
	memset(&dev, 0, sizeof(dev));
	memset(&other, 0, sizeof(other));
	assert_int_equal(device_register(&dev, "test-device"), 0);
	assert_int_equal(device_register(&other, "other-device"), 0);
	berth_device_set_coherent(&dev, coherent);
	berth_device_set_coherent(&other, coherent);
}

static void stop(void)
{
	device_unregister(&other);
	device_unregister(&dev);
	must_stop();
}

static void *high(size_t size)
{
	void *buf = alloc_pages_exact(size, GFP_KERNEL);

	assert_non_null(buf);
	assert_true(virt_to_phys(buf) >= FOUR_GIB);
	return buf;
}

/* What the device sees at an address; its bus is one to one. */
static uint8_t *seen(dma_addr_t addr)
{
	return dev_is_dma_coherent(&dev) ? phys_to_virt(addr) : berth_model_memory(addr);
}

static struct berth_swiotlb_info info(void)
{
	struct berth_swiotlb_info info;

	berth_swiotlb_info(NULL, &info);
	return info;
}

static void fill(uint8_t *at, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)(i * 7 + seed + (i >> 8));
}

static void must_be(const uint8_t *at, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++)
		if (at[i] != (uint8_t)(i * 7 + seed + (i >> 8)))
			fail_msg("byte %zu of %zu is %#x", i, size, at[i]);
}

static dma_addr_t must_map(void *ptr, size_t size, enum dma_data_direction dir)
{
	dma_addr_t addr = dma_map_single(&dev, ptr, size, dir);
	char why[200];

	if (dma_mapping_error(&dev, addr)) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("%zu bytes: %s", size, why);
	}
	assert_true(addr + size <= FOUR_GIB);
	return addr;
}

static void all_sizes_and_directions(void **state)
{
	static const size_t sizes[] = { 1, 63, 2048, 2049, 4096, 5000, 65536, 256 * KIB };

	(void)state;
	for (int round = 0; round < 4; round++) {
		bool coherent = round & 1;
		uint8_t *buf;

		start(coherent, round & 2 ? "swiotlb=force" : NULL);
		buf = high(260 * KIB);
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			for (size_t offset = 0; offset < 4096; offset += 1365) {
				size_t size = sizes[i];
				dma_addr_t addr;

				fill(buf, 260 * KIB, 1);
				addr = must_map(buf + offset, size, DMA_TO_DEVICE);
				assert_memory_equal(seen(addr), buf + offset, size);
				fill(seen(addr), size, 2); /* not what it should, and not copied */
				dma_unmap_single(&dev, addr, size, DMA_TO_DEVICE);
				must_be(buf, 260 * KIB, 1);

				addr = must_map(buf + offset, size, DMA_FROM_DEVICE);
				fill(seen(addr), size, 3);
				dma_unmap_single(&dev, addr, size, DMA_FROM_DEVICE);
				must_be(buf + offset, size, 3);

				addr = must_map(buf + offset, size, DMA_BIDIRECTIONAL);
				must_be(seen(addr), size, 3);
				fill(seen(addr), size, 4);
				dma_unmap_single(&dev, addr, size, DMA_BIDIRECTIONAL);
				must_be(buf + offset, size, 4);
				fill(buf + offset, size, (unsigned int)(1 + 7 * offset));
			}
		}
		assert_int_equal(info().used, 0);
		assert_int_equal(info().nr_maps, 3 * 4 * ARRAY_SIZE(sizes));
		free_pages_exact(buf, 260 * KIB);
		stop();
	}
}

static void what_is_in_reach_is_not_bounced(void **state)
{
	struct page *page;
	dma_addr_t addr;

	(void)state;
	start(false, NULL);
	page = alloc_pages(GFP_KERNEL | GFP_DMA32, 0);
	addr = dma_map_page(&dev, page, 0, 4096, DMA_TO_DEVICE);
	assert_int_equal(addr, page_to_phys(page));
	dma_unmap_page(&dev, addr, 4096, DMA_TO_DEVICE);
	assert_int_equal(info().nr_maps, 0);
	__free_page(page);
	/* Nor is anything of a device that reaches all. */
	assert_int_equal(dma_set_mask(&dev, DMA_BIT_MASK(64)), 0);
	page = alloc_page(GFP_KERNEL);
	addr = dma_map_page(&dev, page, 0, 4096, DMA_TO_DEVICE);
	assert_int_equal(addr, page_to_phys(page));
	dma_unmap_page(&dev, addr, 4096, DMA_TO_DEVICE);
	assert_int_equal(info().nr_maps, 0);
	__free_page(page);
	stop();
}

/* 9: to the device the copy comes before the cache operation, to the CPU after it. */
static void item_9_order_of_copy_and_maintenance(void **state)
{
	const struct berth_model_config config = { .cache = BERTH_MODEL_CACHE_ADVERSARIAL };

	(void)state;
	for (unsigned int seed = 0; seed < 20; seed++) {
		uint8_t *buf;
		dma_addr_t addr;

		assert_int_equal(start_tree(board_network, NULL, &config), 0);
		memset(&dev, 0, sizeof(dev));
		assert_int_equal(device_register(&dev, "test-device"), 0);
		berth_device_set_coherent(&dev, false);
		buf = high(8192);
		fill(buf, 8192, seed);
		addr = must_map(buf, 8192, DMA_BIDIRECTIONAL);
		must_be(seen(addr), 8192, seed);
		dma_sync_single_for_cpu(&dev, addr, 8192, DMA_BIDIRECTIONAL);
		fill(buf, 8192, seed + 1);
		dma_sync_single_for_device(&dev, addr, 8192, DMA_BIDIRECTIONAL);
		must_be(seen(addr), 8192, seed + 1);
		fill(seen(addr), 8192, seed + 2);
		dma_sync_single_for_cpu(&dev, addr, 8192, DMA_BIDIRECTIONAL);
		must_be(buf, 8192, seed + 2);
		dma_sync_single_for_device(&dev, addr, 8192, DMA_BIDIRECTIONAL);
		fill(seen(addr), 8192, seed + 3);
		dma_unmap_single(&dev, addr, 8192, DMA_BIDIRECTIONAL);
		must_be(buf, 8192, seed + 3);
		free_pages_exact(buf, 8192);
		device_unregister(&dev);
		must_stop();
	}
}

/* 10: any part of a mapping may be synced, and no other byte is touched. */
static void item_10_part_of_a_mapping_is_synced(void **state)
{
	uint8_t *buf;
	dma_addr_t addr;

	(void)state;
	for (int coherent = 0; coherent < 2; coherent++) {
		start(coherent, NULL);
		buf = high(16384);
		memset(buf, 0, 16384);
		addr = must_map(buf + 100, 10000, DMA_BIDIRECTIONAL);
		memset(seen(addr), 1, 10000);
		dma_sync_single_for_cpu(&dev, addr + 5000, 64, DMA_BIDIRECTIONAL);
		for (size_t i = 0; i < 16384; i++)
			if (buf[i] != (i >= 5100 && i < 5164))
				fail_msg("coherent %d: byte %zu is %d", coherent, i, buf[i]);
		memset(buf + 100, 2, 10000);
		dma_sync_single_for_device(&dev, addr + 9999, 1, DMA_BIDIRECTIONAL);
		assert_int_equal(seen(addr)[9999], 2);
		assert_int_equal(seen(addr)[9800], 1);
		dma_sync_single_for_cpu(&dev, addr + 9999, 2, DMA_BIDIRECTIONAL);
		assert_reason(BERTH_REASON_UNMAP);
		dma_sync_single_for_cpu(&dev, addr - 1, 1, DMA_BIDIRECTIONAL);
		assert_reason(BERTH_REASON_UNMAP);
		dma_sync_single_for_cpu(&dev, addr + 12288, 1, DMA_BIDIRECTIONAL);
		assert_reason(BERTH_REASON_NOT_OWNED);
		dma_unmap_single(&dev, addr, 10000, DMA_BIDIRECTIONAL);
		free_pages_exact(buf, 16384);
		stop();
	}
}

/* 6 and 12: an unmap is refused unless it is the map's own; nothing is copied, nothing lost. */
static void items_6_and_12_wrong_unmaps(void **state)
{
	uint8_t *buf;
	dma_addr_t addr;

	(void)state;
	start(true, NULL);
	buf = high(8192);
	memset(buf, 0, 8192);
	addr = must_map(buf, 8192, DMA_FROM_DEVICE);
	memset(seen(addr), 5, 8192);
	dma_unmap_single(&dev, addr, 4096, DMA_FROM_DEVICE);
	assert_reason(BERTH_REASON_UNMAP);
	assert_int_equal(berth_last_error()->limit, 8192);
	dma_unmap_single(&dev, addr + 4096, 4096, DMA_FROM_DEVICE);
	assert_reason(BERTH_REASON_UNMAP);
	dma_unmap_single(&dev, addr, 8192, DMA_BIDIRECTIONAL);
	assert_reason(BERTH_REASON_UNMAP);
	dma_sync_single_for_cpu(&dev, addr, 8192, DMA_TO_DEVICE);
	assert_reason(BERTH_REASON_UNMAP);
	dma_unmap_single(&dev, addr, 8192, DMA_NONE);
	assert_reason(BERTH_REASON_ARGUMENT);
	dma_unmap_single(&dev, DMA_MAPPING_ERROR, 8192, DMA_FROM_DEVICE);
	assert_reason(BERTH_REASON_NOT_OWNED);
	assert_int_equal(buf[0], 0);
	assert_int_equal(info().used, 8192);
	dma_unmap_single(&dev, addr, 8192, DMA_FROM_DEVICE);
	assert_int_equal(buf[0] + buf[8191], 10);
	dma_unmap_single(&dev, addr, 8192, DMA_FROM_DEVICE);
	assert_reason(BERTH_REASON_NOT_OWNED);
	assert_int_equal(info().used, 0);
	/* A mapping that goes both ways is synced in either direction. */
	addr = must_map(buf, 8192, DMA_BIDIRECTIONAL);
	memset(seen(addr), 6, 8192);
	dma_sync_single_for_cpu(&dev, addr, 8192, DMA_FROM_DEVICE);
	assert_int_equal(buf[0], 6);
	buf[0] = 7;
	dma_sync_single_for_device(&dev, addr, 8192, DMA_TO_DEVICE);
	assert_int_equal(seen(addr)[0], 7);
	dma_unmap_single(&dev, addr, 8192, DMA_BIDIRECTIONAL);
	free_pages_exact(buf, 8192);
	stop();
}

/* 16: a limit where something may be bounced, and none elsewhere. */
static void item_16_max_mapping_size(void **state)
{
	void *buf;

	(void)state;
	start(true, NULL);
	assert_true(dma_addressing_limited(&dev));
	assert_int_equal(dma_get_required_mask(&dev), DMA_BIT_MASK(33));
	assert_int_equal(dma_max_mapping_size(&dev), 256 * KIB);
	assert_int_equal(dma_set_min_align_mask(&dev, 4095), 0);
	assert_int_equal(dma_max_mapping_size(&dev), 252 * KIB);
	assert_true(dma_opt_mapping_size(&dev) <= dma_max_mapping_size(&dev));
	buf = high(512 * KIB);
	assert_int_equal(dma_map_single(&dev, buf, 252 * KIB + 1, DMA_TO_DEVICE),
			 DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_BOUNCE_SIZE);
	assert_int_equal(dma_set_mask(&dev, DMA_BIT_MASK(33)), 0);
	assert_false(dma_addressing_limited(&dev));
	assert_int_equal(dma_max_mapping_size(&dev), SIZE_MAX);
	free_pages_exact(buf, 512 * KIB);
	stop();
	start(true, "swiotlb=noforce");
	assert_int_equal(dma_max_mapping_size(&dev), SIZE_MAX);
	buf = high(64);
	assert_int_equal(dma_map_single(&dev, buf, 64, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_MASK);
	free_pages_exact(buf, 64);
	stop();
	start(true, "swiotlb=force");
	assert_int_equal(dma_set_mask(&dev, DMA_BIT_MASK(64)), 0);
	assert_int_equal(dma_max_mapping_size(&dev), 256 * KIB);
	stop();
}

/* 18: a coherent device needs syncs for what is bounced, and for nothing else. */
static void item_18_need_sync(void **state)
{
	struct page *page;
	dma_addr_t addr;
	void *buf;

	(void)state;
	start(true, NULL);
	buf = high(64);
	page = alloc_pages(GFP_KERNEL | GFP_DMA32, 0);
	addr = must_map(buf, 64, DMA_TO_DEVICE);
	assert_true(dma_need_sync(&dev, addr));
	dma_unmap_single(&dev, addr, 64, DMA_TO_DEVICE);
	addr = dma_map_page(&dev, page, 0, 64, DMA_TO_DEVICE);
	assert_false(dma_need_sync(&dev, addr));
	dma_unmap_page(&dev, addr, 64, DMA_TO_DEVICE);
	berth_device_set_coherent(&dev, false);
	assert_true(dma_need_sync(&dev, addr));
	__free_page(page);
	free_pages_exact(buf, 64);
	stop();
}

/* Bits that are given may leave no place between two boundaries. */
static bool fits_somewhere(const void *buf, size_t size, uint64_t align_mask, uint64_t boundary)
{
	return (virt_to_phys(buf) & align_mask & boundary) + (size - 1) <= boundary;
}

/* 27: low bits are kept, no mapping crosses a segment or the device's boundary. */
static void item_27_alignment_and_boundaries(void **state)
{
	static const unsigned int masks[] = { 0, 511, 2047, 4095, 65535 };
	dma_addr_t addr[64];
	uint8_t *buf;

	(void)state;
	start(true, NULL);
	buf = high(256 * KIB);
	for (size_t m = 0; m < ARRAY_SIZE(masks); m++) {
		for (unsigned int boundary = 15; boundary <= 64; boundary += 1) {
			uint64_t mask = DMA_BIT_MASK(boundary);

			assert_int_equal(dma_set_min_align_mask(&dev, masks[m]), 0);
			assert_int_equal(dma_set_seg_boundary(&dev, mask), 0);
			for (size_t i = 0; i < 64; i++) {
				size_t offset = i * 1237, size = 1 + i * 500;

				addr[i] = dma_map_single(&dev, buf + offset, size, DMA_TO_DEVICE);
				if (!fits_somewhere(buf + offset, size, masks[m], mask)) {
					assert_int_equal(addr[i], DMA_MAPPING_ERROR);
					assert_reason(BERTH_REASON_SEGMENT);
					continue;
				}
				assert_int_equal(dma_mapping_error(&dev, addr[i]), 0);
				assert_int_equal((addr[i] ^ virt_to_phys(buf + offset)) & masks[m],
						 0);
				assert_int_equal((addr[i] ^ (addr[i] + size - 1)) &
							 ~(uint64_t)(256 * KIB - 1),
						 0);
				assert_int_equal((addr[i] ^ (addr[i] + size - 1)) & ~mask, 0);
			}
			for (size_t i = 0; i < 64; i++)
				if (addr[i] != DMA_MAPPING_ERROR)
					dma_unmap_single(&dev, addr[i], 1 + i * 500, DMA_TO_DEVICE);
		}
	}
	assert_int_equal(info().used, 0);
	assert_int_equal(dma_set_min_align_mask(&dev, 5), -EINVAL);
	assert_int_equal(dma_set_min_align_mask(&dev, UINT32_MAX), -EINVAL);
	free_pages_exact(buf, 256 * KIB);
	stop();
}

/* Slots that were freed in any order join again: the largest mapping fits afterwards. */
static void item_27_free_slots_join(void **state)
{
	uint64_t random = 1;
	dma_addr_t addr[128];
	uint8_t *buf;

	(void)state;
	start(true, "swiotlb=128");
	buf = high(256 * KIB);
	for (unsigned int round = 0; round < 200; round++) {
		for (size_t i = 0; i < 128; i++)
			addr[i] = must_map(buf + i, 2048, DMA_TO_DEVICE);
		for (size_t i = 128; i > 0; i--) {
			size_t at;

			random = random * 6364136223846793005 + 1442695040888963407;
			at = (random >> 33) % i;
			dma_unmap_single(&dev, addr[at], 2048, DMA_TO_DEVICE);
			addr[at] = addr[i - 1];
		}
		addr[0] = must_map(buf, 256 * KIB, DMA_TO_DEVICE);
		dma_unmap_single(&dev, addr[0], 256 * KIB, DMA_TO_DEVICE);
	}
	assert_int_equal(info().nr_pools, 1);
	free_pages_exact(buf, 256 * KIB);
	stop();
}

/* 28: what a short device write leaves alone is as it was. */
static void item_28_copies(void **state)
{
	struct berth_swiotlb_info before;
	uint8_t *buf;
	dma_addr_t addr;

	(void)state;
	for (int coherent = 0; coherent < 2; coherent++) {
		start(coherent, NULL);
		buf = high(4096);
		fill(buf, 4096, 1);
		addr = must_map(buf, 4096, DMA_FROM_DEVICE);
		memset(seen(addr), 0, 10);
		dma_unmap_single(&dev, addr, 4096, DMA_FROM_DEVICE);
		assert_int_equal(buf[9], 0);
		buf[10] = (uint8_t)(10 * 7 + 1 + 0);
		fill(buf, 10, 1);
		must_be(buf, 4096, 1);
		/* Nothing is copied in for a device that overwrites all, nothing at all without sync. */
		before = info();
		addr = dma_map_single_attrs(&dev, buf, 4096, DMA_FROM_DEVICE, BERTH_ATTR_OVERWRITE);
		assert_int_equal(info().bytes_in, before.bytes_in);
		fill(seen(addr), 4096, 2);
		dma_unmap_single(&dev, addr, 4096, DMA_FROM_DEVICE);
		must_be(buf, 4096, 2);
		assert_int_equal(info().bytes_out, before.bytes_out + 4096);
		before = info();
		addr = dma_map_single_attrs(&dev, buf, 4096, DMA_FROM_DEVICE,
					    DMA_ATTR_SKIP_CPU_SYNC);
		memset(seen(addr), 0, 4096);
		dma_unmap_single_attrs(&dev, addr, 4096, DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC);
		must_be(buf, 4096, 2);
		assert_int_equal(info().bytes_in, before.bytes_in);
		assert_int_equal(info().bytes_out, before.bytes_out);
		/* The attribute means nothing to a device that reads. */
		addr = dma_map_single_attrs(&dev, buf, 4096, DMA_TO_DEVICE, BERTH_ATTR_OVERWRITE);
		must_be(seen(addr), 4096, 2);
		dma_unmap_single(&dev, addr, 4096, DMA_TO_DEVICE);
		free_pages_exact(buf, 4096);
		stop();
	}
}

/* What one device has left in a slot, another one never sees. */
static void no_bytes_of_other_devices(void **state)
{
	uint8_t *buf;
	dma_addr_t addr;

	(void)state;
	for (int coherent = 0; coherent < 2; coherent++) {
		start(coherent, "swiotlb=128");
		buf = high(256 * KIB);
		memset(buf, 0x77, 256 * KIB);
		addr = dma_map_single(&other, buf, 256 * KIB, DMA_TO_DEVICE);
		dma_unmap_single(&other, addr, 256 * KIB, DMA_TO_DEVICE);
		addr = dma_map_single_attrs(&dev, buf, 250 * KIB, DMA_FROM_DEVICE,
					    DMA_ATTR_SKIP_CPU_SYNC);
		for (size_t i = 0; i < 250 * KIB; i++)
			assert_int_equal(seen(addr)[i], 0);
		dma_unmap_single_attrs(&dev, addr, 250 * KIB, DMA_FROM_DEVICE,
				       DMA_ATTR_SKIP_CPU_SYNC);
		free_pages_exact(buf, 256 * KIB);
		stop();
	}
}

/* 29: a full pool is an error address and no more; the pool grows before that. */
static void item_29_full(void **state)
{
	dma_addr_t addr[1024];
	unsigned int nr = 0;
	uint8_t *buf;

	(void)state;
	start(true, "swiotlb=128");
	buf = high(256 * KIB);
	assert_int_equal(info().bytes, 256 * KIB);
	while (nr < 1024) {
		addr[nr] = dma_map_single_attrs(&dev, buf, 256 * KIB, DMA_TO_DEVICE,
						nr ? DMA_ATTR_NO_WARN : 0);
		if (dma_mapping_error(&dev, addr[nr]))
			break;
		nr++;
	}
	assert_reason(BERTH_REASON_BOUNCE_FULL);
	assert_true(nr > 10 && nr < 1024);
	assert_int_equal(info().bytes, info().used);
	assert_int_equal(info().nr_full, 1);
	while (nr--)
		dma_unmap_single(&dev, addr[nr], 256 * KIB, DMA_TO_DEVICE);
	assert_int_equal(info().used, 0);
	free_pages_exact(buf, 256 * KIB);
	stop();
}

/* 2, 3, 4: of a list only those entries are bounced that must be; all or nothing. */
static void items_2_3_4_lists(void **state)
{
	struct sg_table table;
	struct scatterlist *sg;
	struct page *low;
	uint8_t *buf;
	unsigned int i;

	(void)state;
	for (int coherent = 0; coherent < 2; coherent++) {
		start(coherent, NULL);
		buf = high(16384);
		low = alloc_pages(GFP_KERNEL | GFP_DMA32, 0);
		fill(buf, 16384, 0);
		assert_int_equal(sg_alloc_table(&table, 3, GFP_KERNEL), 0);
		sg_set_buf(table.sgl, buf, 5000);
		sg_set_page(sg_next(table.sgl), low, 4096, 0);
		sg_set_buf(sg_last(table.sgl, 3), buf + 8192, 8192);
		assert_int_equal(dma_map_sgtable(&dev, &table, DMA_BIDIRECTIONAL, 0), 0);
		assert_int_equal(table.nents, 3);
		for_each_sgtable_dma_sg(&table, sg, i) {
			assert_true(sg_dma_address(sg) < FOUR_GIB);
			assert_int_equal(sg_dma_address(sg) == page_to_phys(low), i == 1);
			if (i != 1)
				assert_memory_equal(seen(sg_dma_address(sg)), sg_virt(sg),
						    sg->length);
			memset(seen(sg_dma_address(sg)), 0x30 + (int)i, sg_dma_len(sg));
		}
		dma_sync_sgtable_for_cpu(&dev, &table, DMA_BIDIRECTIONAL);
		assert_int_equal(buf[4999], 0x30);
		assert_int_equal(buf[8192], 0x32);
		dma_sync_sgtable_for_device(&dev, &table, DMA_BIDIRECTIONAL);
		dma_unmap_sgtable(&dev, &table, DMA_BIDIRECTIONAL, 0);
		assert_int_equal(info().used, 0);
		assert_int_equal(info().nr_maps, 2);
		/* 3: what is wrong with a list. */
		assert_int_equal(dma_map_sgtable(&dev, &table, DMA_NONE, 0), -EINVAL);
		assert_int_equal(dma_set_max_seg_size(&dev, 8191), 0);
		assert_int_equal(dma_map_sgtable(&dev, &table, DMA_TO_DEVICE, 0), -EINVAL);
		assert_reason(BERTH_REASON_SEGMENT);
		assert_int_equal(info().used, 0);
		assert_int_equal(table.orig_nents, 3);
		sg_free_table(&table);
		__free_page(low);
		free_pages_exact(buf, 16384);
		stop();
	}
}

/* 5: a segment crosses no boundary: an entry that would is bounced, or refused. */
static void item_5_entries_across_a_boundary(void **state)
{
	struct scatterlist sg;
	uint8_t *buf, *pages;
	dma_addr_t addr;

	(void)state;
	for (int bounce = 0; bounce < 2; bounce++) {
		start(true, bounce ? NULL : "swiotlb=noforce");
		assert_int_equal(dma_set_mask(&dev, DMA_BIT_MASK(64)), 0);
		assert_int_equal(dma_set_seg_boundary(&dev, 0xffff), 0);
		buf = pages = high(128 * KIB);
		while (virt_to_phys(buf + 65536) & 0xffff)
			buf += 4096;
		fill(buf + 65000, 1000, 1);
		sg_init_one(&sg, buf + 65000, 1000);
		if (bounce) {
			assert_int_equal(dma_map_sg(&dev, &sg, 1, DMA_TO_DEVICE), 1);
			addr = sg_dma_address(&sg);
			assert_int_equal((addr ^ (addr + 999)) & ~0xffffull, 0);
			must_be(seen(addr), 1000, 1);
			dma_unmap_sg(&dev, &sg, 1, DMA_TO_DEVICE);
			assert_int_equal(info().nr_maps, 1);
			sg_init_one(&sg, buf + 65536 - 1000, 1000);
			assert_int_equal(dma_map_sg(&dev, &sg, 1, DMA_TO_DEVICE), 1);
			dma_unmap_sg(&dev, &sg, 1, DMA_TO_DEVICE);
			assert_int_equal(info().nr_maps, 1);
		} else {
			assert_int_equal(dma_map_sg(&dev, &sg, 1, DMA_TO_DEVICE), 0);
			assert_reason(BERTH_REASON_SEGMENT);
		}
		free_pages_exact(pages, 128 * KIB);
		stop();
	}
}

/* 15: registers of another device: no copy, no maintenance, no RAM. */
static void item_15_resources(void **state)
{
	const struct berth_dma_window windows[] = { { 0x80000000, 0, 0x4000000 },
						    { 0x10000000, 0x7e000000, 0x1000000 } };
	struct berth_model_stats before, after;
	dma_addr_t addr;

	(void)state;
	start(false, "swiotlb=force");
	berth_model_stats(&before);
	addr = dma_map_resource(&dev, 0x10000004, 4, DMA_BIDIRECTIONAL, 0);
	assert_int_equal(addr, 0x10000004);
	dma_unmap_resource(&dev, addr, 4, DMA_BIDIRECTIONAL, 0);
	assert_int_equal(berth_device_set_windows(&dev, windows, 2), 0);
	assert_int_equal(dma_map_resource(&dev, 0x10000004, 4, DMA_TO_DEVICE, 0), 0x7e000004);
	assert_int_equal(dma_map_resource(&dev, 0x10fffffd, 4, DMA_TO_DEVICE, 0),
			 DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_WINDOW);
	assert_int_equal(dma_map_resource(&dev, 0x80000000, 4, DMA_TO_DEVICE, 0),
			 DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(dma_map_resource(&dev, 0x7fffffff, 4, DMA_TO_DEVICE, 0),
			 DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(dma_map_resource(&dev, UINT64_MAX, 4, DMA_TO_DEVICE, 0),
			 DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(dma_set_mask(&dev, DMA_BIT_MASK(30)), 0);
	assert_int_equal(dma_map_resource(&dev, 0x10000004, 4, DMA_TO_DEVICE, 0),
			 DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_MASK);
	berth_model_stats(&after);
	assert_int_equal(before.cache_ops, after.cache_ops);
	assert_int_equal(info().nr_maps, 0);
	stop();
}

static void options(void **state)
{
	static const struct {
		const char *bootargs;
		uint64_t bytes;
	} good[] = {
		{ NULL, 8 << 20 }, /* a sixteenth of RAM */
		{ "swiotlb=1", 256 * KIB },
		{ "swiotlb=300,3", 768 * KIB },
		{ "swiotlb=128,1,force", 256 * KIB },
		{ "swiotlb=256,force quiet", 512 * KIB },
		{ "swiotlb=force", 8 << 20 },
		{ "swiotlb=noforce", 0 },
	};
	static const char *const bad[] = { "swiotlb=x",	     "swiotlb=",      "swiotlb=12q",
					   "swiotlb=forced", "swiotlb=1,1,1", "swiotlb=99999999" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		start(true, good[i].bootargs);
		assert_int_equal(info().bytes, good[i].bytes);
		stop();
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct berth_options options = { .machine = &berth_model,
						       .bootargs = bad[i] };

		assert_true(berth_start(board_network, NULL, &options) < 0);
		assert_string_equal(berth_last_error()->subject, "swiotlb=");
	}
}

/* Without RAM above 4 GiB there is no pool, until a device needs one in its own reach. */
static void a_pool_grows_where_a_device_reaches(void **state)
{
	const struct berth_dma_window window = { 0x80400000, 0x100000, 0x300000 };
	uint8_t *buf;
	dma_addr_t addr;

	(void)state;
	must_start(tree_minimal, NULL, NULL);
	memset(&dev, 0, sizeof(dev));
	assert_int_equal(device_register(&dev, "test-device"), 0);
	berth_device_set_coherent(&dev, true);
	assert_int_equal(info().nr_pools, 0);
	assert_int_equal(berth_device_set_windows(&dev, &window, 1), 0);
	buf = alloc_pages_exact(8192, GFP_KERNEL);
	assert_non_null(buf);
	assert_false(virt_to_phys(buf) - window.cpu < window.size);
	fill(buf, 8192, 1);
	addr = dma_map_single(&dev, buf, 8192, DMA_TO_DEVICE);
	assert_true(addr >= 0x100000 && addr + 8192 <= 0x400000);
	must_be(phys_to_virt(addr + 0x80300000), 8192, 1);
	dma_unmap_single(&dev, addr, 8192, DMA_TO_DEVICE);
	assert_int_equal(info().nr_pools, 1);
	free_pages_exact(buf, 8192);
	device_unregister(&dev);
	must_stop();
}

static void every_allocation_may_fail(void **state)
{
	uint8_t *buf;
	uint64_t n;

	(void)state;
	for (n = 1;; n++) {
		dma_addr_t addr;
		bool failed;

		must_start(board_network, NULL, "swiotlb=128");
		memset(&dev, 0, sizeof(dev));
		assert_int_equal(device_register(&dev, "test-device"), 0);
		buf = high(4096);
		for (unsigned int i = 0; i < 64; i++)
			must_map(buf, 4096, DMA_TO_DEVICE);
		berth_test_fail_nth(n);
		addr = dma_map_single(&dev, buf, 4096, DMA_TO_DEVICE);
		failed = berth_test_failed();
		berth_test_fail_nth(0);
		if (addr == DMA_MAPPING_ERROR)
			assert_reason(BERTH_REASON_BOUNCE_FULL);
		else
			dma_unmap_single(&dev, addr, 4096, DMA_TO_DEVICE);
		free_pages_exact(buf, 4096);
		/* Everything ends: the 64 mappings go with their device. */
		device_unregister(&dev);
		assert_int_equal(info().used, 0);
		must_stop();
		if (!failed)
			break;
	}
	assert_true(n > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sizes_and_directions),
		cmocka_unit_test(what_is_in_reach_is_not_bounced),
		cmocka_unit_test(item_9_order_of_copy_and_maintenance),
		cmocka_unit_test(item_10_part_of_a_mapping_is_synced),
		cmocka_unit_test(items_6_and_12_wrong_unmaps),
		cmocka_unit_test(item_16_max_mapping_size),
		cmocka_unit_test(item_18_need_sync),
		cmocka_unit_test(item_27_alignment_and_boundaries),
		cmocka_unit_test(item_27_free_slots_join),
		cmocka_unit_test(item_28_copies),
		cmocka_unit_test(no_bytes_of_other_devices),
		cmocka_unit_test(item_29_full),
		cmocka_unit_test(items_2_3_4_lists),
		cmocka_unit_test(item_5_entries_across_a_boundary),
		cmocka_unit_test(item_15_resources),
		cmocka_unit_test(options),
		cmocka_unit_test(a_pool_grows_where_a_device_reaches),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("swiotlb", tests, NULL, NULL);
}
