/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One memory type for each page, as the MMU itself says (AT, PAR_EL1), of every address that shows it:
 * the three ways to memory that is not cached, what is refused, blocks of 1 GiB that come apart and
 * together again, also when an allocation fails on the way, and on all CPUs at once. For 3 GiB of RAM.
 */
#include <berth/aarch64.h>
#include <berth/berth.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/highmem.h>
#include <berth/io.h>
#include <berth/slab.h>
#include <berth/spinlock.h>
#include <berth/test.h>
#include <berth/vmalloc.h>

#include "mm/internal.h"

#define MIB 0x100000ul
#define GIB 0x40000000ul
#define RAM GIB
#define END (4 * GIB)
#define CACHED 0xff
#define UNCACHED 0x44
#define DEVICE 0x04
#define NOT_MAPPED (-1)
#define MAX_CPUS 8

static unsigned int failed, number;
static struct device dev;

static void put(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	berth_port_print(text, length);
}

static void put_number(uint64_t value)
{
	char digits[24] = { 0 }, *at = digits + sizeof(digits) - 1;

	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	put(at);
}

static bool is_right(bool holds, int line, const char *what)
{
	if (!holds) {
		put("# line ");
		put_number((uint64_t)line);
		put(": does not hold: ");
		put(what);
		put("\n");
	}
	return holds;
}

/* Goes on; what is false makes the whole test fail. */
#define CHECK(condition) (good &= is_right(!!(condition), __LINE__, #condition))

static void result(bool holds, const char *what)
{
	put(holds ? "ok " : "not ok ");
	put_number(++number);
	put(" - ");
	put(what);
	put("\n");
	failed += !holds;
}

static int type_at(const volatile void *virt)
{
	uint64_t par;

	__asm__ volatile("at s1e1r, %1\n\tisb\n\tmrs %0, par_el1"
			 : "=r"(par)
			 : "r"(virt)
			 : "memory");
	return par & 1 ? NOT_MAPPED : (int)(par >> 56);
}

static int linear_type(phys_addr_t phys)
{
	return type_at((const void *)(uintptr_t)phys);
}

/* This file's own walk of the tables. */

static uint64_t *table_of(uint64_t entry)
{
	return (entry & 3) == 3 ? (uint64_t *)(entry & 0x0000fffffffff000ull) : NULL;
}

static uint64_t *level1(void)
{
	uint64_t ttbr0;

	__asm__ volatile("mrs %0, ttbr0_el1" : "=r"(ttbr0));
	return table_of(ttbr0 | 3);
}

/* What shows an address: 1 << 30, 21 or 12 bytes. */
static unsigned int shift_at(phys_addr_t phys)
{
	uint64_t *table = table_of(level1()[phys >> 30 & 511]);

	if (!table)
		return 30;
	return table_of(table[phys >> 21 & 511]) ? 12 : 21;
}

static unsigned int count_tables(void)
{
	unsigned int nr = 0;

	for (unsigned int i = 1; i < 512; i++) {
		uint64_t *table = table_of(level1()[i]);

		nr += table != NULL;
		for (unsigned int j = 0; table && j < 512; j++)
			nr += table_of(table[j]) != NULL;
	}
	return nr;
}

/* Whether all is as it was. */
struct state {
	uint64_t leaked, tables, lent;
};

static struct state look(void)
{
	struct berth_memory_info info;

	berth_memory_info(&info);
	return (struct state){ berth_mm_leaked(), count_tables(), info.tables };
}

static bool is_as(struct state before)
{
	struct state now = look();
	bool good = true;

	CHECK(now.leaked == before.leaked);
	CHECK(now.tables == before.tables);
	CHECK(now.lent == before.lent);
	return good;
}

static bool is_refused(const void *mapping)
{
	bool good = !mapping && berth_last_error()->reason == BERTH_REASON_MAPPING &&
		    berth_last_error()->address;

	berth_clear_error();
	return good;
}

/* Small prime steps: a word here and there of each page. */
static void fill(volatile uint64_t *at, uint64_t size, uint64_t seed)
{
	for (uint64_t i = 0; i < size / 8; i += 127)
		at[i] = seed + i;
}

static bool is_filled(const volatile uint64_t *at, uint64_t size, uint64_t seed)
{
	for (uint64_t i = 0; i < size / 8; i += 127)
		if (at[i] != seed + i)
			return false;
	return true;
}

static bool is_of_blocks(void)
{
	bool good = true;

	CHECK(shift_at((uintptr_t)is_of_blocks) == 12); /* text */
	CHECK(shift_at(RAM + 64 * MIB) == 21);
	CHECK(shift_at(2 * GIB) == 30);
	CHECK(linear_type(2 * GIB) == CACHED);
	CHECK(linear_type(END - 4096) == NOT_MAPPED); /* high memory */
	return good;
}

/* Every address of a buffer. */
static bool types_are(const void *virt, uint64_t size, int type)
{
	const char *at = virt;

	for (uint64_t i = 0; i < size; i += PAGE_SIZE)
		if (type_at(at + i) != type ||
		    linear_type((uintptr_t)page_address(virt_to_page(at + i))) != type)
			return false;
	return true;
}

/* The kernel's own mapping is changed: for a device that does not see the caches. */
static bool coherent_memory(size_t size, unsigned long attrs)
{
	struct state before = look();
	struct vm_area_struct vma;
	struct page *page;
	dma_addr_t addr;
	bool good = true;
	uint64_t *virt = dma_alloc_attrs(&dev, size, &addr, GFP_KERNEL, attrs);

	if (!virt)
		return false;
	page = virt_to_page(virt);
	CHECK(types_are(virt, size, UNCACHED));
	CHECK(linear_type(page_to_phys(page)) == UNCACHED);
	CHECK(linear_type(page_to_phys(page) + PAGE_ALIGN(size)) != UNCACHED);
	fill(virt, size, 5);
	/* A second address of its type, and none of another. */
	CHECK(!berth_vma_reserve(&vma, size, 0) &&
	      !dma_mmap_attrs(&dev, &vma, virt, addr, size, attrs));
	CHECK(type_at((void *)vma.vm_start) == UNCACHED);
	CHECK(is_filled((uint64_t *)vma.vm_start, size, 5));
	CHECK(is_refused(vmap(&page, 1, VM_MAP, PAGE_KERNEL)));
	CHECK(is_refused(vmap(&page, 1, VM_MAP, pgprot_writecombine(PAGE_KERNEL))));
	CHECK(is_refused(memremap(page_to_phys(page), 64, MEMREMAP_WB)));
	CHECK(is_refused(memremap(page_to_phys(page), 64, MEMREMAP_WC)));
	CHECK(is_refused(ioremap(page_to_phys(page), 64)));
	CHECK(!berth_port_remap(page_to_phys(page), PAGE_SIZE, BERTH_MEMORY_UNCACHED));
	berth_vma_release(&vma);
	CHECK(type_at((void *)vma.vm_start) == NOT_MAPPED);
	CHECK(is_filled(virt, size, 5));
	dma_free_attrs(&dev, size, virt, addr, attrs);
	CHECK(types_are(virt, size, CACHED));
	CHECK(is_as(before));
	return good;
}

/* Cached pages of the linear map are shown cached elsewhere, or not at all. */
static bool cached_pages(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	bool good = page != NULL;
	void *map;

	CHECK(is_refused(vmap(&page, 1, VM_MAP, pgprot_noncached(PAGE_KERNEL))));
	CHECK(is_refused(vmap(&page, 1, VM_MAP, pgprot_writecombine(PAGE_KERNEL))));
	CHECK(is_refused(ioremap_wc(page_to_phys(page), PAGE_SIZE)));
	CHECK(is_refused(memremap(page_to_phys(page), PAGE_SIZE, MEMREMAP_WT)));
	map = vmap(&page, 1, VM_MAP, PAGE_KERNEL);
	CHECK(map && type_at(map) == CACHED && linear_type(page_to_phys(page)) == CACHED);
	vunmap(map);
	__free_page(page);
	return good;
}

/* Memory that the kernel's map does not show: high memory, one type at a time. */
static bool high_memory(void)
{
	struct state before = look();
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_HIGHMEM, 0);
	bool good = page && PageHighMem(page);
	void *map, *local;

	if (!good)
		return false;
	map = vmap(&page, 1, VM_MAP, pgprot_writecombine(PAGE_KERNEL));
	CHECK(map && type_at(map) == UNCACHED);
	CHECK(linear_type(page_to_phys(page)) == NOT_MAPPED);
	CHECK(is_refused(kmap_local_page(page)));
	CHECK(is_refused(vmap(&page, 1, VM_MAP, PAGE_KERNEL)));
	fill(map, PAGE_SIZE, 8);
	vunmap(map);
	local = kmap_local_page(page);
	CHECK(local && type_at(local) == CACHED && is_filled(local, PAGE_SIZE, 8));
	CHECK(is_refused(vmap(&page, 1, VM_MAP, pgprot_noncached(PAGE_KERNEL))));
	kunmap_local(local);
	CHECK(type_at(local) == NOT_MAPPED);
	__free_page(page);
	CHECK(is_as(before));
	return good;
}

/* Memory that nobody maps: what mem= leaves out, like a no-map reservation, as a device's pool. */
static bool left_out(phys_addr_t phys)
{
	struct state before = look();
	bool good = true;
	dma_addr_t addr;
	uint64_t *virt;

	CHECK(linear_type(phys) == NOT_MAPPED && shift_at(phys) >= 21);
	virt = memremap(phys + 0x5000, 4 * MIB, MEMREMAP_WB);
	CHECK(virt && type_at(virt) == CACHED && linear_type(phys + 0x5000) == NOT_MAPPED);
	CHECK(shift_at(phys) == 12 && look().tables > before.tables);
	CHECK(is_refused(ioremap(phys + 0x6000, 4096)));
	CHECK(is_refused(memremap(phys + 0x6000, 4096, MEMREMAP_WC)));
	fill(virt, 4 * MIB, 3);
	memunmap(virt);
	CHECK(is_as(before));
	virt = memremap(phys + 0x5000, 4 * MIB, MEMREMAP_WC);
	CHECK(virt && type_at(virt) == UNCACHED && is_filled(virt, 4 * MIB, 3));
	memunmap(virt);

	CHECK(!dma_declare_coherent_memory(&dev, phys, phys, MIB));
	virt = dma_alloc_coherent(&dev, 8192, &addr, GFP_KERNEL);
	CHECK(virt && addr >= phys && addr < phys + MIB && type_at(virt) == UNCACHED);
	CHECK(linear_type(addr) == NOT_MAPPED);
	CHECK(is_refused(memremap(addr, 4096, MEMREMAP_WB)));
	dma_free_coherent(&dev, 8192, virt, addr);
	dma_release_coherent_memory(&dev);
	CHECK(type_at(virt) == NOT_MAPPED);
	CHECK(is_as(before));
	return good;
}

static const struct shape {
	unsigned int first, nr, splits;
} shapes[] = {
	{ 0, 1, 2 },	 { 511, 1, 2 },	  { 77, 1, 2 },	  { 511, 2, 3 },
	{ 512, 512, 1 }, { 256, 512, 3 }, { 0, 2048, 1 }, { 100, 1500, 3 },
};

/* In a block of 1 GiB; every allocation of a page for tables fails once. */
static bool block_of_a_gib(void)
{
	struct page *pages = berth_alloc_pages_below(GFP_KERNEL, 11, 3 * GIB);
	phys_addr_t phys = pages ? page_to_phys(pages) : 0;
	struct state before = look();
	bool good = phys >= 2 * GIB && shift_at(phys) == 30;

	for (unsigned int i = 0; good && i < ARRAY_SIZE(shapes); i++) {
		struct page *first = pages + shapes[i].first;
		uint64_t size = shapes[i].nr * PAGE_SIZE;
		unsigned int nth = 0;
		char *at = page_address(first), *virt;

		fill(page_address(pages), 8 * MIB, i);
		do {
			berth_test_fail_nth(++nth);
			virt = berth_pages_remap(first, shapes[i].nr, BERTH_MEMORY_WRITE_COMBINE);
			CHECK(!virt == berth_test_failed());
			if (!virt)
				CHECK(is_as(before) && shift_at(phys) == 30);
		} while (!virt && nth < 10);
		berth_test_fail_nth(0);
		CHECK(virt == at && nth == shapes[i].splits + 1);
		CHECK(look().tables == before.tables + shapes[i].splits);
		CHECK(types_are(virt, size, UNCACHED));
		CHECK(type_at(at - 1) == CACHED && type_at(at + size) == CACHED);
		CHECK(shift_at((uintptr_t)at) ==
		      (shapes[i].nr % 512 || shapes[i].first % 512 ? 12 : 21));
		CHECK(is_filled(page_address(pages), 8 * MIB, i));
		berth_pages_unremap(virt, first, shapes[i].nr);
		CHECK(types_are(at, size, CACHED) && is_filled(page_address(pages), 8 * MIB, i));
		CHECK(is_as(before) && shift_at(phys) == 30);
	}
	if (pages)
		__free_pages(pages, 11);
	return good;
}

/* Every allocation on the way to a buffer fails once. */
static bool buffers_fail(void)
{
	struct state before;
	bool good = true, has_failed = true;
	unsigned int refused = 0;
	dma_addr_t addr;
	void *virt;

	dma_free_coherent(&dev, 4096, dma_alloc_coherent(&dev, 4096, &addr, GFP_KERNEL), addr);
	before = look();
	for (unsigned int nth = 1; has_failed && nth < 50; nth++) {
		berth_test_fail_nth(nth);
		virt = dma_alloc_coherent(&dev, 3 * MIB, &addr, GFP_KERNEL);
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		refused += !virt && berth_last_error()->reason == BERTH_REASON_MAPPING;
		if (virt) {
			CHECK(types_are(virt, 3 * MIB, UNCACHED));
			dma_free_coherent(&dev, 3 * MIB, virt, addr);
		}
		CHECK(is_as(before));
	}
	/* Once by what splits the block. */
	CHECK(!has_failed && refused == 1);
	return good;
}

/* All CPUs take buffers and other memory around them. */
static struct {
	spinlock_t lock;
	uint32_t ready, wrong;
	unsigned int nr;
} all;

/* Another CPU may be replacing the entry at this moment. */
static int type_soon(const void *virt)
{
	int type = NOT_MAPPED;

	for (unsigned int i = 0; type == NOT_MAPPED && i < 1000000; i++)
		type = type_at(virt);
	return type;
}

static bool one_round(unsigned int cpu, unsigned int round)
{
	size_t size = PAGE_SIZE << (cpu + round) % 5;
	bool is_atomic = round % 4 == 3, good = true;
	unsigned long flags = 0;
	dma_addr_t addr;
	uint64_t *near = kmalloc(PAGE_SIZE, GFP_KERNEL), *virt;

	if (!near)
		return false;
	fill(near, PAGE_SIZE, cpu + round);
	if (is_atomic)
		spin_lock_irqsave(&all.lock, flags);
	virt = dma_alloc_attrs(&dev, size, &addr, is_atomic ? GFP_ATOMIC : GFP_KERNEL,
			       round & 1 ? DMA_ATTR_WRITE_COMBINE : 0);
	if (is_atomic)
		spin_unlock_irqrestore(&all.lock, flags);
	CHECK(virt && type_soon(virt) == UNCACHED && !virt[size / 8 - 1]);
	CHECK(is_filled(near, PAGE_SIZE, cpu + round));
	if (virt) {
		fill(virt, size, cpu);
		CHECK(is_filled(virt, size, cpu));
		dma_free_attrs(&dev, size, virt, addr, round & 1 ? DMA_ATTR_WRITE_COMBINE : 0);
	}
	kfree(near);
	return good;
}

static void rounds(void *arg)
{
	unsigned int cpu = (unsigned int)(uintptr_t)arg;

	__atomic_add_fetch(&all.ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&all.ready, __ATOMIC_SEQ_CST) < all.nr)
		berth_port_relax();
	for (unsigned int i = 0; i < 60; i++)
		if (!one_round(cpu, i))
			__atomic_add_fetch(&all.wrong, 1, __ATOMIC_RELAXED);
}

static bool on_all_cpus(void)
{
	struct state before = look();
	bool good = true;

	all.ready = all.wrong = 0;
	all.nr = berth_cpu_count();
	for (unsigned int cpu = 1; cpu < all.nr; cpu++)
		CHECK(!berth_cpu_start(cpu, rounds, (void *)(uintptr_t)cpu));
	rounds(NULL);
	for (unsigned int cpu = 1; cpu < all.nr; cpu++)
		berth_cpu_join(cpu);
	CHECK(!all.wrong);
	/* Other slots hold memory of theirs, and the atomic pool may have grown. */
	CHECK(count_tables() - look().lent / PAGE_SIZE == before.tables - before.lent / PAGE_SIZE);
	return good;
}

static bool start(const char *bootargs)
{
	const struct berth_options options = { .bootargs = bootargs };

	if (berth_start(NULL, NULL, &options))
		return false;
	dev = (struct device){ 0 };
	if (device_register(&dev, "engine"))
		return false;
	berth_device_set_coherent(&dev, false);
	return true;
}

static bool stop(void)
{
	device_unregister(&dev);
	return !berth_stop();
}

int main(void)
{
	put("1..14\n");
	if (!start("highmem=512M")) {
		put("Bail out! berth_start\n");
		return 1;
	}
	result(is_of_blocks(), "the linear map is of blocks as large as there can be");
	result(coherent_memory(100, 0), "a small coherent buffer");
	result(coherent_memory(5 * MIB + 1, 0), "a large coherent buffer");
	result(coherent_memory(300000, DMA_ATTR_WRITE_COMBINE), "a write-combined buffer");
	result(cached_pages(), "pages of the linear map are cached, wherever they are seen");
	result(high_memory(), "high memory has one type at a time");
	result(block_of_a_gib(), "a block of 1 GiB comes apart and together, or stays whole");
	result(buffers_fail(), "a buffer that cannot be had leaves nothing behind");
	result(on_all_cpus(), "all CPUs at once");
	result(stop(), "nothing is left");

	/* So little that tables for all RAM would not fit. */
	if (!start("mem=8M")) {
		put("Bail out! mem=\n");
		return 1;
	}
	result(coherent_memory(20000, 0), "mem= of 8 MiB on 3 GiB: a coherent buffer");
	result(left_out(END - 64 * MIB),
	       "RAM that nobody maps takes tables only while it is mapped");
	result(left_out(2 * GIB - MIB), "the same across the border of a block of 1 GiB");
	result(stop(), "nothing is left again");
	return failed != 0;
}
