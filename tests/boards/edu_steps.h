/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an edu does behind an IOMMU, on bare metal and in a process with QEMU's board: with its driver,
 * through the DMA API; and with one that lets it write where it should not, for stray_steps.h.
 */
#ifndef BERTH_TESTS_BOARDS_EDU_STEPS_H
#define BERTH_TESTS_BOARDS_EDU_STEPS_H

#include <berth/errno.h>
#include <berth/io.h>
#include <berth/pci.h>
#include <berth/swiotlb.h>

#include <berth/drivers/edu.h>

#include "stray_steps.h"

#define EDU_STEPS_BYTES 9000u /* more than the device's buffer holds */
#define EDU_STEPS_ORDER 2u

static inline void edu_fill(uint8_t *at, uint32_t seed)
{
	for (unsigned int i = 0; i < EDU_STEPS_BYTES; i++)
		at[i] = (uint8_t)((i + seed) * 2654435761u >> 13);
}

/* One mapping of memory above 4 GiB: what the device is told is short. */
static inline bool edu_address_is_short(struct device *dev, struct page *page, unsigned int bits)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);
	dma_addr_t addr = dma_map_page(dev, page, 8, 5000, DMA_TO_DEVICE);
	bool right;

	if (dma_mapping_error(dev, addr))
		return false;
	right = page_to_phys(page) >= 1ull << 32 && addr + 5000 - 1 <= DMA_BIT_MASK(bits) &&
		iommu_iova_to_phys(domain, addr) == page_to_phys(page) + 8;
	dma_unmap_page(dev, addr, 5000, DMA_TO_DEVICE);
	return right;
}

/* From and to memory above 4 GiB, and nothing is copied by the CPU. */
static inline bool edu_moves_high_memory(struct pci_dev *pdev, unsigned int bits)
{
	struct page *from = alloc_pages(GFP_KERNEL, EDU_STEPS_ORDER);
	struct page *to = alloc_pages(GFP_KERNEL, EDU_STEPS_ORDER);
	const uint8_t *a = page_address(from), *b = page_address(to);
	struct berth_swiotlb_info bounce;
	bool right;

	edu_fill(page_address(from), bits);
	edu_fill(page_address(to), ~bits);
	right = !berth_edu_set_dma_bits(pdev, bits) &&
		edu_address_is_short(&pdev->dev, from, bits) &&
		edu_address_is_short(&pdev->dev, to, bits) &&
		!berth_edu_copy(pdev, page_address(to), a, EDU_STEPS_BYTES);
	for (unsigned int i = 0; i < EDU_STEPS_BYTES; i++)
		right &= a[i] == b[i];
	berth_swiotlb_info(&pdev->dev, &bounce);
	__free_pages(from, EDU_STEPS_ORDER);
	__free_pages(to, EDU_STEPS_ORDER);
	return right && !bounce.nr_maps && !berth_iommu_faults(&pdev->dev);
}

/* A driver of the tests': the device's own buffer is zero, and goes where it is told. */
static char __iomem *stray_regs;

static inline void stray_edu_write(dma_addr_t at)
{
	writeq(0x40000, stray_regs + 0x80);
	writeq(at, stray_regs + 0x88);
	writeq(STRAY_BYTES, stray_regs + 0x90);
	writeq(3, stray_regs + 0x98);
	while (readl(stray_regs + 0x98) & 1)
		berth_port_relax();
}

static inline int stray_edu_protect(enum berth_protection protection)
{
	return berth_device_set_protection(stray.dev, protection);
}

static inline int stray_edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int err = stray.dev ? -ENODEV : pci_enable_device(pdev); /* the first one is enough */

	(void)id;
	if (err)
		return err;
	stray_regs = pci_iomap(pdev, 0, 0);
	err = stray_regs ? dma_set_mask(&pdev->dev, DMA_BIT_MASK(BERTH_EDU_DMA_BITS)) : -ENOMEM;
	if (err) {
		pci_iounmap(pdev, stray_regs);
		pci_disable_device(pdev);
		return err;
	}
	pci_set_master(pdev);
	/* One record for each four bytes. */
	stray = (struct stray){
		.dev = &pdev->dev,
		.protect = stray_edu_protect,
		.write = stray_edu_write,
		.records = STRAY_BYTES / 4,
		.is_polled = true,
	};
	return 0;
}

static inline void stray_edu_remove(struct pci_dev *pdev)
{
	pci_clear_master(pdev);
	pci_iounmap(pdev, stray_regs);
	pci_disable_device(pdev);
	stray.dev = NULL;
}

static const struct pci_device_id stray_edu_ids[] = {
	{ PCI_DEVICE(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE) },
	{ 0 },
};

static const struct pci_driver stray_edu_driver = {
	.name = "stray",
	.id_table = stray_edu_ids,
	.probe = stray_edu_probe,
	.remove = stray_edu_remove,
};

#endif
