// SPDX-License-Identifier: BSD-2-Clause
/* The SMMUv3 driver: stream tables. */
#include "smmu-v3.h"

#define ID_SHIFT 32
#define L1_ENTRY_BYTES 8u

/* Entries of the table that the SMMU begins with. */
static size_t nr_first(const struct smmu *smmu)
{
	return (size_t)1 << (smmu->sid_bits - (smmu->has_two_levels ? L1_SHIFT : 0));
}

int berth_smmu_tables_start(struct smmu *smmu)
{
	size_t nr = nr_first(smmu), size = nr * (smmu->has_two_levels ? L1_ENTRY_BYTES : 64);

	if (smmu->has_two_levels) {
		smmu->l2 = kcalloc(nr, sizeof(*smmu->l2), GFP_KERNEL);
		if (!smmu->l2)
			return -ENOMEM;
	}
	/* Aligned to their size, and to 64 bytes. */
	if (berth_smmu_alloc(smmu, &smmu->l1, size, size < 64 ? 64 : size))
		return 0;
	kfree(smmu->l2);
	smmu->l2 = NULL;
	return -ENOMEM;
}

void berth_smmu_tables_stop(struct smmu *smmu)
{
	for (size_t i = 0; smmu->l2 && i < nr_first(smmu); i++) {
		if (!smmu->l2[i])
			continue;
		berth_smmu_free(smmu, smmu->l2[i]);
		kfree(smmu->l2[i]);
	}
	kfree(smmu->l2);
	smmu->l2 = NULL;
	berth_smmu_free(smmu, &smmu->l1);
}

uint64_t *berth_smmu_ste(const struct smmu *smmu, uint32_t id)
{
	const struct smmu_memory *table = &smmu->l1;

	if (id >> smmu->sid_bits)
		return NULL;
	if (smmu->has_two_levels) {
		table = __atomic_load_n(&smmu->l2[id >> L1_SHIFT], __ATOMIC_ACQUIRE);
		id %= L2_ENTRIES;
	}
	return table ? (uint64_t *)table->at + (size_t)id * STE_WORDS : NULL;
}

/* The SMMU is told that a part of the first level has changed. */
static int forget_id(struct smmu *smmu, uint32_t id)
{
	const struct smmu_command command = { CMD_CFGI_STE | (uint64_t)id << ID_SHIFT, 0 };

	return berth_smmu_submit(smmu, &command, 1, true);
}

/* A table of second level. It stays until the SMMU goes. */
static int add_table(struct smmu *smmu, uint32_t id)
{
	struct smmu_memory *table = kzalloc(sizeof(*table), GFP_KERNEL), *none = NULL;
	uint64_t *entry = (uint64_t *)smmu->l1.at + (id >> L1_SHIFT);

	if (!table)
		return -ENOMEM;
	if (!berth_smmu_alloc(smmu, table, L2_BYTES, L2_BYTES)) {
		kfree(table);
		return -ENOMEM;
	}
	/* Somebody else may have been faster. */
	if (!__atomic_compare_exchange_n(&smmu->l2[id >> L1_SHIFT], &none, table, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		berth_smmu_free(smmu, table);
		kfree(table);
		return 0;
	}
	__atomic_fetch_add(&smmu->stats.tables, 1, __ATOMIC_RELAXED);
	dma_wmb();
	__atomic_store_n(entry, table->dma | L1_SPAN, __ATOMIC_RELAXED);
	return forget_id(smmu, id);
}

int berth_smmu_reach_ste(struct smmu *smmu, uint32_t id)
{
	uint64_t *ste;
	int ret;

	if (id >> smmu->sid_bits)
		return berth_set_error(dev_name(smmu->dev), -ERANGE, BERTH_REASON_ARGUMENT, id, 0);
	if (!berth_smmu_ste(smmu, id)) {
		ret = add_table(smmu, id);
		if (ret)
			return ret;
	}
	ste = berth_smmu_ste(smmu, id);
	/* The same for all kinds, so that one store makes one of another. */
	ste[1] = STE1_SHCFG_INCOMING | (smmu->is_coherent ? STE1_CACHED : 0);
	dma_wmb();
	return 0;
}

/* All entries of a device. */
static void write_stes(const struct smmu *smmu, const uint32_t *ids, unsigned int nr, uint64_t ste)
{
	for (unsigned int i = 0; i < nr; i++)
		__atomic_store_n(berth_smmu_ste(smmu, ids[i]), ste, __ATOMIC_RELAXED);
	dma_wmb();
}

/*
 * What is remembered of the entries, and of the context descriptors to which they led: a descriptor
 * does not change while an entry leads there.
 */
static int forget_stes(struct smmu *smmu, const uint32_t *ids, unsigned int nr)
{
	int ret = 0;

	while (nr && !ret) {
		struct smmu_command commands[MAX_BATCH] = { 0 };
		unsigned int some = nr < MAX_BATCH ? nr : MAX_BATCH;

		for (unsigned int i = 0; i < some; i++)
			commands[i] =
				(struct smmu_command){ CMD_CFGI_STE | (uint64_t)ids[i] << ID_SHIFT,
						       CFGI_LEAF };
		ret = berth_smmu_submit(smmu, commands, some, true);
		ids += some;
		nr -= some;
	}
	return ret;
}

int berth_smmu_set_stes(struct smmu *smmu, struct device *dev, uint64_t ste)
{
	unsigned int nr;
	const uint32_t *ids = dev_iommu_ids(dev, &nr);
	uint64_t old;
	int ret;

	if (!nr)
		return 0;
	/* All of a device's are alike. */
	old = __atomic_load_n(berth_smmu_ste(smmu, ids[0]), __ATOMIC_RELAXED);
	write_stes(smmu, ids, nr, ste);
	ret = forget_stes(smmu, ids, nr);
	if (ret) {
		struct berth_error why = *berth_last_error();

		write_stes(smmu, ids, nr, old);
		forget_stes(smmu, ids, nr);
		*berth_port_error() = why;
	}
	return ret;
}
