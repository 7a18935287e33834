/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * copy BOARD.dtb: a board from a file, and its DMA engine copies a buffer. Prints TAP.
 *
 * The engine does not see the CPU's caches, so each buffer changes hands twice: mapping gives it to
 * the engine, unmapping takes it back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/berth.h>
#include <berth/dma-mapping.h>
#include <berth/drivers/sifive-pdma.h>
#include <berth/model.h>
#include <berth/slab.h>

#define LENGTH 10000

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_NO_MORE_DRIVERS,
};

static int number;

static int result(bool is_ok, const char *what)
{
	printf("%sok %d - %s\n", is_ok ? "" : "not ", ++number, what);
	return !is_ok;
}

/* The tree stays in memory until berth_stop(); malloc() aligns it well enough. */
static void *read_tree(const char *name)
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

static int copy(struct device *engine, void *dst, void *src)
{
	dma_addr_t to, from;
	int err;

	from = dma_map_single(engine, src, LENGTH, DMA_TO_DEVICE);
	if (dma_mapping_error(engine, from))
		return -ENOMEM;
	to = dma_map_single(engine, dst, LENGTH, DMA_FROM_DEVICE);
	if (dma_mapping_error(engine, to)) {
		dma_unmap_single(engine, from, LENGTH, DMA_TO_DEVICE);
		return -ENOMEM;
	}
	err = berth_pdma_copy(engine, to, from, LENGTH);
	dma_unmap_single(engine, to, LENGTH, DMA_FROM_DEVICE);
	dma_unmap_single(engine, from, LENGTH, DMA_TO_DEVICE);
	return err;
}

static int run(void)
{
	struct platform_device *engine = of_find_device_by_node(
		of_find_compatible_node(NULL, NULL, "sifive,fu540-c000-pdma"));
	uint8_t *src = kmalloc(LENGTH, GFP_KERNEL), *dst = kzalloc(LENGTH, GFP_KERNEL);
	int failed = result(engine && engine->dev.driver, "the board's engine has its driver");

	if (!failed && src && dst) {
		for (int i = 0; i < LENGTH; i++)
			src[i] = (uint8_t)(i * 7);
		failed |= result(!copy(&engine->dev, dst, src), "the engine copies");
		failed |= result(!memcmp(dst, src, LENGTH), "the CPU sees what was copied");
	}
	kfree(dst);
	kfree(src);
	return failed;
}

int main(int argc, char **argv)
{
	const struct berth_options options = { .machine = &berth_model };
	void *tree = argc == 2 ? read_tree(argv[1]) : NULL;
	char why[200];
	int failed;

	if (!tree) {
		fprintf(stderr, "usage: %s BOARD.dtb\n", argv[0]);
		return 2;
	}
	if (berth_start(tree, drivers, &options)) {
		berth_error_text(NULL, why, sizeof(why));
		fprintf(stderr, "%s: %s\n", argv[1], why);
		free(tree);
		return 2;
	}
	failed = run();
	failed |= result(!berth_stop(), "nothing is left");
	printf("1..%d\n", number);
	free(tree);
	return failed;
}
