/* SPDX-License-Identifier: BSD-2-Clause */
/* QEMU's network card: frames through its ring, alone and between two cards on one hub. */
#include <berth/completion.h>
#include <berth/gfp.h>
#include <berth/timer.h>

#include <berth/drivers/rtl8139.h>

#include "board.h"

#define FRAMES 300u
#define MIN BERTH_RTL8139_MIN_FRAME
#define MAX BERTH_RTL8139_MAX_FRAME

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_PCI_DRIVER(&berth_rtl8139_pci_driver),
	BERTH_NO_MORE_DRIVERS,
};

static const char *const two_cards[] = {
	"-netdev", "hubport,id=one,hubid=0",
	"-netdev", "hubport,id=two,hubid=0",
	"-device", "rtl8139,netdev=one,mac=52:54:00:00:00:01,romfile=,addr=5",
	"-device", "rtl8139,netdev=two,mac=52:54:00:00:00:02,romfile=,addr=6",
	NULL,
};

static struct device *cards[2];
static struct completion back;
static uint32_t errors;

static void sent(void *data, void *frame, int error)
{
	(void)data;
	(void)frame;
	__atomic_fetch_add(&errors, error != 0, __ATOMIC_RELAXED);
	complete(&back);
}

static void start_cards(uint64_t ram_size)
{
	struct pci_dev *pdev = NULL;

	must_start(drivers, ram_size, NULL, two_cards);
	for (unsigned int i = 0; i < 2; i++) {
		uint8_t mac[6];

		pdev = must_find(BERTH_RTL8139_VENDOR, BERTH_RTL8139_DEVICE, pdev);
		cards[i] = &pdev->dev;
		assert_int_equal(berth_rtl8139_mac(cards[i], mac), 0);
		assert_int_equal(mac[5], i + 1);
	}
	init_completion(&back);
	errors = 0;
}

static size_t size_of(uint32_t number)
{
	return number < 2 ? (number ? MAX : MIN) : MIN + number * 7919u % (MAX - MIN + 1);
}

/* A frame from one card arrives at the other, byte for byte. */
static void pass(struct device *from, struct device *to, uint8_t *frame, uint32_t number)
{
	static uint8_t got[2048];
	size_t size = size_of(number);

	fill(frame, size, number);
	assert_int_equal(berth_rtl8139_mac(to, frame), 0);
	assert_int_equal(berth_rtl8139_send(from, frame, size), 0);
	assert_true(wait_for_completion_timeout(&back, msecs_to_jiffies(5000)));
	assert_int_equal(berth_rtl8139_receive(to, got, sizeof(got), msecs_to_jiffies(5000)), size);
	assert_memory_equal(got, frame, size);
}

static void frames_go_there_and_back(uint64_t ram_size, bool is_high)
{
	const struct berth_rtl8139_config config = { .ring_bytes = 8192, .sent = sent };
	struct page *page;

	start_cards(ram_size);
	page = alloc_page(GFP_KERNEL);
	assert_non_null(page);
	assert_int_equal(page_to_phys(page) >= 4 * GIB, is_high);
	assert_int_equal(berth_rtl8139_start(cards[0], &config), 0);
	assert_int_equal(berth_rtl8139_start(cards[1], &config), 0);
	/* The rings go round many times. */
	for (uint32_t i = 0; i < FRAMES; i++)
		pass(cards[i % 2], cards[1 - i % 2], page_address(page), i);
	assert_int_equal(errors, 0);
	assert_int_equal(berth_rtl8139_stop(cards[0]), 0);
	assert_int_equal(berth_rtl8139_stop(cards[1]), 0);
	__free_page(page);
	must_stop();
}

static void two_cards_talk(void **state)
{
	(void)state;
	frames_go_there_and_back(0, false);
}

/* The card has 32 bits, and the frames are above. */
static void two_cards_talk_through_bounce_buffers(void **state)
{
	(void)state;
	frames_go_there_and_back(4 * GIB, true);
}

static void a_card_notices_that_the_machine_is_gone(void **state)
{
	const struct berth_rtl8139_config config = { .sent = sent };
	static uint8_t got[2048];

	(void)state;
	start_cards(0);
	assert_int_equal(berth_rtl8139_start(cards[0], &config), 0);
	assert_int_equal(kill(berth_qemu_pid(), SIGKILL), 0);
	assert_true(berth_rtl8139_receive(cards[0], got, sizeof(got), msecs_to_jiffies(5000)) < 0);
	/* Its driver cannot know that it writes no more, and keeps what the card has. */
	assert_int_not_equal(berth_rtl8139_stop(cards[0]), 0);
	assert_int_equal(berth_stop(), -EBUSY);
	assert_reason(BERTH_REASON_LEAK);
	start_cards(0);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_cards_talk),
		cmocka_unit_test(two_cards_talk_through_bounce_buffers),
		cmocka_unit_test(a_card_notices_that_the_machine_is_gone),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
