// SPDX-License-Identifier: BSD-2-Clause
/* The SiFive PDMA: its registers, and its driver copying between buffers of the linear map. */
#include "machine.h"

#include <berth/dma-mapping.h>
#include <berth/interrupt.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include "boards.h"
#include <berth/drivers/sifive-pdma.h>

#define SEEDS 20
#define LONG_COPY (256u << 10)

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pdma_driver),
	BERTH_NO_MORE_DRIVERS,
};

static struct device *start(const struct berth_model_config *config)
{
	struct device_node *node;

	if (berth_running())
		berth_stop(); /* a test before this one has failed */
	assert_int_equal(start_tree(board_multimedia, drivers, config), 0);
	node = of_find_compatible_node(NULL, NULL, "sifive,fu540-c000-pdma");
	assert_non_null(node);
	return &of_find_device_by_node(node)->dev;
}

static void fill(uint8_t *buffer, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1664525u + 1013904223u;
		buffer[i] = (uint8_t)(seed >> 24);
	}
}

/* Both ends of one copy. */
struct ends {
	size_t size;
	uint8_t *src, *dst;
	dma_addr_t src_dma, dst_dma;
};

static void map_ends(struct device *dev, struct ends *e, uint8_t *src, uint8_t *dst, size_t size)
{
	*e = (struct ends){ .size = size, .src = src, .dst = dst };
	fill(src, size, (uint32_t)size);
	memset(dst, 0x5a, size);
	e->src_dma = dma_map_single(dev, src, size, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(dev, e->src_dma), 0);
	e->dst_dma = dma_map_single(dev, dst, size, DMA_FROM_DEVICE);
	assert_int_equal(dma_mapping_error(dev, e->dst_dma), 0);
}

static void unmap_ends(struct device *dev, const struct ends *e)
{
	dma_unmap_single(dev, e->src_dma, e->size, DMA_TO_DEVICE);
	dma_unmap_single(dev, e->dst_dma, e->size, DMA_FROM_DEVICE);
}

/* Three copies; whether all came out right. *@ops: cache operations there were. */
static bool copies_are_right(uint64_t seed, enum berth_model_cache cache, uint64_t dropped,
			     uint64_t *ops)
{
	const struct berth_model_config config = {
		.seed = seed,
		.cache = cache,
		.drop_cache_op = dropped,
	};
	struct device *dev = start(&config);
	struct berth_model_stats stats;
	bool right = true;

	for (size_t size = 1000; size <= 9000; size += 4000) {
		uint8_t *src = kmalloc(size, GFP_KERNEL), *dst = kmalloc(size, GFP_KERNEL);
		struct ends e;

		assert_true(src && dst);
		map_ends(dev, &e, src, dst, size);
		assert_int_equal(berth_pdma_copy(dev, e.dst_dma, e.src_dma, size), 0);
		unmap_ends(dev, &e);
		fill(src, size, (uint32_t)size);
		right = right && !memcmp(src, dst, size);
		kfree(src);
		kfree(dst);
	}
	must_stop();
	berth_model_stats(&stats);
	*ops = stats.cache_ops;
	return right;
}

static void test_every_sync_matters(void **state)
{
	uint64_t total, ops;

	(void)state;
	assert_true(copies_are_right(1, BERTH_MODEL_CACHE_RANDOM, 0, &total));
	assert_int_equal(total, 9);
	for (uint64_t n = 1; n <= total; n++) {
		bool found = false;

		for (uint64_t seed = 1; seed <= SEEDS && !found; seed++)
			found = !copies_are_right(seed, BERTH_MODEL_CACHE_RANDOM, n, &ops);
		if (!found)
			fail_msg("operation %llu", (unsigned long long)n);
		if (copies_are_right(1, BERTH_MODEL_CACHE_ADVERSARIAL, n, &ops))
			fail_msg("operation %llu, adversarial", (unsigned long long)n);
	}
}

static void test_all_settings(void **state)
{
	uint64_t ops;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		assert_true(copies_are_right(seed, BERTH_MODEL_CACHE_RANDOM, 0, &ops));
		assert_true(copies_are_right(seed, BERTH_MODEL_CACHE_ADVERSARIAL, 0, &ops));
	}
}

/* Any size, at any offset, inside lines of the buffer's own. */
static void test_sizes_and_offsets(void **state)
{
	struct device *dev = start(NULL);
	const size_t room = 8192;
	uint8_t *src = kmalloc(room, GFP_KERNEL), *dst = kmalloc(room, GFP_KERNEL);
	uint32_t seed = 7;

	(void)state;
	assert_true(src && dst);
	for (unsigned int i = 0; i < 300; i++) {
		size_t from, to, size;
		struct ends e;

		seed = seed * 1664525u + 1013904223u;
		from = seed >> 8 & 0x7ff;
		to = seed >> 20 & 0x7ff;
		size = 1 + (seed >> 4) % 4096;
		map_ends(dev, &e, src + from, dst + to, size);
		assert_int_equal(berth_pdma_copy(dev, e.dst_dma, e.src_dma, size), 0);
		unmap_ends(dev, &e);
		assert_memory_equal(src + from, dst + to, size);
	}
	kfree(src);
	kfree(dst);
	must_stop();
}

static void test_several_channels(void **state)
{
	struct device *dev = start(NULL);
	struct ends e[BERTH_PDMA_CHANNELS];
	uint8_t *buffers[2 * BERTH_PDMA_CHANNELS];
	int channels[BERTH_PDMA_CHANNELS];

	(void)state;
	for (unsigned int i = 0; i < BERTH_PDMA_CHANNELS; i++) {
		size_t size = 100000 + 5000 * i;

		buffers[2 * i] = kmalloc(size, GFP_KERNEL);
		buffers[2 * i + 1] = kmalloc(size, GFP_KERNEL);
		assert_true(buffers[2 * i] && buffers[2 * i + 1]);
		map_ends(dev, &e[i], buffers[2 * i], buffers[2 * i + 1], size);
		channels[i] = berth_pdma_start(dev, e[i].dst_dma, e[i].src_dma, size);
		assert_true(channels[i] >= 0);
	}
	assert_int_equal(berth_pdma_start(dev, e[0].dst_dma, e[0].src_dma, 1), -EBUSY);
	udelay(2);
	for (unsigned int i = 0; i < BERTH_PDMA_CHANNELS; i++) {
		size_t residue = berth_pdma_residue(dev, channels[i]);

		assert_true(residue && residue < e[i].size);
	}
	for (unsigned int i = BERTH_PDMA_CHANNELS; i--;) {
		assert_int_equal(berth_pdma_wait(dev, channels[i], 1000), 0);
		assert_int_equal(berth_pdma_wait(dev, channels[i], 1000), -EINVAL);
		unmap_ends(dev, &e[i]);
		assert_memory_equal(e[i].src, e[i].dst, e[i].size);
		kfree(e[i].src);
		kfree(e[i].dst);
	}
	must_stop();
}

static void test_errors(void **state)
{
	struct device *dev = start(NULL);
	uint8_t *src = kmalloc(4096, GFP_KERNEL), *dst = kmalloc(4096, GFP_KERNEL);
	const dma_addr_t nowhere = 0x40000000;
	struct berth_model_stats stats;
	struct ends e;

	(void)state;
	assert_true(src && dst);
	map_ends(dev, &e, src, dst, 4096);
	assert_int_equal(berth_pdma_copy(dev, e.dst_dma, e.src_dma, 0), -EINVAL);
	assert_int_equal(berth_pdma_copy(dev, nowhere, e.src_dma, 4096), -EIO);
	assert_int_equal(berth_pdma_copy(dev, e.dst_dma, nowhere, 4096), -EIO);
	assert_int_equal(berth_pdma_wait(dev, -1, 1), -EINVAL);
	assert_int_equal(berth_pdma_wait(dev, BERTH_PDMA_CHANNELS, 1), -EINVAL);
	berth_model_stats(&stats);
	assert_int_equal(stats.bus_errors, 2);
	/* An error leaves nothing behind. */
	assert_int_equal(berth_pdma_copy(dev, e.dst_dma, e.src_dma, 4096), 0);
	unmap_ends(dev, &e);
	assert_memory_equal(src, dst, 4096);
	kfree(src);
	kfree(dst);
	must_stop();
}

static void test_remove_while_running(void **state)
{
	struct device *dev = start(NULL);
	struct platform_device *pdev = to_platform_device(dev);
	unsigned int order = get_order(LONG_COPY);
	struct page *src = alloc_pages(GFP_KERNEL, order), *dst = alloc_pages(GFP_KERNEL, order);
	struct berth_model_stats at_remove, later;
	struct ends e;
	int channel;

	(void)state;
	assert_true(src && dst);
	map_ends(dev, &e, page_address(src), page_address(dst), LONG_COPY);
	channel = berth_pdma_start(dev, e.dst_dma, e.src_dma, LONG_COPY);
	assert_true(channel >= 0);
	assert_int_equal(berth_pdma_wait(dev, channel, 0), -ETIMEDOUT);
	assert_true(berth_pdma_start(dev, e.dst_dma, e.src_dma, LONG_COPY) >= 0);
	udelay(5);
	assert_int_equal(berth_pdma_driver.remove(pdev), 0);
	berth_model_stats(&at_remove);
	assert_true(at_remove.dma_written > 0 && at_remove.dma_written < LONG_COPY);
	msleep(50);
	berth_model_stats(&later);
	assert_int_equal(at_remove.dma_written, later.dma_written);
	assert_int_equal(berth_pdma_start(dev, e.dst_dma, e.src_dma, 1), -ENODEV);

	assert_int_equal(berth_pdma_driver.probe(pdev), 0);
	assert_int_equal(berth_pdma_copy(dev, e.dst_dma, e.src_dma, LONG_COPY), 0);
	unmap_ends(dev, &e);
	assert_memory_equal(e.src, e.dst, LONG_COPY);
	__free_pages(src, order);
	__free_pages(dst, order);
	must_stop();
}

static irqreturn_t not_mine(int irq, void *data)
{
	(void)irq;
	(void)data;
	return IRQ_NONE;
}

/* One of the eight interrupts is taken: those before it go back. */
static void test_taken_interrupt(void **state)
{
	struct device *dev = start(NULL);
	struct platform_device *pdev = to_platform_device(dev);
	unsigned int irq = (unsigned int)platform_get_irq(pdev, 5);

	(void)state;
	assert_int_equal(berth_pdma_driver.remove(pdev), 0);
	assert_int_equal(request_irq(irq, not_mine, 0, "test", &irq), 0);
	assert_int_equal(berth_pdma_driver.probe(pdev), -EBUSY);
	assert_null(dev_get_drvdata(dev));
	free_irq(irq, &irq);
	assert_int_equal(berth_pdma_driver.probe(pdev), 0);
	must_stop();
}

/* Register by register, as the manual says. */
static void test_registers(void **state)
{
	struct device *dev = start(NULL);
	uint8_t *data = kmalloc(64, GFP_KERNEL);
	char __iomem *regs;

	(void)state;
	assert_non_null(data);
	memset(data, 1, 64);
	assert_int_equal(berth_pdma_driver.remove(to_platform_device(dev)), 0);
	regs = ioremap(0x3003000, 0x1000);
	assert_non_null(regs);

	writel(2, regs); /* run without a claim does nothing */
	assert_int_equal(readl(regs), 0);
	writel(0x11111111, regs + 4);
	writel(1, regs);
	assert_int_equal(readl(regs), 1);
	assert_int_equal(readl(regs + 4), 0x66000000); /* the claim has cleared it */
	writeq(64, regs + 8);
	assert_int_equal(readl(regs + 8), 64);
	writel(0x56000000, regs + 4); /* sizes that differ */
	writel(3, regs);
	assert_int_equal(readl(regs), 0x80000001u);
	writel(0x66000000, regs + 4);
	writeq(0x40000000, regs + 0x10); /* no RAM there */
	writeq(dma_map_single(dev, data, 64, DMA_TO_DEVICE), regs + 0x18);
	writel(3, regs);
	writel(0, regs + 0x108); /* read only */
	msleep(1);
	assert_int_equal(readq(regs + 0x108), 64);
	assert_int_equal(readl(regs), 0x80000001u);
	writel(0, regs);
	assert_int_equal(readl(regs), 0);
	iounmap(regs);
	kfree(data);
	assert_int_equal(berth_pdma_driver.probe(to_platform_device(dev)), 0);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_sync_matters),
		cmocka_unit_test(test_all_settings),
		cmocka_unit_test(test_sizes_and_offsets),
		cmocka_unit_test(test_several_channels),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_remove_while_running),
		cmocka_unit_test(test_taken_interrupt),
		cmocka_unit_test(test_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
