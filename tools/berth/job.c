// SPDX-License-Identifier: BSD-2-Clause
/*
 * The main job: bring a board up, send frames through it, look at what arrives. Between two pictures a
 * network card, if the board has one, sends a frame and gets it back.
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

#include <berth/drivers/decoder.h>
#include <berth/drivers/display.h>
#include <berth/drivers/rtl8139.h>
#include <berth/drivers/sifive-pdma.h>
#include <berth/drivers/smmu-v3.h>
#include "job.h"

#define DEFAULT_FRAMES 60
#define DEFAULT_WIDTH 320
#define DEFAULT_HEIGHT 240
#define DECODER "berth,model-decoder"

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_camera_driver),
	BERTH_PLATFORM_DRIVER(&berth_decoder_driver),
	BERTH_PLATFORM_DRIVER(&berth_display_driver),
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_PLATFORM_DRIVER(&berth_rtl8139_platform_driver),
	BERTH_NO_MORE_DRIVERS,
};

int job_fail(struct job *job, int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!job->result->error[0])
		vsnprintf(job->result->error, sizeof(job->result->error), format, args);
	va_end(args);
	return status;
}

int job_fail_berth(struct job *job, int status, const char *what)
{
	char why[256];

	board_error(why, sizeof(why));
	return job_fail(job, status, "%s: %s", what, why);
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

void job_note_difference(struct job *job, uint64_t frame, const char *where, size_t byte)
{
	struct run_result *result = job->result;

	if (!result->differs)
		snprintf(result->difference, sizeof(result->difference), "frame %llu, byte %zu, %s",
			 (unsigned long long)frame, byte, where);
	result->differs = true;
}

bool job_is_as_given(struct job *job, uint64_t number, const char *where, const uint8_t *picture,
		     const char *text, size_t text_length)
{
	const struct source_frame *given = source_frame(&job->source, number);
	size_t size = job->source.format.frame_bytes, at = 0;

	if (!given) {
		job_note_difference(job, number, where, 0);
		return false;
	}
	if (memcmp(given->picture, picture, size)) {
		while (given->picture[at] == picture[at])
			at++;
		job_note_difference(job, number, where, at);
		return false;
	}
	if (strlen(given->text) != text_length || memcmp(given->text, text, text_length)) {
		job_note_difference(job, number, where, size);
		return false;
	}
	return true;
}

/* What was on the screen: the outside world, called by the model. */
static void shown(void *data, const void *picture, size_t size, const char *text)
{
	struct job *job = data;
	struct run_result *result = job->result;

	if (job_is_as_given(job, result->frames_out, "at the display", picture, text, strlen(text)))
		result->identical_display++;
	result->frames_out++;
	/* Of a pipeline it is what the other process sees that is written. */
	if (job->out && !job->pipeline && y4m_write_frame(job->out, picture, size, text))
		job->out_failed = true;
}

/* The device that serves a compatible string, with its driver bound; a board may lack @optional ones. */
static struct device *find_device(struct job *job, const char *compatible, bool optional,
				  char *path, size_t size)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, compatible);
	struct platform_device *pdev = node ? of_find_device_by_node(node) : NULL;

	if (!pdev) {
		if (!optional && !job->result->missing[0])
			snprintf(job->result->missing, sizeof(job->result->missing), "%s",
				 compatible);
		return NULL;
	}
	if (!platform_get_drvdata(pdev)) {
		job_fail(job, 0, "%s: its driver could not take it", dev_name(&pdev->dev));
		return NULL;
	}
	berth_of_node_path(node, path, size);
	return &pdev->dev;
}

/* Frame buffers can be had on any board: here for a device that reaches all memory. */
static int stand_in(struct job *job)
{
	if (job->source.is_file || job->out)
		return job_fail(job, RUN_UNUSABLE,
				"no frames can be sent: the board has no device compatible with %s",
				job->result->missing);
	job->camera = &job->stand_in;
	job->display = NULL;
	if (device_register(job->camera, "stand-in") ||
	    dma_set_mask_and_coherent(job->camera, DMA_BIT_MASK(64)))
		return job_fail_berth(job, RUN_UNUSABLE, "a device of the program's own");
	return RUN_DONE;
}

static int find_devices(struct job *job)
{
	job->camera = find_device(job, "berth,model-camera", false, job->camera_path,
				  sizeof(job->camera_path));
	job->display = find_device(job, "berth,model-display", false, job->display_path,
				   sizeof(job->display_path));
	job->decoder =
		find_device(job, DECODER, true, job->decoder_path, sizeof(job->decoder_path));
	if (job->result->error[0])
		return RUN_UNUSABLE;
	if (job->result->missing[0])
		return stand_in(job);
	if ((job->source.is_file &&
	     berth_model_camera_source(job->camera_path, source_next, &job->source)) ||
	    berth_model_display_sink(job->display_path, shown, job))
		return job_fail(job, RUN_UNUSABLE, "camera or display are not part of the model");
	return RUN_DONE;
}

void job_sample(struct job *job)
{
	trace_flush(job->options->trace);
	if (job->options->log)
		memory_log_sample(job->options->log, job->result->frames_out);
}

int job_hold_display(struct job *job, enum berth_protection *protection)
{
	const struct run_options *options = job->options;
	struct scatter_work *work = &job->result->display;

	*protection = BERTH_PROTECT_PASSTHROUGH;
	work->is_there = job->display && device_iommu_mapped(job->display);
	if (!work->is_there && options->is_protection_chosen)
		return job_fail(job, RUN_UNUSABLE,
				"--protection: the board has no display behind an IOMMU");
	if (!work->is_there)
		return RUN_DONE;
	if (options->is_protection_chosen &&
	    berth_device_set_protection(job->display, options->protection))
		return job_fail_berth(job, RUN_UNUSABLE, "--protection");
	*protection = berth_device_protection(job->display);
	work->protection = berth_protection_name(*protection);
	return RUN_DONE;
}

void job_note_buffer(struct job *job, const struct page *page, size_t size)
{
	struct run_buffer *note = &job->result->buffer[job->result->buffers];

	note->pages = PFN_UP(size);
	if (job->tenants)
		tenants_held(job->tenants, page_to_pfn(page), note->pages, note->held);
}

uint64_t job_start_clock(void)
{
	return host_ns();
}

void job_stop_clock(struct job *job, uint64_t start)
{
	job->latency[job->result->latency.samples++] = host_ns() - start;
}

struct berth_camera_buffer *job_timed_alloc(struct job *job)
{
	uint64_t start = host_ns();
	struct berth_camera_buffer *buffer =
		berth_camera_buffer_alloc(job->camera, (uint32_t)job->source.format.frame_bytes);

	if (buffer)
		job_stop_clock(job, start);
	return buffer;
}

int job_fetch(struct job *job)
{
	int ret = source_fetch(&job->source);

	if (ret < 0)
		job_fail(job, RUN_UNUSABLE, "%s", job->source.reader.error);
	else if (ret)
		job->result->frames_in++;
	return ret;
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
		return job_fail(job, RUN_FOUND, "%s", why);
	case NETWORK_WRONG:
		job_note_difference(job, job->result->network.frames_out - 1, "on the network",
				    byte);
		return RUN_DONE;
	default:
		return RUN_DONE;
	}
}

int job_between_frames(struct job *job)
{
	int ret = use_network(job);

	if (ret)
		return ret;
	if (job->tenants)
		tenants_use(job->tenants);
	job_sample(job);
	if (job->options->progress)
		job->options->progress(job->options->progress_data, job->result->frames_out,
				       job->source.limit);
	return RUN_DONE;
}

/* What the first IOMMU of the board did meanwhile: the display is all there is behind it. */
void job_count_iommu(struct job *job, const struct berth_model_smmu_stats *before)
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

struct berth_camera_format job_format(const struct job *job)
{
	const struct y4m_format *from = &job->source.format;

	return (struct berth_camera_format){
		.width = from->width,
		.height = from->height,
		.bytes = (uint32_t)from->frame_bytes,
		.interval_ns = frame_interval_ns(from),
		.frames = (uint32_t)job->source.limit,
		.hold = true,
	};
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
		struct berth_camera_buffer *buffer = job_timed_alloc(job);
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
		return job_fail(job, RUN_UNUSABLE, "tenants: %s", why);
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
	return job_fail(job, RUN_FOUND, "%llu pages of the tenants are not what they were",
			(unsigned long long)work->wrong);
}

/* While there is room for what it keeps. */
static int start_network(struct job *job)
{
	char why[320];

	if (network_start(&job->network, job->options->model.seed, &job->result->network, why,
			  sizeof(why)))
		return job_fail(job, RUN_UNUSABLE, "%s", why);
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

/* The way that frames take. */
struct way {
	int (*start)(struct job *job);
	int (*get_buffers)(struct job *job);
	int (*stream)(struct job *job);
	void (*end)(struct job *job);
};

static const struct way direct = { direct_start, direct_get_buffers, direct_stream, direct_end };
static const struct way through_decoder = { pipeline_start, pipeline_get_buffers, pipeline_stream,
					    pipeline_end };

static int drive(struct job *job)
{
	int ret = find_devices(job), ended;
	const struct way *way = job->decoder && job->screen && !job->result->missing[0]
					? &through_decoder
					: &direct;

	if (!ret)
		ret = start_network(job);
	if (!ret)
		ret = way->start(job);
	if (!ret)
		ret = start_tenants(job);
	if (ret) {
		way->end(job);
		end_network(job);
		return ret;
	}
	ret = way->get_buffers(job);
	if (!ret && !job->result->missing[0])
		ret = way->stream(job);
	way->end(job);
	end_network(job);
	job_sample(job);
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
		ret = job_fail_berth(job, RUN_FOUND, "the board does not stop cleanly");
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
		      ? job_fail_berth(job, RUN_UNUSABLE, "the board cannot be started")
		      : drive_and_stop(job);
	free(bootargs);
	return ret;
}

/* Whether it names one: then there will be a need for another process, which is made before berth starts. */
static bool has_decoder(const void *board)
{
	const uint8_t *size = (const uint8_t *)board + 4;

	return memmem(board,
		      (size_t)size[0] << 24 | (size_t)size[1] << 16 | (size_t)size[2] << 8 |
			      size[3],
		      DECODER, sizeof(DECODER)) != NULL;
}

static int start_screen(struct job *job)
{
	char why[160];

	if (!has_decoder(job->options->board))
		return RUN_DONE;
	/* It goes on behind the header. That there is no room shows when the file is closed. */
	if (job->out && fflush(job->out))
		job->out_failed = true;
	job->screen = screen_start(job->out ? fileno(job->out) : -1, why, sizeof(why));
	return job->screen ? RUN_DONE : job_fail(job, RUN_UNUSABLE, "%s", why);
}

static void end_screen(struct job *job)
{
	char why[160];

	if (screen_end(job->screen, why, sizeof(why)))
		job_fail(job, RUN_FOUND, "%s", why);
	job->screen = NULL;
}

static int open_out(struct job *job)
{
	const char *path = job->options->out;

	if (!path)
		return RUN_DONE;
	job->out = fopen(path, "wb");
	if (!job->out || y4m_write_header(job->out, job->source.format.header))
		return job_fail(job, RUN_UNUSABLE, "%s: %s", path, strerror(errno));
	return RUN_DONE;
}

static int judge(struct job *job)
{
	struct run_result *result = job->result;

	if (job->out && (job->out_failed | fclose(job->out)))
		job_fail(job, RUN_FOUND, "%s: it could not be written completely",
			 job->options->out);
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
		return job_fail(&job, RUN_UNUSABLE, "%s", job.source.reader.error);
	result->width = job.source.format.width;
	result->height = job.source.format.height;
	result->frame_bytes = job.source.format.frame_bytes;
	ret = open_out(&job);
	if (!ret)
		ret = start_screen(&job);
	if (!ret)
		ret = bring_up(&job);
	end_screen(&job);
	source_close(&job.source);
	if (ret != RUN_UNUSABLE)
		return judge(&job);
	if (job.out)
		fclose(job.out);
	return ret;
}
