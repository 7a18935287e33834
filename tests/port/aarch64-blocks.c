/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of the linear map that are split and joined while other CPUs, the stack, or the tables
 * themselves are in them. The tables are read by this file's own walk.
 */
#include <berth/aarch64.h>

#include "aarch64.h"

#define PAGE 4096ul
#define PAGES 512u /* of a block of 2 MiB */
#define BLOCK (PAGES * PAGE)
#define STACK_PAGES 4u
#define ADDRESS 0x0000fffffffff000ull
#define MAX_CPUS 8

static uint64_t *level1(void)
{
	uint64_t ttbr0;

	__asm__ volatile("mrs %0, ttbr0_el1" : "=r"(ttbr0));
	return (uint64_t *)(ttbr0 & ADDRESS);
}

static uint64_t *table_of(uint64_t entry)
{
	return (entry & 3) == 3 ? (uint64_t *)(entry & ADDRESS) : NULL;
}

/* The table of blocks of 2 MiB that an address is in. */
static uint64_t *level2(uintptr_t virt)
{
	return table_of(level1()[virt >> 30 & 511]);
}

static bool is_split(const void *virt)
{
	uint64_t *table = level2((uintptr_t)virt);

	return table && table_of(table[(uintptr_t)virt >> 21 & 511]);
}

/* @nr blocks of the linear map, whole. */
static char *blocks(unsigned int nr)
{
	char *pages = conformance_pages((nr + 1) * PAGES);
	uintptr_t first = ((uintptr_t)pages + BLOCK - 1) & ~(BLOCK - 1);

	if (!pages)
		return NULL;
	for (unsigned int i = 0; i < nr; i++)
		CHECK(!is_split((char *)first + i * BLOCK));
	return (char *)first;
}

static void remap(char *at, uint64_t nr)
{
	CHECK(berth_port_remap(conformance_phys(at), nr * PAGE, BERTH_MEMORY_UNCACHED) == at);
}

static void unremap(char *at, uint64_t nr)
{
	berth_port_unremap(at, conformance_phys(at), nr * PAGE);
}

/* From the page before @at to that behind. */
static void check_types(const char *at, uint64_t nr, int type)
{
	CHECK_EQUAL(type_at(at - 1, true), MEMORY_CACHED);
	for (uint64_t i = 0; i < nr; i++)
		if (!CHECK_EQUAL(type_at(at + i * PAGE, true), type))
			return;
	CHECK_EQUAL(type_at(at + nr * PAGE, true), MEMORY_CACHED);
}

static void fill(char *at, uint64_t nr, uint64_t seed)
{
	uint64_t *word = (uint64_t *)(void *)at;

	for (uint64_t i = 0; i < nr * PAGE / 8; i += 31)
		word[i] = seed + i;
}

static bool is_filled(const char *at, uint64_t nr, uint64_t seed)
{
	const uint64_t *word = (const uint64_t *)(const void *)at;

	for (uint64_t i = 0; i < nr * PAGE / 8; i += 31)
		if (word[i] != seed + i)
			return false;
	return true;
}

static const struct shape {
	unsigned int first, nr, splits;
} shapes[] = {
	{ 700, 1, 1 },	  { 512, 1, 1 },    { 1023, 1, 1 },   { 1023, 2, 2 },
	{ 512, 512, 0 },  { 513, 511, 1 },  { 512, 511, 1 },  { 768, 512, 2 },
	{ 512, 1024, 0 }, { 513, 1023, 1 }, { 511, 1026, 2 }, { 600, 100, 1 },
};

/* A page, a part, a whole block, several: the rest stays, and all is as before afterwards. */
static void test_shapes(void)
{
	char *four = blocks(4);
	uint32_t before = conformance_tables();

	for (unsigned int i = 0; four && i < ARRAY_SIZE(shapes); i++) {
		char *at = four + shapes[i].first * PAGE;

		fill(four, 4 * PAGES, i);
		remap(at, shapes[i].nr);
		check_types(at, shapes[i].nr, MEMORY_UNCACHED);
		CHECK_EQUAL(conformance_tables(), before + shapes[i].splits);
		CHECK_EQUAL(is_split(at), at != four + BLOCK || shapes[i].nr < PAGES);
		CHECK(is_filled(four, 4 * PAGES, i));
		fill(at, shapes[i].nr, 50 + i);
		unremap(at, shapes[i].nr);
		check_types(at, shapes[i].nr, MEMORY_CACHED);
		CHECK(is_filled(at, shapes[i].nr, 50 + i));
		for (unsigned int j = 0; j < 4; j++)
			CHECK(!is_split(four + j * BLOCK));
		CHECK_EQUAL(conformance_tables(), before);
	}
}

/* What cannot be had is not had by halves. */
static void test_no_tables(void)
{
	char *four = blocks(4);
	uint32_t before = conformance_tables();

	for (unsigned int i = 0; four && i < ARRAY_SIZE(shapes); i++) {
		char *at = four + shapes[i].first * PAGE;

		fill(four, 4 * PAGES, i);
		for (unsigned int left = 0; left < shapes[i].splits; left++) {
			conformance_tables_limit(left);
			CHECK(!berth_port_remap(conformance_phys(at), shapes[i].nr * PAGE,
						BERTH_MEMORY_UNCACHED));
			CHECK_EQUAL(conformance_tables(), before);
			check_types(at, shapes[i].nr, MEMORY_CACHED);
			CHECK(!is_split(at) && is_filled(four, 4 * PAGES, i));
		}
		conformance_tables_limit(shapes[i].splits);
		remap(at, shapes[i].nr);
		conformance_tables_limit(0);
		unremap(at, shapes[i].nr);
		conformance_tables_limit(UINT32_MAX);
		CHECK_EQUAL(conformance_tables(), before);
	}
}

/* A block of another type, of many parts, comes apart when no table can be had. */
static void test_parts(void)
{
	char *block = blocks(1);
	uint32_t before = conformance_tables();

	for (unsigned int size = 1; block && size <= PAGES / 2; size *= 16) {
		for (unsigned int i = 0; i < PAGES; i += size) {
			CHECK(!i || is_split(block));
			remap(block + i * PAGE, size);
		}
		CHECK(!is_split(block));
		CHECK_EQUAL(conformance_tables(), before + 1);
		check_types(block, PAGES, MEMORY_UNCACHED);
		conformance_tables_limit(0);
		for (unsigned int i = 0; i < PAGES; i += size) {
			unsigned int at = (i * 5 + 3 * size) % PAGES;

			unremap(block + at * PAGE, size);
			CHECK_EQUAL(type_at(block + at * PAGE, true), MEMORY_CACHED);
			CHECK_EQUAL(is_split(block), i + size < PAGES);
		}
		conformance_tables_limit(UINT32_MAX);
		CHECK_EQUAL(conformance_tables(), before);
	}
}

/* The entry of the block that is split lies in the block itself. */
static void test_tables_inside(void)
{
	uintptr_t table = (uintptr_t)level2(berth_port_linear.virt);
	uintptr_t block = table & ~(BLOCK - 1);
	char *page = conformance_pages(1);
	uint32_t before = conformance_tables();

	if (((uintptr_t)page & ~(BLOCK - 1)) != block) {
		conformance_skip("the map's tables fill that block");
		return;
	}
	CHECK((uintptr_t)level2(table) == table && !is_split(page));
	for (unsigned int i = 0; i < 20; i++) {
		fill(page, 1, i);
		remap(page, 1);
		CHECK(is_split(page) && is_filled(page, 1, i));
		check_types(page, 1, MEMORY_UNCACHED);
		unremap(page, 1);
		CHECK(!is_split(page) && is_filled(page, 1, i));
	}
	CHECK_EQUAL(conformance_tables(), before);
}

/* Call a function on a stack of the test's. */
static void call_on(char *stack_end, void (*fn)(void *), void *arg)
{
	register void *x0 __asm__("x0") = arg;

	__asm__ volatile("mov x19, sp\n\tmov sp, %1\n\tblr %2\n\tmov sp, x19"
			 : "+r"(x0)
			 : "r"(stack_end), "r"(fn)
			 : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",
			   "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x30", "cc",
			   "memory");
}

static void split_often(void *arg)
{
	char *page = arg;

	for (unsigned int i = 0; i < 300; i++) {
		remap(page, 1);
		unremap(page, 1);
	}
}

/* The stack of who changes the block lies in it, with interrupts. */
static void test_stack_inside(void)
{
	char *block = blocks(1);

	if (!block)
		return;
	berth_port_alarm(berth_port_now() + 100000);
	call_on(block + STACK_PAGES * PAGE, split_often, block + 100 * PAGE);
	berth_port_alarm(UINT64_MAX);
	CHECK(!is_split(block));
}

/* What the CPUs do around a page that is changed and changed again. */
static struct {
	char *block;
	bool (*work)(unsigned int cpu, uint64_t turn);
	uint32_t is_over, wrong, ready;
	uint64_t turns[MAX_CPUS];
	uint64_t *shared;
	uint32_t lock;
} others;

static void work_until_over(void *arg)
{
	unsigned int cpu = (unsigned int)(uintptr_t)arg;
	uint64_t turn = 0, thread;

	/* Where compilers keep the place of thread-local variables: the program's. */
	__asm__ volatile("msr tpidr_el0, %0" ::"r"(0x7710ull + cpu));
	__atomic_add_fetch(&others.ready, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&others.is_over, __ATOMIC_ACQUIRE))
		if (!others.work(cpu, turn++))
			__atomic_add_fetch(&others.wrong, 1, __ATOMIC_RELAXED);
	__asm__ volatile("mrs %0, tpidr_el0" : "=r"(thread));
	CHECK_EQUAL(thread, 0x7710ull + cpu);
	__atomic_store_n(&others.turns[cpu], turn, __ATOMIC_RELEASE);
}

static void work_in_block(void *arg)
{
	unsigned int cpu = (unsigned int)(uintptr_t)arg;

	call_on(others.block + (cpu + 1) * STACK_PAGES * PAGE, work_until_over, arg);
}

static unsigned int start_others(char *block, void (*run)(void *),
				 bool (*work)(unsigned int cpu, uint64_t turn))
{
	unsigned int nr = berth_cpu_count();

	others.block = block;
	others.work = work;
	others.is_over = others.wrong = others.ready = 0;
	others.shared = (uint64_t *)(void *)(block + 511 * PAGE);
	others.shared[0] = 0;
	if (nr < 2)
		conformance_skip("there is no other CPU");
	for (unsigned int cpu = 1; cpu < nr; cpu++)
		CHECK_EQUAL(berth_cpu_start(cpu, run, (void *)(uintptr_t)cpu), 0);
	while (__atomic_load_n(&others.ready, __ATOMIC_SEQ_CST) < nr - 1)
		berth_port_relax();
	return nr;
}

static void stop_others(unsigned int nr)
{
	uint64_t turns = 0;

	__atomic_store_n(&others.is_over, 1, __ATOMIC_RELEASE);
	for (unsigned int cpu = 1; cpu < nr; cpu++) {
		berth_cpu_join(cpu);
		turns += others.turns[cpu];
	}
	CHECK_EQUAL(others.wrong, 0);
	if (others.work && others.shared[0])
		CHECK_EQUAL(others.shared[0], turns);
}

/* Stores, loads, an atomic counter, and cache maintenance. */
static bool use_neighbours(unsigned int cpu, uint64_t turn)
{
	char *page = others.block + (200 + cpu * 2) * PAGE;
	unsigned long flags;

	fill(page, 1, turn);
	flags = turn & 1 ? berth_port_irq_save() : 0;
	__atomic_add_fetch(&others.shared[0], 1, __ATOMIC_RELAXED);
	if (turn & 1)
		berth_port_irq_restore(flags);
	berth_port_cache_clean(conformance_phys(page), PAGE);
	if (!(turn % 64))
		berth_port_alarm(berth_port_now() + 50000);
	return is_filled(page, 1, turn);
}

/* Each has a page of its own in the block, which it changes as well. */
static bool change_too(unsigned int cpu, uint64_t turn)
{
	char *page = others.block + (300 + cpu * 3) * PAGE;
	bool is_right;

	fill(page, 1, turn);
	if (berth_port_remap(conformance_phys(page), PAGE, BERTH_MEMORY_UNCACHED) != page)
		return false;
	is_right = type_at(page, true) != MEMORY_CACHED && is_filled(page, 1, turn);
	fill(page, 1, turn + 7);
	unremap(page, 1);
	return is_right && is_filled(page, 1, turn + 7);
}

static void change_while(void (*run)(void *), bool (*work)(unsigned int cpu, uint64_t turn),
			 unsigned int turns)
{
	char *block = blocks(1);
	uint32_t before = conformance_tables();
	unsigned int nr;

	if (!block)
		return;
	nr = start_others(block, run, work);
	for (unsigned int i = 0; i < turns; i++) {
		char *page = block + (100 + i % 7) * PAGE;

		fill(page, 1, i);
		remap(page, 1);
		CHECK(is_filled(page, 1, i));
		fill(page, 1, i + 1);
		unremap(page, 1);
		CHECK(is_filled(page, 1, i + 1));
	}
	stop_others(nr);
	berth_port_alarm(UINT64_MAX);
	CHECK(!is_split(block));
	CHECK_EQUAL(conformance_tables(), before);
}

static void test_others(void)
{
	change_while(work_until_over, use_neighbours, 400);
	change_while(work_in_block, use_neighbours, 400);
}

static void test_others_change(void)
{
	change_while(work_until_over, change_too, 40);
	change_while(work_in_block, change_too, 40);
}

/* It waits with interrupts away for a lock of who changes the block. */
static bool wait_for_lock(unsigned int cpu, uint64_t turn)
{
	unsigned long flags = berth_port_irq_save();

	while (__atomic_exchange_n(&others.lock, 1, __ATOMIC_ACQUIRE))
		berth_port_relax();
	fill(others.block + cpu * PAGE, 1, turn);
	__atomic_store_n(&others.lock, 0, __ATOMIC_RELEASE);
	berth_port_irq_restore(flags);
	berth_port_relax();
	return true;
}

static void test_under_lock(void)
{
	char *block = blocks(1);
	unsigned int nr;

	if (!block)
		return;
	nr = start_others(block, work_until_over, wait_for_lock);
	for (unsigned int i = 0; i < 50; i++) {
		unsigned long flags = berth_port_irq_save();

		while (__atomic_exchange_n(&others.lock, 1, __ATOMIC_ACQUIRE))
			berth_port_relax();
		remap(block + 100 * PAGE, 1);
		unremap(block + 100 * PAGE, 1);
		__atomic_store_n(&others.lock, 0, __ATOMIC_RELEASE);
		berth_port_irq_restore(flags);
	}
	stop_others(nr);
}

const struct conformance_test aarch64_blocks[NR_AARCH64_BLOCKS] = {
	{ "aarch64: a block is split for its parts, and joined", test_shapes },
	{ "aarch64: without tables nothing changes", test_no_tables },
	{ "aarch64: a block that became one by parts comes apart", test_parts },
	{ "aarch64: a block is split that has its own entry in it", test_tables_inside },
	{ "aarch64: a block is split that has the stack in it", test_stack_inside },
	{ "aarch64: other CPUs use a block that is split and joined", test_others },
	{ "aarch64: several CPUs split and join the same block", test_others_change },
	{ "aarch64: a block is split while others wait with interrupts away", test_under_lock },
};
