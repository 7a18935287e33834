/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small drivers with one mistake each, and their mended twins, a file for each subject (corpus-*.c). The line with the
 * mistake says which rule it breaks: BUG and the rule's name; if a twin does it otherwise, both are in one function.
 * These files are built as a driver under test is, and know nothing of the checker; the checker
 * knows nothing of them.
 */
#ifndef TESTS_CHECK_CORPUS_H
#define TESTS_CHECK_CORPUS_H

#include <berth/device.h>
#include <berth/io.h>

/*
 * struct rig - a device, which the test plays
 * @seen: where a driver puts what it has read
 * @to_free: memory that the test frees when the driver has gone
 * @free_ring: coherent memory of 4096 bytes, by its right size
 * @fail_nth: let the n-th mapping or allocation for devices from now on fail
 * @returned: what the driver's operation has returned
 * @other: another device
 * @engine, @regs, @irq: one with registers: engine.h
 */
struct rig {
	struct device *dev;
	void (*device_reads)(dma_addr_t addr, size_t size);
	void (*device_writes)(dma_addr_t addr, size_t size);
	void (*free_ring)(void *ring, dma_addr_t addr);
	volatile unsigned char *seen;
	void **to_free;
	void (*fail_nth)(uint64_t nth);
	void (*returned)(int ret);
	struct device *other;
	struct device *engine;
	unsigned char __iomem *regs;
	unsigned int irq;
};

/*
 * struct mistake - a driver
 * @file: where its source is, in this folder
 * @bug_class: its number in docs/bug-classes.md; 0: it is legal, and nothing may be said
 * @found: under which settings: always; with a device that is not trusted; with one, if chance will have it
 */
struct mistake {
	const char *name, *file;
	void (*driver)(const struct rig *rig, bool is_mended);
	unsigned int bug_class;
	enum { FOUND_ALWAYS, FOUND_HOSTILE, FOUND_BY_CHANCE } found;
};

#define MISTAKE_FOUND(name, bug_class, found)         \
	{                                             \
#name, CORPUS, name, bug_class, found \
	}
#define MISTAKE(name, bug_class) MISTAKE_FOUND(name, bug_class, FOUND_ALWAYS)
#define LEGAL(name) MISTAKE(name, 0)
#define CORPUS_END                                \
	{                                         \
		NULL, NULL, NULL, 0, FOUND_ALWAYS \
	}

extern const struct mistake corpus_streaming[];
extern const struct mistake corpus_order[];
extern const struct mistake corpus_api[];
extern const struct mistake corpus_address[];

#endif
