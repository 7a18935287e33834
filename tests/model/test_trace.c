// SPDX-License-Identifier: BSD-2-Clause
/* What the stack tells of itself, and the ring between its threads and the file. */
#include "fence.h"

#include <pthread.h>

#include <berth/cma.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/trace.h>

#include "boards.h"
#include "boards_less.h"
#include "dma/iommu.h"
#include "run.h"
#include "trace.h"
#include <berth/drivers/smmu-v3.h>

#define MOST 256

static struct told {
	struct berth_trace_event event;
	char dev[64], name[64];
} heard[MOST];
static unsigned int nr_heard;

static void hear(const struct berth_trace_event *event, void *data)
{
	struct told *told = &heard[nr_heard % MOST];

	assert_ptr_equal(data, &nr_heard);
	told->event = *event;
	snprintf(told->dev, sizeof(told->dev), "%s", event->dev ? dev_name(event->dev) : "");
	snprintf(told->name, sizeof(told->name), "%s", event->name ? event->name : "");
	nr_heard++;
}

static void listen(bool on)
{
	nr_heard = 0;
	assert_int_equal(berth_trace_set(on ? hear : NULL, &nr_heard), 0);
}

/* The oldest that was not looked at yet. */
static const struct told *next(enum berth_trace_kind kind)
{
	static struct told oldest;

	assert_true(nr_heard);
	oldest = heard[0];
	memmove(heard, heard + 1, --nr_heard * sizeof(heard[0]));
	if (oldest.event.kind != kind)
		fail_msg("wanted %s, got %s", berth_trace_name(kind),
			 berth_trace_name(oldest.event.kind));
	return &oldest;
}

static void range_was_told(enum berth_trace_kind kind, const char *dev, uint64_t address,
			   uint64_t length, enum dma_data_direction dir, uint64_t other)
{
	const struct told *told = next(kind);

	assert_string_equal(told->dev, dev);
	assert_int_equal(told->event.address, address);
	assert_int_equal(told->event.length, length);
	assert_int_equal(told->event.detail, dir);
	assert_int_equal(told->event.other, other);
}

static struct device dev;

static void start_device(bool coherent)
{
	must_start(tree_minimal, NULL, NULL);
	memset(&dev, 0, sizeof(dev));
	assert_int_equal(device_register(&dev, "heard"), 0);
	berth_device_set_coherent(&dev, coherent);
}

/* The short way tells nothing and is not taken while somebody listens. */
static void every_mapping_is_told(void **state)
{
	struct scatterlist sgl[2];
	uint64_t span;
	dma_addr_t at;
	char *buf;

	(void)state;
	for (int coherent = 0; coherent < 2; coherent++) {
		start_device(coherent);
		buf = kmalloc(8192, GFP_KERNEL);
		span = dev.map_span;
		assert_int_equal(span != 0, coherent);
		listen(true);
		assert_int_equal(dev.map_span | dev.unmap_span, 0);
		at = dma_map_single(&dev, buf, 100, DMA_TO_DEVICE);
		range_was_told(BERTH_TRACE_DMA_MAP, "heard", at, 100, DMA_TO_DEVICE,
			       virt_to_phys(buf));
		dma_sync_single_range_for_cpu(&dev, at, 10, 20, DMA_TO_DEVICE);
		range_was_told(BERTH_TRACE_SYNC_FOR_CPU, "heard", at + 10, 20, DMA_TO_DEVICE, 0);
		dma_sync_single_for_device(&dev, at, 100, DMA_TO_DEVICE);
		range_was_told(BERTH_TRACE_SYNC_FOR_DEVICE, "heard", at, 100, DMA_TO_DEVICE, 0);
		dma_unmap_single(&dev, at, 100, DMA_TO_DEVICE);
		range_was_told(BERTH_TRACE_DMA_UNMAP, "heard", at, 100, DMA_TO_DEVICE, 0);
		at = dma_map_page(&dev, virt_to_page(buf), offset_in_page(buf), 64,
				  DMA_FROM_DEVICE);
		range_was_told(BERTH_TRACE_DMA_MAP, "heard", at, 64, DMA_FROM_DEVICE,
			       virt_to_phys(buf));
		/* What is refused is not told. */
		assert_int_equal(dma_map_single(&dev, buf, 0, DMA_TO_DEVICE), DMA_MAPPING_ERROR);
		assert_int_equal(nr_heard, 0);
		listen(false);
		assert_int_equal(dev.map_span, span);
		dma_unmap_page(&dev, at, 64, DMA_FROM_DEVICE);
		at = dma_map_single(&dev, buf, 100, DMA_TO_DEVICE);
		assert_int_equal(nr_heard, 0);
		/* Mapped while nobody listened. */
		listen(true);
		dma_unmap_single(&dev, at, 100, DMA_TO_DEVICE);
		range_was_told(BERTH_TRACE_DMA_UNMAP, "heard", at, 100, DMA_TO_DEVICE, 0);

		sg_init_table(sgl, 2);
		sg_set_buf(&sgl[0], buf, 64);
		sg_set_buf(&sgl[1], buf + 4096, 128);
		assert_int_equal(dma_map_sg(&dev, sgl, 2, DMA_TO_DEVICE), 2);
		for (int i = 0; i < 2; i++)
			range_was_told(BERTH_TRACE_DMA_MAP, "heard", sg_dma_address(&sgl[i]),
				       i ? 128 : 64, DMA_TO_DEVICE,
				       virt_to_phys(buf) + 4096 * (unsigned int)i);
		dma_sync_sg_for_device(&dev, sgl, 2, DMA_TO_DEVICE);
		dma_unmap_sg(&dev, sgl, 2, DMA_TO_DEVICE);
		assert_int_equal(nr_heard, 4);
		listen(false);
		kfree(buf);
		device_unregister(&dev);
		must_stop();
	}
}

static const struct berth_driver smmu[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_NO_MORE_DRIVERS,
};

/* Also those of registers, and memory that is allocated for DMA. */
static void memory_and_registers_are_told(void **state)
{
	dma_addr_t at;
	void *virt;

	(void)state;
	start_device(true);
	listen(true);
	virt = dma_alloc_coherent(&dev, 5000, &at, GFP_KERNEL);
	assert_non_null(virt);
	while (nr_heard > 1)
		next(BERTH_TRACE_CMA_ALLOC);
	range_was_told(BERTH_TRACE_DMA_ALLOC, "heard", at, 8192, 0, at);
	dma_free_coherent(&dev, 5000, virt, at);
	range_was_told(BERTH_TRACE_DMA_FREE, "heard", at, 8192, 0, at);
	nr_heard = 0;
	dma_free_coherent(&dev, 5000, virt, at);
	assert_int_equal(nr_heard, 0);
	at = dma_map_resource(&dev, 0x10000000, 64, DMA_BIDIRECTIONAL, 0);
	range_was_told(BERTH_TRACE_DMA_MAP, "heard", at, 64, DMA_BIDIRECTIONAL, 0x10000000);
	dma_unmap_resource(&dev, at, 64, DMA_BIDIRECTIONAL, 0);
	range_was_told(BERTH_TRACE_DMA_UNMAP, "heard", at, 64, DMA_BIDIRECTIONAL, 0);
	listen(false);
	device_unregister(&dev);
	must_stop();
}

/* The same behind an IOMMU, where a list is one range. */
static void mappings_behind_an_iommu_are_told(void **state)
{
	struct scatterlist sgl[2];
	struct device *client;
	dma_addr_t at;
	char *buf;

	(void)state;
	for (int early = 0; early < 2; early++) {
		if (early)
			listen(true);
		assert_int_equal(start_tree(board_multimedia_coherent, smmu, NULL), 0);
		client = &of_find_device_by_node(
				  of_find_compatible_node(NULL, NULL, "berth,model-display"))
				  ->dev;
		assert_int_equal(dma_set_mask_and_coherent(client, DMA_BIT_MASK(32)), 0);
		buf = (char *)__get_free_pages(GFP_KERNEL, 1);
		/* The short way is open as long as nobody listens. */
		assert_int_equal(iommu_dma_of(client)->ram_size != 0, !early);
		listen(true);
		assert_int_equal(iommu_dma_of(client)->ram_size, 0);
		at = dma_map_single(client, buf, 4096, DMA_TO_DEVICE);
		range_was_told(BERTH_TRACE_DMA_MAP, "display@2000", at, 4096, DMA_TO_DEVICE,
			       virt_to_phys(buf));
		dma_unmap_single(client, at, 4096, DMA_TO_DEVICE);
		range_was_told(BERTH_TRACE_DMA_UNMAP, "display@2000", at, 4096, DMA_TO_DEVICE, 0);
		sg_init_table(sgl, 2);
		sg_set_buf(&sgl[0], buf + 4096, 4096);
		sg_set_buf(&sgl[1], buf, 4096);
		assert_int_equal(dma_map_sg(client, sgl, 2, DMA_TO_DEVICE), 1);
		at = sg_dma_address(sgl);
		range_was_told(BERTH_TRACE_DMA_MAP, "display@2000", at, 8192, DMA_TO_DEVICE, 0);
		dma_sync_sg_for_cpu(client, sgl, 2, DMA_TO_DEVICE);
		range_was_told(BERTH_TRACE_SYNC_FOR_CPU, "display@2000", at, 8192, DMA_TO_DEVICE,
			       0);
		dma_sync_sg_for_device(client, sgl, 2, DMA_TO_DEVICE);
		range_was_told(BERTH_TRACE_SYNC_FOR_DEVICE, "display@2000", at, 8192, DMA_TO_DEVICE,
			       0);
		dma_unmap_sg(client, sgl, 2, DMA_TO_DEVICE);
		range_was_told(BERTH_TRACE_DMA_UNMAP, "display@2000", at, 8192, DMA_TO_DEVICE, 0);
		assert_int_equal(nr_heard, 0);
		listen(false);
		free_pages((unsigned long)buf, 1);
		must_stop();
	}
}

static void areas_and_bounce_buffers_are_told(void **state)
{
	struct cma *area;
	struct page *page;
	dma_addr_t at;
	char *buf;

	(void)state;
	start_device(true);
	area = berth_cma_default();
	listen(true);
	page = cma_alloc(area, 3, 0, false);
	range_was_told(BERTH_TRACE_CMA_ALLOC, "", page_to_phys(page), 3 * PAGE_SIZE, 0, 0);
	assert_true(cma_release(area, page, 3));
	assert_string_equal(heard[0].name, cma_get_name(area));
	range_was_told(BERTH_TRACE_CMA_RELEASE, "", page_to_phys(page), 3 * PAGE_SIZE, 0, 0);
	assert_null(cma_alloc(area, cma_get_size(area) / PAGE_SIZE + 1, 0, false));
	assert_int_equal(heard[0].event.detail, -EBUSY);
	next(BERTH_TRACE_CMA_ALLOC);
	assert_false(cma_release(area, page, 3));
	assert_int_equal(nr_heard, 0);

	listen(false);
	device_unregister(&dev);
	must_stop();

	must_start(tree_minimal, NULL, "swiotlb=force");
	memset(&dev, 0, sizeof(dev));
	assert_int_equal(device_register(&dev, "bounced"), 0);
	listen(true);
	buf = kmalloc(4096, GFP_KERNEL);
	for (int i = 0; i < 3; i++) {
		at = dma_map_single(&dev, buf, 4096, DMA_TO_DEVICE);
		range_was_told(BERTH_TRACE_BOUNCE, "bounced", at, 4096, DMA_TO_DEVICE,
			       virt_to_phys(buf));
		next(BERTH_TRACE_DMA_MAP);
		dma_unmap_single(&dev, at, 4096, DMA_TO_DEVICE);
		next(BERTH_TRACE_DMA_UNMAP);
	}
	listen(false);
	kfree(buf);
	device_unregister(&dev);
	must_stop();
}

static void fences_are_told(void **state)
{
	struct dma_fence *fence;
	uint64_t context;

	(void)state;
	must_start(tree_minimal, NULL, NULL);
	listen(true);
	context = dma_fence_context_alloc(1);
	fence = work_new(context, 7);
	assert_int_equal(dma_fence_wait_timeout(fence, false, 1), 0);
	dma_fence_set_error(fence, -EIO);
	dma_fence_signal(fence);
	assert_true(dma_fence_wait_timeout(fence, false, 1) > 0);
	for (unsigned int i = 0; i < nr_heard; i++) {
		assert_ptr_equal(heard[i].event.object, fence);
		assert_int_equal(heard[i].event.address, context);
		assert_int_equal(heard[i].event.other, 7);
	}
	next(BERTH_TRACE_FENCE_INIT);
	next(BERTH_TRACE_FENCE_WAIT);
	assert_int_equal(next(BERTH_TRACE_FENCE_WOKEN)->event.detail, -ETIMEDOUT);
	assert_int_equal(next(BERTH_TRACE_FENCE_SIGNAL)->event.detail, -EIO);
	next(BERTH_TRACE_FENCE_WAIT);
	assert_int_equal(next(BERTH_TRACE_FENCE_WOKEN)->event.detail, 0);
	assert_int_equal(nr_heard, 0);
	listen(false);
	dma_fence_put(fence);
	must_stop();
}

static void kinds_have_names(void **state)
{
	(void)state;
	for (int a = 0; a < BERTH_TRACE_KINDS; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(berth_trace_name((enum berth_trace_kind)a),
						berth_trace_name((enum berth_trace_kind)b));
	assert_string_equal(berth_trace_name(BERTH_TRACE_KINDS), "?");
	assert_string_equal(berth_trace_name((enum berth_trace_kind) - 1), "?");
}

static uint64_t counts[BERTH_TRACE_KINDS], refused;

static void count(const struct berth_trace_event *event, void *data)
{
	(void)data;
	__atomic_fetch_add(&counts[event->kind], 1, __ATOMIC_RELAXED);
	if (event->kind == BERTH_TRACE_IOMMU_FAULT)
		__atomic_fetch_add(&refused, event->length, __ATOMIC_RELAXED);
}

/* A run with tenants, an engine, bounce buffers, and at the end an IOMMU that is told too late. */
static void a_run_is_told_as_it_is_counted(void **state)
{
	struct run_options options = {
		.board = board_without_decoder(board_multimedia, board_multimedia_size),
		.frames = 4,
		.tenants = true,
	};
	struct run_result result;

	(void)state;
	assert_int_equal(berth_trace_set(count, NULL), 0);
	assert_int_equal(run_job(&options, &result), RUN_DONE);
	assert_int_equal(counts[BERTH_TRACE_MIGRATE], result.tenants.moved);
	assert_true(counts[BERTH_TRACE_RECLAIM] >= result.tenants.dropped);
	assert_int_equal(counts[BERTH_TRACE_BOUNCE], result.bounce.nr_maps);
	assert_int_equal(counts[BERTH_TRACE_DMA_MAP], counts[BERTH_TRACE_DMA_UNMAP]);
	assert_int_equal(counts[BERTH_TRACE_DMA_ALLOC], counts[BERTH_TRACE_DMA_FREE]);
	assert_true(counts[BERTH_TRACE_DMA_SUBMIT] >= options.frames);
	assert_int_equal(counts[BERTH_TRACE_DMA_SUBMIT], counts[BERTH_TRACE_DMA_COMPLETE]);
	assert_int_equal(counts[BERTH_TRACE_IOMMU_FAULT], 0);
	options.tenants = false;
	options.model.cache = BERTH_MODEL_CACHE_ADVERSARIAL;
	do {
		options.model.drop_cache_op++;
		refused = 0;
		run_job(&options, &result);
	} while (!result.display.faults && result.dropped);
	assert_int_equal(berth_trace_set(NULL, NULL), 0);
	assert_true(result.display.faults);
	assert_in_range(refused, 1, result.display.faults);
}

#define THREADS 4u
#define EACH 60000u

static struct trace *trace;

static void *tell(void *arg)
{
	for (unsigned int i = 0; i < EACH; i++)
		trace_owner(trace, arg, "somebody");
	return NULL;
}

/* Everything that is told is written once, or counted as lost. */
static void threads_share_the_ring(void **state)
{
	char path[] = "/tmp/berth-trace-XXXXXX", error[200], line[4096] = "";
	unsigned long long lost = 0;
	pthread_t threads[THREADS];
	uint64_t written;
	FILE *file;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	trace = trace_open(path, error, sizeof(error));
	assert_non_null(trace);
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, tell, &nr_heard + i), 0);
	for (unsigned int i = 0; i < 50; i++)
		trace_flush(trace);
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	trace_flush(trace);
	written = trace_count(trace, TRACE_OWNER);
	assert_int_equal(trace_close(trace, error, sizeof(error)), 0);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) && !strstr(line, "\"lost\": "))
		;
	fclose(file);
	unlink(path);
	assert_int_equal(sscanf(strstr(line, "\"lost\": "), "\"lost\": %llu", &lost), 1);
	assert_int_equal(written + lost, THREADS * EACH);
	assert_true(written >= 1u << 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mapping_is_told),
		cmocka_unit_test(memory_and_registers_are_told),
		cmocka_unit_test(mappings_behind_an_iommu_are_told),
		cmocka_unit_test(areas_and_bounce_buffers_are_told),
		cmocka_unit_test(fences_are_told),
		cmocka_unit_test(kinds_have_names),
		cmocka_unit_test(a_run_is_told_as_it_is_counted),
		cmocka_unit_test(threads_share_the_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
