/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/errno.h>
#include <berth/io.h>
#include <berth/of.h>
#include <berth/pci.h>
#include <berth/platform_device.h>

#include <berth/drivers/host-generic.h>

#define ECAM_BUS_SHIFT 20
#define ECAM_DEVFN_SHIFT 12

struct ecam {
	struct pci_host_bridge bridge;
	char __iomem *base;
};

static void __iomem *ecam_map_bus(void *host, unsigned int bus, unsigned int devfn, int where)
{
	const struct ecam *ecam = host;

	if (bus < ecam->bridge.busnr || bus > ecam->bridge.busnr_end)
		return NULL;
	return ecam->base + ((uintptr_t)(bus - ecam->bridge.busnr) << ECAM_BUS_SHIFT) +
	       ((uintptr_t)devfn << ECAM_DEVFN_SHIFT) + where;
}

static const struct pci_ops ecam_ops = {
	.map_bus = ecam_map_bus,
};

/* bus-range, cut to what the registers hold; the first bus is at their start. */
static int read_bus_range(struct platform_device *pdev, struct ecam *ecam)
{
	const struct resource *res = platform_get_resource(pdev, IORESOURCE_MEM, 0);
	uint32_t first = 0, last = 255;
	resource_size_t buses;

	if (!res)
		return -EINVAL;
	if (of_property_read_bool(pdev->dev.of_node, "bus-range") &&
	    (of_property_read_u32_index(pdev->dev.of_node, "bus-range", 0, &first) ||
	     of_property_read_u32_index(pdev->dev.of_node, "bus-range", 1, &last)))
		return -EINVAL;
	buses = resource_size(res) >> ECAM_BUS_SHIFT;
	if (first > last || last > 255 || !buses)
		return -EINVAL;
	ecam->bridge.busnr = first;
	ecam->bridge.busnr_end = last - first < buses ? last : first + (uint32_t)buses - 1;
	return 0;
}

static int ecam_probe(struct platform_device *pdev)
{
	struct ecam *ecam = devm_kzalloc(&pdev->dev, sizeof(*ecam), GFP_KERNEL);
	int err;

	if (!ecam)
		return -ENOMEM;
	err = read_bus_range(pdev, ecam);
	if (err) {
		dev_err(&pdev->dev, "reg and bus-range describe no bus\n");
		return err;
	}
	ecam->base = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(ecam->base))
		return (int)PTR_ERR(ecam->base);
	ecam->bridge.dev = &pdev->dev;
	ecam->bridge.ops = &ecam_ops;
	ecam->bridge.sysdata = ecam;
	platform_set_drvdata(pdev, ecam);
	return pci_host_probe(&ecam->bridge);
}

static int ecam_remove(struct platform_device *pdev)
{
	struct ecam *ecam = platform_get_drvdata(pdev);

	pci_host_remove(&ecam->bridge);
	return 0;
}

static const struct of_device_id ecam_of_match[] = {
	{ .compatible = "pci-host-ecam-generic" },
	{ .compatible = "" },
};

const struct platform_driver berth_pci_host_generic_driver = {
	.probe = ecam_probe,
	.remove = ecam_remove,
	.driver = {
		.name = "pci-host-generic",
		.of_match_table = ecam_of_match,
	},
};
