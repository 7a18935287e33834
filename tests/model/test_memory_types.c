/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory outside the linear map, and the rule that a page has one memory type at a time. */
#include "machine.h"

#include <berth/io.h>
#include <berth/mm.h>
#include <berth/slab.h>
#include <berth/test.h>

#include "fdt.h"
#include "model/model.h"

#define MIB 0x100000ull
#define RAM 0x80000000ull
#define NO_MAP (RAM + 4 * MIB)
#define ABOVE (RAM + 12 * MIB)
#define REGISTERS 0x10000000ull

static const struct model_device_type device_type = { .compatible = "test,memory" };

static int start(void **state)
{
	static struct fdt fdt;

	(void)state;
	model_add_type(&device_type);
	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, RAM, 0, 16 * MIB);
	fdt_end(&fdt);
	fdt_begin(&fdt, "reserved-memory");
	fdt_cells(&fdt, "#address-cells", 2);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_flag(&fdt, "ranges");
	fdt_begin(&fdt, "firmware@80400000");
	fdt_flag(&fdt, "no-map");
	fdt_cells(&fdt, "reg", 0, NO_MAP, 0, MIB);
	fdt_end(&fdt);
	fdt_end(&fdt);
	fdt_begin(&fdt, "device@10000000");
	fdt_text(&fdt, "compatible", "test,memory");
	fdt_cells(&fdt, "reg", 0, REGISTERS, 0, 0x2000);
	fdt_end(&fdt);
	must_start(fdt_finish(&fdt), NULL, "mem=12M");
	berth_clear_error();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	must_stop();
	return 0;
}

static uint64_t memory_at(phys_addr_t phys)
{
	return *(volatile uint64_t *)berth_model_memory(phys);
}

/* What is cached is in memory when the mapping has gone; what is not is there at once. */
static void each_way_leads_there(void **state)
{
	static const unsigned long ways[] = { MEMREMAP_WB, MEMREMAP_WT, MEMREMAP_WC, MEMREMAP_WB };
	const phys_addr_t places[] = { NO_MAP, ABOVE, RAM + 16 * MIB - 8 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		for (unsigned int way = 0; way < ARRAY_SIZE(ways); way++) {
			volatile uint64_t *word = memremap(places[i], 8, ways[way]);

			assert_non_null(word);
			assert_false(virt_addr_valid((void *)(uintptr_t)word));
			if (way)
				assert_int_equal(*word, 0x1234567800 + way - 1);
			*word = 0x1234567800 + way;
			if (ways[way] != MEMREMAP_WB)
				assert_int_equal(memory_at(places[i]), 0x1234567800 + way);
			memunmap((void *)(uintptr_t)word);
			assert_int_equal(memory_at(places[i]), 0x1234567800 + way);
			assert_reason(BERTH_REASON_NONE);
		}
}

static void a_page_has_one_type(void **state)
{
	uint64_t *cached = memremap(NO_MAP, 8192, MEMREMAP_WB), *again, *other;
	void __iomem *cookie;

	(void)state;
	assert_non_null(cached);
	assert_null(memremap(NO_MAP, 8, MEMREMAP_WC));
	assert_int_equal(berth_last_error()->address, NO_MAP);
	assert_reason(BERTH_REASON_MAPPING);
	/* The byte is another one, the page is not. */
	assert_null(memremap(NO_MAP + 8191, 1, MEMREMAP_WT));
	assert_reason(BERTH_REASON_MAPPING);
	assert_null(memremap(NO_MAP + 4096, MIB - 4096, MEMREMAP_WC));
	assert_reason(BERTH_REASON_MAPPING);
	assert_null(ioremap(NO_MAP, 8));
	assert_reason(BERTH_REASON_MAPPING);
	assert_null(ioremap_wc(NO_MAP, 8));
	assert_reason(BERTH_REASON_MAPPING);
	berth_clear_error();
	/* Beside it, and with the same type. */
	other = memremap(NO_MAP + 8192, 4096, MEMREMAP_WC);
	again = memremap(NO_MAP + 4096, 4096, MEMREMAP_WB);
	assert_true(other && again);
	cached[512] = 99;
	assert_int_equal(*(volatile uint64_t *)again, 99);
	/* Of several types that which can be had. */
	memunmap(cached);
	cached = memremap(NO_MAP, 4096, MEMREMAP_WC | MEMREMAP_WB);
	assert_non_null(cached);
	assert_null(memremap(NO_MAP + 4096, 8, MEMREMAP_WC));
	assert_reason(BERTH_REASON_MAPPING);
	memunmap(again);
	memunmap(cached);
	again = memremap(NO_MAP + 4096, 4096, MEMREMAP_WC);
	cached = memremap(NO_MAP + 4096, 8, MEMREMAP_WB | MEMREMAP_WC);
	assert_true(again && cached);
	*(volatile uint64_t *)cached = 5;
	assert_int_equal(memory_at(NO_MAP + 4096), 5);
	/* The types differ although neither is cached. */
	cookie = ioremap_wc(NO_MAP + 4096, 8);
	assert_non_null(cookie);
	assert_int_equal(readl(cookie), 5);
	assert_null(ioremap(NO_MAP + 4096, 8));
	assert_reason(BERTH_REASON_MAPPING);
	iounmap(cookie);
	memunmap(again);
	memunmap(cached);
	memunmap(other);
}

static void the_linear_map_has_its_own(void **state)
{
	char *object = kmalloc(100, GFP_KERNEL);
	phys_addr_t phys = virt_to_phys(object);

	(void)state;
	assert_ptr_equal(memremap(phys, 100, MEMREMAP_WB), object);
	assert_ptr_equal(memremap(phys, 100, MEMREMAP_WB | MEMREMAP_WC), object);
	memunmap(object);
	assert_reason(BERTH_REASON_NONE);
	assert_null(memremap(phys, 100, MEMREMAP_WC));
	assert_reason(BERTH_REASON_MAPPING);
	assert_null(memremap(phys, 100, MEMREMAP_WT));
	assert_reason(BERTH_REASON_MAPPING);
	assert_null(ioremap(phys, 100));
	assert_reason(BERTH_REASON_MAPPING);
	assert_null(ioremap_wc(phys, 100));
	assert_reason(BERTH_REASON_MAPPING);
	/* Half in it. */
	assert_null(memremap(NO_MAP - 4096, 8192, MEMREMAP_WB));
	assert_reason(BERTH_REASON_MAPPING);
	assert_null(memremap(ABOVE - 4096, 8192, MEMREMAP_WB));
	assert_reason(BERTH_REASON_MAPPING);
	kfree(object);
}

/* mem= leaves memory to others: nobody is given any of it, but it can be reached. */
static void what_is_left_out_is_there(void **state)
{
	struct berth_memory_info info;
	char __iomem *cookie;

	(void)state;
	berth_memory_info(&info);
	assert_int_equal(info.total, 12 * MIB);
	assert_null(phys_to_page(ABOVE));
	assert_int_equal(berth_page_use(ABOVE >> PAGE_SHIFT), BERTH_PAGE_ABSENT);
	cookie = ioremap(ABOVE, 4 * MIB);
	assert_non_null(cookie);
	writel(0xabcdef, cookie + 4 * MIB - 4);
	assert_int_equal(readl(cookie + 4 * MIB - 4), 0xabcdef);
	assert_int_equal(memory_at(ABOVE + 4 * MIB - 8) >> 32, 0xabcdef);
	iounmap(cookie);
	assert_null(memremap(ABOVE + 4 * MIB - 4096, 8192, MEMREMAP_WB));
	assert_reason(BERTH_REASON_MAPPING);
}

static void registers_have_one_type(void **state)
{
	void __iomem *cookie = ioremap(REGISTERS, 0x1000);
	void __iomem *beside = ioremap_wc(REGISTERS + 0x1000, 0x1000);

	(void)state;
	assert_true(cookie && beside);
	assert_null(ioremap_wc(REGISTERS, 4));
	assert_reason(BERTH_REASON_MAPPING);
	assert_null(memremap(REGISTERS, 4, MEMREMAP_WC));
	assert_reason(BERTH_REASON_MAPPING);
	iounmap(cookie);
	cookie = ioremap_wc(REGISTERS, 4);
	assert_non_null(cookie);
	iounmap(cookie);
	iounmap(beside);
}

static void wrong_calls_are_refused(void **state)
{
	char *virt = memremap(NO_MAP + 100, 100, MEMREMAP_WB), local;
	char __iomem *cookie = ioremap(REGISTERS, 0x1000);

	(void)state;
	memunmap(NULL);
	iounmap(NULL);
	assert_reason(BERTH_REASON_NONE);
	assert_int_equal(offset_in_page(virt), 100);
	memunmap(virt - 100);
	assert_reason(BERTH_REASON_NOT_OWNED);
	memunmap(&local);
	assert_reason(BERTH_REASON_NOT_OWNED);
	memunmap((void *)cookie);
	assert_reason(BERTH_REASON_NOT_OWNED);
	iounmap(virt);
	assert_reason(BERTH_REASON_NOT_OWNED);
	iounmap(cookie + 4);
	assert_reason(BERTH_REASON_NOT_OWNED);
	berth_clear_error();
	virt[0] = 1;
	memunmap(virt);
	iounmap(cookie);
	assert_reason(BERTH_REASON_NONE);
	memunmap(virt);
	assert_reason(BERTH_REASON_NOT_OWNED);
	iounmap(cookie);
	assert_reason(BERTH_REASON_NOT_OWNED);
	assert_null(memremap(NO_MAP, 0, MEMREMAP_WB));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(memremap(NO_MAP, 8, 0));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(memremap(UINT64_MAX - 8, 16, MEMREMAP_WB));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(memremap(UINT64_MAX - 16, 8, MEMREMAP_WB));
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_null(memremap(0x20000000, 8, MEMREMAP_WB));
	assert_reason(BERTH_REASON_MAPPING);
	assert_null(ioremap(0x20000000, 8));
	assert_reason(BERTH_REASON_NO_DEVICE);
	assert_null(ioremap(UINT64_MAX, 1));
	assert_reason(BERTH_REASON_ARGUMENT);
}

static void *map_memory(void)
{
	return memremap(NO_MAP, 8192, MEMREMAP_WC);
}

static void *map_registers(void)
{
	return ioremap(REGISTERS, 4);
}

/* After each failure another type can be had: nothing is left of the first one. */
static void failures_leave_nothing(void **state)
{
	static void *(*const calls[])(void) = { map_memory, map_registers };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		void *result = NULL;

		for (uint64_t n = 1; !result; n++) {
			bool failed;

			assert_true(n < 100);
			berth_test_fail_nth(n);
			result = calls[i]();
			failed = berth_test_failed();
			berth_test_fail_nth(0);
			if (result)
				continue;
			assert_true(failed);
			assert_int_not_equal(berth_last_error()->reason, BERTH_REASON_NONE);
			berth_clear_error();
			if (i) {
				iounmap(ioremap_wc(REGISTERS, 4));
			} else {
				memunmap(memremap(NO_MAP, 8192, MEMREMAP_WB));
			}
			assert_reason(BERTH_REASON_NONE);
		}
		if (i)
			iounmap(result);
		else
			memunmap(result);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_way_leads_there, start, stop),
		cmocka_unit_test_setup_teardown(a_page_has_one_type, start, stop),
		cmocka_unit_test_setup_teardown(the_linear_map_has_its_own, start, stop),
		cmocka_unit_test_setup_teardown(what_is_left_out_is_there, start, stop),
		cmocka_unit_test_setup_teardown(registers_have_one_type, start, stop),
		cmocka_unit_test_setup_teardown(wrong_calls_are_refused, start, stop),
		cmocka_unit_test_setup_teardown(failures_leave_nothing, start, stop),
	};

	return cmocka_run_group_tests_name("memory types", tests, NULL, NULL);
}
