// SPDX-License-Identifier: BSD-2-Clause
/* The work of `berth dmatest`: a board is started, its channels are taken, and threads drive them. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <berth/dma-software.h>
#include <berth/dmaengine-driver.h>

#include <berth/drivers/sifive-pdma.h>
#include <berth/drivers/smmu-v3.h>

#include "dmatest.h"

/* Those whose devices the model has. */
static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_NO_MORE_DRIVERS,
};

struct job {
	const struct dmatest_options *options;
	struct dmatest_result *result;
	struct berth_dmatest *tests;
	pthread_t *threads;
	unsigned int nr_tests, nr_threads;
	pthread_mutex_t lock; /* of the failures that are told; a leaf */
};

static uint64_t host_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int unusable(struct job *job, const char *what)
{
	char why[200] = "";

	if (berth_last_error()->code)
		berth_error_text(NULL, why, sizeof(why));
	snprintf(job->result->error, sizeof(job->result->error), "%s%s%s", what, *why ? ": " : "",
		 why);
	return RUN_UNUSABLE;
}

static void note_failure(void *data, const struct berth_dmatest_failure *failure)
{
	struct job *job = data;
	struct dmatest_result *result = job->result;

	pthread_mutex_lock(&job->lock);
	if (result->nr_told < DMATEST_MAX_TOLD)
		berth_dmatest_text(failure, result->told[result->nr_told++],
				   sizeof(result->told[0]));
	pthread_mutex_unlock(&job->lock);
}

static void name_kinds(struct dmatest_channel *channel, const dma_cap_mask_t *caps)
{
	static const struct {
		enum dma_transaction_type type;
		const char *name;
	} kinds[] = {
		{ DMA_MEMCPY, "memcpy" },
		{ DMA_MEMSET, "memset" },
		{ DMA_XOR, "xor" },
		{ DMA_XOR_VAL, "xor_val" },
		{ DMA_PQ, "pq" },
		{ DMA_INTERLEAVE, "interleaved" },
		{ DMA_INTERRUPT, "interrupt" },
		{ DMA_SLAVE, "slave" },
		{ DMA_CYCLIC, "cyclic" },
	};
	size_t length = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && length < sizeof(channel->kinds); i++)
		if (dma_has_cap(kinds[i].type, *caps))
			length += (size_t)snprintf(channel->kinds + length,
						   sizeof(channel->kinds) - length, "%s%s",
						   length ? " " : "", kinds[i].name);
}

static bool is_wanted(struct dma_chan *chan, void *data)
{
	const struct dmatest_options *options = data;
	uint32_t kinds = options->params.kinds ? options->params.kinds : UINT32_MAX;

	return berth_dmatest_kinds(chan, NULL) & kinds &&
	       (!options->channel || !strcmp(options->channel, dma_chan_name(chan))) &&
	       (!options->device ||
		!strcmp(options->device, dev_name(dmaengine_get_dma_device(chan))));
}

/* Every channel that is wanted and free. */
static void take_channels(struct job *job)
{
	static const enum dma_transaction_type any[] = { DMA_MEMCPY, DMA_INTERLEAVE,
							 DMA_INTERRUPT };
	struct dmatest_result *result = job->result;

	for (size_t i = 0; i < ARRAY_SIZE(any); i++) {
		struct dma_chan *chan;
		dma_cap_mask_t mask;

		dma_cap_zero(mask);
		dma_cap_set(any[i], mask);
		while (result->nr_channels < DMATEST_MAX_CHANNELS &&
		       (chan = dma_request_channel(mask, is_wanted,
						   (void *)(uintptr_t)job->options)) != NULL) {
			struct dmatest_channel *channel = &result->channels[result->nr_channels++];

			channel->chan = chan;
			snprintf(channel->name, sizeof(channel->name), "%s", dma_chan_name(chan));
			snprintf(channel->device, sizeof(channel->device), "%s",
				 dev_name(dmaengine_get_dma_device(chan)));
			name_kinds(channel, &chan->device->cap_mask);
		}
	}
}

_Static_assert(sizeof(((struct berth_dma_chan_info *)0)->name) ==
			       sizeof(((struct dmatest_channel *)0)->name) &&
		       sizeof(((struct berth_dma_chan_info *)0)->device) ==
			       sizeof(((struct dmatest_channel *)0)->device),
	       "names are copied whole");

/* All that there are, taken or not. */
static void list_channels(struct job *job)
{
	static struct berth_dma_chan_info info[DMATEST_MAX_CHANNELS];
	const struct dmatest_options *options = job->options;
	struct dmatest_result *result = job->result;
	unsigned int nr = berth_dma_chan_list(info, DMATEST_MAX_CHANNELS);

	for (unsigned int i = 0; i < nr && i < DMATEST_MAX_CHANNELS; i++) {
		struct dmatest_channel *channel = &result->channels[result->nr_channels];

		if ((options->channel && strcmp(options->channel, info[i].name)) ||
		    (options->device && strcmp(options->device, info[i].device)))
			continue;
		result->nr_channels++;
		memcpy(channel->name, info[i].name, sizeof(channel->name));
		memcpy(channel->device, info[i].device, sizeof(channel->device));
		name_kinds(channel, &info[i].caps);
	}
}

static int init_tests(struct job *job)
{
	struct berth_dmatest_params params = job->options->params;
	unsigned int nr = job->result->nr_channels;

	params.report = note_failure;
	params.report_data = job;
	params.clock = host_ns;
	job->tests = calloc(nr * job->options->threads, sizeof(*job->tests));
	job->threads = calloc(nr * job->options->threads, sizeof(*job->threads));
	if (!job->tests || !job->threads)
		return unusable(job, "no memory");
	for (uint64_t i = 0; i < nr * job->options->threads; i++) {
		params.seed = job->options->params.seed + i;
		if (berth_dmatest_init(&job->tests[i], job->result->channels[i % nr].chan, &params))
			return unusable(job, "it cannot be tested so");
		job->nr_tests++;
	}
	return RUN_DONE;
}

static void *drive(void *test)
{
	berth_dmatest_run(test);
	return NULL;
}

static void run_tests(struct job *job)
{
	uint64_t start = host_ns();

	if (job->options->is_inline) {
		berth_dmatest_run_all(job->tests, job->nr_tests);
	} else {
		for (; job->nr_threads < job->nr_tests; job->nr_threads++)
			if (pthread_create(&job->threads[job->nr_threads], NULL, drive,
					   &job->tests[job->nr_threads]))
				break;
		/* Those for which there was no thread. */
		for (unsigned int i = job->nr_threads; i < job->nr_tests; i++)
			berth_dmatest_run(&job->tests[i]);
		for (unsigned int i = 0; i < job->nr_threads; i++)
			pthread_join(job->threads[i], NULL);
	}
	job->result->ns = host_ns() - start;
}

static int end_tests(struct job *job, int status)
{
	struct dmatest_result *result = job->result;

	for (unsigned int i = 0; i < job->nr_tests; i++) {
		struct berth_dmatest *test = &job->tests[i];

		berth_dmatest_add(&result->channels[i % result->nr_channels].stats, &test->stats);
		berth_dmatest_add(&result->sum, &test->stats);
		berth_dmatest_exit(test);
	}
	free(job->tests);
	free(job->threads);
	for (unsigned int i = 0; i < result->nr_channels; i++)
		dma_release_channel(result->channels[i].chan);
	if (status == RUN_DONE && result->sum.failed)
		return RUN_FOUND;
	return status;
}

static int work(struct job *job)
{
	const struct dmatest_options *options = job->options;
	unsigned int flags = options->is_inline ? 0 : BERTH_DMA_SOFTWARE_THREADS;
	int status = RUN_DONE;

	if (options->software && berth_dma_software_start((unsigned int)options->software, flags))
		return unusable(job, "the software engine cannot be started");
	if (options->list)
		list_channels(job);
	else
		take_channels(job);
	if (!job->result->nr_channels) {
		berth_clear_error();
		return unusable(job, "there is no such channel");
	}
	if (options->list)
		return RUN_DONE;
	status = init_tests(job);
	if (status == RUN_DONE)
		run_tests(job);
	return end_tests(job, status);
}

int dmatest_job(const struct dmatest_options *options, struct dmatest_result *result)
{
	struct job job = { .options = options, .result = result };
	struct berth_options start = {
		.mem = options->nr_mem ? options->mem : NULL,
		.nr_mem = options->nr_mem,
		.machine = &berth_model,
		.machine_config = &options->model,
		.verbose = options->verbose,
	};
	uint64_t memory;
	char *bootargs;
	int status;

	memset(result, 0, sizeof(*result));
	pthread_mutex_init(&job.lock, NULL);
	bootargs = board_limit(options->board, &start, RUN_MEMORY_LEAST, RUN_MEMORY_MOST, &memory);
	start.bootargs = bootargs;
	if (berth_start(options->board, drivers, &start)) {
		status = unusable(&job, "the board cannot be started");
	} else {
		status = work(&job);
		berth_model_stats(&result->model);
		if (berth_stop() && status == RUN_DONE) {
			unusable(&job, "something was left behind");
			status = RUN_FOUND;
		}
	}
	free(bootargs);
	pthread_mutex_destroy(&job.lock);
	return status;
}
