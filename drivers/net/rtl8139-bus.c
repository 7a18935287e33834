// SPDX-License-Identifier: BSD-2-Clause
/* Where an RTL8139 can be: behind PCI, and at an address of its own. */
#include "rtl8139.h"

static int rtl8139_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	char __iomem *regs;
	int err;

	(void)id;
	if (!pdev->irq)
		return -ENODEV;
	err = pci_enable_device(pdev);
	if (err)
		return err;
	/* BAR 0 has the same registers as ports. */
	regs = pci_iomap(pdev, 1, 0);
	err = regs ? 0 : -ENOMEM;
	if (!err) {
		pci_set_master(pdev);
		err = berth_rtl8139_attach(&pdev->dev, regs, pdev->irq);
	}
	if (!err)
		return 0;
	if (regs)
		pci_iounmap(pdev, regs);
	pci_disable_device(pdev);
	return err;
}

static void rtl8139_pci_remove(struct pci_dev *pdev)
{
	char __iomem *regs = ((struct nic *)pci_get_drvdata(pdev))->regs;

	berth_rtl8139_detach(&pdev->dev);
	pci_iounmap(pdev, regs);
	pci_disable_device(pdev);
}

static const struct pci_device_id rtl8139_pci_ids[] = {
	{ PCI_DEVICE(BERTH_RTL8139_VENDOR, BERTH_RTL8139_DEVICE) },
	{ 0 },
};

const struct pci_driver berth_rtl8139_pci_driver = {
	.name = "rtl8139",
	.id_table = rtl8139_pci_ids,
	.probe = rtl8139_pci_probe,
	.remove = rtl8139_pci_remove,
};

static int rtl8139_platform_probe(struct platform_device *pdev)
{
	char __iomem *regs = devm_platform_ioremap_resource(pdev, 0);
	int irq = platform_get_irq(pdev, 0);

	if (IS_ERR(regs))
		return (int)PTR_ERR(regs);
	return irq < 0 ? irq : berth_rtl8139_attach(&pdev->dev, regs, (unsigned int)irq);
}

static int rtl8139_platform_remove(struct platform_device *pdev)
{
	berth_rtl8139_detach(&pdev->dev);
	return 0;
}

static const struct of_device_id rtl8139_of_match[] = {
	{ .compatible = "berth,model-rtl8139" },
	{ .compatible = "" },
};

const struct platform_driver berth_rtl8139_platform_driver = {
	.probe = rtl8139_platform_probe,
	.remove = rtl8139_platform_remove,
	.driver = {
		.name = "rtl8139",
		.of_match_table = rtl8139_of_match,
	},
};
