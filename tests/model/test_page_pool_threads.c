/* SPDX-License-Identifier: BSD-2-Clause */
/* A pool whose pages other threads give back: none is handed out twice, and everything ends. */
#include "machine.h"

#include <pthread.h>

#include <berth/gfp.h>
#include <berth/page_pool.h>

#define NR_WORKERS 3u
#define ROUNDS 12000u
#define BOX_SIZE 64u

/* What a worker is given: a page, or a part of one, in which @stamp was written. */
struct letter {
	struct page_pool *pool;
	struct page *page;
	unsigned int offset;
	uint32_t stamp;
};

static struct box {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct letter letters[BOX_SIZE];
	unsigned int nr;
	unsigned int wrong;
	unsigned int seed;
	bool is_open;
} boxes[NR_WORKERS];

static struct device dev;

static unsigned int random_of(unsigned int *seed, unsigned int below)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % below;
}

static void send(struct box *box, const struct letter *letter)
{
	pthread_mutex_lock(&box->lock);
	while (box->nr == BOX_SIZE)
		pthread_cond_wait(&box->changed, &box->lock);
	box->letters[box->nr++] = *letter;
	pthread_cond_signal(&box->changed);
	pthread_mutex_unlock(&box->lock);
}

static bool receive(struct box *box, struct letter *letter)
{
	bool is_there;

	pthread_mutex_lock(&box->lock);
	while (!box->nr && box->is_open)
		pthread_cond_wait(&box->changed, &box->lock);
	is_there = box->nr;
	if (is_there)
		*letter = box->letters[--box->nr];
	pthread_cond_signal(&box->changed);
	pthread_mutex_unlock(&box->lock);
	return is_there;
}

/* Plain accesses: the thread sanitizer sees who had the page before whom. */
static uint32_t *stamp_of(const struct letter *letter)
{
	return (uint32_t *)(void *)((char *)page_address(letter->page) + letter->offset);
}

static void *work(void *arg)
{
	struct box *box = arg;
	struct letter letter;

	while (receive(box, &letter)) {
		bool is_held = !random_of(&box->seed, 50);

		box->wrong += *stamp_of(&letter) != letter.stamp;
		if (is_held)
			get_page(letter.page);
		*stamp_of(&letter) = 0;
		if (random_of(&box->seed, 100))
			page_pool_put_full_page(letter.pool, letter.page, false);
		else
			page_pool_put_page_bulk(letter.pool, (void **)&letter.page, 1);
		if (is_held)
			put_page(letter.page);
	}
	return NULL;
}

static struct page_pool *create(unsigned int flags, unsigned int pool_size)
{
	const struct page_pool_params params = {
		.flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV | flags,
		.pool_size = pool_size,
		.dev = &dev,
		.dma_dir = DMA_FROM_DEVICE,
		.max_len = PAGE_SIZE,
	};
	struct page_pool *pool = page_pool_create(&params);

	assert_false(IS_ERR(pool));
	return pool;
}

static void start(bool coherent, pthread_t *threads)
{
	must_start(tree_minimal, NULL, NULL);
	memset(&dev, 0, sizeof(dev));
	assert_int_equal(device_register(&dev, "test-device"), 0);
	berth_device_set_coherent(&dev, coherent);
	for (unsigned int i = 0; i < NR_WORKERS; i++) {
		memset(&boxes[i], 0, sizeof(boxes[i]));
		pthread_mutex_init(&boxes[i].lock, NULL);
		pthread_cond_init(&boxes[i].changed, NULL);
		boxes[i].is_open = true;
		boxes[i].seed = i + 1;
		assert_int_equal(pthread_create(&threads[i], NULL, work, &boxes[i]), 0);
	}
}

static void stop(const pthread_t *threads)
{
	for (unsigned int i = 0; i < NR_WORKERS; i++) {
		pthread_mutex_lock(&boxes[i].lock);
		boxes[i].is_open = false;
		pthread_cond_signal(&boxes[i].changed);
		pthread_mutex_unlock(&boxes[i].lock);
		pthread_join(threads[i], NULL);
		assert_int_equal(boxes[i].wrong, 0);
	}
	device_unregister(&dev);
	/* The pool is gone with its last page: nothing is missing. */
	must_stop();
}

static void run(unsigned int flags, unsigned int pool_size)
{
	pthread_t threads[NR_WORKERS];
	struct page_pool *pool;
	unsigned int seed = 7;

	start(pool_size & 1, threads);
	pool = create(flags, pool_size);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		struct letter letter = { .pool = pool, .stamp = round };

		letter.page = flags ? page_pool_dev_alloc_frag(pool, &letter.offset,
							       100 + random_of(&seed, 1000))
				    : page_pool_dev_alloc_pages(pool);
		assert_non_null(letter.page);
		/* A page is not used before all of its parts are back, nor given to two. */
		if (letter.offset % 64)
			fail_msg("offset %u", letter.offset);
		*stamp_of(&letter) = round;
		if (random_of(&seed, 4)) {
			send(&boxes[random_of(&seed, NR_WORKERS)], &letter);
			continue;
		}
		assert_int_equal(*stamp_of(&letter), round);
		page_pool_recycle_direct(pool, letter.page);
	}
	/* Pages are with the workers, and on their way back. */
	page_pool_destroy(pool);
	stop(threads);
}

static void pages_come_back_from_other_threads(void **state)
{
	(void)state;
	run(0, 1023);
	run(0, 1024);
}

static void a_full_ring_gives_pages_up(void **state)
{
	(void)state;
	run(0, 3);
}

static void parts_come_back_from_other_threads(void **state)
{
	(void)state;
	run(PP_FLAG_PAGE_FRAG, 1024);
	run(PP_FLAG_PAGE_FRAG, 5);
}

/* Many ends, so that some page is given back just while the pool is destroyed. */
static void pools_end_while_pages_come_back(void **state)
{
	pthread_t threads[NR_WORKERS];

	(void)state;
	start(true, threads);
	for (unsigned int round = 0; round < 300; round++) {
		struct page_pool *pool = create(0, 16);

		for (uint32_t i = 0; i < 20; i++) {
			struct letter letter = { .pool = pool, .stamp = i };

			letter.page = page_pool_dev_alloc_pages(pool);
			assert_non_null(letter.page);
			*stamp_of(&letter) = i;
			send(&boxes[i % NR_WORKERS], &letter);
		}
		page_pool_destroy(pool);
	}
	stop(threads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_come_back_from_other_threads),
		cmocka_unit_test(a_full_ring_gives_pages_up),
		cmocka_unit_test(parts_come_back_from_other_threads),
		cmocka_unit_test(pools_end_while_pages_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
