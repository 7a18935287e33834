/* SPDX-License-Identifier: BSD-2-Clause */
/* The SMMUv3 driver on the modelled SMMU, and a PDMA behind it that writes where it may not. */
#include "machine.h"

#include <berth/of.h>
#include <berth/platform_device.h>

#include <berth/drivers/sifive-pdma.h>
#include <berth/drivers/smmu-v3.h>

#include "../boards/stray_steps.h"
#include "dma_copy.h"
#include "fdt.h"

#define SMMU "/smmu@20000000"
#define SID 7

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_NO_MORE_DRIVERS,
};

static struct fdt fdt;
static dma_addr_t zeros_addr;
static void *zeros;
static struct device *smmu;

static void controller(void)
{
	fdt_begin(&fdt, "interrupt-controller@8001000");
	fdt_text(&fdt, "compatible", "arm,gic-400");
	fdt_flag(&fdt, "interrupt-controller");
	fdt_cells(&fdt, "#interrupt-cells", 3);
	fdt_cells(&fdt, "reg", 0, 0x8001000, 0, 0x1000);
	fdt_cells(&fdt, "phandle", 1);
	fdt_end(&fdt);
}

static void smmu_node(bool is_coherent)
{
	static const char names[] = "eventq\0cmdq-sync\0gerror";

	fdt_begin(&fdt, "smmu@20000000");
	fdt_text(&fdt, "compatible", "arm,smmu-v3");
	fdt_cells(&fdt, "reg", 0, 0x20000000, 0, 0x20000);
	fdt_cells(&fdt, "interrupts", 0, 40, 1, 0, 41, 1, 0, 42, 1);
	fdt_property(&fdt, "interrupt-names", sizeof(names));
	fdt_bytes(&fdt, names, sizeof(names));
	fdt_cells(&fdt, "#iommu-cells", 1);
	fdt_cells(&fdt, "phandle", 2);
	if (is_coherent)
		fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
}

/* The SMMU reads its tables through the caches, or past them. */
static const void *tree(bool is_coherent)
{
	fdt_start(&fdt, 2, 2);
	fdt_cells(&fdt, "interrupt-parent", 1);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, 0x80000000, 0, 0x02000000);
	fdt_end(&fdt);
	controller();
	smmu_node(is_coherent);
	fdt_begin(&fdt, "dma@3000000");
	fdt_text(&fdt, "compatible", "sifive,fu540-c000-pdma");
	fdt_cells(&fdt, "reg", 0, 0x3000000, 0, 0x4000);
	fdt_cells(&fdt, "interrupts", 0, 50, 4, 0, 51, 4, 0, 52, 4, 0, 53, 4, 0, 54, 4, 0, 55, 4, 0,
		  56, 4, 0, 57, 4);
	fdt_cells(&fdt, "iommus", 2, SID);
	fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

static struct device *find(const char *compatible)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, compatible);

	assert_non_null(node);
	assert_non_null(of_find_device_by_node(node));
	return &of_find_device_by_node(node)->dev;
}

static void put_zeros(void)
{
	if (zeros)
		dma_free_coherent(stray.dev, PAGE_SIZE, zeros, zeros_addr);
	zeros = NULL;
}

static int protect(enum berth_protection protection)
{
	int err;

	put_zeros();
	err = berth_device_set_protection(stray.dev, protection);
	zeros = err ? NULL : dma_alloc_coherent(stray.dev, PAGE_SIZE, &zeros_addr, GFP_KERNEL);
	return zeros ? 0 : -ENOMEM;
}

/* A refused access is an error on the engine's bus. */
static void write_zeros(dma_addr_t at)
{
	uint64_t told = berth_iommu_faults(stray.dev);
	int err = dma_copy(stray.dev, at, zeros_addr, STRAY_BYTES);

	assert_true(!err || err == -EIO);
	if (err)
		for (unsigned int i = 0; i < 3000 && berth_iommu_faults(stray.dev) == told; i++)
			msleep(1);
	assert_int_equal(berth_iommu_faults(stray.dev) - told, err ? 1 : 0);
}

static void begin(bool is_coherent, uint64_t seed)
{
	const struct berth_model_smmu_config config = { .watch_stale = true, .latency_ns = 300 };
	const struct berth_model_config model = { .smmu = &config, .seed = seed };

	if (berth_running())
		berth_stop();
	zeros = NULL;
	assert_int_equal(start_tree(tree(is_coherent), drivers, &model), 0);
	smmu = find("arm,smmu-v3");
	stray = (struct stray){
		.dev = find("sifive,fu540-c000-pdma"),
		.protect = protect,
		.write = write_zeros,
		.records = 1,
		.is_told_all = true,
		.is_cached = true,
	};
	assert_true(device_iommu_mapped(stray.dev));
}

/* Of the same kind are the same: what the driver says and what the SMMU has done. */
static void must_agree(void)
{
	struct berth_model_smmu_stats model;
	struct berth_smmu_v3_stats driver;

	berth_smmu_v3_stats(smmu, &driver);
	assert_int_equal(berth_model_smmu_stats(SMMU, &model), 0);
	assert_int_equal(model.events_recorded, driver.events);
	assert_int_equal(model.events_recorded, berth_iommu_faults(stray.dev));
	assert_int_equal(model.commands[BERTH_MODEL_SMMU_SYNC], driver.syncs);
	assert_int_equal(model.commands[BERTH_MODEL_SMMU_TLBI_VA], driver.tlbi_va);
	assert_int_equal(model.commands[BERTH_MODEL_SMMU_TLBI_ASID], driver.tlbi_asid);
	assert_int_equal(model.command_errors, 0);
	assert_true(driver.doorbells <= driver.syncs);
}

static uint64_t stale_hits(void)
{
	struct berth_model_smmu_stats model;

	assert_int_equal(berth_model_smmu_stats(SMMU, &model), 0);
	return model.stale_hits;
}

static void in_each_protection(bool is_coherent, uint64_t seed)
{
	begin(is_coherent, seed);
	assert_true(stray_strict());
	/* An access that was not to be came through in the lazy one only. */
	assert_int_equal(stale_hits(), 0);
	assert_true(stray_lazy());
	assert_true(stale_hits() > 0);
	assert_true(stray_shadow());
	assert_true(stray_strict());
	must_agree();
	put_zeros();
	must_stop();
}

static void behind_a_coherent_smmu(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++)
		in_each_protection(true, seed);
}

static void behind_one_that_sees_no_caches(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++)
		in_each_protection(false, seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behind_a_coherent_smmu),
		cmocka_unit_test(behind_one_that_sees_no_caches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
