// SPDX-License-Identifier: BSD-2-Clause
/* The modelled SMMU: what its caches keep, what invalidations take, and what is
 * counted. */
#include "smmu.h"

/* What was not invalidated is still there. */
static void stale_translations(void **state)
{
	const struct berth_model_smmu_config config = { .watch_stale = true };

	(void)state;
	smmu_boot_page(&config, 1);
	map(&tables, IOVA + 0x1000, DATA + 0x1000);
	assert_int_equal(dev_write(behind, IOVA, 0x10, 0x2000), 0);
	unmap(&tables, IOVA);
	unmap(&tables, IOVA + 0x1000);
	assert_int_equal(smmu_stats().stale_hits, 0);
	assert_int_equal(dev_write(behind, IOVA, 0x20, 1), 0);
	tlbi_va(6, IOVA, true);
	must_command(TLBI_ASID | 6ull << 48, 0);
	tlbi_va(5, IOVA + 0x2000, true);
	assert_int_equal(dev_write(behind, IOVA, 0x21, 1), 0);
	assert_int_equal(smmu_stats().stale_hits, 2);
	tlbi_va(5, IOVA, true);
	assert_int_equal(dev_write(behind, IOVA, 0x22, 1), -EFAULT);
	assert_event(0x10, SID, EVENT_WRITE, IOVA, 0);
	/* That page alone. */
	assert_int_equal(dev_write(behind, IOVA + 0x1000, 0x23, 1), 0);
	must_command(TLBI_VAA, IOVA + 0x1000);
	assert_int_equal(dev_write(behind, IOVA + 0x1000, 0x24, 1), -EFAULT);
	assert_event(0x10, SID, EVENT_WRITE, IOVA + 0x1000, 0);
	/* What failed is not kept. */
	map(&tables, IOVA, DATA);
	assert_int_equal(dev_write(behind, IOVA, 0x25, 1), 0);
	unmap(&tables, IOVA);
	must_command(TLBI_ASID | 5ull << 48, 0);
	assert_int_equal(dev_write(behind, IOVA, 0x26, 1), -EFAULT);
	map(&tables, IOVA, DATA + 0x1000);
	assert_int_equal(dev_write(behind, IOVA, 0x27, 1), 0);
	unmap(&tables, IOVA);
	must_command(TLBI_NSNH, 0);
	assert_int_equal(dev_write(behind, IOVA, 0x28, 1), -EFAULT);
	assert_int_equal(dev_read(plain, DATA), 0x25);
	assert_int_equal(dev_read(plain, DATA + 0x1000), 0x27);
	assert_int_equal(smmu_stats().stale_hits, 3);
	assert_int_equal(smmu_stats().iotlb_dropped, 4);
	smmu_halt();
}

/* Fill the IOTLB with 16 pages and unmap them; which of them are still there,
 * as bits. */
static unsigned int still_there(void)
{
	unsigned int there = 0;
	uint32_t words[8];

	for (unsigned int i = 0; i < 16; i++) {
		there |= dev_read(behind, IOVA + 0x1000 * i) >= 0 ? 1u << i : 0;
		next_event(words);
	}
	return there;
}

static void fill_pages(void)
{
	must_command(TLBI_ALL, 0);
	for (unsigned int i = 0; i < 16; i++) {
		map(&tables, IOVA + 0x1000 * i, DATA + 0x1000 * i);
		assert_true(dev_read(behind, IOVA + 0x1000 * i) >= 0);
		unmap(&tables, IOVA + 0x1000 * i);
	}
}

static void ranges(void **state)
{
	const struct berth_model_smmu_config without = { .no_range = true };

	(void)state;
	boot();
	fill_pages();
	assert_int_equal(still_there(), 0xffff);
	tlbi_range(IOVA + 0x2000, 2, 0, 1, 0, true);
	assert_int_equal(still_there(), 0xfff3);
	tlbi_range(IOVA + 0x4000, 3, 1, 1, 3, true);
	assert_int_equal(still_there(), 0xfc03);
	/* Leaves of another level, or another granule, are not concerned. */
	tlbi_range(IOVA, 32, 4, 1, 2, true);
	tlbi_range(IOVA, 32, 0, 2, 0, true);
	tlbi_range(IOVA, 32, 0, 3, 3, true);
	assert_int_equal(still_there(), 0xfc03);
	/* Without a granule it is one address. */
	tlbi_range(IOVA + 0xf000, 8, 4, 0, 0, true);
	assert_int_equal(still_there(), 0x7c03);
	tlbi_range(IOVA - 0x1000, 32, 31, 1, 3, true);
	assert_int_equal(still_there(), 0);
	assert_int_equal(smmu_stats().range_invalidations, 6);
	assert_int_equal(smmu_stats().invalidations, 8);
	fill_pages();
	must_command(TLBI_VA | 5ull << 48 | 31 << 12 | 31 << 20, (0xfull << 60) | 1 << 10);
	assert_int_equal(still_there(), 0xffff);
	smmu_halt();
	smmu_boot_page(&without, 1);
	fill_pages();
	tlbi_range(IOVA + 0x2000, 2, 0, 1, 2, true);
	assert_int_equal(still_there(), 0xfffb);
	smmu_halt();
}

/* A block goes whole, whichever of its addresses is named. */
static void blocks_go_whole(void **state)
{
	uint64_t block = IOVA & ~0x1fffffull, at;

	(void)state;
	boot();
	at = descriptor(&tables, block, 2);
	poke(at, DATA | PTE_PLAIN | PTE_BLOCK);
	must_command(TLBI_ALL, 0);
	assert_true(dev_read(behind, block) >= 0);
	assert_true(dev_read(behind, block + 0x1ff000) >= 0);
	assert_int_equal(smmu_stats().iotlb_hits, 1);
	poke(at, 0);
	tlbi_va(5, block + 0x200000, true);
	tlbi_range(block, 32, 4, 1, 3, true);
	assert_true(dev_read(behind, block + 0x3000) >= 0);
	tlbi_range(block + 0x5000, 1, 0, 1, 2, true);
	assert_int_equal(dev_read(behind, block + 0x3000), -EFAULT);
	smmu_halt();
}

/* A page and a block over it, or a block and a page in it: whichever was there
 * first. */
static void the_older_of_two_wins(void **state)
{
	uint64_t block = IOVA & ~0x1fffffull, at, table;

	(void)state;
	boot();
	at = descriptor(&tables, block, 2);
	table = peek(at);
	map(&tables, block, DATA + 0x5000);
	map(&tables, block + 0x1000, DATA + 0x6000);
	for (unsigned int i = 0; i < 2; i++) {
		must_command(TLBI_ALL, 0);
		poke(at, i ? DATA | PTE_PLAIN | PTE_BLOCK : table);
		assert_int_equal(dev_write(behind, block, 0x11, 1), 0);
		/* The table's end is told, at another address. */
		poke(at, i ? table : DATA | PTE_PLAIN | PTE_BLOCK);
		if (!i)
			tlbi_va(5, block + 0x2000, false);
		assert_int_equal(dev_write(behind, block + 0x1000, 0x12, 1), 0);
		assert_int_equal(dev_read(plain, DATA + 0x1000), 0x12);
		assert_int_equal(dev_write(behind, block, 0x13 + (int)i, 1), 0);
		assert_int_equal(dev_read(plain, i ? DATA : DATA + 0x5000), 0x13 + i);
	}
	smmu_halt();
}

/* A global page is everybody's: another address space hits it, an ASID's
 * invalidation leaves it. */
static void global_pages(void **state)
{
	struct tables others;

	(void)state;
	boot();
	others = new_tables(12, 48);
	set_stream(OTHER_SID, &others, 6);
	map_at(&tables, IOVA, DATA, 3, PTE_USER | PTE_AF);
	map(&tables, IOVA + 0x1000, DATA + 0x1000);
	assert_true(dev_read(behind, IOVA) >= 0 && dev_read(behind, IOVA + 0x1000) >= 0);
	assert_true(dev_read(neighbour, IOVA) >= 0);
	assert_int_equal(dev_read(neighbour, IOVA + 0x1000), -EFAULT);
	assert_event(0x10, OTHER_SID, EVENT_READ, IOVA + 0x1000, 0);
	must_command(TLBI_ASID | 5ull << 48, 0);
	assert_true(dev_read(neighbour, IOVA) >= 0);
	tlbi_va(9, IOVA, true);
	assert_int_equal(dev_read(neighbour, IOVA), -EFAULT);
	smmu_halt();
}

/* A table is replaced: leaves alone do not tell the walk caches. */
static void stale_tables(void **state)
{
	uint64_t fresh, at, last;

	(void)state;
	boot();
	assert_int_equal(dev_write(behind, IOVA, 0x41, 1), 0);
	for (unsigned int level = 0; level < 3; level++) {
		/* A copy of the table, whose last page is another one. */
		at = descriptor(&tables, IOVA, level);
		fresh = new_table(4096);
		memcpy(smmu_memory(fresh), smmu_memory(peek(at) & ~0xfffull), 4096);
		last = descriptor(&tables, IOVA, 3);
		poke(last, (DATA + 0x1000 * level) | PTE_PLAIN | PTE_PAGE);
		poke(at, fresh | 3);
		last = descriptor(&tables, IOVA, level + 1);
		poke(last, level == 2 ? (DATA + 0x5000) | PTE_PLAIN | PTE_PAGE : 0);
		tlbi_va(5, IOVA, true);
		assert_int_equal(dev_write(behind, IOVA, 0x50, 1), 0);
		tlbi_va(5, IOVA + 0x40000000000, false);
		tlbi_va(5, IOVA, true);
		assert_int_equal(dev_write(behind, IOVA, 0x51 + (int)level, 1), 0);
		assert_int_equal(dev_read(plain, DATA + 0x1000 * level), 0x51 + level);
		tlbi_va(5, IOVA, false);
		if (level < 2) {
			assert_int_equal(dev_write(behind, IOVA, 0x52, 1), -EFAULT);
			assert_event(0x10, SID, EVENT_WRITE, IOVA, 0);
			poke(at, 0);
			map(&tables, IOVA, DATA);
			must_command(TLBI_ALL, 0);
			assert_int_equal(dev_write(behind, IOVA, 0x41, 1), 0);
		} else {
			assert_int_equal(dev_write(behind, IOVA, 0x59, 1), 0);
			assert_int_equal(dev_read(plain, DATA + 0x5000), 0x59);
		}
	}
	smmu_halt();
}

/* What lies in the CPU's cache only is not there, for an SMMU that is not
 * coherent. */
static void a_missing_clean_shows(void **state)
{
	volatile uint64_t *entry;

	(void)state;
	boot();
	entry = soc_virt(descriptor(&tables, IOVA, 3));
	berth_port_cache_flush(TABLES, TABLES_END - TABLES);
	*entry = (DATA + 0x2000) | PTE_PLAIN | PTE_PAGE;
	assert_int_equal(dev_write(behind, IOVA, 0x71, 1), 0);
	assert_int_equal(dev_read(plain, DATA), 0x71);
	tlbi_va(5, IOVA, true);
	assert_int_equal(dev_write(behind, IOVA, 0x72, 1), 0);
	assert_int_equal(dev_read(plain, DATA), 0x72);
	berth_port_cache_clean(descriptor(&tables, IOVA, 3), 8);
	tlbi_va(5, IOVA, true);
	assert_int_equal(dev_write(behind, IOVA, 0x73, 1), 0);
	assert_int_equal(dev_read(plain, DATA + 0x2000), 0x73);
	smmu_halt();
	/* A coherent one looks into the cache. */
	smmu_boot_with(NULL, true, 1);
	tables = new_tables(12, 48);
	map(&tables, IOVA, DATA);
	set_stream(SID, &tables, 5);
	assert_int_equal(dev_write(behind, IOVA, 0x74, 1), 0);
	assert_int_equal(dev_read(plain, DATA), 0x74);
	assert_int_equal(dev_write(behind, 0, 0x74, 1), -EFAULT);
	assert_event(0x10, SID, EVENT_WRITE, 0, 0);
	smmu_halt();
}

#define SPAN 4096u

/* Go through @pages pages; what is counted. */
static struct berth_model_smmu_stats go_through(unsigned int pages)
{
	struct berth_model_smmu_stats before = smmu_stats(), after;

	for (unsigned int i = 0; i < pages; i++)
		assert_true(dev_read(behind, 0x1000ull * i) >= 0);
	after = smmu_stats();
	after.iotlb_misses -= before.iotlb_misses;
	after.walk_reads -= before.walk_reads;
	after.evicted -= before.evicted;
	for (unsigned int level = 0; level < 3; level++)
		after.walk_misses[level] -= before.walk_misses[level];
	return after;
}

static void misses_are_counted(void **state)
{
	const struct berth_model_smmu_config small = { .iotlb_entries = 16,
						       .iotlb_ways = 4,
						       .walk_entries = { 1, 1, 2 } };
	struct berth_model_smmu_stats stats;

	(void)state;
	smmu_boot_page(&small, 1);
	for (unsigned int i = 0; i < SPAN; i++)
		map(&tables, 0x1000ull * i, DATA);
	/* One descriptor for each page, and for each table before it. */
	stats = go_through(SPAN);
	assert_int_equal(stats.iotlb_misses, SPAN);
	assert_int_equal(stats.walk_misses[2], SPAN / 512);
	assert_int_equal(stats.walk_misses[1], 1);
	assert_int_equal(stats.walk_misses[0], 1);
	assert_int_equal(stats.walk_reads, SPAN + SPAN / 512 + 2);
	assert_int_equal(stats.walk_hits[1], SPAN / 512 - 1);
	assert_int_equal(stats.evicted, SPAN - 16 + SPAN / 512 - 2);
	/* Sixteen pages in a row fit, as many in one set of four do not. */
	must_command(TLBI_ALL, 0);
	assert_int_equal(go_through(16).iotlb_misses, 16);
	assert_int_equal(go_through(16).iotlb_misses, 0);
	must_command(TLBI_ALL, 0);
	stats = smmu_stats();
	for (unsigned int i = 0; i < 64; i++)
		assert_true(dev_read(behind, 0x4000ull * (i % 16)) >= 0);
	assert_true(smmu_stats().iotlb_misses - stats.iotlb_misses > 32);
	stats = smmu_stats();
	must_command(TLBI_NSNH, 0);
	assert_int_equal(smmu_stats().iotlb_dropped - stats.iotlb_dropped, 4);
	assert_int_equal(smmu_stats().walks_dropped - stats.walks_dropped, 3);
	smmu_halt();
}

/* What the SMMU leaves to chance is not taken from the device's own numbers. */
static void a_device_has_its_own_numbers(void **state)
{
	const struct berth_model_smmu_config small = { .iotlb_entries = 2 };
	uint32_t numbers[2];

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		smmu_boot_page(i ? &small : NULL, 1);
		for (unsigned int page = 0; page < 16; page++)
			map(&tables, 0x1000ull * page, DATA);
		model_lock();
		soc.current = behind;
		for (unsigned int page = 0; page < 16; page++)
			assert_true(dev_read(behind, 0x1000ull * page) >= 0);
		numbers[i] = model_random(UINT32_MAX);
		soc.current = NULL;
		model_unlock();
		smmu_halt();
	}
	assert_int_equal(numbers[0], numbers[1]);
}

/* The same seed evicts the same. */
static void it_is_repeatable(void **state)
{
	const struct berth_model_smmu_config small = { .iotlb_entries = 8 };
	struct berth_model_smmu_stats stats[3];
	uint64_t digest[3];

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		smmu_boot_page(&small, 1 + i / 2);
		for (unsigned int page = 0; page < 16; page++)
			map(&tables, 0x1000ull * page, DATA);
		for (unsigned int page = 0; page < 500; page++)
			assert_true(dev_read(behind, 0x1000ull * (page * 7 / 5 % 16)) >= 0);
		stats[i] = smmu_stats();
		digest[i] = soc_stats().digest;
		smmu_halt();
	}
	assert_memory_equal(&stats[0], &stats[1], sizeof(stats[0]));
	assert_true(digest[0] == digest[1]);
	assert_true(digest[0] != digest[2]);
	assert_int_not_equal(stats[0].iotlb_hits, stats[2].iotlb_hits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stale_translations),
		cmocka_unit_test(ranges),
		cmocka_unit_test(blocks_go_whole),
		cmocka_unit_test(the_older_of_two_wins),
		cmocka_unit_test(global_pages),
		cmocka_unit_test(stale_tables),
		cmocka_unit_test(a_missing_clean_shows),
		cmocka_unit_test(misses_are_counted),
		cmocka_unit_test(a_device_has_its_own_numbers),
		cmocka_unit_test(it_is_repeatable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
