// SPDX-License-Identifier: BSD-2-Clause
/* `berth dmatest`: the command line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/dma-software.h>

#include "boards.h"
#include "command.h"
#include "dmatest.h"

static const char usage[] =
	"Usage: berth dmatest [BOARD] [OPTION]...\n"
	"Transfers of random kind, size and place on every DMA channel of a board and of the software\n"
	"engine, each one compared byte by byte. BOARD is a .dtb, or a .dts compiled through dtc;\n"
	"without it, a multimedia SoC that comes with berth.\n"
	"\n"
	"  --list                tell the channels, and test nothing\n"
	"  --channel NAME        this one only\n"
	"  --device NAME         those of this controller only\n"
	"  --software N          channels of the software engine; 4\n"
	"  --inline              one thread for everything; equal seeds give equal runs\n"
	"  --threads N           for each channel; 1\n"
	"  --iterations N        transfers of each thread; 100\n"
	"  --buffer SIZE         of each buffer; 16K\n"
	"  --size SIZE           of each transfer; random\n"
	"  --alignment N         of places and sizes; what the channel needs\n"
	"  --timeout MS          until a transfer has to be done; 3000\n"
	"  --xor N, --pq N       sources at most; 3\n"
	"  --kinds LIST          of memcpy, memset, xor, xor_val, pq, interleaved, interrupt, sg;\n"
	"                        all that the channel can do\n"
	"  --no-verify           do not look at the bytes\n"
	"  --no-random           whole buffers, one kind after the other\n"
	"  --polled              ask for the status, with no callback\n"
	"  --seed N              of everything that happens by chance; 0\n"
	"  --drop-sync N         leave out the N-th cache operation of the run\n"
	"  --mem BASE:SIZE       RAM that the board does not mention; may be repeated\n"
	"  --json                the figures as JSON\n"
	"  --verbose             what the drivers say\n"
	"  --help                this text\n"
	"\n"
	"Exit status: 0 all is well; 1 a transfer has failed; 2 input or arguments cannot be used.\n";

enum {
	OPT_LIST = COMMAND_FIRST_OPTION,
	OPT_CHANNEL,
	OPT_DEVICE,
	OPT_SOFTWARE,
	OPT_INLINE,
	OPT_THREADS,
	OPT_ITERATIONS,
	OPT_BUFFER,
	OPT_SIZE,
	OPT_ALIGNMENT,
	OPT_TIMEOUT,
	OPT_XOR,
	OPT_PQ,
	OPT_KINDS,
	OPT_NO_VERIFY,
	OPT_NO_RANDOM,
	OPT_POLLED,
	OPT_SEED,
	OPT_DROP_SYNC,
	OPT_MEM,
	OPT_JSON,
	OPT_VERBOSE,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "list", no_argument, NULL, OPT_LIST },
	{ "channel", required_argument, NULL, OPT_CHANNEL },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "software", required_argument, NULL, OPT_SOFTWARE },
	{ "inline", no_argument, NULL, OPT_INLINE },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "iterations", required_argument, NULL, OPT_ITERATIONS },
	{ "buffer", required_argument, NULL, OPT_BUFFER },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "alignment", required_argument, NULL, OPT_ALIGNMENT },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "xor", required_argument, NULL, OPT_XOR },
	{ "pq", required_argument, NULL, OPT_PQ },
	{ "kinds", required_argument, NULL, OPT_KINDS },
	{ "no-verify", no_argument, NULL, OPT_NO_VERIFY },
	{ "no-random", no_argument, NULL, OPT_NO_RANDOM },
	{ "polled", no_argument, NULL, OPT_POLLED },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "drop-sync", required_argument, NULL, OPT_DROP_SYNC },
	{ "mem", required_argument, NULL, OPT_MEM },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

struct command_line {
	struct dmatest_options options;
	const char *board;
	bool json, help;
};

/* A number from @least to @most, with K or M behind it if it is a size. 0, or -1. */
static int parse_number(const char *text, bool is_size, uint64_t least, uint64_t most,
			uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	*value = strtoull(text, &end, 0);
	if (errno || *value > most)
		return -1;
	if (is_size && (*end == 'K' || *end == 'M'))
		*value <<= *end++ == 'K' ? 10 : 20;
	return *end || *value < least || *value > most ? -1 : 0;
}

static int parse_kinds(const char *text, uint32_t *kinds)
{
	while (*text) {
		size_t length = strcspn(text, ",");
		unsigned int kind = 0;
		const char *name;

		while ((name = berth_dmatest_kind_name(kind)) != NULL &&
		       (strlen(name) != length || strncmp(name, text, length) != 0))
			kind++;
		if (!name || kind >= BERTH_DMATEST_SLAVE_OUT)
			return -1;
		*kinds |= 1u << kind;
		text += length;
		text += *text == ',';
	}
	return *kinds ? 0 : -1;
}

static int parse_parameter(struct berth_dmatest_params *params, int option, const char *arg)
{
	uint64_t value = 0;
	int err = 0;

	switch (option) {
	case OPT_ITERATIONS:
		return parse_number(arg, false, 1, UINT64_MAX / DMATEST_MAX_THREADS / 64,
				    &params->iterations);
	case OPT_BUFFER:
		err = parse_number(arg, true, 8, 4u << 20, &value);
		params->buffer_size = (size_t)value;
		return err;
	case OPT_SIZE:
		err = parse_number(arg, true, 1, 4u << 20, &value);
		params->transfer_size = (size_t)value;
		return err;
	case OPT_ALIGNMENT:
		err = parse_number(arg, false, 1, BERTH_DMATEST_GUARD, &value);
		params->alignment = (size_t)value;
		return err || value & (value - 1) ? -1 : 0;
	case OPT_TIMEOUT:
		err = parse_number(arg, false, 1, 3600000, &value);
		params->timeout_ms = (unsigned int)value;
		return err;
	case OPT_XOR:
		err = parse_number(arg, false, 1, BERTH_DMATEST_MAX_SOURCES, &value);
		params->xor_sources = (unsigned int)value;
		return err;
	case OPT_PQ:
		err = parse_number(arg, false, 1, BERTH_DMATEST_MAX_SOURCES, &value);
		params->pq_sources = (unsigned int)value;
		return err;
	case OPT_KINDS:
		return parse_kinds(arg, &params->kinds);
	case OPT_NO_VERIFY:
		params->no_verify = true;
		return 0;
	case OPT_NO_RANDOM:
		params->no_random = true;
		return 0;
	default:
		params->polled = true;
		return 0;
	}
}

/* 0, or -1 if the argument cannot be used. */
static int parse_option(void *data, int option, const char *arg)
{
	struct command_line *line = data;
	struct dmatest_options *options = &line->options;

	switch (option) {
	case OPT_LIST:
		options->list = true;
		return 0;
	case OPT_CHANNEL:
		options->channel = arg;
		return 0;
	case OPT_DEVICE:
		options->device = arg;
		return 0;
	case OPT_SOFTWARE:
		return parse_number(arg, false, 0, BERTH_DMA_SOFTWARE_MAX_CHANNELS,
				    &options->software);
	case OPT_INLINE:
		options->is_inline = true;
		return 0;
	case OPT_THREADS:
		return parse_number(arg, false, 1, DMATEST_MAX_THREADS, &options->threads);
	case OPT_SEED:
		options->model.seed = 0;
		if (parse_number(arg, false, 0, UINT64_MAX, &options->params.seed))
			return -1;
		options->model.seed = options->params.seed;
		return 0;
	case OPT_DROP_SYNC:
		return parse_number(arg, false, 1, UINT64_MAX, &options->model.drop_cache_op);
	case OPT_MEM:
		if (options->nr_mem == RUN_MAX_MEM ||
		    !parse_range(arg, &options->mem[options->nr_mem]))
			return -1;
		options->nr_mem++;
		return 0;
	case OPT_JSON:
		line->json = true;
		return 0;
	case OPT_VERBOSE:
		options->verbose = true;
		return 0;
	case OPT_HELP:
		line->help = true;
		return 0;
	default:
		return parse_parameter(&options->params, option, arg);
	}
}

static const struct command command = {
	.name = "dmatest",
	.options = long_options,
	.parse = parse_option,
	.only_one = "only one board can be tested",
};

static int unusable(const char *format, const char *what)
{
	return command_unusable(&command, format, what);
}

static int run(const struct command_line *line)
{
	struct dmatest_result *result = malloc(sizeof(*result));
	int status;

	if (!result)
		return unusable("%s", "no memory");
	status = dmatest_job(&line->options, result);
	if (status == RUN_UNUSABLE) {
		unusable("%s", result->error);
	} else {
		if (line->json)
			dmatest_print_json(&line->options, result);
		else
			dmatest_print(&line->options, result);
		if (fflush(stdout)) {
			fprintf(stderr, "berth dmatest: standard output: %s\n", strerror(errno));
			status = RUN_FOUND;
		}
	}
	free(result);
	return status;
}

int dmatest_command(int argc, char **argv)
{
	struct command_line line = {
		.options = { .board = board_multimedia, .software = 4, .threads = 1 },
	};
	void *board = NULL;
	char error[512];
	int status = command_parse(&command, &line, &line.board, argc, argv);

	if (status)
		return status;
	if (line.help) {
		fputs(usage, stdout);
		return RUN_DONE;
	}
	if (line.board) {
		board = board_load(line.board, error, sizeof(error));
		if (!board)
			return unusable("%s", error);
		line.options.board = board;
	}
	status = run(&line);
	free(board);
	return status;
}
