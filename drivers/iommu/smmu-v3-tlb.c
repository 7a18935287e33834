// SPDX-License-Identifier: BSD-2-Clause
/* The SMMUv3 driver: what the SMMU is to forget of its translations. */
#include "smmu-v3.h"

#define SCALE_SHIFT 20
#define NUM_SHIFT 12
#define NUM_MAX 32u
/* More pages than these no scale describes. */
#define MAX_PAGES (1ull << 31)
#define ASID_SHIFT 48
#define TTL_SHIFT 8
#define LAST_LEVEL 3ull
#define TG_SHIFT 10

/* TG, and TTL of a page or block. */
static uint64_t granule_field(const struct smmu_range *range)
{
	return (uint64_t)(range->tg_shift / 2 - 5) << TG_SHIFT;
}

static uint64_t level_field(const struct smmu_range *range)
{
	unsigned int shift = (unsigned int)__builtin_ctzll(range->pgsize);

	return (4 - (uint64_t)((shift - 3) / (range->tg_shift - 3))) << TTL_SHIFT;
}

/* Runs of pages whose number is at most 32 times a power of two, from the low bits of @nr on. */
static unsigned int encode_runs(const struct smmu_range *range, uint64_t nr, uint64_t low,
				struct smmu_command *commands)
{
	uint64_t iova = range->iova, high = granule_field(range), scale, num;
	unsigned int used = 0;

	if (range->is_leaf)
		high |= level_field(range) | TLBI_LEAF;
	while (nr) {
		scale = (uint64_t)__builtin_ctzll(nr);
		num = nr >> scale & (NUM_MAX - 1);
		/*
		 * One page of an unknown level is no range. The command without one forgets it; so
		 * does a range of two, but that is more than was asked for.
		 */
		commands[used].low = low;
		commands[used].high = iova & ~0xfffull;
		if (num > 1 || scale || range->is_leaf) {
			commands[used].low |= scale << SCALE_SHIFT | (num - 1) << NUM_SHIFT;
			commands[used].high |= high;
		}
		used++;
		iova += num << scale << range->tg_shift;
		nr -= num << scale;
	}
	return used;
}

static __attribute__((noinline)) unsigned int encode_any(const struct smmu_range *range,
							 struct smmu_command *commands)
{
	uint64_t asid = (uint64_t)range->asid << ASID_SHIFT, low = CMD_TLBI_NH_VA | asid;
	uint64_t step = range->is_leaf ? range->pgsize : 1ull << range->tg_shift;
	uint64_t nr = (range->last - range->iova) / step + 1;
	uint64_t pages = ((range->last - range->iova) >> range->tg_shift) + 1;

	if (range->has_ril && pages < MAX_PAGES)
		return encode_runs(range, pages, low, commands);
	if (nr > MAX_BATCH) {
		commands[0] = (struct smmu_command){ CMD_TLBI_NH_ASID | asid, 0 };
		return 1;
	}
	for (uint64_t i = 0; i < nr; i++)
		commands[i] = (struct smmu_command){
			low,
			((range->iova + i * step) & ~0xfffull) | (range->is_leaf ? TLBI_LEAF : 0),
		};
	return (unsigned int)nr;
}

unsigned int berth_smmu_encode(const struct smmu_range *range, struct smmu_command *commands)
{
	uint64_t high;

	/* One page of the smallest size, of the last level: most often it is that. */
	if (!range->is_leaf || range->pgsize >> range->tg_shift != 1 ||
	    range->last - range->iova >= range->pgsize)
		return encode_any(range, commands);
	high = (range->iova & ~0xfffull) | TLBI_LEAF;
	if (range->has_ril)
		high |= granule_field(range) | LAST_LEVEL << TTL_SHIFT;
	commands[0].low = CMD_TLBI_NH_VA | (uint64_t)range->asid << ASID_SHIFT;
	commands[0].high = high;
	return 1;
}

/* The SMMU did not forget: it is told to forget everything; if not even that, somebody should know. */
static void forget_everything(struct smmu *smmu)
{
	const struct smmu_command command = { CMD_TLBI_NSNH_ALL, 0 };
	int ret = berth_smmu_submit(smmu, &command, 1, true);

	/* Of one that stands still it is told once. */
	if (ret &&
	    (ret != -ETIMEDOUT || !__atomic_exchange_n(&smmu->cmdq.is_told, 1, __ATOMIC_RELAXED)))
		dev_err(smmu->dev, "old translations may still be used: %s\n",
			berth_error_name(ret));
}

void berth_smmu_forget(struct smmu *smmu, const struct smmu_range *range, bool sync)
{
	struct smmu_command commands[MAX_BATCH];

	if (berth_smmu_submit(smmu, commands, berth_smmu_encode(range, commands), sync))
		forget_everything(smmu);
}

void berth_smmu_forget_asid(struct smmu *smmu, unsigned int asid)
{
	const struct smmu_command command = { CMD_TLBI_NH_ASID | (uint64_t)asid << ASID_SHIFT, 0 };

	if (berth_smmu_submit(smmu, &command, 1, true))
		forget_everything(smmu);
}
