// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>

#include "command.h"
#include "run.h"

int command_unusable(const struct command *command, const char *format, const char *what)
{
	fprintf(stderr, "berth %s: ", command->name);
	fprintf(stderr, format, what);
	fputc('\n', stderr);
	return RUN_UNUSABLE;
}

/* getopt() tells of a long option by its place, and of one that is short by its character. */
static int refuse_option(const struct command *command, const char *arg)
{
	char text[160];

	if (optopt > 0 && optopt < COMMAND_FIRST_OPTION)
		snprintf(text, sizeof(text), "-%c cannot be used; see berth %s --help", optopt,
			 command->name);
	else
		snprintf(text, sizeof(text), "%.100s cannot be used; see berth %s --help", arg,
			 command->name);
	return command_unusable(command, "%s", text);
}

static int refuse_argument(const struct command *command, const char *option)
{
	char text[160];

	snprintf(text, sizeof(text), "--%s: '%.100s' cannot be used", option, optarg);
	return command_unusable(command, "%s", text);
}

int command_parse(const struct command *command, void *line, const char **board, int argc,
		  char **argv)
{
	int option, index = 0;
	char text[80];

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":", command->options, &index)) != -1) {
		if (option == ':')
			return command_unusable(command, "%s needs an argument", argv[optind - 1]);
		if (option == '?')
			return refuse_option(command, argv[optind - 1]);
		if (command->parse(line, option, optarg))
			return refuse_argument(command, command->options[index].name);
	}
	if (optind < argc)
		*board = argv[optind++];
	if (optind == argc)
		return RUN_DONE;
	snprintf(text, sizeof(text), "%%s: %s", command->only_one);
	return command_unusable(command, text, argv[optind]);
}
