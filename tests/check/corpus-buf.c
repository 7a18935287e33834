// SPDX-License-Identifier: BSD-2-Clause
/* Mistakes with buffers that devices share: see corpus.h. */
#include <berth/dma-buf.h>
#include <berth/dma-heap.h>
#include <berth/dma-mapping.h>
#include <berth/errno.h>
#include <berth/gfp.h>
#include <berth/slab.h>

#include "check/corpus.h"

#define SIZE 8192u

/* A buffer of the system heap that a device has mapped. */
struct shared {
	struct dma_buf *buf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
};

static bool share(const struct rig *rig, struct shared *shared, enum dma_data_direction dir)
{
	struct dma_heap *heap = dma_heap_find("system");

	shared->buf = heap ? dma_heap_buffer_alloc(heap, SIZE, BERTH_O_RDWR, 0) : NULL;
	if (IS_ERR_OR_NULL(shared->buf))
		return false;
	shared->attach = dma_buf_attach(shared->buf, rig->dev);
	if (IS_ERR(shared->attach))
		return false;
	shared->sgt = dma_buf_map_attachment_unlocked(shared->attach, dir);
	return !IS_ERR(shared->sgt);
}

static void unshare(const struct shared *shared, enum dma_data_direction dir)
{
	dma_buf_unmap_attachment_unlocked(shared->attach, shared->sgt, dir);
	dma_buf_detach(shared->buf, shared->attach);
	dma_buf_put(shared->buf);
}

static void looked_without_begin(const struct rig *rig, bool is_mended)
{
	struct shared shared;
	struct iosys_map map;

	if (!share(rig, &shared, DMA_FROM_DEVICE) || dma_buf_vmap_unlocked(shared.buf, &map))
		return;
	rig->device_writes(sg_dma_address(shared.sgt->sgl), 512);
	if (is_mended && dma_buf_begin_cpu_access(shared.buf, DMA_FROM_DEVICE))
		return;
	*rig->seen = ((const unsigned char *)map.vaddr)[5]; /* BUG cpu-read */
	if (is_mended)
		dma_buf_end_cpu_access(shared.buf, DMA_FROM_DEVICE);
	dma_buf_vunmap_unlocked(shared.buf, &map);
	unshare(&shared, DMA_FROM_DEVICE);
}

/* Begun to read, and written. */
static void wrote_in_a_read(const struct rig *rig, bool is_mended)
{
	const enum dma_data_direction dir = is_mended ? DMA_BIDIRECTIONAL : DMA_FROM_DEVICE;
	struct shared shared;
	struct iosys_map map;

	if (!share(rig, &shared, DMA_TO_DEVICE) || dma_buf_vmap_unlocked(shared.buf, &map) ||
	    dma_buf_begin_cpu_access(shared.buf, dir))
		return;
	((unsigned char *)map.vaddr)[4097] = 1; /* BUG cpu-write */
	dma_buf_end_cpu_access(shared.buf, dir);
	rig->device_reads(sg_dma_address(shared.sgt->sgl), 512);
	dma_buf_vunmap_unlocked(shared.buf, &map);
	unshare(&shared, DMA_TO_DEVICE);
}

static void wrote_after_end(const struct rig *rig, bool is_mended)
{
	struct shared shared;
	struct iosys_map map;

	if (!share(rig, &shared, DMA_TO_DEVICE) || dma_buf_vmap_unlocked(shared.buf, &map) ||
	    dma_buf_begin_cpu_access(shared.buf, DMA_TO_DEVICE))
		return;
	if (is_mended)
		((unsigned char *)map.vaddr)[7] = 1;
	dma_buf_end_cpu_access(shared.buf, DMA_TO_DEVICE);
	if (!is_mended)
		((unsigned char *)map.vaddr)[7] = 1; /* BUG cpu-write */
	dma_buf_vunmap_unlocked(shared.buf, &map);
	unshare(&shared, DMA_TO_DEVICE);
}

static void direction_at_unmap(const struct rig *rig, bool is_mended)
{
	const enum dma_data_direction dir = is_mended ? DMA_FROM_DEVICE : DMA_BIDIRECTIONAL;
	struct shared shared;

	if (!share(rig, &shared, DMA_FROM_DEVICE))
		return;
	dma_buf_unmap_attachment_unlocked(shared.attach, shared.sgt, dir); /* BUG unmap-direction */
	dma_buf_detach(shared.buf, shared.attach);
	dma_buf_put(shared.buf);
}

static void detached_while_mapped(const struct rig *rig, bool is_mended)
{
	struct shared shared;

	if (!share(rig, &shared, DMA_TO_DEVICE))
		return;
	if (is_mended)
		dma_buf_unmap_attachment_unlocked(shared.attach, shared.sgt, DMA_TO_DEVICE);
	dma_buf_detach(shared.buf, shared.attach); /* BUG buf-mapped */
	dma_buf_put(shared.buf);
}

#define late_unmap dma_buf_unmap_attachment_unlocked

static void unmapped_after_detach(const struct rig *rig, bool is_mended)
{
	struct shared shared;
	struct sg_table *sgt;

	if (!share(rig, &shared, DMA_TO_DEVICE))
		return;
	sgt = shared.sgt;
	dma_buf_unmap_attachment_unlocked(shared.attach, sgt, DMA_TO_DEVICE);
	dma_buf_detach(shared.buf, shared.attach);
	if (!is_mended)
		late_unmap(shared.attach, sgt, DMA_TO_DEVICE); /* BUG buf-gone */
	dma_buf_put(shared.buf);
}

static void put_before_detach(const struct rig *rig, bool is_mended)
{
	struct shared shared;

	if (!share(rig, &shared, DMA_TO_DEVICE))
		return;
	dma_buf_unmap_attachment_unlocked(shared.attach, shared.sgt, DMA_TO_DEVICE);
	if (is_mended)
		dma_buf_detach(shared.buf, shared.attach);
	dma_buf_put(shared.buf); /* BUG buf-attached */
	if (!is_mended)
		dma_buf_detach(shared.buf, shared.attach);
}

static void used_after_put(const struct rig *rig, bool is_mended)
{
	struct shared shared;

	if (!share(rig, &shared, DMA_TO_DEVICE))
		return;
	if (is_mended)
		get_dma_buf(shared.buf);
	unshare(&shared, DMA_TO_DEVICE);
	if (!dma_buf_begin_cpu_access(shared.buf, DMA_FROM_DEVICE)) /* BUG buf-gone */
		dma_buf_end_cpu_access(shared.buf, DMA_FROM_DEVICE);
	if (is_mended)
		dma_buf_put(shared.buf);
}

static void put_twice(const struct rig *rig, bool is_mended)
{
	struct shared shared;

	if (!share(rig, &shared, DMA_TO_DEVICE))
		return;
	unshare(&shared, DMA_TO_DEVICE);
	if (!is_mended)
		dma_buf_put(shared.buf); /* BUG buf-gone */
}

static void device_after_unmap(const struct rig *rig, bool is_mended)
{
	struct shared shared;
	dma_addr_t addr;

	if (!share(rig, &shared, DMA_FROM_DEVICE))
		return;
	addr = sg_dma_address(shared.sgt->sgl);
	if (is_mended)
		rig->device_writes(addr, 64);
	unshare(&shared, DMA_FROM_DEVICE);
	if (!is_mended)
		rig->device_writes(addr, 64); /* BUG device-unmapped */
}

/* An exporter of a page, with a table for each mapping. */

static struct sg_table *map_page(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	struct sg_table *sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);

	if (!sgt || sg_alloc_table(sgt, 1, GFP_KERNEL))
		return ERR_PTR(-ENOMEM);
	sg_set_page(sgt->sgl, attach->dmabuf->priv, 4096, 0);
	return dma_map_sgtable(attach->dev, sgt, dir, 0) ? ERR_PTR(-ENOMEM) : sgt;
}

static void unmap_page(struct dma_buf_attachment *attach, struct sg_table *sgt,
		       enum dma_data_direction dir)
{
	dma_unmap_sgtable(attach->dev, sgt, dir, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

static void release_page(struct dma_buf *buf)
{
	__free_pages(buf->priv, 0);
}

static const struct dma_buf_ops page_ops = {
	.map_dma_buf = map_page,
	.unmap_dma_buf = unmap_page,
	.release = release_page,
};

static void device_after_last_unmap(const struct rig *rig, bool is_mended)
{
	const struct dma_buf_export_info info = {
		.exp_name = "page",
		.ops = &page_ops,
		.size = 4096,
		.flags = BERTH_O_RDWR,
		.priv = alloc_pages(GFP_KERNEL | __GFP_ZERO, 0),
	};
	struct dma_buf *buf = info.priv ? dma_buf_export(&info) : NULL;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt[2];
	dma_addr_t addr;

	if (IS_ERR_OR_NULL(buf))
		return;
	attach = dma_buf_attach(buf, rig->dev);
	if (IS_ERR(attach))
		return;
	for (unsigned int i = 0; i < 2; i++) {
		sgt[i] = dma_buf_map_attachment_unlocked(attach, DMA_TO_DEVICE);
		if (IS_ERR(sgt[i]))
			return;
	}
	addr = sg_dma_address(sgt[0]->sgl);
	rig->device_reads(addr, 64);
	dma_buf_unmap_attachment_unlocked(attach, sgt[0], DMA_TO_DEVICE);
	rig->device_reads(sg_dma_address(sgt[1]->sgl), 64);
	dma_buf_unmap_attachment_unlocked(attach, sgt[1], DMA_TO_DEVICE);
	if (!is_mended)
		rig->device_reads(addr, 64); /* BUG device-unmapped */
	dma_buf_detach(buf, attach);
	dma_buf_put(buf);
}

/* What is legal. */

static void legal_sharing(const struct rig *rig, bool is_mended)
{
	struct dma_heap *heap = dma_heap_find("system");
	struct dma_buf *buf = heap ? dma_heap_buffer_alloc(heap, SIZE, BERTH_O_RDWR, 0) : NULL;
	struct dma_buf_attachment *attach[2];
	struct sg_table *sgt[2];
	struct iosys_map map;
	unsigned char *seen;

	(void)is_mended;
	if (IS_ERR_OR_NULL(buf) || dma_buf_vmap_unlocked(buf, &map))
		return;
	seen = map.vaddr;
	seen[0] = 1; /* no device has had it yet */
	for (unsigned int i = 0; i < 2; i++) {
		attach[i] = dma_buf_attach(buf, i ? rig->other : rig->dev);
		if (IS_ERR(attach[i]))
			return;
		sgt[i] = dma_buf_map_attachment_unlocked(attach[i], DMA_BIDIRECTIONAL);
		if (IS_ERR(sgt[i]))
			return;
	}
	rig->device_writes(sg_dma_address(sgt[0]->sgl), SIZE / 2);
	for (unsigned int round = 0; round < 3; round++) {
		if (dma_buf_begin_cpu_access(buf, DMA_BIDIRECTIONAL) ||
		    dma_buf_begin_cpu_access_partial(buf, DMA_FROM_DEVICE, 0, 64))
			return;
		*rig->seen = seen[round];
		dma_buf_end_cpu_access_partial(buf, DMA_FROM_DEVICE, 0, 64);
		seen[round] = 1;
		dma_buf_end_cpu_access(buf, DMA_BIDIRECTIONAL);
		rig->device_reads(sg_dma_address(sgt[0]->sgl), 64);
	}
	for (unsigned int i = 0; i < 2; i++) {
		dma_buf_unmap_attachment_unlocked(attach[i], sgt[i], DMA_BIDIRECTIONAL);
		dma_buf_detach(buf, attach[i]);
	}
	dma_buf_vunmap_unlocked(buf, &map);
	dma_buf_put(buf);
}

/* A buffer where another one was. */
static void legal_again(const struct rig *rig, bool is_mended)
{
	struct shared shared;

	(void)is_mended;
	for (unsigned int i = 0; i < 8; i++) {
		if (!share(rig, &shared, i % 2 ? DMA_TO_DEVICE : DMA_FROM_DEVICE))
			return;
		unshare(&shared, i % 2 ? DMA_TO_DEVICE : DMA_FROM_DEVICE);
	}
}

const struct mistake corpus_buf[] = {
	MISTAKE(looked_without_begin, 1),
	MISTAKE(wrote_in_a_read, 2),
	MISTAKE(wrote_after_end, 2),
	MISTAKE(direction_at_unmap, 3),
	MISTAKE(detached_while_mapped, 40),
	MISTAKE(unmapped_after_detach, 40),
	MISTAKE(put_before_detach, 40),
	MISTAKE(used_after_put, 40),
	MISTAKE(put_twice, 40),
	MISTAKE(device_after_unmap, 38),
	MISTAKE(device_after_last_unmap, 38),
	LEGAL(legal_sharing),
	LEGAL(legal_again),
	CORPUS_END,
};
