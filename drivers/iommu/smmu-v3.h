/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SMMUv3 driver's own. Registers, commands and tables: Arm IHI 0070, chapters 3 to 7.
 *
 * Locks, all with interrupts away; none is taken while another one is held:
 *
 *   cmdq.lock     the ring of commands, and how far it is written
 *   gerror_lock   GERROR and GERRORN, and the commands that were refused
 *   asid_lock     which ASIDs are taken
 *
 * Nobody waits while he holds one.
 */
#ifndef BERTH_DRIVERS_SMMU_V3_INTERNAL_H
#define BERTH_DRIVERS_SMMU_V3_INTERNAL_H

#include <berth/dma-mapping.h>
#include <berth/dmapool.h>
#include <berth/errno.h>
#include <berth/error.h>
#include <berth/interrupt.h>
#include <berth/io-pgtable.h>
#include <berth/io.h>
#include <berth/iommu-driver.h>
#include <berth/platform_device.h>
#include <berth/slab.h>
#include <berth/spinlock.h>
#include <berth/timer.h>

#include <berth/drivers/smmu-v3.h>

/* Registers. */
#define SMMU_IDR0 0x00
#define IDR0_S1P BIT(1)
#define IDR0_TTF_AARCH64 BIT(3)
#define IDR0_COHACC BIT(4)
#define IDR0_HYP BIT(9)
#define IDR0_ASID16 BIT(12)
#define IDR0_MSI BIT(13)
#define IDR0_TTENDIAN(idr) ((idr) >> 21 & 3u)
#define TTENDIAN_MIXED 0u
#define TTENDIAN_LITTLE 2u
#define IDR0_STALL_MODEL(idr) ((idr) >> 24 & 3u)
#define STALL_ALWAYS 2u
#define IDR0_ST_LEVEL(idr) ((idr) >> 27 & 3u)
#define SMMU_IDR1 0x04
#define IDR1_SIDSIZE(idr) ((idr)&0x3fu)
#define IDR1_EVENTQS(idr) ((idr) >> 16 & 0x1fu)
#define IDR1_CMDQS(idr) ((idr) >> 21 & 0x1fu)
#define IDR1_QUEUES_PRESET BIT(29)
#define IDR1_TABLES_PRESET BIT(30)
#define SMMU_IDR3 0x0c
#define IDR3_RIL BIT(10)
#define IDR3_BBML(idr) ((idr) >> 11 & 3u)
#define SMMU_IDR5 0x14
#define IDR5_OAS(idr) ((idr)&7u)
#define IDR5_GRAN4K BIT(4)
#define IDR5_GRAN16K BIT(5)
#define IDR5_GRAN64K BIT(6)
#define IDR5_VAX(idr) ((idr) >> 10 & 3u)
#define SMMU_CR0 0x20
#define CR0_SMMUEN BIT(0)
#define CR0_EVENTQEN BIT(2)
#define CR0_CMDQEN BIT(3)
#define SMMU_CR0ACK 0x24
#define SMMU_CR1 0x28
#define CR1_CACHED 0xd75u /* queues and tables: write-back, inner shareable */
#define CR1_UNCACHED 0u
#define SMMU_CR2 0x2c
#define CR2_RECINVSID BIT(1) /* events for stream ids out of range, too */
#define CR2_PTM BIT(2) /* the CPUs' own TLB maintenance is none of ours */
#define SMMU_GBPR 0x44
#define GBPR_ABORT BIT(20)
#define GBPR_UPDATE BIT(31)
#define SMMU_IRQ_CTRL 0x50
#define IRQ_CTRL_GERROR BIT(0)
#define IRQ_CTRL_EVENTQ BIT(2)
#define SMMU_IRQ_CTRLACK 0x54
#define SMMU_GERROR 0x60
#define GERROR_CMDQ BIT(0)
#define GERROR_EVENTQ_ABT BIT(2)
#define GERROR_SFM BIT(8)
#define SMMU_GERRORN 0x64
#define SMMU_GERROR_IRQ_CFG0 0x68
#define SMMU_STRTAB_BASE 0x80
#define BASE_RA BIT_ULL(62) /* and WA of the event queue: hints to allocate in caches */
#define SMMU_STRTAB_BASE_CFG 0x88
#define STRTAB_TWO_LEVELS BIT(16)
#define SMMU_CMDQ_BASE 0x90
#define SMMU_CMDQ_PROD 0x98
#define SMMU_CMDQ_CONS 0x9c
#define CMDQ_CONS_ERR(cons) ((cons) >> 24 & 0x7fu)
#define SMMU_EVENTQ_BASE 0xa0
#define SMMU_EVENTQ_IRQ_CFG0 0xb0
/* In the second page. */
#define SMMU_EVENTQ_PROD 0x100a8
#define SMMU_EVENTQ_CONS 0x100ac
#define EVENTQ_OVERFLOW BIT(31)
#define SMMU_REGISTERS 0x20000u

/* What a register reads as when nothing is there. */
#define GONE UINT32_MAX

/* Why the command queue has stopped. */
#define CERROR_NONE 0u
#define CERROR_ABT 2u
#define CERROR_ATC_INV_SYNC 3u

/* Commands. */
#define CMD_CFGI_STE 0x03u
#define CMD_CFGI_ALL 0x04u
#define CMD_TLBI_NH_ASID 0x11u
#define CMD_TLBI_NH_VA 0x12u
#define CMD_TLBI_EL2_ALL 0x20u
#define CMD_TLBI_NSNH_ALL 0x30u
#define CMD_SYNC 0x46u
#define CMD_OPCODE(low) ((unsigned int)((low)&0xffu))
#define CFGI_LEAF 1ull
#define CFGI_EVERYTHING 31ull
#define TLBI_LEAF 1ull

/* Stream table entries. The three kinds differ in the first doubleword only. */
#define STE_WORDS 8u
#define STE_VALID 1ull
#define STE_ABORT (0ull << 1)
#define STE_BYPASS (4ull << 1)
#define STE_S1 (5ull << 1)
#define STE1_CACHED (1ull << 2 | 1ull << 4 | 3ull << 6) /* of context descriptors, as CR1_CACHED */
#define STE1_SHCFG_INCOMING (1ull << 44)
#define L1_SHIFT 8u /* bits of a stream id that choose an entry of a second-level table */
#define L1_SPAN (L1_SHIFT + 1)
#define L2_ENTRIES (1u << L1_SHIFT)
#define L2_BYTES (L2_ENTRIES * STE_WORDS * 8)
/* More stream ids than these are not served: a table of 1 MiB, or of 4 MiB without a second level. */
#define MAX_L1_BITS 17u
#define MAX_LINEAR_BITS 16u

/* Context descriptors. */
#define CD_BYTES 64u
#define CD_EPD1 (1ull << 30)
#define CD_VALID (1ull << 31)
#define CD_AA64 (1ull << 41)
#define CD_RECORD (1ull << 45)
#define CD_ABORT (1ull << 46)
#define CD_PRIVATE_ASID (1ull << 47)
#define CD_TTB_BITS 0xffffffffffff0ull

#define CMDQ_BITS 8u
#define EVENTQ_BITS 10u
#define EVENT_WORDS 4u

/* The longest list of commands of one request, a CMD_SYNC not counted. */
#define MAX_BATCH 32u
/* Refused commands that are remembered, for who waits for them. */
#define MAX_REFUSED 8u

struct smmu_command {
	uint64_t low, high;
};

/* Memory that the SMMU reads: @at is aligned to @align; @whole is what was allocated. */
struct smmu_memory {
	void *at, *whole;
	dma_addr_t dma, whole_dma;
	size_t size;
};

/*
 * struct smmu_cmdq - commands on their way
 *
 * Positions count commands since the start; the registers have their low bits. Who has written
 * rings: one at a time, and whoever rings does it for all that is written.
 *
 * @bits: of an index
 * @written: up to here commands are in the ring
 * @done: up to here the SMMU has dealt with them, as far as anybody has seen
 * @is_ringing: somebody writes the producer register
 * @is_late: a wait was in vain: the next ones are short
 * @is_told: that translations may be old was told since then
 */
struct smmu_cmdq {
	spinlock_t lock;
	struct smmu_memory memory;
	uint64_t *ring;
	unsigned int bits;
	uint64_t written;
	uint64_t done;
	uint32_t is_ringing;
	uint32_t is_late;
	uint32_t is_told;
};

/*
 * struct smmu - one SMMU
 * @gbpr: what became of accesses before
 * @gerrorn: what GERRORN says
 * @nr_refused: commands that were refused; @refused has the positions of the last ones
 * @aborted_at, @nr_aborts: the position that the SMMU could not read last, and how often
 * @l1, @l2: stream tables: l1 of one level only has the entries themselves
 * @draining: calls of the handler that want the event queue emptied; who makes it 1 does it
 * @events_cons: how far events are read; theirs who drains
 * @asids: bits of those that are taken; @next_asid: the word in which to look first
 */
struct smmu {
	struct iommu_device iommu;
	struct device *dev;
	char __iomem *regs;
	bool is_coherent;
	bool has_ril;
	bool has_two_levels;
	unsigned int bbml;
	unsigned int sid_bits;
	unsigned int asid_bits;
	unsigned int ias, oas;
	uint64_t pgsizes, granule;
	uint32_t gbpr;

	struct smmu_cmdq cmdq;

	spinlock_t gerror_lock;
	uint32_t gerrorn;
	uint32_t nr_refused;
	struct {
		uint64_t position, low;
	} refused[MAX_REFUSED];
	uint64_t aborted_at;
	unsigned int nr_aborts;

	struct smmu_memory l1;
	struct smmu_memory **l2;
	struct dma_pool *contexts;

	struct smmu_memory events;
	unsigned int events_bits;
	uint32_t events_cons;
	uint32_t draining;
	struct timer_list drain_later;

	spinlock_t asid_lock;
	unsigned long *asids;
	unsigned int next_asid;

	unsigned int irqs[3];
	unsigned int nr_irqs;
	struct berth_smmu_v3_stats stats;
};

/*
 * struct smmu_domain - an address space
 * @ste: first doubleword of the stream table entries that lead here
 */
struct smmu_domain {
	struct iommu_domain domain;
	struct smmu *smmu;
	uint64_t ste;
	uint64_t *cd;
	dma_addr_t cd_dma;
	unsigned int asid;
	unsigned int tg_shift;
};

static inline uint32_t smmu_read(const struct smmu *smmu, unsigned int reg)
{
	return readl(smmu->regs + reg);
}

static inline void smmu_write(const struct smmu *smmu, unsigned int reg, uint32_t value)
{
	writel(value, smmu->regs + reg);
}

/* Return: what it was. */
static inline uint64_t smmu_count(uint64_t *counter, uint64_t nr)
{
	return __atomic_fetch_add(counter, nr, __ATOMIC_RELAXED);
}

/* smmu-v3.c */

/* Zeroed memory at a multiple of @align, a power of two, for the SMMU. False with the reason. */
bool berth_smmu_alloc(struct smmu *smmu, struct smmu_memory *memory, size_t size, size_t align);
void berth_smmu_free(struct smmu *smmu, struct smmu_memory *memory);
/* The SMMU does not do what it should: -ETIMEDOUT with the reason; @reg did not change. */
int berth_smmu_timed_out(struct smmu *smmu, unsigned int reg);

/* smmu-v3-queue.c */

/*
 * Write commands, at most MAX_BATCH. With @sync, return when the SMMU is done with them and all
 * that were written before; without, they are seen by the next one with it. Any context. 0, or with the reason -EIO
 * (COMMAND) or -ETIMEDOUT.
 */
int berth_smmu_submit(struct smmu *smmu, const struct smmu_command *commands, unsigned int nr,
		      bool sync);
/*
 * With gerror_lock: the command queue has stopped at @bad; see that it can go on. *@why: CERROR_*.
 * Return: whether it is to go on.
 */
bool berth_smmu_skip_command(struct smmu *smmu, struct smmu_command *bad, unsigned int *why);

/* smmu-v3-event.c */

irqreturn_t berth_smmu_eventq_irq(int irq, void *data);
irqreturn_t berth_smmu_gerror_irq(int irq, void *data);
irqreturn_t berth_smmu_combined_irq(int irq, void *data);
/* Look at GERROR and deal with what it says. True if there was something. Any context. */
bool berth_smmu_gerror(struct smmu *smmu);
/* Tell of what is in the event queue. Any context. */
void berth_smmu_drain(struct smmu *smmu);
/* For the timer. */
void berth_smmu_drain_later(struct timer_list *timer);

/* smmu-v3-table.c */

int berth_smmu_tables_start(struct smmu *smmu);
void berth_smmu_tables_stop(struct smmu *smmu);
/* A stream id's entry; NULL: it has none, or no table for it. */
uint64_t *berth_smmu_ste(const struct smmu *smmu, uint32_t id);
/* See that a stream id has an entry. 0, or with the reason -ERANGE, -ENOMEM, or that of a command. */
int berth_smmu_reach_ste(struct smmu *smmu, uint32_t id);
/*
 * Write the first doubleword of a device's entries and let the SMMU forget the old ones. 0, or with
 * the reason and nothing changed.
 */
int berth_smmu_set_stes(struct smmu *smmu, struct device *dev, uint64_t ste);

/* smmu-v3-tlb.c */

/* Which pages are to be forgotten. */
struct smmu_range {
	uint64_t iova;
	uint64_t last; /* inclusive */
	uint64_t pgsize; /* of the pages or blocks; with @is_leaf only them */
	unsigned int asid;
	unsigned int tg_shift; /* of the smallest page size */
	bool is_leaf;
	bool has_ril;
};

/* Commands that forget a range; at most MAX_BATCH. */
unsigned int berth_smmu_encode(const struct smmu_range *range, struct smmu_command *commands);
/* Forget, and wait. Told on the console if that is not to be had. */
void berth_smmu_forget(struct smmu *smmu, const struct smmu_range *range, bool sync);
void berth_smmu_forget_asid(struct smmu *smmu, unsigned int asid);

/* smmu-v3-domain.c */

extern const struct iommu_ops berth_smmu_ops;

#endif
