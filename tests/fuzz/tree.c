/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a device tree: berth starts or says why not, and stops without a trace; the tree is
 * explained, or one line says why not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/berth.h>
#include <berth/model.h>

#include "explain.h"

static void start(const void *tree)
{
	/* Trees may claim as much memory as they like; this machine has only so much. */
	const struct berth_options options = { .machine = &berth_model, .bootargs = "mem=64M" };

	if (!berth_start(tree, NULL, &options) && berth_stop())
		abort();
}

/* As it is, and with everything that can be asked for. */
static void explain(const void *tree, bool all)
{
	struct explain_options options = { .all = all };
	struct explanation explanation;

	if (all) {
		options.mem[options.nr_mem++] = (struct berth_range){ 0x80000000, 0x100000000 };
		options.cma = "16M";
	}
	if (!explain_board(tree, &options, &explanation)) {
		explain_print(&explanation);
		explain_print_json(&explanation);
	} else if (!explanation.error[0] || strchr(explanation.error, '\n')) {
		abort();
	}
	explain_free(&explanation);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return freopen("/dev/null", "w", stdout) ? 0 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t total;
	void *tree;

	/* The caller answers for the blob being as long as its header says. */
	if (size < 40)
		return 0;
	total = (uint32_t)data[4] << 24 | (uint32_t)data[5] << 16 | (uint32_t)data[6] << 8 |
		data[7];
	if (total > size)
		return 0;
	tree = malloc(size);
	memcpy(tree, data, size);
	start(tree);
	explain(tree, false);
	explain(tree, true);
	free(tree);
	return 0;
}
