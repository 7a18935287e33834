/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands about the controller: one at a time, while the driver is being bound, polled. */
#include "nvme.h"

#define BLOCK_SHIFT_MIN 9u
#define BLOCK_SHIFT_MAX 12u

/* Waits for the only command there is. */
static int run(struct nvme *nvme, const struct nvme_command *command)
{
	unsigned long deadline = berth_jiffies() + msecs_to_jiffies(nvme->timeout_ms);
	struct nvme_completion completion;
	unsigned int us = 10;
	int err;

	berth_nvme_push(nvme, &nvme->admin, command);
	while (!berth_nvme_pop(&nvme->admin, &completion)) {
		uint32_t csts = readl(nvme->regs + REG_CSTS);

		if (csts == GONE)
			return berth_nvme_complain(nvme, -EIO, "is gone");
		if (csts & CSTS_CFS)
			return berth_nvme_complain(nvme, -EIO, "has failed");
		if ((long)(berth_jiffies() - deadline) >= 0)
			return berth_nvme_complain(nvme, -ETIMEDOUT,
						   "takes too long for an admin command");
		usleep_range(us, 2 * us);
		us = us < 1000 ? 2 * us : us;
	}
	berth_nvme_popped(nvme, &nvme->admin);
	if (completion.cid != command->cid || completion.sq_id)
		return berth_nvme_complain(nvme, -EIO, "ends a command that it was not given");
	err = berth_nvme_errno(completion.status >> 1);
	if (!err)
		return 0;
	dev_err(nvme->dev, "admin command %#x ends with status %#x\n", command->opcode,
		completion.status >> 1 & 0x7ffu);
	return berth_set_error(dev_name(nvme->dev), err, BERTH_REASON_IO, 0, 0);
}

static int identify(struct nvme *nvme, unsigned int what, uint32_t nsid, dma_addr_t page)
{
	const struct nvme_command command = {
		.opcode = ADMIN_IDENTIFY,
		.nsid = nsid,
		.prp = { page },
		.dw10 = what,
	};

	return run(nvme, &command);
}

static uint32_t le32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

static uint64_t le64(const uint8_t *bytes)
{
	return le32(bytes) | (uint64_t)le32(bytes + 4) << 32;
}

static void copy_text(char *text, const uint8_t *bytes, unsigned int size)
{
	while (size && bytes[size - 1] == ' ')
		size--;
	text[size] = '\0';
	while (size--)
		text[size] = bytes[size] >= ' ' && bytes[size] <= '~' ? (char)bytes[size] : '?';
}

static void take_controller(struct nvme *nvme, const uint8_t *page)
{
	unsigned int mdts = page[77];
	uint32_t max = MAX_TRANSFER;

	copy_text(nvme->info.serial, page + 4, 20);
	copy_text(nvme->info.model, page + 24, 40);
	copy_text(nvme->info.firmware, page + 64, 8);
	/* 0: no limit; else in pages, as a power of two. */
	if (mdts && mdts < 20 && NVME_PAGE << mdts < max)
		max = NVME_PAGE << mdts;
	nvme->info.max_transfer = nvme->limits.max_bytes = max;
	nvme->info.has_write_cache = page[525] & 1;
}

/* Whether the driver knows its format; if so it is the next one. */
static bool take_namespace(struct nvme *nvme, uint32_t nsid, const uint8_t *page)
{
	struct berth_nvme_namespace *ns = &nvme->namespaces[nvme->info.nr_namespaces];
	uint32_t format = le32(page + 128 + 4 * (page[26] & 0xf));
	unsigned int shift = format >> 16 & 0xff;
	uint64_t blocks = le64(page);

	if (format & 0xffff || shift < BLOCK_SHIFT_MIN || shift > BLOCK_SHIFT_MAX || !blocks ||
	    blocks > UINT64_MAX >> shift)
		return false;
	ns->nvme = nvme;
	ns->id = nsid;
	ns->block_bytes = 1u << shift;
	ns->blocks = blocks;
	berth_nvme_init_backing(ns);
	nvme->info.nr_namespaces++;
	return true;
}

static int identify_namespaces(struct nvme *nvme, const uint8_t *page, dma_addr_t dma)
{
	uint32_t ids[BERTH_NVME_MAX_NAMESPACES];
	int err = identify(nvme, IDENTIFY_LIST, 0, dma);

	if (err)
		return err;
	for (unsigned int i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = le32(page + 4 * i);
	if (le32(page + sizeof(ids)))
		dev_warn(nvme->dev, "has more than %u namespaces: the others are not used\n",
			 BERTH_NVME_MAX_NAMESPACES);
	for (unsigned int i = 0; i < ARRAY_SIZE(ids) && ids[i]; i++) {
		if (i && ids[i] <= ids[i - 1])
			return berth_nvme_complain(nvme, -EIO,
						   "has a list of namespaces without order");
		err = identify(nvme, IDENTIFY_NAMESPACE, ids[i], dma);
		if (err)
			return err;
		if (!take_namespace(nvme, ids[i], page))
			dev_warn(nvme->dev, "namespace %u has an unknown format\n",
				 (unsigned int)ids[i]);
	}
	return 0;
}

int berth_nvme_identify(struct nvme *nvme)
{
	dma_addr_t dma;
	uint8_t *page = dma_alloc_coherent(nvme->dev, NVME_PAGE, &dma, GFP_KERNEL);
	int err;

	if (!page)
		return -ENOMEM;
	err = identify(nvme, IDENTIFY_CONTROLLER, 0, dma);
	if (!err) {
		take_controller(nvme, page);
		err = identify_namespaces(nvme, page, dma);
	}
	/* It may write there still. */
	if (err)
		pci_clear_master(nvme->pdev);
	dma_free_coherent(nvme->dev, NVME_PAGE, page, dma);
	return err;
}

int berth_nvme_create_io_queue(struct nvme *nvme)
{
	const struct queue *queue = &nvme->io;
	const uint32_t id_and_depth = (queue->depth - 1) << 16 | queue->id;
	const struct nvme_command commands[] = {
		{ .opcode = ADMIN_SET_FEATURES, .dw10 = FEATURE_QUEUES }, /* one of each */
		{
			.opcode = ADMIN_CREATE_CQ,
			.prp = { queue->cq_dma },
			.dw10 = id_and_depth,
			.dw11 = QUEUE_CONTIGUOUS | QUEUE_INTERRUPTS,
		},
		{
			.opcode = ADMIN_CREATE_SQ,
			.prp = { queue->sq_dma },
			.dw10 = id_and_depth,
			.dw11 = QUEUE_CONTIGUOUS | queue->id << 16,
		},
	};
	int err = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(commands) && !err; i++)
		err = run(nvme, &commands[i]);
	return err;
}
