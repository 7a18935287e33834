/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dmatest over all channels that the tree and the drivers give, and over the software engine's, many under way at
 * once on one CPU. Boot arguments: dmatest=N is the number of transfers of the board's channels together, and of
 * the software engine's, 10000; channels=N is how many the board has.
 */
#include <berth/berth.h>
#include <berth/dma-software.h>
#include <berth/gfp.h>
#include <berth/of.h>

#include <berth/drivers/dma.h>
#include <berth/drivers/dmatest.h>

#include "tap.h"

#define MAX_CHANNELS 32u
#define MAX_TOLD 10u
#define TRANSFERS 10000u
#define SOFTWARE_CHANNELS 4u

static struct dma_chan *channels[MAX_CHANNELS];
static struct berth_dmatest *tests;

static void tell(void *data, const struct berth_dmatest_failure *failure)
{
	static unsigned int nr_told;
	char text[240];

	(void)data;
	if (nr_told++ >= MAX_TOLD)
		return;
	berth_dmatest_text(failure, text, sizeof(text));
	say("# ");
	say(text);
	say("\n");
}

/* A boot argument's number: NAME=N; or else what is given. */
static uint64_t argument(const char *key, uint64_t otherwise)
{
	struct device_node *chosen = of_find_node_by_path("/chosen");
	const char *args;
	uint64_t n = 0;

	if (!chosen || of_property_read_string(chosen, "bootargs", &args))
		return otherwise;
	for (; *args; args++) {
		size_t i = 0;

		while (key[i] && args[i] == key[i])
			i++;
		if (key[i])
			continue;
		for (args += i; *args >= '0' && *args <= '9'; args++)
			n = 10 * n + (uint64_t)(*args - '0');
		return n;
	}
	return otherwise;
}

/* The next one that is free and can do something of what is tested. */
static struct dma_chan *take(void)
{
	static const enum dma_transaction_type kinds[] = { DMA_MEMCPY, DMA_INTERLEAVE };
	struct dma_chan *chan = NULL;

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds) && !chan; i++) {
		dma_cap_mask_t mask;

		dma_cap_zero(mask);
		dma_cap_set(kinds[i], mask);
		chan = dma_request_channel(mask, NULL, NULL);
	}
	return chan;
}

static void say_figures(const struct berth_dmatest_stats *stats)
{
	say("# ");
	say_number(stats->tests);
	say(" tests, ");
	say_number(stats->bytes);
	say(" bytes:");
	for (unsigned int i = 0; i < BERTH_DMATEST_KINDS; i++) {
		if (!stats->kinds[i])
			continue;
		say(" ");
		say(berth_dmatest_kind_name(i));
		say(" ");
		say_number(stats->kinds[i]);
	}
	say("\n");
}

static bool is_software(const struct dma_chan *chan)
{
	const char *name = dev_name(dmaengine_get_dma_device((struct dma_chan *)(uintptr_t)chan));
	static const char wanted[] = "dma-software";
	size_t i = 0;

	while (wanted[i] && name[i] == wanted[i])
		i++;
	return !wanted[i] && !name[i];
}

/* All at once; the board's channels share the transfers, and those of the software engine do. */
static void test_channels(unsigned int nr, unsigned int nr_hardware, uint64_t all)
{
	struct berth_dmatest_params params = { .report = tell };

	params.buffer_size = 8192;
	params.timeout_ms = 60000;
	for (unsigned int i = 0; i < nr; i++) {
		unsigned int share = is_software(channels[i]) ? nr - nr_hardware : nr_hardware;

		params.seed = i;
		params.iterations = (all + share - 1) / share;
		if (berth_dmatest_init(&tests[i], channels[i], &params)) {
			check(false, dma_chan_name(channels[i]));
			return;
		}
	}
	berth_dmatest_run_all(tests, nr);
	for (unsigned int i = 0; i < nr; i++) {
		const struct berth_dmatest_stats *stats = &tests[i].stats;

		say_figures(stats);
		check(stats->tests == tests[i].params.iterations && !stats->failed,
		      dma_chan_name(tests[i].chan));
		berth_dmatest_exit(&tests[i]);
	}
}

static void test_all(void)
{
	unsigned int nr = 0, nr_hardware = 0;

	while (nr < MAX_CHANNELS && (channels[nr] = take()) != NULL)
		nr_hardware += !is_software(channels[nr++]);
	say("# channels of the board: ");
	say_number(nr_hardware);
	say("\n");
	check(nr_hardware == argument("channels=", nr_hardware), "the board's channels are there");
	check(nr - nr_hardware == SOFTWARE_CHANNELS, "and the software engine's");
	test_channels(nr, nr_hardware, argument("dmatest=", TRANSFERS));
	for (unsigned int i = 0; i < nr; i++)
		dma_release_channel(channels[i]);
}

int main(void)
{
	if (berth_start(NULL, berth_dma_drivers, NULL)) {
		say("Bail out! berth_start\n");
		return 1;
	}
	check(!berth_dma_software_start(SOFTWARE_CHANNELS, 0), "the software engine starts");
	tests = alloc_pages_exact(MAX_CHANNELS * sizeof(*tests), GFP_KERNEL | __GFP_ZERO);
	check(tests != NULL, "there is memory");
	if (tests)
		test_all();
	free_pages_exact(tests, MAX_CHANNELS * sizeof(*tests));
	check(!berth_stop(), "all is given back");
	say("1..");
	say_number(checks);
	say("\n");
	return failures != 0;
}
