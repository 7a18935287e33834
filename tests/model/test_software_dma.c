// SPDX-License-Identifier: BSD-2-Clause
/* The software engine without threads: it works inside dma_async_issue_pending(). */
#include "software.h"

#include <berth/highmem.h>

#define KIB 1024u
#define LARGE (4u * BERTH_DMA_SOFTWARE_CHUNK)

static struct dma_chan *chan;
static unsigned int nr_calls;
static struct dmaengine_result last;

static void start_with(const char *bootargs)
{
	must_start(tree_minimal, NULL, bootargs);
	chan = must_request();
	nr_calls = 0;
}

static int start(void **state)
{
	(void)state;
	start_with("dma.software=2");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	if (chan)
		dma_release_channel(chan);
	chan = NULL;
	must_stop();
	return 0;
}

static void called(void *data, const struct dmaengine_result *result)
{
	(void)data;
	nr_calls++;
	last = *result;
}

static dma_cookie_t submit(struct dma_async_tx_descriptor *tx)
{
	dma_cookie_t cookie;

	assert_non_null(tx);
	tx->callback_result = called;
	cookie = dmaengine_submit(tx);
	assert_true(cookie > 0);
	return cookie;
}

static enum dma_status run(struct dma_async_tx_descriptor *tx)
{
	dma_cookie_t cookie = submit(tx);

	dma_async_issue_pending(chan);
	return dmaengine_tx_status(chan, cookie, NULL);
}

static void all_kinds_through_dmatest(void **state)
{
	const struct berth_dmatest_params params = {
		.iterations = 10000,
		.xor_sources = 16,
		.pq_sources = 16,
		.buffer_size = 4096,
		.report = say_failure,
	};
	struct berth_dmatest test;

	(void)state;
	assert_int_equal(berth_dmatest_init(&test, chan, &params), 0);
	assert_int_equal(berth_dmatest_run(&test), 0);
	assert_int_equal(test.stats.tests, 10000);
	assert_int_equal(test.stats.failed, 0);
	for (unsigned int i = 0; i < BERTH_DMATEST_SLAVE_OUT; i++)
		assert_true(test.stats.kinds[i] > 500);
	berth_dmatest_exit(&test);
}

static void large_and_polled(void **state)
{
	struct berth_dmatest_params params = {
		.iterations = 100,
		.buffer_size = BERTH_DMA_SOFTWARE_CHUNK + 5000,
		.polled = true,
		.report = say_failure,
		.seed = 7,
	};
	struct berth_dmatest test;

	(void)state;
	assert_int_equal(berth_dmatest_init(&test, chan, &params), 0);
	assert_int_equal(berth_dmatest_run(&test), 0);
	berth_dmatest_exit(&test);
	params.buffer_size = 100;
	assert_int_equal(berth_dmatest_init(&test, chan, &params), 0);
	assert_int_equal(berth_dmatest_run(&test), 0);
	berth_dmatest_exit(&test);
}

static uint64_t digest_of_run(void)
{
	const struct berth_dmatest_params params = { .iterations = 200 };
	struct berth_model_stats stats;
	struct berth_dmatest test;

	start_with("dma.software=1");
	assert_int_equal(berth_dmatest_init(&test, chan, &params), 0);
	assert_int_equal(berth_dmatest_run(&test), 0);
	berth_dmatest_exit(&test);
	stop(NULL);
	berth_model_stats(&stats);
	return stats.digest;
}

static void runs_are_repeatable(void **state)
{
	(void)state;
	assert_int_equal(digest_of_run(), digest_of_run());
}

static void callbacks_come_before_issue_returns(void **state)
{
	uint8_t *at = buffer(200, 1);
	dma_addr_t addr = map(chan, at, 200);
	dma_cookie_t cookie;

	(void)state;
	cookie = submit(dmaengine_prep_dma_memset(chan, addr, 7, 100, DMA_PREP_INTERRUPT));
	assert_int_equal(at[0], 1);
	assert_int_equal(dmaengine_tx_status(chan, cookie, NULL), DMA_IN_PROGRESS);
	assert_int_equal(at[0], 1);
	dma_async_issue_pending(chan);
	assert_int_equal(nr_calls, 1);
	assert_int_equal(last.result, DMA_TRANS_NOERROR);
	assert_int_equal(dmaengine_tx_status(chan, cookie, NULL), DMA_COMPLETE);
	assert_true(at[99] == 7 && at[100] == 1);
	unmap(chan, addr, 200);
	free_pages_exact(at, 200);
}

/* x^8 + x^4 + x^3 + x^2 + 1, the slow way. */
static uint8_t times(unsigned int a, unsigned int b)
{
	unsigned int product = 0;

	for (int bit = 7; bit >= 0; bit--) {
		product = product << 1 ^ (product & 0x80 ? 0x11d : 0);
		product ^= b >> bit & 1 ? a : 0;
	}
	return (uint8_t)product;
}

static void pq_in_parts(void **state)
{
	uint8_t *at = buffer(4 * KIB, 0);
	dma_addr_t addr = map(chan, at, 4 * KIB), dst[2] = { addr, addr + KIB };
	dma_addr_t src[2] = { addr + 2 * KIB, addr + 3 * KIB };
	const uint8_t c[2] = { 0x8e, 0x35 };
	const unsigned long no_p = DMA_PREP_PQ_DISABLE_P, no_q = DMA_PREP_PQ_DISABLE_Q;

	(void)state;
	for (size_t i = 0; i < 2 * KIB; i++)
		at[2 * KIB + i] = (uint8_t)(i * 31 >> 3);
	/* P alone of the first, Q alone of the first, both of the second, in addition. */
	assert_int_equal(run(dmaengine_prep_dma_pq(chan, dst, src, 1, c, KIB, no_q)), DMA_COMPLETE);
	assert_true(at[100] == at[2 * KIB + 100] && !at[KIB + 100]);
	assert_int_equal(run(dmaengine_prep_dma_pq(chan, dst, src, 1, c, KIB, no_p)), DMA_COMPLETE);
	assert_int_equal(
		run(dmaengine_prep_dma_pq(chan, dst, src + 1, 1, c + 1, KIB, DMA_PREP_CONTINUE)),
		DMA_COMPLETE);
	for (size_t i = 0; i < KIB; i++) {
		uint8_t a = at[2 * KIB + i], b = at[3 * KIB + i];

		assert_int_equal(at[i], a ^ b);
		assert_int_equal(at[KIB + i], times(a, c[0]) ^ times(b, c[1]));
	}
	unmap(chan, addr, 4 * KIB);
	free_pages_exact(at, 4 * KIB);
}

static void a_destination_may_be_a_source(void **state)
{
	uint8_t *at = buffer(4 * KIB, 0x11);
	dma_addr_t addr = map(chan, at, 4 * KIB);
	dma_addr_t src[2] = { addr, addr + 2 * KIB };

	(void)state;
	memset(at + 2 * KIB, 0x22, 2 * KIB);
	assert_int_equal(run(dmaengine_prep_dma_xor(chan, addr, src, 2, 2 * KIB, 0)), DMA_COMPLETE);
	assert_true(at[0] == 0x33 && at[2 * KIB - 1] == 0x33 && at[2 * KIB] == 0x22);
	/* Overlapping copies crash nobody. */
	assert_int_equal(run(dmaengine_prep_dma_memcpy(chan, addr + 1, addr, 3 * KIB, 0)),
			 DMA_COMPLETE);
	unmap(chan, addr, 4 * KIB);
	free_pages_exact(at, 4 * KIB);
}

static void patterns_that_stay(void **state)
{
	_Alignas(struct dma_interleaved_template) char
		room[sizeof(struct dma_interleaved_template) + 6 * sizeof(struct data_chunk)];
	struct dma_interleaved_template *xt = (void *)room;
	uint8_t *at = buffer(4 * KIB, 0);
	dma_addr_t addr = map(chan, at, 4 * KIB);

	(void)state;
	for (size_t i = 0; i < 64; i++)
		at[i] = (uint8_t)(i + 1);
	memset(room, 0, sizeof(room));
	xt->src_start = addr;
	xt->dst_start = addr + KIB;
	xt->dir = DMA_MEM_TO_MEM;
	xt->numf = 2;
	xt->frame_size = 6;
	for (unsigned int i = 0; i < 6; i++)
		xt->sgl[i] = (struct data_chunk){ .size = 4, .icg = 2 };
	xt->dst_inc = true;
	xt->dst_sgl = true;
	/* Every run reads the first four bytes. */
	assert_int_equal(run(dmaengine_prep_interleaved_dma(chan, xt, 0)), DMA_COMPLETE);
	for (unsigned int i = 0; i < 12; i++)
		assert_memory_equal(at + KIB + 6 * i, "\1\2\3\4\0", 6);
	/* And now they are read in a row, and written to one place. */
	xt->src_inc = true;
	xt->dst_inc = false;
	assert_int_equal(run(dmaengine_prep_interleaved_dma(chan, xt, 0)), DMA_COMPLETE);
	assert_memory_equal(at + KIB, at + 44, 4);
	assert_int_equal(nr_calls, 2);
	xt->numf = SIZE_MAX;
	assert_null(dmaengine_prep_interleaved_dma(chan, xt, 0));
	assert_reason(BERTH_REASON_SEGMENT);
	unmap(chan, addr, 4 * KIB);
	free_pages_exact(at, 4 * KIB);
}

static void no_memory_there(void **state)
{
	const dma_addr_t nowhere = 0x10;
	uint8_t *at = buffer(4 * KIB, 0x44);
	dma_addr_t addr = map(chan, at, 4 * KIB), src[2] = { addr, nowhere };
	dma_cookie_t cookies[3];
	struct dma_tx_state tx_state;

	(void)state;
	assert_int_equal(run(dmaengine_prep_dma_memcpy(chan, addr, nowhere, KIB, 0)), DMA_ERROR);
	assert_true(last.result == DMA_TRANS_READ_FAILED && last.residue == KIB);
	assert_int_equal(run(dmaengine_prep_dma_memcpy(chan, nowhere, addr, KIB, 0)), DMA_ERROR);
	assert_true(last.result == DMA_TRANS_WRITE_FAILED && last.residue == KIB);
	assert_int_equal(run(dmaengine_prep_dma_memset(chan, UINT64_MAX - 8, 0, KIB, 0)),
			 DMA_ERROR);
	assert_int_equal(last.result, DMA_TRANS_WRITE_FAILED);
	assert_int_equal(run(dmaengine_prep_dma_xor(chan, addr, src, 2, KIB, 0)), DMA_ERROR);
	assert_int_equal(last.result, DMA_TRANS_READ_FAILED);
	/* Others go on. */
	cookies[0] = submit(dmaengine_prep_dma_memset(chan, addr, 1, 8, 0));
	cookies[1] = submit(dmaengine_prep_dma_memset(chan, nowhere, 2, 8, 0));
	cookies[2] = submit(dmaengine_prep_dma_memset(chan, addr + 8, 3, 8, 0));
	dma_async_issue_pending(chan);
	assert_int_equal(dmaengine_tx_status(chan, cookies[0], NULL), DMA_COMPLETE);
	assert_int_equal(dmaengine_tx_status(chan, cookies[1], NULL), DMA_ERROR);
	assert_int_equal(dmaengine_tx_status(chan, cookies[2], &tx_state), DMA_COMPLETE);
	assert_true(at[0] == 1 && at[8] == 3 && nr_calls == 7);
	unmap(chan, addr, 4 * KIB);
	free_pages_exact(at, 4 * KIB);
}

/* A copy of two halves, the second one to where nothing is: what could be done is. */
static void it_fails_in_the_middle(void **state)
{
	_Alignas(struct dma_interleaved_template) char
		room[sizeof(struct dma_interleaved_template) + sizeof(struct data_chunk)] = { 0 };
	struct dma_interleaved_template *xt = (void *)room;
	uint8_t *at = buffer(LARGE, 0x44);
	dma_addr_t addr = map(chan, at, LARGE);

	(void)state;
	memset(at, 0x33, LARGE / 2);
	xt->src_start = addr;
	xt->dst_start = addr + LARGE / 2;
	xt->dir = DMA_MEM_TO_MEM;
	xt->src_inc = xt->dst_inc = xt->dst_sgl = true;
	xt->numf = 2;
	xt->frame_size = 1;
	xt->sgl[0].size = LARGE / 4;
	xt->sgl[0].dst_icg = 0x40000000;
	assert_int_equal(run(dmaengine_prep_interleaved_dma(chan, xt, 0)), DMA_ERROR);
	assert_true(last.result == DMA_TRANS_WRITE_FAILED && last.residue == LARGE / 4);
	assert_true(at[LARGE / 2] == 0x33 && at[LARGE / 4 * 3 - 1] == 0x33);
	assert_int_equal(at[LARGE / 4 * 3], 0x44);
	unmap(chan, addr, LARGE);
	free_pages_exact(at, LARGE);
}

static void outside_the_linear_map(void **state)
{
	struct page *src, *dst;
	struct device *dev;
	dma_addr_t from, to;
	uint8_t *seen;

	(void)state;
	start_with("dma.software=1 highmem=4M");
	dev = dmaengine_get_dma_device(chan);
	src = alloc_pages(GFP_KERNEL | __GFP_HIGHMEM, 3);
	dst = alloc_pages(GFP_KERNEL | __GFP_HIGHMEM, 3);
	assert_true(src && dst && PageHighMem(src) && PageHighMem(dst));
	for (unsigned int i = 0; i < 8; i++) {
		seen = kmap_local_page(src + i);
		memset(seen, (int)i + 1, PAGE_SIZE);
		kunmap_local(seen);
		assert_int_equal(clear_highpage(dst + i), 0);
	}
	from = dma_map_page(dev, src, 0, 8 * PAGE_SIZE, DMA_TO_DEVICE);
	to = dma_map_page(dev, dst, 0, 8 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	assert_false(dma_mapping_error(dev, from) || dma_mapping_error(dev, to));
	assert_int_equal(run(dmaengine_prep_dma_memcpy(chan, to + 100, from, 7 * PAGE_SIZE, 0)),
			 DMA_COMPLETE);
	assert_int_equal(run(dmaengine_prep_dma_memset(chan, to + 7 * PAGE_SIZE + 200, 99, 50, 0)),
			 DMA_COMPLETE);
	dma_unmap_page(dev, from, 8 * PAGE_SIZE, DMA_TO_DEVICE);
	dma_unmap_page(dev, to, 8 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	for (unsigned int i = 0; i < 8; i++) {
		seen = kmap_local_page(dst + i);
		assert_int_equal(seen[99], i);
		assert_int_equal(seen[100], i == 7 ? 0 : i + 1);
		assert_int_equal(seen[249], i == 7 ? 99 : i + 1);
		kunmap_local(seen);
	}
	__free_pages(src, 3);
	__free_pages(dst, 3);
	stop(NULL);
}

static void used_again(void **state)
{
	uint8_t *at = buffer(64, 0);
	dma_addr_t addr = map(chan, at, 64), sources[1] = { addr };
	struct dma_async_tx_descriptor *tx =
		dmaengine_prep_dma_memset(chan, addr, 5, 32, DMA_CTRL_REUSE);
	enum sum_check_flags check = 0;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		memset(at, 0, 64);
		assert_int_equal(run(tx), DMA_COMPLETE);
		assert_true(at[31] == 5 && !at[32] && nr_calls == i + 1);
	}
	assert_int_equal(dmaengine_desc_free(tx), 0);
	tx = dmaengine_prep_dma_xor_val(chan, sources, 1, 64, &check, DMA_CTRL_REUSE);
	run(tx);
	assert_int_equal(check, SUM_CHECK_P_RESULT);
	memset(at, 0, 64);
	run(tx);
	assert_int_equal(check, 0);
	dmaengine_desc_free(tx);
	unmap(chan, addr, 64);
	free_pages_exact(at, 64);
}

static void paused(void **state)
{
	uint8_t *at = buffer(64, 0);
	dma_addr_t addr = map(chan, at, 64);
	struct dma_tx_state tx_state;
	dma_cookie_t cookie;

	(void)state;
	assert_int_equal(dmaengine_pause(chan), 0);
	cookie = submit(dmaengine_prep_dma_memset(chan, addr, 5, 64, 0));
	dma_async_issue_pending(chan);
	assert_int_equal(dmaengine_tx_status(chan, cookie, &tx_state), DMA_PAUSED);
	assert_true(tx_state.residue == 64 && !at[0]);
	assert_int_equal(dmaengine_resume(chan), 0);
	assert_int_equal(dmaengine_tx_status(chan, cookie, &tx_state), DMA_COMPLETE);
	assert_true(at[63] == 5 && nr_calls == 1);
	dmaengine_pause(chan);
	submit(dmaengine_prep_dma_memset(chan, addr, 6, 64, 0));
	dma_async_issue_pending(chan);
	assert_int_equal(dmaengine_terminate_sync(chan), 0);
	/* What is terminated stays so, and the channel is not paused any more. */
	assert_int_equal(run(dmaengine_prep_dma_memset(chan, addr, 7, 1, 0)), DMA_COMPLETE);
	assert_true(at[0] == 7 && at[1] == 5 && nr_calls == 2);
	unmap(chan, addr, 64);
	free_pages_exact(at, 64);
}

/* Whoever polls does the work: a transfer, or a part of a long one, at a time. */
static void polled(void **state)
{
	uint8_t *at = buffer(LARGE, 0);
	dma_addr_t addr = map(chan, at, LARGE);
	struct dma_tx_state tx_state;
	dma_cookie_t cookie;

	(void)state;
	assert_int_equal(berth_dma_set_polled(chan, true), 0);
	submit(dmaengine_prep_dma_memset(chan, addr, 1, 64, 0));
	assert_int_equal(berth_dma_set_polled(chan, false), -EBUSY);
	cookie = submit(dmaengine_prep_dma_memset(chan, addr, 2, 64, 0));
	berth_dma_poll(chan);
	assert_true(!at[0] && nr_calls == 0);
	dma_async_issue_pending(chan);
	assert_true(!at[0] && nr_calls == 0);
	berth_dma_poll(chan);
	assert_true(at[63] == 1 && nr_calls == 1);
	assert_int_equal(dmaengine_pause(chan), 0);
	berth_dma_poll(chan);
	assert_true(at[63] == 1 && nr_calls == 1);
	assert_int_equal(dmaengine_resume(chan), 0);
	assert_true(at[63] == 1 && nr_calls == 1);
	assert_int_equal(dmaengine_tx_status(chan, cookie, &tx_state), DMA_COMPLETE);
	assert_true(at[63] == 2 && nr_calls == 2);

	cookie = submit(dmaengine_prep_dma_memset(chan, addr, 3, LARGE, 0));
	dma_async_issue_pending(chan);
	for (unsigned int i = 0; i < 3; i++)
		berth_dma_poll(chan);
	assert_true(at[LARGE - 1] == 0 && at[LARGE / 4 * 3 - 1] == 3 && nr_calls == 2);
	berth_dma_poll(chan);
	assert_true(at[LARGE - 1] == 3 && nr_calls == 3);
	for (unsigned int i = 0; i < 3; i++)
		cookie = submit(dmaengine_prep_dma_memset(chan, addr, 4, LARGE, 0));
	assert_int_equal(dma_sync_wait(chan, cookie), DMA_COMPLETE);
	assert_true(at[LARGE - 1] == 4 && nr_calls == 6);

	submit(dmaengine_prep_dma_memset(chan, addr, 5, LARGE, 0));
	dma_async_issue_pending(chan);
	berth_dma_poll(chan);
	assert_int_equal(dmaengine_terminate_sync(chan), 0);
	berth_dma_poll(chan);
	assert_true(at[LARGE - 1] == 4 && nr_calls == 6);
	assert_int_equal(berth_dma_set_polled(chan, false), 0);
	assert_int_equal(run(dmaengine_prep_dma_memset(chan, addr, 6, 64, 0)), DMA_COMPLETE);
	assert_true(at[63] == 6 && nr_calls == 7);
	unmap(chan, addr, LARGE);
	free_pages_exact(at, LARGE);
}

/* Each one issues the next. */
static void goes_on(void *data)
{
	struct dma_async_tx_descriptor *tx = dmaengine_prep_dma_interrupt(chan, DMA_PREP_INTERRUPT);

	nr_calls++;
	if (!tx)
		return;
	tx->callback = goes_on;
	tx->callback_param = data;
	dmaengine_submit(tx);
	dma_async_issue_pending(chan);
}

static void one_that_never_ends_keeps_nobody(void **state)
{
	unsigned int seen;

	(void)state;
	goes_on(NULL);
	seen = nr_calls;
	assert_true(seen > 1);
	msleep(1);
	assert_true(nr_calls > seen);
	assert_int_equal(dmaengine_terminate_sync(chan), 0);
	seen = nr_calls;
	msleep(1);
	assert_int_equal(nr_calls, seen);
}

/* The second one is terminated by the callback of the first, in the middle of the work. */
static void terminates(void *data)
{
	nr_calls++;
	assert_int_equal(dmaengine_terminate_async(data), 0);
}

static void terminated_by_a_callback(void **state)
{
	uint8_t *at = buffer(64, 0);
	dma_addr_t addr = map(chan, at, 64);
	struct dma_async_tx_descriptor *tx = dmaengine_prep_dma_interrupt(chan, DMA_PREP_INTERRUPT);

	(void)state;
	tx->callback = terminates;
	tx->callback_param = chan;
	dmaengine_submit(tx);
	for (unsigned int i = 0; i < 20; i++)
		submit(dmaengine_prep_dma_memset(chan, addr, 9, 64, 0));
	dma_async_issue_pending(chan);
	dmaengine_synchronize(chan);
	assert_int_equal(nr_calls, 1);
	assert_int_equal(run(dmaengine_prep_dma_memset(chan, addr, 3, 64, 0)), DMA_COMPLETE);
	assert_int_equal(at[0], 3);
	unmap(chan, addr, 64);
	free_pages_exact(at, 64);
}

static void nothing_is_allocated(void **state)
{
	const struct berth_dmatest_params params = { .iterations = 2000, .report = say_failure };
	struct berth_dmatest test;

	(void)state;
	assert_int_equal(berth_dmatest_init(&test, chan, &params), 0);
	assert_int_equal(berth_dmatest_run(&test), 0);
	/* Some of these need more runs than one before; from then on there is room. */
	berth_test_fail_nth(1);
	test.stats.tests = 0;
	assert_int_equal(berth_dmatest_run(&test), 0);
	assert_false(berth_test_failed());
	berth_test_fail_nth(0);
	berth_dmatest_exit(&test);
}

static void arguments(void **state)
{
	(void)state;
	assert_int_equal(berth_dma_software_start(0, 0), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(berth_dma_software_start(33, 0), -EINVAL);
	assert_int_equal(berth_dma_software_start(1, 2), -EINVAL);
	assert_int_equal(berth_dma_software_start(1, 0), -EINVAL);
	assert_reason(BERTH_REASON_STATE);
	must_start(tree_minimal, NULL, NULL);
	assert_null(request_channel());
	assert_int_equal(berth_dma_software_start(32, 0), 0);
	assert_false(berth_dma_software_has_threads());
	assert_int_equal(berth_dma_software_start(1, 0), -EBUSY);
	assert_reason(BERTH_REASON_STATE);
	assert_int_equal(berth_dma_chan_list(NULL, 0), 32);
	berth_dma_software_stop();
	berth_dma_software_stop();
	assert_int_equal(berth_dma_chan_list(NULL, 0), 0);
	assert_int_equal(berth_dma_software_start(1, 0), 0);
	must_stop();
	/* Boot arguments that cannot be used are told, and ignored. */
	for (unsigned int i = 0; i < 4; i++) {
		static const char *const bad[] = { "dma.software=", "dma.software=33",
						   "dma.software=1,thread", "dma.software=1x" };

		must_start(tree_minimal, NULL, bad[i]);
		assert_int_equal(berth_dma_chan_list(NULL, 0), 0);
		must_stop();
	}
	must_start(tree_minimal, NULL, "dma.software=3 mem=16M");
	assert_int_equal(berth_dma_chan_list(NULL, 0), 3);
	must_stop();
}

static void it_goes_while_a_client_holds_it(void **state)
{
	(void)state;
	submit(dmaengine_prep_dma_interrupt(chan, 0));
	assert_non_null(dmaengine_prep_dma_interrupt(chan, 0));
	berth_dma_software_stop();
	assert_null(dmaengine_prep_dma_interrupt(chan, 0));
	assert_reason(BERTH_REASON_STATE);
	dma_async_issue_pending(chan);
	assert_int_equal(berth_dma_software_start(1, 0), 0);
	dma_release_channel(chan);
	chan = NULL;
}

static void fail_nth(void **state)
{
	struct berth_dmatest_params params = { .iterations = 30, .seed = 3 };
	uint64_t nr_unprepared = 0;

	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct berth_dmatest test;
		bool failed;

		must_start(tree_minimal, NULL, NULL);
		berth_test_fail_nth(nth);
		if (!berth_dma_software_start(2, 0)) {
			chan = must_request();
			if (!berth_dmatest_init(&test, chan, &params)) {
				berth_dmatest_run(&test);
				/* What could not be prepared is told, and the next one can be. */
				assert_true(test.stats.failed <= berth_test_failed());
				nr_unprepared += test.stats.faults[BERTH_DMATEST_PREPARE];
				assert_int_equal(test.stats.tests, 30);
				berth_dmatest_exit(&test);
			}
			dma_release_channel(chan);
			chan = NULL;
		}
		failed = berth_test_failed();
		berth_test_fail_nth(0);
		must_stop();
		if (!failed)
			break;
		assert_true(nth < 200);
	}
	assert_true(nr_unprepared > 0);
}

#define software_test(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		software_test(all_kinds_through_dmatest),
		software_test(large_and_polled),
		cmocka_unit_test(runs_are_repeatable),
		software_test(callbacks_come_before_issue_returns),
		software_test(pq_in_parts),
		software_test(a_destination_may_be_a_source),
		software_test(patterns_that_stay),
		software_test(no_memory_there),
		software_test(it_fails_in_the_middle),
		cmocka_unit_test(outside_the_linear_map),
		software_test(used_again),
		software_test(paused),
		software_test(polled),
		software_test(one_that_never_ends_keeps_nobody),
		software_test(terminated_by_a_callback),
		software_test(nothing_is_allocated),
		cmocka_unit_test(arguments),
		software_test(it_goes_while_a_client_holds_it),
		cmocka_unit_test(fail_nth),
	};

	return cmocka_run_group_tests_name("software_dma", tests, NULL, NULL);
}
