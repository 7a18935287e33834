/* SPDX-License-Identifier: BSD-2-Clause */
/* What is kept from the page allocator, and that it is given all the rest. */
#include "machine.h"

#include <berth/gfp.h>
#include <berth/highmem.h>
#include <berth/io.h>
#include <berth/memblock.h>

#include "fdt.h"

#define MIB 0x100000ull
#define RAM 0x80000000ull
#define SECOND 0x90000000ull

static struct fdt fdt;

static void begin(void)
{
	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, RAM, 0, 8 * MIB, 0, SECOND, 0, 8 * MIB);
	fdt_end(&fdt);
	fdt_begin(&fdt, "reserved-memory");
	fdt_cells(&fdt, "#address-cells", 2);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_flag(&fdt, "ranges");
}

static void fixed(const char *name, uint64_t base, uint64_t size, const char *flag)
{
	fdt_begin(&fdt, name);
	fdt_cells(&fdt, "reg", 0, (uint32_t)base, 0, (uint32_t)size);
	if (flag)
		fdt_flag(&fdt, flag);
	fdt_end(&fdt);
}

static const void *finish(void)
{
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

/* Each page that can be had is memory that nobody has reserved, and as many as were promised. */
static void check_hand_over(void)
{
	static struct page *pages[4097];
	struct berth_memory_info info, empty;
	unsigned int nr = 0;

	berth_memory_info(&info);
	assert_int_equal(info.total, memblock_phys_mem_size());
	assert_int_equal(info.free + info.used + info.reserved, info.total);
	while ((pages[nr] = alloc_page(GFP_KERNEL | __GFP_HIGHMEM))) {
		phys_addr_t phys = page_to_phys(pages[nr++]);

		assert_true(memblock_is_memory(phys));
		assert_false(memblock_is_region_reserved(phys, PAGE_SIZE));
		assert_true(PageHighMem(pages[nr - 1]) || virt_addr_valid(phys_to_virt(phys)));
	}
	/* What kmalloc() keeps for the next object is given back when there is nothing else. */
	assert_in_range((uint64_t)nr << PAGE_SHIFT, info.free, info.free + info.slab);
	berth_memory_info(&empty);
	assert_int_equal(empty.free, 0);
	while (nr)
		__free_page(pages[--nr]);
	berth_clear_error();
}

static void fixed_ones_keep_their_place(void **state)
{
	(void)state;
	begin();
	fixed("plain@80200000", RAM + 2 * MIB + 100, MIB, NULL);
	fixed("hidden@80400000", RAM + 4 * MIB, MIB, "no-map");
	fixed("beside", SECOND - 2 * MIB, MIB, "no-map");
	must_start(finish(), NULL, NULL);
	assert_int_equal(berth_page_use(PFN_DOWN(RAM + 2 * MIB)), BERTH_PAGE_RESERVED);
	/* The page that it only touches at the end, too. */
	assert_int_equal(berth_page_use(PFN_DOWN(RAM + 3 * MIB)), BERTH_PAGE_RESERVED);
	assert_true(virt_addr_valid(phys_to_virt(RAM + 2 * MIB)));
	assert_false(virt_addr_valid(phys_to_virt(RAM + 4 * MIB)));
	assert_false(virt_addr_valid(phys_to_virt(RAM + 5 * MIB - 1)));
	assert_true(virt_addr_valid(phys_to_virt(RAM + 5 * MIB)));
	assert_int_equal(berth_page_use(PFN_DOWN(RAM + 4 * MIB)), BERTH_PAGE_RESERVED);
	check_hand_over();
	must_stop();
}

static void others_are_placed_where_they_may(void **state)
{
	phys_addr_t at = 0;
	void *virt;

	(void)state;
	begin();
	/* The first range is taken, the second too small, the third is it. */
	fixed("taken@80100000", RAM + MIB, 2 * MIB, NULL);
	fdt_begin(&fdt, "placed");
	fdt_cells(&fdt, "size", 0, 0x40000);
	fdt_cells(&fdt, "alignment", 0, 0x40000);
	fdt_cells(&fdt, "alloc-ranges", 0, RAM + MIB, 0, 2 * MIB, 0, RAM + 4 * MIB + 4096, 0,
		  0x40000, 0, SECOND + MIB + 4096, 0, 0x80000);
	fdt_flag(&fdt, "no-map");
	fdt_end(&fdt);
	must_start(finish(), NULL, NULL);
	for (phys_addr_t phys = RAM; phys < SECOND + 8 * MIB; phys += 0x40000)
		if (memblock_is_memory(phys) && !virt_addr_valid(phys_to_virt(phys))) {
			assert_int_equal(at, 0);
			at = phys;
		}
	assert_int_equal(at, SECOND + MIB + 0x40000);
	virt = memremap(at, 0x40000, MEMREMAP_WC);
	assert_non_null(virt);
	memunmap(virt);
	check_hand_over();
	must_stop();
}

/* Whoever reserved it first, a loader for one, goes on using it: the linear map keeps it. */
static void what_is_reserved_is_not_hidden(void **state)
{
	(void)state;
	begin();
	fixed("first@80200000", RAM + 2 * MIB, MIB, NULL);
	fixed("second@80280000", RAM + 2 * MIB + 0x80000, MIB, "no-map");
	must_start(finish(), NULL, NULL);
	assert_true(virt_addr_valid(phys_to_virt(RAM + 2 * MIB + 0x80000)));
	assert_true(virt_addr_valid(phys_to_virt(RAM + 3 * MIB)));
	assert_true(memblock_is_region_reserved(RAM + 3 * MIB + 0x7f000, 1));
	assert_false(memblock_is_region_reserved(RAM + 3 * MIB + 0x80000, 1));
	check_hand_over();
	must_stop();
}

static void limits_cut_through_banks(void **state)
{
	struct berth_memory_info info;
	const void *tree;
	void *virt;

	(void)state;
	begin();
	fixed("above@90400000", SECOND + 4 * MIB, MIB, NULL);
	fixed("hidden@90600000", SECOND + 6 * MIB, MIB, "no-map");
	tree = finish();
	must_start(tree, NULL, "mem=10M highmem=3M");
	berth_memory_info(&info);
	assert_int_equal(info.total, 10 * MIB);
	assert_int_equal(info.high, 3 * MIB);
	assert_true(virt_addr_valid(phys_to_virt(RAM + 7 * MIB - 1)));
	assert_false(virt_addr_valid(phys_to_virt(RAM + 7 * MIB)));
	assert_true(PageHighMem(phys_to_page(RAM + 7 * MIB)));
	assert_true(PageHighMem(phys_to_page(SECOND + 2 * MIB - 1)));
	assert_null(phys_to_page(SECOND + 2 * MIB));
	check_hand_over();
	/* What is above belongs to nobody, reserved or not. */
	virt = memremap(SECOND + 2 * MIB, 6 * MIB, MEMREMAP_WB);
	assert_non_null(virt);
	memunmap(virt);
	must_stop();

	must_start(tree, NULL, "mem=1G highmem=0");
	berth_memory_info(&info);
	assert_int_equal(info.total, 16 * MIB);
	assert_int_equal(info.high, 0);
	must_stop();
}

static void nothing_left_is_an_error(void **state)
{
	(void)state;
	begin();
	fixed("all", RAM, 0x20000000, "no-map");
	assert_int_not_equal(start_tree(finish(), NULL, NULL), 0);
	assert_int_not_equal(berth_last_error()->reason, BERTH_REASON_NONE);
	begin();
	fixed("all", RAM, 0x20000000, NULL);
	assert_int_not_equal(start_tree(finish(), NULL, NULL), 0);
	assert_reason(BERTH_REASON_OUT_OF_MEMORY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed_ones_keep_their_place),
		cmocka_unit_test(others_are_placed_where_they_may),
		cmocka_unit_test(what_is_reserved_is_not_hidden),
		cmocka_unit_test(limits_cut_through_banks),
		cmocka_unit_test(nothing_left_is_an_error),
	};

	return cmocka_run_group_tests_name("reservations", tests, NULL, NULL);
}
