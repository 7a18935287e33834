// SPDX-License-Identifier: BSD-2-Clause
/*
 * Code that is not instrumented, as this file is: pages that a device has whole are closed to it. Twice: with
 * userfaultfd, if the kernel has it, and without.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <berth/berth.h>
#include <berth/check.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/model.h>
#include <berth/slab.h>

#include "model/internal.h"

#include "model/fdt.h"

#define RAM 0x80000000u
#define RAM_SIZE (32u << 20)
#define MEMORY (64u << 20)
#define PAGES 4u
#define SIZE (PAGES * 4096u)

static void *memory;
static struct device dev;
static struct model_device *player, *coherent;
static struct berth_check_report reports[8];
static unsigned int nr_reports;

static const struct model_device_type player_type = { .compatible = "test,player" };

static const void *tree(void)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, RAM, 0, RAM_SIZE);
	fdt_end(&fdt);
	fdt_begin(&fdt, "player@10000000");
	fdt_text(&fdt, "compatible", "test,player");
	fdt_cells(&fdt, "reg", 0, 0x10000000, 0, 0x1000);
	fdt_end(&fdt);
	fdt_begin(&fdt, "player@10001000");
	fdt_text(&fdt, "compatible", "test,player");
	fdt_cells(&fdt, "reg", 0, 0x10001000, 0, 0x1000);
	fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

/* With the checker's lock. */
static void keep(const struct berth_check_report *report, void *data)
{
	(void)data;
	if (nr_reports < 8)
		reports[nr_reports] = *report;
	nr_reports++;
}

static void start_with(bool no_traps)
{
	const struct berth_model_config config = { .seed = 7,
						   .cache = BERTH_MODEL_CACHE_ADVERSARIAL };
	const struct berth_options options = { .machine = &berth_model, .machine_config = &config };
	const struct berth_check_options check = {
		.memory = memory, .size = MEMORY, .on_report = keep, .no_traps = no_traps
	};

	nr_reports = 0;
	model_add_type(&player_type);
	assert_int_equal(berth_check_start(&check), 0);
	assert_int_equal(berth_start(tree(), NULL, &options), 0);
	player = model_find("/player@10000000");
	coherent = model_find("/player@10001000");
	memset(&dev, 0, sizeof(dev));
	assert_int_equal(device_register(&dev, "player@10000000"), 0);
	berth_device_set_coherent(&dev, false);
}

static int start(void **state)
{
	(void)state;
	start_with(false);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	device_unregister(&dev);
	berth_stop();
	berth_check_stop();
	return 0;
}

static unsigned char *get(void)
{
	unsigned char *buf = (unsigned char *)__get_free_pages(GFP_KERNEL, get_order(SIZE));

	assert_non_null(buf);
	memset(buf, 1, SIZE);
	return buf;
}

static dma_addr_t map(void *buf, size_t size, enum dma_data_direction dir)
{
	dma_addr_t addr = dma_map_single(&dev, buf, size, dir);

	assert_int_equal(dma_mapping_error(&dev, addr), 0);
	return addr;
}

static void expect(unsigned int nr, enum berth_check_rule rule, const void *at)
{
	assert_int_equal(nr_reports, nr);
	assert_int_equal(reports[nr - 1].rule, rule);
	assert_ptr_equal(reports[nr - 1].address, at);
}

/* No compiler knows what it does. */
static void *(*volatile copy)(void *to, const void *from, size_t size) = memcpy;

static void stores_and_loads(void **state)
{
	volatile unsigned char *buf = get();
	unsigned char here[8];
	dma_addr_t addr;

	(void)state;
	addr = map((void *)buf, SIZE, DMA_FROM_DEVICE);
	buf[4100] = 9;
	expect(1, BERTH_CHECK_CPU_WRITE, (void *)&buf[4100]);
	assert_true(reports[0].is_store);
	assert_null(reports[0].system_call);
	assert_true(reports[0].touched.nr > 2 && reports[0].mapped.nr > 1);
	assert_string_equal(reports[0].device, "player@10000000");
	assert_int_equal(buf[4100], 9);
	buf[4101] = 9; /* it is open by now */
	assert_int_equal(nr_reports, 1);
	copy(here, (void *)&buf[8], 8);
	expect(2, BERTH_CHECK_CPU_READ, (void *)&buf[8]);
	assert_int_equal(here[0], 1);
	dma_unmap_single(&dev, addr, SIZE, DMA_FROM_DEVICE);
	copy((void *)buf, here, 8);
	memset((void *)buf, 0, SIZE);
	assert_int_equal(nr_reports, 2);
	free_pages((unsigned long)buf, get_order(SIZE));
}

/* What a device only reads may be read; pages that are in part somebody else's are open. */
static void what_is_legal(void **state)
{
	unsigned char *buf = get(), here[SIZE];
	dma_addr_t one, two;

	(void)state;
	one = map(buf, SIZE, DMA_TO_DEVICE);
	two = map(buf, 4096, DMA_TO_DEVICE);
	copy(here, buf, SIZE);
	dma_unmap_single(&dev, one, SIZE, DMA_TO_DEVICE);
	copy(buf + 4096, here, 4096);
	assert_int_equal(nr_reports, 0);
	*(volatile unsigned char *)buf = 3;
	expect(1, BERTH_CHECK_CPU_WRITE, buf);
	dma_unmap_single(&dev, two, 4096, DMA_TO_DEVICE);
	one = map(buf + 64, 8192, DMA_FROM_DEVICE);
	copy(buf, here, 64);
	copy(buf + 64 + 8192, here, 64);
	dma_sync_single_for_cpu(&dev, one, 8192, DMA_FROM_DEVICE);
	copy(here, buf, SIZE);
	assert_int_equal(nr_reports, 1);
	dma_sync_single_for_device(&dev, one, 8192, DMA_FROM_DEVICE);
	copy(here, buf + 4096, 1);
	expect(2, BERTH_CHECK_CPU_READ, buf + 4096);
	dma_unmap_single(&dev, one, 8192, DMA_FROM_DEVICE);
	free_pages((unsigned long)buf, get_order(SIZE));
}

/* The model goes past what is closed. */
static void devices_go_on(void **state)
{
	unsigned char *buf = get(), here[SIZE];
	dma_addr_t addr = map(buf, SIZE, DMA_BIDIRECTIONAL);

	(void)state;
	model_lock();
	model_dma_read(player, addr, here, SIZE);
	assert_int_equal(here[SIZE - 1], 1);
	memset(here, 5, SIZE);
	model_dma_write(player, addr, here, SIZE);
	memset(here, 6, 64);
	model_dma_write(coherent, addr, here, 64);
	model_dma_read(coherent, addr, here, 8);
	model_unlock();
	assert_int_equal(here[0], 6);
	dma_unmap_single(&dev, addr, SIZE, DMA_BIDIRECTIONAL);
	assert_int_equal(buf[100], 5);
	assert_int_equal(nr_reports, 0);
	free_pages((unsigned long)buf, get_order(SIZE));
}

static bool has_userfaultfd(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return !getenv("BERTH_GATE");
}

static void system_calls(void **state)
{
	unsigned char *buf = get();
	dma_addr_t addr;
	char text[200];
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	addr = map(buf, SIZE, DMA_TO_DEVICE);
	assert_int_equal(write(fds[1], buf, 8), 8); /* it only reads */
	assert_int_equal(nr_reports, 0);
	if (!has_userfaultfd()) {
		assert_int_equal(read(fds[0], buf, 8), -1);
	} else {
		assert_int_equal(read(fds[0], buf, 8), 8);
		expect(1, BERTH_CHECK_CPU_WRITE, buf);
		assert_string_equal(reports[0].system_call, "read()");
		assert_true(reports[0].touched.nr > 2);
		berth_check_text(&reports[0], text, sizeof(text));
		assert_string_equal(text,
				    "cpu-write: writes what a device has: 1 byte at offset 0 of a "
				    "buffer of 16384, of player@10000000, by read()");
	}
	dma_unmap_single(&dev, addr, SIZE, DMA_TO_DEVICE);
	addr = map(buf, SIZE, DMA_FROM_DEVICE);
	nr_reports = 0;
	if (has_userfaultfd()) {
		assert_int_equal(write(fds[1], buf + 4096, 8), 8);
		expect(1, BERTH_CHECK_CPU_READ, buf + 4096);
	} else {
		assert_int_equal(write(fds[1], buf + 4096, 8), -1);
	}
	dma_unmap_single(&dev, addr, SIZE, DMA_FROM_DEVICE);
	close(fds[0]);
	close(fds[1]);
	free_pages((unsigned long)buf, get_order(SIZE));
}

static unsigned char *common;

static void *touch(void *arg)
{
	const size_t first = (size_t)(uintptr_t)arg;

	for (size_t i = 0; i < SIZE; i += 64)
		__atomic_fetch_add(&common[(first * 4096 + i) % SIZE], 1, __ATOMIC_RELAXED);
	return NULL;
}

/* None is lost, and none is told of twice for a page. */
static void threads(void **state)
{
	pthread_t thread[4];
	dma_addr_t addr;

	(void)state;
	common = get();
	for (unsigned int turn = 0; turn < 20; turn++) {
		memset(common, 1, SIZE);
		addr = map(common, SIZE, DMA_BIDIRECTIONAL);
		for (uintptr_t i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, touch, (void *)i), 0);
		for (unsigned int i = 0; i < 4; i++)
			pthread_join(thread[i], NULL);
		for (unsigned int i = 0; i < SIZE; i += 64)
			assert_int_equal(common[i], 5);
		dma_unmap_single(&dev, addr, SIZE, DMA_BIDIRECTIONAL);
	}
	assert_in_range(nr_reports, 1, 4 * PAGES * 20);
	free_pages((unsigned long)common, get_order(SIZE));
}

static void in_an_interrupt(void **state)
{
	unsigned char *buf = (unsigned char *)__get_free_pages(GFP_KERNEL, 10);
	unsigned long flags;
	dma_addr_t addr;

	(void)state;
	assert_non_null(buf);
	addr = map(buf, 4u << 20, DMA_FROM_DEVICE);
	((volatile unsigned char *)buf)[(4u << 20) - 1] = 1;
	expect(1, BERTH_CHECK_CPU_WRITE, buf + (4u << 20) - 1);
	flags = berth_port_irq_save();
	dma_unmap_single(&dev, addr, 4u << 20, DMA_FROM_DEVICE);
	memset(buf, 0, 4u << 20);
	addr = map(buf, 4u << 20, DMA_FROM_DEVICE);
	berth_port_irq_restore(flags);
	assert_int_equal(nr_reports, 1);
	/* It is left so: see stop(). */
}

static void without(void **state)
{
	unsigned char *buf;
	dma_addr_t addr;

	(void)state;
	start_with(true);
	buf = get();
	addr = map(buf, SIZE, DMA_FROM_DEVICE);
	copy(buf, "x", 1);
	assert_int_equal(nr_reports, 0);
	dma_unmap_single(&dev, addr, SIZE, DMA_FROM_DEVICE);
	free_pages((unsigned long)buf, get_order(SIZE));
	stop(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(stores_and_loads, start, stop),
		cmocka_unit_test_setup_teardown(what_is_legal, start, stop),
		cmocka_unit_test_setup_teardown(devices_go_on, start, stop),
		cmocka_unit_test_setup_teardown(system_calls, start, stop),
		cmocka_unit_test_setup_teardown(threads, start, stop),
		cmocka_unit_test_setup_teardown(in_an_interrupt, start, stop),
		cmocka_unit_test(without),
	};

	memory = malloc(MEMORY);
	return memory ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
