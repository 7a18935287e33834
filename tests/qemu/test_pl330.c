/* SPDX-License-Identifier: BSD-2-Clause */
/* The PL330's driver on QEMU's Zynq: memory to memory, faults, the end, and failures. */
#include <berth/mm.h>

#include "zynq.h"
#include "../model/polled.h"

#define AREA (512u << 10)
#define GUARD 64u
#define UNDEFINED 0xffu /* no instruction of the controller's */
#define MOV 0xbcu

static uint32_t state = 1;

static uint32_t below(uint32_t limit)
{
	state = state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(state >> 4) * limit >> 28);
}

/* Two areas, of which @dst is also kept as it should be. */
struct areas {
	uint8_t *src, *dst, *wanted;
};

static struct areas make_areas(void)
{
	static uint8_t wanted[AREA];
	struct areas areas = { alloc_pages_exact(AREA, GFP_KERNEL),
			       alloc_pages_exact(AREA, GFP_KERNEL), wanted };

	assert_true(areas.src && areas.dst);
	fill(areas.src, AREA, 7);
	memset(areas.dst, 0x5a, AREA);
	memset(areas.wanted, 0x5a, AREA);
	return areas;
}

static void free_areas(struct areas *areas)
{
	free_pages_exact(areas->src, AREA);
	free_pages_exact(areas->dst, AREA);
}

static void one_copy(struct dma_chan *chan, struct areas *areas, uint32_t from, uint32_t to,
		     uint32_t len)
{
	memcpy(areas->wanted + to, areas->src + from, len);
	if (!copies(chan, areas->dst + to, areas->src + from, len))
		fail_msg("%u bytes from %x to %x", len, from, to);
}

static void copies_of_any_size_and_offset(void **unused)
{
	struct dma_chan *chan;
	struct areas areas;

	(void)unused;
	must_start_zynq(NULL);
	chan = must_take(DMA_MEMCPY);
	areas = make_areas();
	for (unsigned int i = 0; i < 400; i++) {
		uint32_t len = 1 + below(i % 20 ? 2000 : 100000);

		one_copy(chan, &areas, below(AREA - len), below(AREA - len), len);
	}
	assert_memory_equal(areas.dst, areas.wanted, AREA);
	free_areas(&areas);
	dma_release_channel(chan);
	must_stop();
}

/* Of the same length, and most of them in the same place of a beat: the program is there already. */
static void copies_like_the_one_before(void **unused)
{
	struct dma_chan *chan;
	struct areas areas;

	(void)unused;
	must_start_zynq(NULL);
	chan = must_take(DMA_MEMCPY);
	areas = make_areas();
	for (unsigned int i = 0; i < 200; i++) {
		uint32_t from = below(AREA / 32) * 16 + (below(8) == 0);
		uint32_t to = below(AREA / 32) * 16 + 5 + (below(8) == 0);

		one_copy(chan, &areas, from, to, below(8) ? 777 : 778);
		dmaengine_synchronize(chan);
	}
	assert_memory_equal(areas.dst, areas.wanted, AREA);
	free_areas(&areas);
	dma_release_channel(chan);
	must_stop();
}

/* 2,048 bursts, 256 and one of them, and single bytes: loops in loops. */
static void long_copies(void **unused)
{
	struct dma_chan *chan;
	struct areas areas;

	(void)unused;
	must_start_zynq(NULL);
	chan = must_take(DMA_MEMCPY);
	areas = make_areas();
	one_copy(chan, &areas, 0, 0, 256u << 10);
	one_copy(chan, &areas, 0, 8, 256 * 128);
	one_copy(chan, &areas, 64, 0, 257 * 128 + 3);
	one_copy(chan, &areas, 5, 13, AREA - 13);
	one_copy(chan, &areas, 1, 0, AREA - 1);
	assert_memory_equal(areas.dst, areas.wanted, AREA);
	free_areas(&areas);
	dma_release_channel(chan);
	must_stop();
}

static void fills(void **unused)
{
	struct dma_chan *chan;
	struct areas areas;

	(void)unused;
	must_start_zynq(NULL);
	chan = must_take(DMA_MEMSET);
	areas = make_areas();
	for (unsigned int i = 0; i < 100; i++) {
		uint32_t len = 1 + below(i % 10 ? 300 : 100000), to = below(AREA - len);
		dma_addr_t at = must_map(chan, areas.dst + to, len, DMA_FROM_DEVICE);

		/* Only the lowest byte counts. */
		must_run(dmaengine_prep_dma_memset(chan, at, (int)i | 0x100, len, 0));
		dma_unmap_single(device_of(chan), at, len, DMA_FROM_DEVICE);
		memset(areas.wanted + to, (int)i, len);
	}
	assert_memory_equal(areas.dst, areas.wanted, AREA);
	free_areas(&areas);
	dma_release_channel(chan);
	must_stop();
}

static void patterns(void **unused)
{
	static const size_t sizes[] = { 100, 1, 33, 16 }, gaps[] = { 28, 3, 0, 40 };
	struct dma_interleaved_template *xt;
	struct dma_chan *chan;
	struct areas areas;
	dma_addr_t src, dst;
	uint32_t from = 0, to = 0;

	(void)unused;
	must_start_zynq(NULL);
	chan = must_take(DMA_INTERLEAVE);
	areas = make_areas();
	xt = calloc(1, sizeof(*xt) + 4 * sizeof(xt->sgl[0]));
	assert_non_null(xt);
	src = must_map(chan, areas.src, AREA, DMA_TO_DEVICE);
	dst = must_map(chan, areas.dst, AREA, DMA_FROM_DEVICE);
	*xt = (struct dma_interleaved_template){ .src_start = src + 3,
						 .dst_start = dst + 5,
						 .dir = DMA_MEM_TO_MEM,
						 .src_inc = true,
						 .dst_inc = true,
						 .src_sgl = true,
						 .numf = 300,
						 .frame_size = 4 };
	for (unsigned int i = 0; i < 4; i++)
		xt->sgl[i] = (struct data_chunk){ .size = sizes[i], .icg = gaps[i] };
	must_run(dmaengine_prep_interleaved_dma(chan, xt, 0));
	dma_unmap_single(device_of(chan), src, AREA, DMA_TO_DEVICE);
	dma_unmap_single(device_of(chan), dst, AREA, DMA_FROM_DEVICE);
	for (unsigned int i = 0; i < 4 * xt->numf; i++) {
		memcpy(areas.wanted + 5 + to, areas.src + 3 + from, sizes[i % 4]);
		from += (uint32_t)(sizes[i % 4] + gaps[i % 4]);
		to += (uint32_t)sizes[i % 4];
	}
	assert_memory_equal(areas.dst, areas.wanted, AREA);
	/* What the controller has no instructions for. */
	xt->dst_inc = false;
	assert_null(dmaengine_prep_interleaved_dma(chan, xt, 0));
	assert_reason(BERTH_REASON_CAPABILITY);
	free(xt);
	free_areas(&areas);
	dma_release_channel(chan);
	must_stop();
}

struct outcome {
	unsigned int calls;
	struct dmaengine_result result;
};

static void note(void *param, const struct dmaengine_result *result)
{
	struct outcome *outcome = param;

	outcome->result = *result;
	__atomic_fetch_add(&outcome->calls, 1, __ATOMIC_SEQ_CST);
}

static void await_calls(struct outcome *outcome, unsigned int calls)
{
	while (__atomic_load_n(&outcome->calls, __ATOMIC_SEQ_CST) < calls)
		msleep(1);
	assert_int_equal(__atomic_load_n(&outcome->calls, __ATOMIC_SEQ_CST), calls);
}

static void an_interrupt_comes_in_its_turn(void **unused)
{
	struct outcome outcome = { 0 };
	struct dma_async_tx_descriptor *tx;
	struct dma_chan *chan;

	(void)unused;
	must_start_zynq(NULL);
	chan = must_take(DMA_INTERRUPT);
	for (unsigned int i = 0; i < 3; i++) {
		tx = dmaengine_prep_dma_interrupt(chan, DMA_PREP_INTERRUPT);
		tx->callback_result = note;
		tx->callback_param = &outcome;
		must_run(tx);
	}
	await_calls(&outcome, 3);
	assert_int_equal(outcome.result.result, DMA_TRANS_NOERROR);
	dma_release_channel(chan);
	must_stop();
}

/* Two runs of 256 bytes each, so often; at the destination there are 64 bytes between the two. */
#define FRAME 512u
#define GAP 64u
static struct dma_async_tx_descriptor *prep_frames(struct dma_chan *chan, dma_addr_t dst,
						   dma_addr_t src, size_t nr)
{
	uint64_t room[(sizeof(struct dma_interleaved_template) + 2 * sizeof(struct data_chunk)) /
		      sizeof(uint64_t)] = { 0 };
	struct dma_interleaved_template *two = (void *)room;

	*two = (struct dma_interleaved_template){ .src_start = src,
						  .dst_start = dst,
						  .dir = DMA_MEM_TO_MEM,
						  .src_inc = true,
						  .dst_inc = true,
						  .dst_sgl = true,
						  .numf = nr,
						  .frame_size = 2 };
	two->sgl[0] = (struct data_chunk){ .size = 256, .icg = GAP };
	two->sgl[1] = (struct data_chunk){ .size = 256 };
	return dmaengine_prep_interleaved_dma(chan, two, 0);
}

/* The place where a program sets the destination for the nth time. */
static uint8_t *find_move(uint8_t *code, unsigned int nth)
{
	for (unsigned int i = 0; i < 1000; i++)
		if (code[i] == MOV && code[i + 1] == 2 && !nth--)
			return code + i;
	fail_msg("no such move");
	return NULL;
}

/* A program is damaged in memory: at its first instruction, and between its two runs. */
static void faults_are_told_and_the_channel_goes_on(void **unused)
{
	static const unsigned int residues[] = { 512, 256 };
	struct dma_chan *chan;
	struct areas areas;
	dma_addr_t src, dst;

	(void)unused;
	must_start_zynq(NULL);
	chan = must_take(DMA_INTERLEAVE);
	areas = make_areas();
	src = must_map(chan, areas.src, AREA, DMA_TO_DEVICE);
	dst = must_map(chan, areas.dst, AREA, DMA_FROM_DEVICE);
	for (unsigned int i = 0; i < 20; i++) {
		struct outcome bad = { 0 }, good = { 0 };
		struct dma_async_tx_descriptor *tx = prep_frames(chan, dst, src, 1);
		uint8_t *code = phys_to_virt(tx->phys);
		dma_cookie_t cookie;

		assert_non_null(tx);
		tx->callback_result = note;
		tx->callback_param = &bad;
		*(i % 2 ? find_move(code, 1) : code) = UNDEFINED;
		cookie = dmaengine_submit(tx);
		/* The next one does not wait for anybody to look after the first. */
		tx = dmaengine_prep_dma_memcpy(chan, dst + 1024, src, 512, 0);
		tx->callback_result = note;
		tx->callback_param = &good;
		must_run(tx);
		assert_int_equal(dma_sync_wait(chan, cookie), DMA_ERROR);
		assert_reason(BERTH_REASON_TRANSFER);
		await_calls(&bad, 1);
		await_calls(&good, 1);
		assert_int_equal(bad.result.result, DMA_TRANS_ABORTED);
		assert_int_equal(bad.result.residue, residues[i % 2]);
		assert_int_equal(good.result.result, DMA_TRANS_NOERROR);
	}
	dma_unmap_single(device_of(chan), src, AREA, DMA_TO_DEVICE);
	dma_unmap_single(device_of(chan), dst, AREA, DMA_FROM_DEVICE);
	assert_memory_equal(areas.dst, areas.src, 256);
	assert_int_equal(areas.dst[256], 0x5a);
	assert_memory_equal(areas.dst + 1024, areas.src, 512);
	free_areas(&areas);
	dma_release_channel(chan);
	must_stop();
}

/* All eight channels, of which some are terminated in between. */
static void what_is_terminated_never_runs(void **unused)
{
	struct dma_chan *chans[8];
	struct areas areas;
	dma_addr_t src, dst;

	(void)unused;
	must_start_zynq(NULL);
	areas = make_areas();
	for (unsigned int i = 0; i < 8; i++)
		chans[i] = must_take(DMA_MEMCPY);
	src = must_map(chans[0], areas.src, AREA, DMA_TO_DEVICE);
	dst = must_map(chans[0], areas.dst, AREA, DMA_FROM_DEVICE);
	for (unsigned int i = 0; i < 200; i++) {
		struct dma_chan *chan = chans[below(8)];
		struct outcome outcome = { 0 };
		struct dma_async_tx_descriptor *tx;
		struct dma_tx_state left;
		dma_cookie_t cookie;

		tx = dmaengine_prep_dma_memcpy(chan, dst + AREA / 2, src, 1000, 0);
		tx->callback_result = note;
		tx->callback_param = &outcome;
		cookie = dmaengine_submit(tx);
		assert_int_equal(dmaengine_tx_status(chan, cookie, &left), DMA_IN_PROGRESS);
		assert_int_equal(left.residue, 1000);
		assert_int_equal(dmaengine_terminate_sync(chan), 0);
		dma_async_issue_pending(chan);
		must_run(dmaengine_prep_dma_memcpy(chan, dst, src, 1 + below(1000), 0));
		assert_int_equal(outcome.calls, 0);
	}
	dma_unmap_single(device_of(chans[0]), src, AREA, DMA_TO_DEVICE);
	dma_unmap_single(device_of(chans[0]), dst, AREA, DMA_FROM_DEVICE);
	assert_memory_equal(areas.dst + AREA / 2, areas.wanted + AREA / 2, AREA / 2);
	for (unsigned int i = 0; i < 8; i++)
		dma_release_channel(chans[i]);
	free_areas(&areas);
	must_stop();
}

static void a_descriptor_may_be_used_again(void **unused)
{
	struct dma_async_tx_descriptor *tx;
	struct dma_chan *chan;
	struct areas areas;
	dma_addr_t src, dst;

	(void)unused;
	must_start_zynq(NULL);
	/* Reuse is for private channels that serve peripherals. */
	chan = must_take(DMA_SLAVE);
	areas = make_areas();
	src = must_map(chan, areas.src, AREA, DMA_TO_DEVICE);
	dst = must_map(chan, areas.dst, AREA, DMA_FROM_DEVICE);
	/* So many frames take more than one program. */
	tx = prep_frames(chan, dst, src, 200);
	assert_int_equal(dmaengine_desc_set_reuse(tx), 0);
	for (uint32_t frame = 0; frame < 200; frame++) {
		uint8_t *at = areas.wanted + frame * (FRAME + GAP);

		memcpy(at, areas.src + frame * FRAME, 256);
		memcpy(at + 256 + GAP, areas.src + frame * FRAME + 256, 256);
	}
	for (unsigned int i = 0; i < 5; i++) {
		dma_sync_single_for_cpu(device_of(chan), dst, AREA, DMA_FROM_DEVICE);
		memset(areas.dst, 0x5a, AREA);
		dma_sync_single_for_device(device_of(chan), dst, AREA, DMA_FROM_DEVICE);
		must_run(tx);
		/* It is the client's again after its callback. */
		dmaengine_synchronize(chan);
		dma_sync_single_for_cpu(device_of(chan), dst, AREA, DMA_FROM_DEVICE);
		assert_memory_equal(areas.dst, areas.wanted, AREA);
	}
	assert_int_equal(dmaengine_desc_free(tx), 0);
	dma_unmap_single(device_of(chan), src, AREA, DMA_TO_DEVICE);
	dma_unmap_single(device_of(chan), dst, AREA, DMA_FROM_DEVICE);
	free_areas(&areas);
	dma_release_channel(chan);
	must_stop();
}

static void nothing_is_allocated_in_the_steady_state(void **unused)
{
	struct dma_chan *chan;
	struct areas areas;
	dma_addr_t src, dst;

	(void)unused;
	must_start_zynq(NULL);
	chan = must_take(DMA_MEMCPY);
	areas = make_areas();
	src = must_map(chan, areas.src, AREA, DMA_TO_DEVICE);
	dst = must_map(chan, areas.dst, AREA, DMA_FROM_DEVICE);
	for (unsigned int i = 0; i < 60; i++) {
		must_run(dmaengine_prep_dma_memcpy(chan, dst, src, 100, 0));
		must_run(dmaengine_prep_dma_memset(chan, dst, 1, 100, 0));
		must_run(prep_frames(chan, dst, src, 1));
		dmaengine_synchronize(chan);
		if (i == 9)
			berth_test_fail_nth(1);
	}
	assert_false(berth_test_failed());
	berth_test_fail_nth(0);
	dma_unmap_single(device_of(chan), src, AREA, DMA_TO_DEVICE);
	dma_unmap_single(device_of(chan), dst, AREA, DMA_FROM_DEVICE);
	free_areas(&areas);
	dma_release_channel(chan);
	must_stop();
}

static void what_cannot_be_reached_is_refused(void **unused)
{
	struct dma_chan *chan;

	(void)unused;
	must_start_zynq(NULL);
	chan = must_take(DMA_MEMCPY);
	assert_null(dmaengine_prep_dma_memcpy(chan, 1ull << 32, 0, 1, 0));
	assert_reason(BERTH_REASON_MASK);
	assert_null(dmaengine_prep_dma_memcpy(chan, 0, UINT32_MAX, 2, 0));
	assert_reason(BERTH_REASON_MASK);
	assert_null(dmaengine_prep_dma_memset(chan, UINT32_MAX - 5, 0, 7, 0));
	assert_reason(BERTH_REASON_MASK);
	assert_null(dmaengine_prep_dma_memcpy(chan, 0, 0, 0, 0));
	assert_int_equal(dmaengine_pause(chan), -ENOSYS);
	dma_release_channel(chan);
	must_stop();
}

/* Memory runs out at each place of a prepare; nothing is lost, and the next one works. */
static void prepares_without_memory(void **unused)
{
	bool has_failed = true;
	uint64_t n = 0;

	(void)unused;
	while (has_failed && ++n < 100) {
		struct dma_async_tx_descriptor *tx;
		struct dma_chan *chan;
		struct areas areas;
		dma_addr_t src, dst;

		must_start_zynq(NULL);
		areas = make_areas();
		chan = must_take(DMA_MEMCPY);
		src = must_map(chan, areas.src, AREA, DMA_TO_DEVICE);
		dst = must_map(chan, areas.dst, AREA, DMA_FROM_DEVICE);
		berth_test_fail_nth(n);
		tx = dmaengine_prep_dma_memcpy(chan, dst, src, 100, 0);
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		if (!tx)
			assert_reason(BERTH_REASON_OUT_OF_MEMORY);
		must_run(tx ? tx : dmaengine_prep_dma_memcpy(chan, dst, src, 100, 0));
		dma_unmap_single(device_of(chan), src, AREA, DMA_TO_DEVICE);
		dma_unmap_single(device_of(chan), dst, AREA, DMA_FROM_DEVICE);
		dma_release_channel(chan);
		free_areas(&areas);
		must_stop();
	}
	assert_false(has_failed);
	assert_true(n > 2);
}

/* The driver, to which an allocation fails while it is bound. */
static uint64_t nth;
static bool has_probe_failed;

static int failing_probe(struct platform_device *pdev)
{
	int ret;

	berth_test_fail_nth(nth);
	ret = berth_pl330_driver.probe(pdev);
	has_probe_failed = berth_test_failed();
	berth_test_fail_nth(0);
	return ret;
}

static struct platform_driver failing_driver;

static void probes_without_memory(void **unused)
{
	static const struct berth_driver drivers[] = {
		BERTH_PLATFORM_DRIVER(&failing_driver),
		BERTH_NO_MORE_DRIVERS,
	};
	struct dma_chan *chan;

	(void)unused;
	failing_driver = berth_pl330_driver;
	failing_driver.probe = failing_probe;
	for (nth = 1, has_probe_failed = true; has_probe_failed; nth++) {
		assert_true(nth < 100);
		if (!start_zynq_with(drivers, NULL))
			must_stop();
		else
			assert_true(has_probe_failed);
	}
	assert_true(nth > 4);
	assert_int_equal(start_zynq_with(drivers, NULL), 0);
	chan = must_take(DMA_INTERRUPT);
	must_run(dmaengine_prep_dma_interrupt(chan, 0));
	dma_release_channel(chan);
	must_stop();
}

static void a_channel_is_polled(void **unused)
{
	struct dma_chan *chan;
	struct areas areas;
	struct device *dev;
	dma_addr_t from, to;

	(void)unused;
	must_start_zynq(NULL);
	chan = must_take(DMA_MEMCPY);
	dev = dmaengine_get_dma_device(chan);
	areas = make_areas();
	from = dma_map_single(dev, areas.src, 1000, DMA_TO_DEVICE);
	to = dma_map_single(dev, areas.dst, 1000, DMA_FROM_DEVICE);
	assert_false(dma_mapping_error(dev, from) || dma_mapping_error(dev, to));
	polled_transfers(chan, to, from, 1000);
	dma_unmap_single(dev, from, 1000, DMA_TO_DEVICE);
	dma_unmap_single(dev, to, 1000, DMA_FROM_DEVICE);
	memcpy(areas.wanted, areas.src, 1000);
	assert_memory_equal(areas.dst, areas.wanted, AREA);
	free_areas(&areas);
	dma_release_channel(chan);
	must_stop();
}

/* All of its events are secure then, and the driver may use none. */
static void a_manager_that_is_not_secure(void **unused)
{
	static const char *const arguments[] = { "-global", "pl330.mgr_ns_at_rst=1", NULL };
	dma_cap_mask_t mask;

	(void)unused;
	must_start_zynq(arguments);
	dma_cap_zero(mask);
	assert_int_equal(PTR_ERR(dma_request_chan_by_mask(&mask)), -EPROBE_DEFER);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_of_any_size_and_offset),
		cmocka_unit_test(copies_like_the_one_before),
		cmocka_unit_test(long_copies),
		cmocka_unit_test(fills),
		cmocka_unit_test(patterns),
		cmocka_unit_test(an_interrupt_comes_in_its_turn),
		cmocka_unit_test(faults_are_told_and_the_channel_goes_on),
		cmocka_unit_test(what_is_terminated_never_runs),
		cmocka_unit_test(a_descriptor_may_be_used_again),
		cmocka_unit_test(nothing_is_allocated_in_the_steady_state),
		cmocka_unit_test(what_cannot_be_reached_is_refused),
		cmocka_unit_test(prepares_without_memory),
		cmocka_unit_test(probes_without_memory),
		cmocka_unit_test(a_manager_that_is_not_secure),
		cmocka_unit_test(a_channel_is_polled),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
