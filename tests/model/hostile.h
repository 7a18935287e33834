/* SPDX-License-Identifier: BSD-2-Clause */
/* Trees that mean harm, written by the test, and starts that must come to an end. */
#ifndef TESTS_MODEL_HOSTILE_H
#define TESTS_MODEL_HOSTILE_H

#include "machine.h"

#include <unistd.h>

#include <berth/of.h>
#include <berth/platform_device.h>

#include "fdt.h"

#define RAM 0x40000000u
#define RAM_SIZE 0x02000000u
#define MIB 0x100000u

static struct fdt fdt;

static inline struct device *device_at(const char *path)
{
	struct platform_device *pdev = of_find_device_by_node(of_find_node_by_path(path));

	return pdev ? &pdev->dev : NULL;
}

static inline void begin_with_memory(void)
{
	fdt_start(&fdt, 1, 1);
	fdt_begin(&fdt, "memory");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", RAM, RAM_SIZE);
	fdt_end(&fdt);
}

static inline void begin_device(const char *name)
{
	fdt_begin(&fdt, name);
	fdt_text(&fdt, "compatible", "berth,test");
}

/* An endless loop is a failure, not a test that hangs. */
static inline void start_within_seconds(int wanted)
{
	alarm(10);
	assert_int_equal(start_tree(fdt_finish(&fdt), NULL, NULL), wanted);
	alarm(0);
}

#endif
