// SPDX-License-Identifier: BSD-2-Clause
/* The SiFive PDMA: its registers, its driver copying memory, and how both come and go. */
#include "pdma.h"

#include <berth/interrupt.h>

#include "boards.h"

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
		assert_int_equal(dma_copy(dev, e.dst_dma, e.src_dma, size), 0);
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
		assert_int_equal(dma_copy(dev, e.dst_dma, e.src_dma, size), 0);
		unmap_ends(dev, &e);
		assert_memory_equal(src + from, dst + to, size);
	}
	kfree(src);
	kfree(dst);
	must_stop();
}

/* All at once, on every engine, the one without interrupts too. */
static void test_several_channels(void **state)
{
	(void)state;
	pdma_boot(NULL);
	for (unsigned int engine = 0; engine < ARRAY_SIZE(engines); engine++) {
		struct device *dev = device_of(engines[engine]);
		struct dma_chan *chans[BERTH_PDMA_CHANNELS];
		struct ends e[BERTH_PDMA_CHANNELS];
		dma_cookie_t cookies[BERTH_PDMA_CHANNELS];
		unsigned int nr = engines[engine] == engines[1] ? 2 : BERTH_PDMA_CHANNELS;

		for (unsigned int i = 0; i < nr; i++) {
			size_t size = 100000 + 5000 * i;
			uint8_t *src = kmalloc(size, GFP_KERNEL), *dst = kmalloc(size, GFP_KERNEL);

			assert_true(src && dst);
			chans[i] = must_request(engines[engine]);
			map_ends(dev, &e[i], src, dst, size);
			cookies[i] = dmaengine_submit(dmaengine_prep_dma_memcpy(
				chans[i], e[i].dst_dma, e[i].src_dma, size, 0));
		}
		for (unsigned int i = 0; i < nr; i++)
			dma_async_issue_pending(chans[i]);
		assert_null(dma_chan_of(dev));
		assert_reason(BERTH_REASON_NO_CHANNEL);
		udelay(2);
		for (unsigned int i = 0; i < nr; i++) {
			struct dma_tx_state at;

			assert_int_equal(dmaengine_tx_status(chans[i], cookies[i], &at),
					 DMA_IN_PROGRESS);
			if (!at.residue || at.residue >= e[i].size)
				fail_msg("%s, channel %u: %u left", engines[engine], i, at.residue);
		}
		for (unsigned int i = nr; i--;) {
			assert_int_equal(dma_sync_wait(chans[i], cookies[i]), DMA_COMPLETE);
			unmap_ends(dev, &e[i]);
			assert_memory_equal(e[i].src, e[i].dst, e[i].size);
			kfree(e[i].src);
			kfree(e[i].dst);
			dma_release_channel(chans[i]);
		}
	}
	must_stop();
}

/* A bus error: which side, how much, and the channel goes on. */
static void test_errors(void **state)
{
	struct device *dev = start(NULL);
	struct dma_chan *chan = dma_chan_of(dev);
	uint8_t *src = kmalloc(4096, GFP_KERNEL), *dst = kmalloc(4096, GFP_KERNEL);
	const dma_addr_t nowhere = 0x40000000;
	struct berth_model_stats stats;
	struct ends e;

	(void)state;
	assert_true(chan && src && dst);
	map_ends(dev, &e, src, dst, 4096);
	assert_null(dmaengine_prep_dma_memcpy(chan, e.dst_dma, e.src_dma, 0, 0));
	for (unsigned int write = 0; write < 2; write++) {
		struct told told = { 0 };
		struct dma_async_tx_descriptor *tx = dmaengine_prep_dma_memcpy(
			chan, write ? nowhere : e.dst_dma, write ? e.src_dma : nowhere, 4096, 0);
		dma_cookie_t cookie;

		tx->callback_result = tell;
		tx->callback_param = &told;
		cookie = dmaengine_submit(tx);
		assert_int_equal(dma_sync_wait(chan, cookie), DMA_ERROR);
		assert_reason(BERTH_REASON_TRANSFER);
		assert_int_equal(dmaengine_tx_status(chan, cookie, NULL), DMA_ERROR);
		msleep(1);
		assert_int_equal(told.calls, 1);
		assert_int_equal(told.last.result,
				 write ? DMA_TRANS_WRITE_FAILED : DMA_TRANS_READ_FAILED);
		assert_int_equal(told.last.residue, 4096);
	}
	berth_model_stats(&stats);
	assert_int_equal(stats.bus_errors, 2);
	/* An error leaves nothing behind. */
	assert_int_equal(dma_chan_copy(chan, e.dst_dma, e.src_dma, 4096), 0);
	unmap_ends(dev, &e);
	assert_memory_equal(src, dst, 4096);
	kfree(src);
	kfree(dst);
	dma_release_channel(chan);
	must_stop();
}

/* Its client is still there: what runs ends, and all that is left to do is to let go. */
static void test_remove_while_running(void **state)
{
	struct device *dev = start(NULL);
	struct platform_device *pdev = to_platform_device(dev);
	unsigned int order = get_order(LONG_COPY);
	struct page *src = alloc_pages(GFP_KERNEL, order), *dst = alloc_pages(GFP_KERNEL, order);
	struct dma_chan *chan = dma_chan_of(dev);
	struct berth_model_stats at_remove, later;
	struct dma_async_tx_descriptor *tx;
	struct told told = { 0 };
	dma_cookie_t cookie;
	struct ends e;

	(void)state;
	assert_true(src && dst && chan);
	map_ends(dev, &e, page_address(src), page_address(dst), LONG_COPY);
	tx = dmaengine_prep_dma_memcpy(chan, e.dst_dma, e.src_dma, LONG_COPY, 0);
	tx->callback_result = tell;
	tx->callback_param = &told;
	cookie = dmaengine_submit(tx);
	dma_async_issue_pending(chan);
	udelay(5);
	assert_int_equal(berth_pdma_driver.remove(pdev), 0);
	berth_model_stats(&at_remove);
	assert_true(at_remove.dma_written > 0 && at_remove.dma_written < LONG_COPY);
	msleep(50);
	berth_model_stats(&later);
	assert_int_equal(at_remove.dma_written, later.dma_written);
	assert_int_equal(told.calls, 0);
	assert_null(dmaengine_prep_dma_memcpy(chan, e.dst_dma, e.src_dma, 1, 0));
	assert_reason(BERTH_REASON_STATE);
	assert_int_equal(berth_dma_wait(chan, cookie, 1), -ENODEV);

	/* It comes back before the client has let go of the one that was. */
	assert_int_equal(berth_pdma_driver.probe(pdev), 0);
	dma_release_channel(chan);
	assert_int_equal(dma_copy(dev, e.dst_dma, e.src_dma, LONG_COPY), 0);
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
	dma_addr_t from;

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
	from = dma_map_single(dev, data, 64, DMA_TO_DEVICE);
	assert_false(dma_mapping_error(dev, from));
	writeq(from, regs + 0x18);
	writel(3, regs);
	writel(0, regs + 0x108); /* read only */
	msleep(1);
	assert_int_equal(readq(regs + 0x108), 64);
	assert_int_equal(readl(regs), 0x80000001u);
	writel(0, regs);
	assert_int_equal(readl(regs), 0);
	iounmap(regs);
	dma_unmap_single(dev, from, 64, DMA_TO_DEVICE);
	kfree(data);
	assert_int_equal(berth_pdma_driver.probe(to_platform_device(dev)), 0);
	must_stop();
}

/* The FIFO, by its registers and by accesses of every width. */
static void test_fifo_registers(void **state)
{
	struct berth_model_fifo_stats stats;
	char __iomem *regs;

	(void)state;
	pdma_boot(NULL);
	regs = ioremap(0x10000000, 0x2000);
	assert_non_null(regs);
	assert_int_equal(readl(regs), 0x46494631);
	writeq(0, regs + 0x1000);
	writel(1, regs + 0x1ffc);
	writew(0, regs + 0x1004);
	writeb(0, regs + 0x1777);
	assert_int_equal(readq(regs + 0x8), 0); /* not that wide */
	assert_int_equal(readl(regs + 0x8), 15);
	writeb(0, regs + 0x1000);
	assert_int_equal(readl(regs + 0x8), 16);
	assert_int_equal(readl(regs + 0x18), 0);
	writeq(3, regs + 0x1000); /* 2 was lost */
	writeq(4, regs + 0x1000);
	writeq(4, regs + 0x1000);
	assert_int_equal(readl(regs + 0x18), 2);
	assert_int_equal(berth_model_fifo_stats(FIFO, &stats), 0);
	assert_int_equal(stats.first_break, 16);
	assert_int_equal(stats.consumed, 40);
	assert_int_equal(readq(regs + 0x1100), 0);
	assert_int_equal(readb(regs + 0x1fff), 1);
	assert_int_equal(readw(regs + 0x1000), 0);
	assert_int_equal(readl(regs + 0x10), 11);
	writel(1, regs + 0x4);
	assert_int_equal(readl(regs + 0x8) | readl(regs + 0x10) | readl(regs + 0x18), 0);
	assert_int_equal(berth_model_fifo_stats(PLAIN, &stats), -ENODEV);
	iounmap(regs);
	must_stop();
}

/* Whichever allocation of a probe fails: what it got goes back. */
static void every_allocation_of_a_probe_may_fail(void **state)
{
	struct device *dev = start(NULL);
	struct platform_device *pdev = to_platform_device(dev);
	unsigned int failures = 0;
	uint64_t used;
	int err = 1;

	(void)state;
	assert_int_equal(berth_pdma_driver.remove(pdev), 0);
	used = memory_in_use();
	for (uint64_t n = 1; err; n++) {
		berth_test_fail_nth(n);
		err = berth_pdma_driver.probe(pdev);
		berth_test_fail_nth(0);
		failures += err != 0;
		if (!err)
			break;
		assert_int_equal(err, -ENOMEM);
		assert_reason(BERTH_REASON_OUT_OF_MEMORY);
		assert_null(dev_get_drvdata(dev));
		assert_null(dma_chan_of(dev));
		assert_int_equal(memory_in_use(), used);
	}
	assert_in_range(failures, 2, 50);
	must_stop();
}

/* Prepare calls of all kinds, as @kind says. */
static struct dma_async_tx_descriptor *prepare(struct dma_chan *chan, unsigned int kind)
{
	static const struct data_chunk chunks[] = {
		{ .size = 8, .icg = 8 },
		{ .size = 8, .icg = 8 },
		{ .size = 8, .icg = 8 },
	};
	struct dma_async_tx_descriptor *tx;
	struct dma_interleaved_template *xt;
	struct scatterlist sg[3];

	sg_init_table(sg, ARRAY_SIZE(sg));
	for (unsigned int i = 0; i < ARRAY_SIZE(sg); i++) {
		sg_dma_address(&sg[i]) = 0x80000000 + 4096 * i;
		sg_dma_len(&sg[i]) = 64;
	}
	must_configure(chan);
	switch (kind) {
	case 0:
		return dmaengine_prep_dma_memcpy(chan, 0x80000000, 0x80001000, 64, 0);
	case 1:
		return dmaengine_prep_dma_interrupt(chan, 0);
	case 2:
		return dmaengine_prep_slave_sg(chan, sg, ARRAY_SIZE(sg), DMA_MEM_TO_DEV, 0);
	case 3:
		return dmaengine_prep_dma_cyclic(chan, 0x80000000, 4096, 1024, DMA_DEV_TO_MEM, 0);
	default:
		xt = make_template(2, chunks, ARRAY_SIZE(chunks));
		tx = dmaengine_prep_interleaved_dma(chan, xt, 0);
		free(xt);
		return tx;
	}
}

/* Whichever allocation of a request or a prepare call fails, nothing is left behind, and nothing is left at the end. */
static void every_allocation_of_a_client_may_fail(void **state)
{
	(void)state;
	pdma_boot(NULL);
	/* What is kept for good is there: tables of the IOMMU. */
	for (unsigned int kind = 0; kind < 5; kind++) {
		struct dma_chan *chan = must_request(BEHIND);

		assert_non_null(prepare(chan, kind));
		dma_release_channel(chan);
	}
	for (unsigned int kind = 0; kind < 5; kind++) {
		uint64_t used = memory_in_use();
		unsigned int failures = 0;
		bool is_done = false;

		for (uint64_t n = 1; !is_done; n++) {
			struct dma_async_tx_descriptor *tx = NULL;
			struct dma_chan *chan;

			berth_test_fail_nth(n);
			chan = dma_chan_of(device_of(BEHIND));
			tx = chan ? prepare(chan, kind) : NULL;
			is_done = !berth_test_failed();
			berth_test_fail_nth(0);
			if (is_done)
				assert_true(chan && tx);
			if (!tx) {
				failures++;
				assert_int_equal(berth_last_error()->code, -ENOMEM);
			}
			/* One that was never submitted goes with the channel. */
			if (chan)
				dma_release_channel(chan);
			assert_int_equal(memory_in_use(), used);
		}
		assert_in_range(failures, 1, 50);
	}
	must_stop();
}

/* A tree that gives the FIFO channels of two engines. */
static void channels_by_name(void **state)
{
	static const char *const names[] = { "tx", "rx", "behind-tx", "behind-rx" };
	struct dma_chan *chans[ARRAY_SIZE(names)];
	struct device *fifo;

	(void)state;
	pdma_boot(NULL);
	fifo = device_of(FIFO);
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		chans[i] = dma_request_chan(fifo, names[i]);
		assert_false(IS_ERR(chans[i]));
		assert_int_equal(chans[i]->chan_id, i);
		assert_ptr_equal(dmaengine_get_dma_device(chans[i]),
				 device_of(i < 2 ? PLAIN : BEHIND));
	}
	assert_int_equal(PTR_ERR(dma_request_chan(fifo, "sx")), -ENODEV);
	assert_reason(BERTH_REASON_NO_CHANNEL);
	assert_true(IS_ERR(dma_request_chan(fifo, "nowhere")));
	assert_true(IS_ERR(dma_request_chan(fifo, "tx")));
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		dma_release_channel(chans[i]);
	must_stop();
}

/* Shared with everybody: of whichever engine. */
static void in_public(void **state)
{
	uint8_t *src, *dst;

	(void)state;
	pdma_boot(NULL);
	src = kmalloc(3000, GFP_KERNEL);
	dst = kmalloc(3000, GFP_KERNEL);
	assert_true(src && dst);
	assert_null(dma_find_channel(DMA_MEMCPY));
	dmaengine_get();
	for (unsigned int i = 0; i < 10; i++) {
		struct dma_chan *chan = dma_find_channel(DMA_MEMCPY);
		struct ends e;

		assert_non_null(chan);
		map_ends(dmaengine_get_dma_device(chan), &e, src, dst, 3000);
		assert_int_equal(dma_chan_copy(chan, e.dst_dma, e.src_dma, 3000), 0);
		unmap_ends(dmaengine_get_dma_device(chan), &e);
		assert_memory_equal(src, dst, 3000);
	}
	/* None is left for one client alone. */
	assert_null(dma_chan_of(device_of(PLAIN)));
	dmaengine_put();
	dma_release_channel(must_request(PLAIN));
	kfree(src);
	kfree(dst);
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
		cmocka_unit_test(test_fifo_registers),
		cmocka_unit_test(every_allocation_of_a_probe_may_fail),
		cmocka_unit_test(every_allocation_of_a_client_may_fail),
		cmocka_unit_test(channels_by_name),
		cmocka_unit_test(in_public),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
