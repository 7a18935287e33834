/* SPDX-License-Identifier: BSD-2-Clause */
/* The NVMe driver with several threads: who reads and writes, who polls, who takes the file cache's memory. */
#include <pthread.h>

#include "nvme_card.h"

#include "../boards/nvme_steps.h"

#define THREADS 4u
#define ROUNDS 150u
#define PART (CARD_BLOCKS / THREADS) /* blocks of a thread */

static uint32_t wrong, ended;
static struct steps_taker taker;
static int allowed; /* an error that may come, and ends a thread */

static void boot(const char *bootargs)
{
	card_reset();
	assert_int_equal(card_boot(bootargs, NULL, false), 0);
	assert_true(steps_find() && steps_begin(CARD_BLOCKS * CARD_BLOCK, 5));
	wrong = ended = 0;
	allowed = 0;
}

static void halt(void)
{
	steps_end();
	must_stop();
	assert_int_equal(card.complaints, 0);
	assert_int_equal(wrong, 0);
}

/* Blocks of the thread's own are written, read back, and compared. */
static void *use(void *data)
{
	uint32_t first = (uint32_t)(uintptr_t)data * PART;
	struct page *page = alloc_pages(GFP_KERNEL, 2);
	uint8_t *bytes = page_address(page);

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t blocks = 1 + i % 31, block = first + i * 7 % (PART - 31);
		unsigned int bad = 0;
		struct bio_vec piece;
		struct berth_nvme_request request = { .op = BERTH_NVME_WRITE, .block = block };
		int err;

		bvec_set_page(&piece, page, blocks * 512, i % 3 * 60);
		request.bvecs = &piece;
		request.iter.bi_size = blocks * 512;
		memset(bytes + piece.bv_offset, (int)(i ^ first >> 4), blocks * 512);
		err = berth_nvme_run(steps.ns, &request);
		memset(bytes + piece.bv_offset, 0, blocks * 512);
		request.op = BERTH_NVME_READ;
		err = err ? err : berth_nvme_run(steps.ns, &request);
		if (err) {
			__atomic_fetch_add(&wrong, !allowed || (err != allowed && err != -EIO),
					   __ATOMIC_RELAXED);
			break;
		}
		for (uint32_t k = 0; k < blocks * 512; k++)
			bad += bytes[piece.bv_offset + k] != (uint8_t)(i ^ first >> 4);
		__atomic_fetch_add(&wrong, bad != 0, __ATOMIC_RELAXED);
	}
	__free_pages(page, 2);
	__atomic_fetch_add(&ended, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Looks on, and ends what others have begun. */
static void *look(void *unused)
{
	uint64_t commands = 0;

	(void)unused;
	while (__atomic_load_n(&ended, __ATOMIC_ACQUIRE) < THREADS) {
		struct berth_nvme_stats now = steps_stats();

		__atomic_fetch_add(&wrong, now.commands < commands, __ATOMIC_RELAXED);
		commands = now.commands;
		berth_nvme_poll(steps.pdev);
		usleep_range(20, 40);
	}
	return NULL;
}

static void run(void)
{
	pthread_t users[THREADS], other;

	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&users[i], NULL, use, (void *)i), 0);
	assert_int_equal(pthread_create(&other, NULL, look, NULL), 0);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(users[i], NULL);
	pthread_join(other, NULL);
}

static void right_bytes(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		struct berth_nvme_stats stats;

		boot(i & 1 ? "swiotlb=256,force" : NULL);
		assert_int_equal(berth_nvme_set_polling(steps.pdev, i & 2), 0);
		run();
		stats = steps_stats();
		assert_true(stats.requests == THREADS * ROUNDS * 2 && !stats.errors);
		assert_int_equal(stats.register_writes, card.writes);
		halt();
	}
}

/* The controller fails in the middle: everybody is told, once. */
static void failures(void **state)
{
	static const enum card_how hows[] = { CARD_FAILS, CARD_LOSES, CARD_TWICE, CARD_WRONG_ID };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(hows); i++) {
		boot(NULL);
		berth_nvme_set_timeout(steps.pdev, 100);
		allowed = hows[i] == CARD_LOSES ? -ETIMEDOUT : -EIO;
		card.how = hows[i];
		card.io = card.ios + 300;
		run();
		assert_int_equal(berth_nvme_flush(steps.ns), -EIO);
		assert_int_equal(card.cc & 1, 0);
		halt();
	}
}

static void *take(void *unused)
{
	(void)unused;
	steps_take_area_until(&taker);
	return NULL;
}

static void file_cache(void **state)
{
	pthread_t thread;
	bool is_ok;

	(void)state;
	boot("cma=80M");
	assert_true(steps_transfer(BERTH_NVME_READ, 0));
	memcpy(steps.expected, card.disk, sizeof(card.disk));
	assert_int_equal(pthread_create(&thread, NULL, take, NULL), 0);
	is_ok = steps_file_cache(400, &taker);
	__atomic_store_n(&taker.is_over, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_true(is_ok);
	assert_memory_equal(card.disk, steps.expected, sizeof(card.disk));
	halt();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_bytes),
		cmocka_unit_test(failures),
		cmocka_unit_test(file_cache),
	};

	return cmocka_run_group_tests_name("nvme threads", tests, NULL, NULL);
}
