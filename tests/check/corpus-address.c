// SPDX-License-Identifier: BSD-2-Clause
/* Mistakes with what a device is told, on a machine with memory above 4 GiB: see corpus.h. */
#include <string.h>

#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/slab.h>

#include "check/corpus.h"

#define SIZE 256u

/* A device with 36 address lines, and one with 32. */
#define LINES_32 0xffffffffu

/* What a driver writes into the two words of a descriptor, and what the device makes of it. */
static dma_addr_t as_read(uint32_t low, uint32_t high)
{
	return (dma_addr_t)high << 32 | low;
}

static void mask_too_wide(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr;

	if (dma_set_mask_and_coherent(rig->dev, DMA_BIT_MASK(is_mended ? 32 : 64)))
		return;
	addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);
	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_reads(addr & LINES_32, SIZE); /* BUG device-mask */
	dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	kfree(buf);
}

static void mask_too_wide_for_the_ring(const struct rig *rig, bool is_mended)
{
	dma_addr_t addr;
	void *ring;

	if (dma_set_mask_and_coherent(rig->dev, DMA_BIT_MASK(is_mended ? 32 : 40)))
		return;
	ring = dma_alloc_coherent(rig->dev, 4096, &addr, GFP_KERNEL);
	if (!ring)
		return;
	rig->device_writes((addr & LINES_32) + 128, 16); /* BUG device-mask */
	dma_free_coherent(rig->dev, 4096, ring, addr);
}

static void high_word_missing(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr, read;

	if (dma_set_mask_and_coherent(rig->dev, DMA_BIT_MASK(64)))
		return;
	addr = dma_map_single(rig->dev, buf, SIZE, DMA_FROM_DEVICE);
	if (dma_mapping_error(rig->dev, addr))
		return;
	read = as_read((uint32_t)addr, is_mended ? (uint32_t)(addr >> 32) : 0);
	rig->device_writes(read, SIZE); /* BUG device-mask */
	dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	kfree(buf);
}

static void words_swapped(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr, read;

	if (dma_set_mask_and_coherent(rig->dev, DMA_BIT_MASK(64)))
		return;
	addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);
	if (dma_mapping_error(rig->dev, addr))
		return;
	read = is_mended ? as_read((uint32_t)addr, (uint32_t)(addr >> 32))
			 : as_read((uint32_t)(addr >> 32), (uint32_t)addr);
	rig->device_reads(read, SIZE); /* BUG device-words */
	dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	kfree(buf);
}

/* The list of addresses that a command points at lies in the driver's own structure. */
struct tracker {
	uint64_t prp[8];
};

static void tracker_never_mapped(const struct rig *rig, bool is_mended)
{
	struct tracker *tracker;
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t where, addr;

	if (dma_set_mask_and_coherent(rig->dev, DMA_BIT_MASK(64)))
		return;
	addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);
	if (dma_mapping_error(rig->dev, addr))
		return;
	if (is_mended) {
		tracker = dma_alloc_coherent(rig->dev, sizeof(*tracker), &where, GFP_KERNEL);
	} else {
		tracker = kzalloc(sizeof(*tracker), GFP_KERNEL);
		where = virt_to_phys(tracker);
	}
	if (!tracker)
		return;
	tracker->prp[0] = addr;
	rig->device_reads(where, sizeof(*tracker)); /* BUG device-outside */
	if (is_mended)
		dma_free_coherent(rig->dev, sizeof(*tracker), tracker, where);
	else
		kfree(tracker);
	dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	kfree(buf);
}

/* The device has been told of more entries than there are. */
static void ring_too_small(const struct rig *rig, bool is_mended)
{
	const size_t size = is_mended ? 8192 : 4096;
	dma_addr_t addr;
	void *ring;

	if (dma_set_mask_and_coherent(rig->dev, DMA_BIT_MASK(64)))
		return;
	ring = dma_alloc_coherent(rig->dev, size, &addr, GFP_KERNEL);
	if (!ring)
		return;
	rig->device_writes(addr + 4096 - 64, 128); /* BUG device-beyond */
	dma_free_coherent(rig->dev, size, ring, addr);
}

/* Mapped without the header that the device puts in front of the data. */
static void buffer_too_small(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(2 * SIZE, GFP_KERNEL);
	const size_t size = is_mended ? SIZE + 16 : SIZE;
	dma_addr_t addr = dma_map_single(rig->dev, buf, size, DMA_FROM_DEVICE);

	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_writes(addr, SIZE + 16); /* BUG device-beyond */
	dma_unmap_single(rig->dev, addr, size, DMA_FROM_DEVICE);
	kfree(buf);
}

/* Bursts of 64 bytes, of which the fifth begins where the mapping has ended. */
static void next_burst(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(2 * SIZE, GFP_KERNEL);
	const size_t size = is_mended ? SIZE + 64 : SIZE;
	dma_addr_t addr;

	if (dma_set_mask_and_coherent(rig->dev, DMA_BIT_MASK(64)))
		return;
	addr = dma_map_single(rig->dev, buf, size, DMA_FROM_DEVICE);
	if (dma_mapping_error(rig->dev, addr))
		return;
	for (unsigned int i = 0; i < 5; i++)
		rig->device_writes(addr + i * 64, 64); /* BUG device-beyond */
	dma_unmap_single(rig->dev, addr, size, DMA_FROM_DEVICE);
	kfree(buf);
}

/* Entries that follow each other on the bus are one run for the device. */
static void legal_run(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(4 * SIZE, GFP_KERNEL);
	struct scatterlist list[4];

	(void)is_mended;
	if (dma_set_mask_and_coherent(rig->dev, DMA_BIT_MASK(64)))
		return;
	sg_init_table(list, 4);
	for (unsigned int i = 0; i < 4; i++)
		sg_set_buf(&list[i], buf + i * SIZE, SIZE);
	if (!dma_map_sg(rig->dev, list, 4, DMA_BIDIRECTIONAL))
		return;
	if (sg_dma_len(list) == 4 * SIZE ||
	    sg_dma_address(&list[3]) == sg_dma_address(list) + 3 * SIZE) {
		rig->device_writes(sg_dma_address(list), 4 * SIZE);
		rig->device_reads(sg_dma_address(list) + 100, 3 * SIZE);
	}
	dma_unmap_sg(rig->dev, list, 4, DMA_BIDIRECTIONAL);
	kfree(buf);
}

/* What is fetched behind the end, up to the end of a line, is not used. */
static void legal_fetch(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, 20, DMA_TO_DEVICE), ring_addr;
	void *ring = dma_alloc_coherent(rig->dev, 100, &ring_addr, GFP_KERNEL);

	(void)is_mended;
	if (dma_mapping_error(rig->dev, addr) || !ring)
		return;
	rig->device_reads(addr, 64 - (addr & 63));
	rig->device_reads(ring_addr + 64, 128);
	dma_unmap_single(rig->dev, addr, 20, DMA_TO_DEVICE);
	dma_free_coherent(rig->dev, 100, ring, ring_addr);
	kfree(buf);
}

const struct mistake corpus_address[] = {
	MISTAKE_DIRECT(mask_too_wide, 19),
	MISTAKE_DIRECT(mask_too_wide_for_the_ring, 19),
	MISTAKE_DIRECT(high_word_missing, 42),
	MISTAKE_DIRECT(words_swapped, 42),
	MISTAKE_DIRECT(tracker_never_mapped, 16),
	MISTAKE(ring_too_small, 32),
	MISTAKE(buffer_too_small, 32),
	MISTAKE(next_burst, 32),
	LEGAL(legal_run),
	LEGAL(legal_fetch),
	CORPUS_END,
};
