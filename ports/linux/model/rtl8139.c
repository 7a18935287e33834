// SPDX-License-Identifier: BSD-2-Clause
/*
 * The network card "berth,model-rtl8139": the registers of a Realtek RTL8139 that its first mode of
 * operation needs, at 100 Mbit/s. The data sheet is in docs/model-devices.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>

#include "rtl8139.h"

static void arrive_step(struct model_device *dev, uint64_t arg);
static void store_step(struct model_device *dev, uint64_t offset);
static void fetch_step(struct model_device *dev, uint64_t offset);
static void sent_step(struct model_device *dev, uint64_t arg);
static void reset_step(struct model_device *dev, uint64_t arg);

static uint32_t checksum(const uint8_t *bytes, size_t size)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (unsigned int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void raise(struct model_device *dev, uint32_t bits)
{
	struct card *card = dev->state;

	card->isr |= (uint16_t)bits;
	model_irq(dev, 0, card->isr & card->imr);
}

/* Memory did not answer. */
static void system_error(struct model_device *dev)
{
	struct card *card = dev->state;

	card->is_dead = true;
	model_cancel(dev, fetch_step);
	model_cancel(dev, sent_step);
	model_cancel(dev, store_step);
	raise(dev, INT_SERR);
}

static bool is_enabled(const struct card *card, uint32_t half)
{
	return (card->cr & half) && !card->is_resetting && !card->is_dead;
}

static uint32_t ring_size(const struct card *card)
{
	return 8192u << (card->rcr >> 11 & 3);
}

/* Where the driver reads. */
static uint32_t read_at(const struct card *card)
{
	return (uint16_t)(card->capr + 16) & (ring_size(card) - 1);
}

/* The first of the queue is done with; the next one comes in. */
static void next_frame(struct model_device *dev)
{
	struct card *card = dev->state;
	struct frame *first = card->queue;

	if (card->is_arriving) {
		card->queue = first->next;
		if (!card->queue)
			card->tail = &card->queue;
		card->nr_queued--;
		card->is_arriving = false;
		free(first);
	}
	if (card->queue) {
		card->is_arriving = true;
		model_after(dev, card->queue->is_own ? 0 : (card->queue->size + AROUND) * BYTE_NS,
			    arrive_step, 0);
	}
}

static int enqueue(struct model_device *dev, const void *bytes, size_t size, bool is_damaged,
		   bool is_own)
{
	struct card *card = dev->state;
	struct frame *frame;

	if (card->nr_queued == MAX_QUEUED)
		return -EBUSY;
	frame = malloc(sizeof(*frame) + size);
	if (!frame)
		return -ENOMEM;
	frame->next = NULL;
	frame->size = size;
	frame->is_damaged = is_damaged;
	frame->is_own = is_own;
	memcpy(frame->bytes, bytes, size);
	*card->tail = frame;
	card->tail = &frame->next;
	card->nr_queued++;
	if (!card->is_arriving)
		next_frame(dev);
	return 0;
}

static bool is_in_group(const struct card *card, const uint8_t *address)
{
	uint32_t crc = ~checksum(address, 6), reversed = 0;

	for (unsigned int i = 0; i < 6; i++)
		reversed |= (crc >> i & 1) << (5 - i);
	return card->mar[reversed / 8] >> reversed % 8 & 1;
}

/* Whether the card takes the frame, and what its header will say. */
static bool filter(struct card *card, const struct frame *frame)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	bool is_mine = !memcmp(frame->bytes, card->idr, 6);
	bool is_broadcast = !memcmp(frame->bytes, broadcast, 6);
	bool is_group = !is_broadcast && frame->bytes[0] & 1;
	bool is_wanted = card->rcr & RCR_AAP;

	is_wanted = is_wanted || (is_mine && card->rcr & RCR_APM);
	is_wanted = is_wanted || (is_broadcast && card->rcr & RCR_AB);
	is_wanted = is_wanted ||
		    (is_group && card->rcr & RCR_AM && is_in_group(card, frame->bytes));
	if (frame->is_damaged)
		is_wanted = is_wanted && card->rcr & RCR_AER;
	if (frame->size < FULL_FRAME)
		is_wanted = is_wanted && card->rcr & RCR_AR;
	card->rx_status = (uint16_t)((is_mine ? STATUS_PAM : 0) | (is_broadcast ? STATUS_BAR : 0) |
				     (is_group ? STATUS_MAR : 0) |
				     (frame->size < FULL_FRAME ? STATUS_RUNT : 0) |
				     (frame->is_damaged ? STATUS_CRC : STATUS_ROK));
	return is_wanted;
}

/* An overflow lasts until the driver has given room and then cleared it. */
static bool has_room(const struct card *card, size_t size)
{
	uint32_t room = (read_at(card) - card->rx_at) & (ring_size(card) - 1);

	if (card->isr & INT_RXOVW)
		return false;
	return !room || size + HEADER + CHECKSUM < room;
}

static void arrive_step(struct model_device *dev, uint64_t arg)
{
	struct card *card = dev->state;
	const struct frame *frame = card->queue;

	(void)arg;
	if (!is_enabled(card, CR_RE)) {
		next_frame(dev);
		return;
	}
	if (frame->is_damaged)
		raise(dev, INT_RER);
	if (!filter(card, frame)) {
		next_frame(dev);
	} else if (!has_room(card, frame->size)) {
		card->mpc = (card->mpc + 1) & MPC_MASK;
		if (!(card->isr & INT_RXOVW))
			card->has_room_been_given = false;
		raise(dev, INT_RXOVW);
		next_frame(dev);
	} else {
		model_after(dev, BURST_NS, store_step, 0);
	}
}

/* In the largest ring, and without WRAP, what goes beyond the end goes on at the start. */
static bool store(struct model_device *dev, uint32_t at, const void *bytes, uint32_t size)
{
	struct card *card = dev->state;
	bool is_split = ring_size(card) == 65536 || !(card->rcr & RCR_WRAP);
	uint32_t ring = ring_size(card), first = size;

	if (is_split) {
		at &= ring - 1;
		first = size < ring - at ? size : ring - at;
	}
	if (model_dma_write(dev, (uint32_t)(card->rbstart + at), bytes, first) ||
	    (first < size &&
	     model_dma_write(dev, card->rbstart, (const uint8_t *)bytes + first, size - first))) {
		system_error(dev);
		return false;
	}
	return true;
}

/* The frame, its checksum, and last the header in front. */
static void store_step(struct model_device *dev, uint64_t offset)
{
	struct card *card = dev->state;
	const struct frame *frame = card->queue;
	uint32_t left = (uint32_t)(frame->size - offset);
	uint32_t part = left < BURST ? left : BURST, tail[2];

	if (!is_enabled(card, CR_RE)) {
		next_frame(dev);
		return;
	}
	if (!store(dev, card->rx_at + HEADER + (uint32_t)offset, frame->bytes + offset, part)) {
		next_frame(dev);
		return;
	}
	if (part < left) {
		model_after(dev, BURST_NS, store_step, offset + part);
		return;
	}
	tail[0] = checksum(frame->bytes, frame->size) ^ (frame->is_damaged ? UINT32_MAX : 0);
	tail[1] = card->rx_status | (uint32_t)(frame->size + CHECKSUM) << 16;
	if (store(dev, card->rx_at + HEADER + (uint32_t)frame->size, &tail[0], CHECKSUM) &&
	    store(dev, card->rx_at, &tail[1], HEADER)) {
		card->rx_at += HEADER + (uint32_t)frame->size + CHECKSUM + 3;
		card->rx_at &= (ring_size(card) - 1) & ~3u;
		raise(dev, frame->is_damaged ? 0 : INT_ROK);
	}
	next_frame(dev);
}

/* The descriptor whose turn it is, if the driver has given it. */
static void send_next(struct model_device *dev)
{
	struct card *card = dev->state;

	if (!is_enabled(card, CR_TE) || card->is_sending || card->is_aborted ||
	    card->tsd[card->tx_at] & TSD_OWN)
		return;
	card->is_sending = true;
	model_after(dev, BURST_NS, fetch_step, 0);
}

static uint32_t tx_size(const struct card *card)
{
	uint32_t size = card->tsd[card->tx_at] & TSD_SIZE;

	return size < MAX_TX ? size : MAX_TX;
}

static void fetch_step(struct model_device *dev, uint64_t offset)
{
	struct card *card = dev->state;
	uint32_t left = tx_size(card) - (uint32_t)offset;
	uint32_t part = left < BURST ? left : BURST;

	if (part && model_dma_read(dev, (uint32_t)(card->tsad[card->tx_at] + offset),
				   card->tx_fifo + offset, part)) {
		card->is_sending = false;
		system_error(dev);
	} else if (part < left) {
		model_after(dev, BURST_NS, fetch_step, offset + part);
	} else {
		card->tsd[card->tx_at] |= TSD_OWN;
		model_after(dev, (uint64_t)(tx_size(card) + AROUND) * BYTE_NS, sent_step, 0);
	}
}

static void sent_step(struct model_device *dev, uint64_t arg)
{
	struct card *card = dev->state;
	uint32_t *tsd = &card->tsd[card->tx_at], size = tx_size(card);
	bool is_loopback = (card->tcr & TCR_LOOPBACK) == TCR_LOOPBACK;

	(void)arg;
	card->is_sending = false;
	if (card->jammed) {
		card->jammed--;
		card->is_aborted = true;
		*tsd |= TSD_TABT;
		raise(dev, INT_TER);
		return;
	}
	*tsd |= TSD_TOK;
	card->tx_at = (card->tx_at + 1) % DESCRIPTORS;
	raise(dev, INT_TOK);
	if (is_loopback && size >= MIN_FRAME)
		enqueue(dev, card->tx_fifo, size, false, true);
	else if (!is_loopback && card->is_pulled)
		*tsd |= TSD_CRS;
	else if (!is_loopback && card->sent)
		card->sent(card->sent_data, card->tx_fifo, size);
	send_next(dev);
}

static void forget_queue(struct card *card)
{
	struct frame *frame;

	while ((frame = card->queue)) {
		card->queue = frame->next;
		free(frame);
	}
	card->tail = &card->queue;
	card->nr_queued = 0;
	card->is_arriving = false;
}

/* What is on the wire still comes; what was being stored, or came out of the card itself, is lost. */
static void card_reset(struct model_device *dev)
{
	struct card *card = dev->state;

	model_cancel(dev, fetch_step);
	model_cancel(dev, sent_step);
	model_cancel(dev, store_step);
	model_cancel(dev, arrive_step);
	model_cancel(dev, reset_step);
	for (unsigned int i = 0; i < DESCRIPTORS; i++) {
		card->tsd[i] = TSD_OWN;
		card->tsad[i] = 0;
	}
	if ((card->tcr & TCR_LOOPBACK) == TCR_LOOPBACK)
		forget_queue(card);
	memset(card->mar, 0, sizeof(card->mar));
	card->rbstart = card->tcr = card->rcr = card->mpc = 0;
	card->capr = 0xfff0;
	card->imr = card->isr = 0;
	card->cr = 0;
	card->is_dead = card->is_sending = card->is_aborted = false;
	card->tx_at = card->rx_at = 0;
	raise(dev, 0);
	if (card->is_arriving)
		next_frame(dev);
}

static void reset_step(struct model_device *dev, uint64_t arg)
{
	struct card *card = dev->state;

	(void)arg;
	card->is_resetting = false;
}

static void write_cr(struct model_device *dev, uint32_t value)
{
	struct card *card = dev->state;

	if (value & CR_RST) {
		card_reset(dev);
		card->is_resetting = true;
		model_after(dev, RESET_NS, reset_step, 0);
		return;
	}
	if (card->is_resetting)
		return;
	if (value & CR_RE && !(card->cr & CR_RE))
		card->rx_at = 0;
	card->cr = value & (CR_RE | CR_TE);
	send_next(dev);
}

static void write_tcr(struct model_device *dev, uint32_t value)
{
	struct card *card = dev->state;

	if (!is_enabled(card, CR_TE))
		return;
	card->tcr = value & TCR_WRITABLE;
	if (value & TCR_CLRABT && card->is_aborted) {
		card->is_aborted = false;
		card->tsd[card->tx_at] &= ~(TSD_TABT | TSD_OWN);
		send_next(dev);
	}
}

/* RXOVW goes only when there is room again, and takes FOVW along. */
static void write_isr(struct model_device *dev, uint32_t value)
{
	struct card *card = dev->state;

	if (!card->has_room_been_given)
		value &= ~INT_RXOVW;
	card->isr &= (uint16_t)~value;
	raise(dev, 0);
}

static void write_tsd(struct model_device *dev, unsigned int index, uint32_t value)
{
	struct card *card = dev->state;

	/* One that the card has is left alone. */
	if (!is_enabled(card, CR_TE) || !(card->tsd[index] & TSD_OWN))
		return;
	card->tsd[index] = value & (TSD_WRITABLE | TSD_OWN);
	send_next(dev);
}

static uint64_t read_32(struct card *card, uint64_t offset)
{
	uint32_t word;

	switch (offset) {
	case REG_IDR:
	case REG_MAR:
	case REG_MAR + 4:
		memcpy(&word, offset ? &card->mar[offset - REG_MAR] : card->idr, 4);
		return word;
	case REG_TSD ... REG_TSD + 15:
		return offset & 3 ? 0 : card->tsd[(offset - REG_TSD) / 4];
	case REG_TSAD ... REG_TSAD + 15:
		return offset & 3 ? 0 : card->tsad[(offset - REG_TSAD) / 4];
	case REG_RBSTART:
		return card->rbstart;
	case REG_TCR:
		return card->tcr | TCR_VERSION;
	case REG_RCR:
		return card->rcr;
	case REG_MPC:
		return card->mpc;
	default:
		return 0;
	}
}

static uint64_t card_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	struct card *card = dev->state;

	if (bytes == 4)
		return read_32(card, offset);
	if (bytes == 1 && offset < sizeof(card->idr))
		return card->idr[offset];
	if (bytes == 1 && offset == REG_CR)
		return card->cr | (card->rx_at == read_at(card) ? CR_BUFE : 0) |
		       (card->is_resetting ? CR_RST : 0);
	if (bytes == 1 && offset == REG_MSR)
		return card->is_pulled ? MSR_LINKB : 0;
	if (bytes != 2)
		return 0;
	switch (offset) {
	case REG_CAPR:
		return card->capr;
	case REG_CBR:
		return card->rx_at;
	case REG_IMR:
		return card->imr;
	case REG_ISR:
		return card->isr;
	default:
		return 0;
	}
}

static void write_16(struct model_device *dev, uint64_t offset, uint32_t value)
{
	struct card *card = dev->state;

	if (offset == REG_CAPR) {
		card->capr = (uint16_t)value;
		card->has_room_been_given = true;
	} else if (offset == REG_IMR) {
		card->imr = value & INT_ALL;
		raise(dev, 0);
	} else if (offset == REG_ISR) {
		write_isr(dev, value);
	}
}

static void write_32(struct model_device *dev, uint64_t offset, uint32_t value)
{
	struct card *card = dev->state;

	if (offset & 3)
		return;
	switch (offset) {
	case REG_MAR:
	case REG_MAR + 4:
		memcpy(&card->mar[offset - REG_MAR], &value, 4);
		break;
	case REG_TSD ... REG_TSD + 15:
		write_tsd(dev, (unsigned int)(offset - REG_TSD) / 4, value);
		break;
	case REG_TSAD ... REG_TSAD + 15:
		/* The lowest two bits are not there. */
		card->tsad[(offset - REG_TSAD) / 4] = value & ~3u;
		break;
	case REG_RBSTART:
		card->rbstart = value & ~3u;
		break;
	case REG_TCR:
		write_tcr(dev, value);
		break;
	case REG_RCR:
		if (is_enabled(card, CR_RE))
			card->rcr = value & RCR_WRITABLE;
		break;
	case REG_MPC:
		card->mpc = 0;
		break;
	default:
		break;
	}
}

static void card_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
		       uint64_t value)
{
	struct card *card = dev->state;

	if (bytes == 1 && offset == REG_CR)
		write_cr(dev, (uint32_t)value);
	else if (card->is_resetting)
		return;
	else if (bytes == 2)
		write_16(dev, offset, (uint32_t)value);
	else if (bytes == 4)
		write_32(dev, offset, (uint32_t)value);
}

/* The address is the node's, or one of the model's own. */
static int card_start(struct model_device *dev)
{
	static const uint8_t own[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
	struct card *card = dev->state;
	int size;
	const void *mac = fdt_getprop(dev->fdt, dev->node, "local-mac-address", &size);

	card->tail = &card->queue;
	memcpy(card->idr, mac && size == 6 ? mac : own, 6);
	card_reset(dev);
	return 0;
}

static void card_stop(struct model_device *dev)
{
	forget_queue(dev->state);
}

const struct model_device_type model_rtl8139 = {
	.compatible = "berth,model-rtl8139",
	.state_size = sizeof(struct card),
	.start = card_start,
	.stop = card_stop,
	.read = card_read,
	.write = card_write,
};

/* The card at a path, with the model's lock; NULL without it. */
static struct model_device *find(const char *path)
{
	struct model_device *dev;

	model_lock();
	dev = model_find(path);
	if (dev && dev->type->start == card_start)
		return dev;
	model_unlock();
	return NULL;
}

int berth_model_rtl8139_wire(const char *path,
			     void (*sent)(void *data, const void *frame, size_t size), void *data)
{
	struct model_device *dev = find(path);
	struct card *card;

	if (!dev)
		return -ENODEV;
	card = dev->state;
	card->sent = sent;
	card->sent_data = data;
	model_unlock();
	return 0;
}

int berth_model_rtl8139_deliver(const char *path, const void *frame, size_t size, bool is_damaged)
{
	struct model_device *dev;
	int ret;

	if (size < MIN_FRAME || size > MAX_FRAME)
		return -EINVAL;
	dev = find(path);
	if (!dev)
		return -ENODEV;
	ret = enqueue(dev, frame, size, is_damaged, false);
	model_unlock();
	return ret;
}

int berth_model_rtl8139_plug(const char *path, bool is_plugged)
{
	struct model_device *dev = find(path);
	struct card *card;

	if (!dev)
		return -ENODEV;
	card = dev->state;
	if (card->is_pulled == is_plugged) {
		card->is_pulled = !is_plugged;
		raise(dev, INT_LINK);
	}
	model_unlock();
	return 0;
}

int berth_model_rtl8139_jam(const char *path, unsigned int attempts)
{
	struct model_device *dev = find(path);
	struct card *card;

	if (!dev)
		return -ENODEV;
	card = dev->state;
	card->jammed = attempts;
	model_unlock();
	return 0;
}
