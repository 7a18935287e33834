/* SPDX-License-Identifier: BSD-2-Clause */
/* The drivers with mistakes, and what they are run with. */
#ifndef TESTS_CHECK_CORPUS_H
#define TESTS_CHECK_CORPUS_H

#include <berth/device.h>

/*
 * struct rig - a device, which the test plays
 * @seen: where a driver puts what it has read
 * @to_free: memory that the test frees when the driver has gone
 * @free_ring: coherent memory of 4096 bytes, by its right size
 */
struct rig {
	struct device *dev;
	void (*device_reads)(dma_addr_t addr, size_t size);
	void (*device_writes)(dma_addr_t addr, size_t size);
	void (*free_ring)(void *ring, dma_addr_t addr);
	volatile unsigned char *seen;
	void **to_free;
};

struct mistake {
	const char *name;
	void (*driver)(const struct rig *rig, bool is_mended);
};

extern const struct mistake mistakes[];

#endif
