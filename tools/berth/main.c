// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <string.h>

#include <berth/berth.h>

#include "check.h"
#include "dmatest.h"
#include "exec.h"
#include "explain.h"
#include "run.h"
#include "screen.h"

static const char usage[] =
	"Usage: berth COMMAND [OPTION]...\n"
	"The DMA memory stack, driven on a modelled SoC.\n"
	"\n"
	"Commands:\n"
	"  check       run a driver and its tests under the checker\n"
	"  dmatest     transfers on every DMA channel of a board, each one compared\n"
	"  exec        run a program with the nodes of a server\n"
	"  explain     what each device of a board gets, and what is wrong with its description\n"
	"  run         send frames from the camera through memory to the display\n"
	"  serve       let other programs use a board's nodes\n"
	"\n"
	"  --help      this text; after a command, that command's\n"
	"  --version   the version\n"
	"\n"
	"Exit status: 0 done; 1 something wrong was found; 2 input or arguments cannot be used.\n";

static const struct {
	const char *name;
	int (*command)(int argc, char **argv);
} commands[] = {
	{ "check", check_command },	{ "dmatest", dmatest_command }, { "exec", exec_command },
	{ "explain", explain_command }, { "run", run_command },		{ "serve", serve_command },
};

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs("berth: a command is missing; see berth --help\n", stderr);
		return RUN_UNUSABLE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		fputs(usage, stdout);
		return RUN_DONE;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("berth %s\n", berth_version());
		return RUN_DONE;
	}
	/* Not for people: the other process of `berth run`. */
	if (!strcmp(argv[1], SCREEN_COMMAND))
		return screen_command();
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].command(argc - 1, argv + 1);
	fprintf(stderr, "berth: unknown command '%s'; see berth --help\n", argv[1]);
	return RUN_UNUSABLE;
}
