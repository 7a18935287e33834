/* SPDX-License-Identifier: BSD-2-Clause */
/* Buffers at other addresses; numbers are those of the items in docs/semantics.md. */
#include "pools.h"

#include <berth/io.h>
#include <berth/vm_area.h>

static int start(void **state)
{
	(void)state;
	pools_start(NULL, false);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	must_stop();
	return 0;
}

static unsigned char *start_of(const struct vm_area_struct *vma)
{
	return (unsigned char *)vma->vm_start;
}

/* Every back end: what is written at the other address, the device sees, and the other way. */
static void item_25_a_program_and_a_device_share_a_buffer(void **state)
{
	static const gfp_t gfps[] = { GFP_KERNEL, GFP_ATOMIC };

	(void)state;
	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(all_paths); i++) {
		const char *path = all_paths[i / 2];
		struct device *dev = pools_dev(path);
		struct vm_area_struct vma;
		unsigned char *virt, *user;
		dma_addr_t addr;

		assert_true(dma_can_mmap(dev));
		virt = dma_alloc_coherent(dev, 3 * PAGE_SIZE, &addr, gfps[i % 2]);
		virt[5000] = 0x44;
		assert_int_equal(berth_vma_reserve(&vma, 3 * PAGE_SIZE, 0), 0);
		assert_int_equal(vma_pages(&vma), 3);
		assert_int_equal(dma_mmap_coherent(dev, &vma, virt, addr, 3 * PAGE_SIZE), 0);
		user = start_of(&vma);
		assert_ptr_not_equal(user, virt);
		assert_int_equal(user[5000], 0x44);
		assert_shared(path, user, addr, 3 * PAGE_SIZE);
		user[77] = 0x88;
		mb();
		assert_int_equal(virt[77], 0x88);
		/* Shown there, it stays. */
		dma_free_coherent(dev, 3 * PAGE_SIZE, virt, addr);
		assert_reason(BERTH_REASON_PAGE_BUSY);
		assert_shared(path, user, addr, 3 * PAGE_SIZE);
		berth_vma_release(&vma);
		berth_clear_error();
		dma_free_coherent(dev, 3 * PAGE_SIZE, virt, addr);
		assert_reason(BERTH_REASON_NONE);
	}
}

/* Protection by coherency. */
static void item_25_the_type_is_that_of_the_memory(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		unsigned long attrs = i & 1 ? DMA_ATTR_WRITE_COMBINE : 0;
		struct device *dev = pools_dev(all_paths[i / 2]);
		struct vm_area_struct vma;
		dma_addr_t addr;
		void *virt = dma_alloc_attrs(dev, 100, &addr, GFP_KERNEL, attrs);
		pgprot_t want = i >= 2 ? BERTH_MEMORY_CACHED
				: i    ? BERTH_MEMORY_WRITE_COMBINE
				       : BERTH_MEMORY_UNCACHED;

		assert_int_equal(berth_vma_reserve(&vma, 100, 0), 0);
		assert_int_equal(dma_mmap_attrs(dev, &vma, virt, addr, 100, attrs), 0);
		assert_int_equal(vma.vm_page_prot, want);
		berth_vma_release(&vma);
		assert_int_equal(berth_vma_reserve(&vma, 100, 0), 0);
		assert_int_equal(dma_mmap_wc(dev, &vma, virt, addr, 100), attrs ? 0 : -EINVAL);
		berth_vma_release(&vma);
		dma_free_attrs(dev, 100, virt, addr, attrs);
	}
}

static void item_25_nothing_beyond_the_buffer(void **state)
{
	static const struct {
		unsigned int pages, pgoff;
		size_t size;
		int ret;
	} cases[] = {
		{ 5, 0, 5, 0 },
		{ 1, 4, 5, 0 },
		{ 2, 3, 5, 0 },
		{ 6, 0, 5, -ENXIO },
		{ 2, 4, 5, -ENXIO },
		{ 1, 5, 5, -ENXIO },
		{ 1, 1u << 31, 5, -ENXIO },
		{ 5, 0, 6, -ENXIO },
		{ 3, 0, 2, -ENXIO },
		{ 1, 0, 0, -ENXIO },
	};
	(void)state;
	for (unsigned int d = 0; d < 3; d++) {
		struct device *dev = pools_dev(all_paths[d]);
		dma_addr_t addr;
		unsigned char *virt = dma_alloc_coherent(dev, 5 * PAGE_SIZE, &addr, GFP_KERNEL);

		for (unsigned int i = 0; i < 5; i++)
			virt[i * PAGE_SIZE] = (unsigned char)(i + 1);
		for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
			struct vm_area_struct vma;
			int ret;

			assert_int_equal(berth_vma_reserve(&vma, cases[i].pages * PAGE_SIZE,
							   cases[i].pgoff),
					 0);
			ret = dma_mmap_coherent(dev, &vma, virt, addr, cases[i].size * PAGE_SIZE);
			assert_int_equal(ret, cases[i].ret);
			if (ret)
				assert_reason(BERTH_REASON_ARGUMENT);
			for (unsigned int page = 0; !ret && page < cases[i].pages; page++)
				assert_int_equal(start_of(&vma)[page * PAGE_SIZE],
						 cases[i].pgoff + page + 1);
			berth_vma_release(&vma);
		}
		berth_clear_error();
		dma_free_coherent(dev, 5 * PAGE_SIZE, virt, addr);
		assert_reason(BERTH_REASON_NONE);
	}
}

static void item_23_only_what_was_handed_out_is_shown(void **state)
{
	struct device *dev = pools_dev(all_paths[0]), *other = pools_dev(all_paths[1]);
	struct vm_area_struct vma;
	struct sg_table sgt;
	dma_addr_t addr;
	char *virt = dma_alloc_coherent(dev, PAGE_SIZE, &addr, GFP_KERNEL);
	struct page *page = alloc_pages(GFP_KERNEL, 0);

	(void)state;
	assert_int_equal(berth_vma_reserve(&vma, PAGE_SIZE, 0), 0);
	assert_int_equal(dma_mmap_coherent(dev, &vma, virt + 64, addr, PAGE_SIZE), -EINVAL);
	assert_reason(BERTH_REASON_NOT_OWNED);
	assert_int_equal(dma_mmap_coherent(other, &vma, virt, addr, PAGE_SIZE), -EINVAL);
	assert_int_equal(dma_mmap_coherent(dev, &vma, virt, addr + PAGE_SIZE, PAGE_SIZE), -EINVAL);
	assert_int_equal(dma_mmap_pages(dev, &vma, PAGE_SIZE, page), -EINVAL);
	assert_int_equal(dma_mmap_noncontiguous(dev, &vma, PAGE_SIZE, &sgt), -EINVAL);
	assert_int_equal(dma_get_sgtable(other, &sgt, virt, addr, PAGE_SIZE), -EINVAL);
	assert_reason(BERTH_REASON_NOT_OWNED);
	/* An area shows one thing at a time. */
	assert_int_equal(dma_mmap_coherent(dev, &vma, virt, addr, PAGE_SIZE), 0);
	assert_int_equal(dma_mmap_coherent(dev, &vma, virt, addr, PAGE_SIZE), -EBUSY);
	assert_reason(BERTH_REASON_STATE);
	berth_vma_release(&vma);
	berth_vma_release(&vma);
	assert_int_equal(berth_vma_reserve(&vma, 0, 0), -EINVAL);
	__free_pages(page, 0);
	dma_free_coherent(dev, PAGE_SIZE, virt, addr);
}

/* The way to memory that the program itself has no address for. */
static void no_kernel_mapping_can_be_mapped(void **state)
{
	(void)state;
	for (unsigned int d = 0; d < 3; d++) {
		struct device *dev = pools_dev(all_paths[d]);
		struct vm_area_struct vma;
		dma_addr_t addr;
		void *cookie =
			dma_alloc_attrs(dev, 9000, &addr, GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING);

		assert_int_equal(berth_vma_reserve(&vma, 9000, 0), 0);
		assert_int_equal(dma_mmap_attrs(dev, &vma, cookie, addr, 9000,
						DMA_ATTR_NO_KERNEL_MAPPING),
				 0);
		assert_zeroed(start_of(&vma), 9000);
		assert_shared(all_paths[d], start_of(&vma), addr, 9000);
		berth_vma_release(&vma);
		dma_free_attrs(dev, 9000, cookie, addr, DMA_ATTR_NO_KERNEL_MAPPING);
	}
}

/* Cached, so with syncs. */
static void pages_and_tables_can_be_mapped(void **state)
{
	(void)state;
	for (unsigned int d = 0; d < 2; d++) {
		struct device *dev = pools_dev(all_paths[d]);
		struct vm_area_struct vma, second;
		struct sg_table *sgt;
		struct page *page;
		dma_addr_t addr;

		page = dma_alloc_pages(dev, 9000, &addr, DMA_BIDIRECTIONAL, GFP_KERNEL);
		assert_int_equal(berth_vma_reserve(&vma, 2 * PAGE_SIZE, 1), 0);
		assert_int_equal(berth_vma_reserve(&second, 4 * PAGE_SIZE, 0), 0);
		assert_int_equal(dma_mmap_pages(dev, &second, 9000, page), -ENXIO);
		assert_int_equal(dma_mmap_pages(dev, &vma, 9000, page), 0);
		start_of(&vma)[5] = 0x19;
		dma_sync_single_for_device(dev, addr, 9000, DMA_BIDIRECTIONAL);
		assert_int_equal(hw_read(all_paths[d], addr + PAGE_SIZE + 5), 0x19);
		hw_write(all_paths[d], addr, 0x91, 9000);
		dma_sync_single_for_cpu(dev, addr, 9000, DMA_BIDIRECTIONAL);
		assert_int_equal(start_of(&vma)[5], 0x91);
		berth_vma_release(&vma);
		dma_free_pages(dev, 9000, page, addr, DMA_BIDIRECTIONAL);

		sgt = dma_alloc_noncontiguous(dev, 16384, DMA_FROM_DEVICE, GFP_KERNEL, 0);
		assert_int_equal(dma_mmap_noncontiguous(dev, &second, 16384, sgt), 0);
		dma_sync_sg_for_device(dev, sgt->sgl, 1, DMA_FROM_DEVICE);
		hw_write(all_paths[d], sg_dma_address(sgt->sgl), 0x3c, 16384);
		dma_sync_sg_for_cpu(dev, sgt->sgl, 1, DMA_FROM_DEVICE);
		assert_int_equal(start_of(&second)[16383], 0x3c);
		berth_vma_release(&second);
		berth_clear_error();
		dma_free_noncontiguous(dev, 16384, sgt, DMA_FROM_DEVICE);
		assert_reason(BERTH_REASON_NONE);
	}
}

/* For another device. */
static void a_buffer_as_a_table(void **state)
{
	(void)state;
	for (unsigned int d = 0; d < 3; d++) {
		struct device *dev = pools_dev(all_paths[d]);
		struct sg_table sgt;
		dma_addr_t addr;
		void *virt = dma_alloc_coherent(dev, 9000, &addr, GFP_KERNEL);

		if (d == 2) {
			assert_int_equal(dma_get_sgtable(dev, &sgt, virt, addr, 9000), -ENXIO);
			assert_reason(BERTH_REASON_MAPPING);
		} else {
			assert_int_equal(dma_get_sgtable(dev, &sgt, virt, addr, 9000), 0);
			assert_int_equal(sgt.orig_nents, 1);
			assert_int_equal(sg_phys(sgt.sgl), addr);
			assert_int_equal(sgt.sgl->length, PAGE_ALIGN(9000));
			sg_free_table(&sgt);
			assert_int_equal(dma_get_sgtable(dev, &sgt, virt, addr, 90000), -ENXIO);
			assert_reason(BERTH_REASON_ARGUMENT);
		}
		dma_free_coherent(dev, 9000, virt, addr);
	}
}

static void every_step_may_fail(void **state)
{
	struct device *dev = pools_dev(all_paths[0]);
	dma_addr_t addr;
	void *virt = dma_alloc_coherent(dev, 9000, &addr, GFP_KERNEL);
	bool was_perfect = false;
	uint64_t n;

	(void)state;
	for (n = 1; !was_perfect; n++) {
		struct vm_area_struct vma;
		struct sg_table sgt;
		int err;

		berth_test_fail_nth(n);
		err = berth_vma_reserve(&vma, 9000, 0);
		if (!err)
			err = dma_mmap_coherent(dev, &vma, virt, addr, 9000);
		if (!err)
			err = dma_get_sgtable(dev, &sgt, virt, addr, 9000);
		was_perfect = !berth_test_failed();
		berth_test_fail_nth(0);
		assert_int_equal(err, was_perfect ? 0 : -ENOMEM);
		if (err)
			assert_int_equal(berth_last_error()->code, err);
		else
			sg_free_table(&sgt);
		berth_vma_release(&vma);
	}
	assert_true(n > 4);
	berth_clear_error();
	dma_free_coherent(dev, 9000, virt, addr); /* no view is left */
	assert_reason(BERTH_REASON_NONE);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(item_23_only_what_was_handed_out_is_shown),
		TEST(item_25_a_program_and_a_device_share_a_buffer),
		TEST(item_25_the_type_is_that_of_the_memory),
		TEST(item_25_nothing_beyond_the_buffer),
		TEST(no_kernel_mapping_can_be_mapped),
		TEST(pages_and_tables_can_be_mapped),
		TEST(a_buffer_as_a_table),
		TEST(every_step_may_fail),
	};

	return cmocka_run_group_tests_name("dma mmap", tests, NULL, NULL);
}
