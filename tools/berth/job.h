/* SPDX-License-Identifier: BSD-2-Clause */
/* The main job's parts: bringing a board up (job.c), and the two ways that frames take. */
#ifndef TOOL_JOB_H
#define TOOL_JOB_H

#include <stdio.h>

#include <berth/drivers/camera.h>
#include "run.h"
#include "screen.h"
#include "source.h"

/* For a device, in virtual time. */
#define JOB_WAIT_MS 10000

struct pipeline;

struct job {
	const struct run_options *options;
	struct run_result *result;
	struct source source;
	FILE *out;
	struct device *camera, *display;
	struct device *decoder; /* NULL: the display shows what the camera has written */
	struct device stand_in; /* for the camera, where there is none */
	struct tenants *tenants; /* NULL: none */
	struct network *network; /* NULL: none */
	struct scatter *scatter; /* NULL: the display shows what lies in the camera's buffers */
	struct pipeline *pipeline; /* NULL: without a decoder */
	struct screen
		*screen; /* the other process; started before it is known whether it is needed */
	char camera_path[256], display_path[256], decoder_path[256];
	struct berth_camera_buffer *buffers[RUN_BUFFERS];
	unsigned int queued;
	bool is_counted; /* what follows is not of the run */
	uint64_t latency[RUN_BUFFERS + RUN_TRIES];
	bool out_failed;
};

/* Note why it fails; the first reason stays. Returns @status. */
int job_fail(struct job *job, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same, with what berth remembers about its last failed call. */
int job_fail_berth(struct job *job, int status, const char *what);

void job_note_difference(struct job *job, uint64_t frame, const char *where, size_t byte);

/* Compare with what the source gave. The text counts as what follows the picture. */
bool job_is_as_given(struct job *job, uint64_t number, const char *where, const uint8_t *picture,
		     const char *text, size_t text_length);

/* How the display is held to what is mapped for it, as was asked for. RUN_DONE, or another status. */
int job_hold_display(struct job *job, enum berth_protection *protection);

void job_sample(struct job *job);

/* Who held the memory of a new frame buffer before; and how long it took, since job_start_clock(). */
void job_note_buffer(struct job *job, const struct page *page, size_t size);
uint64_t job_start_clock(void);
void job_stop_clock(struct job *job, uint64_t start);

/* What the camera is to deliver. */
struct berth_camera_format job_format(const struct job *job);

/* One more frame of the source is on its way. 1, 0 if there is none, or -1 with the reason noted. */
int job_fetch(struct job *job);
/* One frame has been shown: what goes on between two frames. RUN_DONE, or another status. */
int job_between_frames(struct job *job);

/* What the IOMMU of the display did from here on. */
void job_count_iommu(struct job *job, const struct berth_model_smmu_stats *before);

/* A camera's buffer, as programs without dma-buf have it; its time is taken. */
struct berth_camera_buffer *job_timed_alloc(struct job *job);

/* Frames go from the camera to the display where they lie, or through an engine (job-direct.c). */
int direct_start(struct job *job);
int direct_get_buffers(struct job *job);
int direct_stream(struct job *job);
void direct_end(struct job *job);

/* Coded frames go through a decoder, as dma-bufs, and are seen by another process (job-pipeline.c). */
int pipeline_start(struct job *job);
int pipeline_get_buffers(struct job *job);
int pipeline_stream(struct job *job);
void pipeline_end(struct job *job);

#endif
