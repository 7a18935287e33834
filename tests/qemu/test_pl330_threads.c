/* SPDX-License-Identifier: BSD-2-Clause */
/* The PL330's channels, each with a thread of its own; some are terminated all the time. */
#include <pthread.h>

#include "zynq.h"

#define THREADS 4u
#define ROUNDS 40u
#define BYTES 5000u

struct worker {
	pthread_t thread;
	uint32_t seed;
	unsigned int failures;
};

static uint32_t below(struct worker *worker, uint32_t limit)
{
	worker->seed = worker->seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(worker->seed >> 4) * limit >> 28);
}

/* Several at once, of which nobody waits for the end. */
static bool terminates(struct worker *worker, struct dma_chan *chan, uint8_t *dst, uint8_t *src)
{
	dma_addr_t from = dma_map_single(device_of(chan), src, BYTES, DMA_TO_DEVICE);
	dma_addr_t to = dma_map_single(device_of(chan), dst, BYTES, DMA_FROM_DEVICE);
	bool is_good = !dma_mapping_error(device_of(chan), from) &&
		       !dma_mapping_error(device_of(chan), to);

	for (unsigned int i = 0; i < 3 && is_good; i++) {
		dmaengine_submit(
			dmaengine_prep_dma_memcpy(chan, to, from, 1 + below(worker, BYTES - 1), 0));
		if (below(worker, 2))
			dma_async_issue_pending(chan);
	}
	is_good = is_good && !dmaengine_terminate_sync(chan);
	dma_unmap_single(device_of(chan), from, BYTES, DMA_TO_DEVICE);
	dma_unmap_single(device_of(chan), to, BYTES, DMA_FROM_DEVICE);
	return is_good;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	uint8_t *bytes = kmalloc(2 * BYTES, GFP_KERNEL);

	for (unsigned int i = 0; i < 4 && bytes; i++) {
		struct dma_chan *chan = must_take(DMA_MEMCPY);

		for (unsigned int round = 0; round < ROUNDS / 4; round++) {
			size_t size = 1 + below(worker, BYTES - 1);

			fill(bytes, BYTES, worker->seed);
			worker->failures += !copies(chan, bytes + BYTES, bytes, size);
			if (below(worker, 3) == 0)
				worker->failures += !terminates(worker, chan, bytes + BYTES, bytes);
		}
		dma_release_channel(chan);
	}
	worker->failures += !bytes;
	kfree(bytes);
	return NULL;
}

static void channels_work_side_by_side(void **unused)
{
	struct worker workers[THREADS] = { 0 };

	(void)unused;
	must_start_zynq(NULL);
	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i].seed = i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].failures, 0);
	}
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(channels_work_side_by_side),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
