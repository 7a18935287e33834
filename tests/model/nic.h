/* SPDX-License-Identifier: BSD-2-Clause */
/* The board with the two network cards, and frames that say what is in them. */
#ifndef TESTS_MODEL_NIC_H
#define TESTS_MODEL_NIC_H

#include "machine.h"

#include <berth/completion.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/interrupt.h>
#include <berth/io.h>
#include <berth/test.h>
#include <berth/timer.h>

#include <berth/drivers/rtl8139.h>

#include "boards.h"

#define CARD_A "/soc-bus/ethernet@10000000"
#define CARD_B "/soc-bus/ethernet@10001000"
#define REGISTERS_A 0x10000000

#define MIN BERTH_RTL8139_MIN_FRAME
#define MAX BERTH_RTL8139_MAX_FRAME
#define SENDS BERTH_RTL8139_SENDS

static const struct berth_driver nic_drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_rtl8139_platform_driver),
	BERTH_NO_MORE_DRIVERS,
};

static const uint8_t mac_a[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t mac_b[6] = { 2, 0, 0, 0, 0, 2 };

/* Frames that came back from a card: how many, and the errors they came with. */
static struct nic_log {
	uint32_t sent, failed, stopped;
	struct completion back;
} nic_log;

static inline void nic_sent(void *data, void *frame, int error)
{
	struct nic_log *log = data;

	(void)frame;
	__atomic_fetch_add(error == 0	     ? &log->sent
			   : error == -ENXIO ? &log->stopped
					     : &log->failed,
			   1, __ATOMIC_RELAXED);
	complete(&log->back);
}

static inline struct device *nic_find(const char *path)
{
	struct device_node *node = of_find_node_by_path(path);

	assert_non_null(node);
	return &of_find_device_by_node(node)->dev;
}

/* Both cards bound, none started. Returns the first. */
static inline struct device *nic_boot(const struct berth_model_config *config)
{
	if (berth_running())
		berth_stop(); /* a test before this one has failed */
	nic_log = (struct nic_log){ 0 };
	assert_int_equal(start_tree(board_network, nic_drivers, config), 0);
	return nic_find(CARD_A);
}

static inline int nic_open(struct device *dev, unsigned int ring_bytes, unsigned int flags)
{
	const struct berth_rtl8139_config config = {
		.ring_bytes = ring_bytes,
		.flags = flags,
		.sent = nic_sent,
		.data = &nic_log,
	};

	return berth_rtl8139_start(dev, &config);
}

/* @nr places of 2048 bytes for frames, which the cards reach. */
static inline uint8_t *nic_frames(unsigned int nr)
{
	struct page *page =
		alloc_pages(GFP_KERNEL | __GFP_DMA32 | __GFP_ZERO, get_order(nr * 2048ul));

	assert_non_null(page);
	return page_address(page);
}

static inline void nic_free_frames(uint8_t *frames, unsigned int nr)
{
	__free_pages(virt_to_page(frames), get_order(nr * 2048ul));
}

/* Frame number @number: addresses, a type, the number, noise that depends on both. */
static inline void nic_fill(uint8_t *frame, size_t size, uint32_t number, const uint8_t to[6])
{
	uint32_t noise = number * 2654435761u + (uint32_t)size;

	memcpy(frame, to, 6);
	memcpy(frame + 6, mac_a, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	memcpy(frame + 14, &number, 4);
	for (size_t i = 18; i < size; i++) {
		noise = noise * 1664525u + 1013904223u;
		frame[i] = (uint8_t)(noise >> 24);
	}
}

static inline bool nic_is(const uint8_t *frame, int got, size_t size, uint32_t number,
			  const uint8_t to[6])
{
	uint8_t wanted[4096];

	nic_fill(wanted, size, number, to);
	return got == (int)size && !memcmp(frame, wanted, size);
}

/* Send, and wait until the card has done with it. */
static inline int nic_send(struct device *dev, uint8_t *frame, size_t size)
{
	int err = berth_rtl8139_send(dev, frame, size);

	if (!err && !wait_for_completion_timeout(&nic_log.back, 1000))
		err = -ETIMEDOUT;
	return err;
}

static inline int nic_receive(struct device *dev, uint8_t *buffer)
{
	return berth_rtl8139_receive(dev, buffer, 2048, 20);
}

static inline void nic_deliver(const char *path, size_t size, uint32_t number, const uint8_t to[6])
{
	uint8_t frame[4096];

	nic_fill(frame, size, number, to);
	assert_int_equal(berth_model_rtl8139_deliver(path, frame, size, false), 0);
}

static inline struct berth_rtl8139_stats nic_stats(struct device *dev)
{
	struct berth_rtl8139_stats stats;

	assert_int_equal(berth_rtl8139_stats(dev, &stats), 0);
	return stats;
}

#endif
