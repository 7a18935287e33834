/* SPDX-License-Identifier: BSD-2-Clause */
/* The SMMUv3 driver where something is wrong: tables, commands, queues, memory, the machine. */
#include "smmu_edu.h"

#include <berth/iommu-driver.h>

#define STRTAB_BASE 0x80u
#define ADDRESS 0xfffffffffffc0ull
#define CFGI_STE 0x03u
#define CFGI_CD 0x05u
#define CFGI_ALL 0x04u

/* Where the SMMU finds what it is to know of a stream id: entries of the first level and the second. */
static uint64_t *l1_entry(unsigned int id)
{
	struct platform_device *pdev = to_platform_device(smmu);
	char __iomem *regs = ioremap(platform_get_resource(pdev, IORESOURCE_MEM, 0)->start, 0x1000);
	uint64_t base;

	assert_non_null(regs);
	base = readq(regs + STRTAB_BASE) & ADDRESS;
	iounmap(regs);
	return (uint64_t *)phys_to_virt(base) + (id >> 8);
}

static uint64_t *ste_of(unsigned int id)
{
	return (uint64_t *)phys_to_virt(*l1_entry(id) & ADDRESS) + (id & 255) * 8;
}

static unsigned int id_of(const struct pci_dev *pdev)
{
	unsigned int nr;
	const uint32_t *ids = dev_iommu_ids(&pdev->dev, &nr);

	assert_int_equal(nr, 1);
	return ids[0];
}

static void command(uint64_t low, uint64_t high)
{
	assert_int_equal(berth_smmu_v3_command(smmu, low, high), 0);
}

static void assert_fault(enum berth_iommu_fault_reason reason)
{
	dma(&edu, false, IOVA, 4);
	assert_int_equal(nr_faults, 1);
	assert_int_equal(last.reason, reason);
	assert_int_equal(last.id, id_of(edu.pdev));
	assert_ptr_equal(last.dev, &edu.pdev->dev);
	forget_faults();
}

/* What is damaged is told as such, and when it is whole again the device works again. */
static void damaged_tables_are_told(void **state)
{
	uint64_t id, *ste, *l1, *cd, old;
	uint8_t *at;

	(void)state;
	start(one_edu);
	at = must_get_pages(0);
	must_map(&edu, IOVA, at, PAGE_SIZE, RW);
	id = id_of(edu.pdev);
	ste = ste_of((unsigned int)id);
	l1 = l1_entry((unsigned int)id);
	cd = phys_to_virt(*ste & ADDRESS);
	dma(&edu, false, IOVA, 4);
	assert_int_equal(nr_told, 0);
	/* A stage 2 that there is not. */
	old = *ste;
	*ste = (old & ~0xeull) | 6u << 1;
	command(CFGI_STE | id << 32, 1);
	assert_fault(BERTH_IOMMU_FAULT_CONTEXT);
	/* An entry that is none. */
	*ste = 0;
	command(CFGI_STE | id << 32, 1);
	assert_fault(BERTH_IOMMU_FAULT_STREAM);
	*ste = old;
	command(CFGI_STE | id << 32, 1);
	/* A table that is none. */
	old = *l1;
	*l1 = 0;
	command(CFGI_ALL, 31);
	assert_fault(BERTH_IOMMU_FAULT_STREAM);
	*l1 = old;
	/* A context descriptor that is none. */
	old = *cd;
	*cd &= ~(1ull << 31);
	command(CFGI_ALL, 31);
	assert_fault(BERTH_IOMMU_FAULT_CONTEXT);
	*cd = old;
	command(CFGI_CD | id << 32, 1);
	dma(&edu, false, IOVA, 4);
	assert_int_equal(nr_told, 0);
	put_pages(at, 0);
	stop();
}

/* What is blocked is silent, and reaches nothing. */
static void blocked_devices_reach_nothing(void **state)
{
	static const char *const arguments[] = { "-device", "edu,dma_mask=0xffffffff", NULL };
	struct iommu_group *group;
	uint8_t *at;
	int me;

	(void)state;
	start(arguments);
	at = must_get_pages(0);
	fill(at, 64, 1);
	must_map(&edu, IOVA, at, PAGE_SIZE, RW);
	dma(&edu, false, IOVA, 64);
	iommu_detach_device(edu.domain, &edu.pdev->dev);
	group = iommu_group_get(&edu.pdev->dev);
	assert_int_equal(iommu_group_claim_dma_owner(group, &me), 0);
	dma(&edu, true, IOVA + 128, 64);
	dma(&edu, true, virt_to_phys(at) + 128, 64);
	assert_int_equal(nr_told, 0);
	for (unsigned int i = 128; i < 192; i++)
		assert_int_equal(at[i], 0);
	iommu_group_release_dma_owner(group);
	assert_int_equal(iommu_attach_device(edu.domain, &edu.pdev->dev), 0);
	dma(&edu, true, IOVA + 128, 64);
	assert_memory_equal(at, at + 128, 64);
	put_pages(at, 0);
	stop();
}

/* What passes goes where it says. */
static void identity_passes(void **state)
{
	static const char *const arguments[] = { "-device", "edu,dma_mask=0xffffffff", NULL };
	uint8_t *at;

	(void)state;
	start_machine(arguments, "iommu.passthrough=1");
	find_smmu();
	edu.pdev = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	assert_int_equal(iommu_domain_type(iommu_get_domain_for_dev(&edu.pdev->dev)),
			 IOMMU_DOMAIN_IDENTITY);
	assert_int_equal(pci_enable_device(edu.pdev), 0);
	pci_set_master(edu.pdev);
	edu.regs = pci_iomap(edu.pdev, 0, 0);
	at = must_get_pages(0);
	fill(at, 64, 1);
	moves(&edu, virt_to_phys(at), virt_to_phys(at) + 128, 64);
	assert_memory_equal(at, at + 128, 64);
	assert_int_equal(stats_now().events, 0);
	assert_int_equal(stats_now().domains, 0);
	put_pages(at, 0);
	pci_iounmap(edu.pdev, edu.regs);
	must_stop();
}

static void refused_commands_are_skipped(void **state)
{
	struct berth_smmu_v3_stats stats;
	uint8_t *at;

	(void)state;
	start(one_edu);
	at = must_get_pages(0);
	for (unsigned int i = 0; i < 600; i++) {
		berth_clear_error();
		assert_int_equal(berth_smmu_v3_command(smmu, 0xf0 + i % 8, i), -EIO);
		assert_reason(BERTH_REASON_COMMAND);
		assert_int_equal(berth_last_error()->address, 0xf0 + i % 8);
		assert_string_equal(berth_last_error()->subject, dev_name(smmu));
		must_map(&edu, IOVA, at, PAGE_SIZE, RW);
		if (i % 100 == 0) {
			dma(&edu, false, IOVA, 4);
			assert_int_equal(nr_told, 0);
		}
		assert_int_equal(iommu_unmap(edu.domain, IOVA, PAGE_SIZE), PAGE_SIZE);
	}
	dma(&edu, false, IOVA, 4);
	assert_int_equal(nr_faults, 1);
	stats = stats_now();
	assert_int_equal(stats.command_errors, 600);
	assert_int_equal(stats.timeouts, 0);
	put_pages(at, 0);
	stop();
}

/* More events than there is room for, while nobody listens. */
static void lost_events_are_told(void **state)
{
	static const char *const arguments[] = { "-device", "edu", "-device", "edu", NULL };
	struct berth_smmu_v3_stats stats;
	struct raw other;
	unsigned long flags;

	(void)state;
	start(arguments);
	take_edu(&other, edu.pdev);
	local_irq_save(flags);
	dma(&edu, false, IOVA, 4095);
	dma(&other, false, IOVA, 4095);
	local_irq_restore(flags);
	/* At the latest now. */
	readl(edu.regs);
	stats = stats_now();
	assert_true(stats.lost >= 1);
	assert_int_equal(stats.events, 1024);
	assert_int_equal(nr_faults, 1024);
	/* The queue goes on. */
	forget_faults();
	dma(&other, true, IOVA, 64);
	assert_int_equal(nr_faults, 16);
	assert_ptr_equal(last.dev, &other.pdev->dev);
	leave_edu(&other);
	stop();
}

/* Tables of the second level: one for each 256 ids that are used. */
static void ids_far_apart(void **state)
{
	static const char *const arguments[] = {
		"-device", "pcie-root-port,id=port1,chassis=1,addr=2",
		"-device", "pcie-root-port,id=port2,chassis=2,addr=3",
		"-device", "edu,bus=port1",
		"-device", "edu,bus=port2",
		NULL,
	};
	struct raw other;
	uint8_t *at;

	(void)state;
	start(arguments);
	take_edu(&other, edu.pdev);
	assert_int_not_equal(id_of(edu.pdev) >> 8, id_of(other.pdev) >> 8);
	assert_int_equal(stats_now().tables, 3);
	at = must_get_pages(1);
	fill(at, PAGE_SIZE, 5);
	/* The same address leads to two pages, and neither sees the other's. */
	must_map(&edu, IOVA, at, PAGE_SIZE, RW);
	must_map(&other, IOVA, at + PAGE_SIZE, PAGE_SIZE, RW);
	moves(&edu, IOVA, IOVA + 2048, 512);
	moves(&other, IOVA, IOVA + 2048, 512);
	assert_memory_equal(at, at + 2048, 512);
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(at[PAGE_SIZE + i], 0);
	/* Another's invalidation takes nothing away; the own one does. */
	assert_int_equal(iommu_unmap(other.domain, IOVA, PAGE_SIZE), PAGE_SIZE);
	moves(&edu, IOVA, IOVA + 2048, 512);
	assert_int_equal(nr_told, 0);
	dma(&other, false, IOVA, 4);
	assert_int_equal(nr_faults, 1);
	assert_ptr_equal(last.dev, &other.pdev->dev);
	leave_edu(&other);
	put_pages(at, 1);
	stop();
}

/* From one domain to another and back, with what each has mapped. */
static void domains_change(void **state)
{
	struct iommu_domain *first, *second;
	uint8_t *at;

	(void)state;
	start(one_edu);
	at = must_get_pages(1);
	first = edu.domain;
	second = iommu_domain_alloc(&edu.pdev->dev);
	assert_non_null(second);
	must_map(&edu, IOVA, at, PAGE_SIZE, RW);
	edu.domain = second;
	must_map(&edu, IOVA, at + PAGE_SIZE, PAGE_SIZE, RW);
	for (unsigned int i = 0; i < 20; i++) {
		iommu_detach_device(i % 2 ? second : first, &edu.pdev->dev);
		dma(&edu, false, IOVA, 4);
		assert_int_equal(nr_faults, 1);
		forget_faults();
		edu.domain = i % 2 ? first : second;
		assert_int_equal(iommu_attach_device(edu.domain, &edu.pdev->dev), 0);
		fill(at, 2 * PAGE_SIZE, i);
		moves(&edu, IOVA, IOVA + 1024, 64);
		assert_memory_equal(at + (i % 2 ? 0 : PAGE_SIZE) + 1024,
				    at + (i % 2 ? 0 : PAGE_SIZE), 64);
		assert_int_equal(nr_told, 0);
	}
	iommu_domain_free(second);
	put_pages(at, 1);
	stop();
}

/* How often the emulator says that it has seen something. */
static unsigned int count_lines(const char *text, const char *what)
{
	unsigned int nr = 0;

	for (; (text = strstr(text, what)); text++)
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

static void the_emulator_counts_the_same(void **state)
{
	static const char *const arguments[] = { "-device", "edu",
						 "-trace",  "smmuv3_cmdq_opcode",
						 "-trace",  "smmuv3_record_event",
						 NULL };
	struct berth_smmu_v3_stats stats;
	uint8_t *at;
	char *text;

	(void)state;
	start(arguments);
	at = must_get_pages(6);
	for (unsigned int i = 0; i < 100; i++) {
		size_t size = (i % 64 + 1) * PAGE_SIZE;

		must_map(&edu, IOVA, at, size, RW);
		assert_int_equal(iommu_unmap(edu.domain, IOVA, size), size);
	}
	dma(&edu, false, IOVA, 256);
	assert_int_equal(nr_faults, 64);
	berth_smmu_v3_command(smmu, 0xf3, 0);
	stats = stats_now();
	text = all_output();
	/* Who counts a command that was refused saw its place once more, as a CMD_SYNC. */
	assert_int_equal(count_lines(text, "SMMU_CMD_SYNC"), stats.syncs + stats.command_errors);
	assert_int_equal(count_lines(text, "SMMU_CMD_TLBI_NH_VA\n"), stats.tlbi_va);
	assert_int_equal(count_lines(text, "SMMU_CMD_TLBI_NH_ASID\n"), stats.tlbi_asid);
	assert_int_equal(count_lines(text, "SMMU_CMD_CFGI_"), stats.cfgi);
	assert_int_equal(count_lines(text, "SMMU_CMD_TLBI_NSNH_ALL\n"), stats.tlbi_all);
	assert_int_equal(count_lines(text, "smmuv3_cmdq_opcode"),
			 stats.commands + stats.command_errors);
	assert_int_equal(count_lines(text, "smmuv3_record_event"), stats.events);
	assert_int_equal(stats.events, 64);
	free(text);
	put_pages(at, 6);
	stop();
}

/* Each allocation on the way fails once: an error, nothing left, and the rest goes on. */
static void every_allocation_may_fail(void **state)
{
	unsigned int failures = 0;
	bool has_failed = true;

	(void)state;
	start(one_edu);
	for (unsigned int nth = 1; has_failed; nth++) {
		uint32_t domains = stats_now().domains;
		struct iommu_domain *domain;
		int ret = -ENOMEM;

		berth_test_fail_nth(nth);
		domain = iommu_domain_alloc(&edu.pdev->dev);
		if (domain)
			ret = iommu_map(domain, IOVA, 0x40000000, 4 * MIB, RW, GFP_KERNEL);
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		failures += domain == NULL;
		assert_true(!has_failed || !domain || ret == -ENOMEM || !ret);
		if (!domain)
			assert_reason(BERTH_REASON_OUT_OF_MEMORY);
		iommu_domain_free(domain);
		assert_int_equal(stats_now().domains, domains);
	}
	assert_true(failures >= 3);
	stop();
}

static void every_allocation_of_the_start_may_fail(void **state)
{
	static const struct berth_qemu_config config = {
		.machine = "virt,dtb-randomness=off,iommu=smmuv3,gic-version=3",
		.timeout_ms = 120000,
		.slow_down = SLOW_DOWN,
	};
	const struct berth_options options = { .machine = &berth_qemu, .machine_config = &config };
	unsigned int without = 0;
	bool has_failed = true;

	(void)state;
	for (unsigned int nth = 1; has_failed; nth++) {
		int ret;

		if (berth_running())
			berth_stop();
		berth_test_fail_nth(nth);
		ret = berth_start(NULL, drivers, &options);
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		if (ret)
			continue;
		without += !dev_get_drvdata(
			&of_find_device_by_node(of_find_compatible_node(NULL, NULL, "arm,smmu-v3"))
				 ->dev);
		/* What was taken is given back: the stop says so. */
		must_stop();
	}
	assert_true(without >= 5);
	if (berth_running())
		must_stop();
}

static void again_and_again(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 10; i++) {
		uint8_t *at;

		start(one_edu);
		at = must_get_pages(0);
		must_map(&edu, IOVA, at, PAGE_SIZE, RW);
		fill(at, 64, i);
		moves(&edu, IOVA, IOVA + 64, 64);
		assert_memory_equal(at, at + 64, 64);
		put_pages(at, 0);
		stop();
	}
}

/* The machine ends: nobody waits for it for long, and the stop says what stays. */
static void the_machine_may_die(void **state)
{
	uint8_t *at;

	(void)state;
	start(one_edu);
	at = must_get_pages(0);
	must_map(&edu, IOVA, at, PAGE_SIZE, RW);
	kill(berth_qemu_pid(), SIGKILL);
	while (berth_qemu_pid())
		readl(edu.regs);
	assert_int_equal(iommu_unmap(edu.domain, IOVA, PAGE_SIZE), PAGE_SIZE);
	assert_int_equal(berth_smmu_v3_command(smmu, 0x46, 0), -ETIMEDOUT);
	assert_reason(BERTH_REASON_MACHINE);
	assert_int_not_equal(berth_stop(), 0);
	assert_reason(BERTH_REASON_LEAK);
	again_and_again(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_tables_are_told),
		cmocka_unit_test(blocked_devices_reach_nothing),
		cmocka_unit_test(identity_passes),
		cmocka_unit_test(refused_commands_are_skipped),
		cmocka_unit_test(lost_events_are_told),
		cmocka_unit_test(ids_far_apart),
		cmocka_unit_test(domains_change),
		cmocka_unit_test(the_emulator_counts_the_same),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(every_allocation_of_the_start_may_fail),
		cmocka_unit_test(again_and_again),
		cmocka_unit_test(the_machine_may_die),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
