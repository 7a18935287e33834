/* SPDX-License-Identifier: BSD-2-Clause */
/* `berth dmatest`: transfers on every DMA channel of a board, each one checked. */
#ifndef TOOL_DMATEST_H
#define TOOL_DMATEST_H

#include <berth/drivers/dmatest.h>

#include "run.h"

#define DMATEST_MAX_CHANNELS 64u
#define DMATEST_MAX_THREADS 16u
#define DMATEST_MAX_TOLD 20u

struct dmatest_options {
	const void *board; /* a flattened device tree */
	const char *channel, *device; /* only these, or NULL */
	uint64_t software; /* channels of the software engine; 0: it is not there */
	uint64_t threads; /* for each channel */
	bool is_inline; /* one thread for everything: the run is repeatable */
	bool list, verbose;
	struct berth_dmatest_params params;
	struct berth_model_config model;
	struct berth_range mem[RUN_MAX_MEM];
	unsigned int nr_mem;
};

struct dmatest_channel {
	struct dma_chan *chan;
	char name[24], device[48], kinds[160];
	struct berth_dmatest_stats stats;
};

struct dmatest_result {
	char error[512]; /* why it cannot be done, or was not whole; "" if neither */
	struct dmatest_channel channels[DMATEST_MAX_CHANNELS];
	unsigned int nr_channels;
	struct berth_dmatest_stats sum;
	char told[DMATEST_MAX_TOLD][240];
	unsigned int nr_told;
	uint64_t ns; /* of the host, for all of it */
	struct berth_model_stats model;
};

/* An exit status of the command; @result is filled in. */
int dmatest_job(const struct dmatest_options *options, struct dmatest_result *result);

void dmatest_print(const struct dmatest_options *options, const struct dmatest_result *result);
void dmatest_print_json(const struct dmatest_options *options, const struct dmatest_result *result);

int dmatest_command(int argc, char **argv);

#endif
