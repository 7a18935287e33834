/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two edu, of 28 and of 32 bits, behind an IOMMU of QEMU's, through the DMA API alone, on a machine
 * whose RAM reaches above 4 GiB; as tests/qemu/test_through_iommu.c. Prints TAP.
 */
#include <berth/aarch64.h>
#include <berth/berth.h>
#include <berth/of.h>
#include <berth/platform_device.h>

#include <berth/drivers/host-generic.h>
#include <berth/drivers/smmu-v3.h>
#include <berth/drivers/virtio-iommu.h>

#include "edu_steps.h"
#include "tap.h"

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_PCI_DRIVER(&berth_virtio_iommu_driver),
	BERTH_PCI_DRIVER(&berth_edu_driver),
	BERTH_NO_MORE_DRIVERS,
};

static const struct berth_driver stray_drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_PCI_DRIVER(&berth_virtio_iommu_driver),
	BERTH_PCI_DRIVER(&stray_edu_driver),
	BERTH_NO_MORE_DRIVERS,
};

static struct device *smmu(void)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, "arm,smmu-v3");

	return node ? &of_find_device_by_node(node)->dev : NULL;
}

/* What the script compares with the emulator's own counts, of all runs of berth. */
static struct berth_smmu_v3_stats total;

static void count(void)
{
	struct berth_smmu_v3_stats now;

	if (!smmu())
		return;
	berth_smmu_v3_stats(smmu(), &now);
	total.events += now.events;
	total.tlbi_va += now.tlbi_va;
	check(now.doorbells <= now.syncs && now.looks <= now.syncs && !now.command_errors,
	      "a register written and one read for each synchronisation, at most");
}

static void say_total(const char *what, uint64_t nr)
{
	say("# ");
	say(what);
	say(" ");
	say_number(nr);
	say("\n");
}

static void check_moves(const char *bootargs)
{
	const struct berth_options options = { .bootargs = bootargs };
	struct pci_dev *small, *large;

	check(!berth_start(NULL, drivers, &options), bootargs);
	small = pci_get_device(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	large = small ? pci_get_device(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, small) : NULL;
	check(large && edu_moves_high_memory(small, BERTH_EDU_DMA_BITS),
	      "28 bits move memory above 4 GiB, without a copy");
	check(large && edu_moves_high_memory(large, 32), "and so do 32");
	count();
	check(!berth_stop(), "berth_stop");
}

static void check_strays(void)
{
	check(!berth_start(NULL, stray_drivers, NULL) && stray.dev, "the stray device");
	stray.is_told_all = stray.is_cached = smmu() != NULL;
	check(stray_strict(), "strict: an access after an unmap is blocked and told");
	check(stray_lazy(), "lazy: it lands before the flush, and is told after it");
	check(stray_shadow(), "shadow: it never touches the driver's memory");
	check(stray_strict(), "strict again");
	count();
	check(!berth_stop(), "berth_stop");
}

int main(void)
{
	/* The first, as then the devices' buffers are zero. */
	check_strays();
	check_moves("iommu.strict=1");
	check_moves("iommu.strict=0");
	say_total("smmuv3_record_event", total.events);
	say_total("SMMU_CMD_TLBI_NH_VA", total.tlbi_va);
	say("1..");
	say_number(checks);
	say("\n");
	return failures != 0;
}
