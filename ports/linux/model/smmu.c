// SPDX-License-Identifier: BSD-2-Clause
/*
 * The SMMU "arm,smmu-v3": registers and interrupts. After the architecture (Arm IHI 0070), stage 1;
 * what it identifies itself as is what QEMU's does. docs/model-smmu.md says what is there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>

#include "model/smmu.h"

/* A message if the driver has set its address, else an edge. */
void smmu_interrupt(struct model_device *dev, enum smmu_line line, const struct smmu_msi *msi,
		    uint32_t abort_bit)
{
	struct smmu *smmu = dev->state;

	if (smmu->idr0 & SMMU_IDR0_MSI && msi->address) {
		smmu->stats.messages++;
		if (dma_write_physical(dev, msi->address, &msi->data, sizeof(msi->data)))
			smmu_global_error(dev, abort_bit);
	} else if (smmu->lines[line] >= 0) {
		smmu->stats.interrupts++;
		model_irq(dev, (unsigned int)smmu->lines[line], true);
		model_irq(dev, (unsigned int)smmu->lines[line], false);
	}
}

/* One that is active already is not told again. */
void smmu_global_error(struct model_device *dev, uint32_t bit)
{
	struct smmu *smmu = dev->state;

	if ((smmu->gerror ^ smmu->gerrorn) & bit)
		return;
	smmu->gerror ^= bit;
	if (smmu->irq_ctrlack & SMMU_IRQ_CTRL_GERROR)
		smmu_interrupt(dev, SMMU_LINE_GERROR, &smmu->gerror_msi,
			       SMMU_GERROR_MSI_GERROR_ABT);
}

/* What was written to CR0, IRQ_CTRL and GBPR takes effect. */
static void update_step(struct model_device *dev, uint64_t arg)
{
	struct smmu *smmu = dev->state;

	(void)arg;
	smmu->cr0ack = smmu->cr0;
	smmu->irq_ctrlack = smmu->irq_ctrl;
	if (smmu->gbpr & SMMU_GBPR_UPDATE)
		smmu->gbpr = smmu->gbpr_next;
	smmu_consume(dev);
}

static void update(struct model_device *dev)
{
	const struct smmu *smmu = dev->state;

	if (smmu->latency_ns)
		model_after(dev, smmu->latency_ns, update_step, 0);
	else
		update_step(dev, 0);
}

/* A register of 64 bits, or of a message: the address, then its data and attributes. NULL: none. */
static uint64_t *wide_register(struct smmu *smmu, uint64_t offset)
{
	bool has_msi = smmu->idr0 & SMMU_IDR0_MSI;

	switch (offset) {
	case SMMU_GERROR_IRQ_CFG:
		return has_msi ? &smmu->gerror_msi.address : NULL;
	case SMMU_STRTAB_BASE:
		return &smmu->strtab_base;
	case SMMU_CMDQ_BASE:
		return &smmu->cmdq.base;
	case SMMU_EVENTQ_BASE:
		return &smmu->eventq.base;
	case SMMU_EVENTQ_IRQ_CFG:
		return has_msi ? &smmu->eventq_msi.address : NULL;
	default:
		return NULL;
	}
}

/* One of 32 bits that does nothing but keep what was written. */
static uint32_t *plain_register(struct smmu *smmu, uint64_t offset)
{
	bool has_msi = smmu->idr0 & SMMU_IDR0_MSI;

	switch (offset) {
	case SMMU_CR1:
		return &smmu->cr1;
	case SMMU_CR2:
		return &smmu->cr2;
	case SMMU_STRTAB_BASE_CFG:
		return &smmu->strtab_cfg;
	case SMMU_CMDQ_CONS:
		return &smmu->cmdq.cons;
	case SMMU_EVENTQ_PROD:
		return &smmu->eventq.prod;
	case SMMU_EVENTQ_CONS:
		return &smmu->eventq.cons;
	case SMMU_GERROR_IRQ_CFG + 8:
		return has_msi ? &smmu->gerror_msi.data : NULL;
	case SMMU_GERROR_IRQ_CFG + 12:
		return has_msi ? &smmu->gerror_msi.attributes : NULL;
	case SMMU_EVENTQ_IRQ_CFG + 8:
		return has_msi ? &smmu->eventq_msi.data : NULL;
	case SMMU_EVENTQ_IRQ_CFG + 12:
		return has_msi ? &smmu->eventq_msi.attributes : NULL;
	default:
		return NULL;
	}
}

static uint32_t read_word(struct smmu *smmu, uint64_t offset)
{
	static const uint8_t component[] = { 0x0d, 0xf0, 0x05, 0xb1 };
	const uint32_t *plain = plain_register(smmu, offset);
	const uint64_t *wide = wide_register(smmu, offset & ~7ull);

	if (plain)
		return *plain;
	if (wide)
		return (uint32_t)(*wide >> 8 * (offset & 4));
	switch (offset) {
	case SMMU_IDR0:
		return smmu->idr0;
	case SMMU_IDR1:
		return SMMU_IDR1_VALUE;
	case SMMU_IDR3:
		return smmu->idr3;
	case SMMU_IDR5:
		return SMMU_IDR5_VALUE;
	case SMMU_AIDR:
		return SMMU_AIDR_VALUE;
	case SMMU_CR0:
		return smmu->cr0;
	case SMMU_CR0ACK:
		return smmu->cr0ack;
	case SMMU_GBPR:
		return smmu->gbpr;
	case SMMU_IRQ_CTRL:
		return smmu->irq_ctrl;
	case SMMU_IRQ_CTRLACK:
		return smmu->irq_ctrlack;
	case SMMU_GERROR:
		return smmu->gerror;
	case SMMU_GERRORN:
		return smmu->gerrorn;
	case SMMU_CMDQ_PROD:
		return smmu->cmdq.prod;
	case SMMU_CIDR0 ... SMMU_CIDR0 + 12:
		return component[(offset - SMMU_CIDR0) / 4];
	default:
		return 0;
	}
}

static uint64_t smmu_read(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	struct smmu *smmu = dev->state;
	const uint64_t *wide;

	smmu->stats.register_reads++;
	/* Both pages are alike. */
	offset &= ~(uint64_t)SMMU_PAGE_1;
	if (bytes == 4)
		return read_word(smmu, offset);
	wide = bytes == 8 ? wide_register(smmu, offset) : NULL;
	return wide ? *wide : 0;
}

/* What describes a table or a queue stays as it is while that is in use. */
static bool is_locked(const struct smmu *smmu, uint64_t offset)
{
	uint32_t enabled = smmu->cr0 | smmu->cr0ack;

	switch (offset & ~7ull) {
	case SMMU_STRTAB_BASE:
	case SMMU_STRTAB_BASE_CFG:
		return enabled & SMMU_CR0_SMMUEN;
	case SMMU_CMDQ_BASE:
		return enabled & SMMU_CR0_CMDQEN;
	case SMMU_CMDQ_PROD: /* and CONS */
		return offset == SMMU_CMDQ_CONS && enabled & SMMU_CR0_CMDQEN;
	case SMMU_EVENTQ_BASE:
		return enabled & SMMU_CR0_EVENTQEN;
	case SMMU_EVENTQ_PROD: /* and CONS */
		return offset == SMMU_EVENTQ_PROD && enabled & SMMU_CR0_EVENTQEN;
	default:
		return false;
	}
}

static void write_control(struct model_device *dev, uint64_t offset, uint32_t value)
{
	struct smmu *smmu = dev->state;

	switch (offset) {
	case SMMU_CR0:
		smmu->cr0 = value & SMMU_CR0_WRITABLE;
		update(dev);
		break;
	case SMMU_GBPR:
		if (!(value & SMMU_GBPR_UPDATE) || smmu->gbpr & SMMU_GBPR_UPDATE)
			break;
		smmu->gbpr |= SMMU_GBPR_UPDATE;
		smmu->gbpr_next = value & ~SMMU_GBPR_UPDATE;
		update(dev);
		break;
	case SMMU_IRQ_CTRL:
		smmu->irq_ctrl = value & SMMU_IRQ_CTRL_WRITABLE;
		update(dev);
		break;
	case SMMU_GERRORN:
		smmu->gerrorn = value;
		smmu_consume(dev);
		break;
	case SMMU_CMDQ_PROD:
		smmu->cmdq.prod = value;
		smmu_consume(dev);
		break;
	default:
		break;
	}
}

static void smmu_write(struct model_device *dev, uint64_t offset, unsigned int bytes,
		       uint64_t value)
{
	struct smmu *smmu = dev->state;
	uint32_t *plain;
	uint64_t *wide;

	smmu->stats.register_writes++;
	offset &= ~(uint64_t)SMMU_PAGE_1;
	if ((bytes != 4 && bytes != 8) || is_locked(smmu, offset))
		return;
	wide = wide_register(smmu, offset & ~7ull);
	plain = plain_register(smmu, offset);
	if (bytes == 8 && wide)
		*wide = value;
	else if (bytes == 8)
		return;
	else if (wide && offset & 4)
		*wide = (uint32_t)*wide | value << 32;
	else if (wide)
		*wide = (*wide & ~0xffffffffull) | (uint32_t)value;
	else if (plain)
		*plain = (uint32_t)value;
	else
		write_control(dev, offset, (uint32_t)value);
}

static int find_line(const struct model_device *dev, const char *name)
{
	int index = fdt_stringlist_search(dev->fdt, dev->node, "interrupt-names", name);

	if (index < 0)
		index = fdt_stringlist_search(dev->fdt, dev->node, "interrupt-names", "combined");
	return index < (int)dev->nr_irqs ? index : -1;
}

static void smmu_stop(struct model_device *dev)
{
	struct smmu *smmu = dev->state;

	free(smmu->iotlb.entries);
	for (unsigned int i = 0; i < SMMU_WALK_LEVELS; i++)
		free(smmu->walks[i].entries);
}

static int smmu_start(struct model_device *dev)
{
	static const char *const names[SMMU_LINES] = { "eventq", "gerror", "cmdq-sync" };
	const struct berth_model_smmu_config *config = &soc.smmu;
	struct smmu *smmu = dev->state;
	int ret;

	smmu->idr0 = SMMU_IDR0_VALUE | (dev->coherent ? SMMU_IDR0_COHACC : 0) |
		     (config->has_msi ? SMMU_IDR0_MSI : 0);
	smmu->idr0 &= config->no_two_level ? ~SMMU_IDR0_TWO_LEVEL : UINT32_MAX;
	smmu->idr3 = SMMU_IDR3_VALUE & (config->no_range ? ~SMMU_IDR3_RIL : UINT32_MAX);
	smmu->latency_ns = config->latency_ns;
	smmu->watches_stale = config->watch_stale;
	for (unsigned int i = 0; i < SMMU_LINES; i++)
		smmu->lines[i] = find_line(dev, names[i]);
	ret = smmu_cache_start(&smmu->iotlb, config->iotlb_entries, config->iotlb_ways);
	for (unsigned int i = 0; i < SMMU_WALK_LEVELS && !ret; i++)
		ret = smmu_cache_start(&smmu->walks[i], config->walk_entries[i], 0);
	if (ret)
		smmu_stop(dev);
	return ret;
}

const struct model_device_type model_smmu = {
	.compatible = "arm,smmu-v3",
	.state_size = sizeof(struct smmu),
	.start = smmu_start,
	.stop = smmu_stop,
	.read = smmu_read,
	.write = smmu_write,
	.translate = smmu_translate,
};

int berth_model_smmu_stats(const char *path, struct berth_model_smmu_stats *stats)
{
	struct model_device *dev;

	/* berth_model_stats() makes the lock, if nothing has. */
	berth_model_stats(&(struct berth_model_stats){ 0 });
	model_lock();
	for (dev = soc.devices; dev; dev = dev->next)
		if (dev->type == &model_smmu && (!path || !strcmp(dev->path, path)))
			break;
	if (dev)
		*stats = ((const struct smmu *)dev->state)->stats;
	model_unlock();
	return dev ? 0 : -ENODEV;
}
