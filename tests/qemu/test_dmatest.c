/* SPDX-License-Identifier: BSD-2-Clause */
/* 10,000 random transfers on each engine that QEMU's boards have, on all channels at once. */
#include <berth/drivers/dmatest.h>
#include <berth/drivers/zynqmp-zdma.h>

#include "zynq.h"

#define TRANSFERS 10000u
#define MAX_CHANNELS 32u

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pl330_driver),
	BERTH_PLATFORM_DRIVER(&berth_zdma_driver),
	BERTH_NO_MORE_DRIVERS,
};

/* What all of them do. */
static const enum berth_dmatest_kind kinds[] = { BERTH_DMATEST_MEMCPY, BERTH_DMATEST_MEMSET,
						 BERTH_DMATEST_INTERLEAVED, BERTH_DMATEST_INTERRUPT,
						 BERTH_DMATEST_SG };

static void report(void *data, const struct berth_dmatest_failure *failure)
{
	char text[300];

	(void)data;
	berth_dmatest_text(failure, text, sizeof(text));
	print_error("%s\n", text);
}

static void try_engine(const char *machine, const void *tree, uint64_t ram_size, unsigned int nr)
{
	static struct berth_dmatest tests[MAX_CHANNELS];
	const struct berth_qemu_config config = {
		.machine = machine,
		.ram_size = ram_size,
		.timeout_ms = 120000,
		.slow_down = SLOW_DOWN,
	};
	const struct berth_options options = { .machine = &berth_qemu, .machine_config = &config };
	struct berth_dmatest_params params = { .iterations = TRANSFERS / nr, .report = report };
	struct berth_dmatest_stats sum = { 0 };
	struct dma_chan *chans[MAX_CHANNELS];

	if (berth_running())
		berth_stop();
	assert_int_equal(berth_start(tree, drivers, &options), 0);
	memset(tests, 0, sizeof(tests));
	for (unsigned int i = 0; i < nr; i++) {
		chans[i] = must_take(DMA_MEMCPY);
		params.seed = i + 1;
		params.polled = i % 4 == 3;
		assert_int_equal(berth_dmatest_init(&tests[i], chans[i], &params), 0);
	}
	assert_int_equal(berth_dmatest_run_all(tests, nr), 0);
	for (unsigned int i = 0; i < nr; i++) {
		berth_dmatest_add(&sum, &tests[i].stats);
		berth_dmatest_exit(&tests[i]);
		dma_release_channel(chans[i]);
	}
	assert_int_equal(sum.tests, TRANSFERS);
	assert_int_equal(sum.failed, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_true(sum.kinds[kinds[i]] > 0);
	must_stop();
}

static void pl330(void **state)
{
	(void)state;
	try_engine("xilinx-zynq-a9", tree_qemu_zynq, 256 * MIB, 8);
}

static void zdma_of_zcu102(void **state)
{
	(void)state;
	try_engine("xlnx-zcu102", tree_qemu_zcu102, 128 * MIB, 16);
}

static void zdma_of_versal(void **state)
{
	(void)state;
	try_engine("xlnx-versal-virt", NULL, 128 * MIB, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pl330),
		cmocka_unit_test(zdma_of_zcu102),
		cmocka_unit_test(zdma_of_versal),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
