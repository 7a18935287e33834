/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An NVMe controller of the model's behind a PCI host, that does what it is told wrong, and watches
 * its driver: what the specification forbids is counted in card.complaints.
 */
#ifndef TESTS_MODEL_NVME_CARD_H
#define TESTS_MODEL_NVME_CARD_H

#include "machine.h"

#include <berth/pci.h>

#include <berth/drivers/host-generic.h>
#include <berth/drivers/nvme.h>

#include "fdt.h"
#include "model/model.h"

#define CARD_RAM 0x80000000u
#define CARD_RAM_SIZE 0x08000000u
#define CARD_ECAM 0x30000000u
#define CARD_BAR 0x60000000u
#define CARD_BAR_BYTES 0x4000u
#define CARD_BLOCK 512u
#define CARD_BLOCKS 2048u
#define CARD_GOOD_CAP 0x0000002014010fffull /* 4096 entries, 10 s, NVM commands, pages from 4 KiB */
#define CARD_MAX_PENDING 256u

/* What it does to the command that it is told. */
enum card_how {
	CARD_GOOD,
	CARD_LOSES, /* no completion */
	CARD_OLD_PHASE, /* the completion's phase bit does not change */
	CARD_WRONG_ID, /* one that no command has */
	CARD_FREE_ID, /* 0, which no command has now */
	CARD_WRONG_QUEUE,
	CARD_TWICE, /* two completions */
	CARD_STATUS, /* that of card.status */
	CARD_FAILS, /* CSTS.CFS */
	CARD_GOES, /* it is pulled out */
	CARD_LATE, /* much later, and it does not care about a reset */
};

struct card_queue {
	uint64_t sq, cq;
	uint32_t sq_depth, cq_depth, sq_head, sq_tail, cq_head, cq_tail;
	uint16_t phase;
	bool has_cq, has_sq;
};

struct card_command {
	uint32_t dw[16];
	unsigned int queue;
	enum card_how how;
};

/*
 * What a test sets before a start stays until card_reset(). @admin, @io: the number of the command, from 1
 * on, to which @how happens; @nsid_blocks: of the only namespace
 */
static struct card {
	uint64_t cap;
	bool never_ready, fails_at_start, never_stops, does_not_answer, is_silent;
	uint32_t csts_at_start;
	unsigned int admin, io;
	enum card_how how;
	uint32_t status;
	uint8_t mdts, lbaf_shift;
	uint16_t metadata;
	uint32_t ids[4];
	uint64_t latency_ns, blocks;

	uint8_t disk[CARD_BLOCKS * CARD_BLOCK];
	unsigned int complaints, blocked_dma, flushes, shutdowns, raises;
	uint64_t writes;

	struct model_device *dev;
	uint32_t config[64];
	uint32_t cc, csts, aqa, masked;
	uint64_t asq, acq;
	bool is_gone, is_raised;
	unsigned int admins, ios;
	struct card_queue queues[2];
	struct card_command pending[CARD_MAX_PENDING];
	unsigned int nr;
} card;

static void card_reset(void)
{
	if (berth_running())
		berth_stop(); /* a test before this one has failed */
	memset(&card, 0, sizeof(card));
	card.cap = CARD_GOOD_CAP;
	card.mdts = 5;
	card.lbaf_shift = 9;
	card.ids[0] = 1;
	card.latency_ns = 20000;
	card.blocks = CARD_BLOCKS;
}

/* Whether something forbidden happened. */
static bool card_complain(bool is_wrong)
{
	card.complaints += is_wrong;
	return is_wrong;
}

static bool card_may_dma(void)
{
	bool may = !card.is_gone && card.config[PCI_COMMAND / 4] & PCI_COMMAND_MASTER;

	card.blocked_dma += !may;
	return may;
}

static bool card_read_memory(uint64_t bus, void *buffer, size_t size)
{
	return card_may_dma() && !card_complain(model_dma_read(card.dev, bus, buffer, size));
}

static bool card_write_memory(uint64_t bus, const void *buffer, size_t size)
{
	return card_may_dma() && !card_complain(model_dma_write(card.dev, bus, buffer, size));
}

static void card_update_irq(void)
{
	bool is_up = false;

	for (unsigned int i = 0; i < 2; i++)
		is_up |= card.queues[i].has_cq && card.queues[i].cq_head != card.queues[i].cq_tail;
	is_up = is_up && !(card.masked & 1) && !card.is_gone && !card.is_silent &&
		!(card.config[PCI_COMMAND / 4] & PCI_COMMAND_INTX_DISABLE);
	card.raises += is_up && !card.is_raised;
	card.is_raised = is_up;
	model_irq(card.dev, 0, is_up);
}

static void card_post(unsigned int number, uint16_t sq_id, uint16_t cid, uint32_t status, bool flip)
{
	struct card_queue *queue = &card.queues[number];
	uint32_t cqe[4] = { 0 };

	cqe[2] = queue->sq_head | (uint32_t)sq_id << 16;
	cqe[3] = cid | (status << 1 | (flip ? queue->phase : !queue->phase)) << 16;
	/* The word with the phase comes last. */
	if (!card_write_memory(queue->cq + 16 * queue->cq_tail, cqe, 12) ||
	    !card_write_memory(queue->cq + 16 * queue->cq_tail + 12, &cqe[3], 4))
		return;
	if (++queue->cq_tail == queue->cq_depth) {
		queue->cq_tail = 0;
		queue->phase ^= 1;
	}
	card_complain(queue->cq_tail == queue->cq_head);
	card_update_irq();
}

/* Data of a command, by its PRP entries, which are checked. Return: a status. */
static uint32_t card_data(const uint32_t *dw, uint8_t *data, uint32_t bytes, bool to_memory)
{
	uint64_t prp1 = dw[6] | (uint64_t)dw[7] << 32, prp2 = dw[8] | (uint64_t)dw[9] << 32;
	uint32_t part = 4096 - prp1 % 4096;
	uint64_t at = prp1, list = 0;

	if (card_complain(prp1 % 4))
		return 0x13;
	if (bytes > part + 4096) {
		list = prp2;
		if (card_complain(list % 8 ||
				  list % 4096 + (bytes - part + 4095) / 4096 * 8 > 4096))
			return 0x13;
	}
	for (bool is_first = true; bytes; is_first = false) {
		if (part > bytes)
			part = bytes;
		if (!is_first) {
			at = prp2;
			if (list && !card_read_memory(list, &at, 8))
				return 4;
			list += list ? 8 : 0;
			if (card_complain(at % 4096))
				return 0x13;
		}
		if (to_memory ? !card_write_memory(at, data, part)
			      : !card_read_memory(at, data, part))
			return 4;
		data += part;
		bytes -= part;
		part = 4096;
	}
	return 0;
}

static uint32_t card_identify(const uint32_t *dw)
{
	static uint8_t page[4096];
	uint64_t blocks = card.blocks >> (card.lbaf_shift - 9);

	memset(page, 0, sizeof(page));
	if (dw[10] == 1) {
		memset(page + 4, ' ', 68);
		memcpy(page + 4, "t1\x7f", 3);
		memcpy(page + 24, "A model", 7);
		memcpy(page + 64, "0.1", 3);
		page[77] = card.mdts;
		page[525] = 1;
	} else if (dw[10] == 2) {
		memcpy(page, card.ids, sizeof(card.ids));
	} else if (card_complain(dw[10] || dw[1] != card.ids[0])) {
		return 2;
	} else {
		memcpy(page, &blocks, 8);
		memcpy(page + 128, &card.metadata, 2);
		page[130] = card.lbaf_shift;
	}
	return card_data(dw, page, sizeof(page), true);
}

static uint32_t card_admin(const uint32_t *dw)
{
	struct card_queue *queue = &card.queues[1];
	uint64_t prp1 = dw[6] | (uint64_t)dw[7] << 32;
	uint32_t depth = (dw[10] >> 16) + 1;

	switch (dw[0] & 0xff) {
	case 0x06:
		return card_identify(dw);
	case 0x09:
		return card_complain((dw[10] & 0xff) != 7) ? 2 : 0;
	case 0x05:
		if (card_complain(queue->has_cq || (uint16_t)dw[10] != 1 || prp1 % 4096 ||
				  !(dw[11] & 1) || dw[11] >> 16 ||
				  depth > (uint16_t)card.cap + 1u || depth < 2))
			return 2;
		*queue = (struct card_queue){ .cq = prp1, .cq_depth = depth, .phase = 1 };
		queue->has_cq = true;
		return 0;
	case 0x01:
		if (card_complain(!queue->has_cq || queue->has_sq || (uint16_t)dw[10] != 1 ||
				  prp1 % 4096 || !(dw[11] & 1) || dw[11] >> 16 != 1 ||
				  depth > (uint16_t)card.cap + 1u || depth < 2))
			return 2;
		queue->sq = prp1;
		queue->sq_depth = depth;
		queue->has_sq = true;
		return 0;
	}
	card_complain(true);
	return 1;
}

static uint32_t card_io(const uint32_t *dw)
{
	uint64_t block = dw[10] | (uint64_t)dw[11] << 32;
	uint32_t blocks = (dw[12] & 0xffff) + 1, shift = card.lbaf_shift;

	if (card_complain(dw[1] != card.ids[0]))
		return 0xb;
	switch (dw[0] & 0xff) {
	case 0x00:
		card.flushes++;
		return 0;
	case 0x01:
	case 0x02:
		if (card_complain(card.mdts && card.mdts < 20 &&
				  blocks << shift > 4096u << card.mdts))
			return 2;
		if (block >= card.blocks || block + blocks > card.blocks >> (shift - 9))
			return 0x80;
		return card_data(dw, card.disk + (block << shift), blocks << shift,
				 (dw[0] & 0xff) == 2);
	}
	card_complain(true);
	return 1;
}

/* A command's end, at once or out of order. */
static void card_end(struct model_device *dev, uint64_t index)
{
	struct card_command *command = &card.pending[index];
	uint16_t cid = (uint16_t)(command->dw[0] >> 16);
	unsigned int number = command->queue;
	uint32_t status;

	(void)dev;
	if (card.is_gone || card.csts & 2 || command->how == CARD_LOSES)
		return;
	status = command->how == CARD_STATUS ? card.status
		 : number		     ? card_io(command->dw)
					     : card_admin(command->dw);
	if (command->how == CARD_FAILS) {
		card.csts |= 2;
		return;
	}
	if (command->how == CARD_GOES) {
		card.is_gone = true;
		card_update_irq();
		return;
	}
	if (command->how == CARD_WRONG_ID)
		cid = 0xfffe;
	if (command->how == CARD_FREE_ID)
		cid = 0;
	card_post(number, command->how == CARD_WRONG_QUEUE ? 9 : (uint16_t)number, cid, status,
		  command->how != CARD_OLD_PHASE);
	if (command->how == CARD_TWICE)
		card_post(number, (uint16_t)number, cid, status, true);
}

static void card_fetch(unsigned int number)
{
	struct card_queue *queue = &card.queues[number];

	while (queue->sq_head != queue->sq_tail) {
		struct card_command *command = &card.pending[card.nr % CARD_MAX_PENDING];
		unsigned int nth = number ? ++card.ios : ++card.admins;
		uint64_t delay = 1000 + model_random((uint32_t)card.latency_ns);

		if (!card_read_memory(queue->sq + 64 * queue->sq_head, command->dw, 64))
			return;
		card_complain(command->dw[0] & 0xc300);
		command->queue = number;
		command->how = nth == (number ? card.io : card.admin) ? card.how : CARD_GOOD;
		if (command->how == CARD_LATE)
			delay = 100000000000;
		queue->sq_head = (queue->sq_head + 1) % queue->sq_depth;
		model_after(card.dev, delay, card_end, card.nr++ % CARD_MAX_PENDING);
	}
}

static void card_doorbell(uint64_t offset, uint32_t value)
{
	uint64_t stride = 4ull << (card.cap >> 32 & 0xf), index = (offset - 0x1000) / stride;
	struct card_queue *queue = &card.queues[index / 2 & 1];

	if (card_complain((offset - 0x1000) % stride || index > 3 || !(card.csts & 1) ||
			  value >= (index % 2 ? queue->cq_depth : queue->sq_depth)))
		return;
	if (index % 2) {
		queue->cq_head = value;
		card_update_irq();
	} else {
		queue->sq_tail = value;
		card_fetch((unsigned int)index / 2);
	}
}

static void card_enable(void)
{
	struct card_queue *queue = &card.queues[0];

	memset(card.queues, 0, sizeof(card.queues));
	queue->sq = card.asq;
	queue->cq = card.acq;
	queue->sq_depth = (card.aqa & 0xfff) + 1;
	queue->cq_depth = (card.aqa >> 16 & 0xfff) + 1;
	queue->phase = 1;
	queue->has_cq = queue->has_sq = true;
	card.admins = card.ios = 0;
	card_complain(card.asq % 4096 || card.acq % 4096 || queue->sq_depth < 2 ||
		      queue->cq_depth < 2 || (card.cc & 0xff3ff0) != 0x460000);
	card.csts = card.never_ready ? 0 : card.fails_at_start ? 2 : 1;
}

static void card_control(uint32_t value)
{
	uint32_t before = card.cc;

	card.cc = value;
	if (value >> 14 & 3 && !(before >> 14 & 3)) {
		card.shutdowns++;
		card.csts |= 8;
	}
	if (value & ~before & 1) {
		card_enable();
	} else if (before & ~value & 1) {
		if (!card.never_stops)
			card.csts = 0;
		memset(card.queues, 0, sizeof(card.queues));
		/* What it has not begun it forgets. */
		for (unsigned int i = 0; i < CARD_MAX_PENDING; i++)
			if (card.pending[i].how != CARD_LATE)
				card.pending[i].how = CARD_LOSES;
	}
	card_update_irq();
}

static bool card_answers(void)
{
	return !card.is_gone && !card.does_not_answer &&
	       card.config[PCI_COMMAND / 4] & PCI_COMMAND_MEMORY;
}

static uint64_t card_reg_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	(void)dev;
	if (!card_answers() || bytes != 4)
		return UINT64_MAX;
	switch (offset) {
	case 0x00:
		return (uint32_t)card.cap;
	case 0x04:
		return card.cap >> 32;
	case 0x08:
		return 0x10400;
	case 0x14:
		return card.cc;
	case 0x1c:
		return card.csts;
	}
	card_complain(true);
	return 0;
}

static void card_reg_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
			   uint64_t value)
{
	uint32_t low = (uint32_t)value;

	(void)dev;
	if (!card_answers())
		return;
	card.writes++;
	if (card_complain(bytes != 4))
		return;
	switch (offset) {
	case 0x0c:
		card.masked |= low;
		break;
	case 0x10:
		card.masked &= ~low;
		break;
	case 0x14:
		card_control(low);
		break;
	case 0x24:
		card.aqa = low;
		break;
	case 0x28:
		card.asq = (card.asq & ~0xffffffffull) | low;
		break;
	case 0x2c:
		card.asq = (uint32_t)card.asq | value << 32;
		break;
	case 0x30:
		card.acq = (card.acq & ~0xffffffffull) | low;
		break;
	case 0x34:
		card.acq = (uint32_t)card.acq | value << 32;
		break;
	default:
		if (!card_complain(offset < 0x1000))
			card_doorbell(offset, low);
	}
	card_update_irq();
}

static int card_start(struct model_device *dev)
{
	card.dev = dev;
	card.cc = card.csts_at_start & 1;
	card.csts = card.csts_at_start;
	card.is_gone = false;
	card.masked = 0;
	return 0;
}

static const struct model_device_type card_type = {
	.compatible = "test,nvme",
	.start = card_start,
	.read = card_reg_read,
	.write = card_reg_write,
};

/* Configuration space: one function, 00:00.0. */
static uint64_t card_ecam_read(struct model_device *host, uint64_t offset, unsigned int bytes)
{
	uint64_t value = 0;

	(void)host;
	if (offset >= 4096)
		return UINT64_MAX;
	if (offset + bytes <= sizeof(card.config))
		memcpy(&value, (const char *)card.config + offset, bytes);
	return value;
}

static void card_ecam_write(struct model_device *host, uint64_t offset, unsigned int bytes,
			    uint64_t value)
{
	(void)host;
	if (offset < 4 || (offset >= 8 && offset < 0x10) || offset + bytes > 0x18)
		return;
	memcpy((char *)card.config + offset, &value, bytes);
	card.config[PCI_BASE_ADDRESS_0 / 4] = (card.config[PCI_BASE_ADDRESS_0 / 4] & ~0x3fffu) | 4;
	if (offset == PCI_COMMAND && card.dev)
		card_update_irq();
}

static int card_ecam_start(struct model_device *host)
{
	(void)host;
	memset(card.config, 0, sizeof(card.config));
	card.config[0] = 0x00011234;
	card.config[PCI_CLASS_REVISION / 4] = 0x01080200;
	card.config[PCI_BASE_ADDRESS_0 / 4] = 4;
	card.config[PCI_INTERRUPT_LINE / 4] = 0x0100;
	return 0;
}

static const struct model_device_type card_ecam_type = {
	.compatible = "pci-host-ecam-generic",
	.start = card_ecam_start,
	.read = card_ecam_read,
	.write = card_ecam_write,
};

/* @is_coherent: the card sees the CPU's caches. */
static const void *card_tree(bool is_coherent)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 2);
	fdt_cells(&fdt, "interrupt-parent", 1);
	fdt_begin(&fdt, "interrupt-controller@8001000");
	fdt_text(&fdt, "compatible", "arm,gic-400");
	fdt_flag(&fdt, "interrupt-controller");
	fdt_cells(&fdt, "#interrupt-cells", 3);
	fdt_cells(&fdt, "#address-cells", 0);
	fdt_cells(&fdt, "reg", 0, 0x08001000, 0, 0x1000, 0, 0x08002000, 0, 0x2000);
	fdt_cells(&fdt, "phandle", 1);
	fdt_end(&fdt);
	fdt_begin(&fdt, "memory@80000000");
	fdt_text(&fdt, "device_type", "memory");
	fdt_cells(&fdt, "reg", 0, CARD_RAM, 0, CARD_RAM_SIZE);
	fdt_end(&fdt);
	fdt_begin(&fdt, "card@60000000");
	fdt_text(&fdt, "compatible", "test,nvme");
	fdt_cells(&fdt, "reg", 0, CARD_BAR, 0, CARD_BAR_BYTES);
	fdt_cells(&fdt, "interrupts", 0, 40, 4);
	if (is_coherent)
		fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
	fdt_begin(&fdt, "pcie@30000000");
	fdt_text(&fdt, "compatible", "pci-host-ecam-generic");
	fdt_text(&fdt, "device_type", "pci");
	fdt_cells(&fdt, "#address-cells", 3);
	fdt_cells(&fdt, "#size-cells", 2);
	fdt_cells(&fdt, "#interrupt-cells", 1);
	fdt_cells(&fdt, "reg", 0, CARD_ECAM, 0, 0x100000);
	fdt_cells(&fdt, "bus-range", 0, 0);
	fdt_cells(&fdt, "ranges", 0x02000000, 0, CARD_BAR, 0, CARD_BAR, 0, 0x01000000);
	fdt_cells(&fdt, "interrupt-map-mask", 0, 0, 0, 7);
	fdt_cells(&fdt, "interrupt-map", 0, 0, 0, 1, 1, 0, 40, 4);
	if (is_coherent)
		fdt_flag(&fdt, "dma-coherent");
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

static const struct berth_driver card_drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_PCI_DRIVER(&berth_nvme_driver),
	BERTH_NO_MORE_DRIVERS,
};

static inline int card_boot(const char *bootargs, const struct berth_model_config *config,
			    bool is_coherent)
{
	const struct berth_options options = {
		.machine = &berth_model,
		.machine_config = config,
		.bootargs = bootargs,
	};

	model_add_type(&card_type);
	model_add_type(&card_ecam_type);
	return berth_start(card_tree(is_coherent), card_drivers, &options);
}

#endif
