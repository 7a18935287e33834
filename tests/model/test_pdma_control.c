// SPDX-License-Identifier: BSD-2-Clause
/* The PDMA in mid-transfer: pause, terminate, residue, errors, and one that never ends. */
#include "pdma.h"
#include "polled.h"

#include <berth/gfp.h>
#include <berth/iommu.h>
#include <berth/mm.h>

#define LONG_COPY (256u << 10)
#define ROUNDS 60u

/* Two buffers, mapped for a channel. */
struct copy {
	struct dma_chan *chan;
	struct device *dev;
	unsigned int order;
	size_t size;
	uint8_t *src, *dst;
	dma_addr_t from, to;
};

static void begin(struct copy *c, const char *engine, size_t size)
{
	*c = (struct copy){ .chan = must_request(engine), .order = get_order(size), .size = size };
	c->dev = dmaengine_get_dma_device(c->chan);
	c->src = (uint8_t *)__get_free_pages(GFP_KERNEL, c->order);
	c->dst = (uint8_t *)__get_free_pages(GFP_KERNEL, c->order);
	assert_true(c->src && c->dst);
	fill_random(c->src, size);
	c->from = must_map(c->dev, c->src, size, DMA_TO_DEVICE);
	c->to = must_map(c->dev, c->dst, size, DMA_FROM_DEVICE);
}

/* How many bytes, from the first on, are right. */
static size_t end(struct copy *c)
{
	size_t right = 0;

	dma_release_channel(c->chan);
	dma_unmap_single(c->dev, c->from, c->size, DMA_TO_DEVICE);
	dma_unmap_single(c->dev, c->to, c->size, DMA_FROM_DEVICE);
	while (right < c->size && c->src[right] == c->dst[right])
		right++;
	free_pages((unsigned long)c->src, c->order);
	free_pages((unsigned long)c->dst, c->order);
	return right;
}

static dma_cookie_t start_copy(struct copy *c, struct told *told)
{
	struct dma_async_tx_descriptor *tx =
		dmaengine_prep_dma_memcpy(c->chan, c->to, c->from, c->size, 0);
	dma_cookie_t cookie;

	assert_non_null(tx);
	tx->callback_result = told ? tell : NULL;
	tx->callback_param = told;
	cookie = dmaengine_submit(tx);
	assert_true(cookie > 0);
	dma_async_issue_pending(c->chan);
	return cookie;
}

static uint64_t written(void)
{
	struct berth_model_stats stats;

	berth_model_stats(&stats);
	return stats.dma_written;
}

/* Stopped in mid-transfer, as often as one likes: no byte is lost, none is written twice. */
static void pause_and_resume(void **state)
{
	(void)state;
	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++) {
		struct dma_tx_state first, second;
		unsigned int paused = 0;
		struct told told = { 0 };
		struct copy c;
		dma_cookie_t cookie;
		uint64_t before;

		pdma_boot(NULL);
		begin(&c, engines[e], LONG_COPY);
		before = written();
		cookie = start_copy(&c, &told);
		while (dmaengine_tx_status(c.chan, cookie, NULL) == DMA_IN_PROGRESS) {
			assert_int_equal(dmaengine_pause(c.chan), 0);
			if (dmaengine_tx_status(c.chan, cookie, &first) == DMA_COMPLETE)
				break;
			assert_int_equal(dmaengine_tx_status(c.chan, cookie, &first), DMA_PAUSED);
			assert_int_equal(c.size - first.residue, written() - before);
			assert_int_equal(dmaengine_pause(c.chan), 0);
			msleep(1);
			assert_int_equal(dmaengine_tx_status(c.chan, cookie, &second), DMA_PAUSED);
			assert_int_equal(first.residue, second.residue);
			paused++;
			assert_int_equal(dmaengine_resume(c.chan), 0);
			assert_int_equal(dmaengine_resume(c.chan), 0);
			udelay(1 + any(20));
		}
		assert_int_equal(dmaengine_resume(c.chan), 0);
		assert_int_equal(dma_sync_wait(c.chan, cookie), DMA_COMPLETE);
		assert_int_equal(written() - before, c.size);
		msleep(1);
		assert_int_equal(told.calls, 1);
		assert_in_range(paused, 3, 1000);
		assert_int_equal(end(&c), LONG_COPY);
		must_stop();
	}
}

/* What is issued to a paused channel starts when it goes on. */
static void paused_before_it_starts(void **state)
{
	struct dma_tx_state at;
	struct copy c;
	dma_cookie_t cookie;

	(void)state;
	pdma_boot(NULL);
	begin(&c, PLAIN, 5000);
	assert_int_equal(dmaengine_pause(c.chan), 0);
	cookie = start_copy(&c, NULL);
	msleep(5);
	assert_int_equal(dmaengine_tx_status(c.chan, cookie, &at), DMA_IN_PROGRESS);
	assert_int_equal(at.residue, 5000);
	assert_int_equal(dmaengine_resume(c.chan), 0);
	assert_int_equal(dma_sync_wait(c.chan, cookie), DMA_COMPLETE);
	/* To terminate ends a pause, too. */
	assert_int_equal(dmaengine_pause(c.chan), 0);
	assert_int_equal(dmaengine_terminate_sync(c.chan), 0);
	assert_int_equal(dma_sync_wait(c.chan, start_copy(&c, NULL)), DMA_COMPLETE);
	assert_int_equal(end(&c), 5000);
	must_stop();
}

/* A list into the FIFO, paused at moments of any kind: the FIFO hears every byte once. */
static void paused_lists(void **state)
{
	(void)state;
	pdma_boot(NULL);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		const char *engine = engines[round % ARRAY_SIZE(engines)];
		uint64_t first = fifo_stats().consumed;
		struct scatterlist sg[8];
		dma_cookie_t cookie;
		size_t bytes = 0;
		struct copy c;

		begin(&c, engine, sizeof(sg) / sizeof(sg[0]) * 4096);
		must_configure(c.chan);
		sg_init_table(sg, ARRAY_SIZE(sg));
		for (unsigned int i = 0; i < ARRAY_SIZE(sg); i++) {
			sg_dma_address(&sg[i]) = c.from + bytes;
			sg_dma_len(&sg[i]) = 8 * (1 + any(512));
			bytes += sg_dma_len(&sg[i]);
		}
		dma_sync_single_for_cpu(c.dev, c.from, c.size, DMA_TO_DEVICE);
		fill_sequence(c.src, first, c.size);
		dma_sync_single_for_device(c.dev, c.from, c.size, DMA_TO_DEVICE);
		cookie = dmaengine_submit(
			dmaengine_prep_slave_sg(c.chan, sg, ARRAY_SIZE(sg), DMA_MEM_TO_DEV, 0));
		dma_async_issue_pending(c.chan);
		for (unsigned int i = 0; i < 20; i++) {
			struct dma_tx_state at;

			udelay(any(3));
			dmaengine_pause(c.chan);
			if (dmaengine_tx_status(c.chan, cookie, &at) == DMA_PAUSED)
				assert_int_equal(first + bytes - at.residue, fifo_stats().consumed);
			dmaengine_resume(c.chan);
		}
		assert_int_equal(dma_sync_wait(c.chan, cookie), DMA_COMPLETE);
		assert_int_equal(fifo_stats().consumed, first + bytes);
		assert_int_equal(fifo_stats().breaks, 0);
		end(&c);
	}
	must_stop();
}

/* What is left, of one that runs, of those that wait, and of one that was not issued. */
static void residues(void **state)
{
	struct dma_async_tx_descriptor *tx;
	dma_cookie_t running, waiting, submitted;
	struct dma_tx_state at;
	uint32_t before = LONG_COPY;
	unsigned int moved = 0;
	struct copy c;

	(void)state;
	pdma_boot(NULL);
	begin(&c, PLAIN, LONG_COPY);
	running = start_copy(&c, NULL);
	waiting = start_copy(&c, NULL);
	tx = dmaengine_prep_dma_memcpy(c.chan, c.to, c.from, 12345, 0);
	submitted = dmaengine_submit(tx);
	while (dmaengine_tx_status(c.chan, running, &at) == DMA_IN_PROGRESS) {
		assert_true(at.residue <= before);
		moved += at.residue < before;
		before = at.residue;
		if (dmaengine_tx_status(c.chan, running, NULL) == DMA_IN_PROGRESS) {
			dmaengine_tx_status(c.chan, submitted, &at);
			assert_int_equal(at.residue, 12345);
		}
		udelay(1);
	}
	assert_int_equal(at.residue, 0);
	assert_in_range(moved, 20, 1000);
	assert_int_equal(dmaengine_tx_status(c.chan, submitted, &at), DMA_IN_PROGRESS);
	assert_int_equal(at.last, running);
	assert_int_equal(at.used, submitted);
	assert_int_equal(dma_sync_wait(c.chan, waiting), DMA_COMPLETE);
	assert_int_equal(dma_sync_wait(c.chan, submitted), DMA_COMPLETE);
	assert_int_equal(end(&c), LONG_COPY);
	must_stop();
}

/* The n-th transaction fails: what went before is there, the client is told, and the next one works. */
static void errors_on_demand(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		bool at_destination = round & 1;
		uint32_t nth = 1 + any(10000 / 64);
		struct told told = { 0 }, after = { 0 };
		const char *engine = engines[round % ARRAY_SIZE(engines)];
		dma_cookie_t failed, next;
		struct copy c;

		pdma_boot(NULL);
		begin(&c, engine, 10000);
		assert_int_equal(berth_model_pdma_fail(engine, nth, at_destination), 0);
		failed = start_copy(&c, &told);
		assert_int_equal(dma_sync_wait(c.chan, failed), DMA_ERROR);
		assert_reason(BERTH_REASON_TRANSFER);
		msleep(1);
		assert_int_equal(told.calls, 1);
		assert_int_equal(told.last.result,
				 at_destination ? DMA_TRANS_WRITE_FAILED : DMA_TRANS_READ_FAILED);
		assert_int_equal(told.last.residue, 10000 - 64 * (nth - 1));
		/* With what waits behind it, or after a terminate. */
		if (round & 2)
			assert_int_equal(dmaengine_terminate_sync(c.chan), 0);
		next = start_copy(&c, &after);
		assert_int_equal(dma_sync_wait(c.chan, next), DMA_COMPLETE);
		assert_int_equal(dmaengine_tx_status(c.chan, failed, NULL), DMA_ERROR);
		msleep(1);
		assert_int_equal(after.calls, 1);
		assert_int_equal(after.last.result, DMA_TRANS_NOERROR);
		assert_int_equal(end(&c), 10000);
		must_stop();
	}
}

/* One of several that were issued together: the others are not concerned. */
static void an_error_among_others(void **state)
{
	struct told told[3] = { 0 };
	dma_cookie_t cookies[3];
	struct copy c;

	(void)state;
	pdma_boot(NULL);
	begin(&c, BEHIND, 4096);
	assert_int_equal(berth_model_pdma_fail(BEHIND, 64 + 10, false), 0);
	for (unsigned int i = 0; i < 3; i++)
		cookies[i] = start_copy(&c, &told[i]);
	assert_int_equal(dma_sync_wait(c.chan, cookies[2]), DMA_COMPLETE);
	assert_int_equal(dma_sync_wait(c.chan, cookies[1]), DMA_ERROR);
	assert_int_equal(dma_sync_wait(c.chan, cookies[0]), DMA_COMPLETE);
	msleep(1);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(told[i].calls, 1);
		assert_int_equal(told[i].last.result,
				 i == 1 ? DMA_TRANS_READ_FAILED : DMA_TRANS_NOERROR);
	}
	assert_int_equal(end(&c), 4096);
	must_stop();
}

/* What its IOMMU refuses is a bus error to the engine; with nothing to go wrong with, the channel works. */
static void faults_of_the_iommu(void **state)
{
	(void)state;
	pdma_boot(NULL);
	for (unsigned int write = 0; write < 2; write++) {
		struct told told = { 0 };
		struct copy c, wrong;
		uint64_t faults;

		begin(&c, BEHIND, 4096);
		faults = berth_iommu_faults(c.dev);
		wrong = c;
		if (write)
			wrong.to = 0x12345000;
		else
			wrong.from = 0x12345000;
		assert_int_equal(dma_sync_wait(c.chan, start_copy(&wrong, &told)), DMA_ERROR);
		msleep(1);
		assert_int_equal(told.calls, 1);
		assert_int_equal(told.last.result,
				 write ? DMA_TRANS_WRITE_FAILED : DMA_TRANS_READ_FAILED);
		assert_int_equal(berth_iommu_faults(c.dev), faults + 1);
		assert_int_equal(dma_sync_wait(c.chan, start_copy(&c, NULL)), DMA_COMPLETE);
		assert_int_equal(end(&c), 4096);
	}
	must_stop();
}

/* It never ends: the wait does, and the channel can be had back. */
static void one_that_never_completes(void **state)
{
	(void)state;
	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++) {
		struct told told = { 0 };
		dma_cookie_t cookie;
		struct copy c;

		pdma_boot(NULL);
		begin(&c, engines[e], 5000);
		assert_int_equal(berth_model_pdma_hang(engines[e], ~0u), 0);
		cookie = start_copy(&c, &told);
		assert_int_equal(berth_dma_wait(c.chan, cookie, 50), -ETIMEDOUT);
		assert_reason(BERTH_REASON_TIMEOUT);
		assert_int_equal(dma_sync_wait(c.chan, cookie), DMA_ERROR);
		assert_reason(BERTH_REASON_TIMEOUT);
		assert_int_equal(dmaengine_terminate_sync(c.chan), 0);
		assert_int_equal(berth_model_pdma_hang(engines[e], 0), 0);
		msleep(10);
		assert_int_equal(told.calls, 0);
		assert_int_equal(dma_sync_wait(c.chan, start_copy(&c, &told)), DMA_COMPLETE);
		msleep(1);
		assert_int_equal(told.calls, 1);
		assert_int_equal(end(&c), 5000);
		must_stop();
	}
	assert_int_equal(berth_model_pdma_hang(PLAIN, 0), -ENODEV);
	assert_int_equal(berth_model_pdma_fail(PLAIN, 1, false), -ENODEV);
	assert_int_equal(berth_model_pdma_speed(PLAIN, 1), -ENODEV);
}

static unsigned int order_of_calls[3], nr_calls;

static void note_call(void *data)
{
	if (nr_calls < 3)
		order_of_calls[nr_calls++] = (unsigned int)(uintptr_t)data;
}

/* A callback alone comes in its turn. */
static void interrupts_in_turn(void **state)
{
	(void)state;
	for (unsigned int e = 0; e < ARRAY_SIZE(engines); e++) {
		dma_cookie_t cookie = 0;
		struct copy c;

		pdma_boot(NULL);
		begin(&c, engines[e], 20000);
		nr_calls = 0;
		for (uintptr_t i = 0; i < 3; i++) {
			struct dma_async_tx_descriptor *tx =
				i == 1 ? dmaengine_prep_dma_interrupt(c.chan, DMA_PREP_INTERRUPT)
				       : dmaengine_prep_dma_memcpy(c.chan, c.to, c.from, c.size, 0);

			tx->callback = note_call;
			tx->callback_param = (void *)(i + 1);
			cookie = dmaengine_submit(tx);
		}
		assert_int_equal(dma_sync_wait(c.chan, cookie), DMA_COMPLETE);
		msleep(1);
		assert_int_equal(nr_calls, 3);
		for (unsigned int i = 0; i < 3; i++)
			assert_int_equal(order_of_calls[i], i + 1);
		/* Alone. */
		cookie = dmaengine_submit(dmaengine_prep_dma_interrupt(c.chan, 0));
		assert_int_equal(dma_sync_wait(c.chan, cookie), DMA_COMPLETE);
		assert_int_equal(end(&c), 20000);
		must_stop();
	}
}

/* A descriptor that its client keeps, and submits again; also after an error and a terminate. */
static void kept_descriptors(void **state)
{
	struct dma_async_tx_descriptor *tx;
	struct told told = { 0 };
	dma_cookie_t cookie;
	struct copy c;

	(void)state;
	pdma_boot(NULL);
	begin(&c, PLAIN, 7000);
	tx = dmaengine_prep_dma_memcpy(c.chan, c.to, c.from, c.size, 0);
	assert_int_equal(dmaengine_desc_set_reuse(tx), 0);
	tx->callback_result = tell;
	tx->callback_param = &told;
	for (unsigned int i = 1; i <= 6; i++) {
		if (i == 3)
			berth_model_pdma_fail(PLAIN, 5, false);
		cookie = dmaengine_submit(tx);
		assert_int_equal(dma_sync_wait(c.chan, cookie), i == 3 ? DMA_ERROR : DMA_COMPLETE);
		msleep(1);
		assert_int_equal(told.calls, i);
		assert_int_equal(told.last.result,
				 i == 3 ? DMA_TRANS_READ_FAILED : DMA_TRANS_NOERROR);
		if (i == 4) {
			assert_true(dmaengine_submit(tx) > 0);
			dma_async_issue_pending(c.chan);
			assert_int_equal(dmaengine_terminate_sync(c.chan), 0);
		}
	}
	assert_int_equal(dmaengine_desc_free(tx), 0);
	assert_int_equal(end(&c), 7000);
	must_stop();
}

static void polled(void **state)
{
	struct copy c;

	(void)state;
	pdma_boot(NULL);
	begin(&c, PLAIN, 7000);
	polled_transfers(c.chan, c.to, c.from, c.size);
	assert_int_equal(end(&c), 7000);
	must_stop();
}

/* Once there were as many descriptors as there are at once, nothing is allocated any more. */
static void nothing_is_allocated(void **state)
{
	struct copy c;

	(void)state;
	pdma_boot(NULL);
	begin(&c, PLAIN, 3000);
	must_configure(c.chan);
	for (unsigned int round = 0; round < 20; round++) {
		dma_cookie_t cookie = 0;
		struct scatterlist sg[32];

		sg_init_table(sg, ARRAY_SIZE(sg));
		for (unsigned int i = 0; i < ARRAY_SIZE(sg); i++) {
			sg_dma_address(&sg[i]) = c.from + 64 * i;
			sg_dma_len(&sg[i]) = 32;
		}
		/* The first rounds make what the others use. */
		if (round == 4)
			berth_test_fail_nth(1);
		for (unsigned int i = 0; i < 4; i++) {
			cookie = start_copy(&c, NULL);
			cookie = dmaengine_submit(dmaengine_prep_slave_sg(
				c.chan, sg, ARRAY_SIZE(sg), DMA_MEM_TO_DEV, 0));
			assert_true(cookie > 0);
		}
		assert_int_equal(dma_sync_wait(c.chan, cookie), DMA_COMPLETE);
		msleep(1);
	}
	assert_false(berth_test_failed());
	berth_test_fail_nth(0);
	assert_int_equal(end(&c), 3000);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pause_and_resume),	cmocka_unit_test(paused_before_it_starts),
		cmocka_unit_test(paused_lists),		cmocka_unit_test(residues),
		cmocka_unit_test(errors_on_demand),	cmocka_unit_test(an_error_among_others),
		cmocka_unit_test(faults_of_the_iommu),	cmocka_unit_test(one_that_never_completes),
		cmocka_unit_test(interrupts_in_turn),	cmocka_unit_test(kept_descriptors),
		cmocka_unit_test(nothing_is_allocated), cmocka_unit_test(polled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
