/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line that all commands have: options by their long names, and one board at most. */
#ifndef BERTH_TOOL_COMMAND_H
#define BERTH_TOOL_COMMAND_H

#include <getopt.h>

/* The value of a command's first option; the others follow. */
#define COMMAND_FIRST_OPTION 256

/*
 * struct command - what one of them has
 * name: "run"
 * options: ends with an empty entry; the values begin at COMMAND_FIRST_OPTION
 * parse: takes one of them into the command's own line; not 0 if its argument is no good
 * only_one: behind a second board: "only one board can be run"
 */
struct command {
	const char *name;
	const struct option *options;
	int (*parse)(void *line, int option, const char *arg);
	const char *only_one;
};

/* Tell on standard error why a command cannot be used so: @format has one %s. RUN_UNUSABLE. */
int command_unusable(const struct command *command, const char *format, const char *what);

/* All arguments; *@board is the board's name, or is left alone. RUN_DONE or RUN_UNUSABLE. */
int command_parse(const struct command *command, void *line, const char **board, int argc,
		  char **argv);

#endif
