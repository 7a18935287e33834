// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a trace of calls of the DMA API, against the model of dma_world.h: on a machine whose
 * caches do their worst, with every kind of limits, each side sees what the other one has handed it,
 * addresses are within reach, refusals have a reason, and nothing is left behind.
 */
#include <berth/model.h>
#include <berth/swiotlb.h>
#include <berth/test.h>

#include "dma_world.h"

#define MAX_CALLS 400

static const uint8_t *input;
static size_t input_left;

uint8_t take(void)
{
	return input_left ? (input_left--, *input++) : 0;
}

unsigned int take2(void)
{
	unsigned int low = take();

	return low | (unsigned int)take() << 8;
}

unsigned int take_below(unsigned int bound)
{
	return take() % bound;
}

static void start(void)
{
	static const char *const bootargs[] = { NULL, "swiotlb=force", "swiotlb=noforce",
						"swiotlb=128,1" };
	static const unsigned int lines[] = { 32, 64, 128 };
	unsigned int mode = take_below(ARRAY_SIZE(bootargs));
	const struct berth_model_config config = { .cache = (enum berth_model_cache)take_below(3),
						   .line_size = lines[take_below(3)],
						   .seed = take() };
	const struct berth_options options = { .machine = &berth_model,
					       .machine_config = &config,
					       .bootargs = bootargs[mode] };

	MUST(!berth_start(world_tree(), NULL, &options));
	world.is_forced = mode == 1;
	world.is_off = mode == 2;
}

static void set_limits(void)
{
	static const struct berth_dma_window windows[2][2] = {
		{ { LOW_RAM, 0, RAM_BYTES }, { HIGH_RAM, 0xc0000000, RAM_BYTES / 2 } },
		{ { LOW_RAM + 0x200000, 0x40000000, 0x400000 },
		  { HIGH_RAM + 0x300000, 0x80000000, 0x200000 } },
	};
	unsigned int shape = take_below(3), bits = take_below(4);

	world.coherent = take() & 1;
	berth_device_set_coherent(dma_device, world.coherent);
	world.nr_windows = shape ? 2 : 0;
	if (shape)
		memcpy(world.windows, windows[shape - 1], sizeof(world.windows));
	MUST(!berth_device_set_windows(dma_device, world.windows, world.nr_windows));
	world.mask = DMA_BIT_MASK(bits == 0 ? 32 : bits == 1 ? 33 : bits == 2 ? 64 : 31);
	if (dma_set_mask(dma_device, world.mask))
		world.mask = dma_get_mask(dma_device);
	world.coherent_mask = dma_device->coherent_dma_mask;
	world.boundary = take() & 3 ? UINT64_MAX : DMA_BIT_MASK(12 + take_below(8));
	MUST(!dma_set_seg_boundary(dma_device, world.boundary));
	world.align_mask = take() & 3 ? 0 : (1u << take_below(14)) - 1;
	MUST(!dma_set_min_align_mask(dma_device, world.align_mask));
	world.max_segment = take() & 1 ? 65536 : 4096u << take_below(4);
	MUST(!dma_set_max_seg_size(dma_device, world.max_segment));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct device device;
	struct berth_swiotlb_info info;

	input = data;
	input_left = size;
	memset(&world, 0, sizeof(world));
	memset(&device, 0, sizeof(device));
	dma_device = &device;
	start();
	MUST(!device_register(dma_device, "fuzz"));
	set_limits();
	for (unsigned int i = 0; input_left && i < MAX_CALLS; i++) {
		uint8_t what = take();

		if (what == 0xff)
			berth_test_fail_nth(1 + take_below(8));
		else if (what & 1)
			memory_call();
		else
			stream_call();
	}
	berth_test_fail_nth(0);
	stream_stop();
	memory_stop();
	berth_swiotlb_info(NULL, &info);
	MUST(!info.used);
	device_unregister(dma_device);
	MUST(!berth_stop());
	return 0;
}
