/* SPDX-License-Identifier: BSD-2-Clause */
/* Buffers of heaps: where their memory is, who has access, and where the newest bytes are. */
#ifndef BERTH_DMA_BUF_HEAP_H
#define BERTH_DMA_BUF_HEAP_H

#include <berth/cma.h>

#include "dma-buf/dma-buf.h"

#define HEAP_MAX_RANGES 16

/*
 * struct heap_place - where memory of a buffer may be
 * @range: RAM that all devices reach, sorted as the devices found it
 * @nr: how many; 0: there is no such place
 * @is_contiguous: some device needs it in one piece
 */
struct heap_place {
	struct heap_range {
		phys_addr_t first, last;
	} range[HEAP_MAX_RANGES];
	unsigned int nr;
	bool is_contiguous;
};

/*
 * struct heap_memory - pages of a buffer
 * @pages: all of them, in order; NULL: not allocated
 * @first_run: how many of them follow each other from the first on
 * @area: they are a run of that area; NULL: single pages
 * @memory_stale: per page: a cache may hold newer bytes than memory
 * @cache_stale: per page: memory may hold newer bytes than a cache
 *
 * Both for one page while two sides write to it at a time, each to lines of its own: cleaned, then invalidated.
 */
struct heap_memory {
	struct page **pages;
	unsigned long nr, first_run;
	struct cma *area;
	uint64_t *memory_stale, *cache_stale;
};

struct heap_buffer {
	struct dma_buf *dmabuf;
	struct cma *area; /* all its memory comes from there; NULL: from anywhere */
	unsigned long nr;
	unsigned long flags;
	struct heap_memory memory;
	struct list_head attachments;
	unsigned int pins; /* why it does not move: pins, and addresses at which it is seen */
	unsigned int
		cpu_writers; /* accesses of the CPU that have begun, to write, within these pages */
	unsigned long cpu_first, cpu_last;
};

/*
 * struct heap_attachment - a device
 * @has_access: it may use the bytes now, as @access says
 * @is_copied: its mappings are copies that the CPU makes
 * @dir: as it was mapped
 * @mapped_dir: the same, but copies are made whole, also for devices that only write: they may write less than all
 */
struct heap_attachment {
	struct dma_buf_attachment *attach;
	struct heap_buffer *buffer;
	struct list_head node;
	bool has_access;
	bool is_copied;
	enum dma_data_direction access, dir, mapped_dir;
	struct sg_table *sgt; /* while it is mapped */
};

/* place.c. What fails sets its reason. All with the reservation's lock. */

/* Where memory for all devices may be, and @more if that is not NULL; -EINVAL: nowhere. */
int berth_heap_place(const struct heap_buffer *buffer, const struct device *more,
		     struct heap_place *place);
/* How many pages from page @at on follow each other. */
unsigned long berth_heap_run(const struct heap_memory *memory, unsigned long at);
/* 0 if a device reaches all pages; -EINVAL, -ENOMEM with the reason if not. */
int berth_heap_fits(const struct heap_memory *memory, const struct device *dev);
int berth_heap_take(const struct heap_buffer *buffer, const struct heap_place *place,
		    struct heap_memory *memory);
void berth_heap_give(struct heap_memory *memory);
/* A table of the pages in pieces that the device takes. */
struct sg_table *berth_heap_table(const struct heap_memory *memory, const struct device *dev);

/* coherency.c */

/*
 * Somebody begins to use pages: what he would not see is cleaned or invalidated. He is coherent if he sees the
 * caches.
 */
void berth_heap_begin(struct heap_buffer *buffer, unsigned long first, unsigned long nr,
		      bool is_coherent);
/* Somebody has written pages: those who have access see it. */
void berth_heap_wrote(struct heap_buffer *buffer, unsigned long first, unsigned long nr,
		      bool is_coherent);
/* What those who have access may have written by now. */
void berth_heap_note_writes(struct heap_buffer *buffer);

/* A device begins or ends. The copy that it is to see at the beginning is the caller's to make. */
void berth_heap_begin_access(struct heap_attachment *a, enum dma_data_direction dir);
void berth_heap_end_access(struct heap_attachment *a);
void berth_heap_count_copy(const struct heap_attachment *a);

/* The CPU begins, and ends to write. */
void berth_heap_begin_cpu(struct heap_buffer *buffer, unsigned long first, unsigned long nr,
			  bool writes);
void berth_heap_end_cpu(struct heap_buffer *buffer, unsigned long first, unsigned long nr);

/* heap-buffer.c */

extern const struct dma_buf_ops berth_heap_buffer_ops;

/*
 * The memory is there: allocated within reach of all devices, and moved there if @by, a device that is about to
 * use it, does not reach it. NULL: the CPU. With the lock.
 */
int berth_heap_settle(struct heap_buffer *buffer, const struct heap_attachment *by);

struct dma_buf *berth_heap_buffer_new(struct cma *area, unsigned long len, unsigned int fd_flags,
				      unsigned long heap_flags, const char *name);

#endif
