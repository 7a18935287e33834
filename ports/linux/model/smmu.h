/* SPDX-License-Identifier: BSD-2-Clause */
/* The SMMU: its registers, its state and what its files share. The manual is docs/model-smmu.md. */
#ifndef MODEL_SMMU_H
#define MODEL_SMMU_H

#include "devices.h"
#include "model/internal.h"

enum {
	SMMU_IDR0 = 0x00,
	SMMU_IDR1 = 0x04,
	SMMU_IDR3 = 0x0c,
	SMMU_IDR5 = 0x14,
	SMMU_AIDR = 0x1c,
	SMMU_CR0 = 0x20,
	SMMU_CR0ACK = 0x24,
	SMMU_CR1 = 0x28,
	SMMU_CR2 = 0x2c,
	SMMU_GBPR = 0x44,
	SMMU_IRQ_CTRL = 0x50,
	SMMU_IRQ_CTRLACK = 0x54,
	SMMU_GERROR = 0x60,
	SMMU_GERRORN = 0x64,
	SMMU_GERROR_IRQ_CFG = 0x68,
	SMMU_STRTAB_BASE = 0x80,
	SMMU_STRTAB_BASE_CFG = 0x88,
	SMMU_CMDQ_BASE = 0x90,
	SMMU_CMDQ_PROD = 0x98,
	SMMU_CMDQ_CONS = 0x9c,
	SMMU_EVENTQ_BASE = 0xa0,
	SMMU_EVENTQ_PROD = 0xa8, /* in page 1; page 0 has the same */
	SMMU_EVENTQ_CONS = 0xac,
	SMMU_EVENTQ_IRQ_CFG = 0xb0,
	SMMU_CIDR0 = 0xff0,
};

#define SMMU_PAGE_1 0x10000u

/* Stage 1, AArch64 tables, ASIDs of 16 bits, little-endian, terminates, two-level stream tables. */
#define SMMU_IDR0_VALUE 0x0d40100au
#define SMMU_IDR0_COHACC 0x00000010u
#define SMMU_IDR0_MSI 0x00002000u
#define SMMU_IDR0_TWO_LEVEL 0x08000000u
#define SMMU_IDR1_VALUE 0x02730010u
#define SMMU_IDR3_VALUE 0x00001404u
#define SMMU_IDR3_RIL 0x00000400u
#define SMMU_IDR5_VALUE 0x00000074u
#define SMMU_AIDR_VALUE 0x1u
#define SMMU_SID_BITS 16u
#define SMMU_QUEUE_LOG2 19u
#define SMMU_OUTPUT_BITS 44u

#define SMMU_CR0_SMMUEN 0x1u
#define SMMU_CR0_EVENTQEN 0x4u
#define SMMU_CR0_CMDQEN 0x8u
#define SMMU_CR0_WRITABLE 0x3dfu
#define SMMU_CR2_RECINVSID 0x2u
#define SMMU_GBPR_ABORT 0x00100000u
#define SMMU_GBPR_UPDATE 0x80000000u
#define SMMU_IRQ_CTRL_GERROR 0x1u
#define SMMU_IRQ_CTRL_EVENTQ 0x4u
#define SMMU_IRQ_CTRL_WRITABLE 0x7u

#define SMMU_GERROR_CMDQ_ERR 0x01u
#define SMMU_GERROR_EVENTQ_ABT 0x04u
#define SMMU_GERROR_MSI_CMDQ_ABT 0x10u
#define SMMU_GERROR_MSI_EVENTQ_ABT 0x20u
#define SMMU_GERROR_MSI_GERROR_ABT 0x80u

/* What is in the first word of an event. */
enum smmu_event {
	SMMU_C_BAD_STREAMID = 0x02,
	SMMU_F_STE_FETCH = 0x03,
	SMMU_C_BAD_STE = 0x04,
	SMMU_F_CD_FETCH = 0x09,
	SMMU_C_BAD_CD = 0x0a,
	SMMU_F_WALK_EABT = 0x0b,
	SMMU_F_TRANSLATION = 0x10,
	SMMU_F_ADDR_SIZE = 0x11,
	SMMU_F_ACCESS = 0x12,
	SMMU_F_PERMISSION = 0x13,
};

#define SMMU_CLASS_TABLE 1u
#define SMMU_CLASS_INPUT 2u

struct smmu_fault {
	enum smmu_event type;
	uint32_t sid;
	bool is_write;
	uint64_t address, fetch;
};

/* The interrupt lines by their names in the tree. */
enum smmu_line { SMMU_LINE_EVENTQ, SMMU_LINE_GERROR, SMMU_LINE_SYNC, SMMU_LINES };

struct smmu_queue {
	uint64_t base;
	uint32_t prod, cons;
};

struct smmu_msi {
	uint64_t address;
	uint32_t data, attributes;
};

/* One of the two halves of the input addresses, as a CD says. */
struct smmu_half {
	bool is_disabled, ignores_top_byte, ignores_table_attributes;
	uint8_t input_bits, granule_shift;
	uint64_t table;
};

struct smmu_context {
	struct smmu_half half[2];
	uint16_t asid;
	uint8_t output_bits;
	bool has_no_access_faults, records_faults, is_privileged_kept_out;
};

enum smmu_mode { SMMU_ABORT, SMMU_BYPASS, SMMU_STAGE_1 };

/* What a stream's STE and CD say: an entry of the configuration cache. */
struct smmu_config {
	bool is_valid, has_context, is_privileged;
	enum smmu_mode mode;
	uint32_t sid;
	uint64_t cd;
	struct smmu_context context;
};

/* An L1 descriptor of the stream table. */
struct smmu_span {
	bool is_valid;
	uint32_t index;
	uint64_t descriptor;
};

/*
 * An entry of the IOTLB: where [va, va + size) goes. Of a walk cache: the next table. The page or
 * table was described by a descriptor of @level.
 */
struct smmu_entry {
	bool is_valid, is_global;
	bool is_read_only, is_privileged; /* the tables' attributes included */
	uint8_t level, granule_shift;
	uint16_t asid;
	uint64_t va, size, phys;
	uint64_t number; /* of those that were put in: the age */
};

struct smmu_cache {
	struct smmu_entry *entries;
	unsigned int nr, ways;
};

#define SMMU_WALK_LEVELS 3
#define SMMU_CONFIGS 32
#define SMMU_SPANS 16

struct smmu {
	uint32_t idr0, idr3;
	uint32_t cr0, cr0ack, cr1, cr2, gbpr, irq_ctrl, irq_ctrlack, gerror, gerrorn;
	uint32_t gbpr_next;
	uint64_t strtab_base;
	uint32_t strtab_cfg;
	struct smmu_queue cmdq, eventq;
	struct smmu_msi gerror_msi, eventq_msi;
	int lines[SMMU_LINES]; /* negative: there is none */
	uint64_t latency_ns;
	bool is_consuming; /* a step of the command queue is due */
	bool watches_stale;

	struct smmu_config configs[SMMU_CONFIGS];
	struct smmu_span spans[SMMU_SPANS];
	struct smmu_cache iotlb, walks[SMMU_WALK_LEVELS];
	uint64_t entry_number;
	struct berth_model_smmu_stats stats;
};

/* smmu.c */
/* An error of @bit becomes active, if it is not yet. */
void smmu_global_error(struct model_device *dev, uint32_t bit);
/* An edge on the line, or the message that stands for it. */
void smmu_interrupt(struct model_device *dev, enum smmu_line line, const struct smmu_msi *msi,
		    uint32_t abort_bit);

/* smmu-queue.c */
/* Commands are there, or may go on: now, or when they are due. */
void smmu_consume(struct model_device *dev);
void smmu_record(struct model_device *dev, const struct smmu_fault *fault);

/* smmu-config.c */
/* NULL: @fault says why. Valid until the next call. */
const struct smmu_config *smmu_configure(struct model_device *dev, struct smmu_fault *fault);
void smmu_forget_configs(struct smmu *smmu, uint32_t first, uint32_t last, bool only_leaf);
void smmu_forget_contexts(struct smmu *smmu, uint32_t sid);

/* smmu-cache.c */
int smmu_cache_start(struct smmu_cache *cache, unsigned int nr, unsigned int ways);
/* The entry of exactly that size for the address; NULL. */
struct smmu_entry *smmu_cache_find(const struct smmu_cache *cache, const struct smmu_entry *wanted);
void smmu_cache_insert(struct smmu *smmu, struct smmu_cache *cache, const struct smmu_entry *entry);

/* What an invalidation command is about. */
struct smmu_scope {
	bool is_all_asids, is_all_addresses, is_leaf;
	uint16_t asid;
	uint8_t granule_shift; /* 0: any */
	uint8_t level; /* of the leaves; 0: any */
	uint64_t first, last;
};

void smmu_invalidate(struct smmu *smmu, const struct smmu_scope *scope);

/* smmu-walk.c */
int smmu_translate(struct model_device *dev, uint32_t stream, uint64_t address, bool is_write,
		   uint64_t *phys);

#endif
