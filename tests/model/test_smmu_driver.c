/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SMMUv3 driver on the modelled SMMU, which reads memory as it is, remembers tables as well as
 * pages, and takes its time: a clean that is missing shows, and so does an invalidation.
 */
#include "soc.h"

#include <pthread.h>

#include <berth/berth.h>
#include <berth/gfp.h>
#include <berth/io.h>
#include <berth/iommu.h>
#include <berth/mm.h>
#include <berth/of.h>
#include <berth/platform_device.h>

#include <berth/drivers/smmu-v3.h>

#define IOVA 0x40000000ull
#define NR_PAGES 64u
#define ROUNDS 1500u

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_NO_MORE_DRIVERS,
};

static const void *tree(bool is_coherent)
{
	static const char names[] = "eventq\0gerror";
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "memory@40000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, (uint32_t)RAM, 0, (uint32_t)(4 * RAM_SIZE));
	fdt_end(&fdt);
	fdt_begin(&fdt, "interrupt-controller@8001000");
	fdt_text(&fdt, "compatible", "arm,cortex-a15-gic");
	fdt_cells(&fdt, "reg", 0, 0x8001000, 0, 0x1000, 0, 0x8002000, 0, 0x1000);
	fdt_cells(&fdt, "#interrupt-cells", 3);
	fdt_flag(&fdt, "interrupt-controller");
	fdt_cells(&fdt, "phandle", 2);
	fdt_end(&fdt);
	fdt_begin(&fdt, "smmu@20000000");
	fdt_text(&fdt, "compatible", "arm,smmu-v3");
	fdt_cells(&fdt, "reg", 0, 0x20000000, 0, 0x20000);
	fdt_cells(&fdt, "#iommu-cells", 1);
	fdt_cells(&fdt, "phandle", 1);
	fdt_cells(&fdt, "interrupt-parent", 2);
	fdt_cells(&fdt, "interrupts", 0, 40, 1, 0, 41, 1);
	fdt_property(&fdt, "interrupt-names", sizeof(names));
	fdt_bytes(&fdt, names, sizeof(names));
	if (is_coherent)
		fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
	fdt_begin(&fdt, "client@10000000");
	fdt_text(&fdt, "compatible", "test,device");
	fdt_cells(&fdt, "reg", 0, REGISTERS, 0, 0x1000);
	fdt_cells(&fdt, "iommus", 1, 0x123);
	fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

static unsigned int wrong_reasons;
static uint32_t nr_looks, is_over;

static void hear(const struct berth_iommu_fault *fault, void *data)
{
	(void)data;
	if (fault->reason != BERTH_IOMMU_FAULT_TRANSLATION)
		__atomic_fetch_add(&wrong_reasons, 1, __ATOMIC_RELAXED);
}

static uint32_t seed;

static unsigned int below(unsigned int limit)
{
	seed = seed * 1664525u + 1013904223u;
	return (unsigned int)((uint64_t)(seed >> 8) * limit >> 24);
}

/* Whether an access goes through. */
static bool reaches(struct model_device *dev, uint64_t bus, uint8_t byte)
{
	int ret;

	model_lock();
	ret = model_dma_write(dev, bus, &byte, 1);
	model_unlock();
	return !ret;
}

/* One page of some is mapped, unmapped, or used. */
static void step(struct iommu_domain *domain, struct model_device *client, uint8_t *pages,
		 uint16_t *at)
{
	unsigned int i = below(NR_PAGES), page = below(NR_PAGES);
	/* Pages of three tables. */
	uint64_t iova = IOVA + (i % 3) * 0x200000ull + i * PAGE_SIZE;
	uint8_t byte = (uint8_t)below(256);

	if (at[i] && below(2)) {
		assert_int_equal(iommu_unmap(domain, iova, PAGE_SIZE), PAGE_SIZE);
		at[i] = 0;
	} else if (!at[i]) {
		assert_int_equal(iommu_map(domain, iova, virt_to_phys(pages + page * PAGE_SIZE),
					   PAGE_SIZE, IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE,
					   GFP_KERNEL),
				 0);
		at[i] = (uint16_t)(page + 1);
	}
	assert_int_equal(reaches(client, iova + 77, byte), at[i] != 0);
	if (at[i])
		assert_int_equal(*(volatile uint8_t *)(pages + (at[i] - 1u) * PAGE_SIZE + 77),
				 byte);
}

static void run(bool is_coherent, const struct berth_model_smmu_config *smmu, unsigned int number)
{
	const struct berth_model_config config = { .seed = number, .smmu = smmu };
	const struct berth_options options = { .machine = &berth_model, .machine_config = &config };
	struct berth_model_smmu_stats stats;
	uint16_t at[NR_PAGES] = { 0 };
	struct iommu_domain *domain;
	struct model_device *client;
	struct device *dev;
	uint8_t *pages;

	seed = number;
	model_add_type(&test_type);
	if (berth_running())
		berth_stop();
	assert_int_equal(berth_start(tree(is_coherent), drivers, &options), 0);
	client = model_find("/client@10000000");
	dev = &of_find_device_by_node(of_find_node_by_path("/client@10000000"))->dev;
	assert_true(device_iommu_mapped(dev));
	berth_iommu_set_listener(hear, NULL);
	wrong_reasons = 0;
	domain = iommu_domain_alloc(dev);
	assert_non_null(domain);
	assert_int_equal(iommu_attach_device(domain, dev), 0);
	pages = page_address(alloc_pages(GFP_KERNEL, 6));
	for (unsigned int i = 0; i < ROUNDS; i++)
		step(domain, client, pages, at);
	assert_int_equal(berth_model_smmu_stats(NULL, &stats), 0);
	assert_int_equal(stats.stale_hits, 0);
	assert_int_equal(stats.command_errors, 0);
	assert_true(stats.faults > 0 && stats.iotlb_hits > 0);
	assert_int_equal(wrong_reasons, 0);
	__free_pages(virt_to_page(pages), 6);
	iommu_detach_device(domain, dev);
	iommu_domain_free(domain);
	assert_int_equal(berth_stop(), 0);
}

static void behind_the_caches(void **state)
{
	const struct berth_model_smmu_config watch = { .watch_stale = true };

	(void)state;
	for (unsigned int i = 1; i <= 4; i++)
		run(false, &watch, i);
}

static void in_the_caches(void **state)
{
	const struct berth_model_smmu_config watch = { .watch_stale = true };

	(void)state;
	run(true, &watch, 5);
}

static void slow_and_simple(void **state)
{
	const struct berth_model_smmu_config slow = { .watch_stale = true, .latency_ns = 3000 };
	const struct berth_model_smmu_config simple = {
		.watch_stale = true, .latency_ns = 100, .no_range = true, .no_two_level = true
	};

	(void)state;
	run(false, &slow, 6);
	run(false, &simple, 7);
}

/* The entry of client@10000000, as it is in memory. */
static const uint64_t *stream_table_entry(void)
{
	void __iomem *registers = ioremap(0x20000000, 0x1000);
	const uint64_t base = readq((char *)registers + 0x80) & 0xfffffffffffc0ull;
	const uint64_t *first = (const uint64_t *)berth_model_memory(base), *second;

	second = (const uint64_t *)berth_model_memory(first[0x123 >> 8] & 0xfffffffffffc0ull);
	iounmap(registers);
	return second + (0x123 & 0xff) * 8;
}

static const uint64_t *entry;

/* How often the entry was none of its three values. */
static void *watch_entry(void *wanted)
{
	const uint64_t *const values = wanted;
	unsigned int nr = 0;

	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		const uint64_t now = __atomic_load_n(entry, __ATOMIC_ACQUIRE);

		nr += now != values[0] && now != values[1] && now != values[2];
		nr += __atomic_load_n(entry + 1, __ATOMIC_RELAXED) != values[3];
		__atomic_fetch_add(&nr_looks, 1, __ATOMIC_RELAXED);
	}
	__atomic_fetch_add(&wrong_reasons, nr, __ATOMIC_RELAXED);
	return NULL;
}

/* While its entry changes a device is served by the old one or by the new one, and by nothing in between. */
static void class_24_an_entry_is_never_torn(void **state)
{
	const struct berth_options options = { .machine = &berth_model };
	struct iommu_domain *domain[2];
	uint64_t values[4];
	struct device *dev;
	pthread_t thread;

	(void)state;
	model_add_type(&test_type);
	assert_int_equal(berth_start(tree(false), drivers, &options), 0);
	dev = &of_find_device_by_node(of_find_node_by_path("/client@10000000"))->dev;
	domain[0] = iommu_domain_alloc(dev);
	domain[1] = iommu_domain_alloc(dev);
	entry = stream_table_entry();
	values[2] = entry[0];
	values[3] = entry[1];
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(iommu_attach_device(domain[i], dev), 0);
		values[i] = entry[0];
		assert_int_not_equal(values[i], values[2]);
		iommu_detach_device(domain[i], dev);
		assert_int_equal(entry[0], values[2]);
	}
	wrong_reasons = nr_looks = is_over = 0;
	assert_int_equal(pthread_create(&thread, NULL, watch_entry, values), 0);
	for (unsigned int i = 0; i < 500 || __atomic_load_n(&nr_looks, __ATOMIC_RELAXED) < 100000;
	     i++) {
		assert_int_equal(iommu_attach_device(domain[i % 2], dev), 0);
		iommu_detach_device(domain[i % 2], dev);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(wrong_reasons, 0);
	iommu_domain_free(domain[0]);
	iommu_domain_free(domain[1]);
	assert_int_equal(berth_stop(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behind_the_caches),
		cmocka_unit_test(in_the_caches),
		cmocka_unit_test(slow_and_simple),
		cmocka_unit_test(class_24_an_entry_is_never_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
