// SPDX-License-Identifier: BSD-2-Clause
/* The SMMUv3 driver: the command queue. */
#include "smmu-v3.h"

#define TIMEOUT_NS (1000 * NSEC_PER_MSEC)
/* After a wait that was in vain, until one is not. */
#define SHORT_TIMEOUT_NS (10 * NSEC_PER_MSEC)
#define PAUSE_NS 500u
#define MAX_ABORTS 3u

/* How many commands have room, a power of two; and all that a register has of a position. */
static uint64_t room(const struct smmu_cmdq *q)
{
	return 1ull << q->bits;
}

static uint64_t position_mask(const struct smmu_cmdq *q)
{
	return (2ull << q->bits) - 1;
}

static uint64_t seen_done(const struct smmu_cmdq *q)
{
	return __atomic_load_n(&q->done, __ATOMIC_ACQUIRE);
}

/* With the queue's lock: nobody else writes them. */
static void count(uint64_t *counter, uint64_t nr)
{
	__atomic_store_n(counter, *counter + nr, __ATOMIC_RELAXED);
}

/* The kinds that the figures tell apart; most are pages and synchronisations, counted elsewhere. */
static __attribute__((noinline)) void count_other(struct berth_smmu_v3_stats *stats, uint64_t low)
{
	switch (CMD_OPCODE(low)) {
	case CMD_TLBI_NH_ASID:
		count(&stats->tlbi_asid, 1);
		break;
	case CMD_TLBI_NSNH_ALL:
	case CMD_TLBI_EL2_ALL:
		count(&stats->tlbi_all, 1);
		break;
	case CMD_CFGI_STE:
	case CMD_CFGI_ALL:
		count(&stats->cfgi, 1);
		break;
	default:
		break;
	}
}

/* At @position, of which @mask has the index. */
static void put(uint64_t *ring, uint64_t position, uint64_t mask, uint64_t low, uint64_t high)
{
	uint64_t *at = ring + 2 * (position & mask);

	at[0] = low;
	at[1] = high;
}

/* With the queue's lock, and room: the position behind the last one. */
static inline uint64_t put_all(struct smmu *smmu, const struct smmu_command *commands,
			       unsigned int nr, bool sync)
{
	uint64_t *ring = smmu->cmdq.ring, mask = room(&smmu->cmdq) - 1, at = smmu->cmdq.written;
	struct berth_smmu_v3_stats *stats = &smmu->stats;
	const struct smmu_command *end = commands + nr;
	uint64_t pages = 0;

	count(&stats->commands, nr + sync);
	for (; commands != end; commands++) {
		put(ring, at++, mask, commands->low, commands->high);
		if (__builtin_expect(CMD_OPCODE(commands->low) == CMD_TLBI_NH_VA, 1))
			pages++;
		else
			count_other(stats, commands->low);
	}
	count(&stats->tlbi_va, pages);
	if (sync) {
		put(ring, at++, mask, CMD_SYNC, 0);
		count(&stats->syncs, 1);
	}
	return at;
}

/* All of them or, where there is no room, none. *@end: the position behind the last one. */
static inline bool append(struct smmu *smmu, const struct smmu_command *commands, unsigned int nr,
			  bool sync, uint64_t *end)
{
	struct smmu_cmdq *q = &smmu->cmdq;
	unsigned long flags;
	bool has_room;

	spin_lock_irqsave(&q->lock, flags);
	*end = q->written;
	has_room = *end + nr + sync - seen_done(q) <= room(q);
	if (__builtin_expect(has_room, 1)) {
		*end = put_all(smmu, commands, nr, sync);
		/* For the SMMU, whoever rings. */
		dma_wmb();
		__atomic_store_n(&q->written, *end, __ATOMIC_SEQ_CST);
	}
	spin_unlock_irqrestore(&q->lock, flags);
	return has_room;
}

/*
 * Tell the SMMU of all that is written. If somebody is at it, he sees afterwards that there is more:
 * nobody leaves before the last command is told. With interrupts away, as a handler may want to wait
 * for a command of its own.
 */
static inline __attribute__((always_inline)) void ring(struct smmu *smmu)
{
	struct smmu_cmdq *q = &smmu->cmdq;
	uint64_t written;
	unsigned long flags;

	local_irq_save(flags);
	do {
		if (__atomic_exchange_n(&q->is_ringing, 1, __ATOMIC_SEQ_CST))
			break;
		written = __atomic_load_n(&q->written, __ATOMIC_SEQ_CST);
		smmu_count(&smmu->stats.doorbells, 1);
		smmu_write(smmu, SMMU_CMDQ_PROD, (uint32_t)(written & position_mask(q)));
		__atomic_store_n(&q->is_ringing, 0, __ATOMIC_SEQ_CST);
	} while (__atomic_load_n(&q->written, __ATOMIC_SEQ_CST) != written);
	local_irq_restore(flags);
}

/*
 * See how far the SMMU is. What is known is read before the register is, so that a register that is
 * read late never looks like one of the next turn. Return: what the register said.
 */
static uint32_t look(struct smmu *smmu)
{
	struct smmu_cmdq *q = &smmu->cmdq;
	uint64_t known = seen_done(q), now;
	uint32_t cons = smmu_read(smmu, SMMU_CMDQ_CONS);

	smmu_count(&smmu->stats.looks, 1);
	now = known + ((cons - known) & position_mask(q));
	if (cons == GONE || now > __atomic_load_n(&q->written, __ATOMIC_SEQ_CST))
		return cons;
	while (known < now && !__atomic_compare_exchange_n(&q->done, &known, now, false,
							   __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	return cons;
}

/* Until @position is done. 0 or -ETIMEDOUT with the reason. */
static int wait_until(struct smmu *smmu, uint64_t position)
{
	struct smmu_cmdq *q = &smmu->cmdq;
	uint64_t deadline = 0;
	bool is_over = false;

	while (seen_done(q) < position) {
		uint32_t cons = look(smmu);

		if (seen_done(q) >= position)
			break;
		if (cons == GONE || is_over) {
			__atomic_store_n(&q->is_late, 1, __ATOMIC_RELAXED);
			return berth_smmu_timed_out(smmu, SMMU_CMDQ_CONS);
		}
		/* It stays there after an error that is over, too. */
		if (CMDQ_CONS_ERR(cons))
			berth_smmu_gerror(smmu);
		if (!deadline)
			deadline = ktime_get_ns() + (__atomic_load_n(&q->is_late, __ATOMIC_RELAXED)
							     ? SHORT_TIMEOUT_NS
							     : TIMEOUT_NS);
		ndelay(PAUSE_NS);
		is_over = ktime_get_ns() >= deadline;
	}
	if (__builtin_expect(__atomic_load_n(&q->is_late, __ATOMIC_RELAXED) != 0, 0)) {
		__atomic_store_n(&q->is_late, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&q->is_told, 0, __ATOMIC_RELAXED);
	}
	return 0;
}

/* One of the commands of [@start, @end) was refused, or may have been: -EIO with the reason. */
static int find_refused(struct smmu *smmu, uint32_t nr_before, uint64_t start, uint64_t end)
{
	uint64_t position = UINT64_MAX, low;
	unsigned long flags;
	uint32_t nr;

	spin_lock_irqsave(&smmu->gerror_lock, flags);
	nr = smmu->nr_refused - nr_before;
	for (uint32_t i = 0; i < nr && i < MAX_REFUSED; i++) {
		uint64_t at = smmu->refused[(smmu->nr_refused - 1 - i) % MAX_REFUSED].position;

		if (at >= start && at < end) {
			position = at;
			low = smmu->refused[(smmu->nr_refused - 1 - i) % MAX_REFUSED].low;
		}
	}
	spin_unlock_irqrestore(&smmu->gerror_lock, flags);
	if (position == UINT64_MAX && nr <= MAX_REFUSED)
		return 0;
	return berth_set_error(dev_name(smmu->dev), -EIO, BERTH_REASON_COMMAND,
			       position == UINT64_MAX ? 0 : CMD_OPCODE(low), 0);
}

/* There is no room for @nr commands behind @end: until there is. 0, or with the reason. */
static __attribute__((noinline)) int wait_for_room(struct smmu *smmu, uint64_t end, unsigned int nr)
{
	smmu_count(&smmu->stats.fullness, 1);
	ring(smmu);
	return wait_until(smmu, end + nr - room(&smmu->cmdq));
}

int berth_smmu_submit(struct smmu *smmu, const struct smmu_command *commands, unsigned int nr,
		      bool sync)
{
	uint32_t nr_refused = __atomic_load_n(&smmu->nr_refused, __ATOMIC_ACQUIRE);
	uint64_t end;
	int ret;

	while (!append(smmu, commands, nr, sync, &end)) {
		ret = wait_for_room(smmu, end, nr + sync);
		if (ret)
			return ret;
	}
	if (!sync)
		return 0;
	ring(smmu);
	ret = wait_until(smmu, end);
	if (!ret &&
	    __builtin_expect(__atomic_load_n(&smmu->nr_refused, __ATOMIC_ACQUIRE) != nr_refused, 0))
		ret = find_refused(smmu, nr_refused, end - nr - 1, end);
	return ret;
}

/*
 * The SMMU goes on behind a command that it does not know when a CMD_SYNC stands in its place (IHI
 * 0070, 7.1). What it could not read it tries again.
 */
bool berth_smmu_skip_command(struct smmu *smmu, struct smmu_command *bad, unsigned int *why)
{
	struct smmu_cmdq *q = &smmu->cmdq;
	uint64_t position = seen_done(q), *at;
	uint32_t cons = smmu_read(smmu, SMMU_CMDQ_CONS);

	position += (cons - position) & position_mask(q);
	at = q->ring + 2 * (position & (room(q) - 1));
	*why = CMDQ_CONS_ERR(cons);
	*bad = (struct smmu_command){ at[0], at[1] };
	if (*why == CERROR_NONE || *why == CERROR_ATC_INV_SYNC)
		return true;
	if (*why == CERROR_ABT) {
		if (smmu->aborted_at != position)
			smmu->nr_aborts = 0;
		smmu->aborted_at = position;
		/* That it stands still is told once. */
		if (smmu->nr_aborts > MAX_ABORTS)
			*why = CERROR_NONE;
		else
			smmu->nr_aborts++;
		return smmu->nr_aborts <= MAX_ABORTS;
	}
	smmu->refused[smmu->nr_refused % MAX_REFUSED].position = position;
	smmu->refused[smmu->nr_refused % MAX_REFUSED].low = at[0];
	at[0] = CMD_SYNC;
	at[1] = 0;
	dma_wmb();
	__atomic_store_n(&smmu->nr_refused, smmu->nr_refused + 1, __ATOMIC_RELEASE);
	return true;
}
