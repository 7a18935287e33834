/* SPDX-License-Identifier: BSD-2-Clause */
/* The boards that the machine knows: RAM from 0 on, registers, DMA and interrupts of each. */
#include <berth/dma-mapping.h>
#include <berth/interrupt.h>
#include <berth/io.h>
#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/timer.h>

#include "board.h"
#include "trees.h"

#define MAX_ENGINES 16u
#define BYTES 64u

/* Of the PL330 (DDI 0424). */
#define PL330_EVENT 3u
#define PL330_INTEN 0x020
#define PL330_INTCLR 0x02c
#define PL330_DBGCMD 0xd04
#define PL330_DBGINST0 0xd08
#define PL330_DBGINST1 0xd0c
#define PL330_GO_0 (0xa0u << 16)

/* Of the ZDMA (UG1085). */
#define ZDMA_ISR 0x100
#define ZDMA_IEN 0x108
#define ZDMA_SRC 0x128
#define ZDMA_DST 0x138
#define ZDMA_CTRL2 0x200
#define ZDMA_DONE BIT(10)

struct engine {
	char __iomem *regs;
	struct device *dev;
	uint32_t nr_done; /* atomic */
	int irq;
};

static struct engine engines[MAX_ENGINES];
static unsigned int nr_engines;

static irqreturn_t pl330_irq(int irq, void *data)
{
	struct engine *engine = data;

	(void)irq;
	writel(BIT(PL330_EVENT), engine->regs + PL330_INTCLR);
	__atomic_fetch_add(&engine->nr_done, 1, __ATOMIC_SEQ_CST);
	return IRQ_HANDLED;
}

static irqreturn_t zdma_irq(int irq, void *data)
{
	struct engine *engine = data;

	(void)irq;
	if (!(readl(engine->regs + ZDMA_ISR) & ZDMA_DONE))
		return IRQ_NONE;
	writel(UINT32_MAX, engine->regs + ZDMA_ISR);
	__atomic_fetch_add(&engine->nr_done, 1, __ATOMIC_SEQ_CST);
	return IRQ_HANDLED;
}

static int probe(struct platform_device *pdev, unsigned int irq, irq_handler_t handler)
{
	struct engine *engine = &engines[nr_engines];
	int ret;

	if (nr_engines == MAX_ENGINES)
		return -ENOSPC;
	*engine = (struct engine){ .dev = &pdev->dev, .irq = platform_get_irq(pdev, irq) };
	engine->regs = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(engine->regs) || engine->irq < 0)
		return -ENODEV;
	ret = request_irq((unsigned int)engine->irq, handler, 0, "test", engine);
	if (ret)
		return ret;
	platform_set_drvdata(pdev, engine);
	nr_engines++;
	return 0;
}

static int pl330_probe(struct platform_device *pdev)
{
	return probe(pdev, 1 + PL330_EVENT, pl330_irq);
}

static int zdma_probe(struct platform_device *pdev)
{
	return probe(pdev, 0, zdma_irq);
}

static int engine_remove(struct platform_device *pdev)
{
	struct engine *engine = platform_get_drvdata(pdev);

	free_irq((unsigned int)engine->irq, engine);
	return 0;
}

static const struct of_device_id pl330_match[] = { { .compatible = "arm,pl330" },
						   { .compatible = "" } };
static const struct platform_driver pl330_driver = {
	.probe = pl330_probe,
	.remove = engine_remove,
	.driver = { .name = "raw-pl330", .of_match_table = pl330_match },
};
static const struct of_device_id zdma_match[] = { { .compatible = "xlnx,zynqmp-dma-1.0" },
						  { .compatible = "" } };
static const struct platform_driver zdma_driver = {
	.probe = zdma_probe,
	.remove = engine_remove,
	.driver = { .name = "raw-zdma", .of_match_table = zdma_match },
};
static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&pl330_driver),
	BERTH_PLATFORM_DRIVER(&zdma_driver),
	BERTH_NO_MORE_DRIVERS,
};

static uint8_t *put(uint8_t *code, uint8_t opcode, uint8_t reg, uint32_t value)
{
	*code++ = opcode;
	*code++ = reg;
	for (unsigned int i = 0; i < 4; i++)
		*code++ = (uint8_t)(value >> 8 * i);
	return code;
}

/* One burst of 16 beats of 4 bytes, and the event. */
static void pl330_copy(struct engine *engine, dma_addr_t dst, dma_addr_t src)
{
	static const uint8_t end[] = { 0x04, 0x08, 0x13, 0x34, PL330_EVENT << 3, 0x00 };
	uint32_t ccr = BIT(0) | 2u << 1 | 15u << 4 | BIT(14) | 2u << 15 | 15u << 18;
	dma_addr_t at;
	uint8_t *code = dma_alloc_coherent(engine->dev, 64, &at, GFP_KERNEL), *next;

	assert_non_null(code);
	next = put(code, 0xbc, 0, (uint32_t)src);
	next = put(next, 0xbc, 1, ccr);
	next = put(next, 0xbc, 2, (uint32_t)dst);
	memcpy(next, end, sizeof(end));
	writel(BIT(PL330_EVENT), engine->regs + PL330_INTEN);
	writel(PL330_GO_0, engine->regs + PL330_DBGINST0);
	writel((uint32_t)at, engine->regs + PL330_DBGINST1);
	writel(0, engine->regs + PL330_DBGCMD);
	while (!__atomic_load_n(&engine->nr_done, __ATOMIC_SEQ_CST))
		msleep(1);
	dma_free_coherent(engine->dev, 64, code, at);
}

static void zdma_copy(struct engine *engine, dma_addr_t dst, dma_addr_t src)
{
	writel(ZDMA_DONE, engine->regs + ZDMA_IEN);
	writel((uint32_t)src, engine->regs + ZDMA_SRC);
	writel((uint32_t)(src >> 32), engine->regs + ZDMA_SRC + 4);
	writel(BYTES, engine->regs + ZDMA_SRC + 8);
	writel((uint32_t)dst, engine->regs + ZDMA_DST);
	writel((uint32_t)(dst >> 32), engine->regs + ZDMA_DST + 4);
	writel(BYTES, engine->regs + ZDMA_DST + 8);
	writel(1, engine->regs + ZDMA_CTRL2);
	while (!__atomic_load_n(&engine->nr_done, __ATOMIC_SEQ_CST))
		msleep(1);
}

typedef void (*copy_t)(struct engine *engine, dma_addr_t dst, dma_addr_t src);

static void it_copies(struct engine *engine, copy_t copy)
{
	uint8_t *bytes = kzalloc(2 * BYTES, GFP_KERNEL);
	dma_addr_t at;

	assert_non_null(bytes);
	fill(bytes, BYTES, (uint32_t)(engine - engines));
	at = dma_map_single(engine->dev, bytes, 2 * BYTES, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_mapping_error(engine->dev, at), 0);
	/* RAM begins at 0: the address is the place in it. */
	assert_true(at < 256 * MIB);
	copy(engine, at + BYTES, at);
	dma_unmap_single(engine->dev, at, 2 * BYTES, DMA_BIDIRECTIONAL);
	assert_memory_equal(bytes, bytes + BYTES, BYTES);
	assert_int_equal(__atomic_load_n(&engine->nr_done, __ATOMIC_SEQ_CST), 1);
	kfree(bytes);
}

static void try_board(const char *machine, const void *tree, unsigned int nr, copy_t copy)
{
	const struct berth_qemu_config config = {
		.machine = machine,
		.ram_size = 256 * MIB,
		.timeout_ms = 120000,
		.slow_down = SLOW_DOWN,
	};
	const struct berth_options options = { .machine = &berth_qemu, .machine_config = &config };
	struct berth_qemu_stats stats;
	char why[200];

	if (berth_running())
		berth_stop();
	nr_engines = 0;
	if (berth_start(tree, drivers, &options)) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("%s: %s", machine, why);
	}
	assert_int_equal(nr_engines, nr);
	for (unsigned int i = 0; i < nr; i++)
		it_copies(&engines[i], copy);
	berth_qemu_stats(&stats);
	assert_int_equal(stats.interrupts, nr);
	must_stop();
}

static void zynq(void **state)
{
	(void)state;
	try_board("xilinx-zynq-a9", tree_qemu_zynq, 1, pl330_copy);
}

static void zcu102(void **state)
{
	(void)state;
	try_board("xlnx-zcu102", tree_qemu_zcu102, 16, zdma_copy);
}

/* The tree is QEMU's. */
static void versal(void **state)
{
	(void)state;
	try_board("xlnx-versal-virt", NULL, 8, zdma_copy);
}

static void options_may_follow_a_name(void **state)
{
	(void)state;
	try_board("xlnx-zcu102,virtualization=on", tree_qemu_zcu102, 16, zdma_copy);
}

static void two_boards_make_no_tree(void **state)
{
	static const char *const machines[] = { "xilinx-zynq-a9", "xlnx-zcu102" };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(machines); i++) {
		assert_int_equal(start_on(machines[i], NULL, 0, NULL, NULL), -EINVAL);
		assert_reason(BERTH_REASON_ARGUMENT);
		assert_string_equal(berth_last_error()->subject, "board");
	}
}

static void inputs_of_what_is_not_there(void **state)
{
	(void)state;
	assert_int_equal(berth_qemu_set_input("pl330", 0, 0, true), -EIO);
	assert_int_equal(start_on(NULL, NULL, 0, NULL, NULL), 0);
	assert_int_equal(berth_qemu_set_input("pl330", 0, 0, true), -EINVAL);
	assert_reason(BERTH_REASON_ARGUMENT);
	assert_int_equal(berth_qemu_set_input("pl031", 1, 0, true), -EINVAL);
	must_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zynq),
		cmocka_unit_test(zcu102),
		cmocka_unit_test(versal),
		cmocka_unit_test(options_may_follow_a_name),
		cmocka_unit_test(two_boards_make_no_tree),
		cmocka_unit_test(inputs_of_what_is_not_there),
	};

	return has_emulator() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
