// SPDX-License-Identifier: BSD-2-Clause
/* The modelled SMMU with several threads: devices, commands, tables and events
 * at the same time. */
#include <pthread.h>

#include "smmu.h"

#define TURNS 400
#define PAGES 16u
#define BASE 0x40000000ull

static uint32_t failed, moved, refused;

#define EXPECT(condition)                                                 \
	do {                                                              \
		if (!(condition))                                         \
			__atomic_fetch_add(&failed, 1, __ATOMIC_RELAXED); \
	} while (0)

/* A device writes to its pages; half of them come and go. */
static void *transfer(void *data)
{
	struct model_device *dev = data;
	unsigned char bytes[64] = { 1 };

	for (unsigned int i = 0; i < TURNS; i++) {
		unsigned int page = i % PAGES;
		int ret;

		model_lock();
		ret = model_dma_write(dev, BASE + 4096 * page + i, bytes, sizeof(bytes));
		model_unlock();
		EXPECT(!ret || page % 2);
		__atomic_fetch_add(ret ? &refused : &moved, 1, __ATOMIC_RELAXED);
		berth_port_delay(100);
	}
	return NULL;
}

/* The tables change under it, and each change is followed by its invalidation.
 */
static void *remap(void *data)
{
	(void)data;
	for (unsigned int i = 0; i < TURNS; i++) {
		uint64_t address = BASE + 4096 * (i * 2 % PAGES + 1);
		uint64_t entry = descriptor(&tables, address, 3);

		__atomic_store_n((uint64_t *)smmu_memory(entry),
				 i / PAGES % 2 ? 0 : DATA | PTE_PLAIN | PTE_PAGE, __ATOMIC_RELAXED);
		command(TLBI_VA | 5ull << 48, address);
		command(CMD_SYNC_OP, 0);
		while (!commands_are_done())
			berth_port_delay(1000);
	}
	return NULL;
}

static void *drain(void *data)
{
	uint32_t words[8];

	(void)data;
	for (unsigned int i = 0; i < TURNS; i++) {
		while (next_event(words)) {
			EXPECT(words[0] == 0x10 && (words[1] == SID || words[1] == OTHER_SID));
			EXPECT(words[5] == 0 && words[4] >= BASE && words[4] < BASE + 2 * MIB);
			EXPECT((words[4] >> 12 & (PAGES - 1)) % 2);
		}
		berth_port_delay(1000);
	}
	return NULL;
}

static void all_at_once(const struct berth_model_smmu_config *config, bool is_coherent)
{
	pthread_t threads[4];
	struct berth_model_smmu_stats stats;

	failed = moved = refused = 0;
	smmu_boot(smmu_tree(is_coherent), &(struct berth_model_config){ .smmu = config });
	smmu_enable();
	berth_port_delay(1000000);
	tables = new_tables(12, 39);
	for (unsigned int i = 0; i < PAGES + 1; i++)
		map(&tables, BASE + 4096 * i, DATA + 4096 * i);
	for (unsigned int i = 0; i < 2; i++) {
		uint32_t sid = i ? OTHER_SID : SID;

		poke(cd_of(sid), cd_word(&tables, 5));
		poke(cd_of(sid) + 8, tables.root);
		set_ste(sid, cd_of(sid) | 5 << 1 | 1, 1ull << 44);
	}
	assert_int_equal(pthread_create(&threads[0], NULL, transfer, behind), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, transfer, neighbour), 0);
	assert_int_equal(pthread_create(&threads[2], NULL, remap, NULL), 0);
	assert_int_equal(pthread_create(&threads[3], NULL, drain, NULL), 0);
	for (unsigned int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	stats = smmu_stats();
	assert_int_equal(failed, 0);
	assert_int_equal(moved + refused, 2 * TURNS);
	assert_int_equal(stats.faults, stats.events_recorded + stats.events_lost);
	assert_int_equal(stats.commands[BERTH_MODEL_SMMU_SYNC], TURNS);
	assert_int_equal(stats.iotlb_hits + stats.iotlb_misses, stats.translations);
	smmu_halt();
}

static void threads(void **state)
{
	const struct berth_model_smmu_config slow = { .latency_ns = 500, .iotlb_entries = 4 };

	(void)state;
	all_at_once(NULL, false);
	all_at_once(NULL, true);
	all_at_once(&slow, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
