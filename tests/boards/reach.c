/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The drivers of the model's tests (tests/model/test_reach.c) on a machine with RAM above 4 GiB:
 * through bounce buffers where a device does not reach, and from device to device. Prints TAP.
 */
#include <berth/aarch64.h>
#include <berth/berth.h>
#include <berth/completion.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/io.h>
#include <berth/swiotlb.h>
#include <berth/timer.h>

#include <berth/drivers/edu.h>
#include <berth/drivers/host-generic.h>
#include <berth/drivers/rtl8139.h>

#include "tap.h"

#define FOUR_GIB (1ull << 32)
#define RAM_START 0x40000000u
#define NR_FRAMES 400u
#define MIN BERTH_RTL8139_MIN_FRAME
#define MAX BERTH_RTL8139_MAX_FRAME
#define UART 0x09000000u
#define UART_DIVISOR 0x24u
#define UART_PART 0xfe8u /* a number */
#define SHARED_BAR 2

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_PCI_DRIVER(&berth_rtl8139_pci_driver),
	BERTH_PCI_DRIVER(&berth_edu_driver),
	BERTH_NO_MORE_DRIVERS,
};

static struct device *card[2];
static struct pci_dev *small_edu, *large_edu, *shared;
static struct completion back;
static uint32_t seed = 1;

static uint8_t any_byte(void)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint8_t)(seed >> 24);
}

static void fill(uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = any_byte();
}

static bool is_equal(const uint8_t *a, const uint8_t *b, size_t size)
{
	while (size && *a == *b)
		a++, b++, size--;
	return !size;
}

static bool find_devices(void)
{
	struct pci_dev *pdev = NULL;

	for (unsigned int i = 0; i < 2; i++) {
		pdev = pci_get_device(BERTH_RTL8139_VENDOR, BERTH_RTL8139_DEVICE, pdev);
		if (!pdev)
			return false;
		card[i] = &pdev->dev;
	}
	small_edu = pci_get_device(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	large_edu = small_edu ? pci_get_device(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, small_edu)
			      : NULL;
	shared = pci_get_device(0x1af4, 0x1110, NULL);
	return large_edu && shared;
}

static uint64_t bounced(struct device *dev)
{
	struct berth_swiotlb_info info;

	berth_swiotlb_info(dev, &info);
	return info.nr_maps;
}

static void sent(void *data, void *frame, int error)
{
	(void)data;
	(void)frame;
	if (!error)
		complete(&back);
}

/* From one card to the other, out of @out and into @in. */
static bool one_frame(unsigned int number, uint8_t *out, uint8_t *in)
{
	unsigned int from = number & 1;
	size_t size = MIN + number * 131 % (MAX - MIN + 1);

	fill(out, size);
	if (berth_rtl8139_mac(card[!from], out) || berth_rtl8139_send(card[from], out, size))
		return false;
	return berth_rtl8139_receive(card[!from], in, MAX, 100) == (int)size &&
	       is_equal(in, out, size) && wait_for_completion_timeout(&back, 100);
}

/* Frames in memory of this kind; whether their bytes are right, and all or none was bounced. */
static bool frames(gfp_t gfp, bool is_high, bool are_bounced)
{
	const struct berth_rtl8139_config config = { .ring_bytes = 8192, .sent = sent };
	struct page *page = alloc_pages(gfp, 1);
	uint64_t before = bounced(card[0]) + bounced(card[1]);
	unsigned int number = 0;
	uint8_t *out, *in;
	bool right;

	if (!page)
		return false;
	out = page_address(page);
	in = out + PAGE_SIZE;
	right = (page_to_phys(page) >= FOUR_GIB) == is_high &&
		!berth_rtl8139_start(card[0], &config) && !berth_rtl8139_start(card[1], &config);
	for (; right && number < NR_FRAMES; number++)
		right = one_frame(number, out + number % 64 * 4, in);
	right = !berth_rtl8139_stop(card[0]) && right;
	right = !berth_rtl8139_stop(card[1]) && right;
	__free_pages(page, 1);
	return right &&
	       bounced(card[0]) + bounced(card[1]) - before == (are_bounced ? NR_FRAMES : 0);
}

/* Through the buffer of an edu: it reaches as many bits as are said. */
static bool edu_copy(unsigned int bits, bool are_bounced)
{
	const size_t size = 6000; /* two pieces */
	struct page *page = alloc_pages(GFP_KERNEL, 2);
	uint64_t before = bounced(&large_edu->dev);
	uint8_t *from, *to;
	bool right;

	if (!page)
		return false;
	from = page_address(page);
	to = from + 2 * PAGE_SIZE;
	fill(from, size);
	fill(to, size);
	right = page_to_phys(page) >= FOUR_GIB && !berth_edu_set_dma_bits(large_edu, bits) &&
		!berth_edu_copy(large_edu, to, from, size) && is_equal(from, to, size);
	__free_pages(page, 2);
	return right && bounced(&large_edu->dev) - before == (are_bounced ? 2 : 0);
}

static bool refused_with_reason(void)
{
	const struct berth_error *error = berth_last_error();
	uint8_t byte = 0;

	return berth_edu_set_dma_bits(small_edu, BERTH_EDU_DMA_BITS) == -EIO &&
	       error->reason == BERTH_REASON_MASK && error->address == RAM_START &&
	       error->limit == DMA_BIT_MASK(BERTH_EDU_DMA_BITS) &&
	       berth_edu_copy_to(small_edu, 0, &byte, 1) == -EIO;
}

/* Though it reaches no RAM: from one register of the UART to another. */
static bool small_edu_to_uart(void)
{
	char __iomem *uart = ioremap(UART, 0x1000);
	uint32_t part, before, after;
	bool right;

	if (!uart)
		return false;
	part = readl(uart + UART_PART);
	before = readl(uart + UART_DIVISOR);
	right = !berth_edu_copy_resource(small_edu, 0, UART + UART_PART, 4, DMA_TO_DEVICE) &&
		!berth_edu_copy_resource(small_edu, 0, UART + UART_DIVISOR, 4, DMA_FROM_DEVICE);
	after = readl(uart + UART_DIVISOR);
	iounmap(uart);
	return right && part && before != part && after == part &&
	       berth_edu_copy_resource(small_edu, 0, pci_resource_start(shared, SHARED_BAR), 4,
				       DMA_FROM_DEVICE) != 0;
}

/* The first bytes of this result are the edu's: without them the line is none. */
static void say_through_edu(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	uint8_t *text = page_address(page);
	bool is_ok;

	text[0] = 'o';
	text[1] = 'k';
	is_ok = !berth_edu_set_dma_bits(large_edu, 64) &&
		!berth_edu_copy_to(large_edu, 100, text, 2) &&
		!berth_edu_copy_resource(large_edu, 100, UART, 1, DMA_FROM_DEVICE) &&
		!berth_edu_copy_resource(large_edu, 101, UART, 1, DMA_FROM_DEVICE);
	__free_page(page);
	failures += !is_ok;
	say(" ");
	say_number(++checks);
	say(" - the first two characters of this line come from an edu\n");
}

/* To another function's memory and back: both its BAR and the way there are the bus's. */
static bool edu_to_bar(void)
{
	phys_addr_t bar = pci_resource_start(shared, SHARED_BAR) + 0x8004;
	struct page *page = alloc_page(GFP_KERNEL);
	char __iomem *memory = NULL;
	uint8_t *bytes;
	bool right;

	if (!page || pci_enable_device(shared))
		return false;
	memory = pci_iomap(shared, SHARED_BAR, 0);
	bytes = page_address(page);
	fill(bytes, 2000);
	right = memory && !berth_edu_copy_to(large_edu, 0, bytes, 2000) &&
		!berth_edu_copy_resource(large_edu, 0, bar, 2000, DMA_FROM_DEVICE);
	for (unsigned int i = 0; right && i < 2000; i++)
		right = readb(memory + 0x8004 + i) == bytes[i];
	for (unsigned int i = 0; right && i < 500; i++)
		writeb(bytes[i] ^ 0x5a, memory + 0x8004 + i);
	right = right && !berth_edu_copy_resource(large_edu, 3, bar, 500, DMA_TO_DEVICE) &&
		!berth_edu_copy_from(large_edu, bytes + 2048, 3, 500);
	for (unsigned int i = 0; right && i < 500; i++)
		right = bytes[2048 + i] == (uint8_t)(bytes[i] ^ 0x5a);
	if (memory)
		pci_iounmap(shared, memory);
	pci_disable_device(shared);
	__free_page(page);
	return right;
}

static bool start(const char *bootargs)
{
	const struct berth_options options = { .bootargs = bootargs };

	return !berth_start(NULL, drivers, &options) && find_devices();
}

int main(void)
{
	say("1..12\n");
	check(start(NULL), "RAM on both sides of 4 GiB, two cards, two edu");
	if (failures)
		return 1;
	check(frames(GFP_KERNEL, true, true), "400 frames above 4 GiB, all through bounce buffers");
	check(frames(GFP_KERNEL | GFP_DMA32, false, false), "400 frames below, none bounced");
	check(edu_copy(32, true), "an edu of 32 bits copies above 4 GiB through bounce buffers");
	check(edu_copy(64, false), "one of 64 bits does without");
	check(refused_with_reason(), "one of 28 bits reaches no RAM: the reason says so");
	check(small_edu_to_uart(), "but it reaches a UART, and no BAR");
	say_through_edu();
	check(edu_to_bar(), "an edu writes to another function's BAR, and reads it");
	check(!berth_stop(), "berth_stop");
	check(start("swiotlb=force") && frames(GFP_KERNEL | GFP_DMA32, false, true) &&
		      frames(GFP_KERNEL, true, true) && edu_copy(64, true) && refused_with_reason(),
	      "swiotlb=force: the same, and everything is bounced");
	check(!berth_stop(), "berth_stop");
	return failures != 0;
}
