/* SPDX-License-Identifier: BSD-2-Clause */
/* dmaengine where things end: descriptors in their callbacks, and what goes while clients have it. */
#include "engine_client.h"

#include <berth/test.h>

/* What a client may do with its descriptor in its callback. */
static enum { RESUBMIT, FREE, CLEAR, SET } in_callback;
static int its_result;

static void deals_with_itself(void *param)
{
	struct dma_async_tx_descriptor *tx = param;

	nr_calls++;
	switch (in_callback) {
	case RESUBMIT:
		its_result = dmaengine_submit(tx);
		dma_async_issue_pending(chan);
		break;
	case FREE:
		its_result = dmaengine_desc_free(tx);
		break;
	case CLEAR:
		dmaengine_desc_clear_reuse(tx);
		break;
	case SET:
		its_result = dmaengine_desc_set_reuse(tx);
		break;
	}
}

static void item_47_in_its_callback(void **state)
{
	struct dma_async_tx_descriptor *tx = prepare();
	struct engine_chan *ec = engine_chan(chan);
	unsigned long flags;

	(void)state;
	tx->callback = deals_with_itself;
	tx->callback_param = tx;
	in_callback = SET;
	dmaengine_submit(tx);
	dma_async_issue_pending(chan);
	engine_end(chan, DMA_TRANS_NOERROR, 0);
	settle();
	assert_int_equal(its_result, 0);
	in_callback = RESUBMIT;
	dmaengine_submit(tx);
	dma_async_issue_pending(chan);
	for (int i = 0; i < 5; i++) {
		assert_ptr_equal(&ec->running->vd.tx, tx);
		engine_end(chan, DMA_TRANS_NOERROR, 0);
		settle();
		assert_int_equal(nr_calls, i + 2);
		assert_int_equal(its_result, 4 + i);
	}
	/* Done, and not called back: submitted now, it would not be. */
	local_irq_save(flags);
	engine_end(chan, DMA_TRANS_NOERROR, 0);
	assert_int_equal(tx->cookie, 0);
	assert_int_equal(dmaengine_submit(tx), -EBUSY);
	assert_int_equal(dmaengine_desc_free(tx), -EBUSY);
	in_callback = CLEAR;
	local_irq_restore(flags);
	settle();
	assert_int_equal(nr_calls, 7);
	assert_int_equal(ec->nr_freed_descs, 1);
	tx = prepare();
	tx->callback = deals_with_itself;
	tx->callback_param = tx;
	dmaengine_desc_set_reuse(tx);
	in_callback = FREE;
	dmaengine_submit(tx);
	dma_async_issue_pending(chan);
	engine_end(chan, DMA_TRANS_NOERROR, 0);
	settle();
	assert_int_equal(its_result, 0);
	assert_int_equal(ec->nr_freed_descs, 2);
	assert_false(berth_vchan_has_prepared(&ec->vc));
}

/* Without a callback there is nothing to wait for but the cookie. */
static void item_47_without_callback(void **state)
{
	struct dma_async_tx_descriptor *tx = prepare();
	unsigned long flags;

	(void)state;
	tx->callback = NULL;
	dmaengine_desc_set_reuse(tx);
	local_irq_save(flags);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(dmaengine_submit(tx), 2 + i);
		dma_async_issue_pending(chan);
		engine_end(chan, DMA_TRANS_NOERROR, 0);
	}
	local_irq_restore(flags);
	settle();
	/* Nor does one that was terminated when it was done. */
	dmaengine_submit(tx);
	dma_async_issue_pending(chan);
	local_irq_save(flags);
	engine_end(chan, DMA_TRANS_NOERROR, 0);
	dmaengine_terminate_async(chan);
	assert_int_equal(dmaengine_submit(tx), 6);
	local_irq_restore(flags);
	dmaengine_synchronize(chan);
	assert_int_equal(dmaengine_desc_free(tx), -EBUSY);
	dma_async_issue_pending(chan);
	assert_true(engine_end(chan, DMA_TRANS_NOERROR, 0));
	settle();
	assert_int_equal(dmaengine_desc_free(tx), 0);
}

static char calls[8];

static void note(void *param)
{
	strncat(calls, param, 1);
	if (!strcmp(calls, "ac")) {
		/* It ends while its last period waits to be told: that is one call, and none later. */
		engine_end_period(chan);
		engine_end(chan, DMA_TRANS_READ_FAILED, 0);
	}
}

static void callbacks_come_in_order(void **state)
{
	struct dma_async_tx_descriptor *tx = prepare();
	unsigned long flags;

	(void)state;
	calls[0] = '\0';
	tx->callback = note;
	tx->callback_param = (char[]){ "a" };
	dmaengine_submit(tx);
	tx = dmaengine_prep_dma_cyclic(chan, 0x1000, 4096, 1024, DMA_MEM_TO_DEV, 0);
	tx->callback = note;
	tx->callback_param = (char[]){ "c" };
	dmaengine_submit(tx);
	dma_async_issue_pending(chan);
	local_irq_save(flags);
	engine_end(chan, DMA_TRANS_NOERROR, 0);
	engine_end_period(chan);
	local_irq_restore(flags);
	settle();
	settle();
	assert_string_equal(calls, "acc");
	assert_int_equal(engine_chan(chan)->nr_freed_descs, 2);
}

/* Whoever does not terminate gets all callbacks, also those that one turn does not make. */
static void synchronize_alone_loses_nothing(void **state)
{
	unsigned long flags;

	(void)state;
	local_irq_save(flags);
	for (int i = 0; i < 300; i++)
		dmaengine_submit(prepare());
	dma_async_issue_pending(chan);
	for (int i = 0; i < 300; i++)
		assert_true(engine_end(chan, DMA_TRANS_NOERROR, 0));
	local_irq_restore(flags);
	for (int i = 0; i < 300 && nr_calls < 300; i++)
		dmaengine_synchronize(chan);
	assert_int_equal(nr_calls, 300);
}

static struct device *device_of(const char *path)
{
	struct platform_device *pdev = of_find_device_by_node(of_find_node_by_path(path));

	assert_non_null(pdev);
	return &pdev->dev;
}

static struct engine *unregister(unsigned int nr)
{
	struct engine *engine = engines[nr];

	platform_set_drvdata(of_find_device_by_node(engine->ddev.dev->of_node), NULL);
	engines[nr] = NULL;
	dma_async_device_unregister(&engine->ddev);
	return engine;
}

/* Who has found a channel may use it until he puts it, whatever goes. */
static void public_channels_that_go(void **state)
{
	struct dma_chan *found;
	struct engine *engine;

	(void)state;
	dma_release_channel(chan);
	dmaengine_get();
	found = dma_find_channel(DMA_MEMCPY);
	/* It is not his alone. */
	dma_release_channel(found);
	assert_reason(BERTH_REASON_NOT_OWNED);
	assert_ptr_equal(dma_find_channel(DMA_MEMCPY), found);
	chan = found;
	dmaengine_submit(prepare());
	dma_async_issue_pending(chan);
	engine = unregister(found->device == &engines[0]->ddev ? 0 : 1);
	assert_int_equal(engine_chan(found)->nr_free, 2);
	assert_int_equal(engine_chan(found)->nr_freed_descs, 1);
	assert_int_equal(nr_engines_released, 0);
	assert_true(dma_find_channel(DMA_MEMCPY)->device != &engine->ddev);
	assert_null(dmaengine_prep_dma_memcpy(found, 0x1000, 0x2000, 4, 0));
	assert_reason(BERTH_REASON_STATE);
	dmaengine_get();
	dmaengine_put();
	assert_int_equal(nr_engines_released, 0);
	dmaengine_put();
	assert_int_equal(nr_engines_released, 1);
	chan = NULL;
	/* And if nobody puts it, until the end. */
	dmaengine_get();
	unregister(engines[0] ? 0 : 1);
	assert_int_equal(nr_engines_released, 1);
}

/* One channel that is not ready for the public is somebody's; the others' clients let go all the same. */
static void a_private_channel_among_public_ones(void **state)
{
	struct dma_chan *own;

	(void)state;
	dma_release_channel(chan);
	engines[0]->channels[1].alloc_result = -ENOMEM;
	dmaengine_get();
	engines[0]->channels[1].alloc_result = 0;
	own = dma_request_chan(device_of("/client"), "tx");
	assert_ptr_equal(own, &engines[0]->channels[1].vc.chan);
	dmaengine_put();
	for (int i = 0; i < ENGINE_CHANNELS; i++)
		assert_int_equal(engines[0]->channels[i].vc.chan.client_count, i == 1);
	dma_release_channel(own);
	chan = take_any();
}

/* A channel that goes alone. */
static void a_channel_that_goes(void **state)
{
	struct dma_device *ddev = chan->device;
	struct engine_chan *ec = engine_chan(chan);
	struct dma_chan *others[ENGINE_CHANNELS];

	(void)state;
	dmaengine_submit(prepare());
	dma_async_issue_pending(chan);
	dma_async_device_channel_unregister(ddev, chan);
	assert_int_equal(ec->nr_free, 1);
	assert_int_equal(ec->nr_freed_descs, 1);
	assert_null(dmaengine_prep_dma_memcpy(chan, 0x1000, 0x2000, 4, 0));
	assert_reason(BERTH_REASON_STATE);
	assert_int_equal(dmaengine_terminate_sync(chan), -ENODEV);
	assert_null(dma_get_slave_channel(chan));
	for (int i = 1; i < ENGINE_CHANNELS; i++)
		others[i] = dma_get_any_slave_channel(ddev);
	assert_null(dma_get_any_slave_channel(ddev));
	for (int i = 1; i < ENGINE_CHANNELS; i++)
		dma_release_channel(others[i]);
	dma_release_channel(chan);
	assert_int_equal(ec->nr_free, 1);
	assert_int_equal(ddev->privatecnt, 0);
	/* And comes again, for the public. */
	list_add_tail(&chan->device_node, &ddev->channels);
	assert_int_equal(dma_async_device_channel_register(ddev, chan), 0);
	assert_int_equal(chan->chan_id, ENGINE_CHANNELS);
	dmaengine_get();
	dma_async_device_channel_unregister(ddev, chan);
	assert_int_equal(ec->nr_free, 2);
	assert_int_equal(ddev->nr_public, ENGINE_CHANNELS - 1);
	dmaengine_put();
	chan = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		engine_test(item_47_in_its_callback),
		engine_test(item_47_without_callback),
		engine_test(callbacks_come_in_order),
		engine_test(synchronize_alone_loses_nothing),
		engine_test(public_channels_that_go),
		engine_test(a_private_channel_among_public_ones),
		engine_test(a_channel_that_goes),
	};

	return cmocka_run_group_tests_name("dmaengine_ends", tests, NULL, NULL);
}
