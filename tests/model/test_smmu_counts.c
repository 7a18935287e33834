// SPDX-License-Identifier: BSD-2-Clause
/*
 * What requests cost behind an SMMU, as it counts: the driver on the modelled one, strict, 256 KiB in 64
 * pages of which no two are neighbours. Between requests something of the device's stays mapped, as the
 * ring of any device does.
 */
#include "machine.h"

#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/iommu.h>
#include <berth/of.h>
#include <berth/platform_device.h>
#include <berth/timer.h>

#include <berth/drivers/display.h>
#include <berth/drivers/smmu-v3.h>

#include "boards.h"
#include "model/internal.h"

#define DISPLAY "/media-bus@10000000/display@2000"
#define PAGES 64
#define REQUESTS 256
#define MAX_DEPTH 8

struct request {
	struct page *pages[PAGES];
	struct sg_table table;
};

static struct request requests[MAX_DEPTH];
static struct device *display;
static struct model_device *hardware;
static void *ring;
static dma_addr_t ring_dma;
static uint64_t faults_told;

static void told(const struct berth_iommu_fault *fault, void *data)
{
	(void)data;
	assert_ptr_equal(fault->dev, display);
	faults_told++;
}

static void new_request(struct request *request)
{
	struct page *between[PAGES];

	for (unsigned int i = 0; i < PAGES; i++) {
		request->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		between[i] = alloc_page(GFP_KERNEL);
		assert_true(request->pages[i] && between[i]);
	}
	for (unsigned int i = 0; i < PAGES; i++)
		__free_page(between[i]);
	assert_int_equal(sg_alloc_table_from_pages(&request->table, request->pages, PAGES, 0,
						   PAGES * PAGE_SIZE, GFP_KERNEL),
			 0);
	assert_int_equal(request->table.orig_nents, PAGES);
}

static void end_request(struct request *request)
{
	sg_free_table(&request->table);
	for (unsigned int i = 0; i < PAGES; i++)
		__free_page(request->pages[i]);
}

static void begin(const struct berth_model_smmu_config *smmu)
{
	static const struct berth_driver drivers[] = {
		BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
		BERTH_PLATFORM_DRIVER(&berth_display_driver),
		BERTH_NO_MORE_DRIVERS,
	};
	const struct berth_model_config config = { .seed = 1, .smmu = smmu };
	const struct berth_options options = { .machine = &berth_model, .machine_config = &config };

	assert_int_equal(berth_start(board_multimedia, drivers, &options), 0);
	display = &of_find_device_by_node(of_find_node_by_path(DISPLAY))->dev;
	hardware = model_find(DISPLAY);
	assert_int_equal(berth_device_protection(display), BERTH_PROTECT_STRICT);
	ring = dma_alloc_coherent(display, PAGE_SIZE, &ring_dma, GFP_KERNEL);
	assert_non_null(ring);
	for (unsigned int i = 0; i < MAX_DEPTH; i++)
		new_request(&requests[i]);
	faults_told = 0;
	berth_iommu_set_listener(told, NULL);
}

static void end(void)
{
	for (unsigned int i = 0; i < MAX_DEPTH; i++)
		end_request(&requests[i]);
	dma_free_coherent(display, PAGE_SIZE, ring, ring_dma);
	assert_int_equal(berth_stop(), 0);
}

static struct berth_model_smmu_stats stats(void)
{
	struct berth_model_smmu_stats now;

	assert_int_equal(berth_model_smmu_stats(NULL, &now), 0);
	return now;
}

static int reach(dma_addr_t at, void *buffer, size_t size)
{
	int ret;

	model_lock();
	ret = model_dma_read(hardware, at, buffer, size);
	model_unlock();
	return ret;
}

static void map(struct request *request)
{
	assert_int_equal(dma_map_sgtable(display, &request->table, DMA_TO_DEVICE, 0), 0);
	assert_int_equal(request->table.nents, 1);
	assert_int_equal(sg_dma_len(request->table.sgl), PAGES * PAGE_SIZE);
}

static void use(const struct request *request)
{
	static uint8_t buffer[PAGES * PAGE_SIZE];

	assert_int_equal(reach(sg_dma_address(request->table.sgl), buffer, sizeof(buffer)), 0);
}

static void unmap(struct request *request)
{
	dma_unmap_sgtable(display, &request->table, DMA_TO_DEVICE, 0);
}

/* Requests one after the other, @depth of them mapped at any time. */
static void run(unsigned int depth, uint64_t nr)
{
	for (uint64_t n = 0; n < nr + depth; n++) {
		struct request *request = &requests[n % depth];

		if (n >= depth)
			unmap(request);
		if (n >= nr)
			continue;
		map(request);
		use(request);
	}
}

static void requests_cost_what_is_budgeted(void **state)
{
	(void)state;
	for (unsigned int depth = 1; depth <= MAX_DEPTH; depth *= 2) {
		struct berth_model_smmu_stats before, now;

		begin(NULL);
		run(depth, 2 * MAX_DEPTH);
		before = stats();
		run(depth, REQUESTS);
		now = stats();
		assert_int_equal(now.translations - before.translations, REQUESTS * PAGES);
		assert_int_equal(now.iotlb_misses - before.iotlb_misses, REQUESTS * PAGES);
		assert_int_equal(now.invalidations - before.invalidations, REQUESTS);
		assert_int_equal(now.walk_misses[0], before.walk_misses[0]);
		assert_int_equal(now.walk_misses[1], before.walk_misses[1]);
		assert_true(20 * (now.walk_misses[2] - before.walk_misses[2]) <= REQUESTS * PAGES);
		print_message(
			"# depth %u: %.3f invalidations a request, %.4f misses of level 3 a page\n",
			depth, (double)(now.invalidations - before.invalidations) / REQUESTS,
			(double)(now.walk_misses[2] - before.walk_misses[2]) / REQUESTS / PAGES);
		assert_int_equal(now.faults, 0);
		end();
	}
}

/* What was unmapped is not in reach for a moment; and the model would see it if it were. */
static void nothing_is_reached_after_an_unmap(void **state)
{
	const struct berth_model_smmu_config config = { .watch_stale = true };
	unsigned int tries = 0;

	(void)state;
	begin(&config);
	for (unsigned int n = 0; n < 2 * MAX_DEPTH; n++) {
		struct request *request = &requests[n % MAX_DEPTH];
		dma_addr_t at;
		uint8_t byte;

		map(request);
		at = sg_dma_address(request->table.sgl);
		use(request);
		unmap(request);
		for (unsigned int page = 0; page < PAGES; page++, tries++)
			assert_int_equal(reach(at + page * PAGE_SIZE, &byte, 1), -EFAULT);
	}
	assert_int_equal(stats().faults, tries);
	assert_int_equal(stats().stale_hits, 0);
	/* They are told when the interrupt comes. */
	for (unsigned int ms = 0; ms < 100 && !faults_told; ms++)
		msleep(1);
	assert_true(faults_told);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_cost_what_is_budgeted),
		cmocka_unit_test(nothing_is_reached_after_an_unmap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
