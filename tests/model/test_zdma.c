// SPDX-License-Identifier: BSD-2-Clause
/*
 * The ZDMA driver and what QEMU's controller does not show: time, errors, pauses, caches. The engine is the
 * tests' own; that it is like the hardware, as far as both go, is shown by the same tests on QEMU.
 */
#include "machine.h"

#include <berth/dma-mapping.h>
#include <berth/io.h>
#include <berth/platform_device.h>

#include <berth/drivers/zynqmp-zdma.h>

#include "copies.h"
#include "polled.h"
#include "fdt.h"
#include "sink.h"
#include "zdma_engine.h"

#define RAM 0x40000000u
#define RAM_SIZE 0x02000000u
#define NOWHERE 0x90000000u
#define ENGINE 0x10000000u
#define SINK 0x10010000u
#define SIZE 16384u

static const enum berth_zdma_mode modes[] = {
	BERTH_ZDMA_AUTO,
	BERTH_ZDMA_SIMPLE,
	BERTH_ZDMA_LINEAR,
	BERTH_ZDMA_LINKED,
};

static struct device *dev;
static struct zdma_engine *engine;
static struct sink *sink;

static const void *tree(bool is_coherent)
{
	static struct fdt fdt;

	fdt_start(&fdt, 1, 1);
	fdt_begin(&fdt, "memory@40000000");
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
	fdt_begin(&fdt, "dma@10000000");
	fdt_text(&fdt, "compatible", "xlnx,zynqmp-dma-1.0");
	fdt_cells(&fdt, "reg", ENGINE, 0x1000);
	fdt_cells(&fdt, "interrupt-parent", 1);
	fdt_cells(&fdt, "interrupts", 0, 40, 4);
	fdt_cells(&fdt, "xlnx,bus-width", 128);
	fdt_cells(&fdt, "#dma-cells", 1);
	fdt_cells(&fdt, "phandle", 2);
	if (is_coherent)
		fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
	fdt_begin(&fdt, "sink@10010000");
	fdt_text(&fdt, "compatible", "test,sink");
	fdt_cells(&fdt, "reg", SINK, 0x1000);
	fdt_cells(&fdt, "dmas", 2, 0);
	fdt_text(&fdt, "dma-names", "tx");
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

static void start(bool is_coherent, uint64_t seed)
{
	static const struct berth_driver drivers[] = {
		BERTH_PLATFORM_DRIVER(&berth_zdma_driver),
		BERTH_NO_MORE_DRIVERS,
	};
	const struct berth_model_config config = {
		.seed = seed,
		.cache = seed & 1 ? BERTH_MODEL_CACHE_ADVERSARIAL : BERTH_MODEL_CACHE_RANDOM,
	};
	char why[200];

	model_add_type(&zdma_engine_type);
	model_add_type(&sink_type);
	if (berth_running())
		berth_stop();
	if (start_tree(tree(is_coherent), drivers, &config)) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("berth_start: %s", why);
	}
	dev = &of_find_device_by_node(of_find_compatible_node(NULL, NULL, "xlnx,zynqmp-dma-1.0"))
		       ->dev;
	assert_non_null(dev_get_drvdata(dev));
	engine = model_find("/dma@10000000")->state;
	sink = model_find("/sink@10010000")->state;
}

static struct dma_chan *sink_channel(uint32_t width, uint32_t burst)
{
	struct dma_slave_config config = {
		.src_addr = SINK,
		.dst_addr = SINK,
		.src_addr_width = (enum dma_slave_buswidth)width,
		.dst_addr_width = (enum dma_slave_buswidth)width,
		.src_maxburst = burst,
		.dst_maxburst = burst,
	};
	struct dma_chan *chan = dma_request_chan(
		&of_find_device_by_node(of_find_compatible_node(NULL, NULL, "test,sink"))->dev,
		"tx");

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

static void copies_are_right_whatever_the_caches_do(void **state)
{
	struct copies c;

	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		start(seed % 4 == 0, seed);
		engine->tells_each = seed & 2;
		copies_start(&c, must_channel(dev), SIZE);
		for (unsigned int n = 0; n < 12; n++) {
			assert_int_equal(berth_zdma_set_mode(dev, modes[n % ARRAY_SIZE(modes)]), 0);
			copies_one(&c, 1);
			copies_many(&c, 1 + copies_random(300), 1);
		}
		end(&c);
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

/* A copy one of whose ends nobody answers for. */
static void must_fail(struct copies *c, bool at_src, enum dmaengine_tx_result result)
{
	struct called called = { 0 };
	struct dma_async_tx_descriptor *tx;
	uint32_t attributes = engine->regs[E_DSCR_ATTR];
	dma_cookie_t cookie;

	copies_map(c);
	tx = called_back(dmaengine_prep_dma_memcpy(c->chan, at_src ? c->dst_dma : NOWHERE,
						   at_src ? NOWHERE : c->src_dma, 1000,
						   DMA_PREP_INTERRUPT),
			 &called);
	cookie = dmaengine_submit(tx);
	assert_int_equal(berth_dma_wait(c->chan, cookie, COPY_TIMEOUT), -EIO);
	assert_reason(BERTH_REASON_TRANSFER);
	must_be_called(&called, 1);
	assert_int_equal(called.result.result, result);
	assert_int_equal(called.result.residue, 1000);
	assert_int_equal(dmaengine_tx_status(c->chan, cookie, NULL), DMA_ERROR);
	assert_int_equal(engine->regs[E_DSCR_ATTR], attributes);
	copies_compare(c);
}

static void an_address_that_nobody_answers_is_an_error(void **state)
{
	struct copies c;

	(void)state;
	start(false, 2);
	copies_start(&c, must_channel(dev), SIZE);
	for (unsigned int m = 0; m < ARRAY_SIZE(modes); m++) {
		assert_int_equal(berth_zdma_set_mode(dev, modes[m]), 0);
		must_fail(&c, true, DMA_TRANS_READ_FAILED);
		/* It goes on by itself, and after a terminate. */
		copies_many(&c, 100, 1);
		must_fail(&c, false, DMA_TRANS_WRITE_FAILED);
		assert_int_equal(dmaengine_terminate_sync(c.chan), 0);
		copies_many(&c, 100, 1);
	}
	end(&c);
}

/* The last of those that wait is not hurt by the first one's end. */
static void an_error_is_that_of_one_transfer(void **state)
{
	struct called called[3] = { 0 };
	dma_cookie_t cookies[3];
	struct copies c;

	(void)state;
	start(false, 3);
	copies_start(&c, must_channel(dev), SIZE);
	copies_map(&c);
	for (unsigned int i = 0; i < 3; i++) {
		cookies[i] = dmaengine_submit(
			called_back(dmaengine_prep_dma_memcpy(c.chan, c.dst_dma + 1000 * i,
							      i == 1 ? NOWHERE : c.src_dma, 1000,
							      DMA_PREP_INTERRUPT),
				    &called[i]));
		if (i != 1)
			memcpy(c.want + 1000 * i, c.src, 1000);
	}
	assert_int_equal(berth_dma_wait(c.chan, cookies[2], COPY_TIMEOUT), 0);
	for (unsigned int i = 0; i < 3; i++) {
		must_be_called(&called[i], 1);
		assert_int_equal(called[i].result.result,
				 i == 1 ? DMA_TRANS_READ_FAILED : DMA_TRANS_NOERROR);
	}
	copies_compare(&c);
	end(&c);
}

/* A bad access to a register makes the transfer doubtful; without one, it is nothing. */
static void an_access_to_no_register_fails_what_is_under_way(void **state)
{
	void __iomem *regs;
	dma_cookie_t cookie;
	struct copies c;

	(void)state;
	start(false, 4);
	copies_start(&c, must_channel(dev), SIZE);
	regs = ioremap(ENGINE, 0x1000);
	assert_non_null(regs);
	readl((char __iomem *)regs + 0x80);
	copies_one(&c, 1);
	copies_map(&c);
	cookie = dmaengine_submit(dmaengine_prep_dma_memcpy(c.chan, c.dst_dma, c.src_dma, SIZE, 0));
	dma_async_issue_pending(c.chan);
	readl((char __iomem *)regs + 0x80);
	assert_int_equal(berth_dma_wait(c.chan, cookie, COPY_TIMEOUT), -EIO);
	copies_unmap(&c);
	copies_one(&c, 1);
	iounmap(regs);
	end(&c);
}

static void the_byte_counter_may_overflow(void **state)
{
	struct copies c;

	(void)state;
	start(false, 5);
	copies_start(&c, must_channel(dev), SIZE);
	engine->wrap_at = 2000;
	copies_map(&c);
	memcpy(c.want, c.src, SIZE);
	must_run(dmaengine_prep_dma_memcpy(c.chan, c.dst_dma, c.src_dma, SIZE, 0));
	assert_int_equal(engine->wrap_at, 0);
	copies_compare(&c);
	end(&c);
}

static struct dma_async_tx_descriptor *prep_list(struct copies *c, unsigned int nr)
{
	struct dma_interleaved_template *xt = copies_list(c, nr, 1);
	struct dma_async_tx_descriptor *tx =
		dmaengine_prep_interleaved_dma(c->chan, xt, DMA_PREP_INTERRUPT);

	free(xt);
	assert_non_null(tx);
	return tx;
}

/* Never more, and no less than what is missing. */
static void the_residue_goes_down_to_nothing(void **state)
{
	struct dma_tx_state at;
	struct copies c;

	(void)state;
	for (unsigned int m = 0; m < ARRAY_SIZE(modes); m++) {
		uint32_t last = SIZE, nr = 0;
		dma_cookie_t cookie;

		start(true, 6 + m);
		assert_int_equal(berth_zdma_set_mode(dev, modes[m]), 0);
		copies_start(&c, must_channel(dev), SIZE);
		copies_map(&c);
		memcpy(c.want, c.src, SIZE);
		cookie = dmaengine_submit(dmaengine_prep_dma_memcpy(c.chan, c.dst_dma, c.src_dma,
								    SIZE, DMA_PREP_INTERRUPT));
		dma_async_issue_pending(c.chan);
		while (dmaengine_tx_status(c.chan, cookie, &at) == DMA_IN_PROGRESS) {
			assert_true(at.residue <= last);
			nr += at.residue != last;
			last = at.residue;
			udelay(1);
		}
		assert_int_equal(at.residue, 0);
		assert_true(nr > 8);
		copies_compare(&c);
		end(&c);
	}
}

/* A list stops at the end of a block of descriptors, and goes on from there. */
static void a_list_is_paused_and_goes_on(void **state)
{
	struct dma_tx_state before, after;
	struct copies c;

	(void)state;
	for (unsigned int m = 1; m < ARRAY_SIZE(modes); m++) {
		dma_cookie_t cookie;

		start(false, 10 + m);
		assert_int_equal(berth_zdma_set_mode(dev, modes[m]), 0);
		copies_start(&c, must_channel(dev), SIZE);
		copies_map(&c);
		cookie = dmaengine_submit(prep_list(&c, 500));
		dma_async_issue_pending(c.chan);
		for (unsigned int i = 0; i < 3; i++) {
			udelay(3);
			assert_int_equal(dmaengine_pause(c.chan), 0);
			while (dmaengine_tx_status(c.chan, cookie, &before) == DMA_IN_PROGRESS)
				udelay(1);
			assert_int_equal(dmaengine_tx_status(c.chan, cookie, &before), DMA_PAUSED);
			assert_true(before.residue);
			msleep(10);
			assert_int_equal(dmaengine_tx_status(c.chan, cookie, &after), DMA_PAUSED);
			assert_int_equal(after.residue, before.residue);
			assert_int_equal(dmaengine_resume(c.chan), 0);
		}
		must_wait(c.chan, cookie);
		assert_int_equal(engine->nr_pauses, modes[m] == BERTH_ZDMA_SIMPLE ? 0 : 3);
		copies_compare(&c);
		/* Paused, and then no more wanted. */
		copies_map(&c);
		cookie = dmaengine_submit(prep_list(&c, 500));
		dma_async_issue_pending(c.chan);
		assert_int_equal(dmaengine_pause(c.chan), 0);
		while (dmaengine_tx_status(c.chan, cookie, NULL) == DMA_IN_PROGRESS)
			udelay(1);
		assert_int_equal(dmaengine_terminate_sync(c.chan), 0);
		copies_unmap(&c);
		copies_many(&c, 500, 1);
		end(&c);
	}
}

/* Nothing is written, and nobody called, once it is over. */
static void what_is_terminated_is_over(void **state)
{
	struct called called = { 0 };
	uint8_t *seen = malloc(SIZE);
	struct copies c;

	(void)state;
	assert_non_null(seen);
	start(false, 21);
	copies_start(&c, must_channel(dev), SIZE);
	for (unsigned int n = 0; n < 200; n++) {
		uint32_t nr_called;

		assert_int_equal(berth_zdma_set_mode(dev, modes[n % ARRAY_SIZE(modes)]), 0);
		copies_map(&c);
		for (unsigned int i = 0; i < 3; i++)
			dmaengine_submit(
				called_back(prep_list(&c, 1 + copies_random(400)), &called));
		dma_async_issue_pending(c.chan);
		udelay(copies_random(60));
		assert_int_equal(dmaengine_terminate_sync(c.chan), 0);
		nr_called = called.nr;
		copies_unmap(&c);
		memcpy(seen, c.dst, SIZE);
		if (n % 4 == 0)
			copies_one(&c, 1);
		else
			msleep(1);
		assert_int_equal(called.nr, nr_called);
		if (n % 4)
			assert_memory_equal(seen, c.dst, SIZE);
	}
	assert_true(engine->nr_stops);
	copies_one(&c, 1);
	free(seen);
	end(&c);
}

/* A list is not worked through to its end. */
static void a_list_that_is_terminated_ends_with_its_block(void **state)
{
	struct copies c;

	(void)state;
	for (unsigned int m = 2; m < ARRAY_SIZE(modes); m++) {
		struct dma_tx_state at;
		dma_cookie_t cookie;

		start(false, 50 + m);
		assert_int_equal(berth_zdma_set_mode(dev, modes[m]), 0);
		copies_start(&c, must_channel(dev), SIZE);
		copies_map(&c);
		cookie = dmaengine_submit(prep_list(&c, 500));
		dma_async_issue_pending(c.chan);
		udelay(2);
		dmaengine_tx_status(c.chan, cookie, &at);
		assert_int_equal(dmaengine_terminate_sync(c.chan), 0);
		assert_true(engine->regs[E_TOTAL] < at.residue / 2);
		copies_unmap(&c);
		copies_many(&c, 100, 1);
		end(&c);
	}
}

/* Descriptors that a client keeps run as often as it likes, also after they were broken off. */
static void a_descriptor_is_used_again(void **state)
{
	struct dma_async_tx_descriptor *tx;
	struct copies c;

	(void)state;
	start(false, 22);
	copies_start(&c, must_channel(dev), SIZE);
	copies_map(&c);
	tx = prep_list(&c, 300);
	assert_int_equal(dmaengine_desc_set_reuse(tx), 0);
	for (unsigned int i = 0; i < 5; i++) {
		dmaengine_submit(tx);
		dma_async_issue_pending(c.chan);
		udelay(5);
		assert_int_equal(dmaengine_terminate_sync(c.chan), 0);
		must_run(tx);
	}
	assert_int_equal(dmaengine_desc_free(tx), 0);
	copies_compare(&c);
	end(&c);
}

/* It does not answer: the wait ends, the channel does not, and goes on when the hardware does. */
static void a_transfer_that_never_ends(void **state)
{
	dma_cookie_t cookie;
	struct copies c;

	(void)state;
	start(false, 23);
	copies_start(&c, must_channel(dev), SIZE);
	copies_map(&c);
	engine->is_stuck = true;
	cookie = dmaengine_submit(dmaengine_prep_dma_memcpy(c.chan, c.dst_dma, c.src_dma, SIZE, 0));
	assert_int_equal(berth_dma_wait(c.chan, cookie, msecs_to_jiffies(50)), -ETIMEDOUT);
	assert_reason(BERTH_REASON_TIMEOUT);
	assert_int_equal(dmaengine_terminate_sync(c.chan), 0);
	model_lock();
	engine->is_stuck = false;
	engine_go(model_find("/dma@10000000"));
	model_unlock();
	dmaengine_synchronize(c.chan);
	copies_unmap(&c);
	copies_one(&c, 1);
	end(&c);
}

/* Registers narrower than the bus, and as wide. */
static void a_peripheral_is_written_and_read(void **state)
{
	static const uint32_t widths[] = { 1, 2, 4, 8, 16 };
	struct copies c;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(widths); i++) {
		uint32_t width = widths[i], bytes = 8 > width ? width : 8;

		start(false, 30 + i);
		copies_start(&c, sink_channel(width, 4), SIZE);
		copies_map(&c);
		must_run(dmaengine_prep_slave_single(c.chan, c.src_dma + width, 20 * width,
						     DMA_MEM_TO_DEV, DMA_PREP_INTERRUPT));
		assert_int_equal(sink->nr, 20 * width / bytes);
		copies_unmap(&c);
		for (unsigned int n = 0; n < sink->nr; n++)
			assert_memory_equal(&sink->values[n], c.src + width + n * bytes, bytes);
		/* The register, and of a wide one what lies beside it. */
		assert_int_equal(sink->offsets, width - bytes);
		copies_map(&c);
		for (unsigned int n = 0; n < 10 * width / bytes; n++)
			memcpy(c.want + 16 + n * bytes, &(uint64_t){ n }, bytes);
		must_run(dmaengine_prep_slave_single(c.chan, c.dst_dma + 16, 10 * width,
						     DMA_DEV_TO_MEM, DMA_PREP_INTERRUPT));
		copies_compare(&c);
		end(&c);
	}
}

static void a_ring_loses_and_doubles_nothing(void **state)
{
	enum { PERIOD = 64, PERIODS = 8, ROUNDS = 20 };
	struct called called = { 0 };
	struct dma_tx_state at;
	dma_cookie_t cookie;
	uint32_t nr;
	struct copies c;

	(void)state;
	start(false, 40);
	copies_start(&c, sink_channel(4, 1), PERIOD * PERIODS);
	copies_map(&c);
	cookie = dmaengine_submit(
		called_back(dmaengine_prep_dma_cyclic(c.chan, c.src_dma, PERIOD * PERIODS, PERIOD,
						      DMA_MEM_TO_DEV, DMA_PREP_INTERRUPT),
			    &called));
	dma_async_issue_pending(c.chan);
	while (called.nr < PERIODS * ROUNDS) {
		uint32_t before = sink->nr, done;

		assert_int_equal(dmaengine_tx_status(c.chan, cookie, &at), DMA_IN_PROGRESS);
		done = (PERIOD * PERIODS - at.residue) / 4;
		/* In step with the peripheral, one way round or the other. */
		assert_true((done - before % (PERIOD * PERIODS / 4)) % (PERIOD * PERIODS / 4) <=
				    PERIOD / 4 ||
			    at.residue == 0);
		udelay(1);
	}
	assert_int_equal(dmaengine_terminate_sync(c.chan), 0);
	nr = called.nr;
	copies_unmap(&c);
	assert_in_range(sink->nr, nr * PERIOD / 4, (nr + 1) * PERIOD / 4);
	for (unsigned int i = 0; i < sink->nr; i++)
		assert_memory_equal(&sink->values[i], c.src + 4 * i % (PERIOD * PERIODS), 4);
	msleep(10);
	assert_int_equal(called.nr, nr);
	end(&c);
}

static void a_channel_is_polled(void **state)
{
	struct copies c;

	(void)state;
	start(false, 23);
	copies_start(&c, must_channel(dev), SIZE);
	copies_map(&c);
	polled_transfers(c.chan, c.dst_dma, c.src_dma, 1000);
	memcpy(c.want, c.src, 1000);
	copies_compare(&c);
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_are_right_whatever_the_caches_do),
		cmocka_unit_test(an_address_that_nobody_answers_is_an_error),
		cmocka_unit_test(an_error_is_that_of_one_transfer),
		cmocka_unit_test(an_access_to_no_register_fails_what_is_under_way),
		cmocka_unit_test(the_byte_counter_may_overflow),
		cmocka_unit_test(the_residue_goes_down_to_nothing),
		cmocka_unit_test(a_list_is_paused_and_goes_on),
		cmocka_unit_test(what_is_terminated_is_over),
		cmocka_unit_test(a_list_that_is_terminated_ends_with_its_block),
		cmocka_unit_test(a_descriptor_is_used_again),
		cmocka_unit_test(a_transfer_that_never_ends),
		cmocka_unit_test(a_peripheral_is_written_and_read),
		cmocka_unit_test(a_ring_loses_and_doubles_nothing),
		cmocka_unit_test(a_channel_is_polled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
