/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that may move: views, faults, moves under another CPU's accesses. */
#include "suite.h"

#define PAGES 8u
#define MOVES 400u

static unsigned char *user;
static unsigned char *frames[2 * PAGES];
static uint32_t asked, asked_to_write, is_over;

/*
 * Page n of the range shows frame n, to begin with. One access may ask twice: the second answer must
 * not take back what the first has given.
 */
int berth_fault_handle(void *virt, bool is_write)
{
	uintptr_t at = (uintptr_t)virt - (uintptr_t)__atomic_load_n(&user, __ATOMIC_SEQ_CST);
	uintptr_t page = at / PAGE_BYTES;

	__atomic_add_fetch(is_write ? &asked_to_write : &asked, 1, __ATOMIC_SEQ_CST);
	if (page >= PAGES)
		return -EFAULT;
	return berth_port_user_map((char *)virt - at % PAGE_BYTES, conformance_phys(frames[page]),
				   PAGE_BYTES, is_write ? BERTH_ACCESS_WRITE : BERTH_ACCESS_READ);
}

static bool set_up(void)
{
	unsigned char *range = berth_port_user_reserve(PAGES * PAGE_BYTES), *pages;

	if (!range) {
		CHECK_EQUAL(berth_port_error()->reason, BERTH_REASON_MAPPING);
		CHECK(berth_port_error()->code);
		CHECK_EQUAL(-berth_port_user_map(&asked, conformance_mapped.at[0].base, PAGE_BYTES,
						 BERTH_ACCESS_READ),
			    EINVAL);
		conformance_skip("this port has no memory that moves");
		return false;
	}
	__atomic_store_n(&user, range, __ATOMIC_SEQ_CST);
	CHECK_EQUAL((uintptr_t)user % PAGE_BYTES, 0);
	pages = conformance_pages(2 * PAGES);
	for (unsigned int i = 0; i < 2 * PAGES; i++) {
		frames[i] = pages + i * PAGE_BYTES;
		memset(frames[i], (int)(i + 1), PAGE_BYTES);
	}
	__atomic_store_n(&asked, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&asked_to_write, 0, __ATOMIC_SEQ_CST);
	return true;
}

static bool is_all(const volatile unsigned char *page, unsigned int byte)
{
	for (size_t i = 0; i < PAGE_BYTES; i++)
		if (page[i] != byte)
			return false;
	return true;
}

static uint32_t get(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void test_faults(void)
{
	volatile unsigned char *page;

	if (!set_up())
		return;
	page = user + 3 * PAGE_BYTES;
	CHECK(is_all(page, 4));
	CHECK(get(&asked) >= 1);
	page[0] = 99;
	CHECK(get(&asked_to_write) >= 1);
	page[1] = 98;
	CHECK(get(&asked_to_write) >= 1);
	CHECK_EQUAL(frames[3][0], 99);
	CHECK_EQUAL(frames[3][1], 98);
	CHECK_EQUAL(berth_port_user_protect(user + 3 * PAGE_BYTES, PAGE_BYTES, BERTH_ACCESS_READ),
		    0);
	CHECK_EQUAL(page[0], 99);
	CHECK(get(&asked) >= 1);
	page[0] = 97;
	CHECK(get(&asked_to_write) >= 2);
	CHECK_EQUAL(berth_port_user_protect(user + 3 * PAGE_BYTES, PAGE_BYTES, BERTH_ACCESS_NONE),
		    0);
	frames[3][2] = 55;
	CHECK_EQUAL(page[2], 55);
	/* A fault may be asked about twice, and what a writer asked for again is for this reader too. */
	CHECK(get(&asked) + get(&asked_to_write) >= 4);
	berth_port_user_release(user, PAGES * PAGE_BYTES);
}

static void test_views(void)
{
	const phys_addr_t to = conformance_mapped.at[0].base;
	struct berth_port_view view;

	if (!set_up())
		return;
	/* Another page in the place of one that is there; several at once. */
	CHECK_EQUAL(berth_port_user_map(user, conformance_phys(frames[2]), 4 * PAGE_BYTES,
					BERTH_ACCESS_WRITE),
		    0);
	CHECK_EQUAL(berth_port_user_map(user + PAGE_BYTES, conformance_phys(frames[9]), PAGE_BYTES,
					BERTH_ACCESS_READ),
		    0);
	CHECK(is_all(user, 3) && is_all(user + PAGE_BYTES, 10) && is_all(user + 2 * PAGE_BYTES, 5));
	CHECK_EQUAL(get(&asked), 0);
	/* What cannot be is refused, and changes nothing. */
	CHECK_EQUAL(-berth_port_user_map(user + 1, to, PAGE_BYTES, BERTH_ACCESS_READ), EINVAL);
	CHECK_EQUAL(-berth_port_user_map(user, to, PAGE_BYTES, BERTH_ACCESS_NONE), EINVAL);
	CHECK_EQUAL(-berth_port_user_map(user + PAGE_BYTES, to, PAGES * PAGE_BYTES,
					 BERTH_ACCESS_READ),
		    EINVAL);
	CHECK_EQUAL(-berth_port_user_protect(user + 7 * PAGE_BYTES, PAGE_BYTES, BERTH_ACCESS_READ),
		    EINVAL);
	view = (struct berth_port_view){ user, BERTH_ACCESS_NONE };
	CHECK_EQUAL(-berth_port_user_move(&view, 1, conformance_phys(frames[2]),
					  conformance_phys(frames[11]), PAGE_BYTES),
		    EINVAL);
	CHECK(is_all(user, 3) && is_all(user + PAGE_BYTES, 10) && is_all(user + 2 * PAGE_BYTES, 5));
	berth_port_user_release(user, PAGES * PAGE_BYTES);
}

static void test_move(void)
{
	struct berth_port_view views[2];

	if (!set_up())
		return;
	views[0] = (struct berth_port_view){ user, BERTH_ACCESS_WRITE };
	views[1] = (struct berth_port_view){ user + 4 * PAGE_BYTES, BERTH_ACCESS_READ };
	for (unsigned int i = 0; i < 2; i++)
		CHECK_EQUAL(berth_port_user_map(views[i].virt, conformance_phys(frames[0]),
						4 * PAGE_BYTES, views[i].access),
			    0);
	CHECK_EQUAL(berth_port_user_move(views, 2, conformance_phys(frames[0]),
					 conformance_phys(frames[8]), 4 * PAGE_BYTES),
		    0);
	memset(frames[0], 0xdd, 4 * PAGE_BYTES);
	for (unsigned int i = 0; i < 8; i++)
		CHECK(is_all(user + i * PAGE_BYTES, i % 4 + 1));
	for (unsigned int i = 0; i < 4; i++) {
		user[i * PAGE_BYTES] = 77;
		CHECK_EQUAL(*(volatile unsigned char *)&user[(i + 4) * PAGE_BYTES], 77);
		CHECK_EQUAL(*(volatile unsigned char *)frames[i + 8], 77);
	}
	CHECK_EQUAL(get(&asked), 0);
	CHECK_EQUAL(get(&asked_to_write), 0);
	berth_port_user_release(user, PAGES * PAGE_BYTES);
}

struct counting {
	uint32_t *shared;
	volatile uint32_t *own;
	uint32_t counted, wrong, started;
};

static void count_on_page(void *arg)
{
	struct counting *it = arg;

	while (!get(&is_over)) {
		__atomic_fetch_add(it->shared, 1, __ATOMIC_RELAXED);
		if (*it->own != it->counted)
			it->wrong++;
		*it->own = ++it->counted;
		__atomic_store_n(&it->started, 1, __ATOMIC_SEQ_CST);
	}
}

/* The old page is overwritten at once: a store that comes late, or a load, would show. */
static void test_move_under_fire(void)
{
	struct counting it = { .counted = 0 };
	struct berth_port_view view;
	unsigned int at = 0;

	if (!conformance_env->run_on_other_cpu) {
		conformance_skip("one CPU only");
		return;
	}
	if (!set_up())
		return;
	memset(frames[0], 0, PAGE_BYTES);
	view = (struct berth_port_view){ user, BERTH_ACCESS_WRITE };
	CHECK_EQUAL(berth_port_user_map(user, conformance_phys(frames[0]), PAGE_BYTES,
					BERTH_ACCESS_WRITE),
		    0);
	it.shared = (uint32_t *)(void *)user;
	it.own = it.shared + 100;
	__atomic_store_n(&is_over, 0, __ATOMIC_SEQ_CST);
	CHECK_EQUAL(conformance_env->run_on_other_cpu(count_on_page, &it), 0);
	while (!get(&it.started))
		berth_port_relax();
	for (unsigned int i = 0; i < MOVES; i++) {
		unsigned int next = (at + 1 + i % 3) % (2 * PAGES);

		if (!CHECK_EQUAL(berth_port_user_move(&view, 1, conformance_phys(frames[at]),
						      conformance_phys(frames[next]), PAGE_BYTES),
				 0))
			break;
		memset(frames[at], 0xdd, PAGE_BYTES);
		at = next;
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_SEQ_CST);
	conformance_env->join_other_cpu();
	CHECK_EQUAL(it.wrong, 0);
	CHECK_EQUAL(get(it.shared), it.counted);
	CHECK_EQUAL(*it.own, it.counted);
	CHECK_EQUAL(*(volatile uint32_t *)(void *)frames[at], it.counted);
	berth_port_user_release(user, PAGES * PAGE_BYTES);
}

static void test_left_behind(void)
{
	for (unsigned int i = 0; i < 20; i++) {
		if (!set_up())
			return;
		user[PAGE_BYTES] = 5;
		CHECK(get(&asked_to_write) >= 1);
		conformance_stop();
		if (!CHECK_EQUAL(conformance_start(), 0))
			return;
	}
}

const struct conformance_test conformance_moves[] = {
	{ "movable memory: the first access asks, the first write asks again", test_faults },
	{ "movable memory: pages are mapped over others, nonsense is refused", test_views },
	{ "movable memory: a move shows the same bytes through all views", test_move },
	{ "movable memory: another CPU's stores survive moves", test_move_under_fire },
	{ "movable memory: stop takes what was left behind", test_left_behind },
	{ NULL, NULL },
};
