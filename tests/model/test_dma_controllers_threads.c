// SPDX-License-Identifier: BSD-2-Clause
/*
 * The drivers of ZDMA and BCM2835 with several threads: some copy, each on a channel of its own or on one that
 * all share, and others pause it, ask how far it is, and terminate it meanwhile.
 */
#include "machine.h"

#include <pthread.h>

#include <berth/dma-mapping.h>
#include <berth/platform_device.h>

#include <berth/drivers/bcm2835-dma.h>
#include <berth/drivers/zynqmp-zdma.h>

#include "bcm2835_engine.h"
#include "copies.h"
#include "fdt.h"
#include "zdma_engine.h"

#define RAM 0x40000000u
#define RAM_SIZE 0x02000000u
#define BYTES 512u
#define ROUNDS 150u
#define WORKERS 3u

static uint32_t wrong;

#define EXPECT(condition)                                                \
	do {                                                             \
		if (!(condition))                                        \
			__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED); \
	} while (0)

static const void *tree(void)
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
	for (uint32_t i = 0; i < WORKERS; i++) {
		char name[] = "dma@10000000";

		name[6] = (char)('0' + i);
		fdt_begin(&fdt, name);
		fdt_text(&fdt, "compatible", "xlnx,zynqmp-dma-1.0");
		fdt_cells(&fdt, "reg", 0x10000000 + 0x100000 * i, 0x1000);
		fdt_cells(&fdt, "interrupt-parent", 1);
		fdt_cells(&fdt, "interrupts", 0, 40 + i, 4);
		fdt_flag(&fdt, "dma-coherent");
		fdt_end(&fdt);
	}
	fdt_begin(&fdt, "dma@7e007000");
	fdt_text(&fdt, "compatible", "brcm,bcm2835-dma");
	fdt_cells(&fdt, "reg", 0x7e007000, 0xf00);
	fdt_cells(&fdt, "interrupt-parent", 1);
	fdt_cells(&fdt, "interrupts", 0, 50, 4, 0, 51, 4, 0, 52, 4, 0, 53, 4);
	fdt_property(&fdt, "interrupt-names", 20);
	fdt_bytes(&fdt, "dma0\0dma1\0dma7\0dma8", 20);
	fdt_cells(&fdt, "brcm,dma-channel-mask", 0x183);
	fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

static void start(void)
{
	static const struct berth_driver drivers[] = {
		BERTH_PLATFORM_DRIVER(&berth_zdma_driver),
		BERTH_PLATFORM_DRIVER(&berth_bcm2835_dma_driver),
		BERTH_NO_MORE_DRIVERS,
	};

	model_add_type(&zdma_engine_type);
	model_add_type(&pi_engine_type);
	if (berth_running())
		berth_stop();
	assert_int_equal(start_tree(tree(), drivers, NULL), 0);
	wrong = 0;
}

static struct dma_chan *channel_of(const char *path)
{
	return must_channel(&of_find_device_by_node(of_find_node_by_path(path))->dev);
}

/* Coherent memory: that which belongs to a transfer is nobody else's. */
struct worker {
	pthread_t thread;
	struct dma_chan *chan;
	uint8_t *bytes;
	dma_addr_t dma;
	uint32_t number;
	bool may_fail; /* somebody terminates it */
	uint32_t nr_called, nr_done;
};

static void count(void *param)
{
	__atomic_fetch_add(&((struct worker *)param)->nr_called, 1, __ATOMIC_RELAXED);
}

static void *copy_all(void *data)
{
	struct worker *w = data;

	for (uint32_t n = 0; n < ROUNDS; n++) {
		struct dma_async_tx_descriptor *tx;
		dma_cookie_t cookie;

		memset(w->bytes, (int)(w->number * 50 + n), BYTES);
		memset(w->bytes + BYTES, 0, BYTES);
		tx = dmaengine_prep_dma_memcpy(w->chan, w->dma + BYTES, w->dma, BYTES,
					       DMA_PREP_INTERRUPT);
		EXPECT(tx);
		if (!tx)
			break;
		tx->callback = count;
		tx->callback_param = w;
		cookie = dmaengine_submit(tx);
		if (berth_dma_wait(w->chan, cookie,
				   w->may_fail ? msecs_to_jiffies(5) : COPY_TIMEOUT)) {
			EXPECT(w->may_fail);
			dmaengine_terminate_sync(w->chan);
			continue;
		}
		EXPECT(!memcmp(w->bytes, w->bytes + BYTES, BYTES));
		w->nr_done++;
	}
	return NULL;
}

static void begin(struct worker *w, struct dma_chan *chan, uint32_t number, bool may_fail)
{
	struct device *dev = dmaengine_get_dma_device(chan);

	*w = (struct worker){ .chan = chan, .number = number, .may_fail = may_fail };
	w->bytes = dma_alloc_coherent(dev, 2 * BYTES, &w->dma, GFP_KERNEL);
	assert_non_null(w->bytes);
	assert_int_equal(pthread_create(&w->thread, NULL, copy_all, w), 0);
}

static void finish(struct worker *w)
{
	pthread_join(w->thread, NULL);
}

static void give_back(struct worker *w)
{
	dma_free_coherent(dmaengine_get_dma_device(w->chan), 2 * BYTES, w->bytes, w->dma);
}

/* Callbacks come behind the end that a wait sees. */
static void must_all_be_called(struct worker *w)
{
	while (__atomic_load_n(&w->nr_called, __ATOMIC_RELAXED) < ROUNDS)
		msleep(1);
}

static void each_on_a_channel_of_its_own(void **state)
{
	static const char *const paths[] = { "/dma@10000000", "/dma@10100000", "/dma@10200000",
					     "/dma@7e007000", "/dma@7e007000", "/dma@7e007000" };
	struct worker workers[ARRAY_SIZE(paths)];

	(void)state;
	start();
	for (uint32_t i = 0; i < ARRAY_SIZE(paths); i++)
		begin(&workers[i], channel_of(paths[i]), i, false);
	for (uint32_t i = 0; i < ARRAY_SIZE(paths); i++)
		finish(&workers[i]);
	for (uint32_t i = 0; i < ARRAY_SIZE(paths); i++) {
		must_all_be_called(&workers[i]);
		give_back(&workers[i]);
		dma_release_channel(workers[i].chan);
	}
	assert_int_equal(wrong, 0);
	must_stop();
}

static void all_on_one(const char *path)
{
	struct worker workers[WORKERS];
	struct dma_chan *chan;

	start();
	chan = channel_of(path);
	for (uint32_t i = 0; i < WORKERS; i++)
		begin(&workers[i], chan, i, false);
	for (uint32_t i = 0; i < 100; i++) {
		struct dma_tx_state at;

		dmaengine_pause(chan);
		dmaengine_tx_status(chan, __atomic_load_n(&chan->cookie, __ATOMIC_RELAXED), &at);
		EXPECT(at.residue <= BYTES);
		usleep_range(10, 20);
		dmaengine_resume(chan);
		usleep_range(10, 20);
	}
	for (uint32_t i = 0; i < WORKERS; i++)
		finish(&workers[i]);
	for (uint32_t i = 0; i < WORKERS; i++) {
		must_all_be_called(&workers[i]);
		give_back(&workers[i]);
	}
	dma_release_channel(chan);
	assert_int_equal(wrong, 0);
	must_stop();
}

static void all_on_one_that_is_paused_now_and_then(void **state)
{
	(void)state;
	all_on_one("/dma@10000000");
	all_on_one("/dma@7e007000");
}

static void one_that_is_terminated_under_way(const char *path)
{
	struct worker worker;
	struct dma_chan *chan;

	start();
	chan = channel_of(path);
	begin(&worker, chan, 0, true);
	for (uint32_t i = 0; i < 50; i++) {
		usleep_range(20, 60);
		dmaengine_terminate_async(chan);
	}
	finish(&worker);
	assert_int_equal(dmaengine_terminate_sync(chan), 0);
	assert_in_range(worker.nr_called, 0, ROUNDS);
	give_back(&worker);
	dma_release_channel(chan);
	assert_int_equal(wrong, 0);
	must_stop();
}

static void somebody_else_terminates_it(void **state)
{
	(void)state;
	one_that_is_terminated_under_way("/dma@10000000");
	one_that_is_terminated_under_way("/dma@7e007000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_on_a_channel_of_its_own),
		cmocka_unit_test(all_on_one_that_is_paused_now_and_then),
		cmocka_unit_test(somebody_else_terminates_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
