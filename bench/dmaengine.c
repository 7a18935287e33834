// SPDX-License-Identifier: BSD-2-Clause
/*
 * dmaengine with the software engine. A transfer is prepare, submit, issue, completion and callback. Copies are
 * compared with memcpy() of the same buffers; those of the engine's threads by time of the clock on the wall.
 */
#include "bench.h"

#include <pthread.h>
#include <sched.h>

#include <berth/dma-mapping.h>
#include <berth/dma-software.h>
#include <berth/dmaengine.h>
#include <berth/gfp.h>
#include <berth/test.h>

#define CHANNELS 8u
#define LARGEST (2ul << 20)
/* Transfers that are under way in a channel. */
#define DEPTH 16u

struct channel {
	struct dma_chan *chan;
	char *dst, *src;
	dma_addr_t dst_dma, src_dma;
	size_t size;
	uint64_t transfers;
	uint32_t nr_called;
};

static struct channel channels[CHANNELS];
static size_t buffer_size;

static void called(void *data)
{
	struct channel *c = data;

	__atomic_fetch_add(&c->nr_called, 1, __ATOMIC_RELEASE);
}

/* On the caller's own thread. */
static void called_here(void *data)
{
	struct channel *c = data;

	c->nr_called = c->nr_called + 1;
}

static inline void submit(struct channel *c, size_t size, void (*callback)(void *data))
{
	struct dma_async_tx_descriptor *tx = dmaengine_prep_dma_memcpy(
		c->chan, c->dst_dma, c->src_dma, size, DMA_PREP_INTERRUPT);

	bench_must(tx, "prepare");
	tx->callback = callback;
	tx->callback_param = c;
	dmaengine_submit(tx);
}

static void transfer(unsigned long size, uint64_t iterations)
{
	struct channel *c = &channels[0];

	for (uint64_t i = 0; i < iterations; i++) {
		uint32_t before = c->nr_called;

		submit(c, size, called_here);
		dma_async_issue_pending(c->chan);
		bench_must(c->nr_called == before + 1, "a callback is missing");
	}
}

static void transfer_16(unsigned long size, uint64_t iterations)
{
	struct channel *c = &channels[0];

	for (uint64_t i = 0; i < iterations; i++) {
		for (unsigned int j = 0; j < DEPTH; j++)
			submit(c, size, called_here);
		dma_async_issue_pending(c->chan);
	}
}

static void copy(unsigned long size, uint64_t iterations)
{
	struct channel *c = &channels[0];

	for (uint64_t i = 0; i < iterations; i++) {
		memcpy(c->dst, c->src, size);
		bench_use(c->dst);
	}
}

/* Through the whole buffers, part by part: what is copied is not in the nearest cache. */
static void stream(unsigned long size, uint64_t iterations)
{
	struct channel *c = &channels[0];

	for (uint64_t i = 0; i < iterations; i++) {
		size_t at = i * size % buffer_size;
		struct dma_async_tx_descriptor *tx = dmaengine_prep_dma_memcpy(
			c->chan, c->dst_dma + at, c->src_dma + at, size, DMA_PREP_INTERRUPT);

		bench_must(tx, "prepare");
		tx->callback = called_here;
		tx->callback_param = c;
		dmaengine_submit(tx);
		dma_async_issue_pending(c->chan);
	}
}

static void copy_stream(unsigned long size, uint64_t iterations)
{
	struct channel *c = &channels[0];

	for (uint64_t i = 0; i < iterations; i++) {
		size_t at = i * size % buffer_size;

		memcpy(c->dst + at, c->src + at, size);
		bench_use(c->dst);
	}
}

static void open_channel(struct channel *c)
{
	struct device *dev;
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	c->chan = dma_request_channel(mask, NULL, NULL);
	bench_must(c->chan, "dma_request_channel");
	dev = dmaengine_get_dma_device(c->chan);
	c->dst = alloc_pages_exact(buffer_size, GFP_KERNEL | __GFP_ZERO);
	c->src = alloc_pages_exact(buffer_size, GFP_KERNEL | __GFP_ZERO);
	bench_must(c->dst && c->src, "alloc_pages_exact");
	c->dst_dma = dma_map_single(dev, c->dst, buffer_size, DMA_FROM_DEVICE);
	c->src_dma = dma_map_single(dev, c->src, buffer_size, DMA_TO_DEVICE);
	c->nr_called = 0;
}

static void start_engine(unsigned int nr, size_t size, unsigned int flags)
{
	static struct berth_machine machine;

	buffer_size = size;
	machine = berth_model;
	machine.fresh = NULL;
	bench_start_machine(&machine);
	bench_must(!berth_dma_software_start(nr, flags), "berth_dma_software_start");
	for (unsigned int i = 0; i < nr; i++)
		open_channel(&channels[i]);
}

static void stop_engine(unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct channel *c = &channels[i];
		struct device *dev = dmaengine_get_dma_device(c->chan);

		dma_unmap_single(dev, c->dst_dma, buffer_size, DMA_FROM_DEVICE);
		dma_unmap_single(dev, c->src_dma, buffer_size, DMA_TO_DEVICE);
		dma_release_channel(c->chan);
		free_pages_exact(c->dst, buffer_size);
		free_pages_exact(c->src, buffer_size);
	}
	bench_stop_machine();
}

static void start(unsigned long arg)
{
	(void)arg;
	start_engine(1, LARGEST, 0);
	/* From here on nothing is allocated. */
	transfer_16(8, 1);
	berth_test_fail_nth(1);
}

static void stop(void)
{
	bench_must(!berth_test_failed(), "memory was allocated");
	berth_test_fail_nth(0);
	stop_engine(1);
}

/* With threads. */

static double wall(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Keeps DEPTH transfers under way, as a program does that reads a file. */
static void *by_engine(void *data)
{
	struct channel *c = data;
	uint64_t begun = 0;
	uint32_t first = __atomic_load_n(&c->nr_called, __ATOMIC_ACQUIRE);

	while (begun < c->transfers) {
		uint32_t done = __atomic_load_n(&c->nr_called, __ATOMIC_ACQUIRE) - first;

		if (begun - done > DEPTH / 2) {
			sched_yield();
			continue;
		}
		for (; begun < c->transfers && begun - done < DEPTH; begun++)
			submit(c, c->size, called);
		dma_async_issue_pending(c->chan);
	}
	while (__atomic_load_n(&c->nr_called, __ATOMIC_ACQUIRE) - first < c->transfers)
		sched_yield();
	return NULL;
}

/* The same by channels that are polled: each client's thread does the work while it waits. */
static void *by_polling(void *data)
{
	struct channel *c = data;
	uint32_t first = c->nr_called;

	for (uint64_t begun = 0; begun < c->transfers;) {
		for (; begun < c->transfers && begun - (c->nr_called - first) < DEPTH; begun++)
			submit(c, c->size, called_here);
		dma_async_issue_pending(c->chan);
		while (begun - (c->nr_called - first) > DEPTH / 2)
			berth_dma_poll(c->chan);
	}
	while (c->nr_called - first < c->transfers)
		berth_dma_poll(c->chan);
	return NULL;
}

static void *by_memcpy(void *data)
{
	struct channel *c = data;

	for (uint64_t i = 0; i < c->transfers; i++) {
		memcpy(c->dst, c->src, c->size);
		bench_use(c->dst);
	}
	return NULL;
}

/* ns of one copy, of all that @nr threads make. */
static double together(void *(*how)(void *data), unsigned int nr, size_t size, uint64_t transfers)
{
	pthread_t threads[CHANNELS];
	double begin = wall();

	for (unsigned int i = 0; i < nr; i++) {
		channels[i].size = size;
		channels[i].transfers = transfers;
		bench_must(!pthread_create(&threads[i], NULL, how, &channels[i]), "pthread_create");
	}
	for (unsigned int i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	return (wall() - begin) / (double)(nr * transfers);
}

static void measure_threads(const char *name, unsigned int nr, size_t size, bool is_polled)
{
	void *(*how)(void *data) = is_polled ? by_polling : by_engine;
	const uint64_t transfers = (256ul << 20) / size / nr;
	double ns[BENCH_ROUNDS], other[BENCH_ROUNDS], ratio[BENCH_ROUNDS];

	start_engine(nr, size, BERTH_DMA_SOFTWARE_THREADS);
	for (unsigned int i = 0; i < nr && is_polled; i++)
		bench_must(!berth_dma_set_polled(channels[i].chan, true), "polling");
	together(how, nr, size, transfers / 4);
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++) {
		ns[i] = together(how, nr, size, transfers);
		other[i] = together(by_memcpy, nr, size, transfers);
		ratio[i] = ns[i] / other[i];
	}
	stop_engine(nr);
	printf("{\"case\": \"%s\", \"ns\": %.2f, \"operations\": %llu, \"per\": 1, \"count\": 0, "
	       "\"clock\": 0, \"against_ns\": %.2f, \"ratio\": %.3f}\n",
	       name, bench_median(ns), (unsigned long long)(transfers * nr), bench_median(other),
	       bench_median(ratio));
	fflush(stdout);
}

#define INLINE .start = start, .stop = stop

static const struct bench_case cases[] = {
	{ "dmaengine_transfer", transfer, .arg = 8, INLINE },
	{ "dmaengine_transfer_batch16", transfer_16, .arg = 8, .per = DEPTH, INLINE },
	{ "dmaengine_copy_4k", transfer, copy, .arg = 4096, INLINE },
	{ "dmaengine_copy_64k", transfer, copy, .arg = 65536, .count = 100, INLINE },
	{ "dmaengine_copy_64k_stream", stream, copy_stream, .arg = 65536, .count = 100, INLINE },
	{ "dmaengine_copy_256k", transfer, copy, .arg = 262144, .count = 100, INLINE },
	{ "dmaengine_copy_2m", transfer, copy, .arg = LARGEST, .count = 10, INLINE },
};

static const struct {
	const char *name;
	unsigned int nr;
	size_t size;
	bool is_polled;
} threaded[] = {
	{ "dmaengine_copy_64k_8_polled", 8, 65536, true },
	{ "dmaengine_copy_64k_8_threads", 8, 65536, false },
	{ "dmaengine_copy_256k_8_polled", 8, 262144, true },
	{ "dmaengine_copy_256k_8_threads", 8, 262144, false },
};

int main(int argc, char **argv)
{
	bool is_counting = false;
	const char *wanted = NULL;

	for (int i = 1; i + 1 < argc; i += 2) {
		is_counting |= !strcmp(argv[i], "--iterations");
		wanted = strcmp(argv[i], "--case") ? wanted : argv[i + 1];
	}
	for (size_t i = 0; i < ARRAY_SIZE(threaded) && !is_counting; i++)
		if (!wanted || !strcmp(wanted, threaded[i].name))
			measure_threads(threaded[i].name, threaded[i].nr, threaded[i].size,
					threaded[i].is_polled);
	return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
