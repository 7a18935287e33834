/* SPDX-License-Identifier: BSD-2-Clause */
/* The network card as QEMU has it: thousands of frames, alone and between two cards. Prints TAP. */
#include <berth/aarch64.h>
#include <berth/berth.h>
#include <berth/completion.h>
#include <berth/gfp.h>
#include <berth/test.h>
#include <berth/timer.h>

#include <berth/drivers/host-generic.h>
#include <berth/drivers/rtl8139.h>

#include "tap.h"

#define MIN BERTH_RTL8139_MIN_FRAME
#define MAX BERTH_RTL8139_MAX_FRAME
#define SENDS BERTH_RTL8139_SENDS
#define PLACE 2048u
#define PAIR_FRAMES 4000u

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_PCI_DRIVER(&berth_rtl8139_pci_driver),
	BERTH_NO_MORE_DRIVERS,
};

static const uint8_t mac[2][6] = {
	{ 0x52, 0x54, 0, 0, 0, 1 },
	{ 0x52, 0x54, 0, 0, 0, 2 },
};

static struct device *card[2];
static uint8_t *frames; /* SENDS of them */
static uint8_t buffer[PLACE];
static struct completion back;
static uint32_t errors;

static void sent(void *data, void *frame, int error)
{
	(void)data;
	(void)frame;
	__atomic_fetch_add(&errors, error != 0, __ATOMIC_RELAXED);
	complete(&back);
}

static uint8_t byte_of(size_t i, uint32_t number, const uint8_t *to)
{
	if (i < 6)
		return to[i];
	return (uint8_t)((number * 2654435761u ^ (uint32_t)i * 40503u) >> 13);
}

static void fill(uint8_t *frame, size_t size, uint32_t number, const uint8_t *to)
{
	for (size_t i = 0; i < size; i++)
		frame[i] = byte_of(i, number, to);
}

static bool is_right(int got, size_t size, uint32_t number, const uint8_t *to)
{
	bool right = got == (int)size;

	for (size_t i = 0; right && i < size; i++)
		right = buffer[i] == byte_of(i, number, to);
	return right;
}

static int open(struct device *dev, unsigned int ring, unsigned int flags)
{
	const struct berth_rtl8139_config config = {
		.ring_bytes = ring,
		.flags = flags,
		.sent = sent,
	};

	return berth_rtl8139_start(dev, &config);
}

static int receive(struct device *dev)
{
	return berth_rtl8139_receive(dev, buffer, sizeof(buffer), 100);
}

static bool find_cards(void)
{
	struct pci_dev *pdev = NULL;
	unsigned int nr = 0;
	uint8_t own[6];

	while ((pdev = pci_get_device(BERTH_RTL8139_VENDOR, BERTH_RTL8139_DEVICE, pdev))) {
		if (nr == 2 || berth_rtl8139_mac(&pdev->dev, own))
			return false;
		for (unsigned int i = 0; i < 6; i++)
			if (own[i] != mac[nr][i])
				return false;
		card[nr++] = &pdev->dev;
	}
	return nr == 2;
}

/* Every size, through one ring. */
static bool loop(unsigned int ring)
{
	struct berth_rtl8139_stats stats;
	bool right = !open(card[0], ring, BERTH_RTL8139_LOOPBACK);

	for (uint32_t size = MIN; right && size <= MAX; size++) {
		fill(frames, size, size, mac[0]);
		right = !berth_rtl8139_send(card[0], frames, size) &&
			is_right(receive(card[0]), size, size, mac[0]) &&
			wait_for_completion_timeout(&back, 100);
	}
	right = right && !berth_rtl8139_stats(card[0], &stats) && !stats.resets && !errors &&
		!stats.rx_missed;
	return !berth_rtl8139_stop(card[0]) && right;
}

/*
 * More than the ring holds: what it holds comes, and it goes on. QEMU counts only what is lost while
 * the overflow's interrupt is enabled.
 */
static bool overflow(void)
{
	struct berth_rtl8139_stats stats;
	bool right = !open(card[0], 8192, BERTH_RTL8139_LOOPBACK);

	for (uint32_t round = 1; right && round <= 3; round++) {
		for (uint32_t i = 0; right && i < 9; i++) {
			fill(frames, MAX, i, mac[0]);
			right = !berth_rtl8139_send(card[0], frames, MAX) &&
				wait_for_completion_timeout(&back, 100);
		}
		for (uint32_t i = 0; right && i < 5; i++)
			right = is_right(receive(card[0]), MAX, i, mac[0]);
		right = right && receive(card[0]) == -ETIMEDOUT &&
			!berth_rtl8139_stats(card[0], &stats) && stats.rx_missed >= round &&
			stats.rx_overflows == round && !stats.resets;
	}
	return !berth_rtl8139_stop(card[0]) && right;
}

/* Up to four at once, there and back between two cards, in order. */
static bool pair(void)
{
	bool right = !open(card[0], 65536, 0) && !open(card[1], 8192, 0);
	unsigned int from = 0;

	for (uint32_t number = 0; right && number < PAIR_FRAMES; from = !from) {
		uint32_t first = number, burst = 1 + number * 7 % SENDS;

		for (; right && number < first + burst; number++) {
			uint8_t *frame = frames + PLACE * (number - first);
			size_t size = MIN + number * 131 % (MAX - MIN + 1);

			fill(frame, size, number, mac[!from]);
			right = !berth_rtl8139_send(card[from], frame, size);
		}
		for (uint32_t n = first; right && n < number; n++)
			right = is_right(receive(card[!from]), MIN + n * 131 % (MAX - MIN + 1), n,
					 mac[!from]) &&
				wait_for_completion_timeout(&back, 100);
	}
	/* Nobody hears what is for somebody else. */
	fill(frames, MIN, 0, mac[0]);
	right = right && !berth_rtl8139_send(card[0], frames, MIN) &&
		wait_for_completion_timeout(&back, 100) && receive(card[1]) == -ETIMEDOUT;
	right = !berth_rtl8139_stop(card[0]) && right;
	return !berth_rtl8139_stop(card[1]) && right && !errors;
}

/* Whichever allocation fails, what was taken is given back; the card works when none does. */
static void check_failures(void)
{
	unsigned int starts = 0, leaks = 0;
	bool failed = true, works = false;

	for (uint64_t nth = 1; failed && nth < 1000; nth++) {
		berth_test_fail_nth(nth);
		if (berth_start(NULL, drivers, NULL))
			continue;
		starts++;
		works = find_cards() && !open(card[0], 0, 0);
		failed = berth_test_failed();
		berth_test_fail_nth(0);
		leaks += berth_stop() != 0; /* stops the card */
	}
	check(!failed && works && starts > 10 && !leaks, "every allocation of a start may fail");
}

int main(void)
{
	struct page *page;

	say("1..10\n");
	if (berth_start(NULL, drivers, NULL)) {
		check(false, "berth_start");
		return 1;
	}
	page = alloc_pages(GFP_KERNEL, get_order(SENDS * PLACE));
	check(page && find_cards(), "two cards, with the addresses that they were given");
	if (failures)
		return 1;
	frames = page_address(page);
	check(berth_rtl8139_has_link(card[0]) && berth_rtl8139_has_link(card[1]), "their cables");
	check(loop(8192), "1455 frames, one of each size, in loopback, ring of 8 KiB");
	check(loop(16384), "ring of 16 KiB");
	check(loop(32768), "ring of 32 KiB");
	check(loop(65536), "ring of 64 KiB");
	check(overflow(), "a ring that overflows goes on afterwards");
	check(pair(), "4000 frames between two cards");
	__free_pages(page, get_order(SENDS * PLACE));
	check(!berth_stop(), "berth_stop");
	check_failures();
	return failures != 0;
}
