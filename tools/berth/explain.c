// SPDX-License-Identifier: BSD-2-Clause
/* `berth explain`: the command line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boards.h"
#include "command.h"
#include "explain.h"
#include "run.h"

static const char usage[] =
	"Usage: berth explain [BOARD] [OPTION]...\n"
	"What each device of a board gets from the DMA stack, and what is wrong with the board's\n"
	"description. BOARD is a .dtb, or a .dts compiled through dtc; without it, a multimedia\n"
	"SoC that comes with berth.\n"
	"\n"
	"  --json                the answer as JSON\n"
	"  --all                 all nodes with registers, not only those known to use DMA\n"
	"  --mem BASE:SIZE       RAM that the board does not mention; may be repeated\n"
	"  --cma SIZE            as cma=SIZE on the kernel's command line\n"
	"  --help                this text\n"
	"\n"
	"Exit status: 0 nothing is wrong; 1 there are warnings or errors; 2 input or arguments\n"
	"cannot be used.\n";

enum { OPT_JSON = COMMAND_FIRST_OPTION, OPT_ALL, OPT_MEM, OPT_CMA, OPT_HELP };

static const struct option long_options[] = {
	{ "json", no_argument, NULL, OPT_JSON },     { "all", no_argument, NULL, OPT_ALL },
	{ "mem", required_argument, NULL, OPT_MEM }, { "cma", required_argument, NULL, OPT_CMA },
	{ "help", no_argument, NULL, OPT_HELP },     { NULL, 0, NULL, 0 },
};

struct command_line {
	struct explain_options options;
	const char *board;
	bool json, help;
};

/* A size as cma= takes it. */
static bool is_size(const char *text)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	strtoull(text, &end, 0);
	if (*end && strchr("kKmMgG", *end))
		end++;
	return !*end || (*end == '@' && end[1] >= '0' && end[1] <= '9' && !strchr(end, ' '));
}

/* 0, or -1 if the argument cannot be used. */
static int parse_option(void *data, int option, const char *arg)
{
	struct command_line *line = data;
	struct explain_options *options = &line->options;

	switch (option) {
	case OPT_JSON:
		line->json = true;
		return 0;
	case OPT_ALL:
		options->all = true;
		return 0;
	case OPT_MEM:
		if (options->nr_mem == EXPLAIN_MAX_MEM ||
		    !parse_range(arg, &options->mem[options->nr_mem]))
			return -1;
		options->nr_mem++;
		return 0;
	case OPT_CMA:
		options->cma = arg;
		return is_size(arg) ? 0 : -1;
	default:
		line->help = true;
		return 0;
	}
}

static const struct command command = {
	.name = "explain",
	.options = long_options,
	.parse = parse_option,
	.only_one = "only one board is explained",
};

static int unusable(const char *format, const char *what)
{
	return command_unusable(&command, format, what);
}

int explain_status(const struct explanation *explanation)
{
	for (unsigned int i = 0; i < explanation->nr_findings; i++)
		if (explanation->findings[i].severity != EXPLAIN_NOTE)
			return RUN_FOUND;
	return RUN_DONE;
}

static int explain(const struct command_line *line, const void *board)
{
	struct explanation explanation;
	int status;

	if (explain_board(board, &line->options, &explanation)) {
		char text[512];

		snprintf(text, sizeof(text), "%s%s%s", line->board ? line->board : "",
			 line->board ? ": " : "", explanation.error);
		explain_free(&explanation);
		return unusable("%s", text);
	}
	if (line->json)
		explain_print_json(&explanation);
	else
		explain_print(&explanation);
	status = explain_status(&explanation);
	explain_free(&explanation);
	if (fflush(stdout)) {
		fprintf(stderr, "berth explain: standard output: %s\n", strerror(errno));
		return RUN_FOUND;
	}
	return status;
}

int explain_command(int argc, char **argv)
{
	struct command_line line = { 0 };
	char error[512];
	void *board;
	int status = command_parse(&command, &line, &line.board, argc, argv);

	if (status)
		return status;
	if (line.help) {
		fputs(usage, stdout);
		return RUN_DONE;
	}
	if (!line.board)
		return explain(&line, board_multimedia);
	board = board_load(line.board, error, sizeof(error));
	if (!board)
		return unusable("%s", error);
	status = explain(&line, board);
	free(board);
	return status;
}
