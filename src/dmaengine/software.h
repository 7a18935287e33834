/* SPDX-License-Identifier: BSD-2-Clause */
/* The software engine: software.c has the channels, software_prep.c what they are asked, software_work.c the bytes. */
#ifndef BERTH_DMAENGINE_SOFTWARE_H
#define BERTH_DMAENGINE_SOFTWARE_H

#include <berth/dma-software.h>
#include <berth/timer.h>
#include <berth/virt-dma.h>

#define SOFTWARE_MAX_SOURCES 16u
/* Runs of a pattern that need no memory of their own. */
#define SOFTWARE_RUNS 4u

struct software_desc;

struct software_chan {
	struct virt_dma_chan vc; /* its lock guards all that follows */
	struct berth_port_worker *worker; /* NULL: work is done where it is issued */
	struct timer_list later; /* without worker: goes on where one call has done its share */
	struct software_desc *current;
	bool is_running; /* somebody works */
	bool is_paused;
	/* 1: what is worked on was terminated; who synchronizes sleeps on it. */
	uint32_t is_orphaned;
};

/*
 * Work of one kind: @step does the bytes from desc->done on, @bytes of them, which is no more than
 * BERTH_DMA_SOFTWARE_CHUNK; false with the result set if they cannot be reached.
 */
struct software_desc {
	struct virt_dma_desc vd;
	bool (*step)(struct software_desc *desc, size_t bytes);
	void (*finish)(struct software_desc *desc); /* NULL: nothing more */
	size_t length;
	size_t done; /* changes without the lock */
	size_t nr_runs;
	bool is_different;
	uint8_t value;
	dma_addr_t dst[2]; /* for PQ both, or DMA_MAPPING_ERROR for the one that is not wanted */
	dma_addr_t src[SOFTWARE_MAX_SOURCES];
	unsigned int nr_src;
	uint8_t coefficient[SOFTWARE_MAX_SOURCES];
	enum sum_check_flags *check;
	/* A pattern: the runs, and where it is. */
	struct data_chunk *runs;
	size_t max_runs, run, run_done;
	dma_addr_t run_dst, run_src; /* where the run that it is in begins */
	bool dst_inc, src_inc;
	struct data_chunk few_runs[SOFTWARE_RUNS];
};

static inline struct software_chan *to_software_chan(struct dma_chan *chan)
{
	return container_of(chan, struct software_chan, vc.chan);
}

static inline struct software_desc *to_software_desc(struct virt_dma_desc *vd)
{
	return container_of(vd, struct software_desc, vd);
}

/* software_work.c */
bool berth_software_copy(struct software_desc *desc, size_t bytes);
bool berth_software_fill(struct software_desc *desc, size_t bytes);
bool berth_software_xor(struct software_desc *desc, size_t bytes);
bool berth_software_xor_check(struct software_desc *desc, size_t bytes);
void berth_software_xor_result(struct software_desc *desc);
bool berth_software_pq(struct software_desc *desc, size_t bytes);
bool berth_software_runs(struct software_desc *desc, size_t bytes);
bool berth_software_nothing(struct software_desc *desc, size_t bytes);

/* software_prep.c: the prepare calls of @device, and what a descriptor holds. */
void berth_software_set_prep(struct dma_device *device);
void berth_software_desc_destroy(struct software_desc *desc);

#endif
