// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a trace of calls of the IOMMU core and of the DMA API behind an IOMMU, against the
 * arrays of iommu_world.h, with granules of 4, 16 and 64 KiB and while allocations and attaches fail:
 * the tables, iommu_iova_to_phys() and the devices themselves agree with the arrays, and at the end
 * no table and no memory is left.
 */
#include "iommu_world.h"

#define MAX_CALLS 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

static void step(void)
{
	uint8_t what = take();

	if (what & 0x80 && what >= 0xe0) {
		world.fails = true;
		berth_test_fail_nth(1 + take_below(12));
	}
	switch (what & 15) {
	case 0:
	case 1:
	case 2:
		group_call();
		break;
	case 3:
		fault_call();
		break;
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
		dma_call();
		break;
	default:
		space_call();
		break;
	}
	berth_test_fail_nth(0);
	world.fails = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	input_left = size;
	world_start();
	world.is_over = false;
	for (unsigned int i = 0; input_left && !world.is_over && i < MAX_CALLS; i++)
		step();
	group_stop();
	space_stop();
	dma_stop();
	world_stop();
	return 0;
}
