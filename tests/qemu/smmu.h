/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the SMMUv3 driver share: a board with one, and an edu that is told addresses. */
#ifndef TESTS_QEMU_SMMU_H
#define TESTS_QEMU_SMMU_H

#include <berth/gfp.h>
#include <berth/io.h>
#include <berth/iommu.h>
#include <berth/mm.h>
#include <berth/of.h>
#include <berth/pci.h>
#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/spinlock.h>
#include <berth/test.h>
#include <berth/timer.h>

#include <berth/drivers/smmu-v3.h>

#include "board.h"

#define KIB 1024ull
#define RW (IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE)
/* An edu reaches 256 MiB, if nobody says otherwise. */
#define IOVA 0x1000000ull
#define EDU_BUFFER 0x40000u

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_NO_MORE_DRIVERS,
};

static const char *const one_edu[] = { "-device", "edu", NULL };

static struct device *smmu;

/*
 * struct raw - an edu without a driver
 * @domain: what it sees
 */
struct raw {
	struct pci_dev *pdev;
	char __iomem *regs;
	struct iommu_domain *domain;
};

static inline void start_machine(const char *const *arguments, const char *bootargs)
{
	must_start_on(SMMU_MACHINE, drivers, 0, bootargs, arguments);
}

static inline void find_smmu(void)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, "arm,smmu-v3");

	assert_non_null(node);
	assert_non_null(of_find_device_by_node(node));
	smmu = &of_find_device_by_node(node)->dev;
	assert_non_null(dev_get_drvdata(smmu));
}

/* The edu behind @from, with a domain of its own. */
static inline void take_edu(struct raw *raw, struct pci_dev *from)
{
	raw->pdev = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, from);
	assert_int_equal(pci_enable_device(raw->pdev), 0);
	pci_set_master(raw->pdev);
	raw->regs = pci_iomap(raw->pdev, 0, 0);
	assert_non_null(raw->regs);
	raw->domain = iommu_domain_alloc(&raw->pdev->dev);
	assert_non_null(raw->domain);
	assert_int_equal(iommu_attach_device(raw->domain, &raw->pdev->dev), 0);
}

static inline void leave_edu(struct raw *raw)
{
	iommu_detach_device(raw->domain, &raw->pdev->dev);
	berth_clear_error();
	iommu_domain_free(raw->domain);
	assert_int_equal(berth_last_error()->code, 0);
	pci_iounmap(raw->pdev, raw->regs);
	pci_disable_device(raw->pdev);
}

static inline void begin_dma(struct raw *raw, bool to_memory, uint64_t iova, size_t size)
{
	writeq(to_memory ? EDU_BUFFER : iova, raw->regs + 0x80);
	writeq(to_memory ? iova : EDU_BUFFER, raw->regs + 0x88);
	writeq(size, raw->regs + 0x90);
	writeq(to_memory ? 3 : 1, raw->regs + 0x98);
}

static inline void end_dma(struct raw *raw)
{
	while (readl(raw->regs + 0x98) & 1)
		berth_port_relax();
}

static inline void dma(struct raw *raw, bool to_memory, uint64_t iova, size_t size)
{
	begin_dma(raw, to_memory, iova, size);
	end_dma(raw);
}

/* Whether the bytes at one address come out at another one. */
static inline bool moves(struct raw *raw, uint64_t from, uint64_t to, size_t size)
{
	dma(raw, false, from, size);
	dma(raw, true, to, size);
	return true;
}

static inline uint8_t *must_get_pages(unsigned int order)
{
	struct page *page = alloc_pages(GFP_KERNEL, order);

	assert_non_null(page);
	memset(page_address(page), 0, PAGE_SIZE << order);
	return page_address(page);
}

static inline void put_pages(void *at, unsigned int order)
{
	__free_pages(virt_to_page(at), order);
}

static inline void must_map(struct raw *raw, uint64_t iova, void *at, size_t size, int prot)
{
	assert_int_equal(iommu_map(raw->domain, iova, virt_to_phys(at), size, prot, GFP_KERNEL), 0);
}

#endif
