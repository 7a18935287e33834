// SPDX-License-Identifier: BSD-2-Clause
/* The software engine with a thread for each channel, and clients with threads of their own. */
#include "software.h"

#include <pthread.h>
#include <sched.h>

#include <berth/port.h>

#define CHANNELS 8u
#define CHUNK 65536u
/* What the engine does in one go, as dma-software.h says. */
#define GO BERTH_DMA_SOFTWARE_CHUNK
#define ROUNDS 10000u

static struct dma_chan *chan;
static uint32_t nr_calls;

static int start(void **state)
{
	(void)state;
	must_start(tree_minimal, NULL, NULL);
	assert_int_equal(berth_dma_software_start(CHANNELS, BERTH_DMA_SOFTWARE_THREADS), 0);
	assert_true(berth_dma_software_has_threads());
	chan = must_request();
	nr_calls = 0;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	if (chan)
		dma_release_channel(chan);
	chan = NULL;
	must_stop();
	return 0;
}

static void called(void *data)
{
	(void)data;
	__atomic_fetch_add(&nr_calls, 1, __ATOMIC_RELAXED);
}

static void *drive(void *arg)
{
	return (void *)(uintptr_t)(berth_dmatest_run(arg) != 0);
}

/* A thread of the program's for each channel, and 10,000 transfers in all. */
static void eight_channels_at_once(void **state)
{
	static struct berth_dmatest tests[CHANNELS];
	struct berth_dmatest_params params = { .iterations = 1250, .report = say_failure };
	struct berth_dmatest_stats sum = { 0 };
	struct dma_chan *chans[CHANNELS] = { chan };
	pthread_t threads[CHANNELS];
	void *has_failed;

	(void)state;
	params.timeout_ms = 100000; /* of virtual time, which is no faster than real time is */
	for (unsigned int i = 0; i < CHANNELS; i++) {
		if (i)
			chans[i] = must_request();
		params.seed = i;
		params.polled = i % 4 == 3;
		assert_int_equal(berth_dma_set_polled(chans[i], i == 7), 0);
		params.buffer_size = 1024u << i % 3;
		assert_int_equal(berth_dmatest_init(&tests[i], chans[i], &params), 0);
		assert_int_equal(pthread_create(&threads[i], NULL, drive, &tests[i]), 0);
	}
	for (unsigned int i = 0; i < CHANNELS; i++) {
		pthread_join(threads[i], &has_failed);
		assert_null(has_failed);
		berth_dmatest_add(&sum, &tests[i].stats);
		berth_dmatest_exit(&tests[i]);
		if (i)
			dma_release_channel(chans[i]);
	}
	assert_int_equal(sum.tests, 10000);
	assert_int_equal(sum.failed, 0);
}

/* All channels, driven by one thread. */
static void one_thread_drives_them_all(void **state)
{
	static struct berth_dmatest tests[CHANNELS];
	struct berth_dmatest_params params = { .iterations = 100, .report = say_failure };
	struct dma_chan *chans[CHANNELS] = { chan };

	(void)state;
	params.timeout_ms = 100000;
	params.buffer_size = 4096;
	for (unsigned int i = 0; i < CHANNELS; i++) {
		chans[i] = i ? must_request() : chan;
		params.seed = i;
		assert_int_equal(berth_dmatest_init(&tests[i], chans[i], &params), 0);
	}
	assert_int_equal(berth_dmatest_run_all(tests, CHANNELS), 0);
	for (unsigned int i = 0; i < CHANNELS; i++) {
		assert_int_equal(tests[i].stats.tests, 100);
		berth_dmatest_exit(&tests[i]);
		if (i)
			dma_release_channel(chans[i]);
	}
}

/* @chunks times the same bytes: as long as a test likes, in little memory. */
static dma_cookie_t submit_long(dma_addr_t dst, dma_addr_t src, size_t chunks)
{
	_Alignas(struct dma_interleaved_template) char
		room[sizeof(struct dma_interleaved_template) + sizeof(struct data_chunk)] = { 0 };
	struct dma_interleaved_template *xt = (void *)room;
	struct dma_async_tx_descriptor *tx;

	xt->src_start = src;
	xt->dst_start = dst;
	xt->dir = DMA_MEM_TO_MEM;
	xt->numf = chunks;
	xt->frame_size = 1;
	xt->sgl[0].size = CHUNK;
	tx = dmaengine_prep_interleaved_dma(chan, xt, DMA_PREP_INTERRUPT);
	assert_non_null(tx);
	tx->callback = called;
	return dmaengine_submit(tx);
}

/* Until it has begun, and is paused in the middle; it may have been too fast. */
static bool pauses_in_the_middle(dma_cookie_t cookie, dma_cookie_t next)
{
	const uint32_t length = 60000u * CHUNK;
	struct dma_tx_state tx_state;
	uint32_t left;

	assert_int_equal(dmaengine_tx_status(chan, cookie, &tx_state), DMA_IN_PROGRESS);
	assert_int_equal(tx_state.residue, length);
	dma_async_issue_pending(chan);
	while (dmaengine_tx_status(chan, cookie, &tx_state) == DMA_IN_PROGRESS &&
	       tx_state.residue == length)
		sched_yield();
	assert_int_equal(dmaengine_pause(chan), 0);
	if (dmaengine_tx_status(chan, cookie, &tx_state) == DMA_COMPLETE)
		return false;
	left = tx_state.residue;
	for (unsigned int i = 0; i < 100; i++) {
		sched_yield();
		assert_int_equal(dmaengine_tx_status(chan, cookie, &tx_state), DMA_PAUSED);
		/* A go may have been under way. */
		assert_in_range(tx_state.residue, left - GO, left);
	}
	assert_int_equal(dmaengine_tx_status(chan, next, &tx_state), DMA_PAUSED);
	assert_int_equal(tx_state.residue, CHUNK);
	assert_int_equal(dmaengine_resume(chan), 0);
	while (dmaengine_tx_status(chan, cookie, &tx_state) == DMA_IN_PROGRESS &&
	       tx_state.residue >= left - GO)
		sched_yield();
	return true;
}

/* Pause, residue and terminate in mid-transfer. */
static void in_the_middle(void **state)
{
	uint8_t *at = buffer(2 * CHUNK, 0x55);
	dma_addr_t addr = map(chan, at, 2 * CHUNK);
	dma_cookie_t cookie, next;
	bool is_done = false;

	(void)state;
	while (!is_done) {
		cookie = submit_long(addr, addr + CHUNK, 60000);
		next = submit_long(addr, addr + CHUNK, 1);
		is_done = pauses_in_the_middle(cookie, next);
		assert_int_equal(dmaengine_terminate_async(chan), 0);
		dmaengine_synchronize(chan);
	}
	/* And on with the next one. */
	cookie = submit_long(addr, addr + CHUNK, 3);
	assert_int_equal(dma_sync_wait(chan, cookie), DMA_COMPLETE);
	unmap(chan, addr, 2 * CHUNK);
	free_pages_exact(at, 2 * CHUNK);
}

/*
 * At any moment: what was terminated does not touch its memory again, which is the next one's, or poisoned,
 * and calls nobody.
 */
static void terminate_often(unsigned int rounds)
{
	unsigned int seed = 1;

	for (unsigned int i = 0; i < rounds; i++) {
		uint8_t *at = buffer(2 * PAGE_SIZE, (int)i);
		dma_addr_t addr = map(chan, at, 2 * PAGE_SIZE);
		struct dma_async_tx_descriptor *tx;
		uint32_t before;

		for (unsigned int j = 0; j < 4; j++) {
			tx = dmaengine_prep_dma_memcpy(chan, addr, addr + PAGE_SIZE, PAGE_SIZE,
						       DMA_PREP_INTERRUPT);
			assert_non_null(tx);
			tx->callback = called;
			dmaengine_submit(tx);
			if (j == 2)
				dma_async_issue_pending(chan);
		}
		for (unsigned int spin = (unsigned int)rand_r(&seed) % 64; spin--;)
			sched_yield();
		assert_int_equal(dmaengine_terminate_sync(chan), 0);
		before = __atomic_load_n(&nr_calls, __ATOMIC_RELAXED);
		unmap(chan, addr, 2 * PAGE_SIZE);
		memset(at, 0xff, 2 * PAGE_SIZE);
		free_pages_exact(at, 2 * PAGE_SIZE);
		assert_int_equal(__atomic_load_n(&nr_calls, __ATOMIC_RELAXED), before);
	}
	assert_in_range(nr_calls, 0, 3 * rounds);
}

static void terminated_at_any_moment(void **state)
{
	(void)state;
	terminate_often(ROUNDS);
}

static uint32_t is_over;

static void *poll_it(void *data)
{
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		berth_dma_poll(data);
		sched_yield();
	}
	return NULL;
}

/* By two threads, which do the work, while it is terminated. */
static void polled_at_any_moment(void **state)
{
	uint8_t *at = buffer(PAGE_SIZE, 0);
	dma_addr_t addr = map(chan, at, PAGE_SIZE);
	pthread_t threads[2];
	dma_cookie_t cookie;

	(void)state;
	is_over = 0;
	assert_int_equal(berth_dma_set_polled(chan, true), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, poll_it, chan), 0);
	terminate_often(ROUNDS / 4);
	/* And is waited for. */
	for (unsigned int i = 0; i < ROUNDS / 4; i++) {
		cookie = dmaengine_submit(
			dmaengine_prep_dma_memset(chan, addr, (int)i & 0xff, PAGE_SIZE, 0));
		assert_int_equal(dma_sync_wait(chan, cookie), DMA_COMPLETE);
		assert_int_equal(at[PAGE_SIZE - 1], i & 0xff);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	unmap(chan, addr, PAGE_SIZE);
	free_pages_exact(at, PAGE_SIZE);
}

/* Threads with nothing to do are no reason to wait for ever. */
static void a_wait_that_nothing_ends(void **state)
{
	uint32_t word = 0;
	dma_cookie_t cookie;

	(void)state;
	assert_int_equal(berth_port_wait(&word, 0, UINT64_MAX), -EDEADLK);
	cookie = dmaengine_submit(dmaengine_prep_dma_interrupt(chan, 0));
	assert_int_equal(dma_sync_wait(chan, cookie), DMA_COMPLETE);
	assert_int_equal(berth_port_wait(&word, 0, UINT64_MAX), -EDEADLK);
	/* Neither is time that passes meanwhile: nobody's work is waited for. */
	msleep(3600000);
}

static void wakes(void *data)
{
	uint32_t *word = data;

	__atomic_store_n(word, 1, __ATOMIC_RELEASE);
	berth_port_wake(word);
}

/* But one that has work is. */
static void a_wait_that_a_channel_ends(void **state)
{
	uint8_t *at = buffer(2 * CHUNK, 0x55);
	dma_addr_t addr = map(chan, at, 2 * CHUNK);

	(void)state;
	for (unsigned int i = 0; i < 200; i++) {
		struct dma_async_tx_descriptor *tx;
		uint32_t word = 0;
		int err;

		submit_long(addr, addr + CHUNK, 20);
		tx = dmaengine_prep_dma_interrupt(chan, DMA_PREP_INTERRUPT);
		tx->callback = wakes;
		tx->callback_param = &word;
		dmaengine_submit(tx);
		dma_async_issue_pending(chan);
		do
			err = berth_port_wait(&word, 0, UINT64_MAX);
		while (!err && !__atomic_load_n(&word, __ATOMIC_ACQUIRE));
		assert_int_equal(err, 0);
		assert_int_equal(word, 1);
		assert_int_equal(dmaengine_terminate_sync(chan), 0);
	}
	unmap(chan, addr, 2 * CHUNK);
	free_pages_exact(at, 2 * CHUNK);
}

/* The engine goes in mid-transfer, and the client releases its channel afterwards. */
static void it_goes_while_it_works(void **state)
{
	uint8_t *at = buffer(2 * CHUNK, 0x55);
	dma_addr_t addr = map(chan, at, 2 * CHUNK);

	(void)state;
	submit_long(addr, addr + CHUNK, 60000);
	dma_async_issue_pending(chan);
	berth_dma_software_stop();
	dma_release_channel(chan);
	chan = NULL;
	free_pages_exact(at, 2 * CHUNK);
	/* As its client goes. */
	assert_int_equal(berth_dma_software_start(1, BERTH_DMA_SOFTWARE_THREADS), 0);
	chan = must_request();
	at = buffer(2 * CHUNK, 0x55);
	addr = map(chan, at, 2 * CHUNK);
	submit_long(addr, addr + CHUNK, 60000);
	dma_async_issue_pending(chan);
	dma_release_channel(chan);
	chan = NULL;
	free_pages_exact(at, 2 * CHUNK);
}

static void boot_argument(void **state)
{
	(void)state;
	must_start(tree_minimal, NULL, "dma.software=2,threads");
	assert_true(berth_dma_software_has_threads());
	chan = must_request();
	assert_int_equal(dma_sync_wait(chan,
				       dmaengine_submit(dmaengine_prep_dma_interrupt(chan, 0))),
			 DMA_COMPLETE);
	stop(NULL);
}

#define software_test(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		software_test(eight_channels_at_once),
		software_test(one_thread_drives_them_all),
		software_test(in_the_middle),
		software_test(terminated_at_any_moment),
		software_test(polled_at_any_moment),
		software_test(a_wait_that_nothing_ends),
		software_test(a_wait_that_a_channel_ends),
		software_test(it_goes_while_it_works),
		cmocka_unit_test(boot_argument),
	};

	return cmocka_run_group_tests_name("software_threads", tests, NULL, NULL);
}
