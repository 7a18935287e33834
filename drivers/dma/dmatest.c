// SPDX-License-Identifier: BSD-2-Clause
/* Tests of a channel: one transfer is begun, and finished, and checked; then the next. */
#include <berth/dma-mapping.h>
#include <berth/dmaengine-driver.h>
#include <berth/errno.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include "dmatest.h"

static uint64_t now(const struct berth_dmatest *test)
{
	return test->params.clock ? test->params.clock() : ktime_get_ns();
}

/* A test has failed. Return: the errno value for the caller. */
static int fail(struct berth_dmatest *test, enum berth_dmatest_fault fault, int error,
		struct berth_dmatest_failure *failure)
{
	failure->fault = fault;
	failure->error = error;
	failure->kind = test->kind;
	failure->test = test->stats.tests;
	failure->src_offset = test->nr_src ? test->src[0].offset : 0;
	failure->dst_offset = test->nr_dst ? test->dst[0].offset : 0;
	if (failure->buffer < test->nr_src && fault == BERTH_DMATEST_SOURCE)
		failure->src_offset = test->src[failure->buffer].offset;
	else if (failure->buffer < test->nr_dst)
		failure->dst_offset = test->dst[failure->buffer].offset;
	failure->length = test->length;
	failure->residue = test->residue;
	memcpy(failure->channel, dma_chan_name(test->chan), sizeof(failure->channel));
	failure->channel[sizeof(failure->channel) - 1] = '\0';
	test->stats.failed++;
	test->stats.faults[fault]++;
	if (test->params.report)
		test->params.report(test->params.report_data, failure);
	return error ? error : -EIO;
}

static int fail_plainly(struct berth_dmatest *test, enum berth_dmatest_fault fault, int error)
{
	struct berth_dmatest_failure failure = { .buffer = 0 };

	return fail(test, fault, error, &failure);
}

/* Mapping. */

static bool uses_pieces(const struct berth_dmatest *test)
{
	return test->kind == BERTH_DMATEST_SG;
}

static void unmap(struct berth_dmatest *test)
{
	bool has_list = uses_pieces(test);

	if (has_list && test->nr_mapped)
		dma_unmap_sg(test->dev, test->pieces, (int)test->nr_pieces, DMA_TO_DEVICE);
	for (unsigned int i = 0; i < test->nr_src && !has_list; i++)
		if (test->src[i].dma != DMA_MAPPING_ERROR)
			dma_unmap_single(test->dev, test->src[i].dma, test->size, DMA_TO_DEVICE);
	for (unsigned int i = 0; i < test->nr_dst; i++)
		if (test->dst[i].dma != DMA_MAPPING_ERROR)
			dma_unmap_single(test->dev, test->dst[i].dma, test->size,
					 DMA_BIDIRECTIONAL);
}

static bool map_one(struct berth_dmatest *test, struct berth_dmatest_buffer *b,
		    enum dma_data_direction dir)
{
	b->dma = dma_map_single(test->dev, b->cpu, test->size, dir);
	return !dma_mapping_error(test->dev, b->dma);
}

/* Buffers are mapped with their guards, and the destinations both ways: what should stay has to. */
static bool map(struct berth_dmatest *test)
{
	bool is_good = true;

	for (unsigned int i = 0; i < test->nr_src; i++)
		test->src[i].dma = DMA_MAPPING_ERROR;
	for (unsigned int i = 0; i < test->nr_dst; i++)
		test->dst[i].dma = DMA_MAPPING_ERROR;
	test->nr_mapped = 0;
	if (uses_pieces(test)) {
		test->nr_mapped =
			dma_map_sg(test->dev, test->pieces, (int)test->nr_pieces, DMA_TO_DEVICE);
		is_good = test->nr_mapped != 0;
	}
	for (unsigned int i = 0; i < test->nr_src && is_good && !uses_pieces(test); i++)
		is_good = map_one(test, &test->src[i], DMA_TO_DEVICE);
	for (unsigned int i = 0; i < test->nr_dst && is_good; i++)
		is_good = map_one(test, &test->dst[i], DMA_BIDIRECTIONAL);
	if (!is_good)
		unmap(test);
	return is_good;
}

/* Preparing. */

static struct dma_async_tx_descriptor *prepare_sums(struct berth_dmatest *test, unsigned long flags)
{
	dma_addr_t src[BERTH_DMATEST_MAX_SOURCES], dst[2] = { 0, 0 };

	for (unsigned int i = 0; i < test->nr_src; i++)
		src[i] = test->src[i].dma + test->src[i].offset;
	for (unsigned int i = 0; i < test->nr_dst; i++)
		dst[i] = test->dst[i].dma + test->dst[i].offset;
	if (test->kind == BERTH_DMATEST_XOR)
		return dmaengine_prep_dma_xor(test->chan, dst[0], src, test->nr_src, test->length,
					      flags);
	if (test->kind == BERTH_DMATEST_XOR_VAL)
		return dmaengine_prep_dma_xor_val(test->chan, src, test->nr_src, test->length,
						  &test->check, flags);
	return dmaengine_prep_dma_pq(test->chan, dst, src, test->nr_src, test->coefficient,
				     test->length, flags);
}

static struct dma_async_tx_descriptor *prepare_plain(struct berth_dmatest *test,
						     unsigned long flags)
{
	struct dma_chan *chan = test->chan;
	dma_addr_t src = test->nr_src ? test->src[0].dma + test->src[0].offset : 0;
	dma_addr_t dst = test->nr_dst ? test->dst[0].dma + test->dst[0].offset : 0;

	switch (test->kind) {
	case BERTH_DMATEST_MEMCPY:
		return dmaengine_prep_dma_memcpy(chan, dst, src, test->length, flags);
	case BERTH_DMATEST_MEMSET:
		return dmaengine_prep_dma_memset(chan, dst, test->value, test->length, flags);
	case BERTH_DMATEST_INTERRUPT:
		return dmaengine_prep_dma_interrupt(chan, flags);
	case BERTH_DMATEST_INTERLEAVED:
		test->pattern->src_start = src;
		test->pattern->dst_start = dst;
		return dmaengine_prep_interleaved_dma(chan, test->pattern, flags);
	case BERTH_DMATEST_SLAVE_OUT:
		return dmaengine_prep_slave_single(chan, src, test->length, DMA_MEM_TO_DEV, flags);
	case BERTH_DMATEST_SLAVE_IN:
		return dmaengine_prep_slave_single(chan, dst, test->length, DMA_DEV_TO_MEM, flags);
	default:
		return prepare_sums(test, flags);
	}
}

static void called_back(void *data, const struct dmaengine_result *result)
{
	struct berth_dmatest *test = data;

	test->done_ns = now(test);
	__atomic_store_n(&test->result, (uint32_t)result->result, __ATOMIC_RELAXED);
	__atomic_store_n(&test->residue, result->residue, __ATOMIC_RELAXED);
	__atomic_fetch_add(&test->nr_called, 1, __ATOMIC_RELAXED);
	complete(&test->done);
}

/* 0, or a failure with everything that was submitted before taken back. */
static int submit(struct berth_dmatest *test, struct dma_async_tx_descriptor *tx, bool is_last)
{
	int err;

	if (!tx) {
		err = fail_plainly(test, BERTH_DMATEST_PREPARE, berth_last_error()->code);
		dmaengine_terminate_sync(test->chan);
		return err;
	}
	if (is_last && !test->params.polled) {
		tx->callback_result = called_back;
		tx->callback_param = test;
	}
	test->cookie = dmaengine_submit(tx);
	if (!dma_submit_error(test->cookie))
		return 0;
	err = fail_plainly(test, BERTH_DMATEST_SUBMIT, dma_submit_error(test->cookie));
	dmaengine_terminate_sync(test->chan);
	return err;
}

static int submit_pieces(struct berth_dmatest *test, unsigned long flags)
{
	dma_addr_t dst = test->dst[0].dma + test->dst[0].offset;
	struct scatterlist *sg = test->pieces;
	int err = 0;

	for (unsigned int i = 0; i < test->nr_mapped && !err; i++, sg = sg_next(sg)) {
		bool is_last = i + 1 == test->nr_mapped;

		err = submit(test,
			     dmaengine_prep_dma_memcpy(test->chan, dst, sg_dma_address(sg),
						       sg_dma_len(sg), is_last ? flags : 0),
			     is_last);
		dst += sg_dma_len(sg);
	}
	return err;
}

/* What the peripheral is to send is in the bytes that are wanted. */
static int feed(struct berth_dmatest *test)
{
	const struct berth_dmatest_peripheral *peripheral = test->params.peripheral;
	int err;

	if (test->kind != BERTH_DMATEST_SLAVE_IN)
		return 0;
	err = peripheral->give(peripheral->data, test->want[0] + test->dst[0].offset, test->length);
	return err ? fail_plainly(test, BERTH_DMATEST_PREPARE, err) : 0;
}

int berth_dmatest_begin(struct berth_dmatest *test)
{
	unsigned long flags = test->params.polled ? 0 : DMA_PREP_INTERRUPT;
	int err;

	berth_dmatest_plan(test);
	test->stats.tests++;
	test->stats.kinds[test->kind]++;
	if (test->is_lost)
		return fail_plainly(test, BERTH_DMATEST_TIMEOUT, -ETIMEDOUT);
	berth_dmatest_fill(test);
	test->check = (enum sum_check_flags) ~0u;
	test->result = DMA_TRANS_NOERROR;
	test->residue = 0;
	__atomic_store_n(&test->nr_called, 0, __ATOMIC_RELAXED);
	reinit_completion(&test->done);
	if (!map(test))
		return fail_plainly(test, BERTH_DMATEST_MAP, berth_last_error()->code);
	err = feed(test);
	if (!err)
		err = uses_pieces(test) ? submit_pieces(test, flags)
					: submit(test, prepare_plain(test, flags), true);
	if (err) {
		unmap(test);
		return err;
	}
	test->is_busy = true;
	test->deadline_ns = ktime_get_ns() + (uint64_t)test->params.timeout_ms * NSEC_PER_MSEC;
	test->started_ns = now(test);
	dma_async_issue_pending(test->chan);
	return 0;
}

/* Finishing. */

/* 0, -EAGAIN, -EIO: it has failed, or -ETIMEDOUT. */
static int poll(struct berth_dmatest *test, bool wait)
{
	enum dma_status status;
	struct dma_tx_state state = { 0 };

	if (wait) {
		int err = berth_dma_wait(test->chan, test->cookie, test->params.timeout_ms);

		test->done_ns = now(test);
		return err;
	}
	status = dmaengine_tx_status(test->chan, test->cookie, &state);
	test->done_ns = now(test);
	if (status == DMA_COMPLETE)
		return 0;
	if (status == DMA_ERROR)
		return -EIO;
	return ktime_get_ns() < test->deadline_ns ? -EAGAIN : -ETIMEDOUT;
}

/* A controller without interrupts gets on only while somebody asks it. */
static int await_callback(struct berth_dmatest *test, bool wait)
{
	while (!try_wait_for_completion(&test->done)) {
		if (ktime_get_ns() >= test->deadline_ns)
			return -ETIMEDOUT;
		dmaengine_tx_status(test->chan, test->cookie, NULL);
		if (!wait)
			return try_wait_for_completion(&test->done) ? 0 : -EAGAIN;
		if (wait_for_completion_timeout(&test->done, 1))
			break;
	}
	return 0;
}

/* Whether the controller says that all is well. */
static bool is_status_good(struct berth_dmatest *test)
{
	struct dma_tx_state state = { 0 };
	enum dma_status status = dmaengine_tx_status(test->chan, test->cookie, &state);

	test->residue = state.residue;
	return status == DMA_OUT_OF_ORDER || (status == DMA_COMPLETE && !state.residue);
}

void berth_dmatest_abandon(struct berth_dmatest *test)
{
	struct dma_tx_state state = { 0 };

	dmaengine_tx_status(test->chan, test->cookie, &state);
	test->residue = state.residue;
	test->is_busy = false;
	/* What cannot be stopped may go on writing: its memory is never given back. */
	test->is_lost = dmaengine_terminate_sync(test->chan) != 0;
	if (!test->is_lost)
		unmap(test);
}

static int check(struct berth_dmatest *test, int err)
{
	struct berth_dmatest_failure failure = { .buffer = 0 };
	uint32_t result = __atomic_load_n(&test->result, __ATOMIC_RELAXED);

	if (err || result != DMA_TRANS_NOERROR)
		return fail_plainly(test, BERTH_DMATEST_ERROR, -EIO);
	if (!is_status_good(test))
		return fail_plainly(test, BERTH_DMATEST_STATUS, 0);
	if (__atomic_load_n(&test->nr_called, __ATOMIC_RELAXED) > 1)
		return fail_plainly(test, BERTH_DMATEST_CALLED_TWICE, 0);
	if (!test->params.no_verify && !berth_dmatest_compare(test, &failure)) {
		fail(test, failure.fault, failure.error, &failure);
		return -EIO;
	}
	test->stats.bytes += test->length;
	if (test->done_ns > test->started_ns)
		test->stats.ns += test->done_ns - test->started_ns;
	return 0;
}

int berth_dmatest_finish(struct berth_dmatest *test, bool wait)
{
	int err;

	if (!test->is_busy)
		return -EINVAL;
	err = test->params.polled ? poll(test, wait) : await_callback(test, wait);
	if (err == -EAGAIN)
		return err;
	if (err == -ETIMEDOUT) {
		berth_dmatest_abandon(test);
		fail_plainly(test, BERTH_DMATEST_TIMEOUT, -ETIMEDOUT);
		return -EIO;
	}
	test->is_busy = false;
	unmap(test);
	return check(test, err) ? -EIO : 0;
}

int berth_dmatest_run(struct berth_dmatest *test)
{
	return berth_dmatest_run_all(test, 1);
}

/* Begin or finish; true if something has happened. */
static bool step(struct berth_dmatest *test, bool wait)
{
	if (test->is_busy)
		return berth_dmatest_finish(test, wait) != -EAGAIN;
	berth_dmatest_begin(test);
	return true;
}

int berth_dmatest_run_all(struct berth_dmatest *tests, unsigned int nr)
{
	bool is_over = false, has_failed = false;

	while (!is_over) {
		bool has_news = false;

		is_over = true;
		for (unsigned int i = 0; i < nr; i++) {
			struct berth_dmatest *test = &tests[i];

			if (!test->is_busy && test->stats.tests >= test->params.iterations)
				continue;
			is_over = false;
			has_news |= step(test, nr == 1);
		}
		if (!is_over && !has_news)
			usleep_range(10, 20);
	}
	for (unsigned int i = 0; i < nr; i++)
		has_failed |= tests[i].stats.failed != 0;
	return has_failed ? -EIO : 0;
}

void berth_dmatest_add(struct berth_dmatest_stats *sum, const struct berth_dmatest_stats *stats)
{
	sum->tests += stats->tests;
	sum->failed += stats->failed;
	for (unsigned int i = 0; i < BERTH_DMATEST_FAULTS; i++)
		sum->faults[i] += stats->faults[i];
	for (unsigned int i = 0; i < BERTH_DMATEST_KINDS; i++)
		sum->kinds[i] += stats->kinds[i];
	sum->bytes += stats->bytes;
	sum->ns += stats->ns;
}
