/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SMMUv3 driver on other hardware than QEMU's: its SMMU, with registers between that say less of
 * what it can do, or stand still.
 */
#include <libfdt.h>

#include "smmu.h"

#define SMMU_BASE 0x9050000u
#define SMMU_SIZE 0x20000u
#define IDR0 0x00u
#define IDR1 0x04u
#define IDR3 0x0cu
#define IDR5 0x14u
#define CR0ACK 0x24u
#define GERROR 0x60u
#define GERRORN 0x64u
#define CMDQ_CONS 0x9cu

/* What is read of a register instead: its bits @mask are @value. */
static struct rule {
	unsigned int reg;
	uint32_t mask, value;
} rules[3];
static uint32_t acks, ack; /* writes of GERRORN, and the last one */
static bool has_new_errors; /* GERROR's first bit is never as GERRORN has it */
static void (*edit)(int node); /* what else the tree is to say of the SMMU */
static void *tree;
static uintptr_t cookie;
static struct berth_machine machine;
static struct raw edu;
static uint64_t nr_faults;

static void note(const struct berth_iommu_fault *fault, void *data)
{
	(void)data;
	nr_faults += fault->count;
}

static void *map_registers(phys_addr_t phys, uint64_t size)
{
	void *virt = berth_qemu.ioremap(phys, size);

	if (phys == SMMU_BASE && size == SMMU_SIZE)
		cookie = (uintptr_t)virt;
	return virt;
}

static uint64_t read_register(const volatile void *at, unsigned int bytes)
{
	uint64_t value = berth_qemu.read(at, bytes);

	for (unsigned int i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].mask && (uintptr_t)at - cookie == rules[i].reg)
			value = (value & ~(uint64_t)rules[i].mask) | rules[i].value;
	if (has_new_errors && (uintptr_t)at - cookie == GERROR)
		value = (value & ~1ull) | !(ack & 1);
	return value;
}

static void write_register(volatile void *at, unsigned int bytes, uint64_t value)
{
	if ((uintptr_t)at - cookie == GERRORN) {
		ack = (uint32_t)value;
		acks++;
	}
	berth_qemu.write(at, bytes, value);
}

static void rule(unsigned int index, unsigned int reg, uint32_t mask, uint32_t value)
{
	rules[index] = (struct rule){ reg, mask, value };
}

static void no_rules(void)
{
	memset(rules, 0, sizeof(rules));
	has_new_errors = false;
	acks = 0;
	edit = NULL;
}

static int start_machine_with_edited_tree(const void **fdt, const void *config)
{
	int err = berth_qemu.start(fdt, config);
	size_t size;

	if (err || !edit)
		return err;
	size = fdt_totalsize(*fdt);
	free(tree);
	tree = malloc(size);
	assert_non_null(tree);
	memcpy(tree, *fdt, size);
	edit(fdt_node_offset_by_compatible(tree, -1, "arm,smmu-v3"));
	*fdt = tree;
	return 0;
}

/* Time of the host, as it is: here is something to wait for. */
static void start(void)
{
	const struct berth_qemu_config config = {
		.machine = "virt,dtb-randomness=off,iommu=smmuv3,gic-version=3",
		.arguments = one_edu,
		.timeout_ms = 120000,
		.slow_down = 1,
	};
	const struct berth_options options = { .machine = &machine, .machine_config = &config };

	if (berth_running())
		berth_stop();
	machine = berth_qemu;
	machine.start = start_machine_with_edited_tree;
	machine.ioremap = map_registers;
	machine.read = read_register;
	machine.write = write_register;
	assert_int_equal(berth_start(NULL, drivers, &options), 0);
	smmu = &of_find_device_by_node(of_find_compatible_node(NULL, NULL, "arm,smmu-v3"))->dev;
	nr_faults = 0;
}

/* The driver is not bound, for this reason, and the device behind it does no DMA. */
static void assert_refused(void)
{
	struct pci_dev *pdev;

	start();
	assert_null(dev_get_drvdata(smmu));
	assert_ptr_equal(smmu->driver, NULL);
	pdev = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	assert_int_equal(pdev->dev.backend, BERTH_DMA_NONE);
	must_stop();
	no_rules();
}

static void what_cannot_work_is_refused(void **state)
{
	static const struct rule cases[] = {
		{ IDR0, 0x2, 0 }, /* no stage 1 */
		{ IDR0, 0xc, 0x4 }, /* AArch32 tables */
		{ IDR0, 3u << 21, 3u << 21 }, /* big endian */
		{ IDR0, 3u << 24, 2u << 24 }, /* stalls always */
		{ IDR0, UINT32_MAX, 0 }, /* nothing there */
		{ IDR0, UINT32_MAX, UINT32_MAX },
		{ IDR1, 1u << 29, 1u << 29 }, /* queues where it wants */
		{ IDR1, 31u << 21, 3u << 21 }, /* a short command queue */
		{ IDR5, 0x70, 0 }, /* no page sizes */
		{ CR0ACK, 0x8, 0 }, /* does not begin */
		{ CR0ACK, 0x8, 0x8 }, /* does not end */
		{ CMDQ_CONS, UINT32_MAX, 0 }, /* does nothing */
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rule one = cases[i];

		rule(0, one.reg, one.mask, one.value);
		/* One that cannot be turned off keeps its memory. */
		if (one.reg == CR0ACK && one.value) {
			start();
			assert_null(dev_get_drvdata(smmu));
			assert_int_not_equal(berth_stop(), 0);
			assert_reason(BERTH_REASON_LEAK);
			no_rules();
			continue;
		}
		assert_refused();
	}
}

static struct berth_smmu_v3_stats stats_now(void)
{
	struct berth_smmu_v3_stats stats;

	berth_smmu_v3_stats(smmu, &stats);
	return stats;
}

static void use_edu(void)
{
	uint8_t *at = must_get_pages(6);

	take_edu(&edu, NULL);
	berth_iommu_set_listener(note, NULL);
	fill(at, 4096, 1);
	must_map(&edu, IOVA, at, 64 * PAGE_SIZE, RW);
	moves(&edu, IOVA, IOVA + 2048, 1000);
	assert_memory_equal(at, at + 2048, 1000);
	assert_int_equal(nr_faults, 0);
	assert_int_equal(iommu_unmap(edu.domain, IOVA, 64 * PAGE_SIZE), 64 * PAGE_SIZE);
	dma(&edu, false, IOVA, 8);
	assert_int_equal(nr_faults, 2);
	nr_faults = 0;
	put_pages(at, 6);
}

/* No range invalidation: page by page, up to so many. */
static void without_ranges(void **state)
{
	struct berth_smmu_v3_stats before, after;
	uint8_t *at;

	(void)state;
	rule(0, IDR3, 1u << 10, 0);
	start();
	use_edu();
	at = must_get_pages(6);
	for (unsigned int nr = 31; nr <= 33; nr++) {
		must_map(&edu, IOVA, at, nr * PAGE_SIZE, RW);
		dma(&edu, false, IOVA + (nr - 1) * PAGE_SIZE, 4);
		before = stats_now();
		assert_int_equal(iommu_unmap(edu.domain, IOVA, nr * PAGE_SIZE), nr * PAGE_SIZE);
		after = stats_now();
		assert_int_equal(after.tlbi_va - before.tlbi_va, nr <= 32 ? nr : 0);
		assert_int_equal(after.tlbi_asid - before.tlbi_asid, nr > 32);
		dma(&edu, false, IOVA + (nr - 1) * PAGE_SIZE, 4);
		assert_int_equal(nr_faults, 1);
		nr_faults = 0;
	}
	put_pages(at, 6);
	leave_edu(&edu);
	must_stop();
	no_rules();
}

/* One level of stream tables, for few ids and for many. */
static void with_one_level(void **state)
{
	static const unsigned int sizes[] = { 6, 8, 12, 16 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		rule(0, IDR0, 3u << 27, 0);
		rule(1, IDR1, 0x3f, sizes[i]);
		start();
		use_edu();
		assert_int_equal(stats_now().tables, 0);
		leave_edu(&edu);
		must_stop();
		no_rules();
	}
}

/* An id that no table has room for: its device is refused, others work. */
static void ids_out_of_range(void **state)
{
	struct pci_dev *pdev;

	(void)state;
	rule(0, IDR1, 0x3f, 3);
	start();
	pdev = must_find(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	assert_false(device_iommu_mapped(&pdev->dev));
	assert_int_equal(pdev->dev.backend, BERTH_DMA_NONE);
	assert_non_null(dev_get_drvdata(smmu));
	must_stop();
	no_rules();
}

/* 8 bits of ASID: 255 domains, and the reason when there are no more. */
static void few_asids(void **state)
{
	struct iommu_domain *domains[256];
	unsigned int nr = 0;

	(void)state;
	rule(0, IDR0, 1u << 12, 0);
	start();
	use_edu();
	while (nr < 256 && (domains[nr] = iommu_domain_alloc(&edu.pdev->dev)))
		nr++;
	assert_reason(BERTH_REASON_TABLE_FULL);
	assert_int_equal(stats_now().domains, 255);
	iommu_domain_free(domains[--nr]);
	domains[nr] = iommu_domain_alloc(&edu.pdev->dev);
	assert_non_null(domains[nr++]);
	while (nr)
		iommu_domain_free(domains[--nr]);
	leave_edu(&edu);
	must_stop();
	no_rules();
}

/* The command queue stands still: each wait ends, with the reason, and when it goes on so do we. */
static void a_queue_that_stands_still(void **state)
{
	struct iommu_domain *domain;
	uint32_t cons;

	(void)state;
	start();
	use_edu();
	domain = iommu_domain_alloc(&edu.pdev->dev);
	iommu_detach_device(edu.domain, &edu.pdev->dev);
	cons = (uint32_t)(stats_now().commands & 0x1ff);
	rule(0, CMDQ_CONS, UINT32_MAX, cons);
	assert_int_equal(iommu_attach_device(domain, &edu.pdev->dev), -ETIMEDOUT);
	assert_reason(BERTH_REASON_NO_DEVICE);
	assert_string_equal(berth_last_error()->subject, dev_name(smmu));
	assert_true(stats_now().timeouts >= 1);
	for (unsigned int i = 0; i < 300; i++)
		assert_int_equal(berth_smmu_v3_command(smmu, 0x46, 0), -ETIMEDOUT);
	/* There is room for 256. */
	assert_true(stats_now().fullness > 0);
	no_rules();
	assert_int_equal(berth_smmu_v3_command(smmu, 0x46, 0), 0);
	assert_int_equal(iommu_attach_device(edu.domain, &edu.pdev->dev), 0);
	iommu_domain_free(domain);
	leave_edu(&edu);
	must_stop();
}

/* It says that it cannot read the queue: tried again, and then left, and told once. */
static void a_queue_that_cannot_be_read(void **state)
{
	struct berth_smmu_v3_stats before;
	uint32_t at;

	(void)state;
	start();
	use_edu();
	at = (uint32_t)(stats_now().commands & 0x1ff);
	before = stats_now();
	acks = 0;
	rule(0, CMDQ_CONS, UINT32_MAX, at | 2u << 24);
	has_new_errors = true;
	assert_int_equal(berth_smmu_v3_command(smmu, 0x46, 0), -ETIMEDOUT);
	assert_int_equal(berth_smmu_v3_command(smmu, 0x46, 0), -ETIMEDOUT);
	assert_int_equal(stats_now().command_errors - before.command_errors, 4);
	assert_int_equal(acks, 3);
	/* Nothing makes it go on, so the domain cannot be left, and the stop says so. */
	assert_int_not_equal(berth_stop(), 0);
	no_rules();
}

/* A property's place in the tree, which may be changed. */
static void *property(int node, const char *name, int *length)
{
	void *at = fdt_getprop_w(tree, node, name, length);

	assert_non_null(at);
	return at;
}

static void remove_property(int node, const char *name)
{
	int length;
	fdt32_t *at = property(node, name, &length);

	/* Its tag, length and name come before it. */
	for (int i = -3; i < (length + 3) / 4; i++)
		at[i] = cpu_to_fdt32(FDT_NOP);
}

static void no_registers(int node)
{
	remove_property(node, "reg");
}

static void few_registers(int node)
{
	const uint64_t reg[2] = { cpu_to_fdt64(SMMU_BASE), cpu_to_fdt64(0x1000) };
	int length;

	memcpy(property(node, "reg", &length), reg, sizeof(reg));
	assert_int_equal(length, sizeof(reg));
}

static void no_interrupts(int node)
{
	remove_property(node, "interrupts");
}

/* Of four names the first two become others. */
static void one_interrupt(int node)
{
	static const char names[] = "combined\0aa";
	int length;
	void *at = property(node, "interrupt-names", &length);

	assert_memory_equal(at, "eventq\0priq", sizeof(names));
	memcpy(at, names, sizeof(names));
}

static void not_coherent(int node)
{
	remove_property(node, "dma-coherent");
}

static void what_the_tree_may_say(void **state)
{
	(void)state;
	edit = no_registers;
	assert_refused();
	edit = few_registers;
	assert_refused();
	edit = one_interrupt;
	start();
	use_edu();
	leave_edu(&edu);
	must_stop();
	edit = not_coherent;
	start();
	use_edu();
	assert_false(device_iommu_capable(&edu.pdev->dev, IOMMU_CAP_CACHE_COHERENCY));
	leave_edu(&edu);
	must_stop();
	/* Nobody says what was refused; it is refused all the same. */
	edit = no_interrupts;
	start();
	take_edu(&edu, NULL);
	berth_iommu_set_listener(note, NULL);
	dma(&edu, false, IOVA, 8);
	assert_int_equal(nr_faults, 0);
	assert_int_equal(berth_smmu_v3_command(smmu, 0xf0, 0), -EIO);
	assert_int_equal(berth_smmu_v3_command(smmu, 0x46, 0), 0);
	leave_edu(&edu);
	must_stop();
	no_rules();
	free(tree);
	tree = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_work_is_refused),
		cmocka_unit_test(without_ranges),
		cmocka_unit_test(with_one_level),
		cmocka_unit_test(ids_out_of_range),
		cmocka_unit_test(few_asids),
		cmocka_unit_test(a_queue_that_stands_still),
		cmocka_unit_test(a_queue_that_cannot_be_read),
		cmocka_unit_test(what_the_tree_may_say),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
