/* SPDX-License-Identifier: BSD-2-Clause */
/* Static memory of devices for programs. */
#include "uio.h"

static int stop(void **state)
{
	(void)state;
	if (berth_running())
		must_stop();
	return 0;
}

/* Memory that is always there, wherever the device sees it. */
static void static_memory_is_shared(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 16; i++) {
		struct dsp_board board = nth_board(i);
		struct vm_area_struct spare;
		struct dsp_user user;
		uint64_t bus;

		board.compatible = "berth,uio-pmem";
		board.has_no_regions = board.has_spare = true;
		dsp_start(&board);
		bus = dsp_attr("maps/map1/addr");
		assert_true(board.is_behind || bus == SPARE - (board.is_offset ? BUS_OFFSET : 0));
		assert_int_equal(dsp_attr("maps/map1/size"), SPARE_SIZE);
		user.file = berth_filp_open("/dev/uio0", BERTH_O_RDWR);
		assert_int_equal(berth_file_mmap(user.file, &user.regs, 0x1000, 0), 0);
		assert_int_equal(berth_file_mmap(user.file, &spare, SPARE_SIZE, 1), 0);
		dsp_wait(&user, ID, UINT32_MAX, 0x44535031);
		dsp_set(&user, CONTROL, 1);
		dsp_set(&user, IRQ_ENABLE, 3);
		memset(dsp_bytes(&spare), 0, SPARE_SIZE);
		for (unsigned int n = 0; n < 0x1000; n++)
			dsp_bytes(&spare)[n] = (uint8_t)(n * 5);
		dsp_sync(&user, 1, BERTH_UIO_SYNC_FOR_DEVICE);
		dsp_command(&user, COPY, bus, bus + 0x2000, 0x1000, 0);
		dsp_interrupt(&user);
		assert_int_equal(dsp_get(&user, STATUS), RUNNING);
		dsp_sync(&user, 1, BERTH_UIO_SYNC_FOR_CPU);
		for (unsigned int n = 0; n < 0x1000; n++)
			assert_int_equal(dsp_bytes(&spare)[0x2000 + n], (uint8_t)(n * 5));
		fput(user.file);
		berth_vma_release(&spare);
		berth_vma_release(&user.regs);
		assert_true(dsp_attr("maps/map1/addr") == bus);
		must_stop();
	}
}

static void wrong_region(struct fdt *fdt)
{
	fdt_cells(fdt, "memory-region", 99);
}

static void no_region(struct fdt *fdt)
{
	(void)fdt;
}

static void bad_static_memory_is_refused(void **state)
{
	static void (*const bad[])(struct fdt *) = { wrong_region, no_region };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct dsp_board board = { .compatible = "berth,uio-pmem", .more = bad[i] };

		assert_int_equal(start_tree(dsp_tree(&board), uio_drivers, NULL), 0);
		assert_reason(BERTH_REASON_DRIVER);
		assert_string_equal(berth_last_error()->holder, "uio_pmem_genirq");
		must_stop();
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, stop)
	const struct CMUnitTest tests[] = {
		TEST(static_memory_is_shared),
		TEST(bad_static_memory_is_refused),
	};

	return cmocka_run_group_tests_name("uio_pmem", tests, NULL, NULL);
}
