/* SPDX-License-Identifier: BSD-2-Clause */
/* The ZDMA driver on the boards of QEMU that have the controller. */
#include <fcntl.h>
#include <sys/stat.h>

#include <berth/dma-mapping.h>
#include <berth/io.h>
#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/test.h>

#include <berth/drivers/dmatest.h>
#include <berth/drivers/zynqmp-zdma.h>

#include "../model/copies.h"
#include "board.h"
#include "trees.h"

#define MAX_CHANNELS 16u
#define SIZE 65536u

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_zdma_driver),
	BERTH_NO_MORE_DRIVERS,
};

static const enum berth_zdma_mode modes[] = {
	BERTH_ZDMA_AUTO,
	BERTH_ZDMA_SIMPLE,
	BERTH_ZDMA_LINEAR,
	BERTH_ZDMA_LINKED,
};

struct kind {
	const char *machine;
	const void *tree;
	unsigned int nr;
	unsigned int tried[2]; /* channels, of each width of the bus one */
	phys_addr_t uart;
	uint32_t fifo;
	/* Bytes of an access to the UART, by the channel next to it. */
	uint32_t widths[3];
	unsigned int channels[3];
};

/* A fixed burst is as wide as the bus: on Versal QEMU has 128 bits where its tree says 64. */
static const struct kind zcu102 = {
	"xlnx-zcu102", tree_qemu_zcu102, 16, { 0, 8 }, 0xff000000, 0x30,
	{ 1, 8, 16 },  { 15, 15, 0 },
};
static const struct kind versal = {
	"xlnx-versal-virt", NULL, 8, { 3, 7 }, 0xff000000, 0x00, { 1, 2, 4 }, { 7, 6, 5 },
};

static struct device *devices[MAX_CHANNELS];
static char uart_path[64], uart_argument[96];

static void start(const struct kind *kind)
{
	const char *const arguments[] = { "-chardev", uart_argument, "-serial", "chardev:uart",
					  NULL };
	const struct berth_qemu_config config = {
		.machine = kind->machine,
		.ram_size = 256 * MIB,
		.arguments = arguments,
		.timeout_ms = 120000,
		.slow_down = SLOW_DOWN,
	};
	const struct berth_options options = { .machine = &berth_qemu, .machine_config = &config };
	struct device_node *node = NULL;
	unsigned int nr = 0;
	char why[200];

	if (berth_running())
		berth_stop();
	if (berth_start(kind->tree, drivers, &options)) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("%s: %s", kind->machine, why);
	}
	while ((node = of_find_compatible_node(node, NULL, "xlnx,zynqmp-dma-1.0"))) {
		assert_true(nr < MAX_CHANNELS);
		devices[nr] = &of_find_device_by_node(node)->dev;
		assert_non_null(dev_get_drvdata(devices[nr]));
		nr++;
	}
	assert_int_equal(nr, kind->nr);
}

static void all_channels_are_there(void **state)
{
	const struct kind *kind = *state;
	struct copies c;

	start(kind);
	for (unsigned int i = 0; i < kind->nr; i++) {
		copies_start(&c, must_channel(devices[i]), 4096);
		copies_one(&c, 1);
		assert_null(try_channel(devices[i]));
		dma_release_channel(c.chan);
		copies_end(&c);
	}
	must_stop();
}

static void runs_of_any_size_and_place(void **state)
{
	const struct kind *kind = *state;
	struct copies c;

	start(kind);
	for (unsigned int i = 0; i < ARRAY_SIZE(kind->tried); i++) {
		struct device *dev = devices[kind->tried[i]];

		copies_start(&c, must_channel(dev), SIZE);
		for (unsigned int n = 0; n < 30 * ARRAY_SIZE(modes); n++) {
			assert_int_equal(berth_zdma_set_mode(dev, modes[n % ARRAY_SIZE(modes)]), 0);
			copies_one(&c, 1);
		}
		dma_release_channel(c.chan);
		copies_end(&c);
	}
	must_stop();
}

static void chains_are_as_memcpy(void **state)
{
	static const unsigned int numbers[] = { 1,  2,	 3,   31,  32,	33,  62,   63,	 64,
						65, 126, 127, 128, 500, 999, 2048, 4095, 4096 };
	const struct kind *kind = *state;
	struct copies c;

	start(kind);
	for (unsigned int i = 0; i < ARRAY_SIZE(kind->tried); i++) {
		struct device *dev = devices[kind->tried[i]];

		copies_start(&c, must_channel(dev), 8 * SIZE);
		for (unsigned int n = 0; n < ARRAY_SIZE(numbers); n++) {
			for (unsigned int m = 0; m < ARRAY_SIZE(modes); m++) {
				/* One register access after the other. */
				if (modes[m] == BERTH_ZDMA_SIMPLE && numbers[n] > 200)
					continue;
				assert_int_equal(berth_zdma_set_mode(dev, modes[m]), 0);
				copies_many(&c, numbers[n], 1);
			}
		}
		dma_release_channel(c.chan);
		copies_end(&c);
	}
	must_stop();
}

static void many_are_queued_and_done_in_order(void **state)
{
	const struct kind *kind = *state;
	struct called called = { 0 };
	struct dma_async_tx_descriptor *tx;
	dma_cookie_t cookie = 0;
	struct dma_tx_state left;
	struct copies c;

	start(kind);
	copies_start(&c, must_channel(devices[0]), SIZE);
	copies_map(&c);
	for (unsigned int i = 0; i < 64; i++) {
		memcpy(c.want + i * 1000, c.src + i * 1001, 999);
		tx = dmaengine_prep_dma_memcpy(c.chan, c.dst_dma + i * 1000, c.src_dma + i * 1001,
					       999, DMA_PREP_INTERRUPT);
		assert_non_null(tx);
		tx->callback_result = on_result;
		tx->callback_param = &called;
		cookie = dmaengine_submit(tx);
		assert_int_equal(dmaengine_tx_status(c.chan, cookie, &left), DMA_IN_PROGRESS);
		assert_int_equal(left.residue, 999);
	}
	/* With one among them that moves nothing. */
	tx = dmaengine_prep_dma_interrupt(c.chan, DMA_PREP_INTERRUPT);
	assert_non_null(tx);
	tx->callback_result = on_result;
	tx->callback_param = &called;
	cookie = dmaengine_submit(tx);
	assert_int_equal(called.nr, 0);
	must_wait(c.chan, cookie);
	must_be_called(&called, 65);
	copies_compare(&c);
	dma_release_channel(c.chan);
	copies_end(&c);
	must_stop();
}

static void memory_is_filled(void **state)
{
	const struct kind *kind = *state;
	struct copies c;

	start(kind);
	for (unsigned int i = 0; i < ARRAY_SIZE(kind->tried); i++) {
		copies_start(&c, must_channel(devices[kind->tried[i]]), 4096);
		for (unsigned int n = 0; n < 20; n++) {
			size_t size = 1 + copies_random(2000), at = copies_random(2000);

			copies_map(&c);
			memset(c.want + at, (int)n + 1, size);
			must_run(dmaengine_prep_dma_memset(c.chan, c.dst_dma + at, (int)n + 1, size,
							   0));
			copies_compare(&c);
		}
		dma_release_channel(c.chan);
		copies_end(&c);
	}
	must_stop();
}

static void a_paused_channel_starts_nothing(void **state)
{
	const struct kind *kind = *state;
	struct dma_async_tx_descriptor *tx;
	struct dma_tx_state left;
	dma_cookie_t cookie;
	struct copies c;

	start(kind);
	copies_start(&c, must_channel(devices[1]), SIZE);
	copies_map(&c);
	assert_int_equal(dmaengine_pause(c.chan), 0);
	tx = dmaengine_prep_dma_memcpy(c.chan, c.dst_dma, c.src_dma, SIZE, 0);
	assert_non_null(tx);
	cookie = dmaengine_submit(tx);
	dma_async_issue_pending(c.chan);
	assert_int_equal(berth_dma_wait(c.chan, cookie, msecs_to_jiffies(20)), -ETIMEDOUT);
	dmaengine_tx_status(c.chan, cookie, &left);
	assert_int_equal(left.residue, SIZE);
	assert_int_equal(dmaengine_resume(c.chan), 0);
	must_wait(c.chan, cookie);
	memcpy(c.want, c.src, SIZE);
	copies_compare(&c);
	dma_release_channel(c.chan);
	copies_end(&c);
	must_stop();
}

/* What the board's UART has sent, as soon as it is @size bytes, and @more at most. */
static void must_have_sent(const char *want, size_t size, size_t more)
{
	char *text = calloc(1, size + 64);
	ssize_t got = 0;
	int fd = open(uart_path, O_RDONLY);

	assert_true(text && fd >= 0);
	for (unsigned int i = 0; i < 60000 && got < (ssize_t)size; i++) {
		if (i)
			usleep(1000);
		got = pread(fd, text, size + 63, 0);
	}
	assert_in_range(got, size, size + more);
	assert_memory_equal(text, want, size);
	close(fd);
	free(text);
}

static struct dma_chan *uart_channel(const struct kind *kind, unsigned int which,
				     void __iomem **uart)
{
	struct dma_slave_config config = {
		.direction = DMA_MEM_TO_DEV,
		.dst_addr = kind->uart + kind->fifo,
		.dst_addr_width = (enum dma_slave_buswidth)kind->widths[which],
		.dst_maxburst = 4,
	};
	struct dma_chan *chan = must_channel(devices[kind->channels[which]]);

	*uart = ioremap(kind->uart, 4096);
	assert_non_null(*uart);
	if (kind == &zcu102)
		writel(0x14, *uart); /* a Cadence UART has to be switched on */
	assert_int_equal(dmaengine_slave_config(chan, &config), 0);
	return chan;
}

/* A text in four pieces, with one letter in each access: once for each width. */
static void a_peripheral_is_fed(void **state)
{
	static const char text[] = "A peripheral is fed by its controller.\n";
	const struct kind *kind = *state;
	struct scatterlist sg[4];
	struct dma_chan *chan;
	void __iomem *uart;
	uint8_t *bytes;
	char all[3 * sizeof(text)] = "";
	size_t size = sizeof(text) - 1;

	start(kind);
	for (unsigned int which = 0; which < ARRAY_SIZE(kind->widths); which++) {
		uint32_t step = kind->widths[which];

		chan = uart_channel(kind, which, &uart);
		bytes = kzalloc(4 * 64 * step, GFP_KERNEL);
		assert_non_null(bytes);
		sg_init_table(sg, 4);
		for (unsigned int i = 0, at = 0; i < 4; i++) {
			unsigned int nr = i == 3 ? (unsigned int)size - at : 10 - i;

			for (unsigned int j = 0; j < nr; j++)
				bytes[(64 * i + j) * step] = (uint8_t)text[at++];
			sg_set_buf(&sg[i], bytes + 64 * i * step, nr * step);
		}
		assert_int_equal(dma_map_sg(dmaengine_get_dma_device(chan), sg, 4, DMA_TO_DEVICE),
				 4);
		must_run(dmaengine_prep_slave_sg(chan, sg, 4, DMA_MEM_TO_DEV, DMA_PREP_INTERRUPT));
		dma_unmap_sg(dmaengine_get_dma_device(chan), sg, 4, DMA_TO_DEVICE);
		kfree(bytes);
		iounmap(uart);
		dma_release_channel(chan);
		strcat(all, text);
	}
	must_have_sent(all, strlen(all), 0);
	must_stop();
}

static void a_ring_goes_round_until_it_is_stopped(void **state)
{
	const struct kind *kind = *state;
	struct called called = { .nr_max = 10 };
	struct dma_async_tx_descriptor *tx;
	struct dma_chan *chan;
	void __iomem *uart;
	dma_addr_t dma;
	char *ring;

	start(kind);
	chan = uart_channel(kind, 0, &uart);
	ring = kmalloc(20, GFP_KERNEL);
	assert_non_null(ring);
	memcpy(ring, "01234abcdeFGHIJvwxyz", 20);
	dma = dma_map_single(dmaengine_get_dma_device(chan), ring, 20, DMA_TO_DEVICE);
	assert_false(dma_mapping_error(dmaengine_get_dma_device(chan), dma));
	tx = dmaengine_prep_dma_cyclic(chan, dma, 20, 5, DMA_MEM_TO_DEV, DMA_PREP_INTERRUPT);
	assert_non_null(tx);
	called.chan = chan;
	tx->callback_result = on_result;
	tx->callback_param = &called;
	assert_true(dmaengine_submit(tx) > 0);
	dma_async_issue_pending(chan);
	must_be_called(&called, 10);
	dmaengine_synchronize(chan);
	assert_int_equal(called.nr, 10);
	dma_unmap_single(dmaengine_get_dma_device(chan), dma, 20, DMA_TO_DEVICE);
	/* The letters up to there; the rest is what was under way. */
	must_have_sent("01234abcdeFGHIJvwxyz01234abcdeFGHIJvwxyz01234abcde", 50, 5);
	kfree(ring);
	iounmap(uart);
	dma_release_channel(chan);
	must_stop();
}

/* A register is read again and again: the UART's name in its identification. */
static void a_peripheral_is_read(void **state)
{
	struct dma_slave_config config = {
		.direction = DMA_DEV_TO_MEM,
		.src_addr = versal.uart + 0xff0, /* PrimeCell identification */
		.src_addr_width = DMA_SLAVE_BUSWIDTH_4_BYTES,
	};
	struct copies c;

	(void)state;
	start(&versal);
	copies_start(&c, must_channel(devices[2]), 64);
	assert_int_equal(dmaengine_slave_config(c.chan, &config), 0);
	copies_map(&c);
	for (unsigned int i = 0; i < 5; i++)
		memcpy(c.want + 4 + 4 * i, "\x0d\0\0", 4);
	must_run(dmaengine_prep_slave_single(c.chan, c.dst_dma + 4, 20, DMA_DEV_TO_MEM, 0));
	copies_compare(&c);
	dma_release_channel(c.chan);
	copies_end(&c);
	must_stop();
}

static void what_cannot_be_is_refused(void **state)
{
	struct dma_slave_config config = {
		.dst_addr = versal.uart + 4,
		.dst_addr_width = DMA_SLAVE_BUSWIDTH_16_BYTES,
	};
	struct copies c;

	(void)state;
	start(&versal);
	copies_start(&c, must_channel(devices[0]), 4096);
	copies_map(&c);
	/* Wider than the bus. */
	assert_int_equal(dmaengine_slave_config(c.chan, &config), -EINVAL);
	assert_reason(BERTH_REASON_CAPABILITY);
	/* No word about the peripheral yet. */
	assert_null(dmaengine_prep_slave_single(c.chan, c.src_dma, 64, DMA_MEM_TO_DEV, 0));
	assert_reason(BERTH_REASON_ARGUMENT);
	config.dst_addr_width = DMA_SLAVE_BUSWIDTH_8_BYTES;
	assert_int_equal(dmaengine_slave_config(c.chan, &config), 0);
	assert_null(dmaengine_prep_slave_single(c.chan, c.src_dma, 64, DMA_MEM_TO_DEV, 0));
	assert_reason(BERTH_REASON_ALIGNMENT);
	config.dst_addr = versal.uart;
	assert_int_equal(dmaengine_slave_config(c.chan, &config), 0);
	assert_null(dmaengine_prep_slave_single(c.chan, c.src_dma, 63, DMA_MEM_TO_DEV, 0));
	assert_reason(BERTH_REASON_ALIGNMENT);
	assert_null(dmaengine_prep_dma_cyclic(c.chan, c.src_dma, 36, 12, DMA_MEM_TO_DEV, 0));
	assert_reason(BERTH_REASON_ALIGNMENT);
	/* Memory is no peripheral. */
	config.dst_addr = 0x100000;
	assert_int_equal(dmaengine_slave_config(c.chan, &config), 0);
	assert_null(dmaengine_prep_slave_single(c.chan, c.src_dma, 64, DMA_MEM_TO_DEV, 0));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(berth_zdma_set_mode(devices[0], (enum berth_zdma_mode)4), -EINVAL);
	copies_compare(&c);
	dma_release_channel(c.chan);
	copies_end(&c);
	must_stop();
}

/* Of all allocations that a list needs each may fail; afterwards, none is needed. */
static void every_allocation_may_fail(void **state)
{
	struct dma_interleaved_template *xt;
	struct dma_async_tx_descriptor *tx;
	unsigned int nth = 0;
	struct copies c;

	(void)state;
	start(&versal);
	assert_int_equal(berth_zdma_set_mode(devices[0], BERTH_ZDMA_LINEAR), 0);
	copies_start(&c, must_channel(devices[0]), SIZE);
	copies_map(&c);
	xt = copies_list(&c, 300, 1);
	do {
		berth_test_fail_nth(++nth);
		tx = dmaengine_prep_interleaved_dma(c.chan, xt, 0);
		berth_test_fail_nth(0);
		if (!tx)
			assert_reason(BERTH_REASON_OUT_OF_MEMORY);
	} while (!tx);
	assert_true(nth > 1);
	must_run(tx);
	copies_compare(&c);
	free(xt);
	/* The steady state. */
	for (unsigned int i = 0; i < 20; i++) {
		copies_map(&c);
		xt = copies_list(&c, 100, 1);
		berth_test_fail_nth(1);
		must_run(dmaengine_prep_interleaved_dma(c.chan, xt, 0));
		assert_false(berth_test_failed());
		berth_test_fail_nth(0);
		copies_compare(&c);
		free(xt);
	}
	dma_release_channel(c.chan);
	copies_end(&c);
	must_stop();
}

static void on_failure(void *data, const struct berth_dmatest_failure *failure)
{
	char text[240];

	(void)data;
	berth_dmatest_text(failure, text, sizeof(text));
	print_error("%s\n", text);
}

/* On all channels at once. */
static void ten_thousand_random_transfers(void **state)
{
	const struct kind *kind = *state;
	const struct berth_dmatest_params params = {
		.iterations = 10000 / kind->nr,
		.buffer_size = 4096,
		.timeout_ms = 600000,
		.report = on_failure,
	};
	struct berth_dmatest *tests = calloc(kind->nr, sizeof(*tests));

	start(kind);
	assert_non_null(tests);
	for (unsigned int i = 0; i < kind->nr; i++)
		assert_int_equal(berth_dmatest_init(&tests[i], must_channel(devices[i]), &params),
				 0);
	berth_dmatest_run_all(tests, kind->nr);
	for (unsigned int i = 0; i < kind->nr; i++) {
		struct dma_chan *chan = tests[i].chan;

		assert_int_equal(tests[i].stats.tests, params.iterations);
		assert_int_equal(tests[i].stats.failed, 0);
		berth_dmatest_exit(&tests[i]);
		dma_release_channel(chan);
	}
	free(tests);
	must_stop();
}

static int probe_again(struct device *dev)
{
	struct platform_device *pdev = to_platform_device(dev);

	return berth_zdma_driver.probe(pdev);
}

static void a_probe_that_fails_leaves_nothing(void **state)
{
	struct platform_device *pdev;
	unsigned int nth = 0;
	struct copies c;
	int ret;

	(void)state;
	start(&zcu102);
	pdev = to_platform_device(devices[5]);
	assert_int_equal(berth_zdma_driver.remove(pdev), 0);
	assert_null(try_channel(devices[5]));
	do {
		berth_test_fail_nth(++nth);
		ret = probe_again(devices[5]);
		berth_test_fail_nth(0);
		if (ret)
			assert_int_equal(ret, -ENOMEM);
	} while (ret);
	assert_true(nth > 2);
	copies_start(&c, must_channel(devices[5]), 4096);
	copies_one(&c, 1);
	dma_release_channel(c.chan);
	copies_end(&c);
	must_stop();
}

/* The controller goes while a client holds its channel, which the client can still give back. */
static void a_client_may_stay_behind(void **state)
{
	struct dma_chan *chan;

	(void)state;
	start(&zcu102);
	chan = must_channel(devices[4]);
	assert_int_equal(berth_zdma_driver.remove(to_platform_device(devices[4])), 0);
	assert_null(dmaengine_prep_dma_memcpy(chan, 0, 4096, 64, 0));
	assert_reason(BERTH_REASON_STATE);
	dma_release_channel(chan);
	assert_int_equal(probe_again(devices[4]), 0);
	must_stop();
}

static int make_uart_file(void **state)
{
	int fd;

	(void)state;
	strcpy(uart_path, "/tmp/berth-zdma-XXXXXX");
	fd = mkstemp(uart_path);
	if (fd < 0)
		return -1;
	close(fd);
	snprintf(uart_argument, sizeof(uart_argument), "file,id=uart,path=%s", uart_path);
	return 0;
}

static int remove_uart_file(void **state)
{
	(void)state;
	return unlink(uart_path);
}

#define ON(test, kind)                                                          \
	{                                                                       \
#test " " #kind, test, NULL, NULL, (void *)(uintptr_t) & (kind) \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(all_channels_are_there, zcu102),
		ON(all_channels_are_there, versal),
		ON(runs_of_any_size_and_place, zcu102),
		ON(runs_of_any_size_and_place, versal),
		ON(chains_are_as_memcpy, zcu102),
		ON(chains_are_as_memcpy, versal),
		ON(many_are_queued_and_done_in_order, zcu102),
		ON(many_are_queued_and_done_in_order, versal),
		ON(memory_is_filled, zcu102),
		ON(memory_is_filled, versal),
		ON(a_paused_channel_starts_nothing, versal),
		ON(a_peripheral_is_fed, zcu102),
		ON(a_peripheral_is_fed, versal),
		ON(a_ring_goes_round_until_it_is_stopped, zcu102),
		ON(a_ring_goes_round_until_it_is_stopped, versal),
		ON(ten_thousand_random_transfers, versal),
		cmocka_unit_test(a_peripheral_is_read),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(a_probe_that_fails_leaves_nothing),
		cmocka_unit_test(a_client_may_stay_behind),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, make_uart_file, remove_uart_file) : 0;
}
