/* SPDX-License-Identifier: BSD-2-Clause */
/* dma_pool; numbers are those of the items in docs/semantics.md. */
#include "pools.h"

#include <pthread.h>
#include <unistd.h>

#define MAX_BLOCKS 4096

static int start(void **state)
{
	(void)state;
	pools_start(NULL, false);
	return 0;
}

static int start_inline(void **state)
{
	pools_inline = true;
	return start(state);
}

static int stop(void **state)
{
	(void)state;
	pools_inline = false;
	must_stop();
	return 0;
}

static void item_39_geometry(void **state)
{
	static const struct {
		size_t size, align, boundary;
		bool legal;
	} cases[] = {
		{ 0, 1, 0, false },	     { 1, 0, 0, true },		  { 1, 1, 4, true },
		{ 1, 3, 0, false },	     { 64, 48, 0, false },	  { 64, 64, 0, true },
		{ 64, 64, 32, false },	     { 64, 64, 96, false },	  { 33, 32, 32, false },
		{ 33, 32, 64, true },	     { 5000, 8, 4096, false },	  { 5000, 8, 8192, true },
		{ 1ull << 31, 1, 0, false }, { 1, 1ull << 32, 0, false },
	};
	struct device *dev = pools_dev(all_paths[0]);

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dma_pool *pool = dma_pool_create("geometry", dev, cases[i].size,
							cases[i].align, cases[i].boundary);

		assert_int_equal(pool != NULL, cases[i].legal);
		if (!pool)
			assert_reason(BERTH_REASON_ARGUMENT);
		dma_pool_destroy(pool);
	}
	assert_null(dma_pool_create(NULL, dev, 64, 0, 0));
	assert_null(dma_pool_create("x", NULL, 64, 0, 0));
	assert_reason(BERTH_REASON_ARGUMENT);
	dma_pool_destroy(NULL);
}

/* What fits into @size bytes of memory, block by block. */
static uint64_t most_blocks(uint64_t size, uint64_t block, uint64_t boundary)
{
	uint64_t nr = 0;

	for (uint64_t at = 0; at + block <= size; at += block, nr++)
		if (boundary && at / boundary != (at + block - 1) / boundary) {
			at = (at / boundary + 1) * boundary;
			if (at + block > size)
				break;
		}
	return nr;
}

/*
 * Blocks are apart, aligned, of the promised size, on one side of each boundary; and no more memory
 * is used than they need.
 */
static void item_39_blocks(void **state)
{
	static const struct {
		size_t size, align, boundary;
	} cases[] = {
		{ 1, 0, 0 },	      { 4, 4, 0 },	 { 12, 4, 0 },		 { 12, 4, 64 },
		{ 24, 8, 4096 },      { 64, 64, 0 },	 { 64, 64, 64 },	 { 64, 64, 256 },
		{ 100, 4, 1024 },     { 400, 16, 1024 }, { 1000, 8, 0 },	 { 1000, 8, 4096 },
		{ 1024, 1024, 4096 }, { 3000, 8, 4096 }, { 4096, 4096, 0 },	 { 5000, 8, 0 },
		{ 5000, 8, 8192 },    { 20000, 32, 0 },	 { 20480, 4096, 32768 },
	};
	static dma_addr_t addr[MAX_BLOCKS];
	static char *block[MAX_BLOCKS];

	(void)state;
	for (unsigned int c = 0; c < 2 * ARRAY_SIZE(cases); c++) {
		size_t align = cases[c / 2].align ? cases[c / 2].align : 1;
		size_t boundary = cases[c / 2].boundary;
		size_t size = cases[c / 2].size < 4 ? 4 : cases[c / 2].size;
		struct device *dev = pools_dev(all_paths[c % 2]);
		struct dma_pool *pool;
		uint64_t used = pages_used(), memory, nr;

		size = (size + align - 1) / align * align;
		nr = 300000 / size < 300 ? 300000 / size : 300;
		pool = dma_pool_create("blocks", dev, cases[c / 2].size, cases[c / 2].align,
				       boundary);
		assert_non_null(pool);
		assert_int_equal(pages_used(), used);
		for (uint64_t i = 0; i < nr; i++) {
			block[i] = dma_pool_alloc(pool, GFP_KERNEL, &addr[i]);
			assert_non_null(block[i]);
			memset(block[i], (int)i, size);
			assert_int_equal(addr[i] % align, 0);
			if (boundary)
				assert_int_equal(addr[i] / boundary,
						 (addr[i] + size - 1) / boundary);
		}
		for (uint64_t i = 0; i < nr; i++)
			for (size_t b = 0; b < size; b++)
				assert_int_equal(block[i][b], (char)i);
		/* At most what is begun, and what one chunk may waste; or what a page holds. */
		memory = pages_used() - used;
		assert_true(most_blocks(memory, size, boundary) <
			    nr + nr / 8 + 2 * (65536 / size) + 2);
		for (uint64_t first = 0; first < 7; first++)
			for (uint64_t i = first; i < nr; i += 7)
				dma_pool_free(pool, block[i], addr[i]);
		/* Pages stay with the pool: as many blocks again need nothing more. */
		memory = pages_used();
		for (uint64_t i = 0; i < nr; i++)
			block[i] = dma_pool_alloc(pool, GFP_ATOMIC, &addr[i]);
		assert_int_equal(pages_used(), memory);
		for (uint64_t i = 0; i < nr; i++)
			dma_pool_free(pool, block[i], addr[i]);
		berth_clear_error();
		dma_pool_destroy(pool);
		assert_reason(BERTH_REASON_NONE);
		assert_int_equal(pages_used(), used);
	}
}

/* All of a page: Linux loses the last block before a boundary, and where a page ends. */
static void item_39_no_block_is_lost(void **state)
{
	static const struct {
		size_t size, boundary;
		uint64_t pages, blocks;
	} cases[] = {
		{ 64, 0, 1, 64 },     { 64, 4096, 1, 64 },  { 256, 256, 1, 16 },
		{ 1024, 2048, 1, 4 }, { 1024, 4096, 1, 4 }, { 4, 0, 1, 1024 },
		{ 4096, 4096, 1, 1 }, { 5000, 0, 5, 4 },
	};

	(void)state;
	for (unsigned int c = 0; c < ARRAY_SIZE(cases); c++) {
		struct device *dev = pools_dev(all_paths[1]);
		struct dma_pool *pool =
			dma_pool_create("full", dev, cases[c].size, 4, cases[c].boundary);
		static dma_addr_t addr[1025];
		static void *block[1025];
		uint64_t used = pages_used();

		for (uint64_t i = 0; i < cases[c].blocks; i++) {
			block[i] = dma_pool_alloc(pool, GFP_KERNEL, &addr[i]);
			assert_int_equal(pages_used() - used, cases[c].pages * PAGE_SIZE);
		}
		block[cases[c].blocks] = dma_pool_alloc(pool, GFP_KERNEL, &addr[cases[c].blocks]);
		assert_true(pages_used() - used > cases[c].pages * PAGE_SIZE);
		for (uint64_t i = 0; i <= cases[c].blocks; i++)
			dma_pool_free(pool, block[i], addr[i]);
		dma_pool_destroy(pool);
	}
}

static void item_39_zeroed_only_if_asked(void **state)
{
	(void)state;
	for (unsigned int d = 0; d < ARRAY_SIZE(all_paths); d++) {
		struct device *dev = pools_dev(all_paths[d]);
		struct dma_pool *pool = dma_pool_create("zero", dev, 96, 32, 0);
		dma_addr_t addr;
		unsigned char *block;

		for (unsigned int i = 0; i < 100; i++) {
			block = i & 1 ? dma_pool_zalloc(pool, GFP_ATOMIC, &addr)
				      : dma_pool_alloc(pool, GFP_KERNEL | __GFP_ZERO, &addr);
			assert_zeroed(block, 96);
			assert_shared(all_paths[d], block, addr, 96);
			dma_pool_free(pool, block, addr);
		}
		dma_pool_destroy(pool);
	}
}

/* The device fills all of a free block: what the pool knows of it is not there. */
static void the_free_list_is_out_of_the_devices_reach(void **state)
{
	struct device *dev = pools_dev(all_paths[0]);
	struct dma_pool *pool = dma_pool_create("list", dev, 32, 32, 0);
	static dma_addr_t addr[200], again;
	static void *block[200];

	(void)state;
	for (unsigned int i = 0; i < 200; i++)
		block[i] = dma_pool_alloc(pool, GFP_KERNEL, &addr[i]);
	for (unsigned int i = 0; i < 200; i++) {
		dma_pool_free(pool, block[i], addr[i]);
		hw_write(all_paths[0], addr[i], 0xff, 32);
	}
	for (unsigned int i = 0; i < 200; i++) {
		unsigned int j = 0;

		block[i] = dma_pool_alloc(pool, GFP_KERNEL, &again);
		while (j < 200 && addr[j] != again)
			j++;
		assert_true(j < 200);
		dma_pool_free(pool, block[i], again);
	}
	dma_pool_destroy(pool);
}

static void item_39_wrong_frees_are_refused(void **state)
{
	(void)state;
	for (unsigned int d = 0; d < 2; d++) {
		struct device *dev = pools_dev(all_paths[d]);
		struct dma_pool *pool = dma_pool_create("one", dev, 48, 16, 0);
		struct dma_pool *other = dma_pool_create("other", dev, 48, 16, 0);
		uint64_t used = pages_used();
		dma_addr_t addr, second, foreign;
		char *block, *kept, *theirs, here[48];

		block = dma_pool_alloc(pool, GFP_KERNEL, &addr);
		kept = dma_pool_alloc(pool, GFP_KERNEL, &second);
		theirs = dma_pool_alloc(other, GFP_KERNEL, &foreign);
#define REFUSED(virt, addr)                                              \
	do {                                                             \
		berth_clear_error();                                     \
		dma_pool_free(pool, virt, addr);                         \
		assert_reason(BERTH_REASON_NOT_OWNED);                   \
		assert_string_equal(berth_last_error()->subject, "one"); \
	} while (0)
		REFUSED(block + 1, addr + 1);
		REFUSED(block + 16, addr + 16);
		REFUSED(block, addr + 48);
		REFUSED(block + 48, addr);
		REFUSED(block - 48, addr - 48);
		REFUSED(theirs, foreign);
		REFUSED(here, addr);
		REFUSED(NULL, 0);
		REFUSED(block + (1ull << 32), addr + (1ull << 32));
		REFUSED(block + 48 * 10, addr + 48 * 10); /* free already */
		dma_pool_free(pool, block, addr);
		REFUSED(block, addr);
		/* With a block out it stays, and can be used. */
		berth_clear_error();
		dma_pool_destroy(pool);
		assert_reason(BERTH_REASON_LEAK);
		assert_int_equal(berth_last_error()->length, 48);
		assert_ptr_equal(dma_pool_alloc(pool, GFP_KERNEL, &addr), block);
		dma_pool_free(pool, block, addr);
		dma_pool_free(pool, kept, second);
		REFUSED(kept, second);
		dma_pool_free(other, theirs, foreign);
		berth_clear_error();
		dma_pool_destroy(pool);
		dma_pool_destroy(other);
		assert_reason(BERTH_REASON_NONE);
		assert_int_equal(pages_used(), used);
	}
}

static void managed_pools_go_with_the_driver(void **state)
{
	static struct device own;
	struct dma_pool *pool, *second;
	uint64_t used = pages_used();
	dma_addr_t addr;
	void *block;

	(void)state;
	memset(&own, 0, sizeof(own));
	assert_int_equal(device_register(&own, "managed"), 0);
	pool = dmam_pool_create("kept", &own, 64, 0, 0);
	second = dmam_pool_create("given back", &own, 64, 0, 0);
	assert_null(dmam_pool_create("illegal", &own, 0, 0, 0));
	block = dma_pool_alloc(second, GFP_KERNEL, &addr);
	dmam_pool_destroy(second);
	assert_reason(BERTH_REASON_LEAK);
	dma_pool_free(second, block, addr);
	dmam_pool_destroy(second);
	dmam_pool_destroy(NULL);
	block = dma_pool_alloc(pool, GFP_KERNEL, &addr);
	dma_pool_free(pool, block, addr);
	second = dma_pool_create("not managed", &own, 64, 0, 0);
	dmam_pool_destroy(second);
	assert_reason(BERTH_REASON_NOT_OWNED);
	dma_pool_destroy(second);
	device_unregister(&own);
	assert_int_equal(pages_used(), used);
}

static bool use_all(struct device *dev)
{
	struct dma_pool *pool = dma_pool_create("fails", dev, 2000, 0, 0);
	struct dma_pool *managed = dmam_pool_create("fails, too", dev, 64, 0, 0);
	dma_addr_t addr[20], other;
	void *block[20], *last;
	bool all = pool && managed;

	if (!all)
		assert_int_equal(berth_last_error()->code, -ENOMEM);
	for (unsigned int i = 0; pool && i < 20; i++) {
		block[i] = dma_pool_alloc(pool, i & 1 ? GFP_KERNEL : GFP_ATOMIC, &addr[i]);
		if (!block[i])
			assert_int_equal(berth_last_error()->code, -ENOMEM);
		all = all && block[i];
	}
	last = managed ? dma_pool_zalloc(managed, GFP_KERNEL, &other) : NULL;
	all = all && last;
	for (unsigned int i = 0; pool && i < 20; i++)
		if (block[i])
			dma_pool_free(pool, block[i], addr[i]);
	if (last)
		dma_pool_free(managed, last, other);
	dma_pool_destroy(pool);
	dmam_pool_destroy(managed);
	return all;
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	for (unsigned int d = 0; d < 3; d++) {
		struct device *dev = pools_dev(all_paths[d]);
		bool was_perfect = false;
		uint64_t used, n;

		assert_true(use_all(dev));
		used = pages_used();
		for (n = 1; !was_perfect; n++) {
			berth_test_fail_nth(n);
			was_perfect = use_all(dev) && !berth_test_failed();
			assert_int_equal(pages_used(), used);
		}
		berth_test_fail_nth(0);
		assert_true(n > 6);
	}
}

/* When there is no more memory, every block there is can be had: also those in other hands. */
static void a_full_pool_gives_its_last_block(void **state)
{
	struct device *dev = pools_dev(all_paths[2]); /* of 12 pages */
	struct dma_pool *pool = dma_pool_create("last", dev, 64, 64, 0);
	static dma_addr_t addr[POOL_PAGES * 64 + 1];
	static void *block[POOL_PAGES * 64 + 1];

	(void)state;
	for (unsigned int i = 0; i < POOL_PAGES * 64; i++) {
		block[i] = dma_pool_alloc(pool, GFP_KERNEL, &addr[i]);
		assert_non_null(block[i]);
	}
	assert_null(dma_pool_alloc(pool, GFP_KERNEL, &addr[POOL_PAGES * 64]));
	assert_reason(BERTH_REASON_AREA_FULL);
	for (unsigned int i = 0; i < POOL_PAGES * 64; i += 37) {
		dma_pool_free(pool, block[i], addr[i]);
		assert_ptr_equal(dma_pool_alloc(pool, GFP_ATOMIC, &addr[i]), block[i]);
	}
	for (unsigned int i = 0; i < POOL_PAGES * 64; i++)
		dma_pool_free(pool, block[i], addr[i]);
	dma_pool_destroy(pool);
}

/* Threads. */

#define NR_THREADS 4
#define NR_KEPT 70

struct parcel {
	uint32_t *block;
	dma_addr_t addr;
	uint32_t value;
};

static struct dma_pool *common;
static unsigned int turns;
/* Where threads leave blocks for each other. */
static struct parcel *exchange[64];

/* Whether a block was still what its owner had left, and was given back. */
static bool give(const struct parcel *parcel)
{
	bool good = parcel->block[0] == parcel->value && parcel->block[7] == ~parcel->value;

	berth_clear_error();
	dma_pool_free(common, parcel->block, parcel->addr);
	return good && !berth_last_error()->code;
}

static void *use_common(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg * 2654435761u;
	static __thread struct parcel parcels[NR_KEPT];
	bool good = true;

	memset(parcels, 0, sizeof(parcels));
	for (unsigned int i = 0; i < turns && good; i++) {
		struct parcel *mine = &parcels[(seed = seed * 1664525 + 1013904223) >> 8 & 63];
		struct parcel *given;

		if (mine->block) {
			good = give(mine);
			mine->block = NULL;
			continue;
		}
		mine->block = dma_pool_alloc(common, GFP_KERNEL, &mine->addr);
		if (!mine->block)
			return (void *)1;
		mine->value = seed;
		mine->block[0] = seed;
		mine->block[7] = ~seed;
		if (i % 5)
			continue;
		/* Every fifth block is freed by whoever finds it. */
		given = malloc(sizeof(*given));
		*given = *mine;
		mine->block = NULL;
		given = __atomic_exchange_n(&exchange[seed >> 20 & 63], given, __ATOMIC_ACQ_REL);
		good = !given || give(given);
		free(given);
	}
	for (unsigned int i = 0; i < NR_KEPT; i++)
		if (parcels[i].block)
			good &= give(&parcels[i]);
	return good ? NULL : (void *)2;
}

static void give_exchanged(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(exchange); i++) {
		if (exchange[i])
			assert_true(give(exchange[i]));
		free(exchange[i]);
		exchange[i] = NULL;
	}
}

static void run_threads(void)
{
	pthread_t threads[NR_THREADS];

	for (uintptr_t i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_common, (void *)(i + 1)), 0);
	for (unsigned int i = 0; i < NR_THREADS; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	give_exchanged();
}

static void several_threads_use_a_pool(void **state)
{
	uint64_t used = pages_used();

	(void)state;
	turns = 40000;
	for (unsigned int d = 0; d < 2; d++) {
		berth_clear_error();
		common = dma_pool_create("threads", pools_dev(all_paths[d]), 32, 32, 0);
		run_threads();
		dma_pool_destroy(common);
		assert_reason(BERTH_REASON_NONE);
	}
	assert_int_equal(pages_used(), used);
}

/* Threads that have a slot each and wait until they may end. */
static pthread_mutex_t parked = PTHREAD_MUTEX_INITIALIZER;
static uint32_t nr_parked;

static void *park(void *arg)
{
	dma_addr_t addr;
	void *block = dma_pool_alloc(common, GFP_KERNEL, &addr);

	if (arg)
		dma_pool_free(common, block, addr);
	__atomic_add_fetch(&nr_parked, 1, __ATOMIC_RELEASE);
	pthread_mutex_lock(&parked);
	pthread_mutex_unlock(&parked);
	return block;
}

/* It has a slot, then it waits until others have. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *use_common_later(void *arg)
{
	dma_addr_t addr;

	void *block = dma_pool_alloc(common, GFP_KERNEL, &addr);

	dma_pool_free(common, block, addr);
	__atomic_add_fetch(&nr_parked, 1, __ATOMIC_RELEASE);
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return use_common(arg);
}

/* One after the other: the order is that in which they get slots. */
static void start_thread(pthread_t *thread, void *(*function)(void *), void *arg)
{
	uint32_t before = __atomic_load_n(&nr_parked, __ATOMIC_ACQUIRE);

	assert_int_equal(pthread_create(thread, NULL, function, arg), 0);
	while (__atomic_load_n(&nr_parked, __ATOMIC_ACQUIRE) == before)
		usleep(100);
}

static void park_threads(pthread_t *threads, unsigned int nr, void *arg)
{
	for (unsigned int i = 0; i < nr; i++)
		start_thread(&threads[i], park, arg);
}

static void unpark_threads(const pthread_t *threads, unsigned int nr)
{
	pthread_mutex_unlock(&parked);
	for (unsigned int i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
}

/* More threads than slots: two look into the same group. */
static void threads_that_share_a_slot_use_a_pool(void **state)
{
	enum { OTHERS = BERTH_PORT_MAX_SLOTS - 1 };
	pthread_t waiting[2 * OTHERS], sharing[2];
	void *wrong[2];
	uint64_t used = pages_used();

	(void)state;
	turns = 400000;
	common = dma_pool_create("shared", pools_dev(all_paths[1]), 32, 32, 0);
	pthread_mutex_lock(&parked);
	pthread_mutex_lock(&gate);
	park_threads(waiting, OTHERS, common); /* with this thread, all slots */
	start_thread(&sharing[0], use_common_later, (void *)1);
	park_threads(waiting + OTHERS, OTHERS, common);
	start_thread(&sharing[1], use_common_later, (void *)2);
	pthread_mutex_unlock(&gate);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(sharing[i], &wrong[i]);
	unpark_threads(waiting, ARRAY_SIZE(waiting));
	assert_null(wrong[0]);
	assert_null(wrong[1]);
	give_exchanged();
	berth_clear_error();
	dma_pool_destroy(common);
	assert_reason(BERTH_REASON_NONE);
	assert_int_equal(pages_used(), used);
}

/* Memory is out: a group of a thread that sleeps gives its blocks all the same. */
static void blocks_of_other_slots_are_found(void **state)
{
	struct device *dev = pools_dev(all_paths[2]); /* of 12 pages */
	static dma_addr_t addr[POOL_PAGES * 64];
	static void *block[POOL_PAGES * 64];
	pthread_t waiting[3];
	dma_addr_t other;

	(void)state;
	common = dma_pool_create("asleep", dev, 64, 64, 0);
	pthread_mutex_lock(&parked);
	park_threads(waiting, ARRAY_SIZE(waiting), common);
	for (unsigned int i = 0; i < POOL_PAGES * 64; i++) {
		block[i] = dma_pool_alloc(common, GFP_KERNEL, &addr[i]);
		assert_non_null(block[i]);
	}
	assert_reason(BERTH_REASON_NONE);
	assert_null(dma_pool_alloc(common, GFP_KERNEL, &other));
	for (unsigned int i = 0; i < POOL_PAGES * 64; i++)
		dma_pool_free(common, block[i], addr[i]);
	unpark_threads(waiting, ARRAY_SIZE(waiting));
	dma_pool_destroy(common);
}

static struct parcel twice[64];
static uint32_t refused;

static void *free_all(void *arg)
{
	uint32_t nr = 0;

	(void)arg;
	for (unsigned int i = 0; i < ARRAY_SIZE(twice); i++) {
		berth_clear_error();
		dma_pool_free(common, twice[i].block, twice[i].addr);
		nr += berth_last_error()->reason == BERTH_REASON_NOT_OWNED;
	}
	__atomic_fetch_add(&refused, nr, __ATOMIC_RELAXED);
	return NULL;
}

/* Of two who free a block at once, one is refused. */
static void a_block_is_freed_once(void **state)
{
	(void)state;
	common = dma_pool_create("twice", pools_dev(all_paths[1]), 64, 64, 0);
	for (unsigned int round = 0; round < 50; round++) {
		pthread_t threads[2];

		refused = 0;
		for (unsigned int i = 0; i < ARRAY_SIZE(twice); i++)
			twice[i].block = dma_pool_alloc(common, GFP_KERNEL, &twice[i].addr);
		for (unsigned int i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, free_all, NULL), 0);
		for (unsigned int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(refused, ARRAY_SIZE(twice));
	}
	berth_clear_error();
	dma_pool_destroy(common);
	assert_reason(BERTH_REASON_NONE);
}

int main(void)
{
#define TEST(test)                                              \
	cmocka_unit_test_setup_teardown(test, start, stop),     \
	{                                                       \
#test "_inline", test, start_inline, stop, NULL \
	}
	const struct CMUnitTest tests[] = {
		TEST(item_39_geometry),
		TEST(item_39_blocks),
		TEST(item_39_no_block_is_lost),
		TEST(item_39_zeroed_only_if_asked),
		TEST(item_39_wrong_frees_are_refused),
		TEST(the_free_list_is_out_of_the_devices_reach),
		TEST(managed_pools_go_with_the_driver),
		TEST(every_allocation_may_fail),
		TEST(a_full_pool_gives_its_last_block),
		TEST(several_threads_use_a_pool),
		TEST(threads_that_share_a_slot_use_a_pool),
		TEST(blocks_of_other_slots_are_found),
		TEST(a_block_is_freed_once),
	};

	return cmocka_run_group_tests_name("dma_pool", tests, NULL, NULL);
}
