/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the way of frames through a decoder: its buffers and fences (job-buffers.c). */
#ifndef TOOL_PIPELINE_H
#define TOOL_PIPELINE_H

#include <berth/dma-buf.h>

#include <berth/drivers/decoder.h>
#include "job.h"

#define PICTURES 3

_Static_assert(RUN_BUFFERS + PICTURES <= SOURCE_MAX_AHEAD, "frames that are on their way");

enum stage { STAGE_CAMERA, STAGE_DECODER, STAGE_DISPLAY, STAGE_SCREEN, STAGES };

/* What says that a stage is done with a buffer. */
struct stage_fence {
	struct dma_fence base;
	spinlock_t lock;
	enum stage stage;
	struct run_pipeline *count;
};

/* A buffer between camera and decoder. */
struct coded {
	struct dma_buf *buf;
	struct dma_buf_attachment *camera, *decoder;
	struct berth_camera_buffer *buffer;
	struct sg_table *table; /* as long as the camera has it */
	struct dma_fence *filled;
};

/* A buffer behind the decoder. */
struct picture {
	struct dma_buf *buf;
	struct dma_buf_attachment *decoder;
	struct dma_buf_attachment *display; /* NULL: it reaches no memory that fits the others */
	struct vm_area_struct area; /* in the other process */
	bool is_shown; /* there */
	struct dma_fence *seen; /* what the other process has to signal; NULL: it has nothing of it */
	uint32_t sequence;
};

struct pipeline {
	struct coded coded[RUN_BUFFERS];
	struct picture pictures[PICTURES];
	uint64_t context; /* the first of STAGES */
	uint64_t seqno[STAGES];
	uint64_t taken; /* frames out of the camera */
};

/*
 * A fence that everybody who comes to @buf waits for, as @usage says, with two references: of who
 * signals it, by pipeline_fence_done(), and of who waits. NULL: no memory.
 */
struct dma_fence *pipeline_add_fence(struct job *job, enum stage stage, struct dma_buf *buf,
				     enum dma_resv_usage usage);
/* Whoever was given a reference signals it; also in interrupts. */
void pipeline_fence_done(void *data, int error);
/* Wait for it, in virtual time. */
bool pipeline_is_signalled(struct dma_fence *fence);
void pipeline_put_fence(struct dma_fence **fence);

/* NULL with the reason. */
struct sg_table *pipeline_map(struct dma_buf_attachment *attachment, enum dma_data_direction dir);

/* Memory is taken when it is mapped for the first time: now, within the reach of both. */
bool pipeline_start_coded(struct job *job, struct coded *c);
void pipeline_end_coded(struct job *job, struct coded *c);
/* The other process sees it, too. RUN_DONE, or another status. */
int pipeline_start_picture(struct job *job, struct picture *p, unsigned int number);
void pipeline_end_picture(struct job *job, struct picture *p);

#endif
