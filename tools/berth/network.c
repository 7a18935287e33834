// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/completion.h>
#include <berth/error.h>
#include <berth/gfp.h>
#include <berth/model.h>
#include <berth/of.h>
#include <berth/swiotlb.h>
#include <berth/timer.h>

#include <berth/drivers/rtl8139.h>

#include "network.h"

#define WAIT_MS 1000
#define RING_BYTES 8192u
#define ADDRESSES 12u
#define HEADER 14u

struct network {
	struct network_work *work;
	struct device *card;
	char path[256];
	uint64_t random;
	uint8_t mac[6];
	uint8_t *out, *in; /* a page each, wherever there is one */
	struct completion sent;
	uint8_t wanted[BERTH_RTL8139_MAX_FRAME]; /* what must come back */
	uint8_t echo[BERTH_RTL8139_MAX_FRAME]; /* the other end's */
	bool is_started;
};

static const uint8_t other_end[6] = { 0x02, 0, 0, 0, 0, 0x99 };

static uint32_t any(struct network *network)
{
	network->random = network->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(network->random >> 32);
}

/* The other end of the cable, called by the model: it changes the addresses, and sends it back. */
static void heard(void *data, const void *frame, size_t size)
{
	struct network *network = data;
	const uint8_t *bytes = frame;

	if (size < HEADER || size > sizeof(network->echo))
		return;
	memcpy(network->echo, bytes + 6, 6);
	memcpy(network->echo + 6, bytes, 6);
	memcpy(network->echo + ADDRESSES, bytes + ADDRESSES, size - ADDRESSES);
	berth_model_rtl8139_deliver(network->path, network->echo, size, false);
}

static void sent(void *data, void *frame, int error)
{
	struct network *network = data;

	(void)frame;
	if (!error)
		complete(&network->sent);
}

static int no_start(char *error, size_t size, const char *what)
{
	char text[256];

	berth_error_text(NULL, text, sizeof(text));
	snprintf(error, size, "network card: %s: %s", what, text);
	return -1;
}

static int prepare(struct network *network, char *error, size_t size)
{
	const struct berth_rtl8139_config config = {
		.ring_bytes = RING_BYTES,
		.sent = sent,
		.data = network,
	};

	network->out = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	network->in = (uint8_t *)__get_free_pages(GFP_KERNEL, 0);
	if (!network->out || !network->in)
		return no_start(error, size, "no memory for its frames");
	if (berth_model_rtl8139_wire(network->path, heard, network) ||
	    berth_rtl8139_mac(network->card, network->mac) ||
	    berth_rtl8139_start(network->card, &config))
		return no_start(error, size, "it does not start");
	network->is_started = true;
	return 0;
}

int network_start(struct network **started, uint64_t seed, struct network_work *work, char *error,
		  size_t size)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, "berth,model-rtl8139");
	struct platform_device *pdev = node ? of_find_device_by_node(node) : NULL;
	struct network *network;

	*started = NULL;
	if (!pdev)
		return 0;
	network = calloc(1, sizeof(*network));
	if (!network) {
		snprintf(error, size, "network card: no memory");
		return -1;
	}
	network->work = work;
	network->card = &pdev->dev;
	network->random = seed;
	init_completion(&network->sent);
	berth_of_node_path(node, network->path, sizeof(network->path));
	work->is_there = true;
	if (prepare(network, error, size)) {
		network_end(network);
		return -1;
	}
	*started = network;
	return 0;
}

void network_end(struct network *network)
{
	if (!network)
		return;
	berth_model_rtl8139_wire(network->path, NULL, NULL);
	if (network->is_started)
		berth_rtl8139_stop(network->card);
	free_pages((uintptr_t)network->out, 0);
	free_pages((uintptr_t)network->in, 0);
	free(network);
}

/* A frame for the other end, in both forms: as it goes, and as it has to come back. */
static size_t make_frame(struct network *network)
{
	size_t size = BERTH_RTL8139_MIN_FRAME +
		      any(network) % (BERTH_RTL8139_MAX_FRAME - BERTH_RTL8139_MIN_FRAME + 1);

	memcpy(network->out, other_end, 6);
	memcpy(network->out + 6, network->mac, 6);
	network->out[12] = 0x88; /* for experiments */
	network->out[13] = 0xb5;
	for (size_t i = HEADER; i < size; i++)
		network->out[i] = (uint8_t)any(network);
	memcpy(network->wanted, network->mac, 6);
	memcpy(network->wanted + 6, other_end, 6);
	memcpy(network->wanted + ADDRESSES, network->out + ADDRESSES, size - ADDRESSES);
	return size;
}

static enum network_outcome lost(const struct network *network, char *error, size_t size,
				 const char *what)
{
	snprintf(error, size, "network frame %llu %s", (unsigned long long)network->work->frames_in,
		 what);
	return NETWORK_LOST;
}

static enum network_outcome exchange(struct network *network, size_t *byte, char *error,
				     size_t size)
{
	struct network_work *work = network->work;
	size_t bytes = make_frame(network), at = 0;
	int ret = berth_rtl8139_send(network->card, network->out, bytes);
	char what[280];

	if (ret) {
		snprintf(what, sizeof(what), "cannot be sent: ");
		berth_error_text(NULL, what + strlen(what), sizeof(what) - strlen(what));
		return lost(network, error, size, what);
	}
	if (!wait_for_completion_timeout(&network->sent, msecs_to_jiffies(WAIT_MS)))
		return lost(network, error, size, "is not sent");
	work->frames_out++;
	work->bytes_out += bytes;
	memset(network->in, 0, BERTH_RTL8139_MAX_FRAME);
	ret = berth_rtl8139_receive(network->card, network->in, PAGE_SIZE,
				    msecs_to_jiffies(WAIT_MS));
	if (ret < 0)
		return lost(network, error, size, "does not come back");
	work->frames_in++;
	work->bytes_in += (uint64_t)ret;
	if ((size_t)ret == bytes && !memcmp(network->in, network->wanted, bytes))
		return NETWORK_RIGHT;
	work->wrong++;
	while (at < bytes && at < (size_t)ret && network->in[at] == network->wanted[at])
		at++;
	*byte = at;
	return NETWORK_WRONG;
}

enum network_outcome network_exchange(struct network *network, size_t *byte, char *error,
				      size_t size)
{
	struct network_work *work = network->work;
	struct berth_swiotlb_info before, after;
	enum network_outcome outcome;

	berth_swiotlb_info(network->card, &before);
	outcome = exchange(network, byte, error, size);
	berth_swiotlb_info(network->card, &after);
	work->bounced += after.nr_maps - before.nr_maps;
	work->bounced_bytes +=
		after.bytes_in + after.bytes_out - before.bytes_in - before.bytes_out;
	return outcome;
}
