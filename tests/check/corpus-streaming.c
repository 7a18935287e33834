// SPDX-License-Identifier: BSD-2-Clause
/* Mistakes with streaming mappings and with the calls that make and end memory for devices: see corpus.h. */
#include <string.h>

#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/slab.h>
#include <berth/vmalloc.h>

#include "check/corpus.h"

#define SIZE 256u

static void read_before_sync(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kmalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_FROM_DEVICE);

	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_writes(addr, SIZE);
	if (is_mended)
		dma_sync_single_for_cpu(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	*rig->seen = buf[17]; /* BUG cpu-read */
	dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	kfree(buf);
}

static void write_while_mapped(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kmalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr;

	memset(buf, 1, SIZE);
	if (is_mended)
		buf[3] = 7;
	addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);
	if (dma_mapping_error(rig->dev, addr))
		return;
	if (!is_mended)
		buf[3] = 7; /* BUG cpu-write */
	rig->device_reads(addr, SIZE);
	dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	kfree(buf);
}

/* A status byte of the driver's beside what the device writes. */
struct shared {
	unsigned char received[40];
	unsigned char status;
};

static void status_in_the_line(const struct rig *rig, bool is_mended)
{
	struct shared *s = kzalloc(sizeof(*s), GFP_KERNEL);
	dma_addr_t addr =
		dma_map_single(rig->dev, s->received, sizeof(s->received), DMA_FROM_DEVICE);

	if (dma_mapping_error(rig->dev, addr))
		return;
	if (!is_mended)
		s->status = 1; /* BUG line-shared */
	rig->device_writes(addr, sizeof(s->received));
	dma_unmap_single(rig->dev, addr, sizeof(s->received), DMA_FROM_DEVICE);
	if (is_mended)
		s->status = 1;
	kfree(s);
}

static void given_back_too_early(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_BIDIRECTIONAL);

	if (dma_mapping_error(rig->dev, addr))
		return;
	dma_sync_single_for_cpu(rig->dev, addr, SIZE, DMA_BIDIRECTIONAL);
	buf[0] = 1;
	if (is_mended)
		dma_sync_single_for_device(rig->dev, addr, SIZE, DMA_BIDIRECTIONAL);
	rig->device_reads(addr, SIZE); /* BUG device-early */
	dma_unmap_single(rig->dev, addr, SIZE, DMA_BIDIRECTIONAL);
	kfree(buf);
}

static void unmap_direction(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);

	if (dma_mapping_error(rig->dev, addr))
		return;
	if (is_mended)
		dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	else
		dma_unmap_single(rig->dev, addr, SIZE, DMA_BIDIRECTIONAL); /* BUG unmap-direction */
	kfree(buf);
}

static void unmap_size(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);

	if (dma_mapping_error(rig->dev, addr))
		return;
	dma_unmap_single(rig->dev, addr, is_mended ? SIZE : 64, DMA_TO_DEVICE); /* BUG unmap-size */
	kfree(buf);
}

static void sync_direction(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_FROM_DEVICE);
	const enum dma_data_direction dir = is_mended ? DMA_FROM_DEVICE : DMA_TO_DEVICE;

	if (dma_mapping_error(rig->dev, addr))
		return;
	dma_sync_single_for_cpu(rig->dev, addr, SIZE, dir); /* BUG sync-direction */
	dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	kfree(buf);
}

static void sync_range(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_FROM_DEVICE);
	const size_t size = is_mended ? SIZE - 100 : SIZE;

	if (dma_mapping_error(rig->dev, addr))
		return;
	dma_sync_single_for_cpu(rig->dev, addr + 100, size, DMA_FROM_DEVICE); /* BUG sync-range */
	dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	kfree(buf);
}

static void unmap_twice(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);

	if (dma_mapping_error(rig->dev, addr))
		return;
	dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	if (!is_mended)
		dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE); /* BUG unmap-twice */
	kfree(buf);
}

static void unmap_of_nothing(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);

	if (!is_mended)
		dma_unmap_single(rig->dev, 0x1234000, SIZE, DMA_TO_DEVICE); /* BUG unmap-unknown */
	kfree(buf);
}

static void no_look_at_the_error(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);

	if (is_mended && dma_mapping_error(rig->dev, addr))
		return;
	dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE); /* BUG error-unchecked */
	kfree(buf);
}

static void left_mapped(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE); /* BUG leak */

	if (dma_mapping_error(rig->dev, addr))
		return;
	if (is_mended)
		dma_unmap_single(rig->dev, addr, SIZE, DMA_TO_DEVICE);
	*rig->to_free = buf;
}

static void on_the_stack(const struct rig *rig, bool is_mended)
{
	unsigned char here[64] = { 1 }, *there = kzalloc(sizeof(here), GFP_KERNEL);
	unsigned char *buf = is_mended ? there : here;
	dma_addr_t addr;

	addr = dma_map_single(rig->dev, buf, sizeof(here), DMA_TO_DEVICE); /* BUG stack */
	if (!dma_mapping_error(rig->dev, addr))
		dma_unmap_single(rig->dev, addr, sizeof(here), DMA_TO_DEVICE);
	kfree(there);
}

static void of_vmalloc(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = is_mended ? kzalloc(4096, GFP_KERNEL) : vzalloc(4096);
	dma_addr_t addr;

	addr = dma_map_single(rig->dev, buf, 4096, DMA_TO_DEVICE); /* BUG not-dma-memory */
	if (!dma_mapping_error(rig->dev, addr))
		dma_unmap_single(rig->dev, addr, 4096, DMA_TO_DEVICE);
	kvfree(buf);
}

static void two_writers(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t one = dma_map_single(rig->dev, buf, SIZE, DMA_FROM_DEVICE), two;
	const size_t at = is_mended ? 0 : 64;

	if (dma_mapping_error(rig->dev, one))
		return;
	if (is_mended)
		dma_unmap_single(rig->dev, one, SIZE, DMA_FROM_DEVICE);
	two = dma_map_single(rig->dev, buf + at, 64, DMA_FROM_DEVICE); /* BUG overlap */
	if (!dma_mapping_error(rig->dev, two))
		dma_unmap_single(rig->dev, two, 64, DMA_FROM_DEVICE);
	if (!is_mended)
		dma_unmap_single(rig->dev, one, SIZE, DMA_FROM_DEVICE);
	kfree(buf);
}

static void wrong_entries(const struct rig *rig, bool is_mended)
{
	unsigned char *a = kzalloc(SIZE, GFP_KERNEL), *b = kzalloc(SIZE, GFP_KERNEL);
	struct scatterlist list[2];
	int nr;

	sg_init_table(list, 2);
	sg_set_buf(&list[0], a, SIZE);
	sg_set_buf(&list[1], b, SIZE);
	if (!dma_map_sg(rig->dev, list, 2, DMA_TO_DEVICE))
		return;
	nr = is_mended ? 2 : 1;
	dma_unmap_sg(rig->dev, list, nr, DMA_TO_DEVICE); /* BUG unmap-nents */
	kfree(a);
	kfree(b);
}

static void freed_while_mapped(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_FROM_DEVICE);

	if (dma_mapping_error(rig->dev, addr))
		return;
	if (is_mended)
		dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	kfree(buf); /* BUG free-mapped */
	if (!is_mended)
		dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
}

static void used_after_unmap(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, DMA_FROM_DEVICE);

	if (dma_mapping_error(rig->dev, addr))
		return;
	if (is_mended)
		rig->device_writes(addr, 16);
	dma_unmap_single(rig->dev, addr, SIZE, DMA_FROM_DEVICE);
	if (!is_mended)
		rig->device_writes(addr, 16); /* BUG device-unmapped */
	kfree(buf);
}

static void written_though_to_read(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	const enum dma_data_direction dir = is_mended ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
	dma_addr_t addr = dma_map_single(rig->dev, buf, SIZE, dir);

	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_writes(addr, 16); /* BUG device-direction */
	dma_unmap_single(rig->dev, addr, SIZE, dir);
	kfree(buf);
}

static void coherent_size(const struct rig *rig, bool is_mended)
{
	dma_addr_t addr;
	void *ring = dma_alloc_coherent(rig->dev, 4096, &addr, GFP_KERNEL);

	if (!ring)
		return;
	dma_free_coherent(rig->dev, is_mended ? 4096 : 2048, ring, addr); /* BUG free-size */
	if (!is_mended)
		rig->free_ring(ring, addr);
}

/* What is legal, and must never be reported. */

static void legal_reads(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(SIZE, GFP_KERNEL);
	dma_addr_t one = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);
	dma_addr_t two = dma_map_single(rig->dev, buf, SIZE, DMA_TO_DEVICE);

	(void)is_mended;
	if (dma_mapping_error(rig->dev, one) || dma_mapping_error(rig->dev, two))
		return;
	*rig->seen = buf[5]; /* what a device only reads may be read */
	dma_unmap_single(rig->dev, one, SIZE, DMA_TO_DEVICE);
	*rig->seen = buf[6];
	dma_unmap_single(rig->dev, two, SIZE, DMA_TO_DEVICE);
	buf[6] = 1;
	kfree(buf);
}

static void legal_parts(const struct rig *rig, bool is_mended)
{
	unsigned char *buf = kzalloc(4 * SIZE, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(rig->dev, buf, 4 * SIZE, DMA_BIDIRECTIONAL);

	(void)is_mended;
	if (dma_mapping_error(rig->dev, addr))
		return;
	rig->device_writes(addr + SIZE, SIZE);
	dma_sync_single_range_for_cpu(rig->dev, addr, SIZE, SIZE, DMA_FROM_DEVICE);
	*rig->seen = buf[SIZE + 9];
	buf[SIZE + 9] = 2;
	dma_sync_single_range_for_device(rig->dev, addr, SIZE, SIZE, DMA_BIDIRECTIONAL);
	rig->device_reads(addr, 4 * SIZE);
	dma_unmap_single(rig->dev, addr, 4 * SIZE, DMA_BIDIRECTIONAL);
	memset(buf, 0, 4 * SIZE);
	kfree(buf);
}

static void legal_list(const struct rig *rig, bool is_mended)
{
	unsigned char *a = kzalloc(SIZE, GFP_KERNEL), *b = kzalloc(SIZE, GFP_KERNEL);
	struct sg_table table;

	(void)is_mended;
	if (sg_alloc_table(&table, 2, GFP_KERNEL))
		return;
	sg_set_buf(table.sgl, a, SIZE);
	sg_set_buf(sg_next(table.sgl), b, SIZE);
	if (!dma_map_sgtable(rig->dev, &table, DMA_BIDIRECTIONAL, 0)) {
		dma_sync_sgtable_for_cpu(rig->dev, &table, DMA_BIDIRECTIONAL);
		a[1] = b[2] = 3;
		dma_sync_sgtable_for_device(rig->dev, &table, DMA_BIDIRECTIONAL);
		dma_unmap_sgtable(rig->dev, &table, DMA_BIDIRECTIONAL, 0);
	}
	sg_free_table(&table);
	kfree(a);
	kfree(b);
}

const struct mistake corpus_streaming[] = {
	MISTAKE(read_before_sync, 1),
	MISTAKE(write_while_mapped, 2),
	MISTAKE(status_in_the_line, 17),
	MISTAKE(given_back_too_early, 2),
	MISTAKE(unmap_direction, 3),
	MISTAKE(unmap_size, 5),
	MISTAKE(sync_direction, 4),
	MISTAKE(sync_range, 5),
	MISTAKE(unmap_twice, 7),
	MISTAKE(unmap_of_nothing, 9),
	MISTAKE(no_look_at_the_error, 11),
	MISTAKE(left_mapped, 13),
	MISTAKE(on_the_stack, 14),
	MISTAKE(of_vmalloc, 15),
	MISTAKE(two_writers, 18),
	MISTAKE(wrong_entries, 21),
	MISTAKE(freed_while_mapped, 27),
	MISTAKE(used_after_unmap, 27),
	MISTAKE(written_though_to_read, 3),
	MISTAKE(coherent_size, 6),
	LEGAL(legal_reads),
	LEGAL(legal_parts),
	LEGAL(legal_list),
	CORPUS_END,
};
