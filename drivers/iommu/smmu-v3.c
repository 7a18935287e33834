// SPDX-License-Identifier: BSD-2-Clause
/* Driver of the Arm SMMUv3 (IHI 0070): what it can do, start and stop. */
#include "smmu-v3.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define ACK_TIMEOUT_NS (1000 * NSEC_PER_MSEC)
#define ACK_PAUSE_US 1

/* Bits of physical addresses by what OAS says. */
static const uint8_t oas_bits[] = { 32, 36, 40, 42, 44, 48, 52, 52 };

bool berth_smmu_alloc(struct smmu *smmu, struct smmu_memory *memory, size_t size, size_t align)
{
	memory->size = size;
	memory->whole = dma_alloc_coherent(smmu->dev, size, &memory->whole_dma, GFP_KERNEL);
	if (memory->whole && memory->whole_dma & (align - 1)) {
		dma_free_coherent(smmu->dev, size, memory->whole, memory->whole_dma);
		memory->size = size + align;
		memory->whole =
			dma_alloc_coherent(smmu->dev, memory->size, &memory->whole_dma, GFP_KERNEL);
	}
	if (!memory->whole)
		return false;
	memory->dma = (memory->whole_dma + (align - 1)) & ~(uint64_t)(align - 1);
	memory->at = (char *)memory->whole + (memory->dma - memory->whole_dma);
	return true;
}

void berth_smmu_free(struct smmu *smmu, struct smmu_memory *memory)
{
	dma_free_coherent(smmu->dev, memory->size, memory->whole, memory->whole_dma);
	memory->whole = NULL;
}

int berth_smmu_timed_out(struct smmu *smmu, unsigned int reg)
{
	smmu_count(&smmu->stats.timeouts, 1);
	/* A machine that is gone has said so itself. */
	if (smmu_read(smmu, reg) == GONE && berth_last_error()->reason == BERTH_REASON_MACHINE)
		return -ETIMEDOUT;
	return berth_set_error(dev_name(smmu->dev), -ETIMEDOUT, BERTH_REASON_NO_DEVICE, reg, 0);
}

/* Until the bits @mask of a register are @value. */
static int wait_for(struct smmu *smmu, unsigned int reg, uint32_t mask, uint32_t value)
{
	uint64_t deadline = ktime_get_ns() + ACK_TIMEOUT_NS;
	bool is_over = false;
	uint32_t now;

	while (now = smmu_read(smmu, reg), now == GONE || (now & mask) != value) {
		if (is_over || now == GONE)
			return berth_smmu_timed_out(smmu, reg);
		udelay(ACK_PAUSE_US);
		is_over = ktime_get_ns() >= deadline;
	}
	return 0;
}

static int set_cr0(struct smmu *smmu, uint32_t cr0)
{
	smmu_write(smmu, SMMU_CR0, cr0);
	return wait_for(smmu, SMMU_CR0ACK, CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN, cr0);
}

static int set_irq_ctrl(struct smmu *smmu, uint32_t irq_ctrl)
{
	smmu_write(smmu, SMMU_IRQ_CTRL, irq_ctrl);
	return wait_for(smmu, SMMU_IRQ_CTRLACK, IRQ_CTRL_GERROR | IRQ_CTRL_EVENTQ, irq_ctrl);
}

/* What becomes of accesses while it is off. */
static int set_gbpr(struct smmu *smmu, uint32_t gbpr)
{
	int ret = wait_for(smmu, SMMU_GBPR, GBPR_UPDATE, 0);

	if (ret)
		return ret;
	smmu_write(smmu, SMMU_GBPR, gbpr | GBPR_UPDATE);
	return wait_for(smmu, SMMU_GBPR, GBPR_UPDATE, 0);
}

/* It is there, but not for this driver: @why is the reason. */
static int refuse(const char *why, uint32_t value)
{
	return berth_set_error(why, -ENODEV, BERTH_REASON_STATE, value, 0);
}

static int read_idr0(struct smmu *smmu)
{
	uint32_t idr = smmu_read(smmu, SMMU_IDR0), order = IDR0_TTENDIAN(idr);
	bool is_coherent = idr & IDR0_COHACC;

	if (idr == GONE || !idr)
		return berth_set_error(dev_name(smmu->dev), -ENODEV, BERTH_REASON_NO_DEVICE,
				       SMMU_IDR0, 0);
	if (!(idr & IDR0_S1P))
		return refuse("it has no stage 1", idr);
	if (!(idr & IDR0_TTF_AARCH64))
		return refuse("it has no AArch64 tables", idr);
	if (order != TTENDIAN_MIXED && order != TTENDIAN_LITTLE)
		return refuse("its tables are big endian", idr);
	if (IDR0_STALL_MODEL(idr) == STALL_ALWAYS)
		return refuse("it stalls devices at every fault", idr);
	/* The tree knows how it is connected. */
	if (is_coherent != smmu->is_coherent)
		dev_warn(smmu->dev, "it says that it sees %s caches, the tree says otherwise\n",
			 is_coherent ? "the" : "no");
	smmu->asid_bits = idr & IDR0_ASID16 ? 16 : 8;
	smmu->has_two_levels = IDR0_ST_LEVEL(idr) == 1;
	return 0;
}

static int read_idr1(struct smmu *smmu)
{
	uint32_t idr = smmu_read(smmu, SMMU_IDR1);
	unsigned int most;

	if (idr & (IDR1_QUEUES_PRESET | IDR1_TABLES_PRESET))
		return refuse("its queues or tables are where it wants", idr);
	smmu->sid_bits = IDR1_SIDSIZE(idr);
	smmu->cmdq.bits = IDR1_CMDQS(idr) < CMDQ_BITS ? IDR1_CMDQS(idr) : CMDQ_BITS;
	smmu->events_bits = IDR1_EVENTQS(idr) < EVENTQ_BITS ? IDR1_EVENTQS(idr) : EVENTQ_BITS;
	if (1u << smmu->cmdq.bits < 2 * (MAX_BATCH + 1))
		return refuse("its command queue is too short", idr);
	/* A table of one level is enough for as many as it describes. */
	if (smmu->sid_bits <= L1_SHIFT)
		smmu->has_two_levels = false;
	most = smmu->has_two_levels ? MAX_L1_BITS + L1_SHIFT : MAX_LINEAR_BITS;
	if (smmu->sid_bits > most)
		smmu->sid_bits = most;
	return 0;
}

static int read_idr5(struct smmu *smmu)
{
	uint32_t idr = smmu_read(smmu, SMMU_IDR5);

	smmu->oas = oas_bits[IDR5_OAS(idr)];
	smmu->ias = IDR5_VAX(idr) ? 52 : 48;
	if (idr & IDR5_GRAN4K)
		smmu->pgsizes |= 4 * KIB | 2 * MIB | GIB;
	if (idr & IDR5_GRAN16K)
		smmu->pgsizes |= 16 * KIB | 32 * MIB;
	if (idr & IDR5_GRAN64K)
		smmu->pgsizes |= 64 * KIB | 512 * MIB;
	if (!smmu->pgsizes)
		return refuse("it has no page sizes", idr);
	smmu->granule = smmu->pgsizes & -smmu->pgsizes;
	return dma_set_mask_and_coherent(smmu->dev, DMA_BIT_MASK(smmu->oas));
}

static int read_features(struct smmu *smmu)
{
	uint32_t idr3 = smmu_read(smmu, SMMU_IDR3);
	int ret = read_idr0(smmu);

	if (!ret)
		ret = read_idr1(smmu);
	if (!ret)
		ret = read_idr5(smmu);
	smmu->has_ril = idr3 & IDR3_RIL;
	smmu->bbml = IDR3_BBML(idr3);
	return ret;
}

/* Memory. */

static void free_memory(struct smmu *smmu)
{
	if (smmu->l1.whole)
		berth_smmu_tables_stop(smmu);
	if (smmu->events.whole)
		berth_smmu_free(smmu, &smmu->events);
	if (smmu->cmdq.memory.whole)
		berth_smmu_free(smmu, &smmu->cmdq.memory);
	if (smmu->contexts)
		dma_pool_destroy(smmu->contexts);
	kfree(smmu->asids);
}

static int alloc_memory(struct smmu *smmu)
{
	size_t commands = (size_t)16 << smmu->cmdq.bits, events = (size_t)32 << smmu->events_bits;

	smmu->asids = kzalloc(((size_t)1 << smmu->asid_bits) / CHAR_BIT, GFP_KERNEL);
	smmu->contexts = dma_pool_create("smmu-v3", smmu->dev, CD_BYTES, CD_BYTES, 0);
	if (smmu->asids && smmu->contexts &&
	    berth_smmu_alloc(smmu, &smmu->cmdq.memory, commands, commands) &&
	    berth_smmu_alloc(smmu, &smmu->events, events, events) &&
	    !berth_smmu_tables_start(smmu)) {
		smmu->cmdq.ring = smmu->cmdq.memory.at;
		smmu->asids[0] = 1;
		return 0;
	}
	free_memory(smmu);
	return -ENOMEM;
}

/* On and off. */

static void write_bases(struct smmu *smmu)
{
	uint32_t format = smmu->sid_bits;

	if (smmu->has_two_levels)
		format |= L1_SHIFT << 6 | STRTAB_TWO_LEVELS;
	smmu_write(smmu, SMMU_CR1, smmu->is_coherent ? CR1_CACHED : CR1_UNCACHED);
	smmu_write(smmu, SMMU_CR2, CR2_PTM | CR2_RECINVSID);
	writeq(smmu->l1.dma | BASE_RA, smmu->regs + SMMU_STRTAB_BASE);
	smmu_write(smmu, SMMU_STRTAB_BASE_CFG, format);
	writeq(smmu->cmdq.memory.dma | BASE_RA | smmu->cmdq.bits, smmu->regs + SMMU_CMDQ_BASE);
	smmu_write(smmu, SMMU_CMDQ_PROD, 0);
	smmu_write(smmu, SMMU_CMDQ_CONS, 0);
	writeq(smmu->events.dma | BASE_RA | smmu->events_bits, smmu->regs + SMMU_EVENTQ_BASE);
	smmu_write(smmu, SMMU_EVENTQ_PROD, 0);
	smmu_write(smmu, SMMU_EVENTQ_CONS, 0);
}

/* Forget all that it remembers from those before. */
static int forget_before(struct smmu *smmu)
{
	const struct smmu_command commands[] = {
		{ CMD_CFGI_ALL, CFGI_EVERYTHING },
		{ CMD_TLBI_EL2_ALL, 0 },
		{ CMD_TLBI_NSNH_ALL, 0 },
	};
	bool has_el2 = smmu_read(smmu, SMMU_IDR0) & IDR0_HYP;
	int ret = berth_smmu_submit(smmu, commands, 1, false);

	if (!ret && has_el2)
		ret = berth_smmu_submit(smmu, commands + 1, 1, false);
	return ret ? ret : berth_smmu_submit(smmu, commands + 2, 1, true);
}

/* Off: accesses are refused, if it can do that, or pass as they did before. */
static int turn_off(struct smmu *smmu, uint32_t gbpr)
{
	int ret = set_gbpr(smmu, gbpr);

	if (!ret)
		ret = set_cr0(smmu, 0);
	return ret ? ret : set_irq_ctrl(smmu, 0);
}

/* Off, whoever was there before, and told where everything is. */
static int prepare(struct smmu *smmu)
{
	int ret = turn_off(smmu, smmu->gbpr | GBPR_ABORT);

	if (ret)
		return ret;
	write_bases(smmu);
	/* Errors of before are nobody's. */
	smmu->gerrorn = smmu_read(smmu, SMMU_GERROR);
	smmu_write(smmu, SMMU_GERRORN, smmu->gerrorn);
	return 0;
}

static int turn_on(struct smmu *smmu)
{
	uint32_t lines = smmu->nr_irqs ? IRQ_CTRL_GERROR | IRQ_CTRL_EVENTQ : 0;
	int ret = set_cr0(smmu, CR0_CMDQEN);

	if (!ret)
		ret = forget_before(smmu);
	if (!ret)
		ret = set_cr0(smmu, CR0_CMDQEN | CR0_EVENTQEN);
	if (!ret)
		ret = set_irq_ctrl(smmu, lines);
	return ret ? ret : set_cr0(smmu, CR0_CMDQEN | CR0_EVENTQEN | CR0_SMMUEN);
}

/* Interrupts. */

static void free_irqs(struct smmu *smmu)
{
	while (smmu->nr_irqs)
		free_irq(smmu->irqs[--smmu->nr_irqs], smmu);
}

static const struct resource *named_irq(struct platform_device *pdev, const char *name)
{
	const struct resource *res;

	for (unsigned int i = 0; (res = platform_get_resource(pdev, IORESOURCE_IRQ, i)); i++) {
		const char *a = res->name, *b = name;

		while (*a && *a == *b)
			a++, b++;
		if (*a == *b)
			return res;
	}
	return NULL;
}

/* Completions are polled for, so the lines for them are not asked for. On failure: free_irqs(). */
static int request_irqs(struct smmu *smmu, struct platform_device *pdev)
{
	static const struct {
		const char *name;
		irq_handler_t handler;
	} lines[] = {
		{ "combined", berth_smmu_combined_irq },
		{ "eventq", berth_smmu_eventq_irq },
		{ "gerror", berth_smmu_gerror_irq },
	};

	/* Where a write to memory could be the signal: it is not. */
	if (smmu_read(smmu, SMMU_IDR0) & IDR0_MSI) {
		writeq(0, smmu->regs + SMMU_GERROR_IRQ_CFG0);
		writeq(0, smmu->regs + SMMU_EVENTQ_IRQ_CFG0);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		const struct resource *res = named_irq(pdev, lines[i].name);
		int ret;

		if (!res)
			continue;
		ret = request_irq((unsigned int)res->start, lines[i].handler, 0,
				  dev_name(smmu->dev), smmu);
		if (ret)
			return ret;
		smmu->irqs[smmu->nr_irqs++] = (unsigned int)res->start;
		if (!i)
			break;
	}
	if (!smmu->nr_irqs)
		dev_warn(smmu->dev, "has no interrupts: faults stay untold\n");
	return 0;
}

static int check_registers(struct platform_device *pdev)
{
	const struct resource *res = platform_get_resource(pdev, IORESOURCE_MEM, 0);

	if (res && resource_size(res) >= SMMU_REGISTERS)
		return 0;
	return berth_set_error(res ? "its node has too few registers" : "its node has no registers",
			       -EINVAL, BERTH_REASON_STATE, 0, 0);
}

/* Its queues stay where they are as long as it may use them. */
static void stop(struct smmu *smmu)
{
	bool is_off = !turn_off(smmu, smmu->gbpr);

	free_irqs(smmu);
	del_timer_sync(&smmu->drain_later);
	if (is_off)
		free_memory(smmu);
	else
		dev_err(smmu->dev, "cannot be turned off: its memory is not given back\n");
}

static int smmu_probe(struct platform_device *pdev)
{
	struct smmu *smmu = devm_kzalloc(&pdev->dev, sizeof(*smmu), GFP_KERNEL);
	int ret;

	if (!smmu)
		return -ENOMEM;
	smmu->dev = &pdev->dev;
	smmu->is_coherent = dev_is_dma_coherent(&pdev->dev);
	timer_setup(&smmu->drain_later, berth_smmu_drain_later, 0);
	ret = check_registers(pdev);
	if (ret)
		return ret;
	smmu->regs = devm_platform_ioremap_resource(pdev, 0);
	if (IS_ERR(smmu->regs))
		return (int)PTR_ERR(smmu->regs);
	ret = read_features(smmu);
	if (!ret)
		ret = alloc_memory(smmu);
	if (ret)
		return ret;
	smmu->gbpr = smmu_read(smmu, SMMU_GBPR) & ~(uint32_t)GBPR_UPDATE;
	ret = prepare(smmu);
	if (!ret)
		ret = request_irqs(smmu, pdev);
	if (!ret)
		ret = turn_on(smmu);
	if (!ret)
		ret = iommu_device_register(&smmu->iommu, &berth_smmu_ops, &pdev->dev);
	if (ret) {
		struct berth_error why = *berth_last_error();

		stop(smmu);
		*berth_port_error() = why;
		return ret;
	}
	platform_set_drvdata(pdev, smmu);
	return 0;
}

static int smmu_remove(struct platform_device *pdev)
{
	struct smmu *smmu = platform_get_drvdata(pdev);

	iommu_device_unregister(&smmu->iommu);
	stop(smmu);
	platform_set_drvdata(pdev, NULL);
	return 0;
}

static const struct of_device_id smmu_match[] = {
	{ .compatible = "arm,smmu-v3" },
	{ .compatible = "" },
};

const struct platform_driver berth_smmu_v3_driver = {
	.probe = smmu_probe,
	.remove = smmu_remove,
	.driver = {
		.name = "smmu-v3",
		.of_match_table = smmu_match,
	},
};

/* For programs. */

void berth_smmu_v3_stats(struct device *dev, struct berth_smmu_v3_stats *stats)
{
	struct smmu *smmu = dev_get_drvdata(dev);
	const uint64_t *from;
	uint64_t *to = (uint64_t *)(void *)stats;

	*stats = (struct berth_smmu_v3_stats){ 0 };
	if (!smmu)
		return;
	from = (const uint64_t *)(const void *)&smmu->stats;
	for (size_t i = 0; i < offsetof(struct berth_smmu_v3_stats, service_failure) / 8; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	stats->service_failure = __atomic_load_n(&smmu->stats.service_failure, __ATOMIC_RELAXED);
	stats->domains = __atomic_load_n(&smmu->stats.domains, __ATOMIC_RELAXED);
	stats->tables = __atomic_load_n(&smmu->stats.tables, __ATOMIC_RELAXED);
}

int berth_smmu_v3_set_granule(struct device *dev, size_t granule)
{
	struct smmu *smmu = dev_get_drvdata(dev);
	const uint64_t granules = 4 * KIB | 16 * KIB | 64 * KIB;

	if (!smmu)
		return berth_set_error(dev_name(dev), -EINVAL, BERTH_REASON_STATE, 0, 0);
	if (!granule)
		granule = (size_t)(smmu->pgsizes & -smmu->pgsizes);
	if (granule & (granule - 1) || !(granule & granules & smmu->pgsizes))
		return berth_set_error("granule", -EINVAL, BERTH_REASON_ARGUMENT, granule, 0);
	__atomic_store_n(&smmu->granule, granule, __ATOMIC_RELAXED);
	return 0;
}

int berth_smmu_v3_command(struct device *dev, uint64_t low, uint64_t high)
{
	const struct smmu_command command = { low, high };
	struct smmu *smmu = dev_get_drvdata(dev);

	if (!smmu)
		return berth_set_error(dev_name(dev), -EINVAL, BERTH_REASON_STATE, 0, 0);
	return berth_smmu_submit(smmu, &command, 1, true);
}
