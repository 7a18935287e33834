// SPDX-License-Identifier: BSD-2-Clause
/*
 * The BCM2835's DMA driver and what QEMU's controller does not show: time, errors, pauses, rings, caches,
 * and windows of the bus. The engine is the tests' own.
 */
#include "machine.h"

#include <berth/dma-mapping.h>
#include <berth/io.h>
#include <berth/platform_device.h>
#include <berth/spinlock.h>
#include <berth/test.h>

#include <berth/drivers/bcm2835-dma.h>

#include "bcm2835_engine.h"
#include "copies.h"
#include "polled.h"
#include "fdt.h"
#include "sink.h"

#define RAM 0x10000000u
#define RAM_SIZE 0x02000000u
/* As the bus of the controller has it. */
#define BUS_RAM 0xc0000000u
#define BUS_NOWHERE 0xd0000000u
#define PERIPHERALS 0x3f000000u
#define BUS_PERIPHERALS 0x7e000000u
#define DREQ 13
#define SIZE 16384u
#define FULL 0 /* channel numbers, in the order of the mask: 0, 1, 7, 8 */
#define LITE 2

static struct device *dev;
static struct pi_engine *engine;
static struct sink *sink;

static const void *tree(const char *names, size_t names_size)
{
	static struct fdt fdt;

	fdt_start(&fdt, 1, 1);
	fdt_begin(&fdt, "memory@10000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", RAM, RAM_SIZE);
	fdt_end(&fdt);
	fdt_begin(&fdt, "interrupt-controller@8001000");
	fdt_text(&fdt, "compatible", "arm,gic-400");
	fdt_cells(&fdt, "reg", 0x8001000, 0x1000);
	fdt_cells(&fdt, "#interrupt-cells", 3);
	fdt_flag(&fdt, "interrupt-controller");
	fdt_cells(&fdt, "phandle", 1);
	fdt_end(&fdt);
	fdt_begin(&fdt, "soc");
	fdt_text(&fdt, "compatible", "simple-bus");
	fdt_cells(&fdt, "#address-cells", 1);
	fdt_cells(&fdt, "#size-cells", 1);
	fdt_cells(&fdt, "ranges", BUS_PERIPHERALS, PERIPHERALS, 0x01000000);
	fdt_cells(&fdt, "dma-ranges", BUS_RAM, RAM, RAM_SIZE, BUS_PERIPHERALS, PERIPHERALS,
		  0x01000000);
	fdt_begin(&fdt, "dma@7e007000");
	fdt_text(&fdt, "compatible", "brcm,bcm2835-dma");
	fdt_cells(&fdt, "reg", 0x7e007000, 0xf00);
	fdt_cells(&fdt, "interrupt-parent", 1);
	fdt_cells(&fdt, "interrupts", 0, 40, 4, 0, 41, 4, 0, 42, 4, 0, 43, 4);
	fdt_property(&fdt, "interrupt-names", names_size);
	fdt_bytes(&fdt, names, names_size);
	fdt_cells(&fdt, "brcm,dma-channel-mask", 0x1c3); /* of which 6 has no interrupt */
	fdt_cells(&fdt, "#dma-cells", 1);
	fdt_cells(&fdt, "phandle", 2);
	fdt_end(&fdt);
	fdt_begin(&fdt, "sink@7e201000");
	fdt_text(&fdt, "compatible", "test,sink");
	fdt_cells(&fdt, "reg", 0x7e201000, 0x1000);
	fdt_cells(&fdt, "dmas", 2, DREQ, 2, 99);
	fdt_property(&fdt, "dma-names", 7);
	fdt_bytes(&fdt, "tx\0bad", 7);
	fdt_end(&fdt);
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

static void start(uint64_t seed)
{
	static const struct berth_driver drivers[] = {
		BERTH_PLATFORM_DRIVER(&berth_bcm2835_dma_driver),
		BERTH_NO_MORE_DRIVERS,
	};
	static const char names[] = "dma0\0dma1\0dma7\0dma8";
	const struct berth_model_config config = {
		.seed = seed,
		.cache = seed & 1 ? BERTH_MODEL_CACHE_ADVERSARIAL : BERTH_MODEL_CACHE_RANDOM,
	};
	char why[200];

	model_add_type(&pi_engine_type);
	model_add_type(&sink_type);
	if (berth_running())
		berth_stop();
	if (start_tree(tree(names, sizeof(names)), drivers, &config)) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("berth_start: %s", why);
	}
	dev = &of_find_device_by_node(of_find_compatible_node(NULL, NULL, "brcm,bcm2835-dma"))->dev;
	assert_non_null(dev_get_drvdata(dev));
	engine = model_find("/soc/dma@7e007000")->state;
	sink = model_find("/soc/sink@7e201000")->state;
}

struct wanted {
	struct device *dev;
	int number;
};

static bool is_wanted(struct dma_chan *chan, void *data)
{
	struct wanted *wanted = data;

	return dmaengine_get_dma_device(chan) == wanted->dev && chan->chan_id == wanted->number;
}

static struct dma_chan *channel(int number)
{
	struct wanted wanted = { dev, number };
	struct dma_chan *chan;
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	chan = dma_request_channel(mask, is_wanted, &wanted);
	assert_non_null(chan);
	return chan;
}

static struct device *sink_device(void)
{
	return &of_find_device_by_node(of_find_compatible_node(NULL, NULL, "test,sink"))->dev;
}

static struct dma_chan *sink_channel(phys_addr_t at)
{
	struct dma_slave_config config = {
		.src_addr = at,
		.dst_addr = at,
		.src_addr_width = DMA_SLAVE_BUSWIDTH_4_BYTES,
		.dst_addr_width = DMA_SLAVE_BUSWIDTH_4_BYTES,
		.dst_maxburst = 4,
	};
	struct dma_chan *chan = dma_request_chan(sink_device(), "tx");

	assert_false(IS_ERR(chan));
	assert_int_equal(dmaengine_slave_config(chan, &config), 0);
	return chan;
}

static void end(struct copies *c)
{
	dma_release_channel(c->chan);
	copies_end(c);
	must_stop();
}

static void channels_are_those_of_the_mask_with_an_interrupt(void **state)
{
	struct dma_chan *chans[8];
	unsigned int nr = 0;

	(void)state;
	start(2);
	while ((chans[nr] = try_channel(dev)))
		nr++;
	assert_int_equal(nr, 4);
	while (nr)
		dma_release_channel(chans[--nr]);
	must_stop();
}

static void copies_are_right_whatever_the_caches_do(void **state)
{
	struct copies c;

	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		start(seed);
		copies_start(&c, channel(seed & 2 ? FULL : LITE), SIZE);
		copies_map(&c);
		assert_true(c.src_dma >= BUS_RAM);
		copies_unmap(&c);
		for (unsigned int n = 0; n < 6; n++) {
			copies_one(&c, 4);
			copies_many(&c, 1 + copies_random(300), 4);
		}
		copies_many(&c, 1000, 4);
		end(&c);
	}
}

static void a_lite_channel_takes_more_for_what_is_long(void **state)
{
	struct copies c;

	(void)state;
	for (int number = FULL; number <= LITE; number += LITE) {
		start(3);
		copies_start(&c, channel(number), 200000);
		copies_map(&c);
		memcpy(c.want, c.src, 200000);
		must_run(dmaengine_prep_dma_memcpy(c.chan, c.dst_dma, c.src_dma, 200000, 0));
		copies_compare(&c);
		assert_int_equal(engine->nr_blocks, number == FULL ? 1 : 4);
		end(&c);
	}
}

/* A picture in a larger one: rows, with gaps on one side or both, or the same row over and over. */
static void rows_are_one_control_block(void **state)
{
	static const struct {
		size_t size, src_gap, dst_gap;
		bool repeats;
	} cases[] = {
		{ 100, 20, 0, false }, { 64, 0, 36, false }, { 4, 8, 12, false }, { 40, 0, 4, true }
	};
	struct copies c;

	(void)state;
	for (int number = FULL; number <= LITE; number += LITE) {
		for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
			size_t size = cases[i].size;
			struct dma_interleaved_template *xt =
				calloc(1, sizeof(*xt) + sizeof(xt->sgl[0]));

			start(4);
			copies_start(&c, channel(number), SIZE);
			copies_map(&c);
			*xt = (struct dma_interleaved_template){
				.src_start = c.src_dma,
				.dst_start = c.dst_dma + 8,
				.dir = DMA_MEM_TO_MEM,
				.src_inc = !cases[i].repeats,
				.dst_inc = true,
				.src_sgl = true,
				.dst_sgl = true,
				.numf = 50,
				.frame_size = 1,
			};
			xt->sgl[0] = (struct data_chunk){ .size = size,
							  .src_icg = cases[i].src_gap,
							  .dst_icg = cases[i].dst_gap };
			for (size_t row = 0; row < 50; row++)
				memcpy(c.want + 8 + row * (size + cases[i].dst_gap),
				       c.src + (cases[i].repeats ? 0
								 : row * (size + cases[i].src_gap)),
				       size);
			must_run(dmaengine_prep_interleaved_dma(c.chan, xt, 0));
			copies_compare(&c);
			assert_int_equal(engine->nr_2d, number == FULL ? 1 : 0);
			assert_int_equal(engine->nr_blocks, number == FULL ? 1 : 50);
			free(xt);
			end(&c);
		}
	}
}

static struct dma_async_tx_descriptor *called_back(struct dma_async_tx_descriptor *tx,
						   struct called *called)
{
	assert_non_null(tx);
	tx->callback_result = on_result;
	tx->callback_param = called;
	return tx;
}

/* Its controller reports no write that is not answered. */
static void an_address_that_nobody_answers_is_an_error(void **state)
{
	struct dma_async_tx_descriptor *tx;
	struct called called = { 0 };
	dma_cookie_t cookie;
	struct copies c;

	(void)state;
	start(5);
	copies_start(&c, channel(FULL), SIZE);
	for (unsigned int i = 0; i < 2; i++) {
		copies_map(&c);
		tx = called_back(dmaengine_prep_dma_memcpy(c.chan, c.dst_dma, BUS_NOWHERE, 1000,
							   DMA_PREP_INTERRUPT),
				 &called);
		cookie = dmaengine_submit(tx);
		assert_int_equal(berth_dma_wait(c.chan, cookie, COPY_TIMEOUT), -EIO);
		assert_reason(BERTH_REASON_TRANSFER);
		must_be_called(&called, i + 1);
		assert_int_equal(called.result.result, DMA_TRANS_READ_FAILED);
		assert_int_equal(called.result.residue, 1000);
		copies_compare(&c);
		if (i)
			assert_int_equal(dmaengine_terminate_sync(c.chan), 0);
		copies_one(&c, 4);
	}
	end(&c);
}

/* What the bus does not lead to is known before anything moves. */
static void a_window_that_is_missing_is_an_error(void **state)
{
	struct copies c;

	(void)state;
	start(6);
	copies_start(&c, sink_channel(0x20000000), SIZE);
	copies_map(&c);
	assert_null(dmaengine_prep_slave_single(c.chan, c.src_dma, 64, DMA_MEM_TO_DEV, 0));
	assert_reason(BERTH_REASON_WINDOW);
	assert_int_equal(berth_last_error()->address, 0x20000000);
	assert_null(dmaengine_prep_dma_cyclic(c.chan, c.src_dma, 64, 16, DMA_DEV_TO_MEM, 0));
	assert_reason(BERTH_REASON_WINDOW);
	copies_unmap(&c);
	end(&c);
}

static void what_cannot_be_is_refused(void **state)
{
	struct dma_slave_config config = {
		.dst_addr = PERIPHERALS + 0x201000,
		.dst_addr_width = DMA_SLAVE_BUSWIDTH_1_BYTE,
	};
	struct dma_chan *bad;
	struct copies c;

	(void)state;
	start(7);
	copies_start(&c, channel(FULL), SIZE);
	copies_map(&c);
	assert_null(dmaengine_prep_dma_memcpy(c.chan, c.dst_dma, c.src_dma + 1, 64, 0));
	assert_reason(BERTH_REASON_ALIGNMENT);
	assert_null(dmaengine_prep_dma_memcpy(c.chan, c.dst_dma, c.src_dma, 63, 0));
	assert_reason(BERTH_REASON_ALIGNMENT);
	assert_null(dmaengine_prep_dma_memset(c.chan, c.dst_dma, 1, 64, 0));
	assert_reason(BERTH_REASON_CAPABILITY);
	assert_int_equal(dmaengine_slave_config(c.chan, &config), -EINVAL);
	assert_null(dmaengine_prep_slave_single(c.chan, c.src_dma, 64, DMA_MEM_TO_DEV, 0));
	assert_reason(BERTH_REASON_ARGUMENT);
	config.dst_addr_width = DMA_SLAVE_BUSWIDTH_4_BYTES;
	assert_int_equal(dmaengine_slave_config(c.chan, &config), 0);
	assert_null(dmaengine_prep_slave_single(c.chan, c.src_dma, 62, DMA_MEM_TO_DEV, 0));
	assert_reason(BERTH_REASON_ALIGNMENT);
	copies_compare(&c);
	/* There is no such DREQ line. */
	bad = dma_request_chan(sink_device(), "bad");
	assert_true(IS_ERR(bad));
	assert_int_equal(PTR_ERR(bad), -EINVAL);
	end(&c);
}

static void a_peripheral_is_written_and_read(void **state)
{
	struct copies c;

	(void)state;
	start(8);
	copies_start(&c, sink_channel(PERIPHERALS + 0x201000), SIZE);
	copies_map(&c);
	must_run(dmaengine_prep_slave_single(c.chan, c.src_dma + 4, 400, DMA_MEM_TO_DEV, 0));
	/* Paced by the peripheral's line, in bursts as it said. */
	assert_int_equal(engine->last_info >> 16 & 0x1f, DREQ);
	assert_int_equal(engine->last_info & 0xf550, 0x3140);
	copies_unmap(&c);
	assert_int_equal(sink->nr, 100);
	for (unsigned int i = 0; i < 100; i++)
		assert_memory_equal(&sink->values[i], c.src + 4 + 4 * i, 4);
	copies_map(&c);
	for (uint32_t i = 0; i < 50; i++)
		memcpy(c.want + 8 + 4 * i, &i, 4);
	must_run(dmaengine_prep_slave_single(c.chan, c.dst_dma + 8, 200, DMA_DEV_TO_MEM, 0));
	assert_int_equal(engine->last_info & 0xf550, 0x0410);
	copies_compare(&c);
	assert_int_equal(sink->offsets, 0);
	end(&c);
}

static void a_ring_loses_and_doubles_nothing(void **state)
{
	enum { PERIOD = 64, PERIODS = 40, ROUNDS = 10, RING = PERIOD * PERIODS, LATE_US = 20 };
	struct called called = { 0 };
	struct dma_tx_state at;
	unsigned long flags;
	dma_cookie_t cookie;
	uint32_t nr;
	struct copies c;

	(void)state;
	start(9);
	copies_start(&c, sink_channel(PERIPHERALS + 0x201000), RING);
	copies_map(&c);
	cookie = dmaengine_submit(
		called_back(dmaengine_prep_dma_cyclic(c.chan, c.src_dma, RING, PERIOD,
						      DMA_MEM_TO_DEV, DMA_PREP_INTERRUPT),
			    &called));
	dma_async_issue_pending(c.chan);
	while (called.nr < PERIODS * ROUNDS) {
		uint32_t before = sink->nr * 4 % RING, done;

		assert_int_equal(dmaengine_tx_status(c.chan, cookie, &at), DMA_IN_PROGRESS);
		assert_true(at.residue);
		done = RING - at.residue;
		assert_true((done + RING - before) % RING <= PERIOD);
		udelay(1);
	}
	/* It stands still, also where an interrupt comes late, and goes on where it was. */
	local_irq_save(flags);
	udelay(LATE_US);
	assert_int_equal(dmaengine_pause(c.chan), 0);
	local_irq_restore(flags);
	assert_int_equal(dmaengine_tx_status(c.chan, cookie, &at), DMA_PAUSED);
	nr = sink->nr;
	msleep(10);
	assert_int_equal(sink->nr, nr);
	assert_int_equal(dmaengine_resume(c.chan), 0);
	msleep(1);
	assert_true(sink->nr > nr);
	assert_int_equal(dmaengine_terminate_sync(c.chan), 0);
	nr = called.nr;
	copies_unmap(&c);
	for (unsigned int i = 0; i < sink->nr && i < SINK_MAX; i++)
		assert_memory_equal(&sink->values[i], c.src + 4 * i % RING, 4);
	/* Periods that ended while interrupts were away are one call. */
	assert_in_range(sink->nr, nr * PERIOD / 4, (nr + 2 + LATE_US) * PERIOD / 4);
	msleep(10);
	assert_int_equal(called.nr, nr);
	end(&c);
}

static struct dma_async_tx_descriptor *prep_list(struct copies *c, unsigned int nr)
{
	struct dma_interleaved_template *xt = copies_list(c, nr, 4);
	struct dma_async_tx_descriptor *tx =
		dmaengine_prep_interleaved_dma(c->chan, xt, DMA_PREP_INTERRUPT);

	free(xt);
	assert_non_null(tx);
	return tx;
}

static void the_residue_goes_down_to_nothing(void **state)
{
	uint32_t last = UINT32_MAX, nr = 0;
	struct dma_tx_state at;
	dma_cookie_t cookie;
	struct copies c;

	(void)state;
	start(10);
	copies_start(&c, channel(FULL), SIZE);
	copies_map(&c);
	cookie = dmaengine_submit(prep_list(&c, 200));
	assert_int_equal(dmaengine_tx_status(c.chan, cookie, &at), DMA_IN_PROGRESS);
	last = at.residue;
	dma_async_issue_pending(c.chan);
	while (dmaengine_tx_status(c.chan, cookie, &at) == DMA_IN_PROGRESS) {
		assert_true(at.residue <= last);
		nr += at.residue != last;
		last = at.residue;
	}
	assert_int_equal(at.residue, 0);
	assert_true(nr > 20);
	copies_compare(&c);
	end(&c);
}

static void what_is_terminated_is_over(void **state)
{
	struct called called = { 0 };
	uint8_t *seen = malloc(SIZE);
	struct copies c;

	(void)state;
	assert_non_null(seen);
	start(11);
	copies_start(&c, channel(FULL), SIZE);
	for (unsigned int n = 0; n < 200; n++) {
		uint32_t nr_called;

		copies_map(&c);
		for (unsigned int i = 0; i < 3; i++)
			dmaengine_submit(
				called_back(prep_list(&c, 1 + copies_random(200)), &called));
		dma_async_issue_pending(c.chan);
		udelay(copies_random(300));
		if (n % 3 == 0)
			assert_int_equal(dmaengine_pause(c.chan), 0);
		assert_int_equal(dmaengine_terminate_sync(c.chan), 0);
		nr_called = called.nr;
		copies_unmap(&c);
		memcpy(seen, c.dst, SIZE);
		msleep(1);
		assert_memory_equal(seen, c.dst, SIZE);
		assert_int_equal(called.nr, nr_called);
		copies_one(&c, 4);
	}
	free(seen);
	end(&c);
}

static void every_allocation_may_fail(void **state)
{
	struct platform_device *pdev;
	struct dma_interleaved_template *xt;
	struct dma_async_tx_descriptor *tx;
	unsigned int nth = 0;
	struct copies c;
	int ret;

	(void)state;
	start(12);
	pdev = to_platform_device(dev);
	assert_int_equal(berth_bcm2835_dma_driver.remove(pdev), 0);
	assert_null(try_channel(dev));
	do {
		berth_test_fail_nth(++nth);
		ret = berth_bcm2835_dma_driver.probe(pdev);
		berth_test_fail_nth(0);
		if (ret)
			assert_int_equal(ret, -ENOMEM);
	} while (ret);
	assert_true(nth > 2);
	copies_start(&c, channel(FULL), SIZE);
	copies_map(&c);
	xt = copies_list(&c, 300, 4);
	nth = 0;
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
		xt = copies_list(&c, 100, 4);
		berth_test_fail_nth(1);
		must_run(dmaengine_prep_interleaved_dma(c.chan, xt, 0));
		assert_false(berth_test_failed());
		berth_test_fail_nth(0);
		copies_compare(&c);
		free(xt);
	}
	end(&c);
}

static void a_channel_is_polled(void **state)
{
	struct copies c;

	(void)state;
	start(12);
	copies_start(&c, channel(FULL), SIZE);
	copies_map(&c);
	polled_transfers(c.chan, c.dst_dma, c.src_dma, 1000);
	memcpy(c.want, c.src, 1000);
	copies_compare(&c);
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(channels_are_those_of_the_mask_with_an_interrupt),
		cmocka_unit_test(copies_are_right_whatever_the_caches_do),
		cmocka_unit_test(a_lite_channel_takes_more_for_what_is_long),
		cmocka_unit_test(rows_are_one_control_block),
		cmocka_unit_test(an_address_that_nobody_answers_is_an_error),
		cmocka_unit_test(a_window_that_is_missing_is_an_error),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(a_peripheral_is_written_and_read),
		cmocka_unit_test(a_ring_loses_and_doubles_nothing),
		cmocka_unit_test(the_residue_goes_down_to_nothing),
		cmocka_unit_test(what_is_terminated_is_over),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(a_channel_is_polled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
