// SPDX-License-Identifier: BSD-2-Clause
/* Buffers that devices with different limits share: where they are, whose bytes are seen, and what it costs. */
#include "dma_buf.h"

#include <berth/slab.h>

#define SIZE (16u * 4096u)

static const struct berth_model_config adversarial = { .cache = BERTH_MODEL_CACHE_ADVERSARIAL };

static phys_addr_t first_byte(struct dma_buf *dmabuf)
{
	struct iosys_map map;
	phys_addr_t phys;

	assert_int_equal(dma_buf_vmap_unlocked(dmabuf, &map), 0);
	phys = is_vmalloc_addr(map.vaddr) ? page_to_phys(vmalloc_to_page(map.vaddr))
					  : virt_to_phys(map.vaddr);
	dma_buf_vunmap_unlocked(dmabuf, &map);
	return phys;
}

/* Camera, processor and display, each once: the third one gets what the first has written. */
static void test_three_devices(void **state)
{
	struct dma_buf_attachment *in, *work, *out;
	struct berth_dma_buf_stats before, after;
	struct sg_table *sgt;
	struct dma_buf *dmabuf;

	(void)state;
	dma_buf_start(&adversarial);
	dmabuf = new_buffer("system", SIZE);
	in = must_attach(dmabuf, &camera);
	work = must_attach(dmabuf, &processor);
	out = must_attach(dmabuf, &display);
	for (unsigned int picture = 0; picture < 10; picture++) {
		before = stats_of(dmabuf);
		sgt = must_map(in, DMA_FROM_DEVICE);
		assert_int_equal(sgt->nents, 1);
		assert_true(sg_dma_address(sgt->sgl) + SIZE <= 1u << 30);
		device_writes(&camera, sgt, picture);
		dma_buf_unmap_attachment_unlocked(in, sgt, DMA_FROM_DEVICE);

		sgt = must_map(work, DMA_BIDIRECTIONAL);
		assert_int_equal(device_reads(&processor, sgt, picture), 0);
		device_writes(&processor, sgt, picture + 100);
		dma_buf_unmap_attachment_unlocked(work, sgt, DMA_BIDIRECTIONAL);
		after = stats_of(dmabuf);
		/* From one that sees memory to another: nothing. Only the zeroes of the start are cleaned. */
		assert_int_equal(after.cleans - before.cleans, picture ? 0 : 1);
		assert_int_equal(after.invalidates, before.invalidates);

		sgt = must_map(out, DMA_TO_DEVICE);
		assert_int_equal(device_reads(&display, sgt, picture + 100), 0);
		dma_buf_unmap_attachment_unlocked(out, sgt, DMA_TO_DEVICE);
		assert_int_equal(stats_of(dmabuf).invalidates - after.invalidates, 1);
		assert_int_equal(stats_of(dmabuf).cleans, after.cleans);
		assert_int_equal(stats_of(dmabuf).copies, 0);
	}
	dma_buf_detach(dmabuf, work);
	dma_buf_detach(dmabuf, in);
	dma_buf_detach(dmabuf, out);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

static uint64_t nr_ops;
static enum berth_model_cache_op last_op;
static uint64_t last_size;

static void count_op(void *data, uint64_t number, enum berth_model_cache_op op, phys_addr_t phys,
		     uint64_t size)
{
	(void)data, (void)phys;
	nr_ops = number;
	last_op = op;
	last_size = size;
}

/*
 * A round between the sides: CPU -> camera -> display -> camera. Return: wrong bytes; *@ops operations that it took, the
 * first of which had the number *@first.
 */
static size_t round_of(uint64_t drop, uint64_t *first, uint64_t *ops)
{
	const struct berth_model_config config = { .cache = BERTH_MODEL_CACHE_ADVERSARIAL,
						   .drop_cache_op = drop,
						   .on_cache_op = count_op };
	struct dma_buf_attachment *in, *out;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct iosys_map map;
	size_t wrong = 0;

	dma_buf_start(&config);
	dmabuf = new_buffer("cma", SIZE);
	in = must_attach(dmabuf, &camera);
	out = must_attach(dmabuf, &display);
	assert_int_equal(dma_buf_vmap_unlocked(dmabuf, &map), 0);
	*first = nr_ops + 1;
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	cpu_writes(map.vaddr, SIZE, 1);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE), 0);
	assert_int_equal(nr_ops + 1, *first);

	sgt = must_map(in, DMA_TO_DEVICE);
	assert_int_equal(nr_ops, *first); /* a clean of all of it */
	assert_int_equal(last_op, BERTH_MODEL_CLEAN);
	assert_int_equal(last_size, SIZE);
	wrong += device_reads(&camera, sgt, 1);
	dma_buf_unmap_attachment_unlocked(in, sgt, DMA_TO_DEVICE);

	sgt = must_map(in, DMA_FROM_DEVICE); /* nothing: no cache has anything newer */
	assert_int_equal(nr_ops, *first);
	device_writes(&camera, sgt, 2);
	dma_buf_unmap_attachment_unlocked(in, sgt, DMA_FROM_DEVICE);

	sgt = must_map(out, DMA_BIDIRECTIONAL);
	assert_int_equal(nr_ops, *first + 1); /* an invalidate */
	assert_int_equal(last_op, BERTH_MODEL_INVALIDATE);
	wrong += device_reads(&display, sgt, 2);
	device_writes(&display, sgt, 3);
	dma_buf_unmap_attachment_unlocked(out, sgt, DMA_BIDIRECTIONAL);

	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(nr_ops, *first + 1); /* the CPU and the display see the same */
	wrong += cpu_reads(map.vaddr, SIZE, 3);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);

	sgt = must_map(in, DMA_TO_DEVICE);
	assert_int_equal(nr_ops, *first + 2); /* a clean */
	wrong += device_reads(&camera, sgt, 3);
	dma_buf_unmap_attachment_unlocked(in, sgt, DMA_TO_DEVICE);
	*ops = nr_ops + 1 - *first;
	assert_int_equal(stats_of(dmabuf).cleans, 2);
	assert_int_equal(stats_of(dmabuf).invalidates, 1);
	dma_buf_vunmap_unlocked(dmabuf, &map);
	dma_buf_detach(dmabuf, in);
	dma_buf_detach(dmabuf, out);
	dma_buf_put(dmabuf);
	dma_buf_stop();
	return wrong;
}

static void test_each_operation_matters(void **state)
{
	uint64_t first, ops, again, unused;

	(void)state;
	assert_int_equal(round_of(0, &first, &ops), 0);
	assert_int_equal(ops, 3);
	for (uint64_t i = 0; i < ops; i++) {
		size_t wrong = round_of(first + i, &again, &unused);

		assert_int_equal(again, first);
		if (!wrong)
			fail_msg("operation %d can be left out", (int)i);
	}
}

/* Mapped once, used many times: who says when he is at it pays as little. */
static void test_long_mappings(void **state)
{
	struct dma_buf_attachment *in, *out;
	struct sg_table *written, *read;
	struct dma_buf *dmabuf;
	uint64_t before;

	(void)state;
	dma_buf_start(&adversarial);
	dmabuf = new_buffer("cma", SIZE);
	in = must_attach(dmabuf, &camera);
	out = must_attach(dmabuf, &display);
	assert_int_equal(berth_dma_buf_begin_access(in, DMA_FROM_DEVICE), -EINVAL);
	assert_why(BERTH_REASON_STATE);
	written = must_map(in, DMA_FROM_DEVICE);
	assert_int_equal(berth_dma_buf_end_access(in), 0);
	read = must_map(out, DMA_TO_DEVICE);
	assert_int_equal(berth_dma_buf_end_access(out), 0);
	assert_int_equal(berth_dma_buf_begin_access(out, DMA_NONE), -EINVAL);
	for (unsigned int picture = 0; picture < 10; picture++) {
		before = stats_of(dmabuf).invalidates;
		assert_int_equal(berth_dma_buf_begin_access(in, DMA_FROM_DEVICE), 0);
		device_writes(&camera, written, picture);
		assert_int_equal(berth_dma_buf_end_access(in), 0);
		assert_int_equal(berth_dma_buf_begin_access(out, DMA_TO_DEVICE), 0);
		assert_int_equal(device_reads(&display, read, picture), 0);
		assert_int_equal(berth_dma_buf_end_access(out), 0);
		assert_int_equal(stats_of(dmabuf).invalidates - before, 1);
	}
	assert_int_equal(stats_of(dmabuf).cleans, 1);
	dma_buf_unmap_attachment_unlocked(in, written, DMA_FROM_DEVICE);
	dma_buf_unmap_attachment_unlocked(out, read, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, in);
	dma_buf_detach(dmabuf, out);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

/* As drivers from Linux do: mapped for long, and the CPU looks in between. */
static void test_unsaid_accesses(void **state)
{
	struct dma_buf_attachment *in;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct iosys_map map;

	(void)state;
	dma_buf_start(&adversarial);
	dmabuf = new_buffer("cma", SIZE);
	in = must_attach(dmabuf, &camera);
	sgt = must_map(in, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_buf_vmap_unlocked(dmabuf, &map), 0);
	for (unsigned int picture = 0; picture < 10; picture++) {
		device_writes(&camera, sgt, picture);
		assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
		assert_int_equal(cpu_reads(map.vaddr, SIZE, picture), 0);
		cpu_writes(map.vaddr, SIZE, picture + 50);
		assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
		assert_int_equal(device_reads(&camera, sgt, picture + 50), 0);
	}
	dma_buf_vunmap_unlocked(dmabuf, &map);
	dma_buf_unmap_attachment_unlocked(in, sgt, DMA_BIDIRECTIONAL);
	dma_buf_detach(dmabuf, in);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

/* The CPU begins a part: only its pages are maintained, and the rest stays owed. */
static void test_parts(void **state)
{
	struct dma_buf_attachment *in;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct iosys_map map;
	uint8_t *bytes;

	(void)state;
	dma_buf_start(&adversarial);
	dmabuf = new_buffer("cma", SIZE);
	in = must_attach(dmabuf, &camera);
	sgt = must_map(in, DMA_FROM_DEVICE);
	device_writes(&camera, sgt, 5);
	dma_buf_unmap_attachment_unlocked(in, sgt, DMA_FROM_DEVICE);
	assert_int_equal(dma_buf_vmap_unlocked(dmabuf, &map), 0);
	bytes = map.vaddr;

	assert_int_equal(
		dma_buf_begin_cpu_access_partial(dmabuf, DMA_BIDIRECTIONAL, 4096 + 100, 50), 0);
	assert_int_equal(bytes[4096 + 120], pixel(5, 4096 + 120));
	bytes[4096 + 120] = 0x77;
	assert_int_equal(dma_buf_end_cpu_access_partial(dmabuf, DMA_BIDIRECTIONAL, 4096 + 100, 50),
			 0);
	/* What the CPU wrote is not lost when the whole is begun. */
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(bytes[4096 + 120], 0x77);
	assert_int_equal(cpu_reads(bytes, SIZE, 5), 1);
	assert_int_equal(stats_of(dmabuf).invalidates, 3);

	sgt = must_map(in, DMA_TO_DEVICE);
	assert_int_equal(device_reads(&camera, sgt, 5), 1);
	dma_buf_unmap_attachment_unlocked(in, sgt, DMA_TO_DEVICE);

	assert_int_equal(dma_buf_begin_cpu_access_partial(dmabuf, DMA_TO_DEVICE, SIZE, 1), -EINVAL);
	assert_why(BERTH_REASON_ARGUMENT);
	assert_int_equal(dma_buf_begin_cpu_access_partial(dmabuf, DMA_TO_DEVICE, 1, SIZE), -EINVAL);
	assert_int_equal(dma_buf_begin_cpu_access_partial(dmabuf, DMA_TO_DEVICE, 8, SIZE_MAX - 4),
			 -EINVAL);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_NONE), -EINVAL);
	assert_int_equal(dma_buf_end_cpu_access_partial(dmabuf, DMA_TO_DEVICE, 0, 0), -EINVAL);
	dma_buf_vunmap_unlocked(dmabuf, &map);
	dma_buf_detach(dmabuf, in);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

/* Nothing is taken before it is needed, and then within everybody's reach. */
static void test_memory_is_taken_late(void **state)
{
	struct dma_buf_attachment *in, *work, *out;
	struct berth_memory_info before, after;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;

	(void)state;
	dma_buf_start(NULL);
	berth_memory_info(&before);
	dmabuf = new_buffer("system", 8 * MIB);
	work = must_attach(dmabuf, &processor);
	out = must_attach(dmabuf, &display);
	berth_memory_info(&after);
	assert_true(before.free - after.free < MIB);
	in = must_attach(dmabuf, &camera);
	sgt = must_map(work, DMA_FROM_DEVICE);
	berth_memory_info(&after);
	assert_true(before.free - after.free >= 8 * MIB);
	assert_true(first_byte(dmabuf) + 8 * MIB <= 1u << 30);
	dma_buf_unmap_attachment_unlocked(work, sgt, DMA_FROM_DEVICE);
	dma_buf_detach(dmabuf, in);
	dma_buf_detach(dmabuf, work);
	dma_buf_detach(dmabuf, out);
	dma_buf_put(dmabuf);

	/* No limits: it is where there is most room. */
	dmabuf = new_buffer("system", SIZE);
	work = must_attach(dmabuf, &processor);
	sgt = must_map(work, DMA_FROM_DEVICE);
	assert_true(first_byte(dmabuf) >= 1ull << 32);
	dma_buf_unmap_attachment_unlocked(work, sgt, DMA_FROM_DEVICE);
	dma_buf_detach(dmabuf, work);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

static struct sg_table *kept;
static unsigned int notified;

static void let_go(struct dma_buf_attachment *attach)
{
	notified++;
	if (kept)
		dma_buf_unmap_attachment(attach, kept, DMA_BIDIRECTIONAL);
	kept = NULL;
}

static void hold_on(struct dma_buf_attachment *attach)
{
	(void)attach;
	notified++;
}

static const struct dma_buf_attach_ops lets_go = { .move_notify = let_go };
static const struct dma_buf_attach_ops holds_on = { .move_notify = hold_on };

/* A tighter device comes later: the buffer moves, with its bytes, if everybody lets it. */
static void test_moves(void **state)
{
	struct dma_buf_attachment *work, *in;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	phys_addr_t before;

	(void)state;
	dma_buf_start(&adversarial);
	dmabuf = new_buffer("system", SIZE);
	work = dma_buf_dynamic_attach(dmabuf, processor.dev, &lets_go, NULL);
	assert_false(IS_ERR(work));
	kept = must_map(work, DMA_BIDIRECTIONAL);
	device_writes(&processor, kept, 9);
	before = first_byte(dmabuf);
	assert_true(before >= 1ull << 32);
	in = must_attach(dmabuf, &camera);
	assert_int_equal(notified, 0);

	sgt = must_map(in, DMA_TO_DEVICE);
	assert_int_equal(notified, 1);
	assert_null(kept);
	assert_true(first_byte(dmabuf) < 1u << 30);
	assert_int_equal(device_reads(&camera, sgt, 9), 0);
	assert_int_equal(stats_of(dmabuf).moves, 1);
	assert_int_equal(stats_of(dmabuf).copies, SIZE);
	kept = must_map(work, DMA_BIDIRECTIONAL);
	assert_int_equal(device_reads(&processor, kept, 9), 0);
	dma_buf_unmap_attachment_unlocked(work, kept, DMA_BIDIRECTIONAL);
	kept = NULL;
	dma_buf_unmap_attachment_unlocked(in, sgt, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, work);
	dma_buf_detach(dmabuf, in);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

/* Who does not let go is named; the buffer stays, and everybody goes on. */
static void test_does_not_move(void **state)
{
	struct dma_buf_attachment *work, *in;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct iosys_map map;

	(void)state;
	dma_buf_start(&adversarial);
	dmabuf = new_buffer("system", SIZE);
	work = dma_buf_dynamic_attach(dmabuf, processor.dev, &holds_on, NULL);
	assert_false(IS_ERR(work));
	sgt = must_map(work, DMA_BIDIRECTIONAL);
	device_writes(&processor, sgt, 4);
	in = must_attach(dmabuf, &camera);
	assert_int_equal(PTR_ERR(dma_buf_map_attachment_unlocked(in, DMA_TO_DEVICE)), -EBUSY);
	assert_why(BERTH_REASON_PAGE_BUSY);
	assert_string_equal(berth_last_error()->holder, dev_name(processor.dev));
	assert_int_equal(device_reads(&processor, sgt, 4), 0);
	dma_buf_unmap_attachment_unlocked(work, sgt, DMA_BIDIRECTIONAL);

	/* Pinned. */
	assert_int_equal(dma_buf_pin(work), -EPERM);
	assert_int_equal(dma_resv_lock(dmabuf->resv, NULL), 0);
	assert_int_equal(PTR_ERR(dma_buf_map_attachment(in, DMA_NONE)), -EINVAL);
	dma_resv_unlock(dmabuf->resv);

	sgt = must_map(in, DMA_TO_DEVICE);
	assert_int_equal(device_reads(&camera, sgt, 4), 0);
	dma_buf_unmap_attachment_unlocked(in, sgt, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, in);
	dma_buf_detach(dmabuf, work);
	dma_buf_put(dmabuf);

	/* Seen by the CPU. */
	dmabuf = new_buffer("system", SIZE);
	assert_int_equal(dma_buf_vmap_unlocked(dmabuf, &map), 0);
	in = must_attach(dmabuf, &camera);
	assert_int_equal(PTR_ERR(dma_buf_map_attachment_unlocked(in, DMA_TO_DEVICE)), -EBUSY);
	assert_why(BERTH_REASON_STATE);
	dma_buf_vunmap_unlocked(dmabuf, &map);
	sgt = must_map(in, DMA_TO_DEVICE);
	dma_buf_unmap_attachment_unlocked(in, sgt, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, in);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

static int note_name(struct dma_heap *heap, void *data)
{
	strcat(strcat(data, dma_heap_get_name(heap)), " ");
	return 0;
}

/* By name: any pages, the default area, one whose allocations do not fail, and each area. */
static void test_heaps(void **state)
{
	static const struct {
		const char *heap;
		phys_addr_t first, last;
	} places[] = {
		{ "cma", POOL, POOL + POOL_SIZE - 1 },
		{ "guaranteed", KEPT, KEPT + KEPT_SIZE - 1 },
		{ "kept@22000000", KEPT, KEPT + KEPT_SIZE - 1 },
		{ "pool@21000000", POOL, POOL + POOL_SIZE - 1 },
	};
	struct dma_buf *dmabuf, *most;
	struct iosys_map map;
	char names[200] = "";

	(void)state;
	dma_buf_start(NULL);
	assert_int_equal(berth_dma_heap_each(note_name, names), 0);
	assert_string_equal(names, "system cma guaranteed pool@21000000 kept@22000000 ");
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		dmabuf = new_buffer(places[i].heap, SIZE);
		assert_in_range(first_byte(dmabuf), places[i].first, places[i].last - SIZE + 1);
		dma_buf_put(dmabuf);
	}
	/* All of it, and no more. */
	most = new_buffer("guaranteed", KEPT_SIZE);
	dmabuf = new_buffer("guaranteed", 4096);
	assert_int_equal(dma_buf_vmap_unlocked(most, &map), 0);
	dma_buf_vunmap_unlocked(most, &map);
	assert_int_equal(dma_buf_vmap_unlocked(dmabuf, &map), -ENOMEM);
	dma_buf_put(most);
	assert_int_equal(dma_buf_vmap_unlocked(dmabuf, &map), 0);
	dma_buf_vunmap_unlocked(dmabuf, &map);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

static void test_bad_input(void **state)
{
	const struct dma_heap_export_info bad = { .name = "bad" }, again = { .name = "system" };
	struct dma_buf_export_info info = { .exp_name = "test", .size = 4096 };
	const struct berth_dma_window elsewhere = { MIDDLE_RAM, MIDDLE_RAM, BANK_SIZE };
	struct dma_buf_attachment *in;
	struct dma_heap *heap;
	struct dma_buf *dmabuf;

	(void)state;
	dma_buf_start(NULL);
	heap = dma_heap_find("system");
	assert_int_equal(PTR_ERR(dma_buf_export(&info)), -EINVAL);
	assert_null(dma_heap_find("none"));
	assert_why(BERTH_REASON_ARGUMENT);
	assert_int_equal(PTR_ERR(dma_heap_add(&bad)), -EINVAL);
	assert_int_equal(PTR_ERR(dma_heap_add(&again)), -EINVAL);
	assert_int_equal(PTR_ERR(dma_heap_buffer_alloc(heap, 0, BERTH_O_RDWR, 0)), -EINVAL);
	assert_int_equal(PTR_ERR(dma_heap_buffer_alloc(heap, SIZE_MAX, BERTH_O_RDWR, 0)), -EINVAL);
	assert_int_equal(PTR_ERR(dma_heap_buffer_alloc(heap, 1ull << 40, BERTH_O_RDWR, 0)),
			 -ENOMEM);
	assert_why(BERTH_REASON_TOO_LARGE);
	assert_int_equal(PTR_ERR(dma_heap_buffer_alloc(heap, 4096, BERTH_O_RDWR, 0x80)), -EINVAL);
	assert_int_equal(PTR_ERR(dma_heap_buffer_alloc(heap, 4096, 0x80, 0)), -EINVAL);

	/* A pool of 16 MiB gives no 17. */
	dmabuf = new_buffer("cma", 17 * MIB);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), -ENOMEM);
	dma_buf_put(dmabuf);

	/* Nothing that all of them reach. */
	dmabuf = new_buffer("system", SIZE);
	in = must_attach(dmabuf, &camera);
	assert_int_equal(berth_device_set_windows(display.dev, &elsewhere, 1), 0);
	assert_int_equal(PTR_ERR(dma_buf_attach(dmabuf, display.dev)), -EINVAL);
	assert_why(BERTH_REASON_WINDOW);
	assert_string_equal(berth_last_error()->subject, dev_name(display.dev));
	dma_buf_detach(dmabuf, in);
	assert_int_equal(PTR_ERR(dma_buf_attach(dmabuf, NULL)), -EINVAL);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

/* More than the device takes in one piece, and no address in one piece: told, not tried. */
static void test_segments(void **state)
{
	struct dma_buf_attachment *in, *work;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;

	(void)state;
	dma_buf_start(NULL);
	assert_int_equal(dma_set_max_seg_size(camera.dev, 8 * 4096), 0);
	dmabuf = new_buffer("cma", SIZE);
	in = must_attach(dmabuf, &camera);
	assert_int_equal(PTR_ERR(dma_buf_map_attachment_unlocked(in, DMA_TO_DEVICE)), -EINVAL);
	assert_why(BERTH_REASON_SEGMENTS);
	dma_buf_detach(dmabuf, in);
	dma_buf_put(dmabuf);

	/* Entries no longer than the device's, and none across its boundary. */
	assert_int_equal(dma_set_seg_boundary(display.dev, 0x3fff), 0);
	assert_int_equal(dma_set_max_seg_size(display.dev, 3 * 4096), 0);
	dmabuf = new_buffer("system", SIZE + 4096);
	in = must_attach(dmabuf, &display);
	sgt = must_map(in, DMA_FROM_DEVICE);
	for (struct scatterlist *sg = sgt->sgl; sg; sg = sg_next(sg)) {
		assert_true(sg_dma_len(sg) <= 3 * 4096);
		assert_int_equal(sg_dma_address(sg) >> 14,
				 (sg_dma_address(sg) + sg_dma_len(sg) - 1) >> 14);
	}
	device_writes(&display, sgt, 3);
	assert_int_equal(stats_of(dmabuf).copies, 0);
	work = must_attach(dmabuf, &processor);
	dma_buf_unmap_attachment_unlocked(in, sgt, DMA_FROM_DEVICE);
	sgt = must_map(work, DMA_TO_DEVICE);
	assert_int_equal(device_reads(&processor, sgt, 3), 0);
	dma_buf_unmap_attachment_unlocked(work, sgt, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, in);
	dma_buf_detach(dmabuf, work);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_devices), cmocka_unit_test(test_each_operation_matters),
		cmocka_unit_test(test_long_mappings), cmocka_unit_test(test_unsaid_accesses),
		cmocka_unit_test(test_parts),	      cmocka_unit_test(test_memory_is_taken_late),
		cmocka_unit_test(test_moves),	      cmocka_unit_test(test_does_not_move),
		cmocka_unit_test(test_heaps),	      cmocka_unit_test(test_bad_input),
		cmocka_unit_test(test_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
