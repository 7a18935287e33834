// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames without a decoder. Buffers go round: the tool paints one with a pattern and queues it at the
 * camera; filled, it is read by the CPU, shown by the display where it lies, and painted again. So each
 * cache operation on the way matters: without the clean of the paint the pattern may fall over the
 * picture, without the invalidate the CPU sees the paint, without the clean of the header the
 * display meets the one before.
 */
#include <errno.h>
#include <string.h>

#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/timer.h>

#include <berth/drivers/display.h>
#include "job.h"

/* Two buffers keep the pipeline going, if there is no room for more. */
int direct_get_buffers(struct job *job)
{
	struct run_result *result = job->result;

	berth_memory_info(&result->before);
	job_sample(job);
	while (result->buffers < RUN_BUFFERS) {
		struct berth_camera_buffer *buffer;

		if (job->tenants)
			tenants_remember(job->tenants);
		buffer = job_timed_alloc(job);
		if (!buffer && result->buffers < 2 && !result->missing[0])
			return job_fail_berth(job, RUN_FOUND, "no memory for two frame buffers");
		if (!buffer)
			break;
		job_note_buffer(job, buffer->page, buffer->size);
		job->buffers[result->buffers++] = buffer;
		job_sample(job);
	}
	berth_memory_info(&result->during);
	return RUN_DONE;
}

void direct_end(struct job *job)
{
	for (unsigned int i = 0; i < RUN_BUFFERS; i++) {
		if (!job->buffers[i])
			continue;
		berth_camera_buffer_free(job->camera, job->buffers[i]);
		job->buffers[i] = NULL;
		job_sample(job);
		if (job->tenants)
			tenants_use(job->tenants);
	}
	scatter_end(job->scatter);
	job->scatter = NULL;
}

/* If there is one more frame, give the camera room for it. */
static int refill(struct job *job, struct berth_camera_buffer *buffer)
{
	int ret = job_fetch(job);

	if (ret <= 0)
		return ret ? RUN_UNUSABLE : RUN_DONE;
	/* Nobody's picture: what the camera does not write over shows. */
	memset(berth_camera_picture(buffer), 0xa5 ^ (int)(job->source.fetched & 0x1f),
	       buffer->bytes);
	ret = berth_camera_queue(job->camera, buffer);
	if (ret)
		return job_fail(job, RUN_FOUND, "a buffer cannot be queued: %s",
				berth_error_name(ret));
	job->queued++;
	return RUN_DONE;
}

static int show_at(struct job *job, const struct berth_camera_buffer *buffer, struct page *page)
{
	struct berth_display_picture picture = {
		.page = page,
		.offset = PAGE_SIZE - BERTH_DISPLAY_HEADER,
		.bytes = buffer->bytes,
		.sequence = buffer->sequence,
		.text_length = buffer->text_length,
		.text = buffer->text,
	};

	return berth_display_show(job->display, &picture);
}

/*
 * The one place where the CPU copies a picture: the display does not reach where it lies, not even
 * through bounce buffers.
 */
static int show_copy(struct job *job, const struct berth_camera_buffer *buffer, struct page **copy,
		     dma_addr_t *copy_dma)
{
	*copy = dma_alloc_pages(job->display, buffer->size, copy_dma, DMA_TO_DEVICE, GFP_KERNEL);
	if (!*copy)
		return -ENOMEM;
	memcpy((char *)page_address(*copy) + PAGE_SIZE, berth_camera_picture(buffer),
	       buffer->bytes);
	job->result->copied += buffer->bytes;
	return show_at(job, buffer, *copy);
}

/* The engine scatters the picture, and the IOMMU makes it one again. */
static int show_scattered(struct job *job, struct berth_camera_buffer *buffer)
{
	struct berth_display_picture picture = {
		.sgt = scatter_table(job->scatter),
		.attrs = DMA_ATTR_SKIP_CPU_SYNC,
		.bytes = buffer->bytes,
		.sequence = buffer->sequence,
		.text_length = buffer->text_length,
		.text = buffer->text,
	};
	int ret = scatter_fill(job->scatter, berth_camera_picture(buffer));

	job->result->display.moved += buffer->bytes;
	return ret ? ret : berth_display_show(job->display, &picture);
}

static int show(struct job *job, struct berth_camera_buffer *buffer)
{
	struct page *copy = NULL;
	dma_addr_t copy_dma;
	int ret = job->scatter ? show_scattered(job, buffer) : show_at(job, buffer, buffer->page);

	if (ret == -ENOMEM && !job->scatter)
		ret = show_copy(job, buffer, &copy, &copy_dma);
	if (!ret)
		ret = berth_display_wait(job->display, msecs_to_jiffies(JOB_WAIT_MS));
	if (copy)
		dma_free_pages(job->display, buffer->size, copy, copy_dma, DMA_TO_DEVICE);
	if (ret == -ENOMEM)
		return job_fail_berth(job, RUN_FOUND, "the display cannot be given a picture");
	/* A black screen has been compared already. */
	if (ret && ret != -EIO)
		return job_fail(job, RUN_FOUND, "frame %u: the display does not show it: %s",
				buffer->sequence, berth_error_name(ret));
	return RUN_DONE;
}

/* One frame from the camera to the display; its buffer goes round. */
static int one_frame(struct job *job)
{
	struct run_result *result = job->result;
	struct berth_camera_buffer *buffer;
	uint64_t number = result->frames_out;
	int ret = berth_camera_dequeue(job->camera, &buffer, msecs_to_jiffies(JOB_WAIT_MS));

	if (ret && ret != -EIO)
		return job_fail(job, RUN_FOUND, "frame %llu: the camera does not deliver it: %s",
				(unsigned long long)number, berth_error_name(ret));
	job->queued--;
	if (job_is_as_given(job, number, "as the CPU sees it", berth_camera_picture(buffer),
			    buffer->text, buffer->text_length))
		result->identical_cpu++;
	ret = show(job, buffer);
	source_release(&job->source);
	if (!ret)
		ret = job_between_frames(job);
	return ret ? ret : refill(job, buffer);
}

/*
 * How the display reaches its pictures: behind an IOMMU that translates they are scattered, if there
 * is an engine that does it.
 */
int direct_start(struct job *job)
{
	struct scatter_work *work = &job->result->display;
	struct device_node *node = of_find_compatible_node(NULL, NULL, "sifive,fu540-c000-pdma");
	struct platform_device *engine = node ? of_find_device_by_node(node) : NULL;
	enum berth_protection protection;
	int ret = job_hold_display(job, &protection);

	if (ret || !work->is_there)
		return ret;
	if ((protection != BERTH_PROTECT_LAZY && protection != BERTH_PROTECT_STRICT) || !engine ||
	    !platform_get_drvdata(engine))
		return RUN_DONE;
	job->scatter = scatter_start(&engine->dev, job->source.format.frame_bytes);
	if (!job->scatter)
		return job_fail_berth(job, RUN_FOUND, "no memory for a scattered frame");
	work->pages = scatter_pages(job->scatter);
	return RUN_DONE;
}

int direct_stream(struct job *job)
{
	struct berth_camera_format format = job_format(job);
	struct berth_model_smmu_stats before = { 0 };
	int ret = RUN_DONE;

	for (unsigned int i = 0; i < job->result->buffers && !ret; i++)
		ret = refill(job, job->buffers[i]);
	if (ret)
		return ret;
	if (!job->queued)
		return job_fail(job, RUN_UNUSABLE, "%s: it has no frames", job->source.reader.name);
	ret = berth_camera_start(job->camera, &format);
	if (ret)
		return job_fail(job, RUN_FOUND, "the camera does not start: %s",
				berth_error_name(ret));
	berth_model_smmu_stats(NULL, &before);
	while (job->queued && !ret)
		ret = one_frame(job);
	job_count_iommu(job, &before);
	berth_camera_stop(job->camera);
	return ret;
}
