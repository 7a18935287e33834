/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of page pools share: a machine with one device, and pools for it. */
#ifndef TESTS_MODEL_POOL_H
#define TESTS_MODEL_POOL_H

#include "machine.h"

#include <berth/gfp.h>
#include <berth/migrate.h>
#include <berth/page_pool.h>
#include <berth/port.h>
#include <berth/slab.h>
#include <berth/test.h>

#define MIB 0x100000ull
#define FLAGS (PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV)

static struct device dev;
static uint64_t used_at_start;
static uint64_t seed;

static inline unsigned int random_below(unsigned int below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(seed >> 33) % below;
}

/* Bytes that somebody has. */
static inline uint64_t used(void)
{
	struct berth_memory_info info;

	berth_memory_info(&info);
	return info.used - info.slab;
}

static inline void start(bool coherent)
{
	const struct berth_model_config config = {
		.cache = BERTH_MODEL_CACHE_QUIET,
		.no_fresh_pattern = true,
	};

	if (berth_running())
		berth_stop(); /* a test before this one has failed */
	assert_int_equal(start_tree(tree_minimal, NULL, &config), 0);
	memset(&dev, 0, sizeof(dev));
	assert_int_equal(device_register(&dev, "test-device"), 0);
	berth_device_set_coherent(&dev, coherent);
	used_at_start = used();
	seed = 4;
	berth_clear_error();
}

static inline void stop(void)
{
	assert_int_equal(used(), used_at_start);
	device_unregister(&dev);
	must_stop();
}

static inline struct page_pool *create(unsigned int flags, unsigned int order,
				       unsigned int pool_size)
{
	const struct page_pool_params params = {
		.flags = flags,
		.order = order,
		.pool_size = pool_size,
		.dev = &dev,
		.dma_dir = DMA_FROM_DEVICE,
		.max_len = (unsigned int)PAGE_SIZE << order,
	};
	struct page_pool *pool = page_pool_create(&params);

	assert_false(IS_ERR(pool));
	return pool;
}

static inline struct page *take(struct page_pool *pool)
{
	struct page *page = page_pool_dev_alloc_pages(pool);

	assert_non_null(page);
	return page;
}

static inline uint8_t *in_memory(struct page *page)
{
	return berth_model_memory(page_to_phys(page));
}

static inline uint64_t cache_ops(void)
{
	struct berth_model_stats stats;

	berth_model_stats(&stats);
	return stats.cache_ops;
}

static inline struct page_pool_stats stats_of(const struct page_pool *pool)
{
	struct page_pool_stats stats;

	memset(&stats, 0, sizeof(stats));
	assert_true(page_pool_get_stats(pool, &stats));
	return stats;
}

#endif
