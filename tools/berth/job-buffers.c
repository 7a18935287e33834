// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>

#include <berth/dma-heap.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include "pipeline.h"

/* Fences. */

static const char *stage_name(struct dma_fence *fence)
{
	static const char *const names[STAGES] = { "camera", "decoder", "display", "screen" };

	return names[container_of(fence, struct stage_fence, base)->stage];
}

static const char *timeline_name(struct dma_fence *fence)
{
	(void)fence;
	return "frames";
}

static const struct dma_fence_ops stage_ops = {
	.get_driver_name = stage_name,
	.get_timeline_name = timeline_name,
};

struct dma_fence *pipeline_add_fence(struct job *job, enum stage stage, struct dma_buf *buf,
				     enum dma_resv_usage usage)
{
	struct pipeline *p = job->pipeline;
	struct stage_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	if (!fence)
		return NULL;
	spin_lock_init(&fence->lock);
	fence->stage = stage;
	fence->count = &job->result->pipeline;
	dma_fence_init(&fence->base, &stage_ops, &fence->lock, p->context + stage,
		       ++p->seqno[stage]);
	if (dma_resv_lock(buf->resv, NULL)) {
		dma_fence_put(&fence->base);
		return NULL;
	}
	if (dma_resv_reserve_fences(buf->resv, 1)) {
		dma_resv_unlock(buf->resv);
		dma_fence_put(&fence->base);
		return NULL;
	}
	dma_resv_add_fence(buf->resv, &fence->base, usage);
	dma_resv_unlock(buf->resv);
	return dma_fence_get(&fence->base);
}

void pipeline_fence_done(void *data, int error)
{
	struct dma_fence *fence = data;
	struct run_pipeline *count = container_of(fence, struct stage_fence, base)->count;

	if (error)
		dma_fence_set_error(fence, error);
	if (error)
		__atomic_fetch_add(&count->fences_failed, 1, __ATOMIC_RELAXED);
	if (!dma_fence_signal(fence))
		__atomic_fetch_add(&count->fences, 1, __ATOMIC_RELAXED);
	dma_fence_put(fence);
}

/* Virtual time is enough for a device. */
bool pipeline_is_signalled(struct dma_fence *fence)
{
	return dma_fence_wait_timeout(fence, false, (long)msecs_to_jiffies(JOB_WAIT_MS)) > 0;
}

void pipeline_put_fence(struct dma_fence **fence)
{
	dma_fence_put(*fence);
	*fence = NULL;
}

/* Buffers. */

static struct dma_buf *new_buf(const char *heap, size_t bytes, unsigned int flags, const char *kind,
			       unsigned int number)
{
	struct dma_heap *from = dma_heap_find(heap);
	struct dma_buf *buf;
	char name[24];

	if (!from)
		return NULL;
	buf = dma_heap_buffer_alloc(from, bytes, BERTH_O_RDWR, flags);
	if (IS_ERR(buf))
		return NULL;
	snprintf(name, sizeof(name), "%s %u", kind, number);
	berth_dma_buf_set_name(buf, name);
	return buf;
}

static struct dma_buf_attachment *attach(struct dma_buf *buf, struct device *dev)
{
	struct dma_buf_attachment *attachment = dma_buf_attach(buf, dev);

	return IS_ERR(attachment) ? NULL : attachment;
}

struct sg_table *pipeline_map(struct dma_buf_attachment *attachment, enum dma_data_direction dir)
{
	struct sg_table *table = dma_buf_map_attachment_unlocked(attachment, dir);

	return IS_ERR(table) ? NULL : table;
}

void pipeline_end_coded(struct job *job, struct coded *c)
{
	struct berth_dma_buf_stats stats;

	if (!c->buf)
		return;
	berth_camera_buffer_free(job->camera, c->buffer);
	if (c->table)
		dma_buf_unmap_attachment_unlocked(c->camera, c->table, DMA_FROM_DEVICE);
	pipeline_put_fence(&c->filled);
	dma_buf_detach(c->buf, c->camera);
	dma_buf_detach(c->buf, c->decoder);
	berth_dma_buf_get_stats(c->buf, &stats);
	job->result->pipeline.cleans += stats.cleans;
	job->result->pipeline.invalidates += stats.invalidates;
	dma_buf_put(c->buf);
	*c = (struct coded){ 0 };
}

bool pipeline_start_coded(struct job *job, struct coded *c)
{
	uint32_t bytes = berth_camera_coded_bytes((uint32_t)job->source.format.frame_bytes);
	uint64_t start = job_start_clock();
	struct sg_table *table = NULL;

	c->buf = new_buf("system", bytes, BERTH_HEAP_OVERWRITE, "coded", job->result->buffers);
	if (!c->buf)
		return false;
	c->camera = attach(c->buf, job->camera);
	c->decoder = attach(c->buf, job->decoder);
	/* By who writes nothing, and sees what the CPU sees: no cache is touched. */
	if (c->camera && c->decoder)
		table = pipeline_map(c->decoder, DMA_TO_DEVICE);
	if (!table)
		return false;
	job_stop_clock(job, start);
	job_note_buffer(job, sg_page(table->sgl), c->buf->size);
	dma_buf_unmap_attachment_unlocked(c->decoder, table, DMA_TO_DEVICE);
	return true;
}

void pipeline_end_picture(struct job *job, struct picture *p)
{
	struct berth_dma_buf_stats stats;

	if (!p->buf)
		return;
	pipeline_put_fence(&p->seen);
	if (p->is_shown)
		berth_vma_release(&p->area);
	dma_buf_detach(p->buf, p->decoder);
	dma_buf_detach(p->buf, p->display);
	berth_dma_buf_get_stats(p->buf, &stats);
	job->result->pipeline.cleans += stats.cleans;
	job->result->pipeline.invalidates += stats.invalidates;
	/* What is bounced is counted where it is. */
	job->result->copied += stats.moves * p->buf->size;
	dma_buf_put(p->buf);
	*p = (struct picture){ 0 };
}

/* Copies for a display that sees nothing else are in one piece, if there is an area. */
static const char *picture_heap(const struct job *job)
{
	bool wants_area =
		!strcmp(job->result->display.protection ? job->result->display.protection : "",
			berth_protection_name(BERTH_PROTECT_SHADOW));

	return wants_area && dma_heap_find("cma") ? "cma" : "system";
}

int pipeline_start_picture(struct job *job, struct picture *p, unsigned int number)
{
	size_t bytes = job->source.format.frame_bytes;
	struct sg_table *table;
	int fd;

	p->buf = new_buf(picture_heap(job), bytes, 0, "picture", number);
	p->decoder = p->buf ? attach(p->buf, job->decoder) : NULL;
	if (!p->decoder)
		return job_fail_berth(job, RUN_FOUND, "no memory for a picture");
	p->display = attach(p->buf, job->display);
	/* It has its place before others see it. */
	table = pipeline_map(p->decoder, DMA_FROM_DEVICE);
	if (!table)
		return job_fail_berth(job, RUN_FOUND, "no memory for a picture");
	job->result->pipeline.pieces = table->nents;
	dma_buf_unmap_attachment_unlocked(p->decoder, table, DMA_FROM_DEVICE);
	fd = berth_file_share(p->buf->file, &p->area, p->buf->size, 0);
	if (fd < 0)
		return job_fail_berth(job, RUN_FOUND, "another process cannot be shown a picture");
	p->is_shown = true;
	if (screen_give(job->screen, number, fd, p->buf->size))
		return job_fail(job, RUN_FOUND, "%s", screen_error(job->screen));
	return RUN_DONE;
}
