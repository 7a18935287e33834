// SPDX-License-Identifier: BSD-2-Clause
/* `berth serve`: a board whose nodes other programs use. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/dma-heap.h>
#include <berth/drivers/camera.h>
#include <berth/drivers/display.h>
#include <berth/drivers/rtl8139.h>
#include <berth/drivers/sifive-pdma.h>
#include <berth/drivers/smmu-v3.h>
#include <berth/drivers/uio.h>
#include <berth/fs.h>
#include <berth/serve.h>
#include <berth/sw_sync.h>

#include "boards.h"
#include "command.h"
#include "exec.h"
#include "run.h"

static const char usage[] =
	"Usage: berth serve [BOARD] [OPTION]...\n"
	"Bring a board up on the modelled SoC, and let other programs of this user open what its drivers\n"
	"offer under /dev: see berth exec. BOARD is a .dtb, or a .dts compiled through dtc; without\n"
	"it, a multimedia SoC that comes with berth. Ends with SIGINT or SIGTERM.\n"
	"\n"
	"  --name NAME           by which programs find this server; berth-UID\n"
	"  --connections N       open nodes, mappings and requests at most; 512\n"
	"  --seed N              of everything that happens by chance; 0\n"
	"  --mem BASE:SIZE       RAM that the board does not mention; may be repeated\n"
	"  --verbose             what the drivers say\n"
	"  --help                this text\n"
	"\n"
	"Exit status: 0 stopped; 1 something was left behind; 2 input or arguments cannot be used.\n";

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_smmu_v3_driver),
	BERTH_PLATFORM_DRIVER(&berth_camera_driver),
	BERTH_PLATFORM_DRIVER(&berth_display_driver),
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_PLATFORM_DRIVER(&berth_rtl8139_platform_driver),
	BERTH_PLATFORM_DRIVER(&berth_uio_dmem_genirq_driver),
	BERTH_PLATFORM_DRIVER(&berth_uio_pmem_genirq_driver),
	BERTH_PLATFORM_DRIVER(&berth_uio_pdrv_genirq_driver),
	BERTH_NO_MORE_DRIVERS,
};

enum {
	OPT_NAME = COMMAND_FIRST_OPTION,
	OPT_CONNECTIONS,
	OPT_SEED,
	OPT_MEM,
	OPT_VERBOSE,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "name", required_argument, NULL, OPT_NAME },
	{ "connections", required_argument, NULL, OPT_CONNECTIONS },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "mem", required_argument, NULL, OPT_MEM },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

struct command_line {
	struct berth_serve_options serve;
	struct berth_model_config model;
	struct berth_range mem[RUN_MAX_MEM];
	unsigned int nr_mem;
	const void *board;
	const char *path;
	bool verbose, help;
};

static int parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	*value = strtoull(text, &end, 0);
	return errno || *end || *value < least || *value > most ? -1 : 0;
}

static int parse_option(void *data, int option, const char *arg)
{
	struct command_line *line = data;
	uint64_t value;

	switch (option) {
	case OPT_NAME:
		line->serve.name = arg;
		return !*arg || strlen(arg) > 100 ? -1 : 0;
	case OPT_CONNECTIONS:
		if (parse_number(arg, 1, 4096, &value))
			return -1;
		line->serve.connections = (unsigned int)value;
		return 0;
	case OPT_SEED:
		return parse_number(arg, 0, UINT64_MAX, &line->model.seed);
	case OPT_MEM:
		if (line->nr_mem == RUN_MAX_MEM || !parse_range(arg, &line->mem[line->nr_mem]))
			return -1;
		line->nr_mem++;
		return 0;
	case OPT_VERBOSE:
		line->verbose = true;
		return 0;
	default:
		line->help = true;
		return 0;
	}
}

static const struct command command = {
	.name = "serve",
	.options = long_options,
	.parse = parse_option,
	.only_one = "only one board can be served",
};

static int unusable(const char *what)
{
	char error[512], text[640];

	board_error(error, sizeof(error));
	snprintf(text, sizeof(text), "%s%s%s", what, *error ? ": " : "", error);
	return command_unusable(&command, "%s", text);
}

static int count_node(const struct berth_node_view *node, void *data)
{
	(void)node;
	++*(unsigned int *)data;
	return 0;
}

/* Until it is told to stop. The signals are blocked in all threads. */
static int serve(const struct command_line *line, const sigset_t *ends)
{
	unsigned int nodes = 0;
	int signal;

	if (berth_dma_heaps_offer() || berth_sw_sync_offer() || berth_serve_start(&line->serve))
		return unusable("nobody can be served");
	berth_node_each(count_node, &nodes);
	printf("serving %u nodes at %s\n", nodes, berth_serve_name());
	fflush(stdout);
	sigwait(ends, &signal);
	berth_serve_stop();
	return RUN_DONE;
}

static int start(const struct command_line *line, const sigset_t *ends)
{
	struct berth_options options = {
		.mem = line->nr_mem ? line->mem : NULL,
		.nr_mem = line->nr_mem,
		.machine = &berth_model,
		.machine_config = &line->model,
		.verbose = line->verbose,
	};
	uint64_t memory;
	char *bootargs;
	int status;

	bootargs = board_limit(line->board, &options, RUN_MEMORY_LEAST, RUN_MEMORY_MOST, &memory);
	options.bootargs = bootargs;
	if (berth_start(line->board, drivers, &options)) {
		status = unusable("the board cannot be started");
	} else {
		status = serve(line, ends);
		if (berth_stop() && status == RUN_DONE) {
			unusable("something was left behind");
			status = RUN_FOUND;
		}
	}
	free(bootargs);
	return status;
}

int serve_command(int argc, char **argv)
{
	struct command_line line = { .board = board_multimedia };
	void *board = NULL;
	char error[512];
	sigset_t ends;
	int status = command_parse(&command, &line, &line.path, argc, argv);

	if (status)
		return status;
	if (line.help) {
		fputs(usage, stdout);
		return RUN_DONE;
	}
	if (line.path) {
		board = board_load(line.path, error, sizeof(error));
		if (!board)
			return command_unusable(&command, "%s", error);
		line.board = board;
	}
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	status = start(&line, &ends);
	free(board);
	return status;
}
