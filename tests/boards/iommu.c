/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SMMUv3 driver on bare metal, with the MMU and the caches on: what an edu of 28 bits, which
 * reaches no RAM by itself, sees through it. As tests/qemu/test_smmu.c, in short. Prints TAP.
 */
#include <berth/aarch64.h>
#include <berth/berth.h>
#include <berth/errno.h>
#include <berth/gfp.h>
#include <berth/io.h>
#include <berth/iommu.h>
#include <berth/mm.h>
#include <berth/of.h>
#include <berth/pci.h>
#include <berth/platform_device.h>
#include <berth/timer.h>

#include <berth/drivers/edu.h>
#include <berth/drivers/host-generic.h>
#include <berth/drivers/smmu-v3.h>

#include "tap.h"

#define IOVA 0x1000000ull
#define MIB (1024u * 1024u)
#define EDU_BUFFER 0x40000u
#define RW (IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE)

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_NO_MORE_DRIVERS,
};

static struct device *smmu;
static struct pci_dev *edu;
static char __iomem *regs;
static struct iommu_domain *domain;
static struct berth_iommu_fault last;
static uint64_t nr_faults;

static void note(const struct berth_iommu_fault *fault, void *data)
{
	(void)data;
	last = *fault;
	nr_faults += fault->count;
}

static void fill(uint8_t *at, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)((i + seed) * 2654435761u >> 13);
}

static bool is_equal(const uint8_t *a, const uint8_t *b, size_t size)
{
	while (size && *a == *b)
		a++, b++, size--;
	return !size;
}

static bool start(void)
{
	struct device_node *node;

	if (berth_start(NULL, drivers, NULL))
		return false;
	node = of_find_compatible_node(NULL, NULL, "arm,smmu-v3");
	smmu = node ? &of_find_device_by_node(node)->dev : NULL;
	edu = pci_get_device(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	if (!smmu || !dev_get_drvdata(smmu) || !edu || pci_enable_device(edu))
		return false;
	berth_iommu_set_listener(note, NULL);
	nr_faults = 0;
	pci_set_master(edu);
	regs = pci_iomap(edu, 0, 0);
	domain = iommu_domain_alloc(&edu->dev);
	return regs && domain && !iommu_attach_device(domain, &edu->dev);
}

static bool stop(void)
{
	iommu_detach_device(domain, &edu->dev);
	iommu_domain_free(domain);
	pci_iounmap(edu, regs);
	pci_disable_device(edu);
	return !berth_stop();
}

static void dma(bool to_memory, uint64_t iova, size_t size)
{
	writeq(to_memory ? EDU_BUFFER : iova, regs + 0x80);
	writeq(to_memory ? iova : EDU_BUFFER, regs + 0x88);
	writeq(size, regs + 0x90);
	writeq(to_memory ? 3 : 1, regs + 0x98);
	while (readl(regs + 0x98) & 1)
		msleep(10);
}

static bool map(uint64_t iova, const void *at, size_t size, int prot)
{
	return !iommu_map(domain, iova, virt_to_phys(at), size, prot, GFP_KERNEL);
}

/* The faults since the last question were these. */
static bool told(uint64_t count, uint64_t page, int flags, enum berth_iommu_fault_reason reason)
{
	bool right = nr_faults == count &&
		     (!count || (last.dev == &edu->dev && (last.address & ~4095ull) == page &&
				 last.flags == flags && last.reason == reason));

	nr_faults = 0;
	return right;
}

static bool moves_data(uint8_t *at)
{
	bool right;

	fill(at, PAGE_SIZE, 1);
	right = map(IOVA, at, PAGE_SIZE, RW) && map(IOVA + 0x5000, at + PAGE_SIZE, PAGE_SIZE, RW);
	dma(false, IOVA, 4095);
	dma(true, IOVA + 0x5000, 4095);
	return right && is_equal(at, at + PAGE_SIZE, 4095) && told(0, 0, 0, 0);
}

static bool tells_strays(uint8_t *at)
{
	bool right;

	at[0] = 0x12;
	dma(true, IOVA + 0x9000, 64);
	right = told(16, IOVA + 0x9000, IOMMU_FAULT_WRITE, BERTH_IOMMU_FAULT_TRANSLATION);
	right = map(IOVA + 0x9000, at, PAGE_SIZE, IOMMU_READ | IOMMU_CACHE) && right;
	dma(false, IOVA + 0x9000, 64);
	right = told(0, 0, 0, 0) && right;
	dma(true, IOVA + 0x9000, 8);
	return told(2, IOVA + 0x9000, IOMMU_FAULT_WRITE, BERTH_IOMMU_FAULT_PERMISSION) && right &&
	       at[0] == 0x12;
}

static bool forgets(void)
{
	struct iommu_iotlb_gather gather;
	bool right;

	/* QEMU remembers what was used before. */
	iommu_iotlb_gather_init(&gather);
	gather.queued = true;
	right = iommu_unmap_fast(domain, IOVA, PAGE_SIZE, &gather) == PAGE_SIZE;
	dma(false, IOVA, 4);
	right = told(0, 0, 0, 0) && right;
	iommu_flush_iotlb_all(domain);
	dma(false, IOVA, 4);
	right = told(1, IOVA, IOMMU_FAULT_READ, BERTH_IOMMU_FAULT_TRANSLATION) && right;
	dma(false, IOVA + 0x5000, 4);
	right = iommu_unmap(domain, IOVA + 0x5000, PAGE_SIZE) == PAGE_SIZE && told(0, 0, 0, 0) &&
		right;
	dma(false, IOVA + 0x5000, 4);
	return told(1, IOVA + 0x5000, IOMMU_FAULT_READ, BERTH_IOMMU_FAULT_TRANSLATION) && right;
}

static bool costs_little(const uint8_t *at)
{
	struct berth_smmu_v3_stats before, after;
	bool right = map(2 * IOVA, at, 64 * PAGE_SIZE, RW);

	berth_smmu_v3_stats(smmu, &before);
	right = iommu_unmap(domain, 2 * IOVA, 64 * PAGE_SIZE) == 64 * PAGE_SIZE && right;
	berth_smmu_v3_stats(smmu, &after);
	return right && after.commands - before.commands == 2 && after.syncs - before.syncs == 1 &&
	       after.doorbells - before.doorbells == 1 && after.looks - before.looks == 1;
}

static bool has_granule(size_t granule, uint8_t *at)
{
	bool right;

	iommu_detach_device(domain, &edu->dev);
	iommu_domain_free(domain);
	right = !berth_smmu_v3_set_granule(smmu, granule);
	domain = iommu_domain_alloc(&edu->dev);
	if (!right || !domain || iommu_attach_device(domain, &edu->dev))
		return false;
	fill(at, granule, (uint32_t)granule);
	right = map(IOVA, at, granule, RW);
	dma(false, IOVA + granule - 256, 256);
	dma(true, IOVA, 256);
	right = is_equal(at, at + granule - 256, 256) && told(0, 0, 0, 0) && right;
	right = iommu_unmap(domain, IOVA, granule) == granule && right;
	dma(false, IOVA, 4);
	return told(1, IOVA, IOMMU_FAULT_READ, BERTH_IOMMU_FAULT_TRANSLATION) && right;
}

static bool has_blocks(void)
{
	struct page *page = alloc_pages(GFP_KERNEL, 9);
	uint8_t *at = page_address(page);
	bool right;

	if (!page)
		return false;
	fill(at + 0x1ff000, 512, 77);
	right = map(2 * IOVA, at, 2 * MIB, RW);
	dma(false, 2 * IOVA + 0x1ff000, 512);
	right = iommu_unmap(domain, 2 * IOVA, PAGE_SIZE) == PAGE_SIZE && right;
	dma(true, 2 * IOVA + 0x1000, 512);
	right = is_equal(at + 0x1000, at + 0x1ff000, 512) && told(0, 0, 0, 0) && right;
	right = iommu_unmap(domain, 2 * IOVA + PAGE_SIZE, 2 * MIB - PAGE_SIZE) ==
			2 * MIB - PAGE_SIZE &&
		right;
	dma(true, 2 * IOVA + 0x1000, 4);
	right = told(1, 2 * IOVA + 0x1000, IOMMU_FAULT_WRITE, BERTH_IOMMU_FAULT_TRANSLATION) &&
		right;
	__free_pages(page, 9);
	return right;
}

static bool skips_bad_commands(void)
{
	bool right = true;

	for (unsigned int i = 0; i < 30; i++)
		right = berth_smmu_v3_command(smmu, 0xf2, 0) == -EIO &&
			berth_last_error()->reason == BERTH_REASON_COMMAND &&
			berth_last_error()->address == 0xf2 && right;
	return right && !berth_smmu_v3_command(smmu, 0x46, 0);
}

int main(void)
{
	unsigned long pages;
	uint8_t *at;

	say("1..12\n");
	check(start(), "an SMMUv3 and an edu of 28 bits");
	pages = failures ? 0 : __get_free_pages(GFP_KERNEL, 6);
	if (!pages)
		return 1;
	at = (uint8_t *)(uintptr_t)pages;
	check(moves_data(at), "edu moves data where it sees no memory by itself");
	check(tells_strays(at), "stray accesses are told: device, address, direction, reason");
	check(forgets(), "a forgotten invalidation shows, one that is made works");
	check(costs_little(at), "64 pages go with 2 commands, 1 write and 1 read");
	check(has_granule(16384, at), "tables of 16 KiB");
	check(has_granule(65536, at), "tables of 64 KiB");
	check(has_granule(4096, at), "tables of 4 KiB");
	check(has_blocks(), "a block of 2 MiB, and its parts");
	check(skips_bad_commands(), "30 commands that there are not");
	free_pages(pages, 6);
	check(stop(), "berth_stop");
	check(start() && stop(), "once more");
	return failures != 0;
}
