/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the DMA API is compared with: a device of the model, whose limits are known here a second
 * time, and streams of bytes whose owner is known at every moment.
 */
#ifndef TESTS_FUZZ_DMA_WORLD_H
#define TESTS_FUZZ_DMA_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/berth.h>
#include <berth/dma-mapping.h>

#define KIB 1024u
#define LOW_RAM 0x80000000u
#define HIGH_RAM 0x100000000u
#define RAM_BYTES 0x800000u

/* Larger than any cache line: what is handed over in parts is handed over in such. */
#define CHUNK 128u
#define MAX_BYTES (40 * KIB)

/* The next bytes of the trace; 0 behind its end. */
uint8_t take(void);
unsigned int take2(void);
unsigned int take_below(unsigned int bound);

/* One thing that does not hold: the trace has found a fault. */
void wrong(const char *file, int line, const char *what) __attribute__((noreturn));
#define MUST(condition)                                        \
	do {                                                   \
		if (!(condition))                              \
			wrong(__FILE__, __LINE__, #condition); \
	} while (0)

const void *world_tree(void);

/* The device, and what is known about it. */
extern struct device *dma_device;
extern struct world {
	bool coherent;
	bool is_forced, is_off; /* swiotlb= */
	uint64_t mask, coherent_mask;
	struct berth_dma_window windows[2];
	unsigned int nr_windows; /* 0: one to one */
	uint64_t boundary;
	uint32_t align_mask, max_segment;
} world;

/* What the device is told for memory that it reaches without help; DMA_MAPPING_ERROR: it does not. */
dma_addr_t direct_address(phys_addr_t phys, size_t size, uint64_t mask);

/* The device reads and writes, through the model, at an address that it was told. */
void device_read(dma_addr_t addr, void *bytes, size_t size);
void device_write(dma_addr_t addr, const void *bytes, size_t size);

/*
 * struct stream - a mapping, and what its bytes are
 * @cpu: where the CPU sees them
 * @addr: where the device does
 * @expected: by chunk, as its owner sees them
 * @is_cpus: by chunk, whether the CPU owns it
 * @is_bounced: it is not where the CPU sees it
 */
struct stream {
	uint8_t *cpu;
	dma_addr_t addr;
	size_t size;
	enum dma_data_direction dir;
	bool is_bounced;
	bool is_cpus[MAX_BYTES / CHUNK + 1];
	uint8_t expected[MAX_BYTES];
};

/* @cpu was given to the device at @addr. */
void stream_begin(struct stream *s, uint8_t *cpu, dma_addr_t addr, size_t size,
		  enum dma_data_direction dir);
/* Owners read and write what is theirs; parts change hands. */
void stream_touch(struct stream *s);
/* Only what is the CPU's may be given: a bounce buffer would be filled with what is old. */
bool stream_is_cpus(const struct stream *s, size_t from, size_t size);
void stream_to_cpu(struct stream *s, size_t from, size_t size);
void stream_to_device(struct stream *s, size_t from, size_t size);
/* What the CPU has written goes to the device: before it is the CPU's again, a sync would lose it. */
void stream_give(struct stream *s, size_t from, size_t size);
/* It has ended: all is the CPU's. */
void stream_end(struct stream *s);

/* dma_streams.c and dma_memory.c: one call each, and the end of everything. */
void stream_call(void);
void stream_stop(void);
void memory_call(void);
void memory_stop(void);

#endif
