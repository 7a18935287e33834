// SPDX-License-Identifier: BSD-2-Clause
/* The checker itself: several devices and threads, its memory full, notes, failures on purpose. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
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
#include <berth/gfp.h>
#include <berth/model.h>
#include <berth/platform_device.h>
#include <berth/slab.h>

#include "check/corpus.h"
#include "model/internal.h"

#include "model/fdt.h"

#define RAM 0x80000000u
#define RAM_SIZE (64u << 20)
#define MEMORY (64u << 20)
#define THREADS 4u
#define ROUNDS 20u

static const struct mistake *const corpus[] = { corpus_streaming, corpus_api, corpus_buf,
						corpus_engine, corpus_lifetime };

static const struct model_device_type player_type = { .compatible = "test,player" };
static void *memory;

static const void *tree(bool is_coherent)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	if (is_coherent)
		fdt_property(&fdt, "dma-coherent", 0);
	fdt_begin(&fdt, "chosen");
	fdt_text(&fdt, "bootargs", "dma.software=4");
	fdt_end(&fdt);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, RAM, 0, RAM_SIZE);
	fdt_end(&fdt);
	for (unsigned int i = 0; i < THREADS; i++) {
		char name[40];

		snprintf(name, sizeof(name), "player@1000%x000", i);
		fdt_begin(&fdt, name);
		fdt_text(&fdt, "compatible", "test,player");
		fdt_cells(&fdt, "reg", 0, 0x10000000 + i * 0x1000, 0, 0x1000);
		fdt_end(&fdt);
	}
	return fdt_finish(&fdt);
}

/* What a thread plays, and on what. */
struct player {
	struct device dev, other;
	struct model_device *model;
	volatile unsigned char seen;
	void *to_free;
	struct rig rig;
};

static struct player players[THREADS];
static __thread struct player *mine;

static void device_reads(dma_addr_t addr, size_t size)
{
	unsigned char bytes[4096];

	model_lock();
	model_dma_read(mine->model, addr, bytes, size);
	model_unlock();
}

static void device_writes(dma_addr_t addr, size_t size)
{
	unsigned char bytes[4096];

	memset(bytes, 0x42, sizeof(bytes));
	model_lock();
	model_dma_write(mine->model, addr, bytes, size);
	model_unlock();
}

static void free_ring(void *ring, dma_addr_t addr)
{
	(void)ring, (void)addr;
}

/* Failures on purpose are everybody's: here they do not happen. */
static void fail_nth(uint64_t nth)
{
	(void)nth;
}

static void returned(int ret)
{
	berth_check_returned(&mine->dev, ret);
}

static struct berth_check_report reports[64];
static unsigned int nr_reports;

static void keep(const struct berth_check_report *report, void *data)
{
	(void)data;
	if (nr_reports < 64)
		reports[nr_reports++] = *report;
}

static const struct berth_driver *drivers;

/* Devices that are @is_coherent, and are said to be @is_said_coherent. */
static void start_said(size_t size, bool is_coherent, bool is_said_coherent, bool with_notes)
{
	static const struct berth_model_config config = { .seed = 1 };
	const struct berth_options options = { .machine = &berth_model, .machine_config = &config };
	const struct berth_check_options check = {
		.memory = memory,
		.size = size,
		.on_report = keep,
		.with_notes = with_notes,
	};

	nr_reports = 0;
	model_add_type(&player_type);
	assert_int_equal(berth_check_start(&check), 0);
	assert_int_equal(berth_start(tree(is_coherent), drivers, &options), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		struct player *p = &players[i];
		char name[40], path[41], other[40];

		snprintf(name, sizeof(name), "player@1000%x000", i);
		snprintf(path, sizeof(path), "/%s", name);
		snprintf(other, sizeof(other), "other%u", i);
		memset(p, 0, sizeof(*p));
		p->model = model_find(path);
		assert_non_null(p->model);
		assert_int_equal(device_register(&p->dev, name), 0);
		assert_int_equal(device_register(&p->other, other), 0);
		berth_device_set_coherent(&p->dev, is_said_coherent);
		p->rig = (struct rig){
			.dev = &p->dev,
			.device_reads = device_reads,
			.device_writes = device_writes,
			.free_ring = free_ring,
			.seen = &p->seen,
			.to_free = &p->to_free,
			.fail_nth = fail_nth,
			.returned = returned,
			.other = &p->other,
		};
	}
	mine = &players[0];
}

static void start(size_t size, bool is_coherent, bool with_notes)
{
	start_said(size, is_coherent, is_coherent, with_notes);
}

static void stop(void)
{
	for (unsigned int i = 0; i < THREADS; i++) {
		device_unregister(&players[i].other);
		device_unregister(&players[i].dev);
		kfree(players[i].to_free);
	}
	berth_stop();
	berth_check_stop();
}

/* Several devices, each with a thread. */

static void legal_only(struct player *player)
{
	for (size_t subject = 0; subject < ARRAY_SIZE(corpus); subject++)
		for (const struct mistake *m = corpus[subject]; m->name; m++) {
			/* Devices are not registered in parallel. */
			if (!strcmp(m->name, "device_before_unmap"))
				continue;
			m->driver(&player->rig, true);
			kfree(player->to_free);
			player->to_free = NULL;
		}
}

static const struct mistake *mistake_of(const char *name)
{
	for (size_t subject = 0; subject < ARRAY_SIZE(corpus); subject++)
		for (const struct mistake *m = corpus[subject]; m->name; m++)
			if (!strcmp(m->name, name))
				return m;
	fail_msg("no %s", name);
	return NULL;
}

/* One mistake for each of them but the first. */
static const struct {
	const char *name;
	enum berth_check_rule rule;
} made[THREADS] = {
	{ NULL, BERTH_CHECK_NOTHING },
	{ "read_before_sync", BERTH_CHECK_CPU_READ },
	{ "block_twice", BERTH_CHECK_FREE_TWICE },
	{ "used_after_unmap", BERTH_CHECK_DEVICE_UNMAPPED },
};

static void *play(void *data)
{
	struct player *player = data;
	const char *name = made[player - players].name;

	mine = player;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		legal_only(player);
		if (name)
			mistake_of(name)->driver(&player->rig, false);
	}
	return NULL;
}

static void threads(void **state)
{
	pthread_t thread[THREADS];

	(void)state;
	start(MEMORY, false, false);
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, play, &players[i]), 0);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (unsigned int r = 0; r < nr_reports; r++) {
		unsigned int i = 0;

		while (i < THREADS && strcmp(reports[r].device, dev_name(&players[i].dev)))
			i++;
		if (i == THREADS || reports[r].rule != made[i].rule)
			fail_msg("%s of %s", berth_check_rule_id(reports[r].rule),
				 reports[r].device);
		assert_int_not_equal(reports[r].touched.nr, 0);
		assert_int_not_equal(reports[r].mapped.nr, 0);
	}
	assert_int_equal(nr_reports, THREADS - 1);
	stop();
}

/* Its memory is full, sooner or later: it sees less, and says nothing that is not so. */

static sigjmp_buf crash;

static void crashed(int signal)
{
	siglongjmp(crash, signal);
}

static void play_one(const struct mistake *mistake, bool is_mended)
{
	if (!sigsetjmp(crash, 1))
		mistake->driver(&players[0].rig, is_mended);
}

static void play_all(bool is_mended)
{
	for (size_t subject = 0; subject < ARRAY_SIZE(corpus); subject++)
		for (const struct mistake *m = corpus[subject]; m->name; m++) {
			play_one(m, is_mended);
			kfree(players[0].to_free);
			players[0].to_free = NULL;
		}
}

static void memory_is_full(void **state)
{
	static dma_addr_t addr[2000];
	static struct page *page[2000];

	(void)state;
	for (unsigned int most = 100; most <= 2000; most += 50) {
		unsigned int nr = 0;

		start(BERTH_CHECK_MEMORY_LEAST, false, false);
		for (; nr < most && !berth_check_is_short(); nr++) {
			page[nr] = alloc_page(GFP_KERNEL);
			assert_non_null(page[nr]);
			addr[nr] = dma_map_page(&players[1].dev, page[nr], 0, 4096, DMA_TO_DEVICE);
			assert_int_equal(dma_mapping_error(&players[1].dev, addr[nr]), 0);
		}
		play_all(true);
		if (nr_reports)
			fail_msg("%s with %u pages", berth_check_rule_id(reports[0].rule), nr);
		while (nr--) {
			dma_unmap_page(&players[1].dev, addr[nr], 4096, DMA_TO_DEVICE);
			__free_page(page[nr]);
		}
		assert_int_equal(nr_reports, 0);
		if (berth_check_is_short())
			most = 2000;
		stop();
	}
	assert_true(berth_check_is_short());
}

static void memory_is_full_of_mistakes(void **state)
{
	const struct sigaction action = { .sa_handler = crashed };
	struct sigaction before;
	unsigned int nr;

	(void)state;
	start(BERTH_CHECK_MEMORY_LEAST, false, false);
	sigaction(SIGSEGV, &action, &before);
	for (nr = 0; nr < 100 && !berth_check_is_short(); nr++)
		play_all(false);
	play_all(false);
	sigaction(SIGSEGV, &before, NULL);
	assert_true(berth_check_is_short());
	stop();
}

/* Notes are told if somebody wants them, and count for nothing. */
static void notes(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		const bool is_coherent = i & 1, with_notes = i & 2;

		start(MEMORY, is_coherent, with_notes);
		mistake_of("sync_range")->driver(&players[0].rig, true);
		mistake_of("read_before_sync")->driver(&players[0].rig, true);
		if (nr_reports != (is_coherent && with_notes ? 2 : 0))
			fail_msg("%u: %u reports, %s", i, nr_reports,
				 berth_check_rule_id(reports[0].rule));
		if (nr_reports) {
			assert_int_equal(reports[0].rule, BERTH_CHECK_SYNC_NEEDLESS);
			assert_int_equal(reports[0].severity, BERTH_CHECK_NOTE);
		}
		assert_int_equal(berth_check_count(), 0);
		stop();
	}
	assert_int_equal(berth_check_rule_severity(BERTH_CHECK_LEAK), BERTH_CHECK_ERROR);
	assert_int_equal(berth_check_rule_severity(BERTH_CHECK_BUF_MAPPED), BERTH_CHECK_WARNING);
}

/* A device that is said to see the CPU's caches, and does not: what it has written is not what the CPU finds. */
static void said_coherent(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		start_said(MEMORY, !i, true, false);
		mistake_of("read_before_sync")->driver(&players[0].rig, true);
		assert_int_equal(nr_reports, i);
		if (i) {
			assert_int_equal(reports[0].rule, BERTH_CHECK_UNWRITTEN);
			assert_true(players[0].seen != 0x42);
		} else {
			assert_int_equal(players[0].seen, 0x42);
		}
		stop();
	}
}

/* Only what a device is to overwrite loses its bytes, and nothing around it. */
static void overwritten(void **state)
{
	static const struct {
		enum dma_data_direction dir;
		unsigned long attrs;
		bool is_lost;
	} ways[] = {
		{ DMA_FROM_DEVICE, BERTH_ATTR_OVERWRITE, true },
		{ DMA_FROM_DEVICE, 0, false },
		{ DMA_FROM_DEVICE, BERTH_ATTR_OVERWRITE | DMA_ATTR_SKIP_CPU_SYNC, false },
		{ DMA_TO_DEVICE, BERTH_ATTR_OVERWRITE, false },
		{ DMA_BIDIRECTIONAL, BERTH_ATTR_OVERWRITE, false },
	};
	unsigned char *buf;
	dma_addr_t addr;

	(void)state;
	start(MEMORY, false, false);
	buf = kmalloc(256, GFP_KERNEL);
	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(ways); i++) {
		const enum dma_data_direction dir = ways[i / 2].dir;
		unsigned int lost = 0;

		memset(buf, 0x17, 256);
		addr = i % 2 ? dma_map_page_attrs(&players[0].dev, virt_to_page(buf),
						  offset_in_page(buf) + 67, 101, dir,
						  ways[i / 2].attrs)
			     : dma_map_single_attrs(&players[0].dev, buf + 67, 101, dir,
						    ways[i / 2].attrs);
		assert_int_equal(dma_mapping_error(&players[0].dev, addr), 0);
		dma_unmap_single(&players[0].dev, addr, 101, dir);
		for (unsigned int k = 0; k < 256; k++) {
			if (k < 67 || k >= 168)
				assert_int_equal(buf[k], 0x17);
			lost += buf[k] != 0x17;
		}
		assert_true(ways[i / 2].is_lost ? lost > 50 : !lost);
	}
	kfree(buf);
	assert_int_equal(nr_reports, 0);
	stop();
}

/* What other code gives to a device is not known, so nothing is said of what lies outside. */
static void foreign(void **state)
{
	unsigned char *known, *unknown;
	dma_addr_t addr;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		start(MEMORY, true, false);
		known = kzalloc(256, GFP_KERNEL);
		unknown = kzalloc(256, GFP_KERNEL);
		addr = dma_map_single(&players[0].dev, known, 256, DMA_TO_DEVICE);
		assert_int_equal(dma_mapping_error(&players[0].dev, addr), 0);
		if (i)
			berth_check_foreign(&players[0].dev);
		device_reads(virt_to_phys(unknown), 64);
		assert_int_equal(nr_reports, !i);
		/* Nor of a device whose driver is not checked at all. */
		mine = &players[1];
		device_reads(virt_to_phys(unknown), 64);
		assert_int_equal(nr_reports, !i);
		dma_unmap_single(&players[0].dev, addr, 256, DMA_TO_DEVICE);
		kfree(known);
		kfree(unknown);
		stop();
	}
}

static void fails_on_purpose(void **state)
{
	unsigned char *buf;
	dma_addr_t addr;

	(void)state;
	start(MEMORY, true, false);
	buf = kzalloc(256, GFP_KERNEL);
	for (unsigned int nth = 0; nth < 4; nth++) {
		unsigned int failed = 0;

		berth_check_fail_map_nth(nth);
		for (unsigned int i = 1; i < 4; i++) {
			addr = dma_map_single(&players[0].dev, buf, 256, DMA_TO_DEVICE);
			if (!dma_mapping_error(&players[0].dev, addr)) {
				dma_unmap_single(&players[0].dev, addr, 256, DMA_TO_DEVICE);
				continue;
			}
			failed = i;
			assert_int_equal(berth_last_error()->reason, BERTH_REASON_OUT_OF_MEMORY);
		}
		assert_int_equal(failed, nth);
		assert_int_equal(berth_check_map_failed(), nth != 0);
	}
	/* Of another device it is said nothing, nor of an operation that failed. */
	berth_check_fail_map_nth(1);
	addr = dma_map_single(&players[0].dev, buf, 256, DMA_TO_DEVICE);
	assert_int_not_equal(dma_mapping_error(&players[0].dev, addr), 0);
	berth_check_returned(&players[1].dev, 0);
	berth_check_returned(&players[0].dev, -5);
	berth_check_returned(&players[0].dev, 0);
	assert_int_equal(nr_reports, 0);
	kfree(buf);
	stop();
}

/* What a driver has mapped is to be back when its probe has failed. */

static unsigned char *probed[THREADS];
static unsigned int nr_probed;

static int probe(struct platform_device *pdev)
{
	unsigned char *buf = kzalloc(256, GFP_KERNEL);
	dma_addr_t addr;

	probed[nr_probed++ % THREADS] = buf;
	if (!buf || dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(40)))
		return -EIO;
	addr = dma_map_single(&pdev->dev, buf, 256, DMA_TO_DEVICE);
	return dma_mapping_error(&pdev->dev, addr) ? -ENOMEM : -ENODEV;
}

static void failed_probe(void **state)
{
	static const struct of_device_id ids[] = { { .compatible = "test,player" }, {} };
	static const struct platform_driver driver = {
		.probe = probe,
		.driver = { .name = "player", .of_match_table = ids },
	};
	static const struct berth_driver all[] = { BERTH_PLATFORM_DRIVER(&driver),
						   BERTH_NO_MORE_DRIVERS };

	(void)state;
	drivers = all;
	start(MEMORY, true, false);
	drivers = NULL;
	assert_int_equal(nr_probed, THREADS);
	/* Of each device. */
	assert_int_equal(nr_reports, THREADS);
	for (unsigned int i = 0; i < THREADS; i++) {
		assert_int_equal(reports[i].rule, BERTH_CHECK_LEAK);
		assert_int_equal(reports[i].count, 1);
		assert_true(!i || strcmp(reports[i].device, reports[i - 1].device));
		kfree(probed[i]);
	}
	assert_int_equal(nr_reports, THREADS);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads),
		cmocka_unit_test(memory_is_full),
		cmocka_unit_test(memory_is_full_of_mistakes),
		cmocka_unit_test(notes),
		cmocka_unit_test(said_coherent),
		cmocka_unit_test(overwritten),
		cmocka_unit_test(foreign),
		cmocka_unit_test(fails_on_purpose),
		cmocka_unit_test(failed_probe),
	};

	memory = malloc(MEMORY);
	return memory ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
