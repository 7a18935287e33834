/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the SiFive PDMA of QEMU's sifive_u does beyond copies, as a client of it sees it: chains, patterns,
 * rings, pauses, and peripherals: the board's scratchpad memory, which has addresses as a window of
 * registers has, and its UART, which prints a line that the test counts.
 *
 * QEMU's engine takes no time: a ring is at its next period when the handler returns.
 */
#include <berth/berth.h>
#include <berth/io.h>
#include <berth/of.h>
#include <berth/platform_device.h>
#include <berth/timer.h>

#include <berth/drivers/sifive-pdma.h>

void *memset(void *to, int byte, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

#include "../model/dma_chain.h"
#include "../model/dma_copy.h"

#include "tap.h"

/* The loosely integrated memory of the L2 cache, and the transmit register of UART 0. */
#define SCRATCHPAD 0x08000000u
#define WINDOW 4096u
#define UART_TXDATA 0x10010000u
#define PERIOD 1024u
#define RING (4 * PERIOD)
#define PERIODS 21u
#define PATIENCE_MS 10000

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_NO_MORE_DRIVERS,
};

static struct dma_chan *chan;
static struct device *dev;
static struct dma_chain chain;

static uint32_t below(uint32_t bound)
{
	static uint32_t seed = 1;

	seed = seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(seed >> 4) * bound >> 28);
}

static bool chains(void)
{
	bool good = true;

	for (unsigned int nr = 1; nr <= 1000 && good; nr = nr * 3 + 1) {
		for (unsigned int how = 0; how < 2 && good; how++) {
			good = dma_chain_make(&chain, nr, 700, 1, below) &&
			       !dma_chain_run(&chain, chan,
					      how ? dma_chain_interleaved : dma_chain_copies);
			dma_chain_free(&chain);
		}
	}
	return good;
}

static bool configure(phys_addr_t at, uint32_t width, uint32_t window)
{
	struct dma_slave_config config = {
		.src_addr = at,
		.dst_addr = at,
		.src_addr_width = (enum dma_slave_buswidth)width,
		.dst_addr_width = (enum dma_slave_buswidth)width,
		.src_port_window_size = window,
		.dst_port_window_size = window,
	};

	return !dmaengine_slave_config(chan, &config);
}

/* One buffer to or from the peripheral. */
static bool move(void *buffer, size_t size, bool is_read)
{
	enum dma_data_direction dir = is_read ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	dma_addr_t addr = dma_map_single(dev, buffer, size, dir);
	struct dma_async_tx_descriptor *tx;
	bool good = false;

	if (dma_mapping_error(dev, addr))
		return false;
	tx = dmaengine_prep_slave_single(chan, addr, size,
					 is_read ? DMA_DEV_TO_MEM : DMA_MEM_TO_DEV, 0);
	if (tx)
		good = !berth_dma_wait(chan, dmaengine_submit(tx), PATIENCE_MS);
	dma_unmap_single(dev, addr, size, dir);
	return good;
}

/* Through the window twice and a half: what is there is the end of it, and the middle. */
static bool window(uint8_t *buffer)
{
	const size_t size = WINDOW * 5 / 2;
	bool good;

	for (size_t i = 0; i < size; i++)
		buffer[i] = (uint8_t)below(256);
	memcpy(buffer + size, buffer, size);
	good = configure(SCRATCHPAD, 8, WINDOW / 8) && move(buffer, size, false);
	memset(buffer, 0, WINDOW);
	good = good && move(buffer, WINDOW, true);
	return good && !memcmp(buffer, buffer + size + 2 * WINDOW, WINDOW / 2) &&
	       !memcmp(buffer + WINDOW / 2, buffer + size + WINDOW * 3 / 2, WINDOW / 2);
}

/* Counts, and ends it. */
static void period_ended(void *data)
{
	unsigned int *nr = data;

	if (++*nr == PERIODS)
		dmaengine_terminate_async(chan);
}

static bool ring(uint8_t *buffer)
{
	dma_addr_t addr = dma_map_single(dev, buffer, RING, DMA_FROM_DEVICE);
	struct dma_async_tx_descriptor *tx;
	unsigned int nr = 0;

	if (dma_mapping_error(dev, addr))
		return false;
	tx = dmaengine_prep_dma_cyclic(chan, addr, RING, PERIOD, DMA_DEV_TO_MEM, 0);
	if (tx) {
		tx->callback = period_ended;
		tx->callback_param = &nr;
		dmaengine_submit(tx);
		dma_async_issue_pending(chan);
		msleep(20);
		dmaengine_terminate_sync(chan);
	}
	dma_unmap_single(dev, addr, RING, DMA_FROM_DEVICE);
	return nr == PERIODS;
}

/* What a paused channel is given waits; a paused one can be terminated, and works then. */
static bool pauses(uint8_t *buffer)
{
	dma_addr_t addr = dma_map_single(dev, buffer, 2 * WINDOW, DMA_BIDIRECTIONAL);
	struct dma_async_tx_descriptor *tx;
	struct dma_tx_state at = { 0 };
	dma_cookie_t cookie;
	bool good;

	if (dma_mapping_error(dev, addr))
		return false;
	good = !dmaengine_pause(chan);
	tx = dmaengine_prep_dma_memcpy(chan, addr, addr + WINDOW, WINDOW, 0);
	cookie = dmaengine_submit(tx);
	dma_async_issue_pending(chan);
	msleep(5);
	good = good && dmaengine_tx_status(chan, cookie, &at) == DMA_IN_PROGRESS &&
	       at.residue == WINDOW && !dmaengine_resume(chan) &&
	       !berth_dma_wait(chan, cookie, PATIENCE_MS);
	good = good && !dmaengine_pause(chan) && !dmaengine_terminate_sync(chan) &&
	       !dma_chan_copy(chan, addr, addr + WINDOW, WINDOW);
	dma_unmap_single(dev, addr, 2 * WINDOW, DMA_BIDIRECTIONAL);
	return good && !memcmp(buffer, buffer + WINDOW, WINDOW);
}

/* A result of the test's that the engine prints: a register of one access is a window, too. */
static bool prints(uint32_t *words)
{
	static const char line[] = "ok 2 - the engine prints this line\n";
	size_t nr = sizeof(line) - 1;

	for (size_t i = 0; i < nr; i++)
		words[i] = (uint8_t)line[i];
	checks++;
	return configure(UART_TXDATA, 4, 1) && move(words, 4 * nr, false);
}

static void run(void)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, "sifive,fu540-c000-pdma");
	struct platform_device *pdev = node ? of_find_device_by_node(node) : NULL;
	uint8_t *buffer = kmalloc(8 * WINDOW, GFP_KERNEL);

	dev = pdev ? &pdev->dev : NULL;
	chan = dev ? dma_chan_of(dev) : NULL;
	check(chan && buffer, "the board's own tree has the engine");
	if (!chan || !buffer)
		return;
	failures += !prints((uint32_t *)(void *)buffer);
	check(chains(), "chains of runs of any length are as memcpy() would have made them");
	check(window(buffer), "a window of registers is gone through again and again");
	check(ring(buffer), "a ring has as many periods as its client wants");
	check(pauses(buffer), "a channel that is paused waits");
	dma_release_channel(chan);
	kfree(buffer);
}

int main(void)
{
	say("1..7\n");
	if (berth_start(NULL, drivers, NULL)) {
		say("Bail out! berth_start\n");
		return 1;
	}
	run();
	check(!berth_stop(), "nothing is left");
	return failures != 0;
}
