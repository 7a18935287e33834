/* SPDX-License-Identifier: BSD-2-Clause */
/* The core of dmaengine, over an engine that does what the test says; items of docs/semantics.md. */
#include "engine_client.h"

#include <berth/dma-mapping.h>
#include <berth/test.h>

static unsigned int nr_result_calls;
static struct dmaengine_result last_result;

static void called_with(void *param, const struct dmaengine_result *result)
{
	(void)param;
	nr_result_calls++;
	last_result = *result;
}
static void item_40_cookies(void **state)
{
	struct dma_async_tx_descriptor *tx;
	struct dma_tx_state where;

	(void)state;
	assert_int_equal(chan->cookie, 1);
	assert_int_equal(chan->completed_cookie, 1);
	tx = prepare();
	assert_int_equal(tx->cookie, 0);
	assert_int_equal(dmaengine_submit(tx), 2);
	assert_int_equal(tx->cookie, 2);
	assert_int_equal(dmaengine_submit(tx), -EBUSY);
	assert_reason(BERTH_REASON_ARGUMENT);
	dma_async_issue_pending(chan);
	assert_int_equal(dmaengine_tx_status(chan, 2, &where), DMA_IN_PROGRESS);
	assert_int_equal(where.last, 1);
	assert_int_equal(where.used, 2);
	chan->completed_cookie = INT32_MAX - 1;
	chan->cookie = INT32_MAX - 1;
	engine_end(chan, DMA_TRANS_NOERROR, 0);
	chan->completed_cookie = INT32_MAX - 1;
	assert_int_equal(dmaengine_submit(prepare()), INT32_MAX);
	assert_int_equal(dmaengine_submit(prepare()), 1);
	assert_int_equal(dmaengine_submit(prepare()), 2);
	dma_async_issue_pending(chan);
	engine_end(chan, DMA_TRANS_NOERROR, 0);
	engine_end(chan, DMA_TRANS_NOERROR, 0);
	assert_int_equal(dmaengine_tx_status(chan, INT32_MAX, NULL), DMA_COMPLETE);
	assert_int_equal(dmaengine_tx_status(chan, 1, NULL), DMA_COMPLETE);
	assert_int_equal(dmaengine_tx_status(chan, 2, NULL), DMA_IN_PROGRESS);
	engine_end(chan, DMA_TRANS_NOERROR, 0);
	settle();
	assert_int_equal(nr_calls, 4);
}

static void item_41_prepare_submit_issue(void **state)
{
	struct engine_chan *ec = engine_chan(chan);
	struct dma_async_tx_descriptor *tx = prepare();
	unsigned long flags;

	(void)state;
	assert_true(list_empty(&ec->vc.desc_submitted));
	dma_async_issue_pending(chan);
	assert_null(ec->running);
	dmaengine_submit(tx);
	assert_null(ec->running);
	dma_async_issue_pending(chan);
	assert_ptr_equal(&ec->running->vd.tx, tx);
	/* Where nobody may sleep, with interrupts away. */
	local_irq_save(flags);
	dmaengine_submit(prepare());
	local_irq_restore(flags);
	assert_int_equal(dmaengine_terminate_sync(chan), 0);
	assert_int_equal(ec->nr_freed_descs, 2);
}

static unsigned int nr_chained;
static dma_cookie_t seen_cookie;

static void goes_on(void *param)
{
	struct dma_async_tx_descriptor *tx = param, *next;
	struct engine_chan *ec = engine_chan(chan);

	assert_true(spin_trylock(&ec->vc.lock));
	spin_unlock(&ec->vc.lock);
	/* Done, and not freed. */
	assert_int_equal(tx->cookie, 0);
	assert_int_equal(dma_async_is_tx_complete(chan, seen_cookie, NULL, NULL), DMA_COMPLETE);
	if (nr_chained++ == 5) {
		dmaengine_terminate_async(chan);
		return;
	}
	next = prepare();
	next->callback = goes_on;
	next->callback_param = next;
	seen_cookie = dmaengine_submit(next);
	dma_async_issue_pending(chan);
}

static void item_43_callbacks_may_go_on(void **state)
{
	struct dma_async_tx_descriptor *tx = prepare();
	unsigned long flags;

	(void)state;
	nr_chained = 0;
	tx->callback = goes_on;
	tx->callback_param = tx;
	seen_cookie = dmaengine_submit(tx);
	dma_async_issue_pending(chan);
	for (int i = 0; i < 6; i++) {
		local_irq_save(flags);
		assert_true(engine_end(chan, DMA_TRANS_NOERROR, 0));
		/* Not where it ended: when interrupts may come. */
		assert_int_equal(nr_chained, i);
		local_irq_restore(flags);
		settle();
		assert_int_equal(nr_chained, i + 1);
	}
	assert_false(engine_end(chan, DMA_TRANS_NOERROR, 0));
	dmaengine_synchronize(chan);
	assert_int_equal(engine_chan(chan)->nr_freed_descs, 6);
}

static void item_44_order_of_effects(void **state)
{
	struct dma_async_tx_descriptor *tx = prepare();
	unsigned long flags;

	(void)state;
	tx->callback_result = called_with;
	nr_result_calls = 0;
	dmaengine_submit(tx);
	dmaengine_submit(prepare());
	dmaengine_submit(prepare());
	dma_async_issue_pending(chan);
	engine_end(chan, DMA_TRANS_NOERROR, 0);
	settle();
	assert_int_equal(nr_calls, 0);
	assert_int_equal(nr_result_calls, 1);
	/* One that is under way, and one that is done but not told: neither gets a callback. */
	local_irq_save(flags);
	engine_end(chan, DMA_TRANS_NOERROR, 0);
	dmaengine_terminate_async(chan);
	local_irq_restore(flags);
	dmaengine_synchronize(chan);
	settle();
	assert_int_equal(nr_calls, 0);
	assert_int_equal(engine_chan(chan)->nr_freed_descs, 3);
}

static void item_45_freed_by_synchronize(void **state)
{
	struct engine_chan *ec = engine_chan(chan);

	(void)state;
	dmaengine_submit(prepare());
	dma_async_issue_pending(chan);
	dmaengine_submit(prepare());
	prepare();
	assert_int_equal(dmaengine_terminate_async(chan), 0);
	assert_int_equal(ec->nr_freed_descs, 0);
	dmaengine_synchronize(chan);
	/* What was prepared and not submitted is still the client's. */
	assert_int_equal(ec->nr_freed_descs, 2);
	ec->vc.chan.device->device_terminate_all = NULL;
	assert_int_equal(dmaengine_terminate_sync(chan), -EINVAL);
	assert_reason(BERTH_REASON_CAPABILITY);
	ec->vc.chan.device->device_terminate_all = engine_terminate;
}

static void item_46_residue(void **state)
{
	struct dma_tx_state where;
	dma_cookie_t first, second;

	(void)state;
	first = dmaengine_submit(prepare());
	second = dmaengine_submit(prepare());
	assert_int_equal(dmaengine_tx_status(chan, second, &where), DMA_IN_PROGRESS);
	assert_int_equal(where.residue, 64);
	dma_async_issue_pending(chan);
	assert_int_equal(dmaengine_tx_status(chan, first, &where), DMA_IN_PROGRESS);
	assert_int_equal(where.residue, 32);
	assert_int_equal(dmaengine_tx_status(chan, second, &where), DMA_IN_PROGRESS);
	assert_int_equal(where.residue, 64);
	assert_int_equal(dmaengine_tx_status(chan, second, NULL), DMA_IN_PROGRESS);
	assert_int_equal(dmaengine_pause(chan), 0);
	assert_int_equal(dmaengine_tx_status(chan, first, &where), DMA_PAUSED);
	assert_int_equal(dmaengine_resume(chan), 0);
	engine_end(chan, DMA_TRANS_NOERROR, 0);
	assert_int_equal(dmaengine_tx_status(chan, first, &where), DMA_COMPLETE);
	assert_int_equal(where.residue, 0);
	dmaengine_terminate_sync(chan);
}

static void item_47_reuse(void **state)
{
	struct dma_async_tx_descriptor *tx = prepare();
	struct engine_chan *ec = engine_chan(chan);

	(void)state;
	chan->device->descriptor_reuse = false;
	assert_int_equal(dmaengine_desc_set_reuse(tx), -EPERM);
	chan->device->descriptor_reuse = true;
	chan->device->directions = 0;
	assert_int_equal(dmaengine_desc_set_reuse(tx), -ENXIO);
	chan->device->directions = 1;
	assert_int_equal(dmaengine_desc_free(tx), -EPERM);
	assert_int_equal(dmaengine_desc_set_reuse(tx), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(dmaengine_submit(tx), 2 + i);
		dma_async_issue_pending(chan);
		assert_int_equal(dmaengine_desc_free(tx), -EBUSY);
		engine_end(chan, DMA_TRANS_NOERROR, 0);
		settle();
		assert_int_equal(nr_calls, i + 1);
		assert_int_equal(ec->nr_freed_descs, 0);
	}
	/* Terminated, it is the client's again as well. */
	dmaengine_submit(tx);
	dma_async_issue_pending(chan);
	dmaengine_terminate_sync(chan);
	assert_int_equal(ec->nr_freed_descs, 0);
	assert_int_equal(dmaengine_desc_free(tx), 0);
	assert_int_equal(ec->nr_freed_descs, 1);
	/* Cleared before the last time. */
	tx = prepare();
	dmaengine_desc_set_reuse(tx);
	dmaengine_submit(tx);
	dmaengine_desc_clear_reuse(tx);
	dma_async_issue_pending(chan);
	engine_end(chan, DMA_TRANS_NOERROR, 0);
	settle();
	assert_int_equal(ec->nr_freed_descs, 2);
	/* And one that is kept when the channel goes. */
	dmaengine_desc_set_reuse(prepare());
}

/* Prepared for nothing: the reason says why. */
static void unprepared(const struct dma_async_tx_descriptor *tx, enum berth_reason reason)
{
	assert_null(tx);
	assert_reason(reason);
	berth_clear_error();
}

static void bad_requests_are_told(void **state)
{
	struct dma_slave_config config = { .dst_addr_width = DMA_SLAVE_BUSWIDTH_2_BYTES };
	struct scatterlist sg;
	dma_addr_t src[1] = { 0 };

	(void)state;
	unprepared(dmaengine_prep_dma_memcpy(chan, 0x1000, 0x2000, 0, 0), BERTH_REASON_ARGUMENT);
	unprepared(dmaengine_prep_dma_memcpy(chan, 0x1002, 0x2000, 4, 0), BERTH_REASON_ALIGNMENT);
	unprepared(dmaengine_prep_dma_memcpy(chan, 0x1000, 0x2001, 4, 0), BERTH_REASON_ALIGNMENT);
	unprepared(dmaengine_prep_dma_memcpy(chan, 0x1000, 0x2000, 6, 0), BERTH_REASON_ALIGNMENT);
	unprepared(dmaengine_prep_dma_memset(chan, 0x1000, 1, 0, 0), BERTH_REASON_ARGUMENT);
	unprepared(dmaengine_prep_dma_xor(chan, 0, src, 1, 8, 0), BERTH_REASON_CAPABILITY);
	unprepared(dmaengine_prep_dma_xor_val(chan, src, 1, 8, NULL, 0), BERTH_REASON_CAPABILITY);
	unprepared(dmaengine_prep_slave_single(chan, 0x1000, 0, DMA_MEM_TO_DEV, 0),
		   BERTH_REASON_ARGUMENT);
	unprepared(dmaengine_prep_slave_single(chan, 0x1000, 4, DMA_MEM_TO_MEM, 0),
		   BERTH_REASON_CAPABILITY);
	unprepared(dmaengine_prep_slave_single(chan, 0x1000, 4, DMA_DEV_TO_MEM, 0),
		   BERTH_REASON_CAPABILITY);
	assert_int_equal(dma_set_max_seg_size(chan->device->dev, 4096), 0);
	unprepared(dmaengine_prep_slave_single(chan, 0x1000, 4097, DMA_MEM_TO_DEV, 0),
		   BERTH_REASON_SEGMENT);
	assert_non_null(dmaengine_prep_slave_single(chan, 0x1000, 4096, DMA_MEM_TO_DEV, 0));
	sg_init_table(&sg, 1);
	sg_dma_len(&sg) = 4;
	/* More entries than the list has. */
	unprepared(dmaengine_prep_slave_sg(chan, &sg, 2, DMA_MEM_TO_DEV, 0), BERTH_REASON_ARGUMENT);
	unprepared(dmaengine_prep_slave_sg(chan, &sg, 0, DMA_MEM_TO_DEV, 0), BERTH_REASON_ARGUMENT);
	unprepared(dmaengine_prep_dma_cyclic(chan, 0x1000, 1000, 300, DMA_MEM_TO_DEV, 0),
		   BERTH_REASON_ALIGNMENT);
	unprepared(dmaengine_prep_dma_cyclic(chan, 0x1000, 1000, 0, DMA_MEM_TO_DEV, 0),
		   BERTH_REASON_ARGUMENT);
	assert_int_equal(dmaengine_slave_config(chan, &config), -EINVAL);
	assert_reason(BERTH_REASON_CAPABILITY);
	config.dst_addr_width = DMA_SLAVE_BUSWIDTH_4_BYTES;
	config.dst_maxburst = 17;
	assert_int_equal(dmaengine_slave_config(chan, &config), -EINVAL);
	config.dst_maxburst = 16;
	assert_int_equal(dmaengine_slave_config(chan, &config), 0);
	chan->device->device_pause = NULL;
	assert_int_equal(dmaengine_pause(chan), -ENOSYS);
	assert_reason(BERTH_REASON_CAPABILITY);
}

static void interleaved_is_checked(void **state)
{
	struct dma_interleaved_template *xt =
		calloc(1, sizeof(*xt) + 2 * sizeof(struct data_chunk));
	struct dma_async_tx_descriptor *tx;

	(void)state;
	xt->dir = DMA_MEM_TO_MEM;
	xt->numf = 3;
	xt->frame_size = 2;
	xt->sgl[0].size = 16;
	unprepared(dmaengine_prep_interleaved_dma(chan, xt, 0), BERTH_REASON_ARGUMENT);
	xt->sgl[1].size = 8;
	tx = dmaengine_prep_interleaved_dma(chan, xt, 0);
	assert_non_null(tx);
	assert_int_equal(container_of(tx, struct engine_desc, vd.tx)->len, 3 * 24);
	xt->numf = 0;
	unprepared(dmaengine_prep_interleaved_dma(chan, xt, 0), BERTH_REASON_ARGUMENT);
	free(xt);
}

static void failures_are_told(void **state)
{
	dma_cookie_t cookies[8];

	(void)state;
	nr_result_calls = 0;
	for (int i = 0; i < 8; i++) {
		struct dma_async_tx_descriptor *tx = prepare();

		tx->callback_result = called_with;
		cookies[i] = dmaengine_submit(tx);
	}
	dma_async_issue_pending(chan);
	for (int i = 0; i < 8; i++)
		engine_end(chan, i % 2 ? DMA_TRANS_READ_FAILED : DMA_TRANS_NOERROR, 5);
	settle();
	assert_int_equal(nr_result_calls, 8);
	assert_int_equal(last_result.result, DMA_TRANS_READ_FAILED);
	assert_int_equal(last_result.residue, 5);
	for (int i = 0; i < 8; i++)
		assert_int_equal(dma_sync_wait(chan, cookies[i]), i % 2 ? DMA_ERROR : DMA_COMPLETE);
	assert_int_equal(berth_dma_wait(chan, cookies[7], 1), -EIO);
	assert_reason(BERTH_REASON_TRANSFER);
}

static void what_never_ends_times_out(void **state)
{
	dma_cookie_t cookie = dmaengine_submit(prepare());

	(void)state;
	assert_int_equal(berth_dma_wait(chan, cookie, 20), -ETIMEDOUT);
	assert_reason(BERTH_REASON_TIMEOUT);
	assert_int_equal(berth_last_error()->limit, 20);
	assert_int_equal(dma_sync_wait(chan, cookie), DMA_ERROR);
	assert_int_equal(berth_dma_wait(chan, -EBUSY, 20), -EBUSY);
	assert_int_equal(dmaengine_terminate_sync(chan), 0);
}

static void end_it(struct timer_list *timer)
{
	(void)timer;
	engine_end(chan, DMA_TRANS_NOERROR, 0);
}

static void waiting_ends_with_the_transfer(void **state)
{
	struct timer_list timer;
	uint64_t before = ktime_get_ns();

	(void)state;
	timer_setup(&timer, end_it, 0);
	berth_mod_timer_ns(&timer, before + 300 * NSEC_PER_USEC);
	assert_int_equal(dma_sync_wait(chan, dmaengine_submit(prepare())), DMA_COMPLETE);
	/* Woken by the end, not by the next look. */
	assert_true(ktime_get_ns() - before < NSEC_PER_MSEC);
	del_timer_sync(&timer);
}

static void cyclic_periods(void **state)
{
	struct dma_async_tx_descriptor *tx =
		dmaengine_prep_dma_cyclic(chan, 0x1000, 4096, 1024, DMA_MEM_TO_DEV, 0);
	unsigned long flags;

	(void)state;
	tx->callback = called;
	dmaengine_submit(tx);
	dma_async_issue_pending(chan);
	for (unsigned int i = 1; i <= 10; i++) {
		engine_end_period(chan);
		settle();
		assert_int_equal(nr_calls, i);
	}
	/* Three at once are one call, and none follows the end. */
	local_irq_save(flags);
	for (int i = 0; i < 3; i++)
		engine_end_period(chan);
	local_irq_restore(flags);
	settle();
	assert_int_equal(nr_calls, 11);
	local_irq_save(flags);
	engine_end_period(chan);
	dmaengine_terminate_async(chan);
	local_irq_restore(flags);
	dmaengine_synchronize(chan);
	assert_int_equal(nr_calls, 11);
}

static void what_is_mapped_is_unmapped(void **state)
{
	struct device *dev = dmaengine_get_dma_device(chan);
	struct dmaengine_unmap_data *unmap, *before = NULL;
	struct dma_async_tx_descriptor *tx;
	struct page *page = alloc_page(GFP_KERNEL);

	(void)state;
	for (int i = 0; i < 3; i++) {
		unmap = dmaengine_get_unmap_data(dev, 2, GFP_NOWAIT);
		assert_true(!before || unmap == before);
		before = unmap;
		unmap->len = 64;
		unmap->to_cnt = 1;
		unmap->from_cnt = 1;
		unmap->addr[0] = dma_map_page(dev, page, 0, 64, DMA_TO_DEVICE);
		unmap->addr[1] = dma_map_page(dev, page, 128, 64, DMA_FROM_DEVICE);
		assert_false(dma_mapping_error(dev, unmap->addr[0]));
		assert_false(dma_mapping_error(dev, unmap->addr[1]));
		tx = prepare();
		dma_set_unmap(tx, unmap);
		dmaengine_unmap_put(unmap);
		dmaengine_submit(tx);
		dma_async_issue_pending(chan);
		assert_ptr_equal(tx->unmap, unmap);
		/* Ended, or terminated. */
		if (i < 2)
			engine_end(chan, DMA_TRANS_NOERROR, 0);
		else
			dmaengine_terminate_sync(chan);
		settle();
	}
	assert_ptr_equal(dmaengine_get_unmap_data(dev, 2, GFP_NOWAIT), before);
	dmaengine_unmap_put(before);
	assert_null(dmaengine_get_unmap_data(dev, 257, GFP_NOWAIT));
	assert_null(dmaengine_get_unmap_data(dev, 0, GFP_NOWAIT));
	assert_reason(BERTH_REASON_TOO_LARGE);
	__free_page(page);
}

static int attached;

static int attach(struct dma_async_tx_descriptor *desc, void *data, size_t len)
{
	(void)desc;
	(void)data;
	attached = (int)len;
	return 0;
}

static void *room(struct dma_async_tx_descriptor *desc, size_t *payload_len, size_t *max_len)
{
	*payload_len = 0;
	*max_len = 8;
	return desc;
}

static void metadata_goes_one_way(void **state)
{
	static const struct dma_descriptor_metadata_ops ops = { .attach = attach, .get_ptr = room };
	struct dma_async_tx_descriptor *tx = prepare();
	size_t used, max;
	char data[4];

	(void)state;
	assert_int_equal(dmaengine_desc_attach_metadata(tx, data, 4), -EINVAL);
	chan->device->desc_metadata_modes = DESC_METADATA_CLIENT | DESC_METADATA_ENGINE;
	assert_int_equal(dmaengine_desc_attach_metadata(tx, data, 4), -EINVAL);
	assert_reason(BERTH_REASON_CAPABILITY);
	tx->metadata_ops = &ops;
	assert_int_equal(dmaengine_desc_attach_metadata(tx, data, 4), 0);
	assert_int_equal(attached, 4);
	assert_true(IS_ERR(dmaengine_desc_get_metadata_ptr(tx, &used, &max)));
	tx = prepare();
	tx->metadata_ops = &ops;
	assert_ptr_equal(dmaengine_desc_get_metadata_ptr(tx, &used, &max), tx);
	assert_int_equal(max, 8);
	assert_int_equal(dmaengine_desc_set_metadata_len(tx, 4), -EINVAL);
	assert_int_equal(dmaengine_desc_attach_metadata(tx, data, 4), -EINVAL);
}

static void every_allocation_fails_once(void **state)
{
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct dma_async_tx_descriptor *tx = NULL;
		bool failed;

		engines[0] = engines[1] = NULL;
		berth_test_fail_nth(nth);
		if (start_tree(tree_engines, drivers, NULL)) {
			assert_true(berth_test_failed());
			continue;
		}
		chan = engines[0] ? take_any() : NULL;
		if (chan)
			tx = dmaengine_prep_dma_memcpy(chan, 0x1000, 0x2000, 64, 0);
		failed = berth_test_failed();
		berth_test_fail_nth(0);
		assert_true(failed || (engines[1] && tx));
		if (tx) {
			dmaengine_submit(tx);
			dma_async_issue_pending(chan);
			engine_end(chan, DMA_TRANS_NOERROR, 0);
			settle();
		}
		if (chan)
			dma_release_channel(chan);
		chan = NULL;
		must_stop();
		if (!failed)
			break;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		engine_test(item_40_cookies),
		engine_test(item_41_prepare_submit_issue),
		engine_test(item_43_callbacks_may_go_on),
		engine_test(item_44_order_of_effects),
		engine_test(item_45_freed_by_synchronize),
		engine_test(item_46_residue),
		engine_test(item_47_reuse),
		engine_test(bad_requests_are_told),
		engine_test(interleaved_is_checked),
		engine_test(failures_are_told),
		engine_test(what_never_ends_times_out),
		engine_test(waiting_ends_with_the_transfer),
		engine_test(cyclic_periods),
		engine_test(what_is_mapped_is_unmapped),
		engine_test(metadata_goes_one_way),
		cmocka_unit_test(every_allocation_fails_once),
	};

	return cmocka_run_group_tests_name("dmaengine", tests, NULL, NULL);
}
