/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a device tree: berth starts or says why not, and stops without a trace. */
#include <stdlib.h>
#include <string.h>

#include <berth/berth.h>
#include <berth/model.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Trees may claim as much memory as they like; this machine has only so much. */
	const struct berth_options options = { .machine = &berth_model, .bootargs = "mem=64M" };
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
	if (!berth_start(tree, NULL, &options) && berth_stop())
		abort();
	free(tree);
	return 0;
}
