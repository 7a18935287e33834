// SPDX-License-Identifier: BSD-2-Clause
/* Drivers that work the caches themselves, of three systems, as they are written there: see corpus.h. */
#include <string.h>
#include <strings.h>

#include <core_cm7.h>
#include <xil_cache.h>
#include <xpseudo_asm.h>
#include <zephyr/cache.h>
#include <zephyr/sys/barrier.h>

#include <berth/dma-mapping.h>
#include <berth/mm.h>
#include <berth/slab.h>

#include "check/corpus.h"

#define SIZE 256u

/* What goes into the device's register. */
static dma_addr_t bus(const void *at)
{
	return virt_to_phys(at);
}

/* CMSIS, on Cortex-M7. */

static void m7_no_clean(const struct rig *rig, bool is_mended)
{
	uint8_t *tx = kmalloc(SIZE, GFP_KERNEL);

	for (unsigned int i = 0; i < SIZE; i++)
		tx[i] = (uint8_t)i;
	if (is_mended)
		SCB_CleanDCache_by_Addr((uint32_t *)(void *)tx, SIZE);
	__DSB();
	rig->device_reads(bus(tx), SIZE); /* BUG raw-clean */
	kfree(tx);
}

static void m7_clean_too_early(const struct rig *rig, bool is_mended)
{
	uint8_t *tx = kmalloc(SIZE, GFP_KERNEL);

	memset(tx, 1, SIZE);
	SCB_CleanDCache_by_Addr(tx, SIZE);
	tx[9] = 2;
	if (is_mended)
		SCB_CleanDCache();
	rig->device_reads(bus(tx), SIZE); /* BUG raw-clean */
	kfree(tx);
}

static void m7_no_invalidate(const struct rig *rig, bool is_mended)
{
	uint8_t *rx = kmalloc(SIZE, GFP_KERNEL);

	memset(rx, 0, SIZE);
	SCB_CleanDCache_by_Addr(rx, SIZE);
	rig->device_writes(bus(rx), SIZE);
	__DMB();
	if (is_mended)
		SCB_InvalidateDCache_by_Addr(rx, SIZE);
	*rig->seen = rx[17]; /* BUG raw-invalidate */
	kfree(rx);
}

/* The cache may fetch the line again before the device writes: both invalidates are needed. */
static void m7_invalidate_before_only(const struct rig *rig, bool is_mended)
{
	uint8_t *rx = kmalloc(SIZE, GFP_KERNEL);

	memset(rx, 0, SIZE);
	SCB_InvalidateDCache_by_Addr(rx, SIZE);
	rig->device_writes(bus(rx), SIZE);
	if (is_mended)
		SCB_InvalidateDCache_by_Addr(rx, SIZE);
	*rig->seen = rx[17]; /* BUG raw-invalidate */
	kfree(rx);
}

static void m7_invalidate_after_only(const struct rig *rig, bool is_mended)
{
	uint8_t *rx = kmalloc(SIZE, GFP_KERNEL);

	memset(rx, 0, SIZE);
	if (is_mended)
		SCB_InvalidateDCache_by_Addr(rx, SIZE);
	rig->device_writes(bus(rx), SIZE); /* BUG raw-dirty */
	SCB_InvalidateDCache_by_Addr(rx, SIZE);
	*rig->seen = rx[17];
	kfree(rx);
}

struct m7_shared {
	uint8_t rx[40];
	uint8_t status;
	uint8_t status_apart __ALIGNED(32);
};

static void m7_neighbour_dropped(const struct rig *rig, bool is_mended)
{
	struct m7_shared *s = kmalloc(sizeof(*s), GFP_KERNEL);
	uint8_t *status = is_mended ? &s->status_apart : &s->status;

	SCB_InvalidateDCache_by_Addr(s->rx, sizeof(s->rx));
	rig->device_writes(bus(s->rx), sizeof(s->rx));
	*status = 5;
	SCB_InvalidateDCache_by_Addr(s->rx, sizeof(s->rx));
	*rig->seen = *status; /* BUG raw-lost */
	kfree(s);
}

static void m7_all_dropped(const struct rig *rig, bool is_mended)
{
	uint8_t *rx = kmalloc(SIZE, GFP_KERNEL), *state = kmalloc(SIZE, GFP_KERNEL);

	state[0] = 3;
	rig->device_writes(bus(rx), SIZE);
	if (is_mended)
		SCB_CleanInvalidateDCache();
	else
		SCB_InvalidateDCache();
	*rig->seen = rx[0];
	*rig->seen = state[0]; /* BUG raw-lost */
	kfree(rx);
	kfree(state);
}

/* Xilinx, on Cortex-A9 and A53. */

static void xil_no_flush(const struct rig *rig, bool is_mended)
{
	u8 *tx = kmalloc(SIZE, GFP_KERNEL);

	memset(tx, 7, SIZE);
	if (is_mended)
		Xil_DCacheFlushRange((INTPTR)tx, SIZE);
	dsb();
	rig->device_reads(bus(tx), SIZE); /* BUG raw-clean */
	kfree(tx);
}

static void xil_no_invalidate(const struct rig *rig, bool is_mended)
{
	u8 *rx = kmalloc(SIZE, GFP_KERNEL), here[16];

	Xil_DCacheFlushRange((INTPTR)rx, SIZE);
	rig->device_writes(bus(rx), SIZE);
	if (is_mended)
		Xil_DCacheInvalidateRange((INTPTR)rx, SIZE);
	memcpy(here, rx, sizeof(here)); /* BUG raw-invalidate */
	*rig->seen = here[*rig->seen % 16];
	kfree(rx);
}

struct xil_shared {
	u8 rx[40];
	u8 status;
	u8 status_apart __attribute__((aligned(128)));
};

/* What is only partly in the range is written back, here over what the device wrote. */
static void xil_neighbour_written_back(const struct rig *rig, bool is_mended)
{
	struct xil_shared *s = kmalloc(sizeof(*s), GFP_KERNEL);

	Xil_DCacheInvalidateRange((INTPTR)s->rx, sizeof(s->rx));
	rig->device_writes(bus(s->rx), sizeof(s->rx));
	if (is_mended)
		s->status_apart = 5;
	else
		s->status = 5;
	Xil_DCacheInvalidateRange((INTPTR)s->rx, sizeof(s->rx));
	*rig->seen = s->rx[33]; /* BUG raw-lost */
	kfree(s);
}

/* Zephyr. */

static void zephyr_no_flush(const struct rig *rig, bool is_mended)
{
	uint8_t *tx = kmalloc(SIZE, GFP_KERNEL);

	memset(tx, 7, SIZE);
	if (is_mended)
		sys_cache_data_flush_range(tx, SIZE);
	barrier_dsync_fence_full();
	rig->device_reads(bus(tx), SIZE); /* BUG raw-clean */
	kfree(tx);
}

static void zephyr_no_invd(const struct rig *rig, bool is_mended)
{
	uint8_t *rx = kmalloc(SIZE, GFP_KERNEL);

	sys_cache_data_flush_and_invd_range(rx, SIZE);
	rig->device_writes(bus(rx), SIZE);
	if (is_mended)
		sys_cache_data_invd_range(rx, SIZE);
	*rig->seen = (unsigned char)!memcmp(rx, "\x42\x42", 2); /* BUG raw-invalidate */
	kfree(rx);
}

struct descriptor {
	uint32_t address, length, flags, done;
};

/* Two descriptors in a line: the driver fills one while the device ends the other. */
static void zephyr_two_in_a_line(const struct rig *rig, bool is_mended)
{
	struct descriptor *ring = kmalloc(2 * SIZE, GFP_KERNEL);
	struct descriptor *next = is_mended ? ring + SIZE / sizeof(*ring) : ring + 1;

	ring[0] = (struct descriptor){ .length = 64, .flags = 1 };
	sys_cache_data_flush_and_invd_range(ring, sizeof(*ring));
	next->length = 32;
	rig->device_writes(bus(&ring[0].done), 4); /* BUG raw-dirty */
	sys_cache_data_flush_range(next, sizeof(*next));
	sys_cache_data_invd_range(ring, sizeof(*ring));
	*rig->seen = (unsigned char)ring[0].done;
	kfree(ring);
}

struct zephyr_64 {
	uint8_t rx[64];
	uint8_t status;
};

/* 64 bytes were assumed when it was built. */
static void zephyr_line_assumed(const struct rig *rig, bool is_mended)
{
	uint8_t *memory = kmalloc(2 * SIZE, GFP_KERNEL);
	const size_t line = is_mended ? sys_cache_data_line_size_get() : 64;
	uint8_t *status = memory + line;

	sys_cache_data_invd_range(memory, 64);
	*status = 1;
	rig->device_writes(bus(memory), 64); /* BUG raw-dirty */
	sys_cache_data_invd_range(memory, 64);
	*rig->seen = memory[5];
	kfree(memory);
}

/* The same with the DMA API. */
static void line_assumed(const struct rig *rig, bool is_mended)
{
	uint8_t *memory = kmalloc(2 * SIZE, GFP_KERNEL);
	const size_t line = is_mended ? (size_t)dma_get_cache_alignment() : 64;
	dma_addr_t addr = dma_map_single(rig->dev, memory, 64, DMA_FROM_DEVICE);

	if (dma_mapping_error(rig->dev, addr))
		return;
	memory[line] = 1; /* BUG line-shared */
	rig->device_writes(addr, 64);
	dma_unmap_single(rig->dev, addr, 64, DMA_FROM_DEVICE);
	kfree(memory);
}

/* What is legal, and must never be reported. */

static void m7_legal(const struct rig *rig, bool is_mended)
{
	uint8_t *buf = kmalloc(SIZE, GFP_KERNEL);

	(void)is_mended;
	/* What the zeros become does not matter. */
	memset(buf, 0, SIZE);
	SCB_InvalidateDCache_by_Addr(buf, 100);
	rig->device_writes(bus(buf), 100);
	SCB_InvalidateDCache_by_Addr(buf, 100);
	*rig->seen = buf[99];
	/* Now it is for sending: all of it is written before it is cleaned. */
	rig->device_writes(bus(buf), 100);
	memset(buf, 3, 128);
	SCB_CleanDCache_by_Addr(buf, 128);
	rig->device_reads(bus(buf), 128);
	*rig->seen = buf[0];
	SCB_CleanDCache_by_Addr(buf, 0);
	SCB_CleanDCache_by_Addr(buf, -32);
	kfree(buf);
}

static void m7_legal_off(const struct rig *rig, bool is_mended)
{
	uint8_t *buf = kmalloc(SIZE, GFP_KERNEL);

	(void)is_mended;
	memset(buf, 9, SIZE);
	SCB_DisableDCache();
	rig->device_reads(bus(buf), SIZE);
	buf[1] = (uint8_t) !(SCB->CCR & SCB_CCR_DC_Msk);
	rig->device_writes(bus(buf), SIZE);
	*rig->seen = buf[2];
	buf[2] = (uint8_t)(*rig->seen + 1);
	SCB_EnableDCache();
	*rig->seen = buf[2];
	rig->device_reads(bus(buf), SIZE);
	SCB_EnableDCache();
	kfree(buf);
}

static void xil_legal(const struct rig *rig, bool is_mended)
{
	u8 *buf = kmalloc(SIZE, GFP_KERNEL);

	(void)is_mended;
	memset(buf, 1, SIZE);
	Xil_DCacheFlush();
	rig->device_reads(bus(buf), SIZE);
	rig->device_writes(bus(buf), SIZE);
	Xil_DCacheInvalidateRange((INTPTR)buf, SIZE);
	*rig->seen = buf[7];
	buf[3] = 1;
	Xil_DCacheStoreLine((INTPTR)&buf[3]);
	rig->device_reads(bus(buf), 16);
	Xil_DCacheInvalidateLine((INTPTR)buf);
	*rig->seen = buf[3];
	kfree(buf);
}

/* Flush and invalidate in one, for everything; and who writes unseen. */
static void zephyr_legal(const struct rig *rig, bool is_mended)
{
	uint8_t *buf = kmalloc(SIZE, GFP_KERNEL);

	(void)is_mended;
	bzero(buf, SIZE);
	strncpy((char *)buf, "unseen", 32);
	sys_cache_data_flush_and_invd_range(buf, SIZE);
	rig->device_reads(bus(buf), SIZE);
	rig->device_writes(bus(buf), SIZE);
	sys_cache_data_flush_and_invd_range(buf, SIZE);
	*rig->seen = buf[200];
	buf[0] = 1;
	sys_cache_data_flush_all();
	rig->device_reads(bus(buf), SIZE);
	kfree(buf);
	/* What comes next in the same memory knows nothing of it. */
	buf = kmalloc(SIZE, GFP_KERNEL);
	buf[1] = 2;
	kfree(buf);
	buf = kmalloc(SIZE, GFP_KERNEL);
	sys_cache_data_invd_range(buf, SIZE);
	rig->device_writes(bus(buf), SIZE);
	sys_cache_data_invd_range(buf, SIZE);
	*rig->seen = buf[1];
	kfree(buf);
}

/* A device is told physical addresses. */
#define RAW(name, bug_class, line_size) \
	MISTAKE_ON(name, bug_class, MADE_DIRECT | ON_NONCOHERENT, line_size)

const struct mistake corpus_raw[] = {
	RAW(m7_no_clean, 2, 32),
	RAW(m7_clean_too_early, 2, 32),
	RAW(m7_no_invalidate, 1, 32),
	RAW(m7_invalidate_before_only, 49, 32),
	RAW(m7_invalidate_after_only, 49, 32),
	RAW(m7_neighbour_dropped, 17, 32),
	RAW(m7_all_dropped, 17, 32),
	RAW(xil_no_flush, 2, 0),
	RAW(xil_no_invalidate, 1, 0),
	RAW(xil_neighbour_written_back, 17, 0),
	RAW(zephyr_no_flush, 2, 0),
	RAW(zephyr_no_invd, 1, 0),
	RAW(zephyr_two_in_a_line, 17, 0),
	RAW(zephyr_line_assumed, 45, 128),
	MISTAKE_ON(line_assumed, 45, 0, 128),
	RAW(m7_legal_off, 0, 0),
	RAW(m7_legal, 0, 32),
	RAW(xil_legal, 0, 0),
	RAW(zephyr_legal, 0, 0),
	CORPUS_END,
};
