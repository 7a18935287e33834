// SPDX-License-Identifier: BSD-2-Clause
/* Runs under the checker as calls, for other test frameworks: machines of seeds, boards, and what comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <berth/berth.h>
#include <berth/check-run.h>
#include <berth/dma-mapping.h>
#include <berth/iommu.h>
#include <berth/model-device.h>
#include <berth/of.h>
#include <berth/slab.h>
#include <berth/swiotlb.h>
#include <berth/test.h>

#include "model/fdt.h"

static const struct berth_model_device_type gadget = { .compatible = "test,gadget" };
static const struct berth_model_device_type *const devices[] = { &gadget, NULL };

static struct device *bound;

static int probe(struct platform_device *pdev)
{
	bound = &pdev->dev;
	return 0;
}

static const struct of_device_id ids[] = { { .compatible = "test,gadget" }, {} };
static const struct platform_driver driver = {
	.probe = probe,
	.driver = { .name = "gadget", .of_match_table = ids },
};
static const struct berth_driver drivers[] = { BERTH_PLATFORM_DRIVER(&driver),
					       BERTH_NO_MORE_DRIVERS };

/* Seeds differ, and are themselves. */
static void machines(void **state)
{
	unsigned int coherent = 0, iommu = 0, bounce = 0, lines[129] = { 0 },
		     protections[4] = { 0 };
	struct berth_check_machine a, b;
	char text[200];

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		memset(&a, 1, sizeof(a));
		memset(&b, 2, sizeof(b));
		berth_check_machine(seed, &a);
		berth_check_machine(seed, &b);
		assert_int_equal(a.seed, seed);
		assert_int_equal(a.line_size, b.line_size);
		assert_int_equal(a.cache, b.cache);
		assert_int_equal(a.protection, b.protection);
		assert_int_equal(a.is_coherent, b.is_coherent);
		assert_false(a.has_iommu && a.bounces);
		assert_true(a.line_size == 32 || a.line_size == 64 || a.line_size == 128);
		lines[a.line_size]++;
		protections[a.protection] += a.has_iommu;
		coherent += a.is_coherent;
		iommu += a.has_iommu;
		bounce += a.bounces;
		if (seed != 10 && seed)
			continue;
		assert_true(iommu >= (seed ? 4 : 0) && (!seed || (bounce >= 2 && coherent >= 3)));
	}
	assert_true(coherent > 20 && iommu > 30 && bounce > 10);
	for (unsigned int i = 0; i < 4; i++)
		assert_true(protections[i] > 2);
	assert_true(lines[32] > 20 && lines[64] > 20 && lines[128] > 20);
	berth_check_machine(6, &a);
	assert_int_equal(berth_check_machine_text(&a, text, sizeof(text)), 48);
	assert_string_equal(text, "lines of 64 bytes, caches coherent, IOMMU shadow");
	assert_int_equal(berth_check_machine_text(&a, text, 5), 48);
	assert_string_equal(text, "line");
}

struct seen {
	struct berth_check_machine machine;
	unsigned int runs, reports, failures, stops;
	bool makes_mistake, fails;
};

/* Is the device on the machine that the seed stands for? */
static int look(void *data)
{
	struct seen *seen = data;
	unsigned char *buf = kmalloc(100, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(bound, buf, 100, DMA_FROM_DEVICE);

	seen->runs++;
	assert_int_equal(berth_test_seed(), seen->machine.seed);
	assert_int_equal(dev_is_dma_coherent(bound), seen->machine.is_coherent);
	assert_int_equal(iommu_get_domain_for_dev(bound) != NULL, seen->machine.has_iommu);
	if (seen->machine.has_iommu)
		assert_int_equal(berth_device_protection(bound), seen->machine.protection);
	assert_int_equal(dma_get_cache_alignment(), seen->machine.line_size);
	assert_int_equal(dma_mapping_error(bound, addr), 0);
	if (seen->makes_mistake)
		buf[0] = 1;
	dma_unmap_single(bound, addr, 100, DMA_FROM_DEVICE);
	kfree(buf);
	BERTH_TEST_ASSERT(!seen->fails);
	return 0;
}

static void on_report(const struct berth_check_report *report, void *data)
{
	assert_int_equal(report->rule, BERTH_CHECK_CPU_WRITE);
	((struct seen *)data)->reports++;
}

static void on_failure(void *data, const char *file, unsigned int line, const char *text)
{
	assert_non_null(strstr(file, "test_run.c"));
	assert_true(line > 0);
	assert_string_equal(text, "!seen->fails is not so");
	((struct seen *)data)->failures++;
}

static void on_stopped(void *data)
{
	struct seen *seen = data;

	seen->stops++;
	assert_int_equal(berth_check_count(), seen->makes_mistake);
}

static struct berth_check_run run_of(const void *board, struct seen *seen)
{
	return (struct berth_check_run){
		.board = board,
		.drivers = drivers,
		.devices = devices,
		.test = look,
		.data = seen,
		.on_report = on_report,
		.on_failure = on_failure,
		.on_stopped = on_stopped,
	};
}

static void play(const void *board, uint64_t seed, bool makes_mistake, bool fails)
{
	struct seen seen = { .makes_mistake = makes_mistake, .fails = fails };
	const struct berth_check_run run = run_of(board, &seen);
	struct berth_check_outcome outcome;

	berth_check_machine(seed, &seen.machine);
	assert_int_equal(berth_check_run(&run, &seen.machine, &outcome), 0);
	assert_int_equal(outcome.result, fails ? -EIO : 0);
	assert_int_equal(outcome.reports, makes_mistake);
	assert_false(outcome.has_leaked);
	assert_int_equal(seen.runs, 1);
	assert_int_equal(seen.reports, makes_mistake);
	assert_int_equal(seen.failures, fails);
	assert_int_equal(seen.stops, 1);
	assert_false(berth_running());
	assert_int_equal(berth_test_seed(), 0);
}

static void built_in_board(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed <= 50; seed++)
		play(NULL, seed, seed % 3 == 1, seed % 5 == 2);
}

/* A board of one address cell, where the SMMU's usual place is taken, and things that are no devices. */
static const void *board(bool is_said)
{
	static struct fdt fdt;

	fdt_start(&fdt, 1, 1);
	fdt_begin(&fdt, "chosen");
	fdt_text(&fdt, "bootargs", "quiet");
	fdt_end(&fdt);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0x80000000, 0x04000000);
	fdt_end(&fdt);
	fdt_begin(&fdt, "reserved-memory");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_flag(&fdt, "ranges");
	fdt_begin(&fdt, "pool@81000000");
	fdt_text(&fdt, "compatible", "shared-dma-pool");
	fdt_cells(&fdt, "reg", 0x81000000, 0x00400000);
	fdt_flag(&fdt, "reusable");
	fdt_end(&fdt);
	fdt_end(&fdt);
	fdt_begin(&fdt, "bus");
	fdt_text(&fdt, "compatible", "simple-bus");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_cells(&fdt, "ranges", 0, 0x08000000, 0x02000000);
	fdt_begin(&fdt, "gadget@1000");
	fdt_text(&fdt, "compatible", "test,gadget");
	fdt_cells(&fdt, "reg", 0x1000, 0x1000);
	if (is_said)
		fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

static void own_board(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed <= 50; seed++)
		play(board(false), seed, seed % 3 == 1, false);
}

/* What the board says of a device stays. */
static int is_coherent(void *data)
{
	(void)data;
	return dev_is_dma_coherent(bound) ? 0 : -EIO;
}

static void what_a_board_says(void **state)
{
	struct berth_check_run run = {
		.board = board(true), .drivers = drivers, .devices = devices, .test = is_coherent
	};
	uint64_t bad = 0;

	(void)state;
	assert_int_equal(berth_check_run_seeds(&run, 1, 20, &bad), 0);
	assert_int_equal(bad, 0);
	/* Not said: the first seed is of a machine that is not coherent. */
	run.board = board(false);
	assert_true(berth_check_run_seeds(&run, 1, 20, &bad) > 10);
	assert_int_equal(bad, 1);
	bad = 0;
	assert_true(berth_check_run_seeds(&run, 2, 19, &bad) > 10);
	assert_int_equal(bad, 3);
}

static int leak(void *data)
{
	(void)data;
	return kmalloc(1000, GFP_KERNEL) ? 0 : -ENOMEM;
}

static int start_again(void *data)
{
	struct berth_check_machine machine;
	struct berth_check_outcome outcome;

	berth_check_machine(1, &machine);
	return berth_check_run(data, &machine, &outcome);
}

static void what_cannot_be(void **state)
{
	struct berth_check_run run = { .test = leak };
	struct berth_check_machine machine;
	struct berth_check_outcome outcome;
	unsigned char damaged[sizeof(struct fdt)];

	(void)state;
	berth_check_machine(1, &machine);
	assert_int_equal(berth_check_run(&run, &machine, &outcome), 0);
	assert_true(outcome.has_leaked && outcome.leaked_bytes >= 1000);
	run.test = start_again;
	run.data = &run;
	assert_int_equal(berth_check_run(&run, &machine, &outcome), 0);
	assert_int_equal(outcome.result, -EBUSY);
	assert_int_equal(berth_check_run_abi(&run, &machine, &outcome, BERTH_ABI + 1), -EINVAL);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_ABI);
	run.check_memory = 1000;
	assert_int_equal(berth_check_run(&run, &machine, &outcome), -EINVAL);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_ARGUMENT);
	run.check_memory = 0;
	memset(damaged, 0, sizeof(damaged));
	run.board = (void *)(((uintptr_t)damaged + 7) & ~(uintptr_t)7);
	assert_int_equal(berth_check_run(&run, &machine, &outcome), -EINVAL);
	assert_int_equal(berth_last_error()->reason, BERTH_REASON_TREE);
	assert_false(berth_running());
}

/* Any byte of a tree may be wrong: it is refused, or it is a board. */
static void damaged_boards(void **state)
{
	const unsigned char *whole = board(false);
	const size_t size = (size_t)whole[4] << 24 | (size_t)whole[5] << 16 |
			    (size_t)whole[6] << 8 | whole[7];
	unsigned char *copy = malloc(size);
	struct berth_check_machine machine;
	unsigned int refused = 0;

	(void)state;
	assert_non_null(copy);
	berth_check_machine(4, &machine);
	for (size_t at = 0; at < size; at++) {
		for (unsigned int bit = 0; bit < 8; bit += 3) {
			void *tree;

			memcpy(copy, whole, size);
			copy[at] ^= (unsigned char)(1u << bit);
			/* What it says of its own length is the caller's to ask. */
			if (at >= 4 && at < 8)
				continue;
			tree = berth_check_board(copy, devices, &machine);
			refused += !tree;
			free(tree);
		}
	}
	assert_true(refused > 10);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machines),	  cmocka_unit_test(built_in_board),
		cmocka_unit_test(own_board),	  cmocka_unit_test(what_a_board_says),
		cmocka_unit_test(what_cannot_be), cmocka_unit_test(damaged_boards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
