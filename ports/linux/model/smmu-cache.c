// SPDX-License-Identifier: BSD-2-Clause
/* The SMMU's IOTLB and walk caches: sets of ways, replaced at random. */
#include <errno.h>
#include <stdlib.h>

#include "model/smmu.h"

int smmu_cache_start(struct smmu_cache *cache, unsigned int nr, unsigned int ways)
{
	cache->nr = nr;
	cache->ways = ways ? ways : nr;
	cache->entries = calloc(nr, sizeof(*cache->entries));
	return cache->entries ? 0 : -ENOMEM;
}

static struct smmu_entry *set_of(const struct smmu_cache *cache, const struct smmu_entry *entry)
{
	uint64_t sets = cache->nr / cache->ways;

	return &cache->entries[entry->va / entry->size % sets * cache->ways];
}

static bool is_match(const struct smmu_entry *entry, const struct smmu_entry *wanted)
{
	return entry->is_valid && entry->va == wanted->va && entry->size == wanted->size &&
	       entry->granule_shift == wanted->granule_shift &&
	       (entry->is_global || entry->asid == wanted->asid);
}

struct smmu_entry *smmu_cache_find(const struct smmu_cache *cache, const struct smmu_entry *wanted)
{
	struct smmu_entry *set = set_of(cache, wanted);

	for (unsigned int i = 0; i < cache->ways; i++)
		if (is_match(&set[i], wanted))
			return &set[i];
	return NULL;
}

/* Into a way that is free, else in the place of any. */
void smmu_cache_insert(struct smmu *smmu, struct smmu_cache *cache, const struct smmu_entry *entry)
{
	struct smmu_entry *set = set_of(cache, entry);
	unsigned int way = 0;

	while (way < cache->ways && set[way].is_valid)
		way++;
	if (way == cache->ways) {
		way = model_random(cache->ways);
		smmu->stats.evicted++;
	}
	set[way] = *entry;
	set[way].is_valid = true;
	set[way].number = ++smmu->entry_number;
}

static bool is_inside(const struct smmu_entry *entry, const struct smmu_scope *scope, bool is_walk)
{
	if (!entry->is_valid)
		return false;
	if (!scope->is_all_asids && entry->asid != scope->asid &&
	    !(entry->is_global && !scope->is_all_addresses))
		return false;
	if (!scope->is_all_asids && scope->is_all_addresses && entry->is_global)
		return false;
	if (scope->is_all_addresses)
		return true;
	if (scope->granule_shift && scope->granule_shift != entry->granule_shift)
		return false;
	if (scope->level && scope->level != entry->level && !is_walk)
		return false;
	return entry->va <= scope->last && entry->va + (entry->size - 1) >= scope->first;
}

static uint64_t drop(struct smmu_cache *cache, const struct smmu_scope *scope, bool is_walk)
{
	uint64_t dropped = 0;

	for (unsigned int i = 0; i < cache->nr; i++) {
		if (is_inside(&cache->entries[i], scope, is_walk)) {
			cache->entries[i].is_valid = false;
			dropped++;
		}
	}
	return dropped;
}

void smmu_invalidate(struct smmu *smmu, const struct smmu_scope *scope)
{
	smmu->stats.iotlb_dropped += drop(&smmu->iotlb, scope, false);
	for (unsigned int i = 0; !scope->is_leaf && i < SMMU_WALK_LEVELS; i++)
		smmu->stats.walks_dropped += drop(&smmu->walks[i], scope, true);
}
