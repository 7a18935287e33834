/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that map, let the device write and unmap, all through one domain. */
#include "dma_iommu.h"

#include "dma/iommu.h"

#define THREADS 4
#define ROUNDS 1500
#define PAGES 8u

static struct device *dev;
static unsigned int nr_wrong;

static void check(bool ok)
{
	if (!ok)
		__atomic_fetch_add(&nr_wrong, 1, __ATOMIC_RELAXED);
}

static void one_round(uint8_t *block, unsigned int r, uint8_t byte)
{
	size_t at = r % 2000, size = 1 + (r >> 4) % (5 * 4096);
	dma_addr_t addr = dma_map_single(dev, block + at, size, DMA_BIDIRECTIONAL);
	struct scatterlist sg[PAGES];

	check(!dma_mapping_error(dev, addr));
	check(device_write(1, addr, byte, size));
	dma_unmap_single(dev, addr, size, DMA_BIDIRECTIONAL);
	check(are(block + at, byte, size));
	sg_init_table(sg, PAGES);
	for (unsigned int i = 0; i < PAGES; i++)
		sg_set_buf(&sg[i], block + i * PAGE_SIZE, PAGE_SIZE);
	check(dma_map_sg(dev, sg, PAGES, DMA_BIDIRECTIONAL) > 0);
	check(device_write(1, sg[0].dma_address, (uint8_t)~byte, sg[0].dma_length));
	dma_unmap_sg(dev, sg, PAGES, DMA_BIDIRECTIONAL);
	check(are(block, (uint8_t)~byte, PAGE_SIZE));
}

static void *run(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;
	uint8_t *block = (uint8_t *)__get_free_pages(GFP_KERNEL, 3);

	check(block);
	for (unsigned int i = 0; block && i < ROUNDS; i++) {
		seed = seed * 1103515245 + 12345;
		one_round(block, seed >> 3, (uint8_t)(seed >> 20));
	}
	free_pages((unsigned long)block, 3);
	return NULL;
}

static void threads_share_a_domain(void **state)
{
	static const char *const protections[] = { "strict", "lazy", "shadow", NULL };

	(void)state;
	for (unsigned int p = 0; p < ARRAY_SIZE(protections); p++) {
		pthread_t threads[THREADS];

		begin_tree();
		begin_client("client", 1, protections[p]);
		fdt_flag(&fdt, "dma-coherent");
		if (!protections[p])
			fdt_flag(&fdt, "berth,untrusted");
		fdt_end(&fdt);
		must_start(fdt_finish(&fdt), test_drivers, NULL);
		dev = device_at("/client");
		for (uintptr_t i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, run, (void *)(i + 1)),
					 0);
		for (unsigned int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(nr_wrong, 0);
		if (!iommu_dma_of(dev)->pool)
			assert_int_equal(berth_iommu_dma_count_ranges(iommu_dma_of(dev)->cookie),
					 iommu_dma_of(dev)->cookie->nr_reserved);
		must_stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(threads_share_a_domain) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
