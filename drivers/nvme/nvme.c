/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe controllers: how they are found, started and stopped. */
#include <berth/interrupt.h>
#include <berth/slab.h>

#include "nvme.h"

#define PCI_CLASS_NVME 0x010802u
#define SHUTDOWN_MS 5000u

int berth_nvme_complain(const struct nvme *nvme, int err, const char *what)
{
	dev_err(nvme->dev, "%s\n", what);
	return berth_set_error(dev_name(nvme->dev), err,
			       err == -ENODEV ? BERTH_REASON_NO_DEVICE : BERTH_REASON_IO,
			       err == -ENODEV ? pci_resource_start(nvme->pdev, 0) : 0, 0);
}

/* Until the bits of CSTS are as wanted. */
static int wait_for_status(struct nvme *nvme, uint32_t mask, uint32_t wanted, unsigned int ms)
{
	unsigned long deadline = berth_jiffies() + msecs_to_jiffies(ms);

	for (;;) {
		bool is_late = (long)(berth_jiffies() - deadline) >= 0;
		uint32_t csts = readl(nvme->regs + REG_CSTS);

		if (csts == GONE)
			return -EIO;
		if ((csts & mask) == wanted)
			return 0;
		if (wanted & CSTS_RDY && csts & CSTS_CFS)
			return -EIO;
		if (is_late)
			return -ETIMEDOUT;
		usleep_range(100, 1000);
	}
}

/* It forgets its queues, and touches no memory any more. */
static int disable(struct nvme *nvme)
{
	uint32_t cc = readl(nvme->regs + REG_CC);
	int err;

	if (cc & CC_EN && cc != GONE)
		berth_nvme_reg_write(nvme, 0, REG_CC);
	err = wait_for_status(nvme, CSTS_RDY, 0, nvme->ready_ms);
	if (err)
		pci_clear_master(nvme->pdev);
	return err;
}

static void write_address(struct nvme *nvme, dma_addr_t addr, unsigned int reg)
{
	berth_nvme_reg_write(nvme, (uint32_t)addr, reg);
	berth_nvme_reg_write(nvme, (uint32_t)(addr >> 32), reg + 4);
}

static int enable(struct nvme *nvme)
{
	int err;

	berth_nvme_reg_write(nvme, (ADMIN_DEPTH - 1) << 16 | (ADMIN_DEPTH - 1), REG_AQA);
	write_address(nvme, nvme->admin.sq_dma, REG_ASQ);
	write_address(nvme, nvme->admin.cq_dma, REG_ACQ);
	berth_nvme_reg_write(nvme, CC_ENTRIES | CC_EN, REG_CC);
	err = wait_for_status(nvme, CSTS_RDY, CSTS_RDY, nvme->ready_ms);
	return err ? berth_nvme_complain(nvme, err, "does not become ready") : 0;
}

static int read_capabilities(struct nvme *nvme)
{
	uint32_t low = readl(nvme->regs + REG_CAP), high = readl(nvme->regs + REG_CAP + 4);
	unsigned int depth = (low & 0xffff) + 1;

	if (low == GONE && high == GONE)
		return berth_nvme_complain(nvme, -ENODEV, "does not answer");
	/* Bit 5: the NVM command set; from bit 16 on: the smallest page. */
	if (depth < 2 || !(high & 1u << 5) || high >> 16 & 0xf)
		return berth_nvme_complain(nvme, -EOPNOTSUPP,
					   "has no queues, no NVM commands, or no pages of 4 KiB");
	nvme->info.version = readl(nvme->regs + REG_VS);
	nvme->doorbell_stride = 4u << (high & 0xf);
	nvme->ready_ms = ((low >> 24) + 1) * 500;
	nvme->nr_slots = (depth < IO_DEPTH ? depth : IO_DEPTH) - 1;
	nvme->info.depth = nvme->nr_slots;
	if (REG_DOORBELLS + 4 * nvme->doorbell_stride > pci_resource_len(nvme->pdev, 0))
		return berth_nvme_complain(nvme, -EOPNOTSUPP, "has no room for its doorbells");
	return 0;
}

static int set_limits(struct nvme *nvme)
{
	size_t single;
	int err = dma_set_mask_and_coherent(nvme->dev, DMA_BIT_MASK(64));

	if (!err)
		err = dma_set_min_align_mask(nvme->dev, NVME_PAGE - 1);
	if (err)
		return err;
	single = dma_max_mapping_size(nvme->dev);
	if (single > MAX_TRANSFER)
		single = MAX_TRANSFER;
	nvme->limits.max_segment = (unsigned int)single & ~(NVME_PAGE - 1);
	nvme->limits.max_segments = MAX_SEGMENTS;
	return dma_set_max_seg_size(nvme->dev, nvme->limits.max_segment);
}

/* Everything is given back by release(). */
static int start(struct nvme *nvme)
{
	int err = read_capabilities(nvme);

	if (!err)
		err = set_limits(nvme);
	if (!err && disable(nvme))
		err = berth_nvme_complain(nvme, -ETIMEDOUT, "cannot be stopped");
	if (!err)
		err = berth_nvme_alloc_queue(nvme, &nvme->admin, 0, ADMIN_DEPTH);
	if (!err)
		err = berth_nvme_alloc_queue(nvme, &nvme->io, 1, nvme->nr_slots + 1);
	if (!err)
		err = berth_nvme_alloc_slots(nvme);
	if (err)
		return err;
	pci_set_master(nvme->pdev);
	err = enable(nvme);
	if (err)
		return err;
	/* Nobody listens yet. */
	berth_nvme_reg_write(nvme, UINT32_MAX, REG_INTMS);
	err = berth_nvme_identify(nvme);
	return err ? err : berth_nvme_create_io_queue(nvme);
}

void berth_nvme_set_line(struct pci_dev *pdev, bool is_on)
{
	uint16_t command;

	pci_read_config_word(pdev, PCI_COMMAND, &command);
	if (is_on)
		command &= (uint16_t)~PCI_COMMAND_INTX_DISABLE;
	else
		command |= PCI_COMMAND_INTX_DISABLE;
	pci_write_config_word(pdev, PCI_COMMAND, command);
}

static void release(struct nvme *nvme)
{
	disable(nvme);
	pci_clear_master(nvme->pdev);
	berth_nvme_free_slots(nvme);
	berth_nvme_free_queue(nvme, &nvme->io);
	berth_nvme_free_queue(nvme, &nvme->admin);
	pci_iounmap(nvme->pdev, nvme->regs);
	pci_disable_device(nvme->pdev);
}

static irqreturn_t nvme_irq(int irq, void *data)
{
	struct nvme *nvme = data;

	(void)irq;
	return berth_nvme_reap(nvme, true) ? IRQ_HANDLED : IRQ_NONE;
}

static int nvme_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct nvme *nvme = devm_kzalloc(&pdev->dev, sizeof(*nvme), GFP_KERNEL);
	int err;

	(void)id;
	if (!nvme)
		return -ENOMEM;
	nvme->pdev = pdev;
	nvme->dev = &pdev->dev;
	nvme->timeout_ms = DEFAULT_TIMEOUT_MS;
	nvme->waiting_end = &nvme->waiting;
	spin_lock_init(&nvme->lock);
	timer_setup(&nvme->timer, berth_nvme_tick, 0);
	err = pci_enable_device(pdev);
	if (err)
		return err;
	nvme->regs = pci_iomap(pdev, 0, 0);
	if (!nvme->regs) {
		pci_disable_device(pdev);
		return -ENOMEM;
	}
	err = start(nvme);
	if (!err && pdev->irq)
		err = request_irq(pdev->irq, nvme_irq, IRQF_SHARED, "nvme", nvme);
	if (err) {
		release(nvme);
		return err;
	}
	nvme->is_polling = !pdev->irq;
	berth_nvme_set_line(pdev, true);
	if (pdev->irq)
		berth_nvme_reg_write(nvme, UINT32_MAX, REG_INTMC);
	pci_set_drvdata(pdev, nvme);
	return 0;
}

static void nvme_remove(struct pci_dev *pdev)
{
	struct nvme *nvme = pci_get_drvdata(pdev);
	bool was_live = berth_nvme_stop_requests(nvme, LEAVING, -ENXIO);

	del_timer_sync(&nvme->timer);
	if (pdev->irq)
		free_irq(pdev->irq, nvme);
	/* What it has acknowledged is to outlive the power. */
	if (was_live) {
		berth_nvme_reg_write(nvme, CC_ENTRIES | CC_EN | CC_SHN_NORMAL, REG_CC);
		if (wait_for_status(nvme, CSTS_SHST, CSTS_SHST_DONE, SHUTDOWN_MS))
			dev_warn(nvme->dev, "does not shut down\n");
	}
	if (disable(nvme) && was_live)
		dev_err(nvme->dev, "does not stop: no more DMA\n");
	pci_clear_master(pdev);
	berth_nvme_end_all(nvme);
	/* On other CPUs there may be some who found a command done, or one to begin. */
	while (!berth_nvme_is_idle(nvme))
		usleep_range(10, 100);
	release(nvme);
}

/* NULL, with the reason, if the driver is not bound. */
static struct nvme *bound(struct pci_dev *pdev)
{
	struct nvme *nvme = pci_get_drvdata(pdev);

	if (!nvme)
		berth_set_error(dev_name(&pdev->dev), -ENODEV, BERTH_REASON_NO_DEVICE,
				pci_resource_start(pdev, 0), 0);
	return nvme;
}

int berth_nvme_info(struct pci_dev *pdev, struct berth_nvme_info *info)
{
	const struct nvme *nvme = bound(pdev);

	if (!nvme)
		return -ENODEV;
	*info = nvme->info;
	return 0;
}

int berth_nvme_stats(struct pci_dev *pdev, struct berth_nvme_stats *stats)
{
	struct nvme *nvme = bound(pdev);
	unsigned long flags;

	if (!nvme)
		return -ENODEV;
	spin_lock_irqsave(&nvme->lock, flags);
	*stats = nvme->stats;
	spin_unlock_irqrestore(&nvme->lock, flags);
	return 0;
}

struct berth_nvme_namespace *berth_nvme_get_namespace(struct pci_dev *pdev, unsigned int index)
{
	struct nvme *nvme = bound(pdev);

	if (!nvme)
		return NULL;
	if (index < nvme->info.nr_namespaces)
		return &nvme->namespaces[index];
	berth_set_error("index", -ENODEV, BERTH_REASON_ARGUMENT, index, 0);
	return NULL;
}

uint32_t berth_nvme_id(const struct berth_nvme_namespace *ns)
{
	return ns->id;
}

uint64_t berth_nvme_blocks(const struct berth_nvme_namespace *ns)
{
	return ns->blocks;
}

unsigned int berth_nvme_block_bytes(const struct berth_nvme_namespace *ns)
{
	return ns->block_bytes;
}

int berth_nvme_set_polling(struct pci_dev *pdev, bool polling)
{
	struct nvme *nvme = bound(pdev);
	unsigned long flags;

	if (!nvme)
		return -ENODEV;
	if (!polling && !pdev->irq)
		return berth_set_error(dev_name(&pdev->dev), -EINVAL, BERTH_REASON_IRQ, 0, 0);
	__atomic_store_n(&nvme->is_polling, polling, __ATOMIC_RELAXED);
	spin_lock_irqsave(&nvme->lock, flags);
	berth_nvme_reg_write(nvme, UINT32_MAX, polling ? REG_INTMS : REG_INTMC);
	spin_unlock_irqrestore(&nvme->lock, flags);
	return 0;
}

unsigned int berth_nvme_poll(struct pci_dev *pdev)
{
	struct nvme *nvme = pci_get_drvdata(pdev);

	return nvme ? berth_nvme_reap(nvme, false) : 0;
}

int berth_nvme_set_timeout(struct pci_dev *pdev, unsigned int ms)
{
	struct nvme *nvme = bound(pdev);
	unsigned long flags;

	if (!nvme)
		return -ENODEV;
	if (!ms)
		return berth_set_error("ms", -EINVAL, BERTH_REASON_ARGUMENT, ms, 0);
	spin_lock_irqsave(&nvme->lock, flags);
	nvme->timeout_ms = ms;
	spin_unlock_irqrestore(&nvme->lock, flags);
	return 0;
}

static const struct pci_device_id nvme_ids[] = {
	{
		.vendor = PCI_ANY_ID,
		.device = PCI_ANY_ID,
		.class_code = PCI_CLASS_NVME,
		.class_mask = 0xffffff,
	},
	{ 0 },
};

const struct pci_driver berth_nvme_driver = {
	.name = "nvme",
	.id_table = nvme_ids,
	.probe = nvme_probe,
	.remove = nvme_remove,
};
