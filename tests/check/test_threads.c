// SPDX-License-Identifier: BSD-2-Clause
/*
 * Several threads, each with a device and buffers of its own, map, unmap, touch and free at once, and each makes a known
 * number of mistakes: they are all reported, of the right device and buffer, and nothing else is. The accesses are told to the
 * checker by hand, as the compiler's calls would: so this also runs under the thread sanitizer, beside which there are none.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <berth/berth.h>
#include <berth/check.h>
#include <berth/dma-mapping.h>
#include <berth/model.h>
#include <berth/slab.h>

#include "check/check.h"
#include "model/internal.h"

#include "model/fdt.h"

#define THREADS 5u
#define ROUNDS 400u
#define SIZE 256u
#define MEMORY (64u << 20)

static const struct model_device_type player_type = { .compatible = "test,player" };
static struct device devices[THREADS];
static char names[THREADS][32];
/* What each has done wrong: read too early, written while mapped. */
static uint64_t reads[THREADS], writes[THREADS];

static const void *tree(void)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, 0x80000000, 0, 16 << 20);
	fdt_end(&fdt);
	for (unsigned int i = 0; i < THREADS; i++) {
		fdt_begin(&fdt, names[i]);
		fdt_text(&fdt, "compatible", "test,player");
		fdt_cells(&fdt, "reg", 0, 0x10000000 + i * 0x1000, 0, 0x1000);
		fdt_end(&fdt);
	}
	return fdt_finish(&fdt);
}

/* As the compiler's call before an access would. */
static __attribute__((noinline)) void touch(const uint8_t *at, bool is_store)
{
	berth_check_cpu((uintptr_t)at, 1, is_store, (uintptr_t)__builtin_return_address(0));
}

static void device_moves(unsigned int me, dma_addr_t addr, bool is_write)
{
	char path[40] = "/";
	uint8_t bytes[SIZE] = { 0 };

	strcat(path, names[me]);
	model_lock();
	if (is_write)
		model_dma_write(model_find(path), addr, bytes, SIZE);
	else
		model_dma_read(model_find(path), addr, bytes, SIZE);
	model_unlock();
}

static void delay(unsigned int *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	if (*seed >> 30)
		sched_yield();
}

static void receive(unsigned int me, unsigned int round, unsigned int *seed)
{
	struct device *dev = &devices[me];
	uint8_t *buf = kmalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(dev, buf, SIZE, DMA_FROM_DEVICE);

	if (!buf || dma_mapping_error(dev, addr))
		abort();
	delay(seed);
	device_moves(me, addr, true);
	if (round % 7 == me) {
		touch(buf + 3, false);
		reads[me]++;
	}
	dma_sync_single_for_cpu(dev, addr, SIZE, DMA_FROM_DEVICE);
	delay(seed);
	touch(buf + 3, false);
	dma_unmap_single(dev, addr, SIZE, DMA_FROM_DEVICE);
	touch(buf + 5, true);
	kfree(buf);
}

static void send(unsigned int me, unsigned int round, unsigned int *seed)
{
	struct device *dev = &devices[me];
	uint8_t *buf = kmalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr;

	if (!buf)
		abort();
	memset(buf, 1, SIZE);
	berth_check_cpu((uintptr_t)buf, SIZE, true, (uintptr_t)__builtin_return_address(0));
	addr = dma_map_single(dev, buf, SIZE, DMA_TO_DEVICE);
	if (dma_mapping_error(dev, addr))
		abort();
	touch(buf + 9, false);
	delay(seed);
	if (round % 11 == me) {
		touch(buf + 9, true);
		writes[me]++;
	}
	device_moves(me, addr, false);
	delay(seed);
	dma_unmap_single(dev, addr, SIZE, DMA_TO_DEVICE);
	kfree(buf);
}

static void *work(void *arg)
{
	const unsigned int me = (unsigned int)(uintptr_t)arg;
	unsigned int seed = me + 1;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		receive(me, round, &seed);
		send(me, round, &seed);
	}
	return NULL;
}

static uint64_t told_reads[THREADS], told_writes[THREADS];

static int count(const struct berth_check_report *report, void *data)
{
	unsigned int me = 0;

	(void)data;
	while (me < THREADS && strcmp(report->device, names[me]))
		me++;
	if (me == THREADS)
		fail_msg("%s of '%s'", berth_check_rule_id(report->rule), report->device);
	assert_int_equal(report->buffer_length, SIZE);
	assert_true(report->touched.nr && report->mapped.nr);
	if (report->rule == BERTH_CHECK_CPU_READ) {
		assert_int_equal(report->address - report->buffer, 3);
		assert_int_equal(report->direction, DMA_FROM_DEVICE);
		told_reads[me] += report->count;
	} else {
		assert_string_equal(berth_check_rule_id(report->rule), "cpu-write");
		assert_int_equal(report->address - report->buffer, 9);
		assert_int_equal(report->direction, DMA_TO_DEVICE);
		told_writes[me] += report->count;
	}
	return 0;
}

static void quietly(const struct berth_check_report *report, void *data)
{
	(void)report, (void)data;
}

static void each_report_is_of_its_thread(void **state)
{
	struct berth_check_options check = { .size = MEMORY, .on_report = quietly };
	const struct berth_options options = { .machine = &berth_model };
	pthread_t threads[THREADS];

	(void)state;
	check.memory = malloc(MEMORY);
	assert_non_null(check.memory);
	for (unsigned int i = 0; i < THREADS; i++)
		snprintf(names[i], sizeof(names[i]), "player@%x", 0x10000000 + i * 0x1000);
	model_add_type(&player_type);
	assert_int_equal(berth_check_start(&check), 0);
	assert_int_equal(berth_start(tree(), NULL, &options), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		assert_int_equal(device_register(&devices[i], names[i]), 0);
		berth_device_set_coherent(&devices[i], false);
	}
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < THREADS; i++)
		device_unregister(&devices[i]);
	assert_int_equal(berth_stop(), 0);
	berth_check_each(count, NULL);
	berth_check_stop();
	for (unsigned int i = 0; i < THREADS; i++) {
		assert_int_equal(told_reads[i], reads[i]);
		assert_int_equal(told_writes[i], writes[i]);
		assert_true(reads[i] && writes[i]);
	}
	free(check.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_report_is_of_its_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
