// SPDX-License-Identifier: BSD-2-Clause
/*
 * The main job. Buffers go round: the tool paints one with a pattern and queues it at the camera;
 * filled, it is read by the CPU, shown by the display where it lies, and painted again. So each
 * cache operation on the way matters: without the clean of the paint the pattern may fall over the
 * picture, without the invalidate the CPU sees the paint, without the clean of the header the
 * display meets the one before. Between two pictures a network card, if the board has one, sends a
 * frame and gets it back.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <berth/berth.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/timer.h>

#include <berth/drivers/sifive-pdma.h>
#include <berth/drivers/camera.h>
#include <berth/drivers/display.h>
#include <berth/drivers/rtl8139.h>
#include <berth/drivers/smmu-v3.h>
#include "run.h"
#include "source.h"

#define WAIT_MS 10000
#define DEFAULT_FRAMES 60
#define DEFAULT_WIDTH 320
#define DEFAULT_HEIGHT 240

struct job {
	const struct run_options *options;
	struct run_result *result;
	struct source source;
	FILE *out;
	struct device *camera, *display;
	struct device stand_in; /* for the camera, where there is none */
	struct tenants *tenants; /* NULL: none */
	struct network *network; /* NULL: none */
	struct scatter *scatter; /* NULL: the display shows what lies in the camera's buffers */
	char camera_path[256], display_path[256];
	struct berth_camera_buffer *buffers[RUN_BUFFERS];
	unsigned int queued;
	bool is_counted; /* what follows is not of the run */
	uint64_t latency[RUN_BUFFERS + RUN_TRIES];
	bool out_failed;
};

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_camera_driver),
	BERTH_PLATFORM_DRIVER(&berth_display_driver),
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_PLATFORM_DRIVER(&berth_rtl8139_platform_driver),
	BERTH_NO_MORE_DRIVERS,
};

static int fail(struct job *job, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The first reason stays. */
static int fail(struct job *job, int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!job->result->error[0])
		vsnprintf(job->result->error, sizeof(job->result->error), format, args);
	va_end(args);
	return status;
}

/* The same, with what berth remembers about its last failed call. */
static int fail_berth(struct job *job, int status, const char *what)
{
	char why[256];

	board_error(why, sizeof(why));
	return fail(job, status, "%s: %s", what, why);
}

static uint64_t host_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void count_cache_op(void *data, uint64_t number, enum berth_model_cache_op op,
			   phys_addr_t phys, uint64_t size)
{
	struct job *job = data;
	struct run_result *result = job->result;

	if (!job->is_counted)
		result->cache_ops[op]++;
	if (number != job->options->model.drop_cache_op)
		return;
	result->dropped = true;
	result->dropped_op = op;
	result->dropped_phys = phys;
	result->dropped_size = size;
}

static void note_difference(struct job *job, uint64_t frame, const char *where, size_t byte)
{
	struct run_result *result = job->result;

	if (!result->differs)
		snprintf(result->difference, sizeof(result->difference), "frame %llu, byte %zu, %s",
			 (unsigned long long)frame, byte, where);
	result->differs = true;
}

/* Compare with what the source gave. The text counts as what follows the picture. */
static bool is_as_given(struct job *job, uint64_t number, const char *where, const uint8_t *picture,
			const char *text, size_t text_length)
{
	const struct source_frame *given = source_frame(&job->source, number);
	size_t size = job->source.format.frame_bytes, at = 0;

	if (!given) {
		note_difference(job, number, where, 0);
		return false;
	}
	if (memcmp(given->picture, picture, size)) {
		while (given->picture[at] == picture[at])
			at++;
		note_difference(job, number, where, at);
		return false;
	}
	if (strlen(given->text) != text_length || memcmp(given->text, text, text_length)) {
		note_difference(job, number, where, size);
		return false;
	}
	return true;
}

/* What was on the screen: the outside world, called by the model. */
static void shown(void *data, const void *picture, size_t size, const char *text)
{
	struct job *job = data;
	struct run_result *result = job->result;

	if (is_as_given(job, result->frames_out, "at the display", picture, text, strlen(text)))
		result->identical_display++;
	result->frames_out++;
	if (job->out && y4m_write_frame(job->out, picture, size, text))
		job->out_failed = true;
}

/* The device that serves a compatible string, with its driver bound. */
static struct device *find_device(struct job *job, const char *compatible, char *path, size_t size)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, compatible);
	struct platform_device *pdev = node ? of_find_device_by_node(node) : NULL;

	if (!pdev) {
		if (!job->result->missing[0])
			snprintf(job->result->missing, sizeof(job->result->missing), "%s",
				 compatible);
		return NULL;
	}
	if (!platform_get_drvdata(pdev)) {
		fail(job, 0, "%s: its driver could not take it", dev_name(&pdev->dev));
		return NULL;
	}
	berth_of_node_path(node, path, size);
	return &pdev->dev;
}

/* Frame buffers can be had on any board: here for a device that reaches all memory. */
static int stand_in(struct job *job)
{
	if (job->source.is_file || job->out)
		return fail(job, RUN_UNUSABLE,
			    "no frames can be sent: the board has no device compatible with %s",
			    job->result->missing);
	job->camera = &job->stand_in;
	job->display = NULL;
	if (device_register(job->camera, "stand-in") ||
	    dma_set_mask_and_coherent(job->camera, DMA_BIT_MASK(64)))
		return fail_berth(job, RUN_UNUSABLE, "a device of the program's own");
	return RUN_DONE;
}

static int find_devices(struct job *job)
{
	job->camera =
		find_device(job, "berth,model-camera", job->camera_path, sizeof(job->camera_path));
	job->display = find_device(job, "berth,model-display", job->display_path,
				   sizeof(job->display_path));
	if (job->result->error[0])
		return RUN_UNUSABLE;
	if (job->result->missing[0])
		return stand_in(job);
	if ((job->source.is_file &&
	     berth_model_camera_source(job->camera_path, source_next, &job->source)) ||
	    berth_model_display_sink(job->display_path, shown, job))
		return fail(job, RUN_UNUSABLE, "camera or display are not part of the model");
	return RUN_DONE;
}

static void sample(struct job *job)
{
	trace_flush(job->options->trace);
	if (job->options->log)
		memory_log_sample(job->options->log, job->result->frames_out);
}

static void note_holders(struct job *job, const struct berth_camera_buffer *buffer)
{
	struct run_buffer *note = &job->result->buffer[job->result->buffers];

	note->pages = PFN_UP(buffer->size);
	if (job->tenants)
		tenants_held(job->tenants, page_to_pfn(buffer->page), note->pages, note->held);
}

static struct berth_camera_buffer *timed_alloc(struct job *job)
{
	struct run_latency *latency = &job->result->latency;
	uint64_t start = host_ns();
	struct berth_camera_buffer *buffer =
		berth_camera_buffer_alloc(job->camera, (uint32_t)job->source.format.frame_bytes);

	if (buffer)
		job->latency[latency->samples++] = host_ns() - start;
	return buffer;
}

/* Two buffers keep the pipeline going, if there is no room for more. */
static int get_buffers(struct job *job)
{
	struct run_result *result = job->result;

	berth_memory_info(&result->before);
	sample(job);
	while (result->buffers < RUN_BUFFERS) {
		struct berth_camera_buffer *buffer;

		if (job->tenants)
			tenants_remember(job->tenants);
		buffer = timed_alloc(job);
		if (!buffer && result->buffers < 2 && !result->missing[0])
			return fail_berth(job, RUN_FOUND, "no memory for two frame buffers");
		if (!buffer)
			break;
		note_holders(job, buffer);
		job->buffers[result->buffers++] = buffer;
		sample(job);
	}
	berth_memory_info(&result->during);
	return RUN_DONE;
}

static void free_buffers(struct job *job)
{
	for (unsigned int i = 0; i < RUN_BUFFERS; i++) {
		if (!job->buffers[i])
			continue;
		berth_camera_buffer_free(job->camera, job->buffers[i]);
		job->buffers[i] = NULL;
		sample(job);
		if (job->tenants)
			tenants_use(job->tenants);
	}
}

/* If there is one more frame, give the camera room for it. */
static int refill(struct job *job, struct berth_camera_buffer *buffer)
{
	int ret = source_fetch(&job->source);

	if (ret < 0)
		return fail(job, RUN_UNUSABLE, "%s", job->source.reader.error);
	if (!ret)
		return RUN_DONE;
	job->result->frames_in++;
	/* Nobody's picture: what the camera does not write over shows. */
	memset(berth_camera_picture(buffer), 0xa5 ^ (int)(job->source.fetched & 0x1f),
	       buffer->bytes);
	ret = berth_camera_queue(job->camera, buffer);
	if (ret)
		return fail(job, RUN_FOUND, "a buffer cannot be queued: %s", berth_error_name(ret));
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
		ret = berth_display_wait(job->display, msecs_to_jiffies(WAIT_MS));
	if (copy)
		dma_free_pages(job->display, buffer->size, copy, copy_dma, DMA_TO_DEVICE);
	if (ret == -ENOMEM)
		return fail_berth(job, RUN_FOUND, "the display cannot be given a picture");
	/* A black screen has been compared already. */
	if (ret && ret != -EIO)
		return fail(job, RUN_FOUND, "frame %u: the display does not show it: %s",
			    buffer->sequence, berth_error_name(ret));
	return RUN_DONE;
}

/* A frame of the network card's, there and back. */
static int use_network(struct job *job)
{
	char why[320];
	size_t byte;

	if (!job->network)
		return RUN_DONE;
	switch (network_exchange(job->network, &byte, why, sizeof(why))) {
	case NETWORK_LOST:
		return fail(job, RUN_FOUND, "%s", why);
	case NETWORK_WRONG:
		note_difference(job, job->result->network.frames_out - 1, "on the network", byte);
		return RUN_DONE;
	default:
		return RUN_DONE;
	}
}

/* One frame from the camera to the display; its buffer goes round. */
static int one_frame(struct job *job)
{
	struct run_result *result = job->result;
	struct berth_camera_buffer *buffer;
	uint64_t number = result->frames_out;
	int ret = berth_camera_dequeue(job->camera, &buffer, msecs_to_jiffies(WAIT_MS));

	if (ret && ret != -EIO)
		return fail(job, RUN_FOUND, "frame %llu: the camera does not deliver it: %s",
			    (unsigned long long)number, berth_error_name(ret));
	job->queued--;
	if (is_as_given(job, number, "as the CPU sees it", berth_camera_picture(buffer),
			buffer->text, buffer->text_length))
		result->identical_cpu++;
	ret = show(job, buffer);
	if (!ret)
		ret = use_network(job);
	if (ret)
		return ret;
	source_release(&job->source);
	if (job->tenants)
		tenants_use(job->tenants);
	sample(job);
	if (job->options->progress)
		job->options->progress(job->options->progress_data, result->frames_out,
				       job->source.limit);
	return refill(job, buffer);
}

/*
 * How the display reaches its pictures: behind an IOMMU that translates they are scattered, if there
 * is an engine that does it.
 */
static int start_display(struct job *job)
{
	const struct run_options *options = job->options;
	struct scatter_work *work = &job->result->display;
	struct device_node *node = of_find_compatible_node(NULL, NULL, "sifive,fu540-c000-pdma");
	struct platform_device *engine = node ? of_find_device_by_node(node) : NULL;
	enum berth_protection protection;

	work->is_there = job->display && device_iommu_mapped(job->display);
	if (!work->is_there && options->is_protection_chosen)
		return fail(job, RUN_UNUSABLE,
			    "--protection: the board has no display behind an IOMMU");
	if (!work->is_there)
		return RUN_DONE;
	if (options->is_protection_chosen &&
	    berth_device_set_protection(job->display, options->protection))
		return fail_berth(job, RUN_UNUSABLE, "--protection");
	protection = berth_device_protection(job->display);
	work->protection = berth_protection_name(protection);
	if ((protection != BERTH_PROTECT_LAZY && protection != BERTH_PROTECT_STRICT) || !engine ||
	    !platform_get_drvdata(engine))
		return RUN_DONE;
	job->scatter = scatter_start(&engine->dev, job->source.format.frame_bytes);
	if (!job->scatter)
		return fail_berth(job, RUN_FOUND, "no memory for a scattered frame");
	work->pages = scatter_pages(job->scatter);
	return RUN_DONE;
}

/* What the first IOMMU of the board did meanwhile: the display is all there is behind it. */
static void count_iommu(struct job *job, const struct berth_model_smmu_stats *before)
{
	struct scatter_work *work = &job->result->display;
	struct berth_model_smmu_stats now;

	if (!work->is_there || berth_model_smmu_stats(NULL, &now))
		return;
	work->requests = job->result->frames_out;
	work->faults = now.faults + now.aborted - before->faults - before->aborted;
	work->invalidations = now.invalidations - before->invalidations;
	for (unsigned int level = 0; level < ARRAY_SIZE(work->misses); level++)
		work->misses[level] = now.walk_misses[level] - before->walk_misses[level];
}

static uint32_t frame_interval_ns(const struct y4m_format *format)
{
	uint64_t ns;

	if (!format->rate || !format->rate_scale)
		return 33333333;
	ns = 1000000000ull * format->rate_scale / format->rate;
	if (ns < 1000)
		return 1000;
	return ns < 4000000000u ? (uint32_t)ns : 4000000000u;
}

static int stream(struct job *job)
{
	const struct y4m_format *from = &job->source.format;
	struct berth_camera_format format = {
		.width = from->width,
		.height = from->height,
		.bytes = (uint32_t)from->frame_bytes,
		.interval_ns = frame_interval_ns(from),
		.frames = (uint32_t)job->source.limit,
		.hold = true,
	};
	struct berth_model_smmu_stats before = { 0 };
	int ret = RUN_DONE;

	for (unsigned int i = 0; i < job->result->buffers && !ret; i++)
		ret = refill(job, job->buffers[i]);
	if (ret)
		return ret;
	if (!job->queued)
		return fail(job, RUN_UNUSABLE, "%s: it has no frames", job->source.reader.name);
	ret = berth_camera_start(job->camera, &format);
	if (ret)
		return fail(job, RUN_FOUND, "the camera does not start: %s", berth_error_name(ret));
	berth_model_smmu_stats(NULL, &before);
	while (job->queued && !ret)
		ret = one_frame(job);
	count_iommu(job, &before);
	berth_camera_stop(job->camera);
	return ret;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* After the run: what would a frame buffer have cost, and would it be there without CMA? */
static void try_allocations(struct job *job)
{
	struct run_result *result = job->result;
	struct run_latency *latency = &result->latency;
	unsigned int order = get_order(PAGE_SIZE + job->source.format.frame_bytes);

	for (result->tries = 0; result->tries < RUN_TRIES; result->tries++) {
		struct berth_camera_buffer *buffer = timed_alloc(job);
		struct page *page;

		result->with_cma += buffer != NULL;
		berth_camera_buffer_free(job->camera, buffer);
		page = alloc_pages(GFP_KERNEL | __GFP_NOWARN, order);
		result->without_cma += page != NULL;
		__free_pages(page, order);
	}
	if (!latency->samples)
		return;
	qsort(job->latency, latency->samples, sizeof(job->latency[0]), compare_u64);
	latency->median_ns = job->latency[latency->samples / 2];
	latency->p99_ns = job->latency[latency->samples * 99 / 100];
	latency->max_ns = job->latency[latency->samples - 1];
}

/* With memory full, and the devices idle. */
static int start_tenants(struct job *job)
{
	struct run_result *result = job->result;
	char why[256];

	if (!job->options->tenants)
		return RUN_DONE;
	job->tenants = tenants_start(job->options->model.seed, &result->tenants, why, sizeof(why));
	if (!job->tenants)
		return fail(job, RUN_UNUSABLE, "tenants: %s", why);
	return RUN_DONE;
}

static int end_tenants(struct job *job)
{
	const struct tenant_work *work = &job->result->tenants;

	if (!job->tenants)
		return RUN_DONE;
	tenants_end(job->tenants);
	job->tenants = NULL;
	if (!work->wrong)
		return RUN_DONE;
	return fail(job, RUN_FOUND, "%llu pages of the tenants are not what they were",
		    (unsigned long long)work->wrong);
}

/* While there is room for what it keeps. */
static int start_network(struct job *job)
{
	char why[320];

	if (network_start(&job->network, job->options->model.seed, &job->result->network, why,
			  sizeof(why)))
		return fail(job, RUN_UNUSABLE, "%s", why);
	return RUN_DONE;
}

/* What was bounced and is not the network's is pictures on their way. */
static void end_network(struct job *job)
{
	struct run_result *result = job->result;

	network_end(job->network);
	job->network = NULL;
	berth_swiotlb_info(NULL, &result->bounce);
	result->copied +=
		result->bounce.bytes_in + result->bounce.bytes_out - result->network.bounced_bytes;
}

static int drive(struct job *job)
{
	int ret = find_devices(job), ended;

	if (!ret)
		ret = start_network(job);
	if (!ret)
		ret = start_display(job);
	if (!ret)
		ret = start_tenants(job);
	if (ret) {
		scatter_end(job->scatter);
		end_network(job);
		return ret;
	}
	ret = get_buffers(job);
	if (!ret && !job->result->missing[0])
		ret = stream(job);
	free_buffers(job);
	scatter_end(job->scatter);
	end_network(job);
	sample(job);
	berth_memory_info(&job->result->after);
	berth_model_stats(&job->result->stats);
	job->is_counted = true;
	if (!ret)
		try_allocations(job);
	ended = end_tenants(job);
	return ret ? ret : ended;
}

static int drive_and_stop(struct job *job)
{
	int ret = drive(job), stopped;

	if (job->camera == &job->stand_in)
		device_unregister(job->camera);
	stopped = berth_stop();
	if (stopped && !ret)
		ret = fail_berth(job, RUN_FOUND, "the board does not stop cleanly");
	return ret;
}

static int bring_up(struct job *job)
{
	const struct run_options *options = job->options;
	struct berth_model_config config = options->model;
	char *bootargs;
	struct berth_options start = {
		.mem = options->nr_mem ? options->mem : NULL,
		.nr_mem = options->nr_mem,
		.machine = &berth_model,
		.machine_config = &config,
		.verbose = options->verbose,
	};
	int ret;

	config.on_cache_op = count_cache_op;
	config.on_cache_op_data = job;
	bootargs = board_limit(options->board, &start, RUN_MEMORY_LEAST, RUN_MEMORY_MOST,
			       &job->result->board_memory);
	job->result->is_limited = bootargs;
	start.bootargs = bootargs;
	ret = berth_start(options->board, drivers, &start)
		      ? fail_berth(job, RUN_UNUSABLE, "the board cannot be started")
		      : drive_and_stop(job);
	free(bootargs);
	return ret;
}

static int open_out(struct job *job)
{
	const char *path = job->options->out;

	if (!path)
		return RUN_DONE;
	job->out = fopen(path, "wb");
	if (!job->out || y4m_write_header(job->out, job->source.format.header))
		return fail(job, RUN_UNUSABLE, "%s: %s", path, strerror(errno));
	return RUN_DONE;
}

static int judge(struct job *job)
{
	struct run_result *result = job->result;

	if (job->out && (job->out_failed | fclose(job->out)))
		fail(job, RUN_FOUND, "%s: it could not be written completely", job->options->out);
	if (!result->differs && result->frames_out == result->frames_in &&
	    result->identical_display == result->frames_in &&
	    result->identical_cpu == result->frames_in && !result->error[0])
		return RUN_DONE;
	if (!result->differs && !result->error[0])
		snprintf(result->error, sizeof(result->error), "frames are missing");
	return RUN_FOUND;
}

int run_job(const struct run_options *options, struct run_result *result)
{
	struct job job = { .options = options, .result = result };
	uint64_t frames = options->frames;
	int ret;

	memset(result, 0, sizeof(*result));
	if (!options->video && !frames)
		frames = DEFAULT_FRAMES;
	if (source_open(&job.source, options->video, frames,
			options->width ? options->width : DEFAULT_WIDTH,
			options->height ? options->height : DEFAULT_HEIGHT))
		return fail(&job, RUN_UNUSABLE, "%s", job.source.reader.error);
	result->width = job.source.format.width;
	result->height = job.source.format.height;
	result->frame_bytes = job.source.format.frame_bytes;
	ret = open_out(&job);
	if (!ret)
		ret = bring_up(&job);
	source_close(&job.source);
	if (ret != RUN_UNUSABLE)
		return judge(&job);
	if (job.out)
		fclose(job.out);
	return ret;
}
