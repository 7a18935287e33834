// SPDX-License-Identifier: BSD-2-Clause
/* Mistakes with who goes first, with rings, and with memory that is mapped twice: see corpus.h. */
#include <berth/bvec.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/io.h>
#include <berth/slab.h>
#include <berth/vmalloc.h>

#include "check/corpus.h"

#define SIZE 256u

/* Who owns the memory goes first. */

/* The function's device is unregistered while its queue is mapped. */
static void device_before_unmap(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->other, buf, SIZE, DMA_TO_DEVICE); /* BUG leak */

	if (dma_mapping_error(rig->other, addr))
		return;
	if (is_mended)
		dma_unmap_single(rig->other, addr, SIZE, DMA_TO_DEVICE);
	device_unregister(rig->other);
	if (device_register(rig->other, "other"))
		return;
	kfree(buf);
}

/* Queue pairs are unmapped after the memory that they are in was given back. */
static void memory_before_unmap(const struct rig *rig, bool is_mended)
{
	struct page *pages = alloc_pages(GFP_KERNEL, 1);
	dma_addr_t addr;

	if (!pages)
		return;
	addr = dma_map_page(rig->dev, pages, 0, 8192, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(rig->dev, addr))
		return;
	if (is_mended)
		dma_unmap_page(rig->dev, addr, 8192, DMA_BIDIRECTIONAL);
	__free_pages(pages, 1); /* BUG free-mapped */
	if (!is_mended)
		dma_unmap_page(rig->dev, addr, 8192, DMA_BIDIRECTIONAL);
}

/* Two devices have the same bytes to read, and one of them is done twice. */
static void twice_beside_another(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t one = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);
	dma_addr_t two = dma_map_single(rig->other, buf, SIZE, DMA_TO_DEVICE);

	if (dma_mapping_error(rig->dev, one) || dma_mapping_error(rig->other, two))
		return;
	dma_unmap_single(rig->dev, one, SIZE, DMA_TO_DEVICE);
	if (!is_mended)
		dma_unmap_single(rig->dev, one, SIZE, DMA_TO_DEVICE); /* BUG unmap-twice */
	dma_unmap_single(rig->other, two, SIZE, DMA_TO_DEVICE);
	buf[0] = 1;
	kfree(buf);
}

/* Mapped for the controller, unmapped for the port. */
static void other_device(const struct rig *rig, bool is_mended)
{
	struct device *dev = is_mended ? rig->dev : rig->other;
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);

	if (dma_mapping_error(rig->dev, addr))
		return;
	dma_unmap_single(dev, addr, SIZE, DMA_TO_DEVICE); /* BUG unmap-device */
	if (!is_mended)
		dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	kfree(buf);
}

/* What is legal. */

/* A ring is shown to a second device, and the CPU goes on with it. */
static void legal_shared_ring(const struct rig *rig, bool is_mended)
{
	dma_addr_t addr;
	unsigned char *ring = dma_alloc_coherent(rig->dev, 4096, &addr, GFP_KERNEL);
	struct sg_table table;

	(void)is_mended;
	if (!ring || dma_get_sgtable(rig->dev, &table, ring, addr, 4096))
		return;
	if (!dma_map_sgtable(rig->other, &table, DMA_BIDIRECTIONAL, 0)) {
		ring[5] = 1;
		rig->device_writes(addr, 64);
		*rig->seen = ring[6];
		dma_unmap_sgtable(rig->other, &table, DMA_BIDIRECTIONAL, 0);
	}
	sg_free_table(&table);
	dma_free_coherent(rig->dev, 4096, ring, addr);
}

static void legal_vector(const struct rig *rig, bool is_mended)
{
	struct page *pages = alloc_pages(GFP_KERNEL | __GFP_ZERO, 1);
	struct bio_vec vec;
	dma_addr_t addr;

	(void)is_mended;
	if (!pages)
		return;
	bvec_set_page(&vec, pages, 4096, 2048);
	addr = dma_map_bvec(rig->dev, &vec, DMA_FROM_DEVICE, 0);
	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_writes(addr, 4096);
	dma_unmap_page(rig->dev, addr, 4096, DMA_FROM_DEVICE);
	*rig->seen = ((const unsigned char *)page_address(pages))[2048];
	__free_pages(pages, 1);
}

/* Rings: a slot is used again while the device has it. */

#define SLOTS 4u

struct ring {
	unsigned char *buf[SLOTS];
	dma_addr_t addr[SLOTS]; /* what the device has been told; 0: it does not own the slot */
};

static bool fill(const struct rig *rig, struct ring *ring)
{
	for (unsigned int i = 0; i < SLOTS; i++) {
		ring->buf[i] = kzalloc(SIZE, GFP_KERNEL);
		ring->addr[i] = dma_map_single(rig->dev, ring->buf[i], SIZE, DMA_FROM_DEVICE);
		if (dma_mapping_error(rig->dev, ring->addr[i]))
			return false;
	}
	return true;
}

static void empty(const struct rig *rig, const struct ring *ring)
{
	for (unsigned int i = 0; i < SLOTS; i++) {
		dma_unmap_single(rig->dev, ring->addr[i], SIZE, DMA_FROM_DEVICE);
		kfree(ring->buf[i]);
	}
}

/* A reset takes the buffers away, and the descriptors still say that they are the device's. */
static void ring_not_reset(const struct rig *rig, bool is_mended)
{
	struct ring ring;

	if (!fill(rig, &ring))
		return;
	rig->device_writes(ring.addr[0], 64);
	empty(rig, &ring);
	for (unsigned int i = 0; i < SLOTS && is_mended; i++)
		ring.addr[i] = 0;
	if (ring.addr[1])
		rig->device_writes(ring.addr[1], 64); /* BUG device-unmapped */
}

/* No new buffer is to be had, so the frame is passed on, and its slot stays as it is. */
static void slot_not_refilled(const struct rig *rig, bool is_mended)
{
	struct ring ring;
	unsigned char *fresh = is_mended ? kzalloc(SIZE, GFP_KERNEL) : NULL;

	if (!fill(rig, &ring))
		return;
	rig->device_writes(ring.addr[2], 64);
	dma_unmap_single(rig->dev, ring.addr[2], SIZE, DMA_FROM_DEVICE);
	*rig->seen = ring.buf[2][0];
	kfree(ring.buf[2]);
	if (fresh) {
		ring.buf[2] = fresh;
		ring.addr[2] = dma_map_single(rig->dev, fresh, SIZE, DMA_FROM_DEVICE);
		if (dma_mapping_error(rig->dev, ring.addr[2]))
			return;
	}
	rig->device_writes(ring.addr[2], 64); /* BUG device-unmapped */
	if (is_mended)
		empty(rig, &ring);
}

/* The refill maps the buffer of a slot that the device has not filled yet. */
static void slot_mapped_again(const struct rig *rig, bool is_mended)
{
	struct ring ring;
	dma_addr_t again;

	if (!fill(rig, &ring))
		return;
	if (is_mended)
		dma_unmap_single(rig->dev, ring.addr[1], SIZE, DMA_FROM_DEVICE);
	again = dma_map_single(rig->dev, ring.buf[1], SIZE, DMA_FROM_DEVICE); /* BUG overlap */
	if (dma_mapping_error(rig->dev, again))
		return;
	if (!is_mended)
		dma_unmap_single(rig->dev, ring.addr[1], SIZE, DMA_FROM_DEVICE);
	ring.addr[1] = again;
	empty(rig, &ring);
}

/* Memory has one type. */

static void registers_in_ram(const struct rig *rig, bool is_mended)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	void __iomem *alias = NULL;

	if (!page)
		return;
	if (is_mended)
		*rig->seen = *(const unsigned char *)page_address(page);
	else
		alias = ioremap_wc(page_to_phys(page), 4096); /* BUG memory-type */
	iounmap(alias);
	__free_page(page);
}

static void uncached_view(const struct rig *rig, bool is_mended)
{
	const pgprot_t prot = is_mended ? PAGE_KERNEL : pgprot_noncached(PAGE_KERNEL);
	struct page *page = alloc_page(GFP_KERNEL);
	void *alias;

	(void)rig;
	alias = vmap(&page, 1, VM_MAP, prot); /* BUG memory-type */
	vunmap(alias);
	__free_page(page);
}

const struct mistake corpus_lifetime[] = {
	MISTAKE(device_before_unmap, 38), MISTAKE(memory_before_unmap, 38),
	MISTAKE(twice_beside_another, 7), MISTAKE(other_device, 8),
	LEGAL(legal_shared_ring),	  LEGAL(legal_vector),
	MISTAKE(ring_not_reset, 27),	  MISTAKE(slot_not_refilled, 27),
	MISTAKE(slot_mapped_again, 27),	  MISTAKE(registers_in_ram, 47),
	MISTAKE(uncached_view, 47),	  CORPUS_END,
};
