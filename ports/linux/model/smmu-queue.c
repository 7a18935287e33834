// SPDX-License-Identifier: BSD-2-Clause
/* The SMMU's queues in memory: commands for it, events from it. */
#include "model/smmu.h"

#define QUEUE_ADDRESS 0x000fffffffffffe0ull
#define COMMAND_BYTES 16u
#define EVENT_BYTES 32u
#define EVENTS_OVERFLOW 0x80000000u

#define CONS_ERROR_SHIFT 24
#define CONS_ERROR 0x7f000000u

enum command_error { ERROR_NONE, ERROR_ILLEGAL, ERROR_ABORT };

enum opcode {
	CMD_PREFETCH_CONFIG = 0x01,
	CMD_PREFETCH_ADDR = 0x02,
	CMD_CFGI_STE = 0x03,
	CMD_CFGI_STE_RANGE = 0x04,
	CMD_CFGI_CD = 0x05,
	CMD_CFGI_CD_ALL = 0x06,
	CMD_TLBI_NH_ALL = 0x10,
	CMD_TLBI_NH_ASID = 0x11,
	CMD_TLBI_NH_VA = 0x12,
	CMD_TLBI_NH_VAA = 0x13,
	CMD_TLBI_NSNH_ALL = 0x30,
	CMD_SYNC = 0x46,
};

#define CMD_OPCODE(cmd) ((cmd)[0] & 0xff)
#define CMD_SECURE (1ull << 10)
#define CMD_SID(cmd) ((uint32_t)((cmd)[0] >> 32))
#define CMD_STE_RANGE(cmd) ((cmd)[1] & 0x1f)
#define CMD_LEAF(cmd) ((cmd)[1] & 1)
#define CMD_ASID(cmd) ((uint16_t)((cmd)[0] >> 48))
#define CMD_NUM(cmd) ((cmd)[0] >> 12 & 0x1f)
#define CMD_SCALE(cmd) ((cmd)[0] >> 20 & 0x1f)
#define CMD_TTL(cmd) ((uint8_t)((cmd)[1] >> 8 & 3))
#define CMD_GRANULE(cmd) ((cmd)[1] >> 10 & 3)
#define CMD_ADDRESS(cmd) ((cmd)[1] & ~0xfffull)
#define CMD_SIGNAL(cmd) ((cmd)[0] >> 12 & 3)
#define CMD_MSI_DATA(cmd) ((uint32_t)((cmd)[0] >> 32))
#define CMD_MSI_ADDRESS(cmd) ((cmd)[1] & 0x000ffffffffffffcull)

enum signal { SIGNAL_NONE, SIGNAL_IRQ, SIGNAL_SEV };

static uint32_t log2_of(const struct smmu_queue *queue)
{
	uint32_t log2 = queue->base & 0x1f;

	return log2 < SMMU_QUEUE_LOG2 ? log2 : SMMU_QUEUE_LOG2;
}

/* Entries between the two ends. More than fit: the driver has written nonsense. */
static uint32_t queue_fill(const struct smmu_queue *queue)
{
	return (queue->prod - queue->cons) & ((2u << log2_of(queue)) - 1);
}

static uint64_t queue_slot(const struct smmu_queue *queue, uint32_t index, uint32_t bytes)
{
	uint32_t log2 = log2_of(queue);
	uint64_t size = (uint64_t)bytes << log2;

	return (queue->base & QUEUE_ADDRESS & ~(size - 1)) +
	       (uint64_t)(index & ((1u << log2) - 1)) * bytes;
}

/* Index and wrap go on, the flags beside them stay. */
static uint32_t queue_next(const struct smmu_queue *queue, uint32_t index)
{
	uint32_t mask = (2u << log2_of(queue)) - 1;

	return (index & ~mask) | ((index + 1) & mask);
}

static void invalidate_configs(struct smmu *smmu, const uint64_t cmd[2])
{
	uint32_t sid = CMD_SID(cmd), mask = (uint32_t)((2ull << CMD_STE_RANGE(cmd)) - 1);

	switch (CMD_OPCODE(cmd)) {
	case CMD_CFGI_STE:
		smmu->stats.commands[BERTH_MODEL_SMMU_CFGI_STE]++;
		smmu_forget_configs(smmu, sid, sid, CMD_LEAF(cmd));
		break;
	case CMD_CFGI_STE_RANGE:
		smmu->stats.commands[BERTH_MODEL_SMMU_CFGI_RANGE]++;
		smmu_forget_configs(smmu, sid & ~mask, sid | mask, false);
		break;
	case CMD_CFGI_CD:
		smmu->stats.commands[BERTH_MODEL_SMMU_CFGI_CD]++;
		smmu_forget_contexts(smmu, sid);
		break;
	default:
		smmu->stats.commands[BERTH_MODEL_SMMU_CFGI_CD_ALL]++;
		smmu_forget_contexts(smmu, sid);
		break;
	}
}

/* One address, or with a granule (NUM + 1) * 2^SCALE of them. */
static void set_addresses(const struct smmu *smmu, const uint64_t cmd[2], struct smmu_scope *scope)
{
	uint64_t size;

	scope->is_leaf = CMD_LEAF(cmd);
	scope->first = scope->last = CMD_ADDRESS(cmd);
	if (!(smmu->idr3 & SMMU_IDR3_RIL) || !CMD_GRANULE(cmd))
		return;
	scope->granule_shift = (uint8_t)(10 + 2 * CMD_GRANULE(cmd));
	scope->level = CMD_TTL(cmd);
	size = (CMD_NUM(cmd) + 1) << CMD_SCALE(cmd) << scope->granule_shift;
	scope->last = scope->first + size - 1;
	if (scope->last < scope->first)
		scope->last = UINT64_MAX;
}

static void invalidate_translations(struct smmu *smmu, const uint64_t cmd[2])
{
	struct smmu_scope scope = { .asid = CMD_ASID(cmd) };

	smmu->stats.invalidations++;
	switch (CMD_OPCODE(cmd)) {
	case CMD_TLBI_NH_VA:
		smmu->stats.commands[BERTH_MODEL_SMMU_TLBI_VA]++;
		set_addresses(smmu, cmd, &scope);
		break;
	case CMD_TLBI_NH_VAA:
		smmu->stats.commands[BERTH_MODEL_SMMU_TLBI_VAA]++;
		scope.is_all_asids = true;
		set_addresses(smmu, cmd, &scope);
		break;
	case CMD_TLBI_NH_ASID:
		smmu->stats.commands[BERTH_MODEL_SMMU_TLBI_ASID]++;
		scope.is_all_addresses = true;
		break;
	default:
		smmu->stats.commands[BERTH_MODEL_SMMU_TLBI_ALL]++;
		scope.is_all_asids = scope.is_all_addresses = true;
		break;
	}
	if (scope.granule_shift)
		smmu->stats.range_invalidations++;
	smmu_invalidate(smmu, &scope);
}

/* All before it are done: what each command does, it does at once. */
static enum command_error synchronize(struct model_device *dev, const uint64_t cmd[2])
{
	struct smmu *smmu = dev->state;
	const struct smmu_msi msi = { CMD_MSI_ADDRESS(cmd), CMD_MSI_DATA(cmd), 0 };

	smmu->stats.commands[BERTH_MODEL_SMMU_SYNC]++;
	if (CMD_SIGNAL(cmd) > SIGNAL_SEV)
		return ERROR_ILLEGAL;
	if (CMD_SIGNAL(cmd) == SIGNAL_IRQ)
		smmu_interrupt(dev, SMMU_LINE_SYNC, &msi, SMMU_GERROR_MSI_CMDQ_ABT);
	return ERROR_NONE;
}

static enum command_error execute(struct model_device *dev, const uint64_t cmd[2])
{
	struct smmu *smmu = dev->state;

	if (CMD_OPCODE(cmd) <= CMD_CFGI_CD_ALL && cmd[0] & CMD_SECURE)
		return ERROR_ILLEGAL;
	switch (CMD_OPCODE(cmd)) {
	case CMD_PREFETCH_CONFIG:
	case CMD_PREFETCH_ADDR:
		smmu->stats.commands[BERTH_MODEL_SMMU_PREFETCH]++;
		return ERROR_NONE;
	case CMD_CFGI_STE:
	case CMD_CFGI_STE_RANGE:
	case CMD_CFGI_CD:
	case CMD_CFGI_CD_ALL:
		invalidate_configs(smmu, cmd);
		return ERROR_NONE;
	case CMD_TLBI_NH_ALL:
	case CMD_TLBI_NH_ASID:
	case CMD_TLBI_NH_VA:
	case CMD_TLBI_NH_VAA:
	case CMD_TLBI_NSNH_ALL:
		invalidate_translations(smmu, cmd);
		return ERROR_NONE;
	case CMD_SYNC:
		return synchronize(dev, cmd);
	default:
		smmu->stats.commands[BERTH_MODEL_SMMU_UNKNOWN]++;
		return ERROR_ILLEGAL;
	}
}

static bool may_consume(const struct smmu *smmu)
{
	uint32_t fill = queue_fill(&smmu->cmdq);

	return smmu->cr0ack & SMMU_CR0_CMDQEN && fill && fill <= 1u << log2_of(&smmu->cmdq) &&
	       !((smmu->gerror ^ smmu->gerrorn) & SMMU_GERROR_CMDQ_ERR);
}

/* Whether there was a command, and it is done. One that is wrong stays where it is. */
static bool consume_one(struct model_device *dev)
{
	struct smmu *smmu = dev->state;
	struct smmu_queue *queue = &smmu->cmdq;
	enum command_error error = ERROR_ABORT;
	uint64_t cmd[2];

	if (!may_consume(smmu))
		return false;
	if (!dma_read_physical(dev, queue_slot(queue, queue->cons, COMMAND_BYTES), cmd,
			       sizeof(cmd)))
		error = execute(dev, cmd);
	queue->cons &= ~CONS_ERROR;
	if (error != ERROR_NONE) {
		smmu->stats.command_errors++;
		queue->cons |= (uint32_t)error << CONS_ERROR_SHIFT;
		smmu_global_error(dev, SMMU_GERROR_CMDQ_ERR);
		return false;
	}
	queue->cons = queue_next(queue, queue->cons);
	return true;
}

static void consume_step(struct model_device *dev, uint64_t arg)
{
	struct smmu *smmu = dev->state;

	(void)arg;
	smmu->is_consuming = false;
	if (consume_one(dev))
		smmu_consume(dev);
}

void smmu_consume(struct model_device *dev)
{
	struct smmu *smmu = dev->state;

	if (!smmu->latency_ns) {
		while (consume_one(dev))
			;
	} else if (!smmu->is_consuming && may_consume(smmu)) {
		smmu->is_consuming = true;
		model_after(dev, smmu->latency_ns, consume_step, 0);
	}
}

/* The flag differs from the driver's copy of it while an overflow was not seen. */
static void overflow(struct smmu *smmu)
{
	struct smmu_queue *queue = &smmu->eventq;

	if (!((queue->prod ^ queue->cons) & EVENTS_OVERFLOW))
		queue->prod ^= EVENTS_OVERFLOW;
}

static void encode(const struct smmu_fault *fault, uint32_t words[8])
{
	bool has_address = fault->type >= SMMU_F_WALK_EABT;
	uint32_t class = fault->type == SMMU_F_WALK_EABT ? SMMU_CLASS_TABLE : SMMU_CLASS_INPUT;

	words[0] = fault->type;
	words[1] = fault->sid;
	if (has_address) {
		words[3] = class << 8 | (fault->is_write ? 0 : 1u << 3);
		words[4] = (uint32_t)fault->address;
		words[5] = (uint32_t)(fault->address >> 32);
	}
	words[6] = (uint32_t)fault->fetch;
	words[7] = (uint32_t)(fault->fetch >> 32);
}

void smmu_record(struct model_device *dev, const struct smmu_fault *fault)
{
	struct smmu *smmu = dev->state;
	struct smmu_queue *queue = &smmu->eventq;
	uint32_t words[8] = { 0 }, fill = queue_fill(queue);

	if (fault->type == SMMU_C_BAD_STREAMID && !(smmu->cr2 & SMMU_CR2_RECINVSID))
		return;
	encode(fault, words);
	if (!(smmu->cr0ack & SMMU_CR0_EVENTQEN)) {
		smmu->stats.events_lost++;
	} else if (fill >= 1u << log2_of(queue)) {
		smmu->stats.events_lost++;
		overflow(smmu);
	} else if (dma_write_physical(dev, queue_slot(queue, queue->prod, EVENT_BYTES), words,
				      EVENT_BYTES)) {
		smmu->stats.events_lost++;
		smmu_global_error(dev, SMMU_GERROR_EVENTQ_ABT);
	} else {
		smmu->stats.events_recorded++;
		queue->prod = queue_next(queue, queue->prod);
		if (!fill && smmu->irq_ctrlack & SMMU_IRQ_CTRL_EVENTQ)
			smmu_interrupt(dev, SMMU_LINE_EVENTQ, &smmu->eventq_msi,
				       SMMU_GERROR_MSI_EVENTQ_ABT);
	}
}
