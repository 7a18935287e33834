/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every channel of the board's DMA controllers copies runs and lists, by interrupt, and one of them feeds the
 * board's UART: the line that it prints is one of the results.
 */
#include <berth/berth.h>
#include <berth/dma-mapping.h>
#include <berth/dmaengine.h>
#include <berth/gfp.h>
#include <berth/mm.h>
#include <berth/platform_device.h>
#include <berth/timer.h>

#include <berth/drivers/bcm2835-dma.h>
#include <berth/drivers/zynqmp-zdma.h>

#include "tap.h"

#define MAX_CHANNELS 32u
#define BYTES 0x20000u
#define MAX_RUNS 4096u
#define ORDER 6 /* of two times BYTES */
#define PATIENCE msecs_to_jiffies(60000)

void *memset(void *to, int byte, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes);

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_zdma_driver),
	BERTH_PLATFORM_DRIVER(&berth_bcm2835_dma_driver),
	BERTH_NO_MORE_DRIVERS,
};

/* What the controllers of a board need: the alignment of what they move, and the width of a register. */
static const struct board {
	const char *compatible;
	unsigned int nr_channels;
	uint32_t align, width, fifo;
} boards[] = {
	{ "xlnx-versal-virt", 8, 1, 1, 0x00 },
	{ "xlnx,zynqmp-zcu102", 16, 1, 1, 0x30 },
	{ "raspberrypi,3-model-b", 11, 4, 4, 0x00 },
};
static const struct board *board;

static struct dma_chan *channels[MAX_CHANNELS];
static unsigned int nr_channels;
static uint8_t *src, *dst;
static struct dma_interleaved_template *list;
static uint32_t nr_called;

static uint32_t random_below(uint32_t bound)
{
	static uint32_t state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % bound;
}

static void count(void *param)
{
	(void)param;
	__atomic_fetch_add(&nr_called, 1, __ATOMIC_SEQ_CST);
}

static bool run(struct dma_async_tx_descriptor *tx)
{
	if (!tx)
		return false;
	tx->callback = count;
	return !berth_dma_wait(tx->chan, dmaengine_submit(tx), PATIENCE);
}

static bool map(struct device *dev, dma_addr_t *from, dma_addr_t *to)
{
	uint32_t seed = random_below(256);

	for (uint32_t i = 0; i < BYTES; i++)
		src[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + seed);
	memset(dst, 0xa5, BYTES);
	*from = dma_map_single(dev, src, BYTES, DMA_TO_DEVICE);
	*to = dma_map_single(dev, dst, BYTES, DMA_BIDIRECTIONAL);
	return !dma_mapping_error(dev, *from) && !dma_mapping_error(dev, *to);
}

static void unmap(struct device *dev, dma_addr_t from, dma_addr_t to)
{
	dma_unmap_single(dev, from, BYTES, DMA_TO_DEVICE);
	dma_unmap_single(dev, to, BYTES, DMA_BIDIRECTIONAL);
}

static bool is_untouched(uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		if (dst[i] != 0xa5)
			return false;
	return true;
}

static bool is_copied(uint32_t to, uint32_t from, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		if (dst[to + i] != src[from + i])
			return false;
	return true;
}

static bool copy(struct dma_chan *chan)
{
	struct device *dev = dmaengine_get_dma_device(chan);
	uint32_t align = board->align, size, from, to;
	dma_addr_t a, b;
	bool good;

	size = (1 + random_below(BYTES / 2 / align)) * align;
	from = random_below((BYTES - size) / align + 1) * align;
	to = random_below((BYTES - size) / align + 1) * align;
	if (!map(dev, &a, &b))
		return false;
	good = run(dmaengine_prep_dma_memcpy(chan, b + to, a + from, size, DMA_PREP_INTERRUPT));
	unmap(dev, a, b);
	return good && is_copied(to, from, size) && is_untouched(0, to) &&
	       is_untouched(to + size, BYTES);
}

/* Runs of odd sizes and gaps. */
static bool chain(struct dma_chan *chan, uint32_t nr)
{
	struct device *dev = dmaengine_get_dma_device(chan);
	uint32_t align = board->align, max = BYTES / align / nr / 4, from = 0, to = 0;
	dma_addr_t a, b;
	bool good;

	if (!max || !map(dev, &a, &b))
		return false;
	*list = (struct dma_interleaved_template){
		.src_start = a,
		.dst_start = b,
		.dir = DMA_MEM_TO_MEM,
		.src_inc = true,
		.dst_inc = true,
		.src_sgl = true,
		.dst_sgl = true,
		.numf = 1,
		.frame_size = nr,
	};
	for (uint32_t i = 0; i < nr; i++)
		list->sgl[i] = (struct data_chunk){
			.size = (1 + random_below(max)) * align,
			.src_icg = random_below(max + 1) * align,
			.dst_icg = random_below(max + 1) * align,
		};
	good = run(dmaengine_prep_interleaved_dma(chan, list, DMA_PREP_INTERRUPT));
	unmap(dev, a, b);
	for (uint32_t i = 0; i < nr && good; i++) {
		const struct data_chunk *at = &list->sgl[i];

		good = is_copied(to, from, (uint32_t)at->size);
		from += (uint32_t)(at->size + at->src_icg);
		to += (uint32_t)at->size;
		good = good && is_untouched(to, to + (uint32_t)at->dst_icg);
		to += (uint32_t)at->dst_icg;
	}
	return good && is_untouched(to, BYTES);
}

static bool all_chains(struct dma_chan *chan)
{
	static const uint32_t numbers[] = { 1, 2, 31, 32, 33, 62, 63, 64, 65, 300, 1023, 4096 };

	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!chain(chan, numbers[i]))
			return false;
	return true;
}

static bool all_modes(struct dma_chan *chan)
{
	struct device *dev = dmaengine_get_dma_device(chan);

	if (!of_device_is_compatible(dev->of_node, "xlnx,zynqmp-dma-1.0"))
		return true;
	for (unsigned int mode = BERTH_ZDMA_SIMPLE; mode <= BERTH_ZDMA_LINKED; mode++)
		if (berth_zdma_set_mode(dev, (enum berth_zdma_mode)mode) || !copy(chan) ||
		    !all_chains(chan))
			return false;
	return !berth_zdma_set_mode(dev, BERTH_ZDMA_AUTO);
}

static bool configure(struct dma_chan *chan, phys_addr_t address)
{
	struct dma_slave_config config = {
		.direction = DMA_MEM_TO_DEV,
		.dst_addr = address,
		.dst_addr_width = (enum dma_slave_buswidth)board->width,
	};

	return !dmaengine_slave_config(chan, &config);
}

/* One letter in each access. */
static bool print(struct dma_chan *chan, const char *text)
{
	struct device *dev = dmaengine_get_dma_device(chan);
	struct device_node *node = of_find_node_by_path("serial0");
	struct berth_range uart;
	struct scatterlist sg[2];
	uint32_t nr = 0;
	bool good;

	if (!node)
		node = of_find_compatible_node(NULL, NULL, "arm,pl011");
	if (!node || berth_of_address(node, 0, &uart))
		return false;
	memset(src, 0, BYTES);
	for (; text[nr]; nr++)
		src[nr * board->width] = (uint8_t)text[nr];
	sg_init_table(sg, 2);
	sg_set_buf(&sg[0], src, 7 * board->width);
	sg_set_buf(&sg[1], src + 7 * board->width, (nr - 7) * board->width);
	if (!configure(chan, uart.base + board->fifo) || !dma_map_sg(dev, sg, 2, DMA_TO_DEVICE))
		return false;
	good = run(dmaengine_prep_slave_sg(chan, sg, 2, DMA_MEM_TO_DEV, DMA_PREP_INTERRUPT));
	dma_unmap_sg(dev, sg, 2, DMA_TO_DEVICE);
	return good;
}

static void feed_the_uart(struct dma_chan *chan)
{
	static char line[] = "ok 00 - the controller has fed the UART with this line\n";

	checks++;
	line[3] = (char)('0' + checks / 10);
	line[4] = (char)('0' + checks % 10);
	check(print(chan, line), "and said that it is done");
}

/* The bus of the controller does not lead to the CPUs' own registers. */
static void miss_the_windows(struct dma_chan *chan)
{
	unsigned int nr_windows;

	berth_device_windows(dmaengine_get_dma_device(chan), &nr_windows);
	if (!nr_windows)
		return;
	check(configure(chan, 0x40000000) &&
		      !dmaengine_prep_slave_single(chan, 0xc0100000, 64, DMA_MEM_TO_DEV, 0) &&
		      berth_last_error()->reason == BERTH_REASON_WINDOW,
	      "what the bus does not lead to is an error");
}

static bool find_board(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(boards); i++)
		if (of_device_is_compatible(of_find_node_by_path("/"), boards[i].compatible))
			board = &boards[i];
	return board != NULL;
}

static bool take_channels(void)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	while (nr_channels < MAX_CHANNELS &&
	       (channels[nr_channels] = dma_request_channel(mask, NULL, NULL)))
		nr_channels++;
	return nr_channels == board->nr_channels;
}

static void try_channels(void)
{
	bool runs = true, chains = true;
	uint32_t called = 0;

	for (unsigned int i = 0; i < nr_channels; i++) {
		for (unsigned int n = 0; n < 5; n++)
			runs = runs && copy(channels[i]);
		chains = chains && chain(channels[i], 100 + i);
		called += 6;
	}
	check(runs, "every channel copies runs of any size");
	check(chains, "every channel copies lists");
	check(__atomic_load_n(&nr_called, __ATOMIC_SEQ_CST) == called, "and each is told once");
	check(all_chains(channels[0]) && all_chains(channels[nr_channels - 1]),
	      "lists of 1 to 4096 runs");
	check(all_modes(channels[0]) && all_modes(channels[nr_channels - 1]),
	      "whatever the mode that the hardware is used in");
	feed_the_uart(channels[nr_channels - 1]);
	miss_the_windows(channels[0]);
}

int main(void)
{
	struct page *pages, *templates;

	if (berth_start(NULL, drivers, NULL) || !find_board()) {
		say("Bail out! berth_start\n");
		return 1;
	}
	pages = alloc_pages(GFP_KERNEL, ORDER);
	templates = alloc_pages(GFP_KERNEL, ORDER);
	check(pages && templates && take_channels(), "the channels of the board are there");
	if (!failures) {
		src = page_address(pages);
		dst = src + BYTES;
		list = page_address(templates);
		try_channels();
	}
	while (nr_channels)
		dma_release_channel(channels[--nr_channels]);
	if (pages)
		__free_pages(pages, ORDER);
	if (templates)
		__free_pages(templates, ORDER);
	check(!berth_stop(), "nothing is left");
	say("1..");
	say_number(checks);
	say("\n");
	return failures != 0;
}
