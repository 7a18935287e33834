/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/completion.h>
#include <berth/dma-mapping.h>
#include <berth/errno.h>
#include <berth/interrupt.h>
#include <berth/io.h>
#include <berth/pci.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include <berth/drivers/edu.h>

#define EDU_ID 0x00
#define EDU_LIVENESS 0x04
#define EDU_FACTORIAL 0x08
#define EDU_STATUS 0x20
#define EDU_STATUS_IRQ 0x80u /* an interrupt when the factorial is done */
#define EDU_IRQ_STATUS 0x24
#define EDU_IRQ_RAISE 0x60
#define EDU_IRQ_ACK 0x64
#define EDU_DMA_SRC 0x80
#define EDU_DMA_DST 0x88
#define EDU_DMA_COUNT 0x90
#define EDU_DMA_COMMAND 0x98
#define EDU_DMA_START 0x1u
#define EDU_DMA_TO_MEMORY 0x2u
#define EDU_DMA_IRQ 0x4u

/* Causes of interrupts that the device raises itself. */
#define EDU_CAUSE_FACTORIAL 0x001u
#define EDU_CAUSE_DMA 0x100u

/* Where the device sees its own buffer. */
#define EDU_BUFFER 0x40000u

/* A transfer takes a tenth of a second. */
#define EDU_TIMEOUT_MS 2000

/*
 * struct edu - a device
 * @busy: somebody works with it
 * @mask: of the addresses that it has
 * @can_dma: some memory is under its mask
 * @is_stuck: it did not end a transfer
 * @causes: what the handler has seen
 * @seen: completed by each interrupt
 */
struct edu {
	struct pci_dev *pdev;
	char __iomem *regs;
	uint32_t busy;
	uint64_t mask;
	bool can_dma;
	bool is_stuck;
	uint32_t causes;
	struct completion seen;
};

static int begin(struct edu *edu)
{
	return __atomic_exchange_n(&edu->busy, 1, __ATOMIC_ACQUIRE) ? -EBUSY : 0;
}

static void end(struct edu *edu)
{
	__atomic_store_n(&edu->busy, 0, __ATOMIC_RELEASE);
}

static irqreturn_t edu_interrupt(int irq, void *dev_id)
{
	struct edu *edu = dev_id;
	uint32_t causes = readl(edu->regs + EDU_IRQ_STATUS);

	(void)irq;
	if (!causes)
		return IRQ_NONE;
	writel(causes, edu->regs + EDU_IRQ_ACK);
	/* The line has two states only: it must be down before the controller looks again. */
	readl(edu->regs + EDU_IRQ_STATUS);
	__atomic_fetch_or(&edu->causes, causes, __ATOMIC_RELAXED);
	complete(&edu->seen);
	return IRQ_HANDLED;
}

/* In front of what will raise an interrupt. */
static void expect(struct edu *edu)
{
	__atomic_store_n(&edu->causes, 0, __ATOMIC_RELAXED);
	reinit_completion(&edu->seen);
}

static int wait_for_causes(struct edu *edu, uint32_t causes)
{
	unsigned long left = msecs_to_jiffies(EDU_TIMEOUT_MS);

	while ((__atomic_load_n(&edu->causes, __ATOMIC_RELAXED) & causes) != causes) {
		left = wait_for_completion_timeout(&edu->seen, left);
		if (!left)
			return -ETIMEDOUT;
	}
	return 0;
}

uint32_t berth_edu_version(struct pci_dev *pdev)
{
	const struct edu *edu = pci_get_drvdata(pdev);

	return readl(edu->regs + EDU_ID);
}

int berth_edu_check_alive(struct pci_dev *pdev)
{
	static const uint32_t patterns[] = { 0, 0x12345678, 0xffffffff };
	struct edu *edu = pci_get_drvdata(pdev);
	int err = begin(edu);

	if (err)
		return err;
	for (unsigned int i = 0; i < ARRAY_SIZE(patterns); i++) {
		writel(patterns[i], edu->regs + EDU_LIVENESS);
		if (readl(edu->regs + EDU_LIVENESS) != ~patterns[i])
			err = -EIO;
	}
	end(edu);
	return err;
}

int berth_edu_factorial(struct pci_dev *pdev, uint32_t n, uint32_t *result)
{
	struct edu *edu = pci_get_drvdata(pdev);
	int err = begin(edu);

	if (err)
		return err;
	expect(edu);
	writel(EDU_STATUS_IRQ, edu->regs + EDU_STATUS);
	writel(n, edu->regs + EDU_FACTORIAL);
	err = wait_for_causes(edu, EDU_CAUSE_FACTORIAL);
	*result = readl(edu->regs + EDU_FACTORIAL);
	end(edu);
	return err;
}

int berth_edu_interrupt(struct pci_dev *pdev, uint32_t causes)
{
	struct edu *edu = pci_get_drvdata(pdev);
	int err;

	if (!causes || causes & (EDU_CAUSE_FACTORIAL | EDU_CAUSE_DMA))
		return -EINVAL;
	err = begin(edu);
	if (err)
		return err;
	expect(edu);
	writel(causes, edu->regs + EDU_IRQ_RAISE);
	err = wait_for_causes(edu, causes);
	end(edu);
	return err;
}

/* Without memory in reach there may be other devices that are. */
static int set_mask(struct edu *edu, uint64_t mask)
{
	int err = dma_set_mask_and_coherent(&edu->pdev->dev, mask);

	edu->mask = mask;
	edu->can_dma = !err;
	return err;
}

int berth_edu_set_dma_bits(struct pci_dev *pdev, unsigned int bits)
{
	struct edu *edu = pci_get_drvdata(pdev);
	int err;

	if (!bits || bits > 64)
		return -EINVAL;
	err = begin(edu);
	if (err)
		return err;
	err = set_mask(edu, DMA_BIT_MASK(bits));
	end(edu);
	return err;
}

static bool in_buffer(uint32_t offset, size_t size)
{
	return size && offset < BERTH_EDU_BUFFER_BYTES && size <= BERTH_EDU_BUFFER_BYTES - offset;
}

/* One transfer, waited for; edu->busy is ours. */
static int transfer(struct edu *edu, dma_addr_t memory, uint32_t offset, size_t size,
		    enum dma_data_direction dir)
{
	uint64_t command = EDU_DMA_START | EDU_DMA_IRQ;
	uint64_t device = EDU_BUFFER + offset;
	bool to_memory = dir == DMA_FROM_DEVICE;
	int err;

	expect(edu);
	writeq(to_memory ? device : memory, edu->regs + EDU_DMA_SRC);
	writeq(to_memory ? memory : device, edu->regs + EDU_DMA_DST);
	writeq(size, edu->regs + EDU_DMA_COUNT);
	writeq(to_memory ? command | EDU_DMA_TO_MEMORY : command, edu->regs + EDU_DMA_COMMAND);
	err = wait_for_causes(edu, EDU_CAUSE_DMA);
	if (err) {
		/* It may come late, when the memory is somebody else's. */
		pci_clear_master(edu->pdev);
		edu->is_stuck = true;
		dev_err(&edu->pdev->dev, "a transfer did not end: no more DMA\n");
	}
	return err;
}

/* A buffer's way there or back, as one mapping. */
static int copy(struct pci_dev *pdev, void *memory, uint32_t offset, size_t size,
		enum dma_data_direction dir)
{
	struct edu *edu = pci_get_drvdata(pdev);
	dma_addr_t addr;
	int err;

	if (!in_buffer(offset, size))
		return -EINVAL;
	err = begin(edu);
	if (err)
		return err;
	err = -EIO;
	if (!edu->can_dma || edu->is_stuck)
		goto out;
	addr = dma_map_single(&pdev->dev, memory, size, dir);
	err = dma_mapping_error(&pdev->dev, addr);
	if (err)
		goto out;
	err = transfer(edu, addr, offset, size, dir);
	dma_unmap_single(&pdev->dev, addr, size, dir);
out:
	end(edu);
	return err;
}

int berth_edu_copy_to(struct pci_dev *pdev, uint32_t offset, const void *from, size_t size)
{
	return copy(pdev, (void *)(uintptr_t)from, offset, size, DMA_TO_DEVICE);
}

int berth_edu_copy_from(struct pci_dev *pdev, void *to, uint32_t offset, size_t size)
{
	return copy(pdev, to, offset, size, DMA_FROM_DEVICE);
}

int berth_edu_copy_resource(struct pci_dev *pdev, uint32_t offset, phys_addr_t phys, size_t size,
			    enum dma_data_direction dir)
{
	struct edu *edu = pci_get_drvdata(pdev);
	dma_addr_t addr;
	int err;

	if (!in_buffer(offset, size) || (dir != DMA_TO_DEVICE && dir != DMA_FROM_DEVICE))
		return -EINVAL;
	err = begin(edu);
	if (err)
		return err;
	err = -EIO;
	if (edu->is_stuck)
		goto out;
	addr = dma_map_resource(&pdev->dev, phys, size, dir, 0);
	err = dma_mapping_error(&pdev->dev, addr);
	if (err)
		goto out;
	/* A mask under which there is no memory is not the DMA API's. */
	err = addr + (size - 1) > edu->mask ? -EIO : transfer(edu, addr, offset, size, dir);
	dma_unmap_resource(&pdev->dev, addr, size, dir, 0);
out:
	end(edu);
	return err;
}

int berth_edu_copy(struct pci_dev *pdev, void *to, const void *from, size_t size)
{
	struct edu *edu = pci_get_drvdata(pdev);
	dma_addr_t src, dst;
	int err;

	if (!size)
		return -EINVAL;
	err = begin(edu);
	if (err)
		return err;
	err = -EIO;
	if (!edu->can_dma || edu->is_stuck)
		goto out;
	src = dma_map_single(&pdev->dev, (void *)(uintptr_t)from, size, DMA_TO_DEVICE);
	err = dma_mapping_error(&pdev->dev, src);
	if (err)
		goto out;
	dst = dma_map_single(&pdev->dev, to, size, DMA_FROM_DEVICE);
	err = dma_mapping_error(&pdev->dev, dst);
	if (err)
		goto out_unmap_src;
	for (size_t at = 0; at < size && !err; at += BERTH_EDU_BUFFER_BYTES) {
		size_t piece = size - at < BERTH_EDU_BUFFER_BYTES ? size - at
								  : BERTH_EDU_BUFFER_BYTES;

		err = transfer(edu, src + at, 0, piece, DMA_TO_DEVICE);
		if (!err)
			err = transfer(edu, dst + at, 0, piece, DMA_FROM_DEVICE);
	}
	dma_unmap_single(&pdev->dev, dst, size, DMA_FROM_DEVICE);
out_unmap_src:
	dma_unmap_single(&pdev->dev, src, size, DMA_TO_DEVICE);
out:
	end(edu);
	return err;
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu = devm_kzalloc(&pdev->dev, sizeof(*edu), GFP_KERNEL);
	int err;

	(void)id;
	if (!edu)
		return -ENOMEM;
	edu->pdev = pdev;
	init_completion(&edu->seen);
	err = pci_enable_device(pdev);
	if (err)
		return err;
	edu->regs = pci_iomap(pdev, 0, 0);
	err = -ENOMEM;
	if (!edu->regs)
		goto out_disable;
	err = -ENODEV;
	if (!pdev->irq)
		goto out_unmap;
	writel(readl(edu->regs + EDU_IRQ_STATUS), edu->regs + EDU_IRQ_ACK);
	err = request_irq(pdev->irq, edu_interrupt, IRQF_SHARED, "edu", edu);
	if (err)
		goto out_unmap;
	/* Boards whose RAM begins above that say more with berth_edu_set_dma_bits(). */
	set_mask(edu, DMA_BIT_MASK(BERTH_EDU_DMA_BITS));
	pci_set_master(pdev);
	pci_set_drvdata(pdev, edu);
	return 0;

out_unmap:
	pci_iounmap(pdev, edu->regs);
out_disable:
	pci_disable_device(pdev);
	return err;
}

static void edu_remove(struct pci_dev *pdev)
{
	struct edu *edu = pci_get_drvdata(pdev);

	pci_clear_master(pdev);
	free_irq(pdev->irq, edu);
	pci_iounmap(pdev, edu->regs);
	pci_disable_device(pdev);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE) },
	{ 0 },
};

const struct pci_driver berth_edu_driver = {
	.name = "edu",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
};
