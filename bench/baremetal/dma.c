/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions of a map and an unmap on bare metal, with the SMMUv3 driver on QEMU's SMMUv3. QEMU
 * counts retired instructions if it is started with -icount; ./run does that. The device is an edu
 * with 64 address bits; before each case it moves a page the way that is measured.
 */
#include <berth/berth.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/iommu.h>
#include <berth/mm.h>
#include <berth/of.h>
#include <berth/pci.h>
#include <berth/platform_device.h>

#include <berth/drivers/edu.h>
#include <berth/drivers/host-generic.h>
#include <berth/drivers/smmu-v3.h>

#include "counter.h"
#include "say.h"

#define PAIRS 1024u /* a multiple of the entries of a lazy device's queue */
#define ROUNDS 5u
#define SG_ENTRIES 16u
#define BUFFER_ORDER 6u
#define EDU_BITS 48u
#define NAME_WIDTH 26u

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_PCI_DRIVER(&berth_edu_driver),
	BERTH_NO_MORE_DRIVERS,
};

static struct device *smmu;
static struct pci_dev *edu;
static char *buffer;
static struct scatterlist list[SG_ENTRIES];

static bool map_4k(struct device *dev)
{
	for (unsigned int i = 0; i < PAIRS; i++) {
		dma_addr_t addr = dma_map_single(dev, buffer, PAGE_SIZE, DMA_BIDIRECTIONAL);

		if (dma_mapping_error(dev, addr))
			return false;
		dma_unmap_single(dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	}
	return true;
}

static bool map_sg16(struct device *dev)
{
	for (unsigned int i = 0; i < PAIRS; i++) {
		if (dma_map_sg(dev, list, SG_ENTRIES, DMA_BIDIRECTIONAL) != 1)
			return false;
		dma_unmap_sg(dev, list, SG_ENTRIES, DMA_BIDIRECTIONAL);
	}
	return true;
}

struct bench_case {
	const char *name;
	bool (*run)(struct device *dev);
	enum berth_protection protection;
};

static const struct bench_case cases[] = {
	{ "dma_map_4k_pair_direct", map_4k, BERTH_PROTECT_PASSTHROUGH },
	{ "dma_map_4k_pair_lazy", map_4k, BERTH_PROTECT_LAZY },
	{ "dma_map_4k_pair_strict", map_4k, BERTH_PROTECT_STRICT },
	{ "dma_map_sg16_pair_strict", map_sg16, BERTH_PROTECT_STRICT },
};

/* The device reads one page and writes another. */
static bool moves_a_page(void)
{
	char *to = buffer + PAGE_SIZE;

	for (unsigned int i = 0; i < PAGE_SIZE; i++) {
		buffer[i] = (char)(i * 2654435761u >> 13);
		to[i] = 0;
	}
	if (berth_edu_copy(edu, to, buffer, PAGE_SIZE))
		return fail("berth_edu_copy");
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		if (to[i] != buffer[i])
			return complain("the device has moved other bytes");
	return true;
}

static void sort(uint32_t *values)
{
	for (unsigned int i = 1; i < ROUNDS; i++)
		for (unsigned int j = i; j && values[j - 1] > values[j]; j--) {
			uint32_t value = values[j];

			values[j] = values[j - 1];
			values[j - 1] = value;
		}
}

static void say_pair(uint64_t total, uint64_t pairs, unsigned int width)
{
	say_fixed((total * 10 + pairs / 2) / pairs, 1, width);
}

static bool measure(const struct bench_case *c)
{
	struct berth_smmu_v3_stats before, after;
	uint32_t rounds[ROUNDS];

	if (berth_device_set_protection(&edu->dev, c->protection))
		return fail("berth_device_set_protection");
	if (!moves_a_page())
		return false;
	/* The first pairs make tables and fill caches of addresses. */
	if (!c->run(&edu->dev))
		return fail(c->name);
	berth_smmu_v3_stats(smmu, &before);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint32_t start = instructions();

		if (!c->run(&edu->dev))
			return fail(c->name);
		rounds[i] = instructions() - start;
	}
	berth_smmu_v3_stats(smmu, &after);
	if (after.events || after.command_errors || after.timeouts || berth_iommu_faults(&edu->dev))
		return complain("the SMMU reports a fault");
	sort(rounds);
	say_left(c->name, NAME_WIDTH);
	say_pair(rounds[ROUNDS / 2], PAIRS, 10);
	say_pair(rounds[0], PAIRS, 10);
	say_pair(rounds[ROUNDS - 1], PAIRS, 10);
	say_pair(after.commands - before.commands, PAIRS * ROUNDS, 10);
	say("\n");
	return true;
}

static bool start(void)
{
	struct device_node *node;

	if (berth_start(NULL, drivers, NULL))
		return fail("berth_start");
	node = of_find_compatible_node(NULL, NULL, "arm,smmu-v3");
	smmu = node ? &of_find_device_by_node(node)->dev : NULL;
	edu = pci_get_device(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	if (!smmu || !dev_get_drvdata(smmu) || !edu)
		return complain("there is no SMMUv3, or no edu");
	if (berth_edu_set_dma_bits(edu, EDU_BITS))
		return fail("berth_edu_set_dma_bits");
	buffer = (char *)(uintptr_t)__get_free_pages(GFP_KERNEL, BUFFER_ORDER);
	if (!buffer)
		return fail("__get_free_pages");
	sg_init_table(list, SG_ENTRIES);
	for (unsigned int i = 0; i < SG_ENTRIES; i++)
		sg_set_buf(&list[i], buffer + (size_t)i * 3 * PAGE_SIZE, PAGE_SIZE);
	return true;
}

int main(void)
{
	if (!start_counter()) {
		complain("instructions are not counted here: QEMU wants -icount shift=0,sleep=off");
		return 1;
	}
	if (!start())
		return 1;
	say("case                              Ir    lowest   highest  commands\n");
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++)
		if (!measure(&cases[i]))
			return 1;
	free_pages((uintptr_t)buffer, BUFFER_ORDER);
	return berth_stop() ? 1 : 0;
}
