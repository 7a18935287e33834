// SPDX-License-Identifier: BSD-2-Clause
/* The SMMUv3 driver: what the SMMU says by itself, events and errors. */
#include "smmu-v3.h"

/* Events, in the first byte of a record. */
#define EVENT_TYPE(record) ((unsigned int)((record)[0] & 0xffu))
#define EVENT_ID(record) ((uint32_t)((record)[0] >> 32))
#define EVENT_IS_READ (1ull << 35)
#define C_BAD_STE 0x04u

/* More than this at once are left to the timer, so that a device cannot keep a CPU for itself. */
#define MAX_TURNS 4u
#define PAUSE_MS 1u

static const struct kind {
	uint8_t type;
	bool has_address;
	enum berth_iommu_fault_reason reason;
} kinds[] = {
	{ 0x01, true, BERTH_IOMMU_FAULT_UNKNOWN }, /* F_UUT: an access of an unknown kind */
	{ 0x02, false, BERTH_IOMMU_FAULT_STREAM }, /* C_BAD_STREAMID */
	{ 0x03, false, BERTH_IOMMU_FAULT_WALK }, /* F_STE_FETCH */
	{ C_BAD_STE, false, BERTH_IOMMU_FAULT_CONTEXT },
	{ 0x06, false, BERTH_IOMMU_FAULT_STREAM }, /* F_STREAM_DISABLED */
	{ 0x08, false, BERTH_IOMMU_FAULT_CONTEXT }, /* C_BAD_SUBSTREAMID */
	{ 0x09, false, BERTH_IOMMU_FAULT_WALK }, /* F_CD_FETCH */
	{ 0x0a, false, BERTH_IOMMU_FAULT_CONTEXT }, /* C_BAD_CD */
	{ 0x0b, true, BERTH_IOMMU_FAULT_WALK }, /* F_WALK_EABT */
	{ 0x10, true, BERTH_IOMMU_FAULT_TRANSLATION }, /* F_TRANSLATION */
	{ 0x11, true, BERTH_IOMMU_FAULT_SIZE }, /* F_ADDR_SIZE */
	{ 0x12, true, BERTH_IOMMU_FAULT_PERMISSION }, /* F_ACCESS */
	{ 0x13, true, BERTH_IOMMU_FAULT_PERMISSION }, /* F_PERMISSION */
	{ 0x20, true, BERTH_IOMMU_FAULT_CONTEXT }, /* F_TLB_CONFLICT */
	{ 0x21, false, BERTH_IOMMU_FAULT_CONTEXT }, /* F_CFG_CONFLICT */
};

static void report(struct smmu *smmu, const uint64_t record[EVENT_WORDS])
{
	struct kind kind = { .has_address = true };
	const uint64_t *ste;

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].type == EVENT_TYPE(record))
			kind = kinds[i];
	/* An entry that nobody has made: nobody has the id. */
	if (kind.type == C_BAD_STE) {
		ste = berth_smmu_ste(smmu, EVENT_ID(record));
		if (!ste || !(__atomic_load_n(ste, __ATOMIC_RELAXED) & STE_VALID))
			kind.reason = BERTH_IOMMU_FAULT_STREAM;
	}
	berth_iommu_report_fault(&smmu->iommu, EVENT_ID(record), kind.has_address ? record[2] : 0,
				 record[1] & EVENT_IS_READ ? IOMMU_FAULT_READ : IOMMU_FAULT_WRITE,
				 kind.reason);
}

/* The queue was full, or could not be written. Told once: it comes again and again. */
static void note_lost(struct smmu *smmu)
{
	if (!smmu_count(&smmu->stats.lost, 1))
		dev_warn(smmu->dev, "events were lost: the queue was full\n");
}

/* One turn: what is there now. Return: how many records. */
static uint32_t drain_once(struct smmu *smmu)
{
	uint32_t mask = (2u << smmu->events_bits) - 1, prod, nr;
	const uint64_t *ring = smmu->events.at;
	bool is_overrun;

	prod = smmu_read(smmu, SMMU_EVENTQ_PROD);
	nr = (prod - smmu->events_cons) & mask;
	if (prod == GONE || nr > mask / 2 + 1)
		return 0;
	dma_rmb();
	for (uint32_t i = 0; i < nr; i++)
		report(smmu, ring + EVENT_WORDS * ((smmu->events_cons + i) & mask >> 1));
	smmu_count(&smmu->stats.events, nr);
	is_overrun = (prod ^ smmu->events_cons) & EVENTQ_OVERFLOW;
	if (is_overrun)
		note_lost(smmu);
	/* The bit of an overrun is told back, so that the next one shows. */
	if (nr || is_overrun) {
		smmu->events_cons = prod & (mask | EVENTQ_OVERFLOW);
		smmu_write(smmu, SMMU_EVENTQ_CONS, smmu->events_cons);
	}
	return nr;
}

void berth_smmu_drain(struct smmu *smmu)
{
	uint32_t calls, nr = 0, all = 0, most = MAX_TURNS << smmu->events_bits;

	/* Whoever is at it goes round once more. */
	if (__atomic_fetch_add(&smmu->draining, 1, __ATOMIC_ACQ_REL))
		return;
	do {
		calls = __atomic_load_n(&smmu->draining, __ATOMIC_ACQUIRE);
		while (all < most && (nr = drain_once(smmu)))
			all += nr;
		berth_iommu_report_end(&smmu->iommu);
		if (all >= most)
			mod_timer(&smmu->drain_later, jiffies + PAUSE_MS);
	} while (__atomic_sub_fetch(&smmu->draining, calls, __ATOMIC_ACQ_REL));
}

void berth_smmu_drain_later(struct timer_list *timer)
{
	berth_smmu_drain(container_of(timer, struct smmu, drain_later));
}

static void tell_refused(struct smmu *smmu, const struct smmu_command *bad, unsigned int why,
			 bool goes_on)
{
	smmu_count(&smmu->stats.command_errors, 1);
	dev_err(smmu->dev, "command %#llx %#llx: error %u%s\n", (unsigned long long)bad->low,
		(unsigned long long)bad->high, why, goes_on ? "" : ": the queue stands still");
}

bool berth_smmu_gerror(struct smmu *smmu)
{
	struct smmu_command bad = { 0 };
	uint32_t gerror, active;
	unsigned int why = CERROR_NONE;
	bool goes_on = true;
	unsigned long flags;

	spin_lock_irqsave(&smmu->gerror_lock, flags);
	gerror = smmu_read(smmu, SMMU_GERROR);
	active = gerror == GONE ? 0 : gerror ^ smmu->gerrorn;
	if (active & GERROR_CMDQ)
		goes_on = berth_smmu_skip_command(smmu, &bad, &why);
	if (!goes_on)
		gerror ^= GERROR_CMDQ;
	if (active && gerror != smmu->gerrorn) {
		smmu->gerrorn = gerror;
		smmu_write(smmu, SMMU_GERRORN, gerror);
	}
	spin_unlock_irqrestore(&smmu->gerror_lock, flags);
	if (why != CERROR_NONE)
		tell_refused(smmu, &bad, why, goes_on);
	if (active & GERROR_EVENTQ_ABT)
		note_lost(smmu);
	if (active & GERROR_SFM) {
		__atomic_store_n(&smmu->stats.service_failure, 1, __ATOMIC_RELAXED);
		dev_err(smmu->dev, "has stopped: service failure\n");
	}
	if (active & ~(GERROR_CMDQ | GERROR_EVENTQ_ABT | GERROR_SFM))
		dev_err(smmu->dev, "errors %#x\n", (unsigned int)active);
	return active;
}

irqreturn_t berth_smmu_eventq_irq(int irq, void *data)
{
	(void)irq;
	berth_smmu_drain(data);
	return IRQ_HANDLED;
}

irqreturn_t berth_smmu_gerror_irq(int irq, void *data)
{
	(void)irq;
	return berth_smmu_gerror(data) ? IRQ_HANDLED : IRQ_NONE;
}

irqreturn_t berth_smmu_combined_irq(int irq, void *data)
{
	(void)irq;
	berth_smmu_gerror(data);
	berth_smmu_drain(data);
	return IRQ_HANDLED;
}
