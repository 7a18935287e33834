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

/* On which machines a driver is run. */
enum {
	/* The machine is made so, for the mistake and for its twin. */
	MADE_DIRECT = 1, /* no IOMMU, no bounce buffers */
	MADE_HOSTILE = 2, /* devices write what they please */
	/* Of the machines of 50 seeds, those on which the mistake does harm. */
	ON_DIRECT = 4,
	ON_NONCOHERENT = 8,
	BY_CHANCE = 16, /* not with each seed */
	ON_FILLED =
		32, /* memory that is handed out is filled, so that it can be told who has written */
	UNSEEN =
		64, /* this compiler does not show the checker what the driver does: it is found with no seed */
};

/* clang before 16 does not instrument a struct that is copied by an assignment. gcc does, and so do later ones. */
#if defined(__clang__) && __clang_major__ < 16
#define UNSEEN_COPY UNSEEN
#else
#define UNSEEN_COPY 0
#endif

/*
 * struct mistake - a driver
 * @file: where its source is, in this folder
 * @bug_class: its number in docs/bug-classes.md; 0: it is legal, and nothing may be said
 * @machines: of these; 0: on all
 * @line_size: of the machine on which it breaks, or for which it is written; 0: any
 */
struct mistake {
	const char *name, *file;
	void (*driver)(const struct rig *rig, bool is_mended);
	unsigned int bug_class;
	unsigned int machines;
	unsigned int line_size;
};

#define MISTAKE_ON(name, bug_class, machines, line_size)            \
	{                                                           \
#name, CORPUS, name, bug_class, machines, line_size \
	}
#define MISTAKE(name, bug_class) MISTAKE_ON(name, bug_class, 0, 0)
#define MISTAKE_DIRECT(name, bug_class) MISTAKE_ON(name, bug_class, ON_DIRECT, 0)
#define LEGAL(name) MISTAKE(name, 0)
#define CORPUS_END                        \
	{                                 \
		NULL, NULL, NULL, 0, 0, 0 \
	}

extern const struct mistake corpus_streaming[];
extern const struct mistake corpus_rings[];
extern const struct mistake corpus_order[];
extern const struct mistake corpus_api[];
extern const struct mistake corpus_address[];
extern const struct mistake corpus_raw[];
extern const struct mistake corpus_buf[];
extern const struct mistake corpus_engine[];
extern const struct mistake corpus_bytes[];
extern const struct mistake corpus_lifetime[];

#endif
