/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * node BOARD.dtb: a driver's own node under /dev, whose mmap() is dma_mmap_coherent(), and a program that opens it.
 * Prints TAP.
 *
 * What such drivers often get wrong: open files and mappings outlive the node, so what they use is freed when the
 * last of them has gone; the device is told the address that dma_alloc_coherent() gave, never a physical one.
 */
#include <berth/dma-mapping.h>
#include <berth/fs.h>
#include <berth/interrupt.h>
#include <berth/io.h>
#include <berth/mutex.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include "tree.h"

#define DSP_ID 0x44535031u
#define DSP_CHECKSUM 3
#define DSP_BYTES (3 * PAGE_SIZE)

/* After docs/model-devices.md; the device looks at these words now and then. */
enum { ID = 0x00, CONTROL = 0x04, IRQ_ENABLE = 0x10, IRQ_ACK = 0x14, DOORBELL = 0x18, DONE = 0x1c };
enum { COMMAND = 0x20, LENGTH = 0x24, SOURCE_LO = 0x28, SOURCE_HI = 0x2c, RESULT = 0x3c };

struct dsp {
	struct miscdevice misc;
	struct mutex lock; /* one command at a time */
	struct wait_queue_head wait;
	char __iomem *regs;
	unsigned int irq;
	void *buffer;
	dma_addr_t addr;
};

static irqreturn_t dsp_irq(int irq, void *data)
{
	struct dsp *dsp = data;

	(void)irq;
	writel(0, dsp->regs + IRQ_ENABLE); /* the line falls when the device looks next */
	wake_up(&dsp->wait);
	return IRQ_HANDLED;
}

/* The program has written bytes through its mapping: read() gives their checksum. */
static long dsp_read(struct file *file, char *buf, size_t count, berth_loff_t *pos)
{
	struct dsp *dsp = container_of(file->private_data, struct dsp, misc);
	uint32_t next, result;
	int err;

	(void)pos;
	if (count != sizeof(result))
		return -EINVAL;
	mutex_lock(&dsp->lock);
	next = readl(dsp->regs + DONE) + 1;
	writel(DSP_CHECKSUM, dsp->regs + COMMAND);
	writel(DSP_BYTES, dsp->regs + LENGTH);
	writel(lower_32_bits(dsp->addr), dsp->regs + SOURCE_LO);
	writel(upper_32_bits(dsp->addr), dsp->regs + SOURCE_HI);
	writel(3, dsp->regs + IRQ_ACK);
	writel(1, dsp->regs + IRQ_ENABLE);
	writel(next, dsp->regs + DOORBELL);
	err = wait_event_interruptible(&dsp->wait, readl(dsp->regs + DONE) == next);
	result = readl(dsp->regs + RESULT);
	mutex_unlock(&dsp->lock);
	return err ? err : copy_to_user(buf, &result, sizeof(result)) ? -EFAULT : (long)count;
}

static int dsp_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct dsp *dsp = container_of(file->private_data, struct dsp, misc);

	return dma_mmap_coherent(dsp->misc.parent, vma, dsp->buffer, dsp->addr, DSP_BYTES);
}

static const struct file_operations dsp_fops = { .read = dsp_read, .mmap = dsp_mmap };

static int dsp_probe(struct platform_device *pdev)
{
	struct dsp *dsp = devm_kzalloc(&pdev->dev, sizeof(*dsp), GFP_KERNEL);
	int irq = platform_get_irq(pdev, 0), err;

	if (!dsp || irq < 0)
		return dsp ? irq : -ENOMEM;
	init_waitqueue_head(&dsp->wait);
	dsp->irq = (unsigned int)irq;
	dsp->misc.minor = MISC_DYNAMIC_MINOR;
	dsp->misc.name = "dsp";
	dsp->misc.fops = &dsp_fops;
	dsp->misc.parent = &pdev->dev;
	dsp->buffer = dmam_alloc_coherent(&pdev->dev, DSP_BYTES, &dsp->addr, GFP_KERNEL);
	dsp->regs = devm_platform_ioremap_resource(pdev, 0);
	if (!dsp->buffer || IS_ERR(dsp->regs))
		return dsp->buffer ? (int)PTR_ERR(dsp->regs) : -ENOMEM;
	while (readl(dsp->regs + ID) != DSP_ID)
		usleep_range(100, 200);
	writel(1, dsp->regs + CONTROL);
	platform_set_drvdata(pdev, dsp);
	err = request_irq(dsp->irq, dsp_irq, 0, "dsp", dsp);
	if (!err && (err = misc_register(&dsp->misc)))
		free_irq(dsp->irq, dsp);
	return err;
}

/* The programs of this example have closed it by now. */
static int dsp_remove(struct platform_device *pdev)
{
	struct dsp *dsp = platform_get_drvdata(pdev);

	misc_deregister(&dsp->misc);
	free_irq(dsp->irq, dsp);
	return 0;
}

static const struct of_device_id dsp_match[] = { { .compatible = "berth,model-dsp" },
						 { .compatible = "" } };

static const struct platform_driver dsp_driver = {
	.probe = dsp_probe,
	.remove = dsp_remove,
	.driver = { .name = "dsp", .of_match_table = dsp_match },
};

int main(int argc, char **argv)
{
	static const struct berth_driver drivers[] = { BERTH_PLATFORM_DRIVER(&dsp_driver),
						       BERTH_NO_MORE_DRIVERS };
	void *tree = start_with_tree(argc, argv, drivers);
	struct file *file = berth_filp_open("/dev/dsp", BERTH_O_RDWR);
	struct vm_area_struct vma;
	uint32_t want = 0, sum = 0;

	result(!IS_ERR(file) && !berth_file_mmap(file, &vma, DSP_BYTES, 0), "its memory is mapped");
	for (unsigned int n = 0; !nr_failed && n < DSP_BYTES; n++) {
		((uint8_t *)vma.vm_start)[n] = (uint8_t)n;
		want = want * 31 + (uint8_t)n;
	}
	result(!nr_failed && berth_file_read(file, &sum, 4) == 4, "the device has read it");
	result(sum == want, "the device has seen what the program has written");
	if (!nr_failed) {
		fput(file); /* the mapping holds it */
		berth_vma_release(&vma);
	}
	return stop_with_tree(tree);
}
