/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices of QEMU's behind its IOMMUs, through the DMA API alone; tests/boards/through.c on bare metal. */
#include "board.h"

#include <berth/of.h>
#include <berth/platform_device.h>

#include <berth/drivers/smmu-v3.h>
#include <berth/drivers/virtio-iommu.h>

#include "../boards/edu_steps.h"

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

static const char *const two_edu[] = { "-device", "edu,addr=5", "-device",
				       "edu,dma_mask=0xffffffff,addr=6", NULL };
static const char *const virtio_two_edu[] = { "-device", "virtio-iommu-pci,addr=4",
					      "-device", "edu,addr=5",
					      "-device", "edu,dma_mask=0xffffffff,addr=6",
					      NULL };

/* RAM lies from 1 to 5 GiB. */
static void move_both(const char *machine, const char *const *arguments, const char *bootargs)
{
	struct pci_dev *small, *large;

	must_start_on(machine, drivers, 4 * GIB, bootargs, arguments);
	small = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	large = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, small);
	assert_true(edu_moves_high_memory(small, BERTH_EDU_DMA_BITS));
	assert_true(edu_moves_high_memory(large, 32));
	must_stop();
}

static void edu_moves_through_an_smmu(void **state)
{
	(void)state;
	move_both(SMMU_MACHINE, two_edu, NULL);
	move_both(SMMU_MACHINE, two_edu, "iommu.strict=0");
}

static void edu_moves_through_a_virtio_iommu(void **state)
{
	(void)state;
	move_both(NULL, virtio_two_edu, NULL);
	move_both(NULL, virtio_two_edu, "iommu.strict=0");
}

/* The machine without the IOMMU's driver is one without an IOMMU. */
static void without_it_what_is_in_reach_decides(void **state)
{
	struct berth_swiotlb_info bounce;
	struct pci_dev *small, *large;
	uint8_t *memory;

	(void)state;
	must_start_on(SMMU_MACHINE, drivers + 1, 4 * GIB, NULL, two_edu);
	small = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	large = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, small);
	assert_int_equal(berth_edu_set_dma_bits(small, BERTH_EDU_DMA_BITS), -EIO);
	assert_reason(BERTH_REASON_MASK);
	assert_int_equal(berth_last_error()->address, GIB);
	assert_int_equal(berth_last_error()->limit, DMA_BIT_MASK(BERTH_EDU_DMA_BITS));
	memory = page_address(alloc_pages(GFP_KERNEL, 3));
	assert_true(virt_to_phys(memory) >= 4 * GIB);
	edu_fill(memory, 1);
	assert_int_equal(berth_edu_copy_to(small, 0, memory, 4), -EIO);
	assert_int_equal(berth_edu_set_dma_bits(large, 32), 0);
	assert_int_equal(berth_edu_copy(large, memory + 4 * PAGE_SIZE, memory, EDU_STEPS_BYTES), 0);
	assert_memory_equal(memory + 4 * PAGE_SIZE, memory, EDU_STEPS_BYTES);
	berth_swiotlb_info(&large->dev, &bounce);
	assert_int_equal(bounce.nr_maps, 2);
	__free_pages(virt_to_page(memory), 3);
	must_stop();
}

static unsigned int count_text(const char *text, const char *what)
{
	unsigned int nr = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		nr++;
	return nr;
}

static char *all_output(void)
{
	size_t size = 1 << 22, used = 0;
	char *text = malloc(size);
	long got;

	assert_non_null(text);
	while ((got = berth_qemu_output(used, text + used, size - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = 0;
	assert_true(used < size - 1);
	return text;
}

/* The emulator tells of each command, each access that it refuses, and what it remembers. */
static void the_emulator_agrees(void)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, "arm,smmu-v3");
	struct berth_smmu_v3_stats stats;
	char *text = all_output();

	berth_smmu_v3_stats(&of_find_device_by_node(node)->dev, &stats);
	assert_int_equal(count_text(text, "smmuv3_record_event"), stats.events);
	assert_int_equal(stats.events, berth_iommu_faults(stray.dev));
	assert_int_equal(count_text(text, "smmuv3_cmdq_opcode"), stats.commands);
	assert_int_equal(count_text(text, "SMMU_CMD_SYNC"), stats.syncs);
	assert_int_equal(count_text(text, "SMMU_CMD_TLBI_NH_VA\n"), stats.tlbi_va);
	assert_int_equal(count_text(text, "SMMU_CMD_TLBI_NH_ASID\n"), stats.tlbi_asid);
	/* Each access that it knew of, or found in the tables, landed somewhere. */
	assert_true(count_text(text, "smmu_iotlb_lookup_hit") &&
		    count_text(text, "smmu_iotlb_insert"));
	assert_true(stats.events && !stats.command_errors);
	free(text);
}

static void stray_through_an_smmu(void **state)
{
	static const char *const arguments[] = { "-device", "edu", "-trace", "smmu*", NULL };

	(void)state;
	must_start_on(SMMU_MACHINE, stray_drivers, 0, NULL, arguments);
	stray.is_told_all = stray.is_cached = true;
	assert_true(stray_strict());
	assert_true(stray_lazy());
	assert_true(stray_shadow());
	assert_true(stray_strict());
	the_emulator_agrees();
	must_stop();
}

/* QEMU forgets as soon as it is told, and says where, but not in which direction. */
static void stray_through_a_virtio_iommu(void **state)
{
	static const char *const arguments[] = { "-device", "virtio-iommu-pci", "-device", "edu",
						 NULL };

	(void)state;
	must_start_on(NULL, stray_drivers, 0, NULL, arguments);
	assert_true(stray_strict());
	assert_true(stray_lazy());
	assert_true(stray_shadow());
	assert_true(stray_strict());
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edu_moves_through_an_smmu),
		cmocka_unit_test(edu_moves_through_a_virtio_iommu),
		cmocka_unit_test(without_it_what_is_in_reach_decides),
		cmocka_unit_test(stray_through_an_smmu),
		cmocka_unit_test(stray_through_a_virtio_iommu),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
