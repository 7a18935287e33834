// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames through a decoder: the camera writes coded pictures into buffers of one kind, the decoder makes
 * pictures of them in buffers of another kind, which the display shows where they lie, and which another
 * process looks at where they lie. All are dma-bufs. Whoever uses a buffer has a fence in its reservation;
 * nobody copies a byte.
 *
 * The other process answers in its own time, which is not the model's: its answers are waited for in host
 * time, when its buffer is needed again, so that a run is the same every time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <berth/dma-buf.h>
#include <berth/dma-mapping.h>
#include <berth/timer.h>

#include <berth/drivers/display.h>
#include "pipeline.h"

int pipeline_start(struct job *job)
{
	struct scatter_work *work = &job->result->display;
	enum berth_protection protection;
	int ret = job_hold_display(job, &protection);

	if (ret)
		return ret;
	job->result->pipeline.is_there = true;
	job->pipeline = calloc(1, sizeof(*job->pipeline));
	if (!job->pipeline)
		return job_fail(job, RUN_UNUSABLE, "%s", strerror(ENOMEM));
	job->pipeline->context = dma_fence_context_alloc(STAGES);
	if (work->is_there &&
	    (protection == BERTH_PROTECT_LAZY || protection == BERTH_PROTECT_STRICT))
		work->pages = PFN_UP(job->source.format.frame_bytes);
	return RUN_DONE;
}

/* Two coded buffers keep the camera going, if there is no room for more. */
int pipeline_get_buffers(struct job *job)
{
	struct run_result *result = job->result;
	int ret = RUN_DONE;

	berth_memory_info(&result->before);
	job_sample(job);
	while (result->buffers < RUN_BUFFERS) {
		struct coded *c = &job->pipeline->coded[result->buffers];

		if (job->tenants)
			tenants_remember(job->tenants);
		if (!pipeline_start_coded(job, c)) {
			if (result->buffers < 2)
				job_fail_berth(job, RUN_FOUND, "no memory for two frame buffers");
			pipeline_end_coded(job, c);
			if (result->buffers < 2)
				return RUN_FOUND;
			break;
		}
		result->buffers++;
		job_sample(job);
	}
	for (unsigned int i = 0; i < PICTURES && !ret; i++) {
		ret = pipeline_start_picture(job, &job->pipeline->pictures[i], i);
		result->pipeline.pictures++;
	}
	berth_memory_info(&result->during);
	return ret;
}

/* The other process. */

static struct source_frame *given(struct job *job, uint32_t sequence)
{
	return (struct source_frame *)(uintptr_t)source_frame(&job->source, sequence);
}

/* It saw something else: where that begins, as this process sees the same memory. */
static void find_difference(struct job *job, const struct picture *p)
{
	const struct source_frame *frame = given(job, p->sequence);
	size_t size = job->source.format.frame_bytes, at = 0;
	struct iosys_map map;

	if (frame && !dma_buf_vmap_unlocked(p->buf, &map)) {
		const uint8_t *seen = map.vaddr;

		while (at < size && frame->picture[at] == seen[at])
			at++;
		dma_buf_vunmap_unlocked(p->buf, &map);
	}
	job_note_difference(job, p->sequence, "as another process sees it", at);
}

/* It has @p no more. */
static void take_back(struct job *job, struct picture *p, int error)
{
	trace_no_owner(job->options->trace, p->buf, screen_name(job->screen));
	dma_buf_end_cpu_access(p->buf, DMA_FROM_DEVICE);
	if (error) {
		berth_dma_fence_abandon(p->seen, error);
		job->result->pipeline.fences_failed++;
		pipeline_put_fence(&p->seen);
		return;
	}
	pipeline_fence_done(p->seen, 0);
	p->seen = NULL;
}

/* Nobody waits for a process that is gone: its fences say so. */
static int lose_screen(struct job *job)
{
	for (unsigned int i = 0; i < PICTURES; i++)
		if (job->pipeline->pictures[i].seen)
			take_back(job, &job->pipeline->pictures[i], -EIO);
	return job_fail(job, RUN_FOUND, "%s", screen_error(job->screen));
}

static int take_answer(struct job *job)
{
	struct screen_answer answer;
	const struct source_frame *frame;
	struct picture *p;

	if (screen_answer(job->screen, &answer))
		return lose_screen(job);
	p = answer.buffer < PICTURES ? &job->pipeline->pictures[answer.buffer] : NULL;
	if (!p || !p->seen || p->sequence != answer.sequence)
		return job_fail(job, RUN_FOUND, "the display's process answers what nobody asked");
	frame = given(job, p->sequence);
	if (frame && screen_sum(frame->picture, job->source.format.frame_bytes) == answer.sum)
		job->result->identical_cpu++;
	else
		find_difference(job, p);
	job->result->pipeline.seen++;
	source_release(&job->source);
	take_back(job, p, 0);
	return RUN_DONE;
}

static int give_to_screen(struct job *job, struct picture *p,
			  const struct berth_camera_buffer *buffer)
{
	struct screen_picture picture = {
		.buffer = (uint32_t)(p - job->pipeline->pictures),
		.sequence = buffer->sequence,
		.bytes = (uint32_t)job->source.format.frame_bytes,
	};

	memcpy(picture.text, buffer->text, buffer->text_length);
	if (dma_buf_begin_cpu_access(p->buf, DMA_FROM_DEVICE))
		return job_fail_berth(job, RUN_FOUND, "the CPU cannot have a picture");
	p->sequence = buffer->sequence;
	p->seen = pipeline_add_fence(job, STAGE_SCREEN, p->buf, DMA_RESV_USAGE_READ);
	if (!p->seen) {
		dma_buf_end_cpu_access(p->buf, DMA_FROM_DEVICE);
		return job_fail_berth(job, RUN_FOUND, "a fence");
	}
	dma_fence_put(p->seen);
	berth_dma_fence_set_deadline(p->seen, screen_name(job->screen),
				     ktime_get_ns() + JOB_WAIT_MS * NSEC_PER_MSEC);
	trace_owner(job->options->trace, p->buf, screen_name(job->screen));
	return screen_show(job->screen, &picture) ? lose_screen(job) : RUN_DONE;
}

static void decoder_done(void *data, const struct berth_decoder_result *result)
{
	pipeline_fence_done(data, result->error);
}

/* The devices. */

/* If there is one more frame, give the camera room for it. */
static int refill(struct job *job, struct coded *c)
{
	uint32_t bytes = berth_camera_coded_bytes((uint32_t)job->source.format.frame_bytes);
	struct dma_fence *filled;
	struct iosys_map seen;
	int ret = job_fetch(job);

	if (ret <= 0)
		return ret ? RUN_UNUSABLE : RUN_DONE;
	/* Nobody's picture: what the camera does not write over shows. */
	if (dma_buf_begin_cpu_access(c->buf, DMA_TO_DEVICE) || dma_buf_vmap_unlocked(c->buf, &seen))
		return job_fail_berth(job, RUN_FOUND, "the CPU cannot have a coded frame");
	memset(seen.vaddr, 0xa5 ^ (int)(job->source.fetched & 0x1f), bytes);
	dma_buf_vunmap_unlocked(c->buf, &seen);
	dma_buf_end_cpu_access(c->buf, DMA_TO_DEVICE);
	c->table = pipeline_map(c->camera, DMA_FROM_DEVICE);
	if (c->table && !c->buffer)
		c->buffer = berth_camera_buffer_import(job->camera, c->table, bytes);
	if (!c->buffer || !c->table || berth_camera_buffer_moved(c->buffer, c->table))
		return job_fail_berth(job, RUN_FOUND, "the camera cannot be given a buffer");
	filled = pipeline_add_fence(job, STAGE_CAMERA, c->buf, DMA_RESV_USAGE_WRITE);
	if (!filled)
		return job_fail_berth(job, RUN_FOUND, "a fence");
	c->filled = filled;
	c->buffer->done = pipeline_fence_done;
	c->buffer->data = filled;
	ret = berth_camera_queue(job->camera, c->buffer);
	if (ret) {
		pipeline_fence_done(filled, ret);
		return job_fail(job, RUN_FOUND, "a buffer cannot be queued: %s",
				berth_error_name(ret));
	}
	job->queued++;
	return RUN_DONE;
}

/* The oldest buffer that the camera has, when it is filled. */
static int take_coded(struct job *job, struct coded **filled)
{
	struct coded *c = &job->pipeline->coded[job->pipeline->taken % job->result->buffers];
	struct berth_camera_buffer *buffer;
	int ret;

	if (!pipeline_is_signalled(c->filled))
		return job_fail(job, RUN_FOUND, "frame %llu: the camera does not deliver it",
				(unsigned long long)job->pipeline->taken);
	ret = berth_camera_dequeue(job->camera, &buffer, msecs_to_jiffies(JOB_WAIT_MS));
	if (ret && ret != -EIO)
		return job_fail(job, RUN_FOUND, "frame %llu: the camera does not deliver it: %s",
				(unsigned long long)job->pipeline->taken, berth_error_name(ret));
	job->queued--;
	job->pipeline->taken++;
	job->result->pipeline.coded_bytes += buffer->used;
	dma_buf_unmap_attachment_unlocked(c->camera, c->table, DMA_FROM_DEVICE);
	c->table = NULL;
	pipeline_put_fence(&c->filled);
	*filled = c;
	return RUN_DONE;
}

/* A stream that is damaged leaves the picture before it: that shows. */
static int run_decoder(struct job *job, struct coded *c, struct picture *p, struct sg_table *from,
		       struct sg_table *to)
{
	struct berth_decoder_request request = {
		.source = from,
		.target = to,
		.coded_bytes = c->buffer->used,
		.bytes = (uint32_t)job->source.format.frame_bytes,
		.stride = job->source.format.width,
		.done = decoder_done,
	};
	struct berth_decoder_result result;
	struct dma_fence *fence =
		pipeline_add_fence(job, STAGE_DECODER, p->buf, DMA_RESV_USAGE_WRITE);
	int ret;

	if (!fence)
		return job_fail_berth(job, RUN_FOUND, "a fence");
	request.data = fence;
	ret = berth_decoder_start(job->decoder, &request);
	if (ret) {
		pipeline_fence_done(fence, ret);
	} else {
		dma_resv_wait_timeout(p->buf->resv, DMA_RESV_USAGE_WRITE, false,
				      msecs_to_jiffies(JOB_WAIT_MS));
		ret = berth_decoder_wait(job->decoder, msecs_to_jiffies(JOB_WAIT_MS), &result);
	}
	dma_fence_put(fence);
	if (ret == -EILSEQ) {
		job->result->pipeline.damaged++;
		return RUN_DONE;
	}
	if (ret && ret != -EIO)
		return job_fail(job, RUN_FOUND, "frame %u: it is not decoded: %s",
				c->buffer->sequence, berth_error_name(ret));
	return RUN_DONE;
}

static int decode(struct job *job, struct coded *c, struct picture *p)
{
	struct sg_table *from, *to;
	int ret;

	while (p->seen) {
		ret = take_answer(job);
		if (ret)
			return ret;
	}
	if (dma_resv_wait_timeout(p->buf->resv, DMA_RESV_USAGE_READ, false,
				  msecs_to_jiffies(JOB_WAIT_MS)) <= 0)
		return job_fail(job, RUN_FOUND, "somebody keeps a picture");
	from = pipeline_map(c->decoder, DMA_TO_DEVICE);
	to = from ? pipeline_map(p->decoder, DMA_FROM_DEVICE) : NULL;
	ret = to ? run_decoder(job, c, p, from, to)
		 : job_fail_berth(job, RUN_FOUND, "the decoder cannot be given a frame");
	if (to)
		dma_buf_unmap_attachment_unlocked(p->decoder, to, DMA_FROM_DEVICE);
	if (from)
		dma_buf_unmap_attachment_unlocked(c->decoder, from, DMA_TO_DEVICE);
	return ret;
}

static struct berth_display_picture describe(const struct job *job,
					     const struct berth_camera_buffer *buffer)
{
	return (struct berth_display_picture){
		.bytes = (uint32_t)job->source.format.frame_bytes,
		.sequence = buffer->sequence,
		.text_length = buffer->text_length,
		.text = buffer->text,
	};
}

/* The one place where the CPU copies a picture: no memory is within the reach of all. */
static int show_copy(struct job *job, struct picture *p, const struct berth_camera_buffer *buffer)
{
	struct berth_display_picture shown = describe(job, buffer);
	size_t size = PAGE_SIZE + shown.bytes;
	struct iosys_map seen;
	dma_addr_t dma;
	int ret;

	shown.offset = PAGE_SIZE - BERTH_DISPLAY_HEADER;
	shown.page = dma_alloc_pages(job->display, size, &dma, DMA_TO_DEVICE, GFP_KERNEL);
	if (!shown.page)
		return -ENOMEM;
	ret = dma_buf_begin_cpu_access(p->buf, DMA_FROM_DEVICE);
	if (!ret)
		ret = dma_buf_vmap_unlocked(p->buf, &seen);
	if (!ret) {
		memcpy((char *)page_address(shown.page) + PAGE_SIZE, seen.vaddr, shown.bytes);
		job->result->copied += shown.bytes;
		dma_buf_vunmap_unlocked(p->buf, &seen);
		ret = berth_display_show(job->display, &shown);
	}
	if (!ret)
		ret = berth_display_wait(job->display, msecs_to_jiffies(JOB_WAIT_MS));
	dma_buf_end_cpu_access(p->buf, DMA_FROM_DEVICE);
	dma_free_pages(job->display, size, shown.page, dma, DMA_TO_DEVICE);
	return ret;
}

static int show_in_place(struct job *job, struct picture *p, struct sg_table *table,
			 const struct berth_camera_buffer *buffer)
{
	struct berth_display_picture shown = describe(job, buffer);
	struct dma_fence *fence =
		pipeline_add_fence(job, STAGE_DISPLAY, p->buf, DMA_RESV_USAGE_READ);
	int ret;

	if (!fence)
		return -ENOMEM;
	shown.sgt = table;
	shown.is_mapped = true;
	shown.done = pipeline_fence_done;
	shown.data = fence;
	ret = berth_display_show(job->display, &shown);
	if (ret) {
		pipeline_fence_done(fence, ret);
	} else {
		pipeline_is_signalled(fence);
		ret = berth_display_wait(job->display, msecs_to_jiffies(JOB_WAIT_MS));
	}
	dma_fence_put(fence);
	return ret;
}

static int show(struct job *job, struct picture *p, const struct berth_camera_buffer *buffer)
{
	struct sg_table *table = p->display ? pipeline_map(p->display, DMA_TO_DEVICE) : NULL;
	int ret;

	if (table) {
		ret = show_in_place(job, p, table, buffer);
		dma_buf_unmap_attachment_unlocked(p->display, table, DMA_TO_DEVICE);
		if (!ret)
			job->result->display.moved +=
				job->result->display.pages ? job->source.format.frame_bytes : 0;
	} else {
		ret = show_copy(job, p, buffer);
	}
	if (ret == -ENOMEM)
		return job_fail_berth(job, RUN_FOUND, "the display cannot be given a picture");
	/* A black screen has been compared already. */
	if (ret && ret != -EIO)
		return job_fail(job, RUN_FOUND, "frame %u: the display does not show it: %s",
				buffer->sequence, berth_error_name(ret));
	return RUN_DONE;
}

static int one_frame(struct job *job)
{
	struct picture *p = &job->pipeline->pictures[job->pipeline->taken % PICTURES];
	struct coded *c = NULL;
	int ret = take_coded(job, &c);

	if (!ret)
		ret = decode(job, c, p);
	if (!ret)
		ret = show(job, p, c->buffer);
	if (!ret)
		ret = give_to_screen(job, p, c->buffer);
	if (!ret)
		ret = job_between_frames(job);
	return ret ? ret : refill(job, c);
}

static int take_all_answers(struct job *job)
{
	int ret = RUN_DONE;

	for (unsigned int n = 0; n < PICTURES && !ret; n++) {
		struct picture *p = &job->pipeline->pictures[(job->pipeline->taken + n) % PICTURES];

		if (p->seen)
			ret = take_answer(job);
	}
	return ret;
}

int pipeline_stream(struct job *job)
{
	struct berth_camera_format format = job_format(job);
	struct berth_model_smmu_stats before = { 0 };
	int ret = RUN_DONE, answered;

	format.is_coded = true;
	for (unsigned int i = 0; i < job->result->buffers && !ret; i++)
		ret = refill(job, &job->pipeline->coded[i]);
	if (!ret && !job->queued)
		ret = job_fail(job, RUN_UNUSABLE, "%s: it has no frames", job->source.reader.name);
	if (!ret && berth_camera_start(job->camera, &format))
		ret = job_fail(job, RUN_FOUND, "the camera does not start");
	berth_model_smmu_stats(NULL, &before);
	while (!ret && job->queued)
		ret = one_frame(job);
	job_count_iommu(job, &before);
	berth_camera_stop(job->camera);
	answered = take_all_answers(job);
	return ret ? ret : answered;
}

void pipeline_end(struct job *job)
{
	if (!job->pipeline)
		return;
	berth_camera_stop(job->camera);
	for (unsigned int i = 0; i < PICTURES; i++) {
		if (job->pipeline->pictures[i].seen)
			take_back(job, &job->pipeline->pictures[i], -EIO);
		pipeline_end_picture(job, &job->pipeline->pictures[i]);
	}
	for (unsigned int i = 0; i < RUN_BUFFERS; i++) {
		if (!job->pipeline->coded[i].buf)
			continue;
		pipeline_end_coded(job, &job->pipeline->coded[i]);
		job_sample(job);
		if (job->tenants)
			tenants_use(job->tenants);
	}
	free(job->pipeline);
	job->pipeline = NULL;
}
