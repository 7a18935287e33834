/* SPDX-License-Identifier: BSD-2-Clause */
/* Swap: movable memory that is larger than RAM, and devices that want memory when there is none. */
#include "machine.h"

#include <unistd.h>

#include <berth/anon.h>
#include <berth/cma.h>
#include <berth/file.h>
#include <berth/gfp.h>
#include <berth/migrate.h>
#include <berth/swap.h>
#include <berth/test.h>

#include "gate.h"

#define MIB (1ul << 20)
#define SWAP_PAGES 4096u

/* A backing in memory, which can be made to fail. */
static struct memory_backing {
	struct backing backing;
	uint8_t bytes[SWAP_PAGES][PAGE_SIZE];
	uint32_t fail_reads, fail_writes; /* so many from now on; atomic */
	uint32_t reads, writes;
} store;

#define GET(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define SET(x, value) __atomic_store_n(&(x), value, __ATOMIC_SEQ_CST)

static bool use_up(uint32_t *left)
{
	uint32_t old = __atomic_load_n(left, __ATOMIC_RELAXED);

	while (old)
		if (__atomic_compare_exchange_n(left, &old, old - 1, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

static int read_pages(struct backing *backing, uint64_t index, struct page *const *pages,
		      unsigned int nr)
{
	(void)backing;
	if (use_up(&store.fail_reads))
		return -EIO;
	for (unsigned int i = 0; i < nr; i++)
		memcpy(page_address(pages[i]), store.bytes[index + i], PAGE_SIZE);
	__atomic_fetch_add(&store.reads, nr, __ATOMIC_RELAXED);
	return 0;
}

static int write_pages(struct backing *backing, uint64_t index, struct page *const *pages,
		       unsigned int nr)
{
	(void)backing;
	if (use_up(&store.fail_writes))
		return -EIO;
	for (unsigned int i = 0; i < nr; i++)
		memcpy(store.bytes[index + i], page_address(pages[i]), PAGE_SIZE);
	__atomic_fetch_add(&store.writes, nr, __ATOMIC_RELAXED);
	return 0;
}

static const struct backing_ops store_ops = { .read_pages = read_pages,
					      .write_pages = write_pages };
static const struct backing_ops reader_ops = { .read_pages = read_pages };

static bool start(void **state, bool has_swap)
{
	setenv("BERTH_GATE", *state, 1);
	must_start(tree_minimal, NULL, NULL);
	if (strcmp(berth_port_gate_name(), *state) != 0) {
		must_stop();
		return false;
	}
	store.backing = (struct backing){ &store_ops, "the test's swap", sizeof(store.bytes) };
	SET(store.fail_reads, 0);
	SET(store.fail_writes, 0);
	SET(store.reads, 0);
	SET(store.writes, 0);
	if (has_swap)
		assert_int_equal(berth_swapon(&store.backing), 0);
	return true;
}

static void end(void)
{
	struct berth_swap_stats stats;

	assert_int_equal(berth_swapoff(&store.backing), 0);
	berth_swap_stats(&stats);
	assert_int_equal(stats.pages + stats.used, 0);
	must_stop();
}

/* A page says which it is, at both ends. */
static void fill(uint8_t *memory, size_t size, uint32_t round)
{
	for (size_t at = 0; at < size; at += PAGE_SIZE) {
		uint32_t *words = (uint32_t *)(void *)(memory + at);

		words[0] = (uint32_t)(at / PAGE_SIZE) + round;
		words[PAGE_SIZE / 4 - 1] = ~words[0];
	}
}

static void check(const uint8_t *memory, size_t size, uint32_t round)
{
	for (size_t at = 0; at < size; at += PAGE_SIZE) {
		const uint32_t *words = (const uint32_t *)(const void *)(memory + at);

		assert_int_equal(words[0], at / PAGE_SIZE + round);
		assert_int_equal(words[PAGE_SIZE / 4 - 1], ~words[0]);
	}
}

/* 24 MiB in 16 MiB, and freed again in whatever state it is. */
static void memory_larger_than_ram(void **state)
{
	struct berth_anon_stats stats;
	uint8_t *memory;

	if (!start(state, true))
		skip();
	memory = berth_anon_alloc(24 * MIB);
	assert_non_null(memory);
	fill(memory, 24 * MIB, 0);
	berth_anon_stats(&stats);
	assert_int_equal(stats.pages + stats.swapped, 24 * MIB / PAGE_SIZE);
	assert_true(stats.swapped >= 8 * MIB / PAGE_SIZE);
	check(memory, 24 * MIB, 0);
	fill(memory, 24 * MIB, 99);
	check(memory, 24 * MIB, 99);
	berth_anon_stats(&stats);
	assert_true(stats.swap_ins > 8 * MIB / PAGE_SIZE);
	assert_true(stats.swap_outs == GET(store.writes) && stats.swap_ins == GET(store.reads));
	berth_anon_free(memory);
	berth_anon_stats(&stats);
	assert_int_equal(stats.pages + stats.swapped, 0);
	end();
}

/* The area is full of pages that have nowhere to move: they go to swap, or nothing happens. */
static void a_device_takes_full_memory(void **state)
{
	struct berth_anon_stats stats;
	size_t size = 0;
	struct page *pages, *kept;
	uint8_t *memory;

	if (!start(state, false))
		skip();
	kept = alloc_page(GFP_KERNEL);
	memory = berth_anon_alloc(24 * MIB);
	while (!berth_anon_populate(memory + size, PAGE_SIZE))
		size += PAGE_SIZE;
	assert_reason(BERTH_REASON_OUT_OF_MEMORY);
	fill(memory, size, 5);
	assert_null(cma_alloc(berth_cma_default(), 512, 0, true));
	assert_reason(BERTH_REASON_NO_ROOM);
	__free_page(kept); /* for the table of places */
	assert_int_equal(berth_swapon(&store.backing), 0);
	pages = cma_alloc(berth_cma_default(), 512, 0, true);
	assert_non_null(pages);
	memset(page_address(pages), 0xee, 512 * PAGE_SIZE);
	berth_anon_stats(&stats);
	assert_true(stats.swapped >= 400);
	check(memory, size, 5);
	assert_true(cma_release(berth_cma_default(), pages, 512));
	check(memory, size, 5);
	berth_anon_free(memory);
	end();
}

static void failing_io_loses_nothing(void **state)
{
	struct berth_anon_stats stats;
	uint8_t *memory;
	size_t at = 0;

	if (!start(state, true))
		skip();
	memory = berth_anon_alloc(20 * MIB);
	fill(memory, 8 * MIB, 1);
	/* Whoever needs memory meanwhile may not get any. */
	SET(store.fail_writes, 100);
	for (unsigned int turn = 0; turn < 1000 && GET(store.fail_writes); turn++)
		berth_anon_populate(memory + 8 * MIB, 12 * MIB);
	assert_int_equal(GET(store.fail_writes), 0);
	check(memory, 8 * MIB, 1);
	fill(memory, 20 * MIB, 1);
	check(memory, 20 * MIB, 1);
	berth_anon_stats(&stats);
	assert_true(stats.swapped > 0);
	/* There is no room for all; and a page that cannot be read stays where it is. */
	assert_int_equal(berth_swapoff(&store.backing), -ENOMEM);
	check(memory, 20 * MIB, 1);
	__atomic_store_n(&store.fail_reads, UINT32_MAX, __ATOMIC_RELAXED);
	while (!berth_anon_populate(memory + at, PAGE_SIZE))
		at += PAGE_SIZE;
	assert_true(at < 20 * MIB);
	assert_true(berth_swapoff(&store.backing) < 0);
	__atomic_store_n(&store.fail_reads, 0, __ATOMIC_RELAXED);
	check(memory, 20 * MIB, 1);
	berth_anon_free(memory);
	end();
}

static void what_cannot_be_is_refused(void **state)
{
	struct backing reader = { &reader_ops, "for reading", 10 * PAGE_SIZE };
	struct backing tiny = { &store_ops, "tiny", PAGE_SIZE - 1 };

	if (!start(state, true))
		skip();
	assert_int_equal(berth_swapon(&store.backing), -EBUSY);
	assert_int_equal(berth_swapon(&reader), -EINVAL);
	assert_int_equal(berth_swapon(&tiny), -EINVAL);
	assert_int_equal(berth_swapon(NULL), -EINVAL);
	assert_int_equal(berth_swapoff(&tiny), -EINVAL);
	assert_reason(BERTH_REASON_NOT_OWNED);
	assert_int_equal(berth_swapoff(NULL), -EINVAL);
	end();
}

/* Two areas, the second of them a file of the host; pins bring pages in and keep them. */
static void pages_are_pinned_out_of_swap(void **state)
{
	char path[] = "/tmp/berth-swap-XXXXXX";
	struct berth_anon_stats stats;
	struct page *pages[16];
	struct backing *file;
	uint8_t *memory;
	int fd;

	if (!start(state, false))
		skip();
	store.backing.size = 100 * PAGE_SIZE;
	assert_int_equal(berth_swapon(&store.backing), 0);
	fd = mkstemp(path);
	assert_true(fd >= 0 && !ftruncate(fd, 12 * MIB));
	close(fd);
	file = berth_file_open(path, BERTH_FILE_WRITE | BERTH_FILE_FIXED);
	assert_non_null(file);
	assert_int_equal(berth_swapon(file), 0);
	memory = berth_anon_alloc(20 * MIB);
	fill(memory, 20 * MIB, 3);
	berth_anon_stats(&stats);
	assert_true(stats.swapped > 100);
	assert_int_equal(
		pin_user_pages((unsigned long)memory, 16, FOLL_WRITE | FOLL_LONGTERM, pages), 16);
	fill(memory, 20 * MIB, 4);
	for (unsigned int i = 0; i < 16; i++) {
		uint32_t *words = page_address(pages[i]);

		assert_int_equal(words[0], i + 4);
		words[1] = 77 + i;
		assert_int_equal(((uint32_t *)(void *)(memory + i * PAGE_SIZE))[1], 77 + i);
	}
	unpin_user_pages(pages, 16);
	check(memory, 20 * MIB, 4);
	berth_anon_free(memory);
	assert_int_equal(berth_swapoff(file), 0);
	assert_int_equal(berth_file_close(file), 0);
	unlink(path);
	end();
}

static void every_allocation_may_fail(void **state)
{
	uint8_t *memory;
	bool has_failed = true;

	if (!start(state, false))
		skip();
	memory = berth_anon_alloc(2 * MIB);
	fill(memory, 2 * MIB, 8);
	for (uint64_t n = 1; has_failed; n++) {
		int err;

		berth_test_fail_nth(n);
		err = berth_swapon(&store.backing);
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		assert_true(!err == !has_failed);
		if (err)
			assert_reason(BERTH_REASON_OUT_OF_MEMORY);
	}
	assert_true(berth_reclaim(GFP_KERNEL | __GFP_MOVABLE, 100) >= 100);
	has_failed = true;
	for (uint64_t n = 1; has_failed; n++) {
		int err;

		berth_test_fail_nth(n);
		err = berth_swapoff(&store.backing);
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		assert_true(!err == !has_failed);
	}
	check(memory, 2 * MIB, 8);
	berth_anon_free(memory);
	must_stop();
}

#define BOTH(test)                                                               \
	{ #test ", uffd", test, NULL, NULL, (void *)(uintptr_t) "uffd" },        \
	{                                                                        \
#test ", signal", test, NULL, NULL, (void *)(uintptr_t) "signal" \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(memory_larger_than_ram),	    BOTH(a_device_takes_full_memory),
		BOTH(failing_io_loses_nothing),	    BOTH(what_cannot_be_is_refused),
		BOTH(pages_are_pinned_out_of_swap), BOTH(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("swap", tests, NULL, NULL);
}
