/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that the DMA API refuses by address, and the way that works: its pages, in a scatterlist. */
#include "machine.h"

#include <berth/anon.h>
#include <berth/dma-mapping.h>
#include <berth/migrate.h>
#include <berth/vmalloc.h>

#define NR 50u
#define SIZE (NR * PAGE_SIZE)
#define OFFSET 300u

static struct device dev;

static void start(void)
{
	must_start(tree_minimal, NULL, "highmem=4M");
	memset(&dev, 0, sizeof(dev));
	assert_int_equal(device_register(&dev, "test-device"), 0);
	berth_device_set_coherent(&dev, false);
	berth_clear_error();
}

static void stop(void)
{
	device_unregister(&dev);
	must_stop();
}

/* The device reads and writes what @sgt says; @virt is where the CPU sees it. */
static void check_through_device(struct sg_table *sgt, uint8_t *virt, size_t size)
{
	struct scatterlist *sg;
	size_t at = 0;
	int nr, i;

	for (size_t n = 0; n < size; n++)
		virt[n] = (uint8_t)(n * 7 >> 3);
	/* Pages that meet are one entry, however long. */
	assert_int_equal(dma_set_max_seg_size(&dev, UINT_MAX), 0);
	nr = (int)dma_map_sg(&dev, sgt->sgl, (int)sgt->orig_nents, DMA_BIDIRECTIONAL);
	assert_in_range(nr, 1, sgt->orig_nents);
	for_each_sg(sgt->sgl, sg, nr, i) {
		uint8_t *memory = berth_model_memory(sg_dma_address(sg));

		for (unsigned int n = 0; n < sg_dma_len(sg); n++, at++) {
			assert_int_equal(memory[n], (uint8_t)(at * 7 >> 3));
			memory[n] = (uint8_t)~memory[n];
		}
	}
	assert_int_equal(at, size);
	dma_unmap_sg(&dev, sgt->sgl, (int)sgt->orig_nents, DMA_BIDIRECTIONAL);
	for (size_t n = 0; n < size; n++)
		assert_int_equal(virt[n], (uint8_t) ~(n * 7 >> 3));
}

static void item_11_memory_of_vmalloc_goes_by_its_pages(void **state)
{
	struct page *pages[NR];
	struct sg_table sgt;
	uint8_t *virt;

	(void)state;
	start();
	virt = vmalloc(SIZE);
	assert_non_null(virt);
	assert_int_equal(dma_map_single(&dev, virt, SIZE, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_NOT_LINEAR);
	for (unsigned int i = 0; i < NR; i++)
		pages[i] = vmalloc_to_page(virt + i * PAGE_SIZE);
	assert_true(PageHighMem(pages[0]));
	assert_int_equal(sg_alloc_table_from_pages(&sgt, pages, NR, OFFSET, SIZE - 2 * OFFSET,
						   GFP_KERNEL),
			 0);
	check_through_device(&sgt, virt + OFFSET, SIZE - 2 * OFFSET);
	sg_free_table(&sgt);
	vfree(virt);
	stop();
}

static void item_11_memory_of_programs_goes_by_its_pins(void **state)
{
	struct page *pages[NR];
	struct sg_table sgt;
	uint8_t *virt;

	(void)state;
	start();
	virt = berth_anon_alloc(SIZE);
	assert_non_null(virt);
	assert_int_equal(dma_map_single(&dev, virt, SIZE, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
	assert_reason(BERTH_REASON_NOT_LINEAR);
	assert_int_equal(pin_user_pages((unsigned long)virt, NR, FOLL_WRITE | FOLL_LONGTERM, pages),
			 NR);
	assert_int_equal(sg_alloc_table_from_pages_segment(&sgt, pages, NR, OFFSET, SIZE - OFFSET,
							   dma_get_max_seg_size(&dev), GFP_KERNEL),
			 0);
	check_through_device(&sgt, virt + OFFSET, SIZE - OFFSET);
	sg_free_table(&sgt);
	unpin_user_pages(pages, NR);
	berth_anon_free(virt);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(item_11_memory_of_vmalloc_goes_by_its_pages),
		cmocka_unit_test(item_11_memory_of_programs_goes_by_its_pins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
