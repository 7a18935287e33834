// SPDX-License-Identifier: BSD-2-Clause
/*
 * many [--text] [--all] [--mem BASE:SIZE]... FILE...: the explanation of each board, as JSON or as text, all in
 * one process. Before each there is a line "== FILE STATUS"; with status 2 the line behind it says why there
 * is none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "run.h"

static void explain(const char *path, const struct explain_options *options, bool text)
{
	struct explanation explanation;
	char error[512];
	void *board = board_load(path, error, sizeof(error));

	if (!board) {
		printf("== %s 2\n%s\n", path, error);
		return;
	}
	if (explain_board(board, options, &explanation)) {
		printf("== %s 2\n%s\n", path, explanation.error);
	} else {
		printf("== %s %d\n", path, explain_status(&explanation));
		(text ? explain_print : explain_print_json)(&explanation);
	}
	explain_free(&explanation);
	free(board);
}

int main(int argc, char **argv)
{
	struct explain_options options = { 0 };
	bool text = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--all"))
			options.all = true;
		else if (!strcmp(argv[i], "--text"))
			text = true;
		else if (!strcmp(argv[i], "--mem") && i + 1 < argc)
			parse_range(argv[++i], &options.mem[options.nr_mem++]);
		else
			explain(argv[i], &options, text);
	}
	return 0;
}
