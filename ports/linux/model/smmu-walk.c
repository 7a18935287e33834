// SPDX-License-Identifier: BSD-2-Clause
/* From an input address to memory: IOTLB, walk caches, and the walk of AArch64 stage 1 tables. */
#include <errno.h>

#include "model/smmu.h"

#define LAST_LEVEL 3u
#define PTE_BYTES 8u
#define PTE_ADDRESS 0x0000fffffffff000ull
#define PTE_VALID 1u
#define PTE_TABLE 3u /* below the last level; there, a page */
#define PTE_TYPE(pte) ((pte)&3)
#define PTE_UNPRIVILEGED (1ull << 6)
#define PTE_READ_ONLY (1ull << 7)
#define PTE_ACCESSED (1ull << 10)
#define PTE_NOT_GLOBAL (1ull << 11)
#define PTE_TABLE_PRIVILEGED (1ull << 61)
#define PTE_TABLE_READ_ONLY (1ull << 62)

/* An access under way. */
struct access {
	struct model_device *dev;
	const struct smmu_config *config;
	const struct smmu_half *half;
	uint64_t address;
	struct smmu_fault *fault;
	bool is_quiet; /* only to see what the tables say: leaves no trace */
};

static int bad(const struct access *access, enum smmu_event type)
{
	access->fault->type = type;
	return -EFAULT;
}

static unsigned int level_shift(const struct smmu_half *half, unsigned int level)
{
	return half->granule_shift + (LAST_LEVEL - level) * (half->granule_shift - 3u);
}

static unsigned int first_level(const struct smmu_half *half)
{
	unsigned int stride = half->granule_shift - 3u;

	return 4 - (half->input_bits - half->granule_shift + stride - 1u) / stride;
}

/* The half that an address is in; NULL: in neither. */
static const struct smmu_half *select_half(const struct smmu_context *context, uint64_t address)
{
	bool is_upper = address >> 55 & 1;
	const struct smmu_half *half = &context->half[is_upper];
	uint64_t top = is_upper ? ~address : address;

	if (half->is_disabled)
		return NULL;
	if (half->ignores_top_byte)
		top &= UINT64_MAX >> 8;
	return top >> half->input_bits ? NULL : half;
}

/* As it is without what the top byte says, when that is ignored. */
static uint64_t canonical(const struct smmu_half *half, const struct smmu_context *context,
			  uint64_t address)
{
	if (!half->ignores_top_byte)
		return address;
	return half == &context->half[1] ? address | 0xffull << 56 : address & UINT64_MAX >> 8;
}

static struct smmu_entry entry_at(const struct access *access, unsigned int level)
{
	uint64_t size = 1ull << level_shift(access->half, level);

	return (struct smmu_entry){
		.level = (uint8_t)level,
		.granule_shift = access->half->granule_shift,
		.asid = access->config->context.asid,
		.va = access->address & ~(size - 1),
		.size = size,
	};
}

/* Of several that overlap, which needs a mistake, the oldest. */
static const struct smmu_entry *find_translation(const struct access *access)
{
	const struct smmu *smmu = access->dev->state;
	const struct smmu_entry *found = NULL;

	for (unsigned int level = 1; level <= LAST_LEVEL; level++) {
		const struct smmu_entry wanted = entry_at(access, level);
		const struct smmu_entry *entry = smmu_cache_find(&smmu->iotlb, &wanted);

		if (entry && (!found || entry->number < found->number))
			found = entry;
	}
	return found;
}

/* Where the walk begins: at the root, or behind the deepest table that a walk cache knows. */
static struct smmu_entry begin_walk(const struct access *access)
{
	struct smmu *smmu = access->dev->state;
	unsigned int first = first_level(access->half);
	uint64_t entries = 1ull << (access->half->input_bits - level_shift(access->half, first));
	struct smmu_entry root = { .level = (uint8_t)(first - 1) };

	for (unsigned int level = LAST_LEVEL; !access->is_quiet && level-- > first;) {
		const struct smmu_entry wanted = entry_at(access, level);
		const struct smmu_entry *table = smmu_cache_find(&smmu->walks[level], &wanted);

		if (table) {
			smmu->stats.walk_hits[level]++;
			return *table;
		}
		smmu->stats.walk_misses[level]++;
	}
	root.phys = access->half->table & ~(entries * PTE_BYTES - 1);
	return root;
}

static int read_pte(const struct access *access, uint64_t table, unsigned int level, uint64_t *pte)
{
	struct smmu *smmu = access->dev->state;
	unsigned int shift = level_shift(access->half, level);
	uint64_t mask = (1ull << (access->half->granule_shift - 3)) - 1, at;

	if (level == first_level(access->half))
		mask = (1ull << (access->half->input_bits - shift)) - 1;
	at = table + (access->address >> shift & mask) * PTE_BYTES;
	if (access->is_quiet)
		return dma_peek(access->dev, at, pte, PTE_BYTES);
	smmu->stats.walk_reads++;
	if (!dma_read_physical(access->dev, at, pte, PTE_BYTES))
		return 0;
	access->fault->fetch = at;
	return bad(access, SMMU_F_WALK_EABT);
}

static bool is_leaf_allowed(const struct smmu_half *half, unsigned int level, uint64_t pte)
{
	if (level == LAST_LEVEL)
		return PTE_TYPE(pte) == PTE_TABLE;
	return level == 2 || (level == 1 && half->granule_shift == 12);
}

static bool is_too_high(const struct access *access, uint64_t phys)
{
	return phys >> access->config->context.output_bits;
}

/* The table's restrictions hold for all below it, unless the CD says otherwise. */
static int enter_table(const struct access *access, uint64_t pte, unsigned int level,
		       struct smmu_entry *table)
{
	struct smmu *smmu = access->dev->state;
	struct smmu_entry next = entry_at(access, level);

	next.phys = pte & PTE_ADDRESS & ~((1ull << access->half->granule_shift) - 1);
	next.is_read_only = table->is_read_only;
	next.is_privileged = table->is_privileged;
	if (is_too_high(access, next.phys))
		return bad(access, SMMU_F_ADDR_SIZE);
	if (!access->half->ignores_table_attributes) {
		next.is_read_only |= (pte & PTE_TABLE_READ_ONLY) != 0;
		next.is_privileged |= (pte & PTE_TABLE_PRIVILEGED) != 0;
	}
	*table = next;
	if (!access->is_quiet)
		smmu_cache_insert(smmu, &smmu->walks[level], &next);
	return 0;
}

static int reach_leaf(const struct access *access, uint64_t pte, unsigned int level,
		      const struct smmu_entry *table, struct smmu_entry *leaf)
{
	*leaf = entry_at(access, level);
	leaf->phys = pte & PTE_ADDRESS & ~(leaf->size - 1);
	leaf->is_global = !(pte & PTE_NOT_GLOBAL);
	leaf->is_read_only = table->is_read_only || pte & PTE_READ_ONLY;
	leaf->is_privileged = table->is_privileged || !(pte & PTE_UNPRIVILEGED);
	if (is_too_high(access, leaf->phys))
		return bad(access, SMMU_F_ADDR_SIZE);
	if (!(pte & PTE_ACCESSED) && !access->config->context.has_no_access_faults)
		return bad(access, SMMU_F_ACCESS);
	return 0;
}

static int walk(const struct access *access, struct smmu_entry *leaf)
{
	struct smmu_entry table = begin_walk(access);
	/* The root's level is before the first one, which may be 0. */
	unsigned int level = (uint8_t)(table.level + 1);

	for (;; level++) {
		uint64_t pte;
		int ret = read_pte(access, table.phys, level, &pte);

		if (ret)
			return ret;
		if (!(pte & PTE_VALID))
			return bad(access, SMMU_F_TRANSLATION);
		if (level == LAST_LEVEL || PTE_TYPE(pte) != PTE_TABLE) {
			if (!is_leaf_allowed(access->half, level, pte))
				return bad(access, SMMU_F_TRANSLATION);
			return reach_leaf(access, pte, level, &table, leaf);
		}
		ret = enter_table(access, pte, level, &table);
		if (ret)
			return ret;
	}
}

static int check_permission(const struct access *access, const struct smmu_entry *entry)
{
	const struct smmu_config *config = access->config;
	bool is_allowed = !access->fault->is_write || !entry->is_read_only;

	if (!config->is_privileged)
		is_allowed = is_allowed && !entry->is_privileged;
	else if (config->context.is_privileged_kept_out)
		is_allowed = is_allowed && entry->is_privileged;
	return is_allowed ? 0 : bad(access, SMMU_F_PERMISSION);
}

/* Whether the tables still say what the IOTLB does: counted, of no consequence. */
static void watch(const struct access *access, const struct smmu_entry *entry)
{
	struct smmu *smmu = access->dev->state;
	struct smmu_fault unused = *access->fault;
	struct access look = *access;
	uint64_t inside = access->address & (entry->size - 1);
	struct smmu_entry now;

	look.fault = &unused;
	look.is_quiet = true;
	if (walk(&look, &now) || check_permission(&look, &now) ||
	    now.phys + (access->address & (now.size - 1)) != entry->phys + inside)
		smmu->stats.stale_hits++;
}

static int find_page(const struct access *access, uint64_t *phys)
{
	struct smmu *smmu = access->dev->state;
	const struct smmu_entry *entry = find_translation(access);
	struct smmu_entry leaf;
	int ret;

	if (entry) {
		smmu->stats.iotlb_hits++;
		leaf = *entry;
		ret = check_permission(access, &leaf);
		if (!ret && smmu->watches_stale)
			watch(access, &leaf);
	} else {
		smmu->stats.iotlb_misses++;
		ret = walk(access, &leaf);
		if (!ret)
			ret = check_permission(access, &leaf);
		if (!ret)
			smmu_cache_insert(smmu, &smmu->iotlb, &leaf);
	}
	if (!ret)
		*phys = leaf.phys + (access->address & (leaf.size - 1));
	return ret;
}

static bool is_recorded(const struct smmu_config *config, const struct smmu_fault *fault)
{
	return fault->type < SMMU_F_TRANSLATION || config->context.records_faults;
}

static int translate(struct model_device *dev, struct smmu_fault *fault, uint64_t *phys)
{
	struct smmu *smmu = dev->state;
	const struct smmu_config *config = smmu_configure(dev, fault);
	struct access access = { .dev = dev, .config = config, .fault = fault };
	int ret;

	if (!config) {
		smmu->stats.faults++;
		smmu_record(dev, fault);
		return -EFAULT;
	}
	if (config->mode == SMMU_ABORT) {
		smmu->stats.aborted++;
		return -EFAULT;
	}
	if (config->mode == SMMU_BYPASS) {
		smmu->stats.bypassed++;
		return MODEL_BYPASSED;
	}
	smmu->stats.translations++;
	access.half = select_half(&config->context, fault->address);
	if (access.half) {
		access.address = canonical(access.half, &config->context, fault->address);
		ret = find_page(&access, phys);
	} else {
		ret = bad(&access, SMMU_F_TRANSLATION);
	}
	if (ret) {
		smmu->stats.faults++;
		if (is_recorded(config, fault))
			smmu_record(dev, fault);
		return -EFAULT;
	}
	return MODEL_TRANSLATED;
}

int smmu_translate(struct model_device *dev, uint32_t stream, uint64_t address, bool is_write,
		   uint64_t *phys)
{
	struct smmu *smmu = dev->state;
	struct smmu_fault fault = { .sid = stream, .is_write = is_write, .address = address };
	struct model_device *outer = soc.current;
	int ret;

	if (!(smmu->cr0ack & SMMU_CR0_SMMUEN)) {
		if (smmu->gbpr & SMMU_GBPR_ABORT) {
			smmu->stats.aborted++;
			return -EFAULT;
		}
		smmu->stats.bypassed++;
		return MODEL_BYPASSED;
	}
	/* What chance decides here is the SMMU's, not that of the device that asks. */
	soc.current = dev;
	ret = translate(dev, &fault, phys);
	soc.current = outer;
	return ret;
}
