// SPDX-License-Identifier: BSD-2-Clause
/* Shared buffers in the cases that go wrong first: overlapping accesses, ends in any order, places that are tight. */
#include "dma_buf.h"

#include <berth/slab.h>

#define SIZE (4u * 4096u)

static const struct berth_model_config adversarial = { .cache = BERTH_MODEL_CACHE_ADVERSARIAL };

/* A device that only attaches and cannot be served without a move is nobody else's business. */
static void test_a_tight_one_stops_nobody(void **state)
{
	struct dma_buf_attachment *work, *other, *in;
	struct dma_buf *dmabuf;
	struct sg_table *sgt, *seen;
	struct iosys_map map;

	(void)state;
	dma_buf_start(&adversarial);
	dmabuf = new_buffer("system", SIZE);
	work = must_attach(dmabuf, &processor);
	sgt = must_map(work, DMA_FROM_DEVICE); /* above 4 GiB, and static */
	device_writes(&processor, sgt, 6);
	in = must_attach(dmabuf, &camera);
	assert_int_equal(PTR_ERR(dma_buf_map_attachment_unlocked(in, DMA_TO_DEVICE)), -EBUSY);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(dma_buf_vmap_unlocked(dmabuf, &map), 0);
	assert_int_equal(cpu_reads(map.vaddr, SIZE, 6), 0);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	dma_buf_vunmap_unlocked(dmabuf, &map);
	other = must_attach(dmabuf, &processor);
	seen = must_map(other, DMA_TO_DEVICE);
	assert_int_equal(device_reads(&processor, seen, 6), 0);
	dma_buf_unmap_attachment_unlocked(other, seen, DMA_TO_DEVICE);
	dma_buf_unmap_attachment_unlocked(work, sgt, DMA_FROM_DEVICE);
	assert_int_equal(stats_of(dmabuf).moves, 0);
	sgt = must_map(in, DMA_TO_DEVICE);
	assert_int_equal(device_reads(&camera, sgt, 6), 0);
	assert_int_equal(stats_of(dmabuf).moves, 1);
	dma_buf_unmap_attachment_unlocked(in, sgt, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, in);
	dma_buf_detach(dmabuf, work);
	dma_buf_detach(dmabuf, other);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

/* References go in any order, and a device leaves with what it has mapped. */
static void test_ends_in_any_order(void **state)
{
	struct dma_buf_attachment *in, *out;
	struct vm_area_struct vma;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;

	(void)state;
	dma_buf_start(&adversarial);
	dmabuf = new_buffer("system", SIZE);
	in = must_attach(dmabuf, &processor);
	out = must_attach(dmabuf, &display);
	dma_buf_put(dmabuf);
	sgt = must_map(in, DMA_FROM_DEVICE);
	device_writes(&processor, sgt, 9);
	dma_buf_detach(dmabuf, in); /* mapped */
	sgt = must_map(out, DMA_TO_DEVICE);
	assert_int_equal(device_reads(&display, sgt, 9), 0);
	assert_int_equal(berth_vma_reserve(&vma, SIZE, 0), 0);
	assert_int_equal(dma_buf_mmap(dmabuf, &vma, 0), 0);
	dma_buf_detach(dmabuf, out); /* mapped, and the last but the area */
	berth_vma_release(&vma);
	/* It is not held where it is, either. */
	dmabuf = new_buffer("system", SIZE);
	in = must_attach(dmabuf, &processor);
	must_map(in, DMA_FROM_DEVICE);
	dma_buf_detach(dmabuf, in);
	out = must_attach(dmabuf, &camera);
	sgt = must_map(out, DMA_TO_DEVICE);
	assert_int_equal(stats_of(dmabuf).moves, 1);
	dma_buf_put(dmabuf);
	dma_buf_detach(dmabuf, out);
	dma_buf_stop();
}

static struct sg_table *kept;

static void let_go(struct dma_buf_attachment *attach)
{
	if (kept)
		dma_buf_unmap_attachment(attach, kept, DMA_TO_DEVICE);
	kept = NULL;
}

static const struct dma_buf_attach_ops lets_go = { .move_notify = let_go };

/* An exporter takes its buffer back: who can let go does, who cannot is named, and nothing new begins. */
static void test_revoke(void **state)
{
	struct dma_buf_attachment *in, *work;
	struct vm_area_struct vma;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct iosys_map map;

	(void)state;
	dma_buf_start(&adversarial);
	dmabuf = new_buffer("cma", SIZE);
	work = dma_buf_dynamic_attach(dmabuf, processor.dev, &lets_go, NULL);
	assert_false(IS_ERR(work));
	kept = must_map(work, DMA_TO_DEVICE);
	in = must_attach(dmabuf, &camera);
	sgt = must_map(in, DMA_TO_DEVICE);
	assert_int_equal(dma_buf_vmap_unlocked(dmabuf, &map), 0);
	assert_int_equal(berth_dma_buf_revoke(dmabuf), -EBUSY);
	assert_why(BERTH_REASON_PAGE_BUSY);
	assert_string_equal(berth_last_error()->holder, dev_name(camera.dev));
	assert_null(kept);
	dma_buf_unmap_attachment_unlocked(in, sgt, DMA_TO_DEVICE);
	assert_int_equal(berth_dma_buf_revoke(dmabuf), -EBUSY);
	assert_string_equal(berth_last_error()->holder, "the CPU");
	dma_buf_vunmap_unlocked(dmabuf, &map);
	assert_int_equal(berth_dma_buf_revoke(dmabuf), 0);

	assert_int_equal(PTR_ERR(dma_buf_map_attachment_unlocked(work, DMA_TO_DEVICE)), -ENODEV);
	assert_why(BERTH_REASON_STATE);
	assert_int_equal(PTR_ERR(dma_buf_attach(dmabuf, display.dev)), -ENODEV);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), -ENODEV);
	assert_int_equal(dma_buf_vmap_unlocked(dmabuf, &map), -ENODEV);
	assert_int_equal(berth_file_mmap(dmabuf->file, &vma, SIZE, 0), -ENODEV);
	assert_int_equal(dma_resv_lock(dmabuf->resv, NULL), 0);
	assert_int_equal(dma_buf_pin(work), -ENODEV);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_detach(dmabuf, in);
	dma_buf_detach(dmabuf, work);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

/* Two write to lines of their own, and a third one looks: nobody's bytes are lost. */
static void test_overlapping_accesses(void **state)
{
	struct dma_buf_attachment *in, *out;
	struct sg_table *memory, *caches;
	struct dma_buf *dmabuf;
	struct iosys_map map;
	uint8_t byte = 0x5a, *bytes;

	(void)state;
	dma_buf_start(&adversarial);
	dmabuf = new_buffer("cma", SIZE);
	assert_int_equal(dma_buf_vmap_unlocked(dmabuf, &map), 0);
	bytes = map.vaddr;
	in = must_attach(dmabuf, &camera);
	memory = must_map(in, DMA_BIDIRECTIONAL);
	/* The CPU writes the first line; the camera has not said that it is idle; another reader begins. */
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
	bytes[0] = 0x11;
	model_lock();
	assert_int_equal(model_dma_write(camera.model, sg_dma_address(memory->sgl) + 512, &byte, 1),
			 0);
	model_unlock();
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(bytes[0], 0x11);
	assert_int_equal(bytes[512], 0x5a);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);

	/* The display writes through the caches, while what the camera ends to write is invalidated. */
	out = must_attach(dmabuf, &display);
	caches = must_map(out, DMA_BIDIRECTIONAL);
	byte = 0x22;
	model_lock();
	assert_int_equal(
		model_dma_write(display.model, sg_dma_address(caches->sgl) + 4096, &byte, 1), 0);
	model_unlock();
	assert_int_equal(berth_dma_buf_end_access(in), 0);
	assert_int_equal(dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	assert_int_equal(bytes[4096], 0x22);
	assert_int_equal(bytes[512], 0x5a);
	assert_int_equal(dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	dma_buf_unmap_attachment_unlocked(out, caches, DMA_BIDIRECTIONAL);
	dma_buf_unmap_attachment_unlocked(in, memory, DMA_BIDIRECTIONAL);
	dma_buf_vunmap_unlocked(dmabuf, &map);
	dma_buf_detach(dmabuf, in);
	dma_buf_detach(dmabuf, out);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

/* An area that a device does not reach is refused at once; a seam between two of its windows is none of the buffer's. */
static void test_areas_and_windows(void **state)
{
	const struct berth_dma_window elsewhere = { MIDDLE_RAM, MIDDLE_RAM, BANK_SIZE };
	struct berth_dma_window seam[2];
	struct dma_buf_attachment *out;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct iosys_map map;
	phys_addr_t middle;

	(void)state;
	dma_buf_start(NULL);
	dmabuf = new_buffer("cma", SIZE);
	assert_int_equal(berth_device_set_windows(display.dev, &elsewhere, 1), 0);
	assert_int_equal(PTR_ERR(dma_buf_attach(dmabuf, display.dev)), -EINVAL);
	assert_why(BERTH_REASON_WINDOW);
	assert_string_equal(berth_last_error()->subject, dev_name(display.dev));

	/* The next one is where this one is. */
	assert_int_equal(dma_buf_vmap_unlocked(dmabuf, &map), 0);
	middle = virt_to_phys(map.vaddr) + 2 * 4096;
	dma_buf_vunmap_unlocked(dmabuf, &map);
	dma_buf_put(dmabuf);
	dmabuf = new_buffer("cma", SIZE);
	seam[0] = (struct berth_dma_window){ LOW_RAM, 0xc0000000, middle - LOW_RAM };
	seam[1] = (struct berth_dma_window){ middle, 0x50000000, LOW_RAM + BANK_SIZE - middle };
	assert_int_equal(berth_device_set_windows(display.dev, seam, 2), 0);
	out = must_attach(dmabuf, &display);
	sgt = must_map(out, DMA_TO_DEVICE);
	assert_int_equal(sgt->nents, 2);
	assert_int_equal(sg_dma_len(sgt->sgl), 2 * 4096);
	assert_int_equal(sg_dma_address(sg_next(sgt->sgl)), 0x50000000);
	dma_buf_unmap_attachment_unlocked(out, sgt, DMA_TO_DEVICE);
	sgt = must_map(out, DMA_TO_DEVICE);
	assert_int_equal(stats_of(dmabuf).moves, 0);
	dma_buf_unmap_attachment_unlocked(out, sgt, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, out);
	dma_buf_put(dmabuf);

	/* A place of which the page allocator knows nothing: it gives the highest pages. */
	assert_int_equal(berth_device_set_windows(display.dev, &elsewhere, 1), 0);
	assert_int_equal(dma_set_mask(display.dev, DMA_BIT_MASK(40)), 0);
	dmabuf = new_buffer("system", 32 * MIB);
	out = must_attach(dmabuf, &display);
	sgt = must_map(out, DMA_TO_DEVICE);
	assert_true(sgt->nents < 64);
	dma_buf_unmap_attachment_unlocked(out, sgt, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, out);
	dma_buf_put(dmabuf);
	/* Long entries are no long copies: nothing is copied. */
	dmabuf = new_buffer("cma", 2 * MIB);
	out = must_attach(dmabuf, &camera);
	sgt = must_map(out, DMA_TO_DEVICE);
	assert_int_equal(sgt->nents, 1);
	dma_buf_unmap_attachment_unlocked(out, sgt, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, out);
	dma_buf_put(dmabuf);
	/* More than there is: told as that. */
	dmabuf = new_buffer("system", BANK_SIZE + 4096);
	out = must_attach(dmabuf, &display);
	assert_int_equal(PTR_ERR(dma_buf_map_attachment_unlocked(out, DMA_TO_DEVICE)), -ENOMEM);
	assert_why(BERTH_REASON_OUT_OF_MEMORY);
	dma_buf_detach(dmabuf, out);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

static void test_access_as_mapped(void **state)
{
	struct dma_buf_attachment *in;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;

	(void)state;
	dma_buf_start(NULL);
	dmabuf = new_buffer("cma", SIZE);
	in = must_attach(dmabuf, &camera);
	sgt = must_map(in, DMA_TO_DEVICE);
	assert_int_equal(berth_dma_buf_begin_access(in, DMA_FROM_DEVICE), -EINVAL);
	assert_why(BERTH_REASON_ARGUMENT);
	assert_int_equal(berth_dma_buf_begin_access(in, DMA_TO_DEVICE), 0);
	dma_buf_unmap_attachment_unlocked(in, sgt, DMA_TO_DEVICE);
	dma_buf_detach(dmabuf, in);
	dma_buf_put(dmabuf);
	dma_buf_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_tight_one_stops_nobody),
		cmocka_unit_test(test_ends_in_any_order),
		cmocka_unit_test(test_revoke),
		cmocka_unit_test(test_overlapping_accesses),
		cmocka_unit_test(test_areas_and_windows),
		cmocka_unit_test(test_access_as_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
