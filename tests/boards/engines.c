/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each DMA engine of the board's device tree copies once, without a driver of berth's: the tree has its
 * registers, its interrupt and its addresses right, and the interrupt comes through the board's controller.
 */
#include <berth/aarch64.h>
#include <berth/berth.h>
#include <berth/completion.h>
#include <berth/dma-mapping.h>
#include <berth/interrupt.h>
#include <berth/io.h>
#include <berth/of.h>
#include <berth/platform_device.h>
#include <berth/timer.h>

#include "tap.h"

#define BYTES 20000u
#define PATIENCE_MS 10000
#define MAX_CHANNELS 16u

static unsigned int nr_engines;

/* What a copy works with. */
struct copy {
	char __iomem *registers;
	uint32_t *descriptor;
	uint8_t *src, *dst;
	dma_addr_t descriptor_dma, src_dma, dst_dma;
	struct completion done;
};

/* ZDMA of ZynqMP and Versal, in its simple mode. */
#define ZDMA_ISR 0x100
#define ZDMA_IEN 0x108
#define ZDMA_IDS 0x10c
#define ZDMA_SRC 0x128
#define ZDMA_DST 0x138
#define ZDMA_START 0x200
#define ZDMA_DONE (1u << 10)

static irqreturn_t zdma_done(int irq, void *data)
{
	struct copy *copy = data;
	uint32_t status = readl(copy->registers + ZDMA_ISR) & ZDMA_DONE;

	(void)irq;
	if (!status)
		return IRQ_NONE;
	writel(status, copy->registers + ZDMA_ISR);
	complete(&copy->done);
	return IRQ_HANDLED;
}

static void zdma_side(char __iomem *words, dma_addr_t addr)
{
	writel((uint32_t)addr, words);
	writel((uint32_t)(addr >> 32), words + 4);
	writel(BYTES, words + 8);
	writel(0, words + 12);
}

static void zdma_start(struct copy *copy)
{
	writel(ZDMA_DONE, copy->registers + ZDMA_ISR);
	zdma_side(copy->registers + ZDMA_SRC, copy->src_dma);
	zdma_side(copy->registers + ZDMA_DST, copy->dst_dma);
	writel(ZDMA_DONE, copy->registers + ZDMA_IEN);
	writel(1, copy->registers + ZDMA_START);
}

static void zdma_stop(struct copy *copy)
{
	writel(ZDMA_DONE, copy->registers + ZDMA_IDS);
}

/* A channel of the BCM2835's. */
#define BCM_CHANNEL 0x100u
#define BCM_CS 0x00
#define BCM_CS_ACTIVE (1u << 0)
#define BCM_CS_END (1u << 1)
#define BCM_CS_INT (1u << 2)
#define BCM_CONBLK 0x04
/* An interrupt at the end, and both addresses go up. */
#define BCM_TI (1u << 0 | 1u << 4 | 1u << 8)

static irqreturn_t bcm_done(int irq, void *data)
{
	struct copy *copy = data;

	(void)irq;
	if (!(readl(copy->registers + BCM_CS) & BCM_CS_INT))
		return IRQ_NONE;
	writel(BCM_CS_INT | BCM_CS_END, copy->registers + BCM_CS);
	complete(&copy->done);
	return IRQ_HANDLED;
}

static void bcm_start(struct copy *copy)
{
	const uint32_t block[8] = {
		BCM_TI,
		(uint32_t)copy->src_dma,
		(uint32_t)copy->dst_dma,
		BYTES,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(block); i++)
		copy->descriptor[i] = block[i];
	writel((uint32_t)copy->descriptor_dma, copy->registers + BCM_CONBLK);
	writel(BCM_CS_ACTIVE, copy->registers + BCM_CS);
}

static void bcm_stop(struct copy *copy)
{
	writel(0, copy->registers + BCM_CS);
}

static const struct kind {
	irq_handler_t done;
	void (*start)(struct copy *copy);
	void (*stop)(struct copy *copy);
} zdma = { zdma_done, zdma_start, zdma_stop }, bcm = { bcm_done, bcm_start, bcm_stop };

static bool is_copied(const struct copy *copy)
{
	for (uint32_t i = 0; i < BYTES; i++)
		if (copy->dst[i] != (uint8_t)(i * 7 + nr_engines))
			return false;
	return true;
}

static bool run(const struct kind *kind, struct copy *copy, int irq)
{
	bool good;

	if (irq < 0 || request_irq((unsigned int)irq, kind->done, IRQF_SHARED, "engine", copy))
		return false;
	for (uint32_t i = 0; i < BYTES; i++) {
		copy->src[i] = (uint8_t)(i * 7 + nr_engines);
		copy->dst[i] = 0;
	}
	init_completion(&copy->done);
	kind->start(copy);
	good = wait_for_completion_timeout(&copy->done, msecs_to_jiffies(PATIENCE_MS)) &&
	       is_copied(copy);
	kind->stop(copy);
	free_irq((unsigned int)irq, copy);
	return good;
}

static int probe_channel(struct platform_device *pdev, const struct kind *kind,
			 unsigned int channel)
{
	struct device *dev = &pdev->dev;
	char __iomem *registers = devm_platform_ioremap_resource(pdev, 0);
	struct copy copy = { 0 };
	bool good = false;

	if (IS_ERR(registers))
		return (int)PTR_ERR(registers);
	copy.registers = registers + channel * BCM_CHANNEL;
	copy.descriptor = dma_alloc_coherent(dev, 64, &copy.descriptor_dma, GFP_KERNEL);
	copy.src = dma_alloc_coherent(dev, BYTES, &copy.src_dma, GFP_KERNEL);
	copy.dst = dma_alloc_coherent(dev, BYTES, &copy.dst_dma, GFP_KERNEL);
	if (copy.descriptor && copy.src && copy.dst)
		good = run(kind, &copy, platform_get_irq(pdev, channel));
	dma_free_coherent(dev, 64, copy.descriptor, copy.descriptor_dma);
	dma_free_coherent(dev, BYTES, copy.src, copy.src_dma);
	dma_free_coherent(dev, BYTES, copy.dst, copy.dst_dma);
	check(good, dev_name(dev));
	nr_engines++;
	return 0;
}

static int zdma_probe(struct platform_device *pdev)
{
	int err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(44));

	return err ? err : probe_channel(pdev, &zdma, 0);
}

static int bcm_probe(struct platform_device *pdev)
{
	uint32_t mask = 0;
	int err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(32));

	of_property_read_u32(pdev->dev.of_node, "brcm,dma-channel-mask", &mask);
	for (unsigned int i = 0; i < MAX_CHANNELS && !err; i++)
		if (mask & 1u << i)
			err = probe_channel(pdev, &bcm, i);
	return err;
}

static int remove_nothing(struct platform_device *pdev)
{
	(void)pdev;
	return 0;
}

static const struct of_device_id zdma_ids[] = { { .compatible = "xlnx,zynqmp-dma-1.0" },
						{ .compatible = "" } };
static const struct of_device_id bcm_ids[] = { { .compatible = "brcm,bcm2835-dma" },
					       { .compatible = "" } };

static const struct platform_driver zdma_driver = {
	.probe = zdma_probe,
	.remove = remove_nothing,
	.driver = { .name = "zdma", .of_match_table = zdma_ids },
};
static const struct platform_driver bcm_driver = {
	.probe = bcm_probe,
	.remove = remove_nothing,
	.driver = { .name = "bcm2835-dma", .of_match_table = bcm_ids },
};

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&zdma_driver),
	BERTH_PLATFORM_DRIVER(&bcm_driver),
	BERTH_NO_MORE_DRIVERS,
};

static unsigned int expected(void)
{
	static const struct {
		const char *compatible;
		unsigned int nr;
	} boards[] = {
		{ "xlnx-versal-virt", 8 },
		{ "xlnx,zynqmp-zcu102", 16 },
		{ "raspberrypi,3-model-b", 11 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(boards); i++)
		if (of_device_is_compatible(of_find_node_by_path("/"), boards[i].compatible))
			return boards[i].nr;
	return 0;
}

int main(void)
{
	if (berth_start(NULL, drivers, NULL)) {
		say("Bail out! berth_start\n");
		return 1;
	}
	check(nr_engines && nr_engines == expected(), "the tree has all engines of the board");
	check(!berth_stop(), "nothing is left");
	say("1..");
	say_number(checks);
	say("\n");
	return failures != 0;
}
