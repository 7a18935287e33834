// SPDX-License-Identifier: BSD-2-Clause
/* Mappings that stay, and in which the device goes round and round: see corpus.h. */
#include <string.h>

#include <berth/dma-mapping.h>
#include <berth/slab.h>

#include "check/corpus.h"

#define SIZE 1024u
#define SLOT 256u

/* What the CPU has only read need not be given back: this is how a card that fills a ring is used. */
static void read_and_left(const struct rig *rig, bool is_mended)
{
	unsigned char *ring = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, ring, SIZE, DMA_FROM_DEVICE);

	(void)is_mended;
	if (dma_mapping_error(rig->dev, addr))
		return;
	for (unsigned int i = 0; i < 12; i++) {
		const unsigned int at = i * SLOT % SIZE;

		rig->device_writes(addr + at, SLOT);
		dma_sync_single_range_for_cpu(rig->dev, addr, at, SLOT, DMA_FROM_DEVICE);
		*rig->seen = ring[at + 9];
	}
	dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	kfree(ring);
}

/* Nor what was not changed, and is read again. */
static void read_by_both(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_BIDIRECTIONAL);

	(void)is_mended;
	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_writes(addr, SLOT);
	dma_sync_single_for_cpu(rig->dev, addr, SIZE, DMA_BIDIRECTIONAL);
	*rig->seen = buf[3];
	rig->device_reads(addr, SIZE);
	dma_unmap_single(rig->dev, addr, SIZE, DMA_BIDIRECTIONAL);
	kfree(buf);
}

static void cleared_and_left(const struct rig *rig, bool is_mended)
{
	unsigned char *ring = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, ring, SIZE, DMA_FROM_DEVICE);

	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_writes(addr, SLOT);
	dma_sync_single_for_cpu(rig->dev, addr, SLOT, DMA_FROM_DEVICE);
	*rig->seen = ring[9];
	ring[10] = 0;
	if (is_mended)
		dma_sync_single_for_device(rig->dev, addr, SLOT, DMA_FROM_DEVICE);
	rig->device_writes(addr, 8); /* BUG device-early */
	dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	kfree(ring);
}

static void second_lap_not_synced(const struct rig *rig, bool is_mended)
{
	unsigned char *ring = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, ring, SIZE, DMA_FROM_DEVICE);

	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_writes(addr, SLOT);
	dma_sync_single_for_cpu(rig->dev, addr, SLOT, DMA_FROM_DEVICE);
	*rig->seen = ring[9];
	rig->device_writes(addr, SLOT);
	if (is_mended)
		dma_sync_single_for_cpu(rig->dev, addr, SLOT, DMA_FROM_DEVICE);
	*rig->seen = ring[9]; /* BUG cpu-read */
	dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	kfree(ring);
}

/* What one device has read, and the CPU has had back, another one still has. */
static void two_readers(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t a = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);
	dma_addr_t b = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);

	if (dma_mapping_error(rig->dev, a) || dma_mapping_error(rig->dev, b))
		return;
	dma_unmap_single(rig->dev, a, SIZE, DMA_TO_DEVICE);
	if (!is_mended)
		buf[5] = 1; /* BUG cpu-write */
	rig->device_reads(b, SIZE);
	dma_unmap_single(rig->dev, b, SIZE, DMA_TO_DEVICE);
	kfree(buf);
}

const struct mistake corpus_rings[] = {
	LEGAL(read_and_left),	      LEGAL(read_by_both),
	MISTAKE(cleared_and_left, 2), MISTAKE(second_lap_not_synced, 1),
	MISTAKE(two_readers, 2),      CORPUS_END,
};
