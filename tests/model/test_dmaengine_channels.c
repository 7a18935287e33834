/* SPDX-License-Identifier: BSD-2-Clause */
/* dmaengine's channels: who gets which, by name, by kind and in public; items of docs/semantics.md. */
#include "engine_client.h"

static struct device *device_of(const char *path)
{
	struct platform_device *pdev = of_find_device_by_node(of_find_node_by_path(path));

	assert_non_null(pdev);
	return &pdev->dev;
}

static void refused(struct device *dev, const char *name, int code, enum berth_reason reason)
{
	struct dma_chan *got = dma_request_chan(dev, name);

	assert_true(IS_ERR(got));
	assert_int_equal(PTR_ERR(got), code);
	assert_reason(reason);
}

static void item_48_channels_by_name(void **state)
{
	struct device *client = device_of("/client"), *other = device_of("/other");
	struct dma_chan *tx, *rx, *same;

	(void)state;
	dma_release_channel(chan);
	chan = NULL;
	tx = dma_request_chan(client, "tx");
	assert_ptr_equal(tx, &engines[0]->channels[1].vc.chan);
	assert_string_equal(dma_chan_name(tx), "dma0chan1");
	assert_string_equal(tx->client, "client tx");
	assert_ptr_equal(tx->slave, client);
	refused(client, "tx", -ENODEV, BERTH_REASON_CHANNEL_BUSY);
	rx = dma_request_chan(client, "rx");
	assert_ptr_equal(rx, &engines[0]->channels[2].vc.chan);
	refused(client, "no-such-number", -ENODEV, BERTH_REASON_NO_CHANNEL);
	refused(client, "no-controller", -EPROBE_DEFER, BERTH_REASON_NO_CHANNEL);
	refused(client, "cut", -ENODEV, BERTH_REASON_TREE);
	refused(client, "nobody", -ENODEV, BERTH_REASON_NO_CHANNEL);
	assert_string_equal(berth_last_error()->holder, "nobody");
	refused(device_of("/bare"), "tx", -ENODEV, BERTH_REASON_NO_CHANNEL);
	/* The first of the two is taken, so it is the second. */
	same = dma_request_chan(other, "same");
	assert_ptr_equal(same, &engines[0]->channels[3].vc.chan);
	dma_release_channel(same);
	dma_release_channel(tx);
	same = dma_request_chan(other, "same");
	assert_ptr_equal(same, &engines[0]->channels[1].vc.chan);
	dma_release_channel(same);
	dma_release_channel(rx);
	tx = dma_request_chan(client, "two-cells");
	assert_ptr_equal(tx, &engines[1]->channels[1].vc.chan);
	dma_release_channel(tx);
	assert_int_equal(engines[0]->channels[1].nr_alloc, 2);
	assert_int_equal(engines[0]->channels[1].nr_free, 2);
	dma_release_channel(tx);
	assert_reason(BERTH_REASON_NOT_OWNED);
}

static bool wants(struct dma_chan *candidate, void *param)
{
	return candidate->chan_id == *(int *)param;
}

static void item_48_channels_by_mask(void **state)
{
	struct dma_chan *taken[2 * ENGINE_CHANNELS];
	dma_cap_mask_t mask;
	int third = 2;

	(void)state;
	dma_release_channel(chan);
	chan = NULL;
	dma_cap_zero(mask);
	dma_cap_set(DMA_XOR, mask);
	taken[0] = dma_request_chan_by_mask(&mask);
	assert_int_equal(PTR_ERR(taken[0]), -ENODEV);
	assert_reason(BERTH_REASON_NO_CHANNEL);
	assert_string_equal(berth_last_error()->holder, "xor");
	assert_null(dma_request_channel(mask, NULL, NULL));
	assert_int_equal(PTR_ERR(dma_request_chan_by_mask(NULL)), -ENODEV);
	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	taken[0] = dma_request_channel(mask, wants, &third);
	assert_int_equal(taken[0]->chan_id, 2);
	for (int i = 1; i < 2 * ENGINE_CHANNELS; i++) {
		taken[i] = dma_request_chan_by_mask(&mask);
		assert_false(IS_ERR(taken[i]));
		for (int j = 0; j < i; j++)
			assert_ptr_not_equal(taken[i], taken[j]);
	}
	assert_int_equal(PTR_ERR(dma_request_chan_by_mask(&mask)), -ENODEV);
	for (int i = 0; i < 2 * ENGINE_CHANNELS; i++)
		dma_release_channel(taken[i]);
	/* A channel whose driver has no room. */
	for (int i = 0; i < ENGINE_CHANNELS; i++)
		engines[0]->channels[i].alloc_result = -ENOMEM;
	taken[0] = dma_request_chan_by_mask(&mask);
	assert_ptr_equal(taken[0]->device, &engines[1]->ddev);
	dma_release_channel(taken[0]);
	assert_int_equal(engines[0]->ddev.privatecnt, 0);
}

static void no_engines(void **state)
{
	dma_cap_mask_t mask;

	(void)state;
	must_start(tree_engines, NULL, NULL);
	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	assert_int_equal(PTR_ERR(dma_request_chan_by_mask(&mask)), -EPROBE_DEFER);
	refused(device_of("/client"), "tx", -EPROBE_DEFER, BERTH_REASON_NO_CHANNEL);
	must_stop();
}

/* A client whose probe needs a channel, in front of its engine in the tree. */

static struct dma_chan *of_client;

static int client_probe(struct platform_device *pdev)
{
	of_client = dma_request_chan(&pdev->dev, "tx");
	return IS_ERR(of_client) ? (int)PTR_ERR(of_client) : 0;
}

static int client_remove(struct platform_device *pdev)
{
	(void)pdev;
	dma_release_channel(of_client);
	return 0;
}

static const struct of_device_id client_match[] = { { .compatible = "test,client" },
						    { .compatible = "" } };
static const struct platform_driver client_driver = {
	.probe = client_probe,
	.remove = client_remove,
	.driver = { .name = "test-client", .of_match_table = client_match },
};

static void a_client_waits_for_its_engine(void **state)
{
	static const struct berth_driver both[] = { BERTH_PLATFORM_DRIVER(&client_driver),
						    BERTH_PLATFORM_DRIVER(&engine_driver),
						    BERTH_NO_MORE_DRIVERS };

	(void)state;
	nr_engines_released = 0;
	engines[0] = engines[1] = NULL;
	must_start(tree_engines, both, NULL);
	assert_ptr_equal(of_client, &engines[0]->channels[1].vc.chan);
	must_stop();
	assert_int_equal(nr_engines_released, 2);
}

static void without_memcpy(struct dma_device *ddev)
{
	ddev->device_prep_dma_memcpy = NULL;
}

static void without_status(struct dma_device *ddev)
{
	ddev->device_tx_status = NULL;
}

static void without_issue(struct dma_device *ddev)
{
	ddev->device_issue_pending = NULL;
}

static void with_pq_val(struct dma_device *ddev)
{
	dma_cap_set(DMA_PQ_VAL, ddev->cap_mask);
}

static void without_device(struct dma_device *ddev)
{
	ddev->dev = NULL;
}

static void item_49_registration(void **state)
{
	static void (*const changes[])(struct dma_device *) = { without_memcpy, without_status,
								without_issue, with_pq_val,
								without_device };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		engine_change = changes[i];
		engines[0] = engines[1] = NULL;
		must_start(tree_engines, drivers, NULL);
		assert_null(engines[0]);
		assert_int_equal(berth_dma_chan_list(NULL, 0), 0);
		assert_reason(BERTH_REASON_DRIVER);
		must_stop();
	}
	engine_change = NULL;
}

static void public_channels(void **state)
{
	struct berth_dma_chan_info info[2 * ENGINE_CHANNELS];
	struct dma_chan *found;

	(void)state;
	dma_release_channel(chan);
	chan = NULL;
	assert_null(dma_find_channel(DMA_MEMCPY));
	dmaengine_get();
	dmaengine_get();
	found = dma_find_channel(DMA_MEMCPY);
	assert_non_null(found);
	assert_null(dma_find_channel(DMA_XOR));
	assert_true(found->table_count > 0);
	/* All are everybody's, so nobody gets one for himself. */
	refused(device_of("/client"), "tx", -ENODEV, BERTH_REASON_CHANNEL_BUSY);
	assert_int_equal(berth_dma_chan_list(NULL, 0), 2 * ENGINE_CHANNELS);
	assert_int_equal(berth_dma_chan_list(info, 3), 2 * ENGINE_CHANNELS);
	assert_string_equal(info[2].name, "dma0chan2");
	assert_string_equal(info[2].device, "engine0");
	assert_string_equal(info[2].client, "everybody");
	chan = found;
	dmaengine_submit(prepare());
	dma_issue_pending_all();
	assert_true(engine_end(found, DMA_TRANS_NOERROR, 0));
	settle();
	dmaengine_put();
	assert_ptr_equal(dma_find_channel(DMA_MEMCPY), found);
	dmaengine_put();
	assert_null(dma_find_channel(DMA_MEMCPY));
	dmaengine_put();
	chan = take_any();
}

/* An engine that goes under its client: nothing of it is used any more, and nothing is lost. */
static void an_engine_that_goes(void **state)
{
	struct platform_device *pdev = of_find_device_by_node(chan->device->dev->of_node);
	struct engine *engine = platform_get_drvdata(pdev);
	dma_cookie_t cookie;
	struct dma_async_tx_descriptor *tx = prepare();

	(void)state;
	cookie = dmaengine_submit(tx);
	dma_async_issue_pending(chan);
	platform_set_drvdata(pdev, NULL);
	dma_async_device_unregister(&engine->ddev);
	assert_int_equal(engine_chan(chan)->nr_free, 1);
	assert_int_equal(nr_engines_released, 0);
	assert_null(dmaengine_prep_dma_memcpy(chan, 0x1000, 0x2000, 4, 0));
	assert_reason(BERTH_REASON_STATE);
	dma_async_issue_pending(chan);
	assert_int_equal(dmaengine_tx_status(chan, cookie, NULL), DMA_IN_PROGRESS);
	assert_int_equal(berth_dma_wait(chan, cookie, 1000), -ENODEV);
	assert_int_equal(dmaengine_terminate_sync(chan), -ENODEV);
	assert_int_equal(dmaengine_pause(chan), -ENODEV);
	dma_release_channel(chan);
	chan = NULL;
	assert_int_equal(nr_engines_released, 1);
	assert_int_equal(nr_calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		engine_test(item_48_channels_by_name),
		engine_test(item_48_channels_by_mask),
		engine_test(public_channels),
		engine_test(an_engine_that_goes),
		cmocka_unit_test(no_engines),
		cmocka_unit_test(a_client_waits_for_its_engine),
		cmocka_unit_test(item_49_registration),
	};

	return cmocka_run_group_tests_name("dmaengine channels", tests, NULL, NULL);
}
