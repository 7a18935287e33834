/* SPDX-License-Identifier: BSD-2-Clause */
/* What the examples in a process share: a board from a file, and results as TAP. */
#ifndef EXAMPLES_TREE_H
#define EXAMPLES_TREE_H

#include <stdio.h>
#include <stdlib.h>

#include <berth/berth.h>
#include <berth/model.h>

static int number, nr_failed;

static inline void result(bool is_ok, const char *what)
{
	nr_failed += !is_ok;
	printf("%sok %d - %s\n", is_ok ? "" : "not ", ++number, what);
}

/* The tree stays in memory until berth_stop(); malloc() aligns it well enough. */
static inline void *read_tree(const char *name)
{
	FILE *file = fopen(name, "rb");
	void *tree = NULL;
	long size;

	if (!file)
		return NULL;
	if (!fseek(file, 0, SEEK_END) && (size = ftell(file)) >= 40 && !fseek(file, 0, SEEK_SET)) {
		tree = malloc((size_t)size);
		if (tree && fread(tree, 1, (size_t)size, file) != (size_t)size) {
			free(tree);
			tree = NULL;
		}
	}
	fclose(file);
	return tree;
}

/* Start the board whose file the program was given, on the modelled SoC; or end the program. */
static inline void *start_with_tree(int argc, char **argv, const struct berth_driver *drivers)
{
	const struct berth_options options = { .machine = &berth_model };
	void *tree = argc == 2 ? read_tree(argv[1]) : NULL;
	char why[200];

	if (!tree) {
		fprintf(stderr, "usage: %s BOARD.dtb\n", argv[0]);
		exit(2);
	}
	if (berth_start(tree, drivers, &options)) {
		berth_error_text(NULL, why, sizeof(why));
		fprintf(stderr, "%s: %s\n", argv[1], why);
		free(tree);
		exit(2);
	}
	return tree;
}

/* Stop, and print the plan. Return: the exit status. */
static inline int stop_with_tree(void *tree)
{
	result(!berth_stop(), "nothing is left");
	printf("1..%d\n", number);
	free(tree);
	return nr_failed != 0;
}

#endif
